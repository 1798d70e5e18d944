"""What every tensor of an unrolled column's graph is to the lecture: h(2), z_h(2), W, part of DIV.

The graph itself knows operations only. The time step and the node or edge at which each was made
come from `autograd.record_places`; how many operations add up a node's z, the column says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from minitorch_rnn.autograd import record_places
from minitorch_rnn.column import Column, Edge
from minitorch_rnn.engine import Tensor

Lines = Mapping[str, Mapping[int, Tensor]]


class Role(NamedTuple):
    """What a tensor is.

    Attributes:
        kind: "parameter", "data" (x of all t), "past" (a history that was given), "history" (a
            learned one on the way to its columns), "column" (one x(t) or h(-1)), "term" (W a_s),
            "partial" (some terms joined), "sum" (z: all of them), "activation" (f, one operation),
            "inner" (one of several operations of f), "outputs" (Y of all t), "divergence";
            or "copied", which the graph does not record.
        name: such as "h(2)"; its gradient is `gradient`.
        node, edge, t: where it belongs, as far as it belongs somewhere; of a parameter `edge` is
            its name.
        edges: whose terms it holds.
        state: whether it is a(t) of its node, as z is where f is the identity.

    >>> Role("sum", "z_h(3)", "h", t=3, edges=("x->h", "h(t-1)->h")).gradient
    'dz_h(3)'
    >>> Role("term", "W x(3) + b", "h", "x->h", 3, ("x->h",)).gradient
    'd(W x(3) + b) in z_h(3)'
    """

    kind: str
    name: str
    node: str | None = None
    edge: str | None = None
    t: int | None = None
    edges: tuple[str, ...] = ()
    state: bool = False

    @property
    def gradient(self) -> str:
        """What its gradient is called."""
        if " " not in self.name or self.name.startswith(("W of ", "b of ")):
            return f"d{self.name}"
        within = f" in z_{self.node}({self.t})" if self.kind == "term" else ""
        return f"d({self.name}){within}"


def term(column: Column, edge: Edge, t: int) -> str:
    """W_e a_s(t-d) as `print(column)` writes it, at this t.

    >>> from minitorch_rnn.column import elman
    >>> column = elman(2, 3, 1)
    >>> [term(column, edge, 3) for edge in column.into["h"]]
    ['W x(3)', '[W h(2)]']
    """
    weight, source = column.weight(edge), f"{edge.source}({t + column.offset(edge)})"
    if isinstance(weight, float):
        text = source if weight == 1.0 else f"{weight:g} {source}"
    else:
        text = f"{'W' if isinstance(weight, str) else 'M'} {source}"
    return f"[{text}]" if edge.gradient == "blocked" else text


class Roles:
    """The roles of all tensors of one run.

    Args:
        column: the network.
        lines: every a(t), by node and t, as `ColumnNetwork.unroll` gives them.
        leaves: the roles of parameters and data, by the index of their tensor.
        places: where each operation was made.

    >>> import minitorch_rnn as mt
    >>> network = mt.nn.ColumnNetwork(mt.column.elman(1, 1, 1))
    >>> with mt.autograd.record_places() as places:
    ...     lines = network.unroll({"x": mt.ones(2, 1, 1)})
    >>> roles = Roles(network.column, lines, {}, places)
    >>> [role.name for _, role in roles.operations() if role.t == 1]
    ['W x(1) + b', '[W h(0)]', 'z_h(1)', 'h(1)', 'Y(1)']
    """

    def __init__(
        self, column: Column, lines: Lines, leaves: Mapping[int, Role], places: record_places
    ) -> None:
        self.column, self.lines = column, lines
        self._of = dict(leaves)
        self._tensors: dict[int, Tensor] = {}
        self.z: dict[tuple[str, int], Tensor] = {}
        self.terms: dict[tuple[str, int], Tensor] = {}  # the last of each node and t
        self.same: dict[int, list[Role]] = {}  # states that are another node's
        self.T = sum(t >= 0 for t in lines[column.output]) - column.reach[column.output][1]
        everything = recorded(a for line in lines.values() for a in line.values())
        for n, line in lines.items():
            for t, a in line.items():
                if n in column.inputs or not 0 <= t < self.T:
                    self._say(a, Role("column", f"{n}({t})", n, t=t, state=True))
        made: dict[tuple[str, int], list[Tensor]] = {}
        for x in everything:
            place = places.of(x)
            if x._index in self._of:
                continue
            if place is None or place.step is None:
                self._say(x, self._of_history(x))
            else:
                made.setdefault((place.names[0], place.step), []).append(x)
        for part in column.components:
            for n in part.nodes:
                for t in range(self.T):
                    self._name(n, t, made.get((n, t), []), places)

    def _say(self, x: Tensor, role: Role) -> None:
        self._of.setdefault(x._index, role)
        self._tensors[x._index] = x

    def _of_history(self, x: Tensor) -> Role:
        """The role of what lies between a learned history and its columns."""
        below = next(y for y in x._inputs or () if isinstance(y, Tensor) and y.requires_grad)
        role, first = self.of(below), self.of(below).kind == "parameter"
        name = (
            f"{role.name}, with an axis for sequences"
            if first
            else f"history of {role.node}, for every sequence"
        )
        return Role("history", name, role.node)

    def _name(self, n: str, t: int, made: list[Tensor], places: record_places) -> None:
        """Name all that node n computed at t, in the order in which it was made."""
        edges, inner = self.column.into[n], []
        names = {e.name: term(self.column, e, t) for e in edges}
        carrier = next((e for e in edges if not isinstance(self.column.weight(e), float)), None)
        if carrier is not None and self.column.node[n].bias:
            names[carrier.name] += " + b"
        for x in made:
            place = places.of(x)
            if place is not None and len(place.names) > 1:
                e = place.names[1]
                self._say(x, Role("term", names[e], n, e, t, (e,)))
                self.terms[n, t] = x
            else:
                inner.append(x)
        joins = self._joins(n, t, carrier)
        z = self._of_z(n, t, inner[: len(joins)])
        for x, covered in zip(inner, joins, strict=False):
            held = tuple(str(e.name) for e in edges[:covered])
            if x is z:
                self._say(x, Role("sum", f"z_{n}({t})", n, t=t, edges=held))
            else:
                whole = f"z_{n}({t}), {covered} of its {len(edges)} terms"
                self._say(x, Role("partial", whole, n, t=t, edges=held))
        if z is not None:
            self.z[n, t] = z
            if self.of(z).kind == "term" and self.of(z).t == t and self.of(z).node == n:
                self._of[z._index] = self.of(z)._replace(name=f"z_{n}({t})")  # its only term
        a, parts = self.lines[n][t], inner[len(joins) :]
        alone = len(edges) == 1 and (n, t) not in self.terms
        direct = (str(edges[0].name),) if alone else ()  # f reads a_s(t-d) itself
        for k, x in enumerate(parts, 1):
            kind = "activation" if len(parts) == 1 else "inner"
            text = f"{n}({t})" if x is a else f"{n}({t}), part {k} of {len(parts)}"
            self._say(x, Role(kind, text, n, t=t, edges=direct, state=x is a))
        self._name_state(n, t, a)

    def _name_state(self, n: str, t: int, a: Tensor) -> None:
        known = self._of.get(a._index)
        if known is None:  # not recorded: no gradient can reach it
            self._say(a, Role("copied", f"{n}({t})", n, t=t, state=True))
        elif (known.node, known.t) == (n, t):
            if not known.state:  # f is the identity
                self._of[a._index] = known._replace(name=f"{n}({t})", state=True)
        else:
            role = Role("copied", f"{n}({t})", n, t=t, state=True)
            self.same.setdefault(a._index, []).append(role)

    def _joins(self, n: str, t: int, carrier: Edge | None) -> list[int]:
        """How many terms each recorded operation that joins them covers."""
        terms = []
        for e in self.column.into[n]:
            source = self.lines[e.source][t + self.column.offset(e)]
            learned = isinstance(self.column.weight(e), str)
            live = e.gradient == "full" and source.requires_grad
            terms.append(learned or live or (e is carrier and self.column.node[n].bias))
        if carrier is None and self.column.node[n].bias:
            terms.append(True)
        return [k for k in range(2, len(terms) + 1) if any(terms[:k])]

    def _of_z(self, n: str, t: int, joined: list[Tensor]) -> Tensor | None:
        """z(t): the last that was joined, or its only term, which may be a_s(t-d) itself."""
        if joined:
            return joined[-1]
        e, *others = self.column.into[n]
        if others or (n, t) in self.terms:
            return None if others else self.terms[n, t]
        source = self.lines[e.source][t + self.column.offset(e)]
        return source if e.gradient == "full" and source.requires_grad else None

    def note(self, x: Tensor, role: Role) -> None:
        """Give a role to what was made of the network's outputs."""
        self._say(x, role)

    def of(self, x: Tensor) -> Role:
        """The role of a tensor."""
        return self._of.get(x._index, Role("copied", "a constant"))

    def operations(self) -> Iterator[tuple[Tensor, Role]]:
        """All that was computed, in the order of its creation."""
        for i in sorted(self._tensors):
            x, role = self._tensors[i], self._of[i]
            if x._op is not None or role.kind == "copied":
                yield x, role
            for same in self.same.get(i, ()):
                yield x, same


def recorded(ends: Iterable[Tensor]) -> list[Tensor]:
    """All operations that lead to these tensors, in the order of their creation.

    >>> import minitorch_rnn as mt
    >>> x = mt.ones(2, requires_grad=True)
    >>> [y.shape for y in recorded([(x * x).sum()])]
    [(2,), ()]
    """
    found: dict[int, Tensor] = {}
    waiting = [x for x in ends if x.requires_grad]
    while waiting:
        x = waiting.pop()
        if x._index in found or x._op is None:
            continue
        found[x._index] = x
        inputs = x._inputs or ()
        waiting += [y for y in inputs if isinstance(y, Tensor) and y.requires_grad]
    return [found[i] for i in sorted(found)]
