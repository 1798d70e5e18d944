"""Drawings of columns, rolled and unrolled: where nodes stand, which ways links take, the looks."""

from minitorch_rnn.teaching.pictures.columns.rolled import draw_rolled
from minitorch_rnn.teaching.pictures.columns.unrolled import draw_unrolled

__all__ = ["draw_rolled", "draw_unrolled"]
