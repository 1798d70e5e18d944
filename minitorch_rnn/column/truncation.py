"""Truncated backpropagation through time: three definitions that do not agree with each other.

Each is a list of windows. A `Window` sends back the errors of the losses Div(t) with t in `losses`,
and no error reaches a column earlier than `first`; the history before t = 0 counts as column -1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from minitorch_rnn.column.validation import whole


class Window(NamedTuple):
    """Losses whose errors are sent back together, and the earliest column they may reach.

    >>> chunked(2).windows(4)[1]
    Window(losses=range(2, 4), first=2)
    """

    losses: range
    first: int


class Truncation(NamedTuple):
    """A rule of truncation: its name, and its windows for T columns.

    >>> per_loss_window(1).name
    'per_loss_window(k=1)'
    >>> per_loss_window(1).reaches(2)
    [[True, True, False], [False, True, True]]
    """

    name: str
    windows: Callable[[int], list[Window]]

    def reaches(self, T: int) -> list[list[bool]]:
        """For every loss t, for every state t' = -1, 0, …, T-1: whether its error gets there."""
        kept = [[False] * (T + 1) for _ in range(T)]
        for window in self.windows(T):
            for t in window.losses:
                kept[t] = [window.first <= state <= t for state in range(-1, T)]
        return kept


def chunked(k: int) -> Truncation:
    """Cut the sequence into chunks of k columns; no error crosses from a chunk into the one before.

    A loss late in its chunk reaches k-1 states back, one at its start none. This is what "truncated
    BPTT" means in most programs: the state is carried over, and detached. k >= T is full BPTT.

    >>> [list(window.losses) for window in chunked(2).windows(5)]
    [[0, 1], [2, 3], [4]]
    """
    k = whole("chunked", "k", k, 1, None)

    def windows(T: int) -> list[Window]:
        starts = range(0, T, k)
        return [Window(range(s, min(s + k, T)), s if s else -1) for s in starts]

    return Truncation(f"chunked(k={k})", windows)


def per_loss_window(k: int) -> Truncation:
    """The error of every Div(t) reaches exactly k states back: those from t-k to t.

    Every loss is treated alike, at the cost of a sweep for each. k = 0 blocks every link through
    time, as in Elman's network; k >= T is full BPTT.

    >>> [window.first for window in per_loss_window(2).windows(5)]
    [-1, -1, 0, 1, 2]
    """
    k = whole("per_loss_window", "k", k, 0, None)

    def windows(T: int) -> list[Window]:
        return [Window(range(t, t + 1), max(t - k, -1)) for t in range(T)]

    return Truncation(f"per_loss_window(k={k})", windows)


def williams_peng(h: int, h_prime: int) -> Truncation:
    """BPTT(h, h'): every h' steps, send the errors of the last h' losses back through h columns.

    With h = h' it is `chunked`; with h' = 1 nearly `per_loss_window`; h >= T is full BPTT. A sweep
    that runs through column 0 reaches the history as well; a last, shorter group of losses is cut
    off where a whole one would be.

    Source: Williams and Peng, Neural Computation 2 (1990).

    >>> [(list(window.losses), window.first) for window in williams_peng(4, 2).windows(6)]
    [([0, 1], -1), ([2, 3], -1), ([4, 5], 2)]
    """
    h_prime = whole("williams_peng", "h_prime", h_prime, 1, None)
    h = whole("williams_peng", f"h, with h_prime = {h_prime},", h, h_prime, None)

    def windows(T: int) -> list[Window]:
        found = []
        for start in range(0, T, h_prime):
            first = start + h_prime - h
            cut = first > 0 and h < T
            found.append(Window(range(start, min(start + h_prime, T)), first if cut else -1))
        return found

    return Truncation(f"williams_peng(h={h}, h'={h_prime})", windows)


def explain_truncation(truncation: Truncation, T: int) -> None:
    """Print which (loss t, state t') pairs are kept: a row for each loss, # where kept.

    >>> explain_truncation(chunked(2), 4)
    chunked(k=2): # where the error of Div(t) reaches the state at t'
          t' -1  0  1  2  3
    t = 0     #  #
    t = 1     #  #  #
    t = 2              #
    t = 3              #  #
    """
    T = whole("explain_truncation", "T", T, 1)
    width = max(3, len(str(T)) + 1)
    margin = len(f"t = {T - 1}")
    head = "".join(f"{state:>{width}}" for state in range(-1, T))
    lines = [
        f"{truncation.name}: # where the error of Div(t) reaches the state at t'",
        f"{'':{margin}} t'{head}",
    ]
    for t, row in enumerate(truncation.reaches(T)):
        cells = "".join(f"{'#' if kept else '':>{width}}" for kept in row)
        lines.append(f"t = {t:<{margin - 4}}   {cells}".rstrip())
    print("\n".join(lines))
