"""The unrolled drawing: time in columns from left to right, the nodes of a time in rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minitorch_rnn.column import Column
from minitorch_rnn.column.validation import whole
from minitorch_rnn.teaching.pictures.colours import FAINT, INK
from minitorch_rnn.teaching.pictures.columns.legend import caption
from minitorch_rnn.teaching.pictures.columns.looks import (
    Label,
    colours_of,
    draw_label,
    draw_link,
    draw_node,
    fixed_label,
    kind_of,
)
from minitorch_rnn.teaching.pictures.columns.plan import Link, Plan, plan
from minitorch_rnn.teaching.pictures.metrics import text_width
from minitorch_rnn.teaching.pictures.picture import Picture
from minitorch_rnn.teaching.pictures.shapes import Point

__all__ = ["draw_unrolled"]

_ENDS = 3  # columns that are shown at either end of a long sequence
_STUB = 15.0  # what is seen of a link that leads to where nothing is shown


def draw_unrolled(column: Column, T: int, fold: bool = True) -> Picture:
    """The network over T time steps; of a long sequence the two ends, if `fold`.

    Values that are read before t = 0, and by a backward net from T on, stand beside the sequence.
    """
    whole("draw", "T, the number of steps,", T, 1)
    outside = _outside(column, T)
    longest = max([T - 1, *(t for _, t in outside)], key=lambda t: (len(str(t)), t))
    names = {
        node.name: Label(_named(column, node.name, longest), node.history) for node in column.nodes
    }
    labels = {str(edge.name): fixed_label(column, edge) for edge in column.edges}
    layout = plan(column, names, labels)
    axis = _Axis.of(T, {t for _, t in outside}, layout.period, fold)
    picture = Picture(
        f"{column.name}, unrolled over {T} time step{'s' if T > 1 else ''}", str(column)
    )
    _draw_links(picture, column, layout, axis, T)
    _draw_nodes(picture, column, layout, axis, T, outside)
    _draw_times(picture, axis, _lowest(layout) + 20, layout)
    caption(picture, column, bool(outside))
    return picture


def _outside(column: Column, T: int) -> set[tuple[str, int]]:
    """The values (node, t) before and after the sequence that are read."""
    read = set()
    for edge in column.edges:
        offset = column.offset(edge)
        first = max(0, T - offset) if offset > 0 else 0
        read |= {(edge.source, t + offset) for t in range(first, min(T, first + edge.delay))}
    return read


def _named(column: Column, name: str, t: int) -> str:
    return f"{'× ' if column.node[name].kind == 'product' else ''}{name}({t})"


class _Axis(NamedTuple):
    """Which times are shown, in parts without a break, and where their columns stand."""

    parts: tuple[tuple[int, ...], ...]
    x: dict[int, float]
    part: dict[int, int]
    period: float

    @property
    def times(self) -> list[int]:
        return [t for part in self.parts for t in part]

    @classmethod
    def of(cls, T: int, outside: set[int], period: float, fold: bool) -> _Axis:
        """The axis for the times of a sequence and those read outside it."""
        if fold:  # only what is read, and of many the ends
            early, late = (sorted(t for t in outside if (t < 0) == past) for past in (True, False))
            shown = {t for some in (early, range(T), late) for t in _without_middle(some)}
        else:
            shown = set(range(min({0, *outside}), max({T - 1, *outside}) + 1))
        parts: list[list[int]] = []
        for t in sorted(shown):
            if parts and parts[-1][-1] == t - 1:
                parts[-1].append(t)
            else:
                parts.append([t])
        x, part, at = {}, {}, 0.0
        for number, some in enumerate(parts):
            if number:
                hidden = _hidden(parts[number - 1][-1], some[0])
                at += max(64.0, text_width(hidden, 12) + 60 - period)
            for t in some:
                x[t], part[t] = at, number
                at += period
        return cls(tuple(map(tuple, parts)), x, part, period)

    def edges(self, t: int) -> tuple[float, float]:
        """Where the part begins and ends in which t is shown."""
        times = self.parts[self.part[t]]
        return self.x[times[0]] - self.period / 2, self.x[times[-1]] + self.period / 2


def _without_middle(times: Sequence[int]) -> Sequence[int]:
    return times if len(times) <= 2 * _ENDS + 1 else [*times[:_ENDS], *times[-_ENDS:]]


def _hidden(before: int, after: int) -> str:
    return f"t = {before + 1} … {after - 1}" if after - before > 2 else f"t = {before + 1}"


def _lowest(layout: Plan) -> float:
    """The lowest point of a column."""
    links = max(float(link.route.along[:, 1].max()) for link in layout.links)
    return max(links, *(box.bottom for box in layout.boxes.values()))


def _draw_links(picture: Picture, column: Column, layout: Plan, axis: _Axis, T: int) -> None:
    colours = colours_of(column)
    for link in layout.links:
        edge = link.edge
        offset = column.offset(edge)
        seen = {t for at in axis.x for t in (at, at - offset) if 0 <= t < T}
        for t in sorted(seen):
            s = t + offset
            pieces = list(_pieces(link, axis, s, t, s - t))
            if not pieces:
                continue
            title = f"{edge.name}: {edge.source}({s}) to {edge.target}({t})"
            with picture.group(edge=edge.name, t=t, title=title):
                for points, curved, arrow in pieces:
                    draw_link(picture, column, edge, colours[str(edge.name)], points, curved, arrow)
                if link.label_at and len(pieces) == 1 and pieces[0][1]:
                    x, y = link.label_at
                    draw_label(picture, (x + axis.x[t], y), link.label, INK, False)


def _pieces(
    link: Link, axis: _Axis, s: int, t: int, offset: int
) -> Iterator[tuple[Sequence[Point], bool, bool]]:
    """What is seen of a link from s to t: points, whether they are curves, whether it arrives."""
    if s in axis.x and t in axis.x and axis.part[s] == axis.part[t]:
        yield [(x + axis.x[t], y) for x, y in link.route.curves], True, True
        return
    if s in axis.x:
        shift = axis.x[s] - offset * axis.period
        left, right = axis.edges(s)
        line = [(float(x) + shift, float(y)) for x, y in link.route.along]
        seen = itertools.takewhile(lambda p: left - _STUB < p[0] < right + _STUB, line)
        if len(points := list(seen)) > 1:
            yield points, False, False
    if t in axis.x:
        left, right = axis.edges(t)
        line = [(float(x) + axis.x[t], float(y)) for x, y in link.route.along]
        seen = itertools.takewhile(lambda p: left - _STUB < p[0] < right + _STUB, line[::-1])
        if len(points := list(seen)) > 1:
            yield points[::-1], False, True


def _draw_nodes(
    picture: Picture,
    column: Column,
    layout: Plan,
    axis: _Axis,
    T: int,
    outside: set[tuple[str, int]],
) -> None:
    for t in axis.times:
        for name, box in layout.boxes.items():
            inside = 0 <= t < T
            if not inside and (name, t) not in outside:
                continue
            box = box._replace(left=box.left + axis.x[t], right=box.right + axis.x[t])
            node = column.node[name]
            kind = kind_of(column, name) if inside else "history"
            second = "" if inside else node.history
            with picture.group(node=name, t=t, title=f"{name}({t}), {node.size} numbers"):
                label = Label(_named(column, name, t) if inside else f"{name}({t})", second)
                draw_node(picture, box, kind, label, inside and name == column.output)


def _draw_times(picture: Picture, axis: _Axis, y: float, layout: Plan) -> None:
    """The time below every column, and dots where columns are left out."""
    for t in axis.times:
        picture.text(axis.x[t], y, f"t = {t}", size=12, colour=FAINT)
    for before, after in itertools.pairwise(axis.parts):
        x = (axis.x[before[-1]] + axis.x[after[0]]) / 2
        picture.text(x, y, _hidden(before[-1], after[0]), size=12, colour=FAINT)
        for middle in sorted({(box.top + box.bottom) / 2 for box in layout.boxes.values()}):
            picture.text(x, middle, "…", size=20, colour=FAINT)
