"""Heat maps over two time axes on a logarithmic scale, with bars for every time step below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minitorch_rnn.teaching.pictures.colours import FAINT, INK, LINKS, PAPER
from minitorch_rnn.teaching.pictures.picture import Picture, text_width

__all__ = ["Bars", "heat_map", "scale_colour"]

Array = np.ndarray

# From nothing to the most, light to dark: luminance falls all the way, so that grey tells the same.
# Anchors of the colour map "viridis" by van der Walt and Smith (2015), in reverse; public domain.
_ANCHORS = (
    "#fde725", "#addc30", "#5ec962", "#28ae80", "#21918c", "#2c728e", "#3b528b", "#472d7b",
    "#440154",
)  # fmt: skip
_LEVELS = 36
_DECADES = 12  # what is smaller by more than that has the lightest colour
_SIDE, _MOST = 320.0, 200  # px of a side, and cells that it may have
_BAR, _HATCH = 34.0, 6.0  # height of bars, and distance of the lines that hatch


class Bars(NamedTuple):
    """Numbers by time step to be drawn as bars: what they are, and a line to compare them with."""

    label: str
    values: Array
    line: float | None = None


def scale_colour(share: float) -> str:
    """The colour at 0 … 1 of the scale.

    >>> scale_colour(0.0), scale_colour(1.0)
    ('#fde725', '#440154')
    """
    place = min(max(share, 0.0), 1.0) * (len(_ANCHORS) - 1)
    i = min(int(place), len(_ANCHORS) - 2)
    low, high = ([int(c[k : k + 2], 16) for k in (1, 3, 5)] for c in _ANCHORS[i : i + 2])
    mixed = (round(a + (place - i) * (b - a)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def heat_map(
    values: Array,
    leads: Array,
    kept: Array,
    *,
    title: str,
    note: str,
    down: str,
    across: str,
    bars: Sequence[Bars] = (),
) -> Picture:
    """Draw a (T, T) map: rows down, columns across.

    Args:
        values: at least 0.
        leads, kept: cells with `kept` have a colour, the others none; those with `leads` alone are
            hatched: something would arrive there if it were not cut off.
        title, note: what it shows, and what follows from it.
        down, across: what the axes are.
        bars: drawn below, one for each column.

    Above 200 steps several share a cell, which shows the largest of them.

    >>> T = np.arange(3)
    >>> map_ = np.tril(0.5 ** np.abs(T[:, None] - T))
    >>> heat_map(map_, map_ > 0, map_ > 0, title="halves", note="", down="t", across="s")
    Picture('halves', 167 × 206)
    """
    T = len(values)
    each = -(-T // _MOST)
    cells = _Cells(
        _binned(np.where(kept, values, 0.0), each), _binned(kept, each), _binned(leads, each)
    )
    n = len(cells.values)
    size = min(24.0, _SIDE / n)
    low, high = _range(cells)
    picture = Picture(title, _description(title, note, down, across, cells, low, high))
    side, left, top = n * size, 34.0, 48.0
    picture.text(left, 0, title, size=14, anchor="start", bold=True)
    picture.text(left, 18, note, size=12, anchor="start")
    picture.text(left, top - 7, f"↓ {down}", size=11, anchor="start", colour=FAINT)
    _draw_cells(picture, cells, left, top, size, low, high)
    picture.rectangle(left, top, side, side, stroke=INK, stroke_width=0.8)
    _draw_ticks(picture, T, each, left, top, size)
    tall = max(side, 72.0)  # room for a few numbers at the scale
    _draw_scale(picture, left + side + 16, top, tall, low, high)
    y = top + tall + 30
    picture.text(left, y, f"{across} →", size=11, anchor="start", colour=FAINT)
    y = _draw_legend(picture, cells, left, y + 8, low)
    for some in bars:
        y = _draw_bars(picture, some, _binned(some.values, each), left, y + 14, size)
    return picture


class _Cells(NamedTuple):
    """What the cells hold: numbers, whether they have a colour, and whether links lead there."""

    values: Array
    kept: Array
    leads: Array

    @property
    def cut(self) -> Array:
        return np.asarray(self.leads & ~self.kept)


def _binned(array: Array, each: int) -> Array:
    """The largest of every `each` steps, on all axes; nan counts as nothing."""
    if each == 1:
        return array
    starts = np.arange(0, len(array), each)
    for axis in range(array.ndim):
        reduce = np.logical_or if array.dtype == bool else np.fmax
        array = reduce.reduceat(array, starts, axis=axis)
    return array


def _range(cells: _Cells) -> tuple[int, int]:
    """The decades of the scale."""
    shown = cells.values[cells.kept & (cells.values > 0) & np.isfinite(cells.values)]
    if not shown.size:
        return -1, 0
    high = math.ceil(math.log10(shown.max()))
    low = max(math.floor(math.log10(shown.min())), high - _DECADES)
    return min(low, high - 1), high


def _runs(row: Array) -> Iterator[tuple[int, int, int]]:
    """Start, stop and value of every stretch of equal numbers."""
    starts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
    for start, stop in zip(starts[:-1], starts[1:], strict=True):
        yield start, stop, int(row[start])


def _draw_cells(
    picture: Picture, cells: _Cells, left: float, top: float, size: float, low: int, high: int
) -> None:
    """Cells of one colour that stand side by side are one rectangle."""
    with np.errstate(divide="ignore"):
        share = (np.log10(cells.values) - low) / (high - low)
    level = np.clip(np.nan_to_num(share, nan=1.0, neginf=0.0, posinf=1.0), 0, 1) * (_LEVELS - 1)
    level = np.where(cells.kept, np.round(level), -1).astype(int)
    for t, row in enumerate(level):
        with picture.group(row=t):
            for start, stop, value in _runs(row):
                if value >= 0:
                    picture.rectangle(
                        left + start * size, top + t * size, (stop - start) * size, size,
                        fill=scale_colour(value / (_LEVELS - 1)),
                    )  # fmt: skip
    with picture.group(hatched="cut"):
        _hatch(picture, cells.cut, left, top, size)


def _hatch(picture: Picture, where: Array, left: float, top: float, size: float) -> None:
    """Lines along rising diagonals of cells, one for each stretch of them."""
    n = len(where)
    apart = max(1, round(_HATCH / size))
    for diagonal in range(0, 2 * n - 1, apart):
        rows = np.arange(min(diagonal, n - 1), max(-1, diagonal - n), -1)
        for start, stop, cut in _runs(where[rows, diagonal - rows].astype(int)):
            if cut:
                x, y = diagonal - rows[start], rows[start] + 1
                length = stop - start
                ends = [(left + x * size, top + y * size),
                        (left + (x + length) * size, top + (y - length) * size)]  # fmt: skip
                picture.path(ends, stroke=FAINT, stroke_width=0.9)


def _draw_ticks(picture: Picture, T: int, each: int, left: float, top: float, size: float) -> None:
    """Times at both axes, as many as find room."""
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500) if s * size / each >= 24), 1000)
    bottom = top + -(-T // each) * size
    for t in range(0, T, step):
        middle = (t / each + 0.5 / each) * size if each > 1 else (t + 0.5) * size
        picture.text(left - 5, top + middle + 3.5, str(t), size=10, anchor="end")
        picture.text(left + middle, bottom + 13, str(t), size=10)


def _draw_scale(
    picture: Picture, left: float, top: float, height: float, low: int, high: int
) -> None:
    """The colours, the most on top, with powers of ten."""
    piece = height / _LEVELS
    with picture.group(scale="colours"):
        for level in range(_LEVELS):
            y = top + height - (level + 1) * piece
            picture.rectangle(left, y, 13, piece + 0.3, fill=scale_colour(level / (_LEVELS - 1)))
    picture.rectangle(left, top, 13, height, stroke=INK, stroke_width=0.8)
    apart = max(1, math.ceil((high - low) * 16 / height))
    for power in range(high, low - 1, -apart):
        y = top + height * (high - power) / (high - low)
        picture.path([(left + 13, y), (left + 17, y)], stroke=INK, stroke_width=0.8)
        picture.text(left + 20, y + 3.5, f"1e{power:+d}" if power else "1", size=10, anchor="start")


def _draw_legend(picture: Picture, cells: _Cells, left: float, y: float, low: int) -> float:
    """What has no number: cut off, exactly 0, or no way there. Returns the lower edge."""
    entries = []
    if cells.cut.any():
        entries.append(("cut", "cut off: exactly 0"))
    if (cells.kept & (cells.values < 10.0**low)).any():
        entries.append(("low", f"below 1e{low:+d}"))
    if not cells.leads.all():
        entries.append(("none", "no link leads there"))
    x = left
    for kind, says in entries:
        fill = scale_colour(0.0) if kind == "low" else PAPER
        picture.rectangle(x, y, 12, 12, fill=fill, stroke=FAINT, stroke_width=0.8)
        if kind == "cut":
            _hatch(picture, np.ones((2, 2), bool), x, y, 6.0)
        picture.text(x + 17, y + 10, says, size=11, anchor="start")
        x += 17 + text_width(says, 11) + 16
    return y + (12 if entries else 0)


def _draw_bars(
    picture: Picture, bars: Bars, values: Array, left: float, y: float, size: float
) -> float:
    """One bar for each column, from 0 up to the largest. Returns the lower edge."""
    finite = values[np.isfinite(values)]
    most = max(finite.max(initial=0.0), bars.line or 0.0) or 1.0
    foot, side = y + 10 + _BAR, len(values) * size
    picture.text(left, y + 4, bars.label, size=11, anchor="start")
    gap = 0.15 * size if size > 4 else 0.0
    with picture.group(bars=bars.label):
        for t, value in enumerate(values):
            if np.isfinite(value) and value > 0:
                height = _BAR * value / most
                picture.rectangle(
                    left + t * size + gap, foot - height, size - 2 * gap, height, fill=LINKS[0]
                )
    picture.path([(left, foot), (left + side, foot)], stroke=INK, stroke_width=0.8)
    picture.text(left + side + 5, foot - _BAR + 7, f"{most:.2g}", size=10, anchor="start")
    picture.text(left + side + 5, foot + 3, "0", size=10, anchor="start")
    if bars.line is not None:
        at = foot - _BAR * bars.line / most
        picture.path([(left, at), (left + side, at)], stroke=INK, stroke_width=1.0, dashed=True)
        if at - (foot - _BAR) >= 13:
            picture.text(left + side + 5, at + 3.5, f"{bars.line:g}", size=10, anchor="start")
    return foot + 6


def _description(
    title: str, note: str, down: str, across: str, cells: _Cells, low: int, high: int
) -> str:
    """The picture in words."""
    shown = f"{title}. {note}. Rows are {down}, columns {across}; colours from 1e{low} to 1e{high}."
    return f"{shown} Hatched cells are cut off." if cells.cut.any() else shown
