"""The rolled drawing: one column, and every link through time as a loop with its delay."""

from __future__ import annotations

from minitorch_rnn.column import Activation, Column, Edge
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
from minitorch_rnn.teaching.pictures.columns.plan import plan
from minitorch_rnn.teaching.pictures.picture import Picture

__all__ = ["draw_rolled"]


def draw_rolled(column: Column) -> Picture:
    """One column of the network; a loop means recurrence, and t-1 on it that it takes one step."""
    names = {node.name: _label(column, node.name) for node in column.nodes}
    labels = {str(edge.name): _link_label(column, edge) for edge in column.edges}
    layout = plan(column, names, labels, rolled=True)
    picture = Picture(f"{column.name}, rolled", str(column))
    colours = colours_of(column)
    for link in layout.links:
        edge = link.edge
        with picture.group(edge=edge.name, title=str(edge.name)):
            points = link.route.curves
            draw_link(picture, column, edge, colours[str(edge.name)], points, True, True)
    for link in layout.links:
        if link.label_at:
            name = str(link.edge.name)
            with picture.group(edge=name):
                framed = bool(link.edge.delay)
                draw_label(picture, link.label_at, link.label, colours[name], framed)
    for name, box in layout.boxes.items():
        node = column.node[name]
        with picture.group(node=name, title=f"{name}, {node.size} numbers"):
            draw_node(picture, box, kind_of(column, name), names[name], name == column.output)
    caption(picture, column, False)
    return picture


def _label(column: Column, name: str) -> Label:
    """The name of a node, and below it what it does to z."""
    node = column.node[name]
    f = node.activation.name if isinstance(node.activation, Activation) else node.activation
    sign = "× " if node.kind == "product" else ""
    return Label(f"{sign}{name}", "" if node.kind == "input" or f == "identity" else f)


def _link_label(column: Column, edge: Edge) -> str:
    """The time that a link reads, and its weight if that is fixed."""
    at, weight = column.offset(edge), fixed_label(column, edge)
    if not at:
        return weight
    return f"{weight} · t{at:+d}" if weight else f"t{at:+d}"
