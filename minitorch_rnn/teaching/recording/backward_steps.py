"""The steps of the backward pass: every tensor that a gradient reaches, as the walk comes to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_rnn.autograd import Contribution
from minitorch_rnn.autograd import Step as Walked
from minitorch_rnn.engine import Tensor
from minitorch_rnn.teaching.recording.deck_lines import backward_line, edge_of, kind_of
from minitorch_rnn.teaching.recording.explicit_side import Explicit
from minitorch_rnn.teaching.recording.forward_steps import Step, lit, operand
from minitorch_rnn.teaching.recording.roles import Role, Roles
from minitorch_rnn.teaching.recording.rounded import agreement, numbers, plain, value

MOST = 64  # numbers of a Jacobian that are shown
_MOVES = {"getitem", "stack", "unsqueeze", "broadcast_to", "reshape", "transpose", "concatenate"}


class Accumulator:
    """What has come to one gradient so far, and who wrote there last.

    >>> account = Accumulator()
    >>> _ = account.take(np.ones(2), "Y(1)")
    >>> account.take(np.ones(2), "z_h(2)")
    (array([1., 1.]), array([2., 2.]), 'Y(1)')
    """

    def __init__(self) -> None:
        self.total: np.ndarray | None = None
        self.last = ""

    def take(self, gradient: np.ndarray, writer: str) -> tuple[np.ndarray | None, np.ndarray, str]:
        """Before, after, and who wrote there before."""
        before, last = self.total, self.last
        self.total = gradient.copy() if before is None else before + gradient
        self.last = writer
        return before, self.total, last


def backward_steps(roles: Roles, side: Explicit, loss: Tensor, divergence: str) -> Iterator[Step]:
    """A step of the page for everything that the walk from `loss` comes to.

    >>> from minitorch_rnn.column import elman
    >>> from minitorch_rnn.teaching.recording.recorded import record
    >>> steps = record(elman(1, 1, 1), steps=2).steps
    >>> [step["title"] for step in steps if step["phase"] == "backward" and step["node"] == "Y"][1]
    'dh(1) = dY(1) W;  dW of h->Y = outer(dY(1), h(1));  db of Y = dY(1)'
    """
    accounts: dict[tuple[int, int | None], Accumulator] = {}
    for step in loss.backward_steps():
        role = roles.of(step.tensor)
        line = backward_line(roles.column, role, divergence)
        outgoing = [_outgoing(roles, side, role, c, accounts) for c in step.contributions]
        expected = side.gradient_of(role, step.tensor.shape)
        yield {
            "phase": "backward",
            "node": role.node if role.kind != "parameter" else None,
            "edge": role.edge if role.kind == "term" else None,
            "t": role.t,
            "operation": step.operation or "leaf",
            "title": _title(roles, role, step, outgoing),
            "slide": line.slide,
            "equation": line.equation,
            "says": _says(roles, role, step, outgoing),
            "lit": lit(roles, role, backward=True),
            "values": _values(roles, role, step),
            "result": None if role.kind in ("parameter", "data", "past") else value(
                role.name, step.tensor
            ),
            "incoming": value(role.gradient, step.gradient),
            "jacobians": [
                *(_jacobian(roles, role, step, c) for c in step.contributions),
                *_blocked(roles, role),
            ],
            "outgoing": outgoing,
            "explicit": None if expected is None else {
                **value(role.gradient, expected),
                "digits": agreement(step.gradient, expected, side.largest),
            },
        }  # fmt: skip


def _dz(roles: Roles, role: Role) -> str:
    """What dz of a node and t is called: dY(3) where Y(3) is z itself."""
    z = roles.z.get((str(role.node), role.t or 0))
    return f"dz_{role.node}({role.t})" if z is None else roles.of(z).gradient


def _outgoing(
    roles: Roles,
    side: Explicit,
    role: Role,
    sent: Contribution,
    accounts: dict[tuple[int, int | None], Accumulator],
) -> dict[str, Any]:
    """What is sent to one input, and where it is added."""
    to, gradient = roles.of(sent.tensor), plain(sent.gradient)
    row, name = None, to.gradient
    if role.kind == "column" and role.t is not None:  # one column of an array that holds them all
        inside = role.node in roles.column.inputs and 0 <= role.t < roles.T
        row = role.t if inside else _row_outside(roles, role)
        gradient, name = gradient[row], f"{name}, column {role.t}"
    account = accounts.setdefault((sent.tensor._index, row), Accumulator())
    writer = f"t = {role.t}" if to.kind == "parameter" else _writer(roles, role)
    before, after, last = account.take(gradient, writer)
    added = sent.added if row is None else before is not None
    expected = side.sent(role, to, sent.number, sent.tensor.shape)
    return {
        "to": name,
        "how": "+=" if added else "=",
        "numbers": numbers(gradient),
        "before": None if before is None else numbers(before),
        "after": numbers(after),
        "explicit": None if expected is None else numbers(expected),
        "digits": None if expected is None else agreement(gradient, expected, side.largest),
        "parameter": to.kind == "parameter",
        "says": "assigned: nothing had come here before"
        if before is None
        else f"added: {last} had written here already",
    }


def _row_outside(roles: Roles, role: Role) -> int:
    assert role.t is not None
    before = roles.column.reach[str(role.node)][0]
    return before + (role.t if role.t < 0 else role.t - roles.T)


def _writer(roles: Roles, role: Role) -> str:
    """Who sends, as the next one to write is told."""
    if role.kind in ("term", "partial", "sum") and not role.state:
        return f"z_{role.node}({role.t})"
    return role.name


def _title(roles: Roles, role: Role, step: Walked, outgoing: list[dict[str, Any]]) -> str:
    kind = role.kind
    if kind == "divergence" and role.name == "DIV":
        return "dDIV = 1: the walk starts"
    if kind == "outputs":
        return f"dY(t) from DIV, for t = {roles.T - 1} … 0"
    if kind == "activation":
        (sent,) = outgoing  # to z, which may be a_s(t-d) itself
        z = roles.of(step.contributions[0].tensor).name
        return f"{sent['to']} {sent['how']} d{role.name} Jacobian({role.name}, {z})"
    if kind == "term":
        return ";  ".join(
            f"{sent['to']} {sent['how']} {_formula(roles, role, sent['to'])}" for sent in outgoing
        )
    if kind in ("partial", "sum"):
        return _through_a_join(roles, role, step, outgoing)
    if kind in ("parameter", "data", "past", "column", "history"):
        return f"{role.gradient} is complete"
    return f"{role.gradient} goes back through {step.operation}"


def _through_a_join(roles: Roles, role: Role, step: Walked, outgoing: list[dict[str, Any]]) -> str:
    """dz at a sum goes to every term as it is, and at a product to each factor times the other."""
    if roles.column.node[str(role.node)].kind != "product":
        return ";  ".join(f"{sent['to']} {sent['how']} {role.gradient}" for sent in outgoing)
    names = [operand(roles, role, k, x) for k, x in enumerate(step.tensor._inputs or ())]
    return ";  ".join(
        f"{sent['to']} {sent['how']} {role.gradient} {names[1 - c.number]}"
        for sent, c in zip(outgoing, step.contributions, strict=True)
    )


def _formula(roles: Roles, role: Role, to: str) -> str:
    """What a term sends, as the lecture writes it."""
    edge, dz = edge_of(roles.column, role), _dz(roles, role)
    if roles.column.node[edge.target].kind == "product":
        dz = f"{dz} (the other factors)"
    weight = roles.column.weight(edge)
    if to.startswith("db of "):
        return dz
    if to.startswith("dW of "):
        return f"outer({dz}, {edge.source}({(role.t or 0) + roles.column.offset(edge)}))"
    return f"{weight:g} {dz}" if isinstance(weight, float) else (
        f"{dz} {'W' if isinstance(weight, str) else 'M'}"
    )  # fmt: skip


def _says(roles: Roles, role: Role, step: Walked, outgoing: list[dict[str, Any]]) -> str:
    kind, name = role.kind, role.gradient
    if kind == "parameter":
        if str(role.edge).startswith("history."):
            return "The initial state is learned like a weight: this becomes its .grad."
        return "Every t that uses it has added its share; the sum becomes .grad."
    if kind in ("data", "past", "history"):
        return "Every column of it has its gradient now."
    if kind == "column":
        return f"All users of {role.name} have been visited: nothing more will come."
    if kind == "divergence":
        if role.name == "DIV":
            return "DIV changes with itself one to one: that is where every gradient starts."
        return "The divergence is differentiated like everything else."
    if kind == "outputs":
        return "The divergence hands over: what follows is backpropagation through time."
    if _blocked(roles, role):
        rest = "The weight gets its share" if kind == "term" else "The other terms get all of it"
        return f"{rest}; over the blocked link no gradient passes."
    if kind == "activation":
        return f"All users of {role.name} have added to {name}; the Jacobian takes it through f."
    if kind == "inner":
        return f"{name} goes back through one of the operations of which f is made."
    if kind in ("partial", "sum"):
        if roles.column.node[str(role.node)].kind == "product":
            return "The derivative of a product: each factor is weighted by the other."
        return "The derivative of a sum: every term gets the same gradient."
    return _says_of_term(roles, role, step, outgoing)


def _says_of_term(roles: Roles, role: Role, step: Walked, outgoing: list[dict[str, Any]]) -> str:
    edge = edge_of(roles.column, role)
    to_source = [sent for sent in outgoing if not sent["parameter"]]
    if not to_source:
        source = f"{edge.source}({(role.t or 0) + roles.column.offset(edge)})"
        return (
            f"{source} is data to the backward pass, so the weight learns and nothing is sent on."
        )
    kind, how = kind_of(roles.column, edge), to_source[0]["how"]
    if kind == "own" and how == "+=":
        return (
            f"The slide assigns {to_source[0]['to']} here and adds to it later; the walk has been "
            "there before and adds now. The sum is the same."
        )
    later = any(e.delay and e.gradient == "full" and e.source == edge.source == e.target
                and roles.column.offset(e) < 0 for e in roles.column.edges)  # fmt: skip
    if kind == "output" and how == "=" and later and (role.t or 0) < roles.T - 1:
        return (
            f"The slide adds to {to_source[0]['to']} here; the walk is the first to come, assigns, "
            "and adds what t + 1 sends later. The sum is the same."
        )
    if any(sent["how"] == "+=" for sent in outgoing):
        return "What has been written before stays: contributions are added, not assigned."
    return "Nothing had been written there before: these are the first contributions."


def _values(roles: Roles, role: Role, step: Walked) -> list[dict[str, Any]]:
    """The values that the local Jacobian is taken at: the inputs of what is no mere sum."""
    if step.operation in {"add", *_MOVES}:
        return []
    found = []
    for k, x in enumerate(step.tensor._inputs or ()):
        held = roles.of(x) if isinstance(x, Tensor) else None
        if held is not None and held.kind != "copied":
            bias = held.kind == "parameter" and str(held.edge).startswith("bias.")
            if not bias:
                found.append(value(held.name, x))
        elif role.kind == "term" and k == 0:  # blocked, or data that nothing is learned from
            edge = edge_of(roles.column, role)
            source = f"{edge.source}({(role.t or 0) + roles.column.offset(edge)})"
            found.append(value(source, x))
    return found


def _jacobian(roles: Roles, role: Role, step: Walked, sent: Contribution) -> dict[str, Any]:
    """The local Jacobian for one input, or why it is not shown."""
    to, rows, columns = roles.of(sent.tensor), step.tensor.size, sent.tensor.size
    of = f"∂{_shown(role)}/∂{_shown(to)}"
    if step.operation in _MOVES:
        return {"of": of, "rows": None, "omitted": f"{step.operation} only moves numbers"}
    if rows * columns <= MOST:
        return {"of": of, "rows": numbers(step.jacobian(sent.number)), "omitted": None}
    why = f"{rows} × {columns} numbers"
    if role.kind == "term" and to.kind == "parameter":
        edge = edge_of(roles.column, role)
        source = f"{edge.source}({(role.t or 0) + roles.column.offset(edge)})"
        kind = str(to.edge).partition(".")[0]
        why += (
            f": outer product with {source}" if kind == "weight" else ": the sum of the sequences"
        )
    elif role.kind == "term":
        why += ": it is W itself, for every sequence"
    elif step.operation == "add":
        why += ": the identity"
    return {"of": of, "rows": None, "omitted": why}


def _shown(role: Role) -> str:
    return role.name if " " not in role.name or role.kind == "parameter" else f"({role.name})"


def _blocked(roles: Roles, role: Role) -> list[dict[str, Any]]:
    """A Jacobian that is not used, for every blocked link that is joined here."""
    if role.kind not in ("term", "partial", "sum") or role.t is None:
        return []
    found = []
    for e in roles.column.into[str(role.node)]:
        source = f"{e.source}({role.t + roles.column.offset(e)})"
        own = role.kind == "term" or (e.name == role.edges[-1] and roles.column.weight(e) == 1.0)
        if e.gradient == "blocked" and e.name in role.edges and own:
            slide = "48" if isinstance(roles.column.weight(e), str) else "47"
            why = f"no gradient passes here (slide {slide})"
            found.append({"of": f"∂{_shown(role)}/∂{source}", "rows": None, "omitted": why})
    return found
