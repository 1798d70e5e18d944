"""Divergences: scalar functions of the whole series of outputs Y(t) and targets D(t).

Each is given twice, on plain arrays: its value, and dDIV/dY(t) for all t, derived by hand. The last
two do not separate into a sum over time (slides 75–77); BPTT needs no more than dDIV/dY(t).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Divergence(NamedTuple):
    """A divergence of Y and D, both (T, B, O), and its gradient with respect to Y.

    `value` uses operators and the namespace it is handed (NumPy, or this package for the graph), so
    the same line runs on arrays, on complex arrays and on Tensors.
    """

    name: str
    value: Callable[[Any, Any, Any], Any]  # of (namespace, Y, D)
    gradient: Callable[[Any, Any], Any]  # of (Y, D)


def _worst_gradient(Y: Any, D: Any) -> Any:
    steps = ((Y - D) ** 2).sum(axis=(1, 2))
    weights = np.exp(steps - steps.max())
    return (weights / weights.sum())[:, None, None] * 2 * (Y - D)


SQUARED = Divergence(
    "squared error",
    lambda xp, Y, D: 0.5 * ((Y - D) ** 2).sum(),
    lambda Y, D: Y - D,
)
CROSS_ENTROPY = Divergence(
    "cross-entropy",
    lambda xp, Y, D: -(D * xp.log(Y)).sum(),
    lambda Y, D: -D / Y,
)
SOFT_WORST_STEP = Divergence(
    "soft worst step",  # ln sum_t exp ||Y(t) - D(t)||^2: nearly the largest error of any step
    lambda xp, Y, D: xp.log(xp.exp(((Y - D) ** 2).sum(axis=(1, 2))).sum()),
    _worst_gradient,
)
SQUARED_TOTAL = Divergence(
    "squared total",  # 1/2 ||sum_t (Y(t) - D(t))||^2: early errors may be made good later
    lambda xp, Y, D: 0.5 * ((Y - D).sum(axis=0) ** 2).sum(),
    lambda Y, D: np.broadcast_to((Y - D).sum(axis=0), Y.shape),
)

DIVERGENCES = {d.name: d for d in (SQUARED, CROSS_ENTROPY, SOFT_WORST_STEP, SQUARED_TOTAL)}
