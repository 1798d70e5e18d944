"""Drawings of networks and of the graphs that autograd records."""

from __future__ import annotations

from minitorch_rnn.column import Column
from minitorch_rnn.column.validation import whole
from minitorch_rnn.errors import ColumnError
from minitorch_rnn.teaching.pictures import Picture
from minitorch_rnn.teaching.pictures.columns import draw_rolled, draw_unrolled
from minitorch_rnn.teaching.pictures.graphs import draw_graph

__all__ = ["draw", "draw_graph"]

MOST_PARTS, MOST = 200, 20_000  # nodes and links of a column, and in a picture


def draw(column: Column, T: int | None = None, fold: bool = True) -> Picture:
    """Draw a network in the manner of the lecture.

    Args:
        column: the network.
        T: None draws it rolled: one column, in which a loop means recurrence. A number unrolls it
            over so many time steps: time from left to right, inputs at the bottom, outputs on top.
        fold: whether the middle of a long sequence is left out.

    Raises:
        ColumnError: if T is no number of steps, or the picture would be too large to be looked at.

    Source: slides 41–62 and 96–100.

    >>> from minitorch_rnn.column import elman
    >>> draw(elman(2, 3, 1)).title, draw(elman(2, 3, 1), T=4).title
    ('elman, rolled', 'elman, unrolled over 4 time steps')
    >>> draw(elman(2, 3, 1), T=200).svg().count("data-node")
    19
    """
    steps = 1 if T is None else whole("draw", "T, the number of steps,", T, 1)
    parts = len(column.nodes) + len(column.edges)
    if parts > MOST_PARTS:
        raise ColumnError(
            f"draw: {column.name} has {parts:,} nodes and links, and a picture of a column holds "
            f"{MOST_PARTS}. Draw one with fewer layers or delays."
        )
    if not fold and steps * parts > MOST:
        raise ColumnError(
            f"draw: {steps:,} time steps of {parts} nodes and links are {steps * parts:,}, and a "
            f"picture holds {MOST:,}. Take fewer steps, or leave the middle out (fold)."
        )
    return draw_rolled(column) if T is None else draw_unrolled(column, steps, fold)
