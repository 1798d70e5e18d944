"""How nodes and links of a column look: kinds, labels, colours; and a node's shape on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from minitorch_rnn.column import Column, Edge
from minitorch_rnn.teaching.pictures.colours import FAINT, FIXED, LINKS, LOOKS, PAPER, Look
from minitorch_rnn.teaching.pictures.metrics import text_width
from minitorch_rnn.teaching.pictures.picture import Picture
from minitorch_rnn.teaching.pictures.shapes import Box, Point

__all__ = [
    "HEIGHT", "HEXAGON_TIP", "LABEL", "Label", "colours_of", "draw_label", "draw_link", "draw_node",
    "fixed_label", "kind_of", "node_width",
]  # fmt: skip

HEIGHT = 34.0
HEXAGON_TIP = 7.0
SIZE, SMALL, LABEL = 13.0, 10.0, 10.0


def kind_of(column: Column, name: str) -> str:
    """Which of `LOOKS` a node has, if it is not the output.

    A memory adds up by fixed weights what is read at another time; a state is learned.
    """
    node, into = column.node[name], column.into[name]
    if node.kind != "layer":
        return node.kind
    lasts = any(column.reach[name])
    if lasts and not node.bias and not any(isinstance(e.weight, str) for e in into):
        return "memory"
    if name == column.output:
        return "output"
    return "state" if lasts else "layer"


def colours_of(column: Column) -> dict[str, str]:
    """The colour of every edge by its name: one for each learned weight, grey for fixed ones."""
    of_weight: dict[str, str] = {}
    colours = {}
    for edge in column.edges:
        weight = column.weight(edge)
        if isinstance(weight, str):
            colour = of_weight.setdefault(weight, LINKS[len(of_weight) % len(LINKS)])
        else:
            colour = FIXED
        colours[str(edge.name)] = colour
    return colours


def fixed_label(column: Column, edge: Edge) -> str:
    """What stands at a link with a fixed weight: nothing for 1, M for a matrix."""
    weight = column.weight(edge)
    if isinstance(weight, str) or weight == 1.0:
        return ""
    return f"{weight:.4g}" if isinstance(weight, float) else "M"


class Label(NamedTuple):
    """The two lines that stand in a node, the second perhaps empty."""

    first: str
    second: str = ""


def node_width(label: Label, kind: str) -> float:
    """How wide a node is that holds a label: an even number of px."""
    text = max(text_width(label.first, SIZE), text_width(label.second, SMALL))
    extra = {"memory": 26, "product": 26}.get(kind, 14)
    return 2.0 * round(max(44.0, text + extra) / 2 + 0.5)


def draw_node(
    picture: Picture,
    box: Box,
    kind: str,
    label: Label,
    output: bool = False,
    sample: bool = False,
) -> None:
    """Draw a node into its box; an output has a second outline, a sample is for the legend."""
    look = LOOKS[kind]
    _outline(picture, box, look, 1.6)
    if output:
        by = 2.5 if sample else 3.5
        inner = Box(box.left + by, box.top + by, box.right - by, box.bottom - by)
        _outline(picture, inner, look._replace(fill="none"), 1.0)
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    size = 11.0 if sample else SIZE
    if label.second:
        picture.text(x, y - 1.5, label.first, size=size)
        picture.text(x, y + 10.5, label.second, size=SMALL, colour=FAINT)
    elif label.first:
        picture.text(x, y + 0.36 * size, label.first, size=size)


def draw_link(
    picture: Picture,
    column: Column,
    edge: Edge,
    colour: str,
    points: Sequence[Point],
    curved: bool,
    arrow: bool,
) -> None:
    """Draw a link or a piece of it: dashed if blocked, thin if its weight is fixed."""
    learned = isinstance(column.weight(edge), str)
    picture.path(
        points,
        stroke=colour,
        stroke_width=1.8 if learned else 1.2,
        dashed=edge.gradient == "blocked",
        arrow=arrow,
        curved=curved,
    )


def draw_label(picture: Picture, at: Point, text: str, colour: str, framed: bool) -> None:
    """Write on a link, in a frame if the text says which time it reads."""
    (x, y), width = at, text_width(text, LABEL) + (8 if framed else 4)
    stroke = colour if framed else "none"
    picture.rectangle(x - width / 2, y - 7, width, 14, fill=PAPER, stroke=stroke, radius=2)
    picture.text(x, y + 3.6, text, size=LABEL)


def _outline(picture: Picture, box: Box, look: Look, width: float) -> None:
    """One outline of a node, by what its look says."""
    left, top, right, bottom = box[:4]
    if look.outline == "hexagon":
        tip, middle = HEXAGON_TIP, (top + bottom) / 2
        corners = [(left, middle), (left + tip, top), (right - tip, top), (right, middle),
                   (right - tip, bottom), (left + tip, bottom), (left, middle)]  # fmt: skip
        picture.path(corners, stroke=look.stroke, stroke_width=width, fill=look.fill)
        return
    radius = {"square": 0.0, "round": 9.0, "pill": (bottom - top) / 2, "slight": 3.0}[look.outline]
    picture.rectangle(
        left, top, right - left, bottom - top,
        fill=look.fill, stroke=look.stroke, stroke_width=width, radius=radius,
    )  # fmt: skip
