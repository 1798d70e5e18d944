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

# A gradient whose terms cancel to zero has no digits of its own: below this part of the largest
# gradient, agreement is measured against that.
FLOOR = 1e-3

# Steps for differences, tried in turn until none carries a unit over its kink and the function is
# straight enough; each smaller one costs about a digit. None is the best step for smooth functions.
_STEPS = (None, 3e-3, 1.5e-3, 4e-4, 6e-5)
_STRAIGHT = 1e-6  # how far order 6 may be off, relative to the largest element; order 8 is less


class Skip(Exception):
    """A road that does not apply, with the reason."""


def differences(
    value: Callable[[Arrays], Any],
    arrays: Arrays,
    kinks: Callable[[], bool] | None = None,
    together: int | None = None,
) -> Arrays:
    """Central differences, with a step that crosses no kink and is small for the function's curves.

    `kinks` says whether a kink was crossed since it was asked last; None if there are none.
    """
    crossed = False
    for step in _STEPS:
        if kinks is not None:
            kinks()
        errors: Arrays = {}
        found = numeric.central_difference(value, arrays, step, together=together, errors=errors)
        crossed = kinks is not None and kinks()
        largest = max(np.abs(g).max(initial=0.0) for g in found.values())
        straight = all(
            np.abs(error).max(initial=0.0)
            <= _STRAIGHT * max(np.abs(found[name]).max(initial=0.0), FLOOR * largest)
            for name, error in errors.items()
        )
        if straight and not crossed:
            return found
    if crossed:
        raise Skip("a unit is within the smallest step of its kink, where no slope exists")
    raise Skip("the divergence curves too much even for the smallest step")


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
