"""The plan of a drawing: boxes of the nodes of one column, and the ways of its links."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.column import Column, Edge
from minitorch_rnn.errors import ColumnError
from minitorch_rnn.teaching.pictures.columns.ground import CELL, Ground
from minitorch_rnn.teaching.pictures.columns.looks import HEIGHT, LABEL, Label, kind_of, node_width
from minitorch_rnn.teaching.pictures.columns.places import places
from minitorch_rnn.teaching.pictures.columns.routes import Route, lay
from minitorch_rnn.teaching.pictures.metrics import text_width
from minitorch_rnn.teaching.pictures.shapes import Box, Point

__all__ = ["Link", "Plan", "plan"]

_TRACK = 9.0
_TRIES = 12
_EDGE = 66.0  # room above the top row and below the bottom row


class Link(NamedTuple):
    """An edge, its way from column `edge's offset` to column 0, and where its label stands."""

    edge: Edge
    route: Route
    label: str
    label_at: Point | None


class Plan(NamedTuple):
    """What is where in the column at time 0.

    Attributes:
        boxes: of the nodes, around x = 0.
        period: from one column to the next.
        links: the ways of the edges.
    """

    boxes: dict[str, Box]
    period: float
    links: list[Link]


def plan(
    column: Column, names: dict[str, Label], labels: dict[str, str], rolled: bool = False
) -> Plan:
    """Place the nodes and lay the links; with more room, and again, until each has a way.

    Args:
        column: what is drawn.
        names: what stands in each node.
        labels: what stands at each edge, by its name; "" is nothing.
        rolled: whether links through time return to the column they come from.
    """
    spread = 1.0
    for _ in range(_TRIES):
        found = _planned(column, names, labels, rolled, spread)
        if found is not None:
            return found
        spread *= 1.3
    raise ColumnError(f"{column.name}: its {len(column.edges)} edges are too many to be drawn.")


def _planned(
    column: Column, names: dict[str, Label], labels: dict[str, str], rolled: bool, spread: float
) -> Plan | None:
    width = {name: node_width(label, kind_of(column, name)) for name, label in names.items()}
    at = places(column, width, 16.0 * spread)
    gaps = _gaps(column, at.row, spread)
    boxes, bottom = {}, [0.0]
    for gap in gaps[1:-1]:
        bottom.append(bottom[-1] - HEIGHT - gap)
    for name, row in at.row.items():
        left = at.x[name] - width[name] / 2
        y = bottom[row]
        what = "hexagon" if kind_of(column, name) == "memory" else "shape"
        boxes[name] = Box(left, y - HEIGHT, left + width[name], y, what)
    period = _period(column, at.row, at.width, spread, rolled)
    height = (bottom[-1] - HEIGHT - gaps[-1], gaps[0])
    ground = Ground(boxes, period, height)
    room = {name: (gaps[row + 1], gaps[row]) for name, row in at.row.items()}
    links = []
    for edge in _in_order(column, at.row):
        offset = 0 if rolled else column.offset(edge)
        text = labels[str(edge.name)]
        loop = text_width(text, LABEL) / 2 + 14 if rolled and edge.delay else 0.0
        tracks = _tracks(at.width, period, offset, 150 * spread if rolled else None)
        route = lay(ground, (edge.source, edge.target), offset, tracks, room, loop)
        if route is None:
            return None
        spot = None
        if text:
            spot = ground.label(route.along, text_width(text, LABEL) + 8, LABEL + 5)
            if spot is None:
                return None
        links.append(Link(edge, route, text, spot))
    return Plan(boxes, period, links)


def _tracks(width: float, period: float, offset: int, beside: float | None) -> Any:
    """Where a link may run up or down: in the columns of its ends, or that far beside the nodes."""
    reach = width / 2 + beside if beside else period - width / 2
    near = np.arange(-(reach // _TRACK), reach // _TRACK + 1) * _TRACK
    if abs(offset) < 2:
        return near
    return np.unique(np.concatenate([near, near + offset * period]))


def _in_order(column: Column, row: dict[str, int]) -> list[Edge]:
    """Edges from the shortest, which have the best claim to be straight, to the longest."""

    def length(edge: Edge) -> tuple[int, int]:
        return abs(row[edge.source] - row[edge.target]) + 2 * edge.delay, edge.delay

    return sorted(column.edges, key=length)


def _gaps(column: Column, row: dict[str, int], spread: float) -> list[float]:
    """Free space below the bottom row, between rows, and above the top row."""
    rows = max(row.values()) + 1
    traffic = [0] * (rows + 1)
    for edge in column.edges:
        low, high = sorted((row[edge.source], row[edge.target]))
        if low == high and edge.delay > 1:  # arcs
            traffic[low] += 2 * edge.delay
            traffic[low + 1] += 2 * edge.delay
        for gap in range(low + 1, high + 1):
            traffic[gap] += 1 if high - low == 1 and edge.delay == 0 else 2
    inner = [min(34.0 + 4.0 * n, 100.0) * spread for n in traffic[1:-1]]
    return [_EDGE * spread, *inner, _EDGE * spread]


def _period(
    column: Column, row: dict[str, int], width: float, spread: float, rolled: bool
) -> float:
    """From the middle of one column to that of the next."""
    if rolled:
        return CELL * math.ceil((width + 400 * spread) / CELL)
    around = sum(1 for e in column.edges if e.delay and row[e.source] != row[e.target]) + sum(
        1 for e in column.edges if abs(row[e.source] - row[e.target]) > 1
    )
    gutter = min(44.0 + 6.0 * around, 130.0) * spread
    return CELL * math.ceil((width + gutter) / CELL)
