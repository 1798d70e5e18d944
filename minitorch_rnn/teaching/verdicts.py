"""Whether errors vanish, explode, hold or are cut off on their way back through time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Verdict", "at_distances", "verdict_of"]

Array = np.ndarray

A_STEP, IN_ALL = 0.9, 0.1  # what is left of an error that vanishes


class Verdict(NamedTuple):
    """What happens to errors on their way to a node.

    Attributes:
        kind: "vanishes", "explodes", "holds", "here" if they arrive only where they enter,
            "nothing" if none arrives, or "overflows" if what arrives is no finite number.
        factor: by what they change a step, nan if they take none.
        steps: the most steps that one takes.
        cut: "" or "blocked" or "truncated", where links lead on that no error crosses; "partly
            blocked" where errors get farther by other ways than the nearest place that is cut off.

    >>> str(Verdict("vanishes", 0.614, 9, "")), str(Verdict("holds", 1.0, 2, "truncated"))
    ('vanishes: falls by ×0.61 a step', 'truncated after 2 steps (×1.00 a step)')
    """

    kind: str
    factor: float
    steps: int
    cut: str

    def __str__(self) -> str:
        usual = 0.01 <= self.factor < 1000 or self.factor == 0
        a_step = f"×{self.factor:{'.2f' if usual else '.1e'}} a step"
        if self.kind == "nothing":
            return "nothing arrives"
        if self.kind == "overflows":
            return "no finite number arrives"
        if self.cut and self.steps == 0:
            return f"{self.cut}: arrives only at its own t"
        partly = f", {self.cut}" if self.cut.startswith("partly") else ""
        if self.cut and not partly:
            steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
            return f"{self.cut} after {steps} ({a_step})"
        if self.kind == "here":
            return "arrives only at its own t"
        change = {"vanishes": "falls by ", "explodes": "grows by ", "holds": ""}[self.kind]
        return f"{self.kind}: {change}{a_step}{partly}"


def verdict_of(reach: Array, leads: Array, kept: Array, losses: Array, cut: str) -> Verdict:
    """The verdict on a (T, T) map, rows t of the loss, columns t' of the state.

    Args:
        reach: norms of what arrives.
        leads, kept: whether links lead there, and whether errors cross all of them.
        losses: whether there is an error at t, (T,).
        cut: what it is called where links lead on that no error crosses.

    >>> T = np.arange(5)
    >>> halves = np.tril(0.5 ** np.abs(T[:, None] - T))
    >>> str(verdict_of(halves, halves > 0, halves > 0, T >= 0, "blocked"))
    'vanishes: falls by ×0.50 a step'
    """
    t, s = np.indices(reach.shape)
    open_ways, rows = kept & losses[:, None], losses[:, None]
    overflows = not np.isfinite(reach[open_ways]).all()
    if not overflows and not reach[open_ways].any():
        return Verdict("nothing", np.nan, 0, "")
    steps = int(np.abs(t - s)[open_ways].max())
    is_cut = cut if (leads & ~kept & rows).any() else ""
    nearest = np.where(leads & ~kept & rows, np.abs(t - s), len(reach)).min(axis=1)
    if (nearest < np.where(open_ways, np.abs(t - s), -1).max(axis=1)).any():
        is_cut = f"partly {cut}"
    change, taken = 0.0, 0
    for side in (s <= t, s >= t):  # into the past; and into the future, for nets that run backward
        usable = open_ways & side & (reach > 0) & np.isfinite(reach)
        for row in np.flatnonzero(usable.any(axis=1)):
            at = np.flatnonzero(usable[row])
            near, far = sorted((at[0], at[-1]), key=lambda state: abs(state - row))
            change += float(np.log(reach[row, far]) - np.log(reach[row, near]))
            taken += abs(int(far) - int(near))
    if not taken:
        return Verdict("overflows" if overflows else "here", np.nan, steps, is_cut)
    rate, kind = change / taken, "holds"
    if abs(rate) > -np.log(A_STEP) or abs(rate) * steps > -np.log(IN_ALL):
        kind = "vanishes" if rate < 0 else "explodes"
    return Verdict(kind, float(np.exp(rate)), steps, is_cut)


def at_distances(
    reach: Array, leads: Array, kept: Array, losses: Array, distances: Sequence[int]
) -> list[str]:
    """What arrives so many steps from the loss, the geometric mean over the losses, as text.

    "cut" stands where links lead there and none is open, nothing where none leads there; "nan"
    where no number does.

    >>> T = np.arange(3)
    >>> halves = np.tril(0.5 ** np.abs(T[:, None] - T))
    >>> at_distances(halves, halves > 0, halves > 0.3, T >= 0, [0, 1, 2])
    ['1.0e+00', '5.0e-01', 'cut']
    """
    t, s = np.indices(reach.shape)
    cells = []
    for d in distances:
        there = (np.abs(t - s) == d) & losses[:, None]
        values = reach[there & kept]
        if not (there & leads).any():
            cells.append("")
        elif not values.size:
            cells.append("cut")
        else:
            positive = values[values > 0]
            lost = np.nan if np.isnan(values).any() else 0.0
            mean = np.exp(np.log(positive).mean()) if positive.size else lost
            cells.append(f"{mean:.1e}")
    return cells
