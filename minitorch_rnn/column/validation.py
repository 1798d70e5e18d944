"""What a column must satisfy, and the message for each way in which one does not."""

from __future__ import annotations

import dataclasses
import math
import numbers
import operator
import reprlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from minitorch_rnn.column.order import cycle, sources
from minitorch_rnn.errors import ColumnError

if TYPE_CHECKING:
    from minitorch_rnn.column.spec import Column, Edge

ACTIVATIONS = ("identity", "relu", "sigmoid", "softmax", "tanh")
HISTORIES = ("zeros", "given", "learned")
DIRECTIONS = ("forward", "backward")
GRADIENTS = ("full", "blocked")
NODES = ("input", "layer", "product")
MOST = 1_000_000  # units of a node, columns of a delay: more is a slip of the finger


def shown(value: Any) -> str:
    """A value as messages quote it: cut short, whatever it is."""
    try:
        return reprlib.repr(value)
    except Exception:  # such as an integer of too many digits
        return f"{type(value).__name__}, too large to show"


def told(part: Any, shown: Callable[[Any], str] = shown) -> str:
    """A node or an edge without what has its default; in messages long values are cut short."""
    fields = []
    for field in dataclasses.fields(part):
        value, default = getattr(part, field.name), field.default
        if default is dataclasses.MISSING:
            fields.append(shown(value))
        elif not (isinstance(value, type(default)) and value == default):
            fields.append(f"{field.name}={shown(value)}")
    return f"{type(part).__name__}({', '.join(fields)})"


def whole(who: str, name: str, value: Any, least: int, most: int | None = MOST) -> int:
    """`value` as a whole number of at least `least`, and at most `most`."""
    number = _index(value)
    if number < least or (most is not None and number > most):
        limit = "" if most is None else f" to {most:,}"
        raise ColumnError(
            f"{who}: {name} is {shown(value)}; a whole number from {least}{limit} is needed."
        )
    return number


def number(who: str, value: Any) -> float:
    """`value` as a finite float; `who` ends with what it is of."""
    try:
        finite = math.isfinite(value)
    except (TypeError, OverflowError, ValueError):
        finite = False
    if not is_number(value) or not finite:
        raise ColumnError(f"{who} is {shown(value)}; a finite number is needed.")
    return float(value)


def is_number(value: Any) -> bool:
    """Whether this is a real number, Python's or NumPy's."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _index(value: Any) -> int:
    """A whole number, or -1 for what is none."""
    try:
        return -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return -1


def check_parts(column: Column) -> None:
    """That a column has a name, nodes and edges, whatever they are."""
    if not isinstance(column.name, str):
        raise ColumnError(f"Column: name is {shown(column.name)}; a string is needed.")
    for field in ("nodes", "edges"):
        if not isinstance(value := getattr(column, field), Iterable):
            raise ColumnError(
                f"{column.name}: {field} is {shown(value)}; a tuple of {field} is needed, "
                "(…,) if there is only one."
            )


def check_nodes(column: Column) -> None:
    """Names, sizes, activations, histories and directions of the nodes, each for itself."""
    seen: set[str] = set()
    for node in column.nodes:
        if isinstance(node, type) or getattr(node, "kind", None) not in NODES:
            raise ColumnError(
                f"{column.name}: {shown(node)} is not a node; make it by Input, Layer or Product."
            )
        if not isinstance(node.name, str) or not node.name.isidentifier():
            raise ColumnError(
                f"{column.name}: a node is named {shown(node.name)}; names are made of "
                "letters, digits and _, and start with no digit."
            )
        if node.name in seen:
            raise ColumnError(f"{column.name}: two nodes are named {node.name!r}.")
        seen.add(node.name)
        who = f"{column.name}: node {node.name!r}"
        whole(who, "size", node.size, 1)
        for field, known in (("history", HISTORIES), ("direction", DIRECTIONS)):
            value = getattr(node, field)
            if not isinstance(value, str) or value not in known:
                raise ColumnError(
                    f"{who}: {field} is {shown(value)}; known are {', '.join(map(repr, known))}."
                )
        f = node.activation
        if not hasattr(f, "jacobian_product") and not (isinstance(f, str) and f in ACTIVATIONS):
            raise ColumnError(
                f"{who}: activation is {shown(f)}; known are "
                f"{', '.join(map(repr, ACTIVATIONS))}, or an Activation of your own."
            )
        if isinstance(f, str) and f == "softmax" and node.size == 1:
            raise ColumnError(
                f"{who}: softmax of size 1 is always 1 and has no gradient; use sigmoid, or size 2."
            )
        if not isinstance(node.bias, bool):
            raise ColumnError(f"{who}: bias is {shown(node.bias)}; True or False is needed.")


def check_edge(column: Column, edge: Edge) -> None:
    """What an edge must be before its delays are written out."""
    if isinstance(edge, type) or getattr(edge, "kind", None) != "edge":
        raise ColumnError(f"{column.name}: {shown(edge)} is not an edge; make it by Edge.")
    for name in (edge.target, edge.source):
        if not isinstance(name, str) or name not in column.node:
            raise ColumnError(
                f"{column.name}: {told(edge)} names the node {shown(name)}; "
                f"there are {', '.join(column.node) or 'none'}."
            )
    if edge.name is not None and (
        not isinstance(edge.name, str) or not edge.name or "." in edge.name
    ):
        raise ColumnError(
            f"{column.name}: {told(edge)} has the name {shown(edge.name)}; "
            "a string without '.' is needed."
        )


def delays(column: Column, edge: Edge) -> tuple[int, ...]:
    """The delays of an edge as it was written: one number, or several."""
    given = _plain(edge.delay)
    one = isinstance(given, str | bytes | dict) or not isinstance(given, Iterable)
    several = (given,) if one else tuple(given)
    for d in several:
        if not 0 <= _index(d) <= MOST:
            raise ColumnError(
                f"{column.name}: {told(edge)} has the delay {shown(d)}; a whole number from 0 to "
                f"{MOST:,} is needed (a layer with direction='backward' reads the future)."
            )
    if not several:
        raise ColumnError(f"{column.name}: {told(edge)} has no delay at all; give at least one.")
    found = [operator.index(d) for d in several]
    return tuple(sorted(found) if isinstance(given, set | frozenset) else found)


def fixed(column: Column, edge: Edge) -> Any:
    """The weight of an edge: "learned", a number, or a matrix as a tuple of its rows."""
    weight = _plain(edge.weight)
    who = f"{column.name}: {told(edge)}"
    if isinstance(weight, str) and weight == "learned":
        return weight
    rows, columns = (column.node[name].size for name in (edge.target, edge.source))
    if is_number(weight):
        value = number(f"{who} has a fixed weight that", weight)
        if rows != columns:
            raise ColumnError(
                f"{who} has the number {value:g} for a weight, which joins nodes of one size; "
                f"{edge.source!r} has {columns} units, {edge.target!r} has {rows}."
            )
        return value
    if isinstance(weight, list | tuple):
        weight = [_plain(row) for row in weight]
    if not isinstance(weight, list) or not all(
        isinstance(row, list | tuple) and all(map(is_number, row)) for row in weight
    ):
        raise ColumnError(
            f"{who} has the weight {shown(weight)}; 'learned', a number or a matrix, as a "
            "list of its rows, is needed."
        )
    widths = sorted({len(row) for row in weight})
    if len(weight) != rows or widths != [columns]:
        came = f"{len(weight)} rows of {' and '.join(map(str, widths)) or 'nothing'}"
        raise ColumnError(
            f"{who} has a fixed weight of {came}; {rows} units in {edge.target!r} and {columns} in "
            f"{edge.source!r} need shape ({rows}, {columns})."
        )
    what = f"{who} has a fixed weight, of which one number"
    return tuple(tuple(number(what, w) for w in row) for row in weight)


def _plain(value: Any) -> Any:
    """An array as lists of Python's numbers; anything else as it is."""
    is_array = hasattr(value, "tolist") and not isinstance(value, type)
    return value.tolist() if is_array else value


def check_edges(column: Column) -> None:
    """Names, gradients and shared weights of the edges, once each has one delay."""
    by_name: dict[str | None, Edge] = {}
    by_place: dict[tuple[Any, ...], Edge] = {}
    for edge in column.edges:
        who = f"{column.name}: {told(edge)}"
        if edge.target in column.inputs:
            raise ColumnError(f"{who} leads into the input {edge.target!r}, which is data.")
        if not isinstance(edge.gradient, str) or edge.gradient not in GRADIENTS:
            raise ColumnError(
                f"{who} has the gradient {shown(edge.gradient)}; known are 'full' and 'blocked'."
            )
        place = (edge.source, edge.target, edge.delay)
        if place in by_place:
            raise ColumnError(
                f"{who}: there is already an edge from {edge.source!r} to {edge.target!r} with "
                f"delay {edge.delay}."
            )
        if edge.name in by_name:
            raise ColumnError(f"{who}: two edges are named {edge.name!r}.")
        by_name[edge.name] = by_place[place] = edge
    for edge in column.edges:
        if edge.shares is None:
            continue
        who = f"{column.name}: {told(edge)}"
        if not isinstance(edge.shares, str) or edge.shares not in by_name:
            raise ColumnError(
                f"{who} shares the weight of {shown(edge.shares)}; "
                f"edges are {', '.join(map(str, by_name))}."
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
        raise ColumnError(
            f"{column.name}: there is no Input, so nothing says how long time is; "
            'one may be all zeros (in JSON, "kind": "input").'
        )
    layers = [node.name for node in column.nodes if node.kind != "input"]
    if not isinstance(column.output, str) or column.output not in layers:
        raise ColumnError(
            f"{column.name}: the output is {shown(column.output)}; it must be one of the "
            f"layers, {', '.join(layers) or 'of which there is none'}."
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
                f"{column.name}: {told(edge)} lies on a cycle through {s!r}, which runs "
                f"{direction[s]}, and {n!r}, which runs {direction[n]} in time; "
                "neither can be computed first."
            )
