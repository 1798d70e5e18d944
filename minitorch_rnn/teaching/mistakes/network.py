"""What every sweep over one network shares: its numbers, its roles, and what things are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_rnn.bptt.activations import functions_of
from minitorch_rnn.bptt.trace import Array, Trace
from minitorch_rnn.column import Column, Edge
from minitorch_rnn.column.order import sources

__all__ = ["Network", "listed", "one"]

DIAGONAL = ("identity", "relu", "sigmoid", "tanh")


class Network:
    """A column with numbers, taken apart into what a sweep multiplies and adds.

    Attributes:
        T, B: time steps and sequences.
        weight: the matrix of each edge, by the edge's name; a fixed number is a diagonal matrix.
        past: what each edge reads, a_s(t-d), (T, B, m), and ones for each bias.
        jacobian: of each node, (T, B, n) where it is diagonal and (T, B, n, n) elsewhere.
        gates: what else each edge into a product is multiplied by, (T, B, n).
        terms: the edges that add to each learned weight, and each bias to itself.
        order: the reverse sweep: nodes, topmost first, their times, and their direction.
        readout: the output layer; None where the output is itself a state, as in a lone cell.
        hidden: all layers and products but the readout.
        called: the student's names of the gradients.
    """

    def __init__(
        self,
        column: Column,
        params: Mapping[str, Any],
        trace: Trace,
        dY: Array,
        called: Mapping[str, str],
    ) -> None:
        self.column, self.trace, self.dY = column, trace, np.asarray(dY, float)
        self.T, self.B = trace.Y.shape[:2]
        self.edge = {str(e.name): e for e in column.edges}
        self.weight = {str(e.name): _matrix(column, params, e) for e in column.edges}
        self.past = {str(e.name): self.state(e.source, column.offset(e)) for e in column.edges}
        self.terms: dict[str, list[str]] = {}
        for e in column.edges:
            if isinstance(name := column.weight(e), str):
                self.terms.setdefault(name, []).append(str(e.name))
        for node in column.nodes:
            if node.bias:
                self.terms[f"bias.{node.name}"] = [f"bias.{node.name}"]
                self.past[f"bias.{node.name}"] = np.ones((self.T, self.B, 1))
        self.jacobian = {n: self.jacobian_of(n) for n in trace.z}
        self.gates = {str(e.name): self._gates(e) for e in column.edges}
        self.order = _order(column, self.T)
        self.readout = _readout(column)
        self.hidden = tuple(n for n in trace.z if n != self.readout)
        self._called = called
        self._above = sources({(e.source, e.target) for e in column.edges if not e.delay})

    def state(self, node: str, offset: int = 0, beyond: str = "history") -> Array:
        """a(t + offset) for all t; what lies beyond the known is 0, or from the other end."""
        before, _ = self.column.reach[node]
        a, T = np.asarray(self.trace.a[node], float), self.T
        if beyond == "around":
            return np.roll(a[before : before + T], -offset, axis=0)
        if beyond == "zeros":
            a, before = a[before : before + T], 0
        more = abs(offset)
        edge = np.zeros((more, *a.shape[1:]))
        padded = np.concatenate([edge, a, edge])
        return padded[before + more + offset :][:T]

    def jacobian_of(self, node: str) -> Array:
        """J of a node at its own y and z."""
        y, z = self.state(node), np.asarray(self.trace.z[node], float)
        product = functions_of(self.column)[node].jacobian_product
        if self.column.node[node].activation in DIAGONAL:
            return np.asarray(product(np.ones_like(z), y, z), float)
        units = np.eye(z.shape[-1])
        rows = [product(np.broadcast_to(u, z.shape), y, z) for u in units]
        return np.stack(rows, axis=-2).astype(float)

    def _gates(self, edge: Edge) -> Array | None:
        """The product of the other factors, if the edge leads into a product."""
        if self.column.node[edge.target].kind != "product":
            return None
        found = np.ones_like(self.trace.z[edge.target])
        for other in self.column.into[edge.target]:
            if other is not edge:
                found *= self.past[str(other.name)] @ self.weight[str(other.name)].T
        return found

    # What things are: the roles of links, the node that a parameter belongs to.

    def role(self, edge: Edge) -> str:
        """Where an edge's error comes from: "time", "output", "above" or "skip"; "input" for dx."""
        if self.column.node[edge.source].kind == "input":
            return "input"
        if edge.delay:
            return "time" if self._main(edge) else "skip"
        between = {s for s in self._above.get(edge.target, ()) if s != edge.source}
        if any(edge.source in self._above.get(s, ()) for s in between):
            return "skip"
        return "output" if edge.target == self.readout else "above"

    def _main(self, edge: Edge) -> bool:
        """Whether a link through time is the one of its state: its own at t-1, or the only one."""
        if edge.source == edge.target and edge.delay == 1:
            return True
        return sum(bool(e.delay) and e.source == edge.source for e in self.column.edges) == 1

    def node_of(self, name: str) -> str:
        """The node whose dz a parameter's gradient is made of, or which a gradient belongs to."""
        kind, _, rest = name.partition(".")
        return self.edge[self.terms[name][0]].target if kind == "weight" else rest

    @property
    def links(self) -> list[Edge]:
        """The edges over which an error flows."""
        return [e for e in self.column.edges if e.gradient == "full"]

    def together(self, edges: Iterable[Edge]) -> list[tuple[Edge, ...]]:
        """Links that a slip may strike together: each, those out of one node, those of one role."""
        edges = tuple(edges)
        groups: list[tuple[Edge, ...]] = [(e,) for e in edges]
        for n in self.column.node:
            out = tuple(e for e in edges if e.source == n)
            late = tuple(e for e in out if e.delay)
            groups += [out, late, tuple(e for e in out if not e.delay)]
        for role in ("time", "above", "output", "skip", "input"):
            groups.append(tuple(e for e in edges if self.role(e) == role))
        groups.append(tuple(e for e in edges if e.delay))
        return [g for g in dict.fromkeys(groups) if g]

    @property
    def scopes(self) -> list[tuple[str, ...]]:
        """Parameters that a slip may strike together, fewest first."""
        every = tuple(self.terms)
        weights = tuple(p for p in every if p.startswith("weight."))
        recurrent = tuple(p for p in weights if self.edge[self.terms[p][0]].delay)
        groups = [tuple(p for p in every if self.node_of(p) == n) for n in self.trace.z]
        hidden = tuple(p for p in every if self.node_of(p) != self.readout)
        biases = tuple(p for p in every if p not in weights)
        inner = [tuple(p for p in some if p in hidden) for some in (weights, biases)]
        current = tuple(p for p in inner[0] if p not in recurrent)
        late = [
            tuple(p for p in recurrent if self.edge[self.terms[p][0]].source == n)
            for n in self.column.node
        ]
        wider = [
            *groups,
            *late,
            recurrent,
            current,
            inner[1],
            biases,
            inner[0],
            weights,
            hidden,
            every,
        ]
        return list(dict.fromkeys([*((p,) for p in every), *(w for w in wider if w)]))

    # What things are called.

    def d(self, name: str) -> str:
        """The student's name of a gradient, or one made of ours."""
        kind, _, rest = name.partition(".")
        made = {"weight": f"dW[{rest}]", "bias": f"db[{rest}]", "input": f"d{rest}"}
        return self._called.get(name, made.get(kind, f"d{rest}(-1)"))

    def ds(self, names: Iterable[str]) -> str:
        """Several gradients: "dW_c, dW_r and db"."""
        return listed([self.d(n) for n in names])

    def W(self, edge: Edge) -> str:
        """The weight of an edge, called as its gradient without the d."""
        name = self.column.weight(edge)
        if not isinstance(name, str):
            return f"the fixed weight of {edge.name}"
        own = self.d(name)
        return own[1:] if own.startswith("d") else f"the weight of {own}"

    def at(self, edge: Edge, shift: int = 0) -> str:
        """What an edge reads: "h1(t-1)"."""
        offset = self.column.offset(edge) + shift
        return f"{edge.source}(t{f'{offset:+d}' if offset else ''})"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    >>> listed(["dW", "db", "dx"])
    'dW, db and dx'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def one(things: Sequence[object], singular: str, plural: str) -> str:
    """The form of a verb that goes with one thing, or with several.

    >>> one(["dW", "db"], "is", "are")
    'are'
    """
    return singular if len(things) == 1 else plural


def _readout(column: Column) -> str | None:
    output = column.output
    state = any(e.source == e.target == output for e in column.edges)
    return None if state and column.node[output].activation in DIAGONAL else output


def _matrix(column: Column, params: Mapping[str, Any], edge: Edge) -> Array:
    weight = column.weight(edge)
    if isinstance(weight, str):
        return np.asarray(params[weight], float)
    if isinstance(weight, float):
        return weight * np.eye(column.node[edge.target].size)
    return np.array(weight, float)


def _order(column: Column, T: int) -> list[tuple[list[str], list[int], str]]:
    """Parts that run in the same direction are swept together, one column after another."""
    order: list[tuple[list[str], list[int], str]] = []
    for part in reversed(column.components):
        times = list(range(T)) if part.backward else list(range(T - 1, -1, -1))
        direction = "backward" if part.backward else "forward"
        if not order or order[-1][2] != direction:
            order.append(([], times, direction))
        order[-1][0].extend(reversed(part.nodes))
    return order
