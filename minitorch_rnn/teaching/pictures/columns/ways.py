"""The ways that a link could take from one node to another, whatever stands between.

A way is given by its corners (N, K, 2), for N ways of one kind.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.teaching.pictures.columns.looks import HEXAGON_TIP
from minitorch_rnn.teaching.pictures.shapes import Box, Point

__all__ = ["Ways", "arcs", "around", "straight"]

_BEND = 24.0  # px of length that a bend is worth
_TRACK = 9.0  # from one line in the free space between rows to the next
_TRACKS = 4
_OFF_MIDDLE = 8.0  # from the port in the middle of a side to those beside it


class Ways(NamedTuple):
    """Ways of one kind.

    Attributes:
        corners: (N, K, 2): of lines; or of arcs the points of one cubic curve.
        cost: (N,): length and bends.
        arc: whether they are arcs.
    """

    corners: Any
    cost: Any
    arc: bool = False


class _End(NamedTuple):
    """How a link gets from a node to tracks: X of them, at x.

    Attributes:
        side: of the node.
        y: where it reaches the track.
        port, knee: (X, 2): where it leaves the node, and where it turns before the track.
        open: (X,): which of the tracks it can reach.
        bends: how many.
    """

    side: str
    y: float
    port: Any
    knee: Any
    open: Any
    bends: int


def _inset(box: Box, dy: float) -> float:
    """How far inside its box the side of a node is, dy above or below the middle."""
    return HEXAGON_TIP * 2 * abs(dy) / (box.bottom - box.top) if box.what == "hexagon" else 0.0


def _ports(box: Box, side: str) -> list[Point]:
    """Where links can end on a side: in the middle, or beside it to leave room for others."""
    x, y, w = (box.left + box.right) / 2, (box.top + box.bottom) / 2, box.right - box.left
    if side in ("top", "bottom"):
        return [(x + dx, box.top if side == "top" else box.bottom) for dx in (0, -w / 4, w / 4)]
    sign, edge = (-1, box.left) if side == "left" else (1, box.right)
    return [(edge - sign * _inset(box, dy), y + dy) for dy in (0, -_OFF_MIDDLE, _OFF_MIDDLE)]


def straight(a: Box, b: Box) -> Ways:
    """Straight lines that leave the source on the side where the target is."""
    if a.top >= b.bottom:
        one, other = "top", "bottom"
    elif a.bottom <= b.top:
        one, other = "bottom", "top"
    else:
        one, other = ("right", "left") if a.right <= b.left else ("left", "right")
    pairs = list(itertools.product(_ports(a, one), _ports(b, other)))
    corners = np.array(pairs, float)
    dx, dy = np.abs(corners[:, 1] - corners[:, 0]).T
    tilt = np.minimum(dx, dy)  # level and upright lines look best
    off = np.array([3.0 * ((i > 0) + (j > 0)) for i, j in itertools.product(range(3), range(3))])
    return Ways(corners, np.hypot(dx, dy) + off + np.where(tilt < 20, 4 * tilt, 0))


def arcs(a: Box, b: Box, room: tuple[float, float]) -> Ways:
    """Arcs above and below a row; nothing if the two are not in one row."""
    curves = []
    if (a.top, a.bottom) == (b.top, b.bottom):
        for side, sign, space in (("top", -1, room[0]), ("bottom", 1, room[1])):
            for p, q in itertools.product(_ports(a, side), _ports(b, side)):
                for peak in np.arange(18.0, space - 5, _TRACK):
                    lean = 0.22 * (q[0] - p[0])
                    y = p[1] + sign * peak * 4 / 3
                    curves.append([p, (p[0] + lean, y), (q[0] - lean, y), q])
    corners = np.array(curves, float).reshape(-1, 4, 2)
    span = np.abs(corners[:, 3, 0] - corners[:, 0, 0])
    peak = 0.75 * np.abs(corners[:, 1, 1] - corners[:, 0, 1])
    length = span + 8 / 3 * peak**2 / np.maximum(span, 1)
    flat = 10 + 0.12 * span - peak  # copies of flat arcs are hard to tell from each other
    return Ways(corners, length + 10 + 4 * flat.clip(0), arc=True)


def around(
    a: Box, b: Box, tracks: Any, rooms: tuple[tuple[float, float], tuple[float, float]],
    loop: float, slanted: bool,
) -> Ways:  # fmt: skip
    """Ways to a track, along it up or down, and from there to the target.

    Args:
        a, b: source and target.
        tracks: (X,): x of the tracks.
        rooms: free space above and below the source, and above and below the target.
        loop: the least distance of the track from both nodes, if the way is to be seen as a loop.
        slanted: whether parts that would be level may rise or fall, so that the same way one
            column further is another line.
    """
    if loop:
        beside = [np.maximum(box.left - tracks, tracks - box.right) >= loop for box in (a, b)]
        tracks = tracks[beside[0] & beside[1]]
    found, cost = [np.zeros((0, 6, 2))], [np.zeros(0)]
    pairs = itertools.product(
        _ends(a, tracks, rooms[0], slanted), _ends(b, tracks, rooms[1], slanted)
    )
    for one, other in pairs:
        ok = one.open & other.open
        if (a == b and {one.side, other.side} != {"top", "bottom"}) or not ok.any():
            continue
        corners = np.empty((int(ok.sum()), 6, 2))
        corners[:, 0], corners[:, 1] = one.port[ok], one.knee[ok]
        corners[:, 2:4, 0] = tracks[ok, None]
        corners[:, 2, 1], corners[:, 3, 1] = one.y, other.y
        corners[:, 4], corners[:, 5] = other.knee[ok], other.port[ok]
        found.append(corners)
        cost.append(np.full(len(corners), _BEND * (one.bends + other.bends)))
    corners = np.concatenate(found)
    length = np.linalg.norm(np.diff(corners, axis=1), axis=2).sum(axis=1)
    return Ways(corners, length + np.concatenate(cost))


def _ends(box: Box, x: Any, room: tuple[float, float], slanted: bool) -> Iterator[_End]:
    """All the ways from a node to the tracks at x."""

    def points(x: Any, y: Any) -> Any:
        return np.stack(np.broadcast_arrays(x, y, tracks)[:2], axis=1)

    tracks = x
    for side, sign in (("left", -1), ("right", 1)):
        for edge, y in _ports(box, side):
            port = points(edge, y)
            yield _End(side, y, port, port, sign * (x - edge) >= 12, 1)
    for side, sign, space in (("top", -1, room[0]), ("bottom", 1, room[1])):
        ports = np.array(_ports(box, side))
        nearest = ports[np.abs(x[:, None] - ports[:, 0]).argmin(axis=1)]
        heights = np.arange(_TRACK + 2, max(space - 4, _TRACK + 3), _TRACK)[:_TRACKS]
        edge = ports[0, 1]
        for far in heights:
            y = edge + sign * far
            steep = np.abs(nearest[:, 0] - x) < 2.5 * far + 14
            yield _End(side, y, nearest, nearest, steep, 1)
            for first in heights[:1] if slanted else [far]:
                for px in (ports[:1, 0], nearest[:, 0]):
                    knee = points(px, edge + sign * first)
                    yield _End(side, y, points(px, edge), knee, np.abs(px - x) > 6, 2)
