"""The shapes of a picture as PNG, drawn by matplotlib."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import Any

from minitorch_rnn.teaching.pictures.colours import PAPER
from minitorch_rnn.teaching.pictures.shapes import DASHES, Box, Circle, Path, Rectangle, Text

__all__ = ["rendered"]

_ALIGNED = {"start": "left", "middle": "center", "end": "right"}


def rendered(
    shapes: Sequence[Rectangle | Circle | Path | Text], canvas: Box, scale: float
) -> bytes:
    """The bytes of a PNG file.

    A px of the picture is a point of matplotlib's, so sizes of text and lines need no conversion.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever style the reader has chosen
        warnings.filterwarnings("ignore", "Glyph .* missing")
        left, top, right, bottom = canvas[:4]
        figure = Figure(((right - left) / 72, (bottom - top) / 72), dpi=72 * scale)
        FigureCanvasAgg(figure)
        figure.patch.set_facecolor(PAPER)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(left, right), ylim=(bottom, top))
        for order, shape in enumerate(shapes):
            _add(axes, shape, order)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()


def _add(axes: Any, shape: Rectangle | Circle | Path | Text, order: int) -> None:
    from matplotlib import patches

    if isinstance(shape, Text):
        _write(axes, shape, order)
        return
    style: dict[str, Any] = {
        "facecolor": shape.fill,
        "edgecolor": shape.stroke,
        "linewidth": shape.stroke_width if shape.stroke != "none" else 0,
        "zorder": order,
    }
    if shape.dashed:  # matplotlib counts dashes in widths of the line
        style["linestyle"] = (0, tuple(dash / shape.stroke_width for dash in DASHES))
    if isinstance(shape, Circle):
        axes.add_patch(patches.Circle((shape.x, shape.y), shape.radius, **style))
    elif isinstance(shape, Rectangle):
        r = min(shape.radius, shape.width / 2, shape.height / 2)
        rounded = f"round,pad=0,rounding_size={r}" if r else "square,pad=0"
        axes.add_patch(
            patches.FancyBboxPatch(
                (shape.x, shape.y), shape.width, shape.height, boxstyle=rounded, **style
            )
        )
    else:
        axes.add_patch(patches.PathPatch(_path(shape), capstyle="butt", **style))
        if shape.arrow:
            head = {"facecolor": shape.stroke, "edgecolor": "none", "zorder": order}
            axes.add_patch(patches.Polygon(shape.head, closed=True, **head))


def _write(axes: Any, shape: Text, order: int) -> None:
    axes.text(
        shape.x,
        shape.y,
        shape.text,
        fontsize=shape.size,
        family="DejaVu Sans",
        color=shape.colour,
        weight="bold" if shape.bold else "normal",
        style="italic" if shape.italic else "normal",
        ha=_ALIGNED[shape.anchor],
        va="baseline",
        parse_math=False,
        zorder=order,
    )


def _path(shape: Path) -> Any:
    from matplotlib.path import Path as Outline

    points = list(shape.stem)
    step = Outline.CURVE4 if shape.curved else Outline.LINETO
    codes = [Outline.MOVETO, *[step] * (len(points) - 1)]
    if shape.closed:
        points, codes = [*points, points[0]], [*codes, Outline.CLOSEPOLY]
    return Outline(points, codes)
