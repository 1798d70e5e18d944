"""Where the nodes of one column stand: rows by their order within a time step, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from minitorch_rnn.column import Column

__all__ = ["Places", "levels", "places"]

Order = list[list[str]]
_ROUNDS = 6


class Places(NamedTuple):
    """Rows and positions of the nodes of a column.

    Attributes:
        row: the row of each node, from 0 at the bottom.
        x: the middle of each node, from the middle of the column.
        width: of the widest level.
    """

    row: dict[str, int]
    x: dict[str, float]
    width: float


def levels(column: Column) -> dict[str, int]:
    """How many links within one time step lead to each node, on the longest way from below.

    Inputs are 0, and an output that nothing of its own time reads stands above all others.

    >>> from minitorch_rnn.column import with_skips
    >>> levels(with_skips(2, 3, 1))
    {'x': 0, 'h1': 1, 'h2': 2, 'Y': 3}
    """
    level = {node.name: 0 for node in column.nodes}
    inner = [node.name for node in column.nodes if node.kind != "input"]
    for name in _in_order(column, inner):
        sources = [e.source for e in column.into[name] if e.delay == 0]
        level[name] = 1 + max((level[s] for s in sources), default=0)
    read_at_once = {e.source for e in column.edges if e.delay == 0}
    others = [level[n] for n in level if n != column.output]
    if column.output not in read_at_once:
        level[column.output] = max(level[column.output], 1 + max(others, default=0))
    return level


def _in_order(column: Column, names: list[str]) -> Iterable[str]:
    """The nodes, each after those of its own time step that it reads."""
    return (n for part in column.components for n in part.nodes if n in names)


def places(column: Column, width: dict[str, float], gap: float = 16.0) -> Places:
    """Rows and positions, for nodes of these widths that stand `gap` apart.

    Nodes of one level stand side by side; those that read themselves at another time have a row
    each, so that the link is a straight line. The order within a level is the one with the fewest
    crossings.
    """
    level = levels(column)
    order: Order = [[] for _ in range(max(level.values()) + 1)]
    for name in [n for n in column.inputs] + list(_in_order(column, list(level))):
        order[level[name]].append(name)
    order = [names for names in order if names]
    links = [(e.source, e.target) for e in column.edges if e.delay == 0]
    _untangle(order, links, width, gap)
    loops = {e.source for e in column.edges if e.source == e.target}
    row: dict[str, int] = {}
    next_row = 0
    for names in order:
        for number, some in enumerate(_rows(names, loops)):
            row |= {name: next_row + number for name in some}
        next_row = max(row.values()) + 1
    x = _positions(order, width, gap)
    return Places(row, x, max(_width(names, width, gap) for names in order))


def _rows(names: list[str], loops: set[str]) -> list[list[str]]:
    """The nodes of a level by rows: one for all without a loop, one for each of the others."""
    if len(names) == 1:
        return [names]
    plain = [n for n in names if n not in loops]
    return ([plain] if plain else []) + [[n] for n in names if n in loops]


def _width(names: list[str], width: dict[str, float], gap: float) -> float:
    return sum(width[n] for n in names) + gap * (len(names) - 1)


def _positions(order: Order, width: dict[str, float], gap: float) -> dict[str, float]:
    x = {}
    for names in order:
        left = -_width(names, width, gap) / 2
        for name in names:
            x[name] = left + width[name] / 2
            left += width[name] + gap
    return x


def _untangle(
    order: Order, links: list[tuple[str, str]], width: dict[str, float], gap: float
) -> None:
    """Reorder each level, over and over, as long as that makes fewer crossings."""
    best = _tangle(order, links, width, gap)
    for _ in range(_ROUNDS):
        before = best
        for names in order:
            for candidate in _orders(list(names)):
                kept, names[:] = list(names), candidate
                found = _tangle(order, links, width, gap)
                if found < best - 1e-9:
                    best = found
                else:
                    names[:] = kept
        if best == before:
            return


def _orders(names: list[str]) -> Iterable[list[str]]:
    """All orders of a few names; of many those that exchange two."""
    if len(names) <= 5:
        return [list(some) for some in itertools.permutations(names)]
    swapped = []
    for i, j in itertools.combinations(range(len(names)), 2):
        other = list(names)
        other[i], other[j] = other[j], other[i]
        swapped.append(other)
    return swapped


def _tangle(
    order: Order, links: list[tuple[str, str]], width: dict[str, float], gap: float
) -> float:
    """Crossings of straight links, links over nodes, and, to decide between equals, lengths."""
    x = _positions(order, width, gap)
    level = {name: number for number, names in enumerate(order) for name in names}
    total = sum(abs(x[a] - x[b]) for a, b in links) / 2000
    for (a, b), (c, d) in itertools.combinations(links, 2):
        low, high = max(level[a], level[c]), min(level[b], level[d])
        if low < high and len({a, b, c, d}) == 4:
            one, two = (
                [_at(x[s], level[s], x[t], level[t], y) for y in (low, high)]
                for s, t in ((a, b), (c, d))
            )
            total += (one[0] - two[0]) * (one[1] - two[1]) <= 0
    for a, b in links:
        for name in (n for names in order[level[a] + 1 : level[b]] for n in names):
            at = _at(x[a], level[a], x[b], level[b], level[name])
            total += 0.7 * (abs(at - x[name]) < width[name] / 2 + 6)
    return total


def _at(x: float, y: float, to_x: float, to_y: float, where: float) -> float:
    """Where the line from (x, y) to (to_x, to_y) is at the height `where`."""
    return x + (to_x - x) * (where - y) / (to_y - y)
