"""How a column is unrolled over time: only what recurs is stepped, the rest is computed at once.

A node that lies on no cycle is computed for all t together: one product for each of its edges, over
T·B rows. Nodes on a cycle are computed step by step, and of their z all that comes from outside the
cycle is there before the first step. Where every activation is to be a node of the graph of its
own, and in anomaly mode, which tells the time step, everything is stepped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import minitorch_rnn as mt
from minitorch_rnn import ops
from minitorch_rnn.column import Column, Node
from minitorch_rnn.engine import Tensor, detects_anomalies, scope, time_steps
from minitorch_rnn.nn.network import OUTPUTS

ACTIVATIONS = OUTPUTS | {"relu": ops.relu}


class Timeline:
    """a(t) of one node for t = -K … T+F-1, as one tensor or column by column.

    Args:
        T: columns of the sequence.
        before: K.
        outside: a(-K) … a(-1), then a(T) … a(T+F-1), (K+F, B, n).
        whole: a(0) … a(T-1), (T, B, n), where they are known together; else `steps` takes them.

    >>> import minitorch_rnn as mt
    >>> line = Timeline(3, 1, mt.zeros(1, 1, 1), mt.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1))
    >>> line.at(2).item(), line.rows(-1, 2).squeeze().tolist()
    (3.0, [0.0, 1.0, 2.0])
    """

    def __init__(self, T: int, before: int, outside: Tensor, whole: Tensor | None = None) -> None:
        self.T, self.before, self.outside, self.whole = T, before, outside, whole
        self.steps: dict[int, Tensor] = {}
        self._around: Tensor | None = None

    @property
    def times(self) -> range:
        """-K … T+F-1."""
        return range(-self.before, self.T + len(self.outside) - self.before)

    def at(self, t: int) -> Tensor:
        """a(t), (B, n): the same tensor each time."""
        if t not in self.steps:
            if 0 <= t < self.T:
                assert self.whole is not None, "read before it is computed"
                self.steps[t] = self.whole[t]
            else:
                self.steps[t] = self.outside[self.before + (t if t < 0 else t - self.T)]
        return self.steps[t]

    def rows(self, start: int, stop: int) -> Tensor:
        """a(start) … a(stop-1), (stop - start, B, n)."""
        if self.whole is None:
            rows: Tensor = ops.stack([self.at(t) for t in range(start, stop)])
            if (start, stop) == (0, self.T):
                self.whole = rows
            return rows
        if start >= 0 and stop <= self.T:
            return self.whole if (start, stop) == (0, self.T) else self.whole[start:stop]
        if self._around is None:
            parts = self.outside[: self.before], self.whole, self.outside[self.before :]
            self._around = ops.concatenate([part for part in parts if len(part)])
        return self._around[self.before + start : self.before + stop]


class Link(NamedTuple):
    """An edge as it is read: a timeline, how far from t, the weight, and whether it is blocked."""

    name: str
    source: Timeline
    offset: int
    weight: Any
    blocked: bool

    def term(self, value: Tensor, bias: Tensor | None) -> Any:
        """W a + b; b only where W is a matrix."""
        with scope(self.name):
            value = value.detach() if self.blocked else value
            if isinstance(self.weight, float):
                return value if self.weight == 1.0 else value * self.weight
            return ops.linear(value, self.weight, bias)


class Unit:
    """What one node computes: z(t) = known(t) + sum_e W_e a_s(t-d), a(t) = f(z(t)).

    Args:
        node: of the column.
        ready: links from timelines that are complete; their terms are computed for all t at once.
        stepped: the others.
        bias: b (n,), or None.
        offset: added to z, (T, B, n), or None.
    """

    def __init__(
        self,
        node: Node,
        ready: Sequence[Link],
        stepped: Sequence[Link],
        bias: Tensor | None,
        offset: Tensor | None,
    ) -> None:
        f = node.activation
        self.f: Callable[[Any], Any] = ACTIVATIONS[f] if isinstance(f, str) else partial(f.f, mt)
        self.join = ops.multiply if node.kind == "product" else ops.add
        self.stepped, self.offset, self.bias = stepped, offset, bias
        self.known: Any = None
        if ready:
            columns = [link.source.rows(link.offset, link.source.T + link.offset) for link in ready]
            self.known = reduce(self.join, _terms(ready, columns, bias))
            self.bias = None  # it is in there

    def at_once(self) -> Any:
        """a(t) for all t, (T, B, n), of a node that has no stepped links."""
        return self.f(self.known if self.offset is None else self.known + self.offset)

    def at(self, t: int) -> Any:
        """a(t), (B, n)."""
        columns = [link.source.at(t + link.offset) for link in self.stepped]
        terms = _terms(self.stepped, columns, self.bias)
        if self.known is not None:
            terms.append(self.known[t])
        z = reduce(self.join, terms)
        return self.f(z if self.offset is None else z + self.offset[t])


def _terms(links: Sequence[Link], columns: Sequence[Tensor], bias: Tensor | None) -> list[Any]:
    """Everything that z adds up: the first product takes b along."""
    terms = []
    for link, value in zip(links, columns, strict=True):
        terms.append(link.term(value, bias))
        if not isinstance(link.weight, float):
            bias = None
    return terms if bias is None else [*terms, bias]


def unroll(
    column: Column,
    lines: Mapping[str, Timeline],
    weights: Mapping[Any, Any],
    biases: Mapping[str, Tensor],
    offsets: Mapping[str, Tensor],
    by_step: bool = False,
) -> None:
    """Compute every node of a column over time, into its timeline.

    Args:
        column: the network.
        lines: by node; those of the inputs are complete, of the others `outside` is.
        weights: by edge, a number or a Tensor.
        biases: by node.
        offsets: added to z, by node, (T, B, n).
        by_step: compute every node column by column, and read it so.

    >>> import minitorch_rnn as mt
    >>> column, before = mt.column.elman(1, 1, 1), mt.zeros(1, 1, 1)
    >>> lines = {n: Timeline(3, 1, before) for n in column.node}
    >>> lines["x"].whole = mt.ones(3, 1, 1)
    >>> unroll(column, lines, {e.name: mt.ones(1, 1) for e in column.edges}, {}, {})
    >>> lines["Y"].at(0).item() == lines["h"].at(0).item() == mt.tanh(mt.tensor(1.0)).item()
    True
    """
    by_step = by_step or detects_anomalies()
    links = {
        e.name: Link(
            str(e.name), lines[e.source], column.offset(e), weights[e.name], e.gradient == "blocked"
        )
        for e in column.edges
    }
    for part in column.components:
        units = {}
        for n in part.nodes:
            inner = [e for e in column.into[n] if by_step or e.source in part.nodes]
            outer = [e for e in column.into[n] if e not in inner]
            ready, stepped = ([links[e.name] for e in edges] for edges in (outer, inner))
            with scope(n):
                units[n] = Unit(column.node[n], ready, stepped, biases.get(n), offsets.get(n))
        if not (part.recurrent or by_step):
            for n, unit in units.items():
                with scope(n):
                    lines[n].whole = unit.at_once()
            continue
        times = range(lines[column.output].T)
        for t in time_steps(reversed(times) if part.backward else times):
            for n, unit in units.items():
                with scope(n):
                    lines[n].steps[t] = unit.at(t)
