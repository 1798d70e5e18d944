"""What a column must satisfy, and the message for each way in which one does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minitorch_rnn.column.order import cycle, sources
from minitorch_rnn.errors import ColumnError

if TYPE_CHECKING:
    from minitorch_rnn.column.spec import Column, Edge, Node

ACTIVATIONS = ("identity", "relu", "sigmoid", "softmax", "tanh")
HISTORIES = ("zeros", "given", "learned")
DIRECTIONS = ("forward", "backward")
GRADIENTS = ("full", "blocked")


def check_nodes(column: Column) -> None:
    """Names, sizes, activations, histories and directions of the nodes, each for itself."""
    if not isinstance(column.name, str):
        raise ColumnError(f"Column: name is {column.name!r}; a string is needed.")
    seen: set[str] = set()
    for node in column.nodes:
        if not hasattr(node, "kind"):
            raise ColumnError(
                f"{column.name}: {node!r} is not a node; make it by Input, Layer or Product."
            )
        if not isinstance(node.name, str) or not node.name.isidentifier():
            raise ColumnError(
                f"{column.name}: a node is named {node.name!r}; names are made of letters, digits "
                "and _, and start with no digit."
            )
        if node.name in seen:
            raise ColumnError(f"{column.name}: two nodes are named {node.name!r}.")
        seen.add(node.name)
        who = f"{column.name}: node {node.name!r}"
        if not isinstance(node.size, int) or isinstance(node.size, bool) or node.size < 1:
            raise ColumnError(f"{who}: size is {node.size!r}; a whole number from 1 is needed.")
        for field, known in (("history", HISTORIES), ("direction", DIRECTIONS)):
            if (value := getattr(node, field)) not in known:
                listed = ", ".join(map(repr, known))
                raise ColumnError(f"{who}: {field} is {value!r}; known are {listed}.")
        own = hasattr(node.activation, "jacobian_product")
        if not own and node.activation not in ACTIVATIONS:
            raise ColumnError(
                f"{who}: activation is {node.activation!r}; known are "
                f"{', '.join(map(repr, ACTIVATIONS))}, or an Activation of your own."
            )
        if node.activation == "softmax" and node.size == 1:
            raise ColumnError(
                f"{who}: softmax of size 1 is always 1 and has no gradient; use sigmoid, or size 2."
            )
        if not isinstance(node.bias, bool):
            raise ColumnError(f"{who}: bias is {node.bias!r}; True or False is needed.")


def known_node(column: Column, edge: Edge, name: Any) -> Node:
    """The node that an edge names."""
    for node in column.nodes:
        if node.name == name:
            return node
    raise ColumnError(
        f"{column.name}: {edge!r} names the node {name!r}; "
        f"there are {', '.join(node.name for node in column.nodes) or 'none'}."
    )


def delays(column: Column, edge: Edge) -> tuple[int, ...]:
    """The delays of an edge as it was written: one number, or several."""
    given = edge.delay
    one = not isinstance(given, Sequence | range | set) or isinstance(given, str)
    several = (given,) if one else tuple(given)
    for d in several:
        if not isinstance(d, int) or isinstance(d, bool) or d < 0:
            raise ColumnError(
                f"{column.name}: {edge!r} has the delay {d!r}; a whole number from 0 is needed "
                "(a layer with direction='backward' reads the future)."
            )
    if not several:
        raise ColumnError(f"{column.name}: {edge!r} has no delay at all; give at least one.")
    return several


def fixed(column: Column, edge: Edge) -> Any:
    """The weight of an edge: "learned", a number, or a matrix as a tuple of its rows."""
    weight = edge.weight
    if isinstance(weight, str):
        if weight != "learned":
            raise ColumnError(
                f"{column.name}: {edge!r} has the weight {weight!r}; 'learned', a number or a "
                "matrix is needed."
            )
        return weight
    rows, columns = (known_node(column, edge, name).size for name in (edge.target, edge.source))
    try:
        value = weight.tolist() if hasattr(weight, "tolist") else weight
        if isinstance(value, int | float):
            numbers, came = [float(value)], ""
            value = float(value)
        else:
            value = tuple(tuple(float(w) for w in row) for row in value)
            numbers = [w for row in value for w in row]
            widths = {len(row) for row in value}
            came = f"({len(value)}, {'|'.join(map(str, sorted(widths)))})"
    except (TypeError, ValueError):
        raise ColumnError(
            f"{column.name}: {edge!r} has a fixed weight that is neither a number nor a matrix."
        ) from None
    if isinstance(value, float) and rows != columns:
        raise ColumnError(
            f"{column.name}: {edge!r} has the number {value:g} for a weight, which joins nodes of "
            f"one size; {edge.source!r} has {columns} units, {edge.target!r} has {rows}."
        )
    if isinstance(value, tuple) and came != f"({rows}, {columns})":
        raise ColumnError(
            f"{column.name}: {edge!r} has a fixed weight of shape {came}; {rows} units in "
            f"{edge.target!r} and {columns} in {edge.source!r} need ({rows}, {columns})."
        )
    if not all(map(math.isfinite, numbers)):
        raise ColumnError(f"{column.name}: {edge!r} has a fixed weight that is not finite.")
    return value


def check_edges(column: Column) -> None:
    """Names, gradients and shared weights of the edges, once each has one delay."""
    by_name: dict[str, Edge] = {}
    by_place: dict[tuple[Any, ...], Edge] = {}
    for edge in column.edges:
        who = f"{column.name}: {edge!r}"
        if edge.target in column.inputs:
            raise ColumnError(f"{who} leads into the input {edge.target!r}, which is data.")
        if edge.gradient not in GRADIENTS:
            raise ColumnError(
                f"{who} has the gradient {edge.gradient!r}; known are 'full' and 'blocked'."
            )
        place = (edge.source, edge.target, edge.delay)
        if place in by_place:
            raise ColumnError(
                f"{who}: there is already an edge from {edge.source!r} to {edge.target!r} with "
                f"delay {edge.delay}."
            )
        if not isinstance(edge.name, str) or not edge.name or "." in edge.name:
            raise ColumnError(f"{who} has the name {edge.name!r}; a string without '.' is needed.")
        if edge.name in by_name:
            raise ColumnError(f"{who}: two edges are named {edge.name!r}.")
        by_name[edge.name] = by_place[place] = edge
    for edge in column.edges:
        if edge.shares is None:
            continue
        who = f"{column.name}: {edge!r}"
        if not isinstance(edge.shares, str) or edge.shares not in by_name:
            raise ColumnError(
                f"{who} shares the weight of {edge.shares!r}; edges are {', '.join(by_name)}."
            )
        owner = by_name[edge.shares]
        if owner.shares is not None or edge.weight != "learned":
            raise ColumnError(
                f"{who} shares the weight of {edge.shares!r}; the one must have a weight of its "
                "own, and the other none."
            )
        shapes = [(column.node[e.target].size, column.node[e.source].size) for e in (edge, owner)]
        if shapes[0] != shapes[1]:
            raise ColumnError(
                f"{who} needs a weight of shape {shapes[0]}, but that of {edge.shares!r} has "
                f"shape {shapes[1]}."
            )


def check_structure(column: Column) -> None:
    """What nodes and edges must be together: an order in which everything can be computed."""
    if not column.inputs:
        raise ColumnError(f"{column.name}: there is no Input, so nothing says how long time is.")
    if column.output not in [node.name for node in column.nodes if node.kind != "input"]:
        raise ColumnError(
            f"{column.name}: the output is {column.output!r}; it must be one of the layers, "
            f"{', '.join(n.name for n in column.nodes if n.kind != 'input') or 'of which is none'}."
        )
    at_once = {(e.source, e.target) for e in column.edges if e.delay == 0}
    if found := cycle(at_once):
        raise ColumnError(
            f"{column.name}: the edges of delay 0 form a cycle, {' -> '.join(found)}; "
            "one of them needs a delay."
        )
    for node in column.nodes:
        who = f"{column.name}: node {node.name!r}"
        if node.kind != "input" and not column.into[node.name]:
            raise ColumnError(f"{who} has no edge that leads into it.")
        if node.history != "zeros" and not any(column.reach[node.name]):
            raise ColumnError(
                f"{who} has the history {node.history!r}, but no edge reads it at another time; "
                "leave it at 'zeros'."
            )
    before = sources({(e.source, e.target) for e in column.edges})
    direction = {node.name: node.direction for node in column.nodes}
    for edge in column.edges:
        s, n = edge.source, edge.target
        if direction[s] != direction[n] and n in before.get(s, ()):
            raise ColumnError(
                f"{column.name}: {edge!r} lies on a cycle through {s!r}, which runs "
                f"{direction[s]}, and {n!r}, which runs {direction[n]} in time; "
                "neither can be computed first."
            )
