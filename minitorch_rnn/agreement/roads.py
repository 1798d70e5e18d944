"""What all kinds of networks need on their way: differences across kinks, and checked values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_rnn import numeric
from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import NonFiniteError
from minitorch_rnn.nn import DivergenceLoss

Arrays = dict[str, np.ndarray]

# Steps for differences, tried in turn until none carries a relu unit over its kink; each smaller
# one costs about a digit. None is the best step for a smooth function.
_STEPS = (None, 3e-3, 1.5e-3, 4e-4, 6e-5)


class Skip(Exception):
    """A road that does not apply, with the reason."""


def differences(
    value: Callable[[Arrays], Any],
    arrays: Arrays,
    kinks: Callable[[], bool] | None = None,
    together: int | None = None,
) -> Arrays:
    """Central differences, with a step that crosses no kink.

    `kinks` says whether a kink was crossed since it was asked last; None if there are none.
    """
    if kinks is None:
        return numeric.central_difference(value, arrays, together=together)
    for step in _STEPS:
        kinks()
        found = numeric.central_difference(value, arrays, step, together=together)
        if not kinks():
            return found
    raise Skip("a unit is within the smallest step of its kink, where no slope exists")


def finite(divergence: Divergence, Y: Tensor, D: Any) -> Tensor:
    """DIV of the graph's outputs.

    Raises:
        NonFiniteError: if it is nan or infinite.
    """
    value: Tensor = DivergenceLoss(divergence)(Y, D)
    if not np.isfinite(value.item()):
        raise NonFiniteError(
            f"verify: the {divergence.name} of these outputs is {value.item()}, which has no "
            f"gradient; the outputs lie between {Y.min().item():.3g} and {Y.max().item():.3g}."
        )
    return value
