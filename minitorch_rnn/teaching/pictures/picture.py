"""A picture: shapes on a canvas, written as SVG without any package and as PNG by matplotlib."""

from __future__ import annotations

import contextlib
import math
import pathlib
from collections.abc import Iterator, Sequence

from minitorch_rnn.errors import DataError
from minitorch_rnn.teaching.pictures.colours import INK, PAPER
from minitorch_rnn.teaching.pictures.metrics import text_width
from minitorch_rnn.teaching.pictures.shapes import (
    FONT,
    Box,
    Circle,
    Group,
    Path,
    Rectangle,
    Shape,
    Text,
    quoted,
    written,
)

__all__ = ["Picture", "text_width"]

MARGIN = 12.0


class Picture:
    """Shapes on a canvas whose top left is (0, 0); y grows downwards, the unit is SVG's px.

    The canvas fits what was drawn, and may begin left of 0. Text is in DejaVu Sans, which
    `text_width` measures.

    Args:
        title: what the picture shows, in a few words.
        description: the same in sentences, for those who cannot see it.

    >>> picture = Picture("one node", "A circle with the letter h.")
    >>> with picture.group(node="h", t="0", title="h(0)"):
    ...     picture.circle(20, 20, 15, fill="#ffffff", stroke="#000000")
    ...     picture.text(20, 25, "h")
    >>> [box.what for box in picture.boxes()], picture.svg().count("<circle")
    (['shape', 'text'], 1)
    """

    def __init__(self, title: str, description: str = "") -> None:
        self.title = title
        self.description = description
        self._top = Group()
        self._open = [self._top]

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str = "none",
        stroke: str = "none",
        stroke_width: float = 1.0,
        radius: float = 0.0,
        dashed: bool = False,
    ) -> None:
        """Draw a rectangle whose top left corner is (x, y)."""
        self._add(Rectangle(x, y, width, height, fill, stroke, stroke_width, radius, dashed))

    def circle(
        self,
        x: float,
        y: float,
        radius: float,
        *,
        fill: str = "none",
        stroke: str = "none",
        stroke_width: float = 1.0,
        dashed: bool = False,
    ) -> None:
        """Draw a circle around (x, y)."""
        self._add(Circle(x, y, radius, fill, stroke, stroke_width, dashed))

    def path(
        self,
        points: Sequence[tuple[float, float]],
        *,
        stroke: str,
        stroke_width: float = 1.5,
        dashed: bool = False,
        arrow: bool = False,
        curved: bool = False,
        fill: str = "none",
    ) -> None:
        """Draw a line through the points.

        Args:
            points: two or more; if `curved`, 3n+1: ends and control points of cubic Béziers. A
                filled path that ends where it began is an area.
            stroke: colour of the line, and of the head of its `arrow`.
            stroke_width, dashed, arrow, curved, fill: how it is drawn.
        """
        least = 4 if curved else 2
        if len(points) < least or (curved and len(points) % 3 != 1):
            raise ValueError(
                f"Picture.path: {len(points)} points; "
                f"{'4, 7, 10, … are needed for curves' if curved else 'a line needs 2 or more'}."
            )
        corners = tuple((float(x), float(y)) for x, y in points)
        self._add(Path(corners, fill, stroke, stroke_width, dashed, arrow, curved))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 14.0,
        anchor: str = "middle",
        colour: str = INK,
        bold: bool = False,
        italic: bool = False,
    ) -> None:
        """Write a line; y is the baseline, x its "start", "middle" or "end"."""
        self._add(Text(x, y, text, size, anchor, colour, bold, italic))

    @contextlib.contextmanager
    def group(self, *, title: str | None = None, **data: object) -> Iterator[None]:
        """What is drawn meanwhile belongs together: ``<g data-key="value">``.

        Args:
            title: what a pointer that rests on it shows.
            data: its keys and values; they may be nested.
        """
        group = Group(tuple((key.replace("_", "-"), str(v)) for key, v in data.items()), title)
        self._add(group)
        self._open.append(group)
        try:
            yield
        finally:
            self._open.pop()

    def _add(self, shape: Shape) -> None:
        self._open[-1].parts.append(shape)

    def shapes(self) -> Iterator[tuple[Rectangle | Circle | Path | Text, dict[str, str]]]:
        """Every shape in the order of drawing, and the data of the groups around it."""
        for shape, data in self._top.flat():
            yield shape, dict(data)

    def boxes(self) -> list[Box]:
        """The boxes around texts, rectangles, circles and filled outlines; not around lines."""
        return [
            shape.box._replace(data=data)
            for shape, data in self._top.flat()
            if not isinstance(shape, Path) or shape.closed
        ]

    @property
    def canvas(self) -> Box:
        """All that was drawn, and a margin around it."""
        boxes = [shape.box for shape, _ in self._top.flat()] or [Box(0, 0, 0, 0)]
        return Box(
            math.floor(min(box.left for box in boxes) - MARGIN),
            math.floor(min(box.top for box in boxes) - MARGIN),
            math.ceil(max(box.right for box in boxes) + MARGIN),
            math.ceil(max(box.bottom for box in boxes) + MARGIN),
        )

    def svg(self) -> str:
        """The picture as one self-contained SVG element, the same on every run."""
        left, top, right, bottom = self.canvas[:4]
        width, height = right - left, bottom - top
        about = f"<title>{written(self.title)}</title>"
        if self.description:
            about += f"<desc>{written(self.description)}</desc>"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f"aria-label={quoted(self.title)} "
            f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}" '
            f'font-family="{FONT}">{about}'
            f'<rect class="paper" x="{left}" y="{top}" width="{width}" height="{height}" '
            f'fill="{PAPER}"/>{self._top.svg()}</svg>\n'
        )

    def png(self, scale: float = 2.0) -> bytes:
        """The picture as PNG of `scale` dots to a px.

        Raises:
            ImportError: if there is no matplotlib; it comes with ``minitorch-rnn[app]``.
            ValueError: if a side would be longer than 30,000 dots.
        """
        from minitorch_rnn.teaching.pictures.png import rendered

        left, top, right, bottom = self.canvas[:4]
        longest = max(right - left, bottom - top) * scale
        if not 0 < longest <= 30_000:
            raise ValueError(
                f"Picture.png: {right - left:,} × {bottom - top:,} px at scale {scale:g} make "
                f"{longest:,.0f} dots a side, of 30,000 at most; take a smaller scale, or an SVG."
            )
        return rendered([shape for shape, _ in self._top.flat()], self.canvas, scale)

    def save(self, path: str | pathlib.Path) -> pathlib.Path:
        """Write the picture to a file, as SVG or PNG by its suffix; returns the path.

        Raises:
            DataError: naming the file, if it cannot be written, or needs matplotlib and there is
                none, or would be too large a PNG.
            ValueError: if the suffix is another one.
        """
        path = pathlib.Path(path)
        suffix = path.suffix.lower()
        if suffix not in (".svg", ".png"):
            raise ValueError(f"Picture.save: {str(path)!r} does not end in .svg or .png.")
        try:
            path.write_bytes(self.svg().encode("utf-8") if suffix == ".svg" else self.png())
        except OSError as cause:
            why = cause.strerror or cause
            raise DataError(f"{path}: the picture cannot be written: {why}.") from cause
        except ImportError as cause:
            raise DataError(
                f"{path}: PNG needs matplotlib, which `pip install minitorch-rnn[app]` brings; "
                "an .svg needs nothing."
            ) from cause
        except ValueError as cause:  # too large a PNG
            raise DataError(f"{path}: {cause}") from cause
        return path

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        left, top, right, bottom = self.canvas[:4]
        return f"Picture({self.title!r}, {right - left} × {bottom - top})"
