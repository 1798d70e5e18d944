"""What a picture is made of: rectangles, circles, paths, texts and groups of them, as data.

Each shape knows the box around it and how it is written as SVG.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from minitorch_rnn.teaching.pictures.metrics import ASCENT, DESCENT, text_width

__all__ = ["Box", "Circle", "Group", "Path", "Point", "Rectangle", "Shape", "Text", "quoted"]

Point = tuple[float, float]

FONT = "DejaVu Sans, Verdana, sans-serif"
DASHES = (5.0, 3.5)
_UNKNOWN = "\ufffd"
_IN_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_IN_QUOTES = _IN_TEXT | str.maketrans({
    '"': "&quot;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;",
})  # fmt: skip
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Box(NamedTuple):
    """A rectangle around a shape.

    Attributes:
        left, top, right, bottom: its edges; y grows downwards.
        what: "text" or "shape".
        text: the text, if it is one.
        data: the `data-` attributes of the groups around it.
    """

    left: float
    top: float
    right: float
    bottom: float
    what: str = "shape"
    text: str = ""
    data: tuple[tuple[str, str], ...] = ()

    def overlaps(self, other: Box) -> bool:
        """Whether the two have an area in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


@dataclass(frozen=True)
class Rectangle:
    """A rectangle, perhaps with round corners."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str
    stroke_width: float
    radius: float
    dashed: bool

    @property
    def box(self) -> Box:
        """Its edges, without the stroke."""
        return Box(self.x, self.y, self.x + self.width, self.y + self.height)

    def svg(self) -> str:
        """The element."""
        round_off = f' rx="{_n(self.radius)}"' if self.radius else ""
        return (
            f'<rect x="{_n(self.x)}" y="{_n(self.y)}" width="{_n(self.width)}" '
            f'height="{_n(self.height)}"{round_off}'
            f"{_style(self.fill, self.stroke, self.stroke_width, self.dashed)}/>"
        )


@dataclass(frozen=True)
class Circle:
    """A circle."""

    x: float
    y: float
    radius: float
    fill: str
    stroke: str
    stroke_width: float
    dashed: bool

    @property
    def box(self) -> Box:
        """The square around it, without the stroke."""
        r = self.radius
        return Box(self.x - r, self.y - r, self.x + r, self.y + r)

    def svg(self) -> str:
        """The element."""
        return (
            f'<circle cx="{_n(self.x)}" cy="{_n(self.y)}" r="{_n(self.radius)}"'
            f"{_style(self.fill, self.stroke, self.stroke_width, self.dashed)}/>"
        )


@dataclass(frozen=True)
class Path:
    """A line through points, or cubic Bézier curves through every third of them."""

    points: tuple[Point, ...]
    fill: str
    stroke: str
    stroke_width: float
    dashed: bool
    arrow: bool
    curved: bool

    @property
    def closed(self) -> bool:
        """Whether it is the outline of an area."""
        return self.points[0] == self.points[-1] and self.fill != "none"

    @property
    def box(self) -> Box:
        """The box around the curve, without the stroke."""
        x, y = zip(*self.sampled(), strict=True)
        return Box(min(x), min(y), max(x), max(y))

    def sampled(self, pieces: int = 24) -> list[Point]:
        """Points along it: the corners of a line, `pieces` for each curve."""
        if not self.curved:
            return list(self.points)
        along = [self.points[0]]
        for i in range(0, len(self.points) - 1, 3):
            curve = self.points[i : i + 4]
            along += [_bezier(curve, k / pieces) for k in range(1, pieces + 1)]
        return along

    @property
    def head(self) -> tuple[Point, Point, Point]:
        """The corners of the arrow's head, its tip first."""
        (x, y), (a, b) = self.points[-1], self._before_last()
        far = math.hypot(x - a, y - b) or 1.0
        length = 5.0 + 2.0 * self.stroke_width
        dx, dy = (x - a) / far * length, (y - b) / far * length
        back = (x - dx, y - dy)
        return (
            (x, y),
            (back[0] - dy * 0.4, back[1] + dx * 0.4),
            (back[0] + dy * 0.4, back[1] - dx * 0.4),
        )

    @property
    def stem(self) -> tuple[Point, ...]:
        """The points of the line, which ends within the arrow's head."""
        if not self.arrow:
            return self.points
        tip, left, right = self.head
        x, y = (left[0] + right[0] + tip[0]) / 3, (left[1] + right[1] + tip[1]) / 3
        return (*self.points[:-1], (x, y))

    def _before_last(self) -> Point:
        """The last point that differs from the end."""
        return next((p for p in reversed(self.points) if p != self.points[-1]), self.points[0])

    def svg(self) -> str:
        """The element, and one for the arrow's head."""
        points = [f"{_n(x)} {_n(y)}" for x, y in self.stem]
        d = f"M{points[0]}{'C' if self.curved else 'L'}{' '.join(points[1:])}"
        style = _style(self.fill, self.stroke, self.stroke_width, self.dashed)
        line = f'<path d="{d}{"Z" if self.closed else ""}"{style}/>'
        if not self.arrow:
            return line
        corners = " ".join(f"{_n(x)} {_n(y)}" for x, y in self.head)
        return f'{line}<path class="head" d="M{corners}Z" fill={quoted(self.stroke)}/>'


@dataclass(frozen=True)
class Text:
    """A line of text; (x, y) is where its anchor stands on the baseline."""

    x: float
    y: float
    text: str
    size: float
    anchor: str
    colour: str
    bold: bool
    italic: bool

    @property
    def box(self) -> Box:
        """The box around the letters."""
        width = text_width(self.text, self.size, self.bold)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * width
        top, bottom = self.y - ASCENT * self.size, self.y + DESCENT * self.size
        return Box(left, top, left + width, bottom, "text", self.text)

    def svg(self) -> str:
        """The element."""
        weight = ' font-weight="bold"' if self.bold else ""
        style = ' font-style="italic"' if self.italic else ""
        return (
            f'<text x="{_n(self.x)}" y="{_n(self.y)}" font-size="{_n(self.size)}" '
            f'text-anchor="{self.anchor}" fill={quoted(self.colour)}{weight}{style}>'
            f"{written(self.text)}</text>"
        )


@dataclass(frozen=True)
class Group:
    """Shapes that belong together, and what they show."""

    data: tuple[tuple[str, str], ...] = ()
    title: str | None = None
    parts: list[Shape] = field(default_factory=list)

    def svg(self) -> str:
        """The element with all that is in it."""
        data = "".join(f" data-{key}={quoted(value)}" for key, value in self.data)
        title = "" if self.title is None else f"<title>{written(self.title)}</title>"
        return f"<g{data}>{title}{''.join(part.svg() for part in self.parts)}</g>"

    def flat(
        self, around: tuple[tuple[str, str], ...] = ()
    ) -> Iterator[tuple[Rectangle | Circle | Path | Text, tuple[tuple[str, str], ...]]]:
        """Every shape in the order of drawing, and the data of the groups around it."""
        around = (*around, *self.data)
        for part in self.parts:
            if isinstance(part, Group):
                yield from part.flat(around)
            else:
                yield part, around


Shape = Rectangle | Circle | Path | Text | Group


def written(text: str) -> str:
    """A text as XML can hold it."""
    return _FORBIDDEN.sub(_UNKNOWN, text).translate(_IN_TEXT)


def quoted(text: str) -> str:
    """A text as the value of an attribute, with its quotation marks."""
    return f'"{_FORBIDDEN.sub(_UNKNOWN, text).translate(_IN_QUOTES)}"'


def _bezier(curve: Sequence[Point], s: float) -> Point:
    r = 1 - s
    w = (r * r * r, 3 * r * r * s, 3 * r * s * s, s * s * s)
    return (
        sum(weight * x for weight, (x, _) in zip(w, curve, strict=True)),
        sum(weight * y for weight, (_, y) in zip(w, curve, strict=True)),
    )


def _style(fill: str, stroke: str, width: float, dashed: bool) -> str:
    style = f" fill={quoted(fill)}"
    if stroke != "none":
        style += f' stroke={quoted(stroke)} stroke-width="{_n(width)}"'
        if dashed:
            style += f' stroke-dasharray="{" ".join(_n(dash) for dash in DASHES)}"'
    return style


def _n(number: float) -> str:
    """A coordinate in hundredths, without what need not be written."""
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
