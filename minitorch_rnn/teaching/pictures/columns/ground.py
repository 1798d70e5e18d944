"""The ground on which links are laid: where nodes stand, and what has been drawn so far.

It repeats itself from column to column, so a link is laid once and holds for every time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn.teaching.pictures.shapes import Box

__all__ = ["Ground"]

CELL = 3.0
CLEARANCE = 6.0
_PARALLEL = 6.0  # copies of one link nearer than this run into each other


class Ground:
    """Nodes and ink of one column, on cells of a few px.

    Args:
        boxes: of the nodes at time 0.
        period: from one column to the next; a multiple of `CELL`.
        height: (top, bottom) of what can be drawn on.
    """

    def __init__(self, boxes: dict[str, Box], period: float, height: tuple[float, float]) -> None:
        self.boxes = boxes
        self.period = period
        self._top = height[0]
        self._across = round(period / CELL)
        self._down = round((height[1] - height[0]) / CELL) + 1
        self._number = {name: number for number, name in enumerate(boxes, 1)}
        self._node = np.zeros((self._down, self._across), np.int16)
        self._ink = np.zeros((self._down, self._across))
        self._labels: list[Box] = []
        for name, box in boxes.items():
            rows, columns = self._cells(_grown(box, CLEARANCE))
            self._node[np.ix_(rows, columns)] = self._number[name]

        self._above = np.zeros((self._down + 1, self._across), int)
        self._above[1:] = (self._node > 0).cumsum(axis=0)

    def _cells(self, box: Box) -> tuple[Any, Any]:
        """Rows and columns of the cells under a box."""
        down = np.arange((box.top - self._top) // CELL, (box.bottom - self._top) // CELL + 1)
        across = np.arange(box.left // CELL, box.right // CELL + 1)
        return down.clip(0, self._down - 1).astype(int), across.astype(int) % self._across

    def _at(self, points: Any) -> tuple[Any, Any]:
        """The cells of points (..., 2)."""
        down = ((points[..., 1] - self._top) // CELL).astype(int).clip(0, self._down - 1)
        return down, (points[..., 0] // CELL).astype(int) % self._across

    def upright_free(self, x: Any, y: Any, to_y: Any) -> Any:
        """Which of the upright lines at x, from y to to_y, (N,) each, come near no node."""
        top, across = self._at(np.stack([x, np.minimum(y, to_y)], axis=1))
        bottom, _ = self._at(np.stack([x, np.maximum(y, to_y)], axis=1))
        return self._above[bottom + 1, across] == self._above[top, across]

    def free(self, points: Any, ends: tuple[str, str]) -> Any:
        """Which of the links, points (N, S, 2), pass no node; they may come near their own ends."""
        found = self._node[self._at(points)]
        own = np.isin(found, [self._number[end] for end in ends])
        clear = ((found == 0) | own).all(axis=1)
        for end in ends:
            box = self.boxes[end]
            middle, half = (box.left + box.right) / 2, (box.right - box.left) / 2
            x = np.abs((points[..., 0] - middle + self.period / 2) % self.period - self.period / 2)
            y = points[..., 1]
            inside = (x < half - 3.5) & (y > box.top + 0.6) & (y < box.bottom - 0.6)
            clear &= ~inside.any(axis=1)
        return clear

    def ink(self, points: Any) -> Any:
        """How much ink each of the links, points (N, S, 2), runs through, in px."""
        step = np.linalg.norm(np.diff(points, axis=1), axis=2).sum(axis=1) / points.shape[1]
        return self._ink[self._at(points)].sum(axis=1) * step

    def doubled(self, points: Any) -> Any:
        """How far each of the links runs along its own copy in another column, in px."""
        x, y = points[..., 0], points[..., 1] - self._top
        cell = (x % self.period) // _PARALLEL * 10_000 + y // _PARALLEL
        key = np.sort(cell * 1000 + x // self.period + 500, axis=1)
        again = (key[:, 1:] // 1000 == key[:, :-1] // 1000) & (key[:, 1:] != key[:, :-1])
        return again.sum(axis=1) * _PARALLEL

    def draw(self, points: Any) -> None:
        """Leave the ink of a link, points (S, 2)."""
        down, across = self._at(_dense(points))
        touched = np.zeros(self._ink.shape, bool)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                touched[(down + dy).clip(0, self._down - 1), (across + dx) % self._across] = True
        self._ink += touched

    def label(self, points: Any, width: float, height: float) -> tuple[float, float] | None:
        """Where on a link the middle of a label can be; it is taken from then on.

        It overlaps no node and no other label, and as little ink as can be; None if there is no
        such place.
        """
        along = _dense(points)
        best, found = np.inf, None
        for number, (x, y) in enumerate(along):
            box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            cells = np.ix_(*self._cells(box))
            if self._node[cells].any() or any(self._meets(box, other) for other in self._labels):
                continue
            cost = self._ink[cells].sum() + 12 * abs(2 * number / len(along) - 1)
            if cost < best:
                best, found = cost, box
        if found is None:
            return None
        self._labels.append(_grown(found, 2))
        self._ink[np.ix_(*self._cells(found))] += 15
        return (found.left + found.right) / 2, (found.top + found.bottom) / 2

    def _meets(self, box: Box, other: Box) -> bool:
        """Whether a box and another one, in any column, overlap."""
        shift = round((box.left - other.left) / self.period) * self.period
        return any(
            box.overlaps(_moved(other, shift + near)) for near in (-self.period, 0, self.period)
        )


def _grown(box: Box, by: float) -> Box:
    return Box(box.left - by, box.top - by, box.right + by, box.bottom + by)


def _moved(box: Box, by: float) -> Box:
    return box._replace(left=box.left + by, right=box.right + by)


def _dense(points: Any) -> Any:
    """Points on the line through `points` (S, 2), no further than a cell apart."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    at = np.concatenate([[0.0], steps.cumsum()])
    along = np.linspace(0, at[-1], max(2, int(at[-1] / CELL * 1.5)))
    return np.stack([np.interp(along, at, points[:, i]) for i in (0, 1)], axis=1)
