"""Which way a link takes: the cheapest that passes no node and little of what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.teaching.pictures.columns.ground import Ground
from minitorch_rnn.teaching.pictures.columns.ways import Ways, arcs, around, straight
from minitorch_rnn.teaching.pictures.shapes import Box, Point

__all__ = ["Route", "lay"]

_SAMPLES = 72
_INK = 4.0  # px of detour that are taken to avoid a px on what is drawn
_CONTENT = 70.0  # a way that costs no more than this above the distance is good enough
_RADIUS = 11.0
_AT_ONCE = 500
_ENOUGH = 2500  # ways that are tried, as long as one is free


class Route(NamedTuple):
    """The way of a link: cubic curves, and points along it (S, 2)."""

    curves: tuple[Point, ...]
    along: Any


class _Found(NamedTuple):
    cost: float
    route: Route


def lay(
    ground: Ground,
    ends: tuple[str, str],
    columns: int,
    tracks: Any,
    room: dict[str, tuple[float, float]],
    loop: float = 0.0,
) -> Route | None:
    """Find the way of a link and draw it on the ground; None if there is no free one.

    Args:
        ground: where to lay it.
        ends: names of source and target, the target in column 0.
        columns: the column of the source.
        tracks: where it may run up or down, as x from the middle of column 0.
        room: how much free space there is above and below each node's row.
        loop: if not 0, it is seen as a loop and runs at least so far from the two nodes.
    """
    shift = columns * ground.period
    a, b = ground.boxes[ends[0]], ground.boxes[ends[1]]
    a = a._replace(left=a.left + shift, right=a.right + shift)

    def kinds() -> Iterator[Ways]:
        if not loop:
            yield straight(a, b)
            yield arcs(a, b, room[ends[0]])
        ways = around(a, b, tracks, (room[ends[0]], room[ends[1]]), loop, abs(columns) > 1)
        on_track = ways.corners[:, 2, 0], ways.corners[:, 2, 1], ways.corners[:, 3, 1]
        free = ground.upright_free(*on_track)
        yield Ways(ways.corners[free], ways.cost[free])

    best, content = None, _CONTENT + 1.3 * _distance(a, b)
    for ways in kinds():
        best = _better(ground, ends, columns, ways, best, content)
        if best is not None and best.cost < content:
            break
    if best is None:
        return None
    ground.draw(best.route.along)
    return best.route


def _distance(a: Box, b: Box) -> float:
    dx = max(0.0, a.left - b.right, b.left - a.right)
    dy = max(0.0, a.top - b.bottom, b.top - a.bottom)
    return float(np.hypot(dx, dy))


def _better(
    ground: Ground,
    ends: tuple[str, str],
    columns: int,
    ways: Ways,
    best: _Found | None,
    content: float,
) -> _Found | None:
    """The cheapest of the free ways and the best so far.

    Ink only adds to the cost, so the ways are tried from the shortest on, until what remains is
    longer than the best costs.
    """
    order = np.argsort(ways.cost, kind="stable")
    for start in range(0, len(order), _AT_ONCE):
        some = order[start : start + _AT_ONCE]
        if best is not None:
            good = best.cost < content or ways.cost[some[0]] >= best.cost
            if good or start >= _ENOUGH:
                break
        corners, cost = ways.corners[some], ways.cost[some]
        along = _on_curve(corners) if ways.arc else _on_lines(corners)
        free = ground.free(along, ends)
        corners, cost, along = corners[free], cost[free], along[free]
        if not len(cost):
            continue
        cost = cost + _INK * ground.ink(along)
        if columns:
            cost = cost + _INK * ground.doubled(along)
        least = int(cost.argmin())
        if best is None or cost[least] < best.cost:
            curves = corners[least] if ways.arc else _rounded(corners[least])
            points = tuple((float(x), float(y)) for x, y in curves)
            best = _Found(float(cost[least]), Route(points, along[least]))
    return best


def _on_lines(corners: Any) -> Any:
    """Points on straight lines through corners (N, K, 2): (N, S, 2)."""
    steps = np.linalg.norm(np.diff(corners, axis=1), axis=2)
    at = np.concatenate([np.zeros((len(corners), 1)), steps.cumsum(axis=1)], axis=1)
    where = np.linspace(0, 1, _SAMPLES) * at[:, -1:]
    leg = (where[:, :, None] >= at[:, None, 1:-1]).sum(axis=2)
    rows = np.arange(len(corners))[:, None]
    part = (where - at[rows, leg]) / np.maximum(steps[rows, leg], 1e-9)
    return corners[rows, leg] + part[..., None] * (corners[rows, leg + 1] - corners[rows, leg])


def _on_curve(corners: Any) -> Any:
    """Points on cubic curves (N, 4, 2): (N, S, 2)."""
    s = np.linspace(0, 1, _SAMPLES)[None, :, None]
    p = [corners[:, i, None] for i in range(4)]
    r = 1 - s
    return r**3 * p[0] + 3 * r**2 * s * p[1] + 3 * r * s**2 * p[2] + s**3 * p[3]


def _rounded(corners: Any) -> list[Any]:
    """Straight lines with round corners, as cubic curves."""
    points = [corners[0]]
    for p in corners[1:]:
        if np.abs(p - points[-1]).max() > 0.01:
            points.append(p)
    curves: list[Any] = [points[0]]

    def line(to: Any) -> None:
        start = curves[-1]
        curves.extend([start + (to - start) / 3, start + (to - start) * 2 / 3, to])

    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        lengths = np.linalg.norm(corner - before), np.linalg.norm(after - corner)
        r = min(_RADIUS, lengths[0] / 2, lengths[1] / 2)
        enter = corner - (corner - before) / lengths[0] * r
        leave = corner + (after - corner) / lengths[1] * r
        line(enter)
        curves.extend([enter + (corner - enter) * 0.55, leave + (corner - leave) * 0.55, leave])
    line(points[-1])
    return curves
