"""The steps of the forward pass: every operation in the order in which it was computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minitorch_rnn.column import Edge
from minitorch_rnn.engine import Tensor
from minitorch_rnn.teaching.recording.deck_lines import edge_of, forward_line
from minitorch_rnn.teaching.recording.explicit_side import Explicit
from minitorch_rnn.teaching.recording.roles import Role, Roles, term
from minitorch_rnn.teaching.recording.rounded import agreement, plain, value

Step = dict[str, Any]
_SLICED = ("column", "history", "outputs")
_SIGNS = {"add": "+", "subtract": "-", "multiply": "·", "divide": "/", "power": "^"}


def forward_steps(
    roles: Roles, side: Explicit, divergence: str, known: Mapping[str, np.ndarray]
) -> Iterator[Step]:
    """A step of the page for every operation.

    Args:
        roles: of all tensors, with the divergence's.
        side: the explicit pass beside them.
        divergence: its name.
        known: arrays by the names they are shown under where they are constants: D.

    >>> from minitorch_rnn.column import elman
    >>> from minitorch_rnn.teaching.recording.recorded import record
    >>> [step["title"] for step in record(elman(1, 1, 1), steps=1).steps[:4]]
    ['x(0) is read', 'W x(0) + b goes into z_h(0)', '[W h(-1)] goes into z_h(0)',
     'z_h(0) = W x(0) + b + [W h(-1)]']
    """
    for x, role in roles.operations():
        line = forward_line(roles.column, role, divergence)
        expected = side.value_of(role)
        yield {
            "phase": "forward",
            "node": role.node,
            "edge": role.edge if role.kind == "term" else None,
            "t": role.t,
            "operation": _operation(x, role),
            "title": _title(roles, x, role, known),
            "slide": line.slide,
            "equation": line.equation,
            "says": _says(roles, role),
            "lit": lit(roles, role),
            "values": _operands(roles, x, role, known),
            "result": value(role.name, x),
            "incoming": None,
            "jacobians": [],
            "outgoing": [],
            "explicit": None if expected is None else {
                **value(role.name, expected),
                "digits": agreement(x, expected, float(np.abs(expected).max(initial=0.0))),
            },
        }  # fmt: skip


def lit(roles: Roles, role: Role, backward: bool = False) -> list[list[Any]]:
    """What of the picture belongs to a tensor: nodes and edges, with their t.

    Backward, an edge belongs to whatever sends a gradient over it, and its source if one arrives.

    >>> import minitorch_rnn as mt
    >>> network = mt.nn.ColumnNetwork(mt.column.elman(1, 1, 1))
    >>> with mt.autograd.record_places() as places:
    ...     lines = network.unroll({"x": mt.ones(2, 1, 1)})
    >>> roles = Roles(network.column, lines, {}, places)
    >>> lit(roles, Role("term", "[W h(0)]", "h", "h(t-1)->h", 1, ("h(t-1)->h",)), backward=True)
    [['edge', 'h(t-1)->h', 1], ['node', 'h', 1]]
    """
    column = roles.column
    if role.kind == "parameter":
        return _lit_by_parameter(roles, str(role.edge))
    if role.kind == "outputs":
        return [["node", column.output, t] for t in range(roles.T)]
    if role.node is None or role.t is None:
        return []
    found: list[list[Any]] = []
    for e in column.into[role.node] if 0 <= role.t < roles.T else ():
        direct = role.kind == "term" or column.weight(e) == 1.0  # no operation of its own
        here = e.name in role.edges and (direct or not backward)
        if here or role.kind == "copied":
            found.append(["edge", e.name, role.t])
            if not (backward and e.gradient == "blocked"):
                found.append(["node", e.source, role.t + column.offset(e)])
    return [*found, ["node", role.node, role.t]]


def _lit_by_parameter(roles: Roles, name: str) -> list[list[Any]]:
    kind, _, of = name.partition(".")
    if kind == "weight":
        using = [e for e in roles.column.edges if roles.column.weight(e) == name]
        return [["edge", e.name, t] for e in using for t in range(roles.T)]
    inside = kind == "bias"
    return [["node", of, t] for t in roles.lines[of] if (0 <= t < roles.T) == inside]


def _operation(x: Tensor, role: Role) -> str:
    return "not recorded" if role.kind == "copied" or x._op is None else x._op.name


def _operands(
    roles: Roles, x: Tensor, role: Role, known: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """The arguments of an operation, but for those that it only reads a column of, or joins."""
    if role.kind in _SLICED:
        return []
    if role.kind == "copied":
        return [
            value(f"{e.source}({t})", roles.lines[e.source][t])
            for e, t in _sources(roles, role)
        ]  # fmt: skip
    found = []
    for k, argument in enumerate(x._inputs or ()):
        if argument is not None and plain(argument).ndim:  # a single number is its own name
            found.append(value(operand(roles, role, k, argument, known), argument))
    return found


def operand(
    roles: Roles, role: Role, k: int, argument: Any, known: Mapping[str, np.ndarray] | None = None
) -> str:
    """What argument k of an operation is called.

    >>> import minitorch_rnn as mt
    >>> network = mt.nn.ColumnNetwork(mt.column.elman(1, 1, 1))
    >>> with mt.autograd.record_places() as places:
    ...     lines = network.unroll({"x": mt.ones(2, 1, 1)})
    >>> roles = Roles(network.column, lines, {}, places)
    >>> x, role = list(roles.operations())[1]
    >>> operand(roles, role, 0, x._inputs[0])
    'h(-1)'
    """
    held = roles.of(argument) if isinstance(argument, Tensor) else None
    if held is not None and held.name != "a constant":
        return held.name
    return _constant(roles, role, k, argument, known or {})


def _sources(roles: Roles, role: Role) -> list[tuple[Edge, int]]:
    column, t = roles.column, role.t
    assert t is not None
    return [(e, t + column.offset(e)) for e in column.into[str(role.node)]]


def _constant(
    roles: Roles, role: Role, k: int, argument: Any, known: Mapping[str, np.ndarray]
) -> str:
    """What an argument is that carries no gradient."""
    if role.kind == "term":
        edge = edge_of(roles.column, role)
        if k == 0:
            return f"{edge.source}({(role.t or 0) + roles.column.offset(edge)})"
        return f"M of {edge.name}" if plain(argument).ndim == 2 else f"the weight of {edge.name}"
    if role.kind in ("partial", "sum"):
        edges = {str(e.name): e for e in roles.column.into[str(role.node)]}
        held = role.edges[-1:] if k else role.edges[:-1]
        return " and ".join(term(roles.column, edges[e], role.t or 0) for e in held)
    for name, array in known.items():
        if np.array_equal(plain(argument), array):
            return name
    return f"{float(plain(argument)):g}" if plain(argument).ndim == 0 else "a constant"


def _joined(roles: Roles, role: Role, x: Tensor) -> str:
    """z = its terms, as they were added or multiplied."""
    product = roles.column.node[str(role.node)].kind == "product"
    names = (operand(roles, role, k, y) for k, y in enumerate(x._inputs or ()))
    return (" · " if product else " + ").join(names)


def _title(roles: Roles, x: Tensor, role: Role, known: Mapping[str, np.ndarray]) -> str:
    name, n, t = role.name, role.node, role.t
    if role.kind == "column":
        return f"{name} is read" if n in roles.column.inputs else f"{name} is the initial state"
    if role.kind == "history":
        return f"{name}, by {_operation(x, role)}"
    if role.kind == "outputs":
        return f"{name}: all outputs side by side"
    if role.kind == "divergence":
        names = [operand(roles, role, k, y, known) for k, y in enumerate(x._inputs or ())]
        if (sign := _SIGNS.get(_operation(x, role))) and len(names) == 2:
            return f"{name} = {names[0]} {sign} {names[1]}"
        return f"{name} = {_operation(x, role)}({', '.join(names)})"
    if role.kind == "copied":
        terms = [term(roles.column, e, t or 0) for e, _ in _sources(roles, role)]
        return f"{name} = {' + '.join(terms)}, which no gradient passes"
    if role.kind == "term":
        text = term(roles.column, edge_of(roles.column, role), t or 0)
        if role.name in (f"{n}({t})", f"z_{n}({t})"):  # the only term
            return f"{name} = {text}{' + b' if roles.column.node[str(n)].bias else ''}"
        return f"{name} goes into z_{n}({t})"
    if role.kind in ("partial", "sum"):
        return f"{name} = {_joined(roles, role, x)}"
    f = roles.column.node[str(n)].activation
    f = f if isinstance(f, str) else f.name
    return f"{name} = {f}(z_{n}({t}))" if role.kind == "activation" else f"{name} of {f}"


def _says(roles: Roles, role: Role) -> str:
    n, t, column = role.node, role.t, roles.column
    if role.kind == "column":
        if n in column.inputs:
            return f"Column {t} of the data enters the network."
        return f"{n} at t = {t} lies outside the sequence; it is part of the history of {n}."
    if role.kind == "history":
        return (
            f"What {n} is outside the sequence, its initial state, is learned: one for all "
            "sequences, so it is copied for each. The first input comes after that."
        )
    if role.kind == "outputs":
        return "The divergence may look at the whole series of outputs."
    if role.kind == "divergence":
        return "A part of the divergence; its last part is one number for the whole series."
    if role.kind == "copied":
        if any(e.gradient == "full" for e in column.into[str(n)]):
            return f"{role.name} needs no operation of its own here, and nothing is recorded."
        return "All links into it are blocked and fixed: it is data, and nothing is recorded."
    if role.kind == "term":
        edge = edge_of(column, role)
        source = f"{edge.source}({(t or 0) + column.offset(edge)})"
        if edge.gradient == "blocked":
            return f"{source} is used as a number only: its own history is cut off here."
        if edge.delay:
            return f"The link {edge.name} brings {source} over from another column."
        return f"The link {edge.name} leads within the column of t = {t}."
    if role.kind in ("partial", "sum"):
        what = "multiplied" if column.node[str(n)].kind == "product" else "added up"
        return f"What enters {n} at t = {t} is {what}."
    return f"The activation makes {n}({t}) of z_{n}({t})."
