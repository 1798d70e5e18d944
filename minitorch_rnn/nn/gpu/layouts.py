"""What the kernels of each cell expect and leave."""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """A cell as its kernels have it.

    Attributes:
        gates: rows of weights per unit.
        inner: gates at the end whose bias_hh acts inside; in the copy of W_hh they come first.
        slots: gradients per unit that backward leaves: first those that W_hh made.
        to_x: the first of those that W_ih made.
        carries: whether it keeps a memory, and a gradient passes from step to step beside W_hh.
        remembers: whether that memory is a state, c.
    """

    gates: int
    inner: int
    slots: int
    to_x: int
    carries: bool
    remembers: bool


LAYOUTS = {
    "gru": Layout(3, 1, 4, 1, True, False),
    "lstm": Layout(4, 0, 4, 0, True, True),
    "relu": Layout(1, 0, 1, 0, False, False),
    "tanh": Layout(1, 0, 1, 0, False, False),
}
