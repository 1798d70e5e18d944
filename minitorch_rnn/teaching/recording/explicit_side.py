"""The explicit BPTT's numbers for whatever the graph computes: values, gradients, contributions.

`bptt.column` runs on the same arrays and knows nothing of the graph. What it does not name, such as
one term of a sum, follows from what it does: dz_n(t), a_s(t-d) and the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_rnn import bptt
from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.column import Column, Edge
from minitorch_rnn.teaching.recording.roles import Role

Array = Any  # of NumPy, (B, n) unless said otherwise


class Explicit:
    """Forward and backward by `bptt.column`, asked by the role of a tensor.

    Args:
        column: the network.
        params, inputs, histories: as `bptt.column.forward` takes them.
        divergence, D: what is differentiated.

    >>> from minitorch_rnn.bptt.divergences import SQUARED
    >>> from minitorch_rnn.column import Edge, Input, Layer
    >>> column = Column("sums", (Input("x", 1), Layer("y", 1, "identity", bias=False)),
    ...                 (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0)), "y")
    >>> x, D = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
    >>> side = Explicit(column, {}, {"x": x}, {}, SQUARED, D)
    >>> side.a("y", 2).item(), side.da("y", 0).item()
    (3.0, 6.0)
    """

    def __init__(
        self,
        column: Column,
        params: Mapping[str, Array],
        inputs: Mapping[str, Array],
        histories: Mapping[str, Array],
        divergence: Divergence,
        D: Any,
    ) -> None:
        self.column, self.params = column, params
        self.trace = bptt.column.forward(column, params, inputs, histories)
        self.dY = divergence.gradient(self.trace.Y, D)
        self.value = float(divergence.value(np, self.trace.Y, D))
        self.gradients = bptt.column.backward(column, params, self.trace, self.dY)
        known = (*self.gradients.dz.values(), *self.gradients.parameters.values(), self.dY)
        self.largest = max(float(np.abs(g).max(initial=0.0)) for g in known)

    # What the forward pass computed --------------------------------------------------------------

    def a(self, node: str, t: int) -> Array:
        """a_n(t), (B, n), also of a history."""
        return self.trace.a[node][self.column.reach[node][0] + t]

    def weighted(self, edge: Edge, t: int) -> Array:
        """W_e a_s(t-d), (B, n)."""
        a, W = self.a(edge.source, t + self.column.offset(edge)), self._weight(edge)
        return a * W if isinstance(W, float) else a @ W.T

    def value_of(self, role: Role) -> Array:
        """The number beside a value of the graph; None where the explicit pass has none."""
        if role.t is None or role.node is None:
            return None
        if role.state:
            return self.a(role.node, role.t)
        if role.kind == "sum":
            return self.trace.z[role.node][role.t]
        return None

    # What the reverse sweep computed -------------------------------------------------------------

    def da(self, node: str, t: int) -> Array:
        """dDIV/da_n(t), (B, n); of a history the gradient of its column."""
        if 0 <= t < self.trace.T:
            return self.gradients.da[node][t]
        before = self.column.reach[node][0]
        return self.gradients.histories[node][before + (t if t < 0 else t - self.trace.T)]

    def du(self, node: str, t: int, inside: tuple[str, ...]) -> Array:
        """The gradient of the terms `inside` joined: dz_n(t), in a product times the others."""
        found: Array = self.gradients.dz[node][t]
        if self.column.node[node].kind == "product":
            for e in self.column.into[node]:
                if e.name not in inside:
                    found = found * self.weighted(e, t)
        return found

    def gradient_of(self, role: Role, shape: tuple[int, ...]) -> Array:
        """The number beside a complete gradient of the graph; None where there is none."""
        n, t, found = role.node, role.t, self.gradients
        if role.kind == "outputs":
            return self.dY
        if role.kind == "parameter":
            return found.parameters[str(role.edge)]
        if role.kind == "data":
            return found.da[str(n)]
        if role.kind in ("past", "history"):
            rows = found.histories[str(n)]
            return rows if rows.shape == shape else rows.sum(axis=1, keepdims=True)
        if n is None or t is None:
            return None
        if role.state:
            return self.da(n, t)
        return self.du(n, t, role.edges) if role.kind in ("term", "partial", "sum") else None

    def sent(self, by: Role, to: Role, number: int, shape: tuple[int, ...]) -> Array:
        """The number beside what the operation of `by` sends to its argument `number`, `to`."""
        n, t = by.node, by.t
        if by.kind == "outputs" and to.t is not None:
            return self.dY[to.t]
        if by.kind in ("column", "history"):
            return self.gradient_of(by if by.kind == "column" else to, shape)
        if n is None or t is None or by.kind == "inner":
            return None
        dz = self.gradients.dz[n][t]
        if by.kind == "activation":
            return dz
        if to.kind == "parameter" and str(to.edge).startswith("bias."):
            return dz.sum(axis=0)
        if by.kind == "term":
            return self._through(by, to)
        if (to.node, to.t) == (n, t):  # a term, or some of them, of its own
            return self.du(n, t, to.edges)
        return self.du(n, t, (by.edges[0 if number == 0 else -1],))

    def _through(self, by: Role, to: Role) -> Array:
        """What dz W_e, or outer(dz, a_s), is at one edge and t."""
        assert by.node is not None and by.t is not None
        edge = next(e for e in self.column.into[by.node] if e.name == by.edge)
        du, W = self.du(by.node, by.t, by.edges), self._weight(edge)
        if to.kind == "parameter":
            return du.T @ self.a(edge.source, by.t + self.column.offset(edge))
        return du * W if isinstance(W, float) else du @ W

    def _weight(self, edge: Edge) -> Any:
        weight = self.column.weight(edge)
        if isinstance(weight, str):
            return self.params[weight]
        return weight if isinstance(weight, float) else np.array(weight)
