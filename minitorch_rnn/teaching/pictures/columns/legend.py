"""The legend of a drawing: what its shapes and lines mean, of those that occur."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from minitorch_rnn.column import Column
from minitorch_rnn.teaching.pictures.colours import FIXED, INK, LOOKS
from minitorch_rnn.teaching.pictures.columns.looks import Label, colours_of, draw_node, kind_of
from minitorch_rnn.teaching.pictures.metrics import text_width
from minitorch_rnn.teaching.pictures.picture import MARGIN, Picture
from minitorch_rnn.teaching.pictures.shapes import Box

__all__ = ["caption"]

_TITLE = 14.0
_SIZE = 11.0
_SAMPLE = 30.0  # width of what stands before the words
_LINE = 22.0
_NARROWEST = 320.0
_LONGEST = 34  # letters of the name of an edge


class _Entry(NamedTuple):
    """A sample, drawn by a function of x and y (the middle), and what it means."""

    draw: Callable[[float, float], None] | None
    says: str

    @property
    def width(self) -> float:
        return (_SAMPLE + 6 if self.draw else 0) + text_width(self.says, _SIZE)


def caption(picture: Picture, column: Column, history: bool) -> None:
    """Write the title above what is drawn, and the legend below it, not much wider than that.

    Args:
        picture, column: the drawing, and of what.
        history: whether there are values outside the sequence.
    """
    drawn = picture.canvas
    groups = _nodes(picture, column, history), *_links(picture, column)
    longest = max(entry.width for entries in groups for entry in entries)
    title = text_width(picture.title, _TITLE, bold=True)
    width = max(drawn.right - drawn.left - 2 * MARGIN, _NARROWEST, longest, title)
    left = (drawn.left + drawn.right - width) / 2
    picture.text(left, drawn.top - 2, picture.title, size=_TITLE, anchor="start", bold=True)
    y = drawn.bottom + 18
    for entries in filter(None, groups):
        x = left
        for entry in entries:
            if x > left and x + entry.width > left + width:
                x, y = left, y + _LINE
            if entry.draw:
                entry.draw(x, y)
            start = x + (_SAMPLE + 6 if entry.draw else 0)
            picture.text(start, y + 4, entry.says, size=_SIZE, anchor="start")
            x += entry.width + 18
        y += _LINE + 2


def _nodes(picture: Picture, column: Column, history: bool) -> list[_Entry]:
    kinds = {kind_of(column, node.name): node.name for node in column.nodes}
    entries = [
        _Entry(_node(picture, kind, False), look.says)
        for kind, look in LOOKS.items()
        if kind in kinds and kind != "output"
    ]
    of_output = kind_of(column, column.output)
    entries.append(_Entry(_node(picture, of_output, True), "output"))
    if history:
        entries.append(_Entry(_node(picture, "history", False), LOOKS["history"].says))
    return entries


def _node(picture: Picture, kind: str, output: bool) -> Callable[[float, float], None]:
    def draw(x: float, y: float) -> None:
        box = Box(x, y - 8, x + _SAMPLE, y + 8)
        draw_node(picture, box, kind, Label("×" if kind == "product" else ""), output, sample=True)

    return draw


def _links(picture: Picture, column: Column) -> tuple[list[_Entry], list[_Entry]]:
    """What dashes and grey mean; and the colours of the weights."""
    entries, coloured = [], []
    if column.blocked:
        entries.append(_Entry(_line(picture, INK, True), "blocked: no gradient flows back"))
    weights = {e.name: column.weight(e) for e in column.edges}
    if any(not isinstance(w, str) for w in weights.values()):
        entries.append(_Entry(_line(picture, FIXED, False, 1.2), _fixed(list(weights.values()))))
    colours = colours_of(column)
    learned: dict[str, list[str]] = {}
    for name, weight in weights.items():
        if isinstance(weight, str):
            learned.setdefault(weight, []).append(str(name))
    if learned:
        coloured.append(_Entry(None, "a colour for each learned weight:"))
    for names in learned.values():
        says = " = ".join(_short(name) for name in names)
        coloured.append(_Entry(_line(picture, colours[names[0]], False), f"W of {says}"))
    return entries, coloured


def _fixed(weights: list[object]) -> str:
    """What a grey line means, of what occurs."""
    meanings = []
    numbers = [w for w in weights if isinstance(w, float)]
    if 1.0 in numbers:
        meanings.append("1 where no number stands" if len(set(numbers)) > 1 else "1")
    if any(not isinstance(w, (float, str)) for w in weights):
        meanings.append("M a matrix")
    return "fixed weight" + (f": {', '.join(meanings)}" if meanings else "")


def _line(
    picture: Picture, colour: str, dashed: bool, width: float = 1.8
) -> Callable[[float, float], None]:
    def draw(x: float, y: float) -> None:
        ends = [(x, y), (x + _SAMPLE, y)]
        picture.path(ends, stroke=colour, stroke_width=width, dashed=dashed, arrow=True)

    return draw


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
