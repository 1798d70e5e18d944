"""A network of the lecture as data: nodes, edges with their delays, and nothing that computes.

Every network of the lecture is a `Column`: what stands at one time t. The time axis is made of
identical columns (slide 58), and an edge of delay d leads from the column at t-d to the one at t.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from minitorch_rnn.column.order import Component, components
from minitorch_rnn.column.validation import (
    check_edge,
    check_edges,
    check_nodes,
    check_parts,
    check_structure,
    delays,
    fixed,
    told,
)
from minitorch_rnn.errors import ColumnError


@dataclass(frozen=True)
class Activation:
    """An activation of one's own: a function of the vector z, and its Jacobian product.

    Attributes:
        name: what drawings and messages call it.
        f: ``f(xp, z)`` gives y, on the last axis, out of operators and functions of `xp`, which is
            NumPy for the explicit roads and this library for the graph.
        jacobian_product: ``jacobian_product(da, y, z)`` gives dz = da Jacobian(y, z), on arrays.
        piece: ``piece(z)`` tells for each unit on which side of its kinks it is, such as ``z > 0``;
            None for a smooth function.

    The graph finds its derivative by its own rules, so that a wrong Jacobian product is noticed.

    >>> square = Activation("square", lambda xp, z: z * z, lambda da, y, z: 2 * z * da)
    >>> square.f(None, 3.0), square.jacobian_product(1.0, 9.0, 3.0)
    (9.0, 6.0)
    """

    name: str
    f: Callable[[Any, Any], Any]
    jacobian_product: Callable[[Any, Any, Any], Any]
    piece: Callable[[Any], Any] | None = None


class _Shown:
    """A representation that leaves out what has its default."""

    def __repr__(self) -> str:
        return told(self, repr)


@dataclass(frozen=True, repr=False)
class Input(_Shown):
    """A node whose activations are the data: a(t) = x(t).

    Attributes:
        name: an identifier.
        size: number of features.
        history: where x(-1), x(-2), … come from: "zeros", "given" by the caller, or "learned".

    >>> Input("x", 2, history="learned")
    Input('x', 2, history='learned')
    """

    name: str
    size: int
    history: str = "zeros"
    kind: ClassVar[str] = "input"
    activation: ClassVar[str] = "identity"
    bias: ClassVar[bool] = False
    direction: ClassVar[str] = "forward"


@dataclass(frozen=True, repr=False)
class Layer(_Shown):
    """A node that adds up: z(t) = b + sum_e W_e a_s(t-d), a(t) = f(z(t)).

    Attributes:
        name, size: as of an `Input`.
        activation: f, one of `ACTIVATIONS` or an `Activation`.
        bias: whether there is a b.
        history: where a(-1), a(-2), … come from.
        direction: "backward" runs it from T-1 to 0, and its edges read a_s(t+d).

    >>> Layer("h", 3).activation
    'tanh'
    """

    name: str
    size: int
    activation: str | Activation = "tanh"
    bias: bool = True
    history: str = "zeros"
    direction: str = "forward"
    kind: ClassVar[str] = "layer"


@dataclass(frozen=True, repr=False)
class Product(_Shown):
    """A node that multiplies: z(t) is the elementwise product of its W_e a_s(t-d), a(t) = f(z(t)).

    It makes the gates of LSTM and GRU. It has no bias; the rest is as in a `Layer`.

    >>> Product("gated", 3).bias
    False
    """

    name: str
    size: int
    activation: str | Activation = "identity"
    history: str = "zeros"
    direction: str = "forward"
    kind: ClassVar[str] = "product"
    bias: ClassVar[bool] = False


Node = Input | Layer | Product


@dataclass(frozen=True, repr=False)
class Edge(_Shown):
    """A link from a_s(t-d) into z_n(t).

    Attributes:
        source, target: names of nodes.
        delay: d, or several delays, each of which becomes an edge with a weight of its own.
        gradient: "full", or "blocked" where no error flows back over the link (slides 47 and 48).
        weight: "learned"; or fixed: a number, which multiplies every component, or a matrix of
            as many rows as the target has units and columns as the source has.
        shares: the name of another edge whose weight this one uses.
        name: None makes "h(t-1)->h" of the source, the delay and the target.

    >>> twice = Column("twice", (Input("x", 1), Layer("h", 1)), (Edge("x", "h", [0, 2]),), "h")
    >>> [edge.name for edge in twice.edges]
    ['x->h', 'x(t-2)->h']
    """

    source: str
    target: str
    delay: Any = 0
    gradient: str = "full"
    weight: Any = "learned"
    shares: str | None = None
    name: str | None = None
    kind: ClassVar[str] = "edge"


@dataclass(frozen=True, repr=False)
class Column:
    """A network: its nodes, its edges, and the node that is its output Y.

    Args:
        name: what tables call it.
        nodes: `Input`, `Layer` and `Product`, in any order.
        edges: `Edge`; those with several delays are written out, one for each delay.
        output: name of the output node.

    Raises:
        ColumnError: naming the node and the edge, if this is no network that can be run.

    Two columns are equal if they say the same in the same order. `print(column)` shows the
    equations: W is a learned weight, each its own, M a fixed matrix, and [ ] a blocked link.

    >>> elman = Column("elman", (Input("x", 2), Layer("h", 3), Layer("Y", 1, "identity")), (
    ...     Edge("x", "h"), Edge("h", "h", 1, gradient="blocked"), Edge("h", "Y")), "Y")
    >>> print(elman)
    elman
      h(t) = tanh(W x(t) + [W h(t-1)] + b)
      Y(t) = identity(W h(t) + b)
    >>> Column.from_json(elman.to_json()) == elman
    True
    """

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    output: str

    def __post_init__(self) -> None:
        check_parts(self)
        object.__setattr__(self, "nodes", tuple(self.nodes))
        check_nodes(self)
        sized = (dataclasses.replace(n, size=operator.index(n.size)) for n in self.nodes)
        object.__setattr__(self, "nodes", tuple(sized))
        object.__setattr__(self, "edges", tuple(self._written_out(tuple(self.edges))))
        check_edges(self)
        check_structure(self)

    def _written_out(self, edges: tuple[Edge, ...]) -> Iterator[Edge]:
        """One edge for each delay, with its name and its weight in a form that can be compared."""
        for edge in edges:
            check_edge(self, edge)
            several, weight = delays(self, edge), fixed(self, edge)
            for d in several:
                if edge.name is None:
                    name = self.automatic_name(edge, d)
                else:
                    name = f"{edge.name}[{d}]" if len(several) > 1 else edge.name
                yield dataclasses.replace(edge, delay=d, name=name, weight=weight)

    def automatic_name(self, edge: Edge, delay: int) -> str:
        """How an edge is called that was given no name: "h(t-1)->h"."""
        sign = "-" if self.node[edge.target].direction == "forward" else "+"
        return f"{edge.source}{f'(t{sign}{delay})' if delay else ''}->{edge.target}"

    @cached_property
    def node(self) -> dict[str, Node]:
        """Every node by its name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def _edge(self) -> dict[str | None, Edge]:
        return {edge.name: edge for edge in self.edges}

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """The input nodes by name."""
        return {node.name: node for node in self.nodes if isinstance(node, Input)}

    @cached_property
    def into(self) -> dict[str, tuple[Edge, ...]]:
        """The edges that lead into each node."""
        into: dict[str, list[Edge]] = {node.name: [] for node in self.nodes}
        for edge in self.edges:
            into[edge.target].append(edge)
        return {name: tuple(edges) for name, edges in into.items()}

    @cached_property
    def reach(self) -> dict[str, tuple[int, int]]:
        """How many columns before t = 0, and how many from T on, each node is read at."""
        reach = {node.name: (0, 0) for node in self.nodes}
        for edge in self.edges:
            (before, after), offset = reach[edge.source], self.offset(edge)
            reach[edge.source] = (max(before, -offset), max(after, offset))
        return reach

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The parts that are computed one after another: see `Component`."""
        return components(
            [node.name for node in self.nodes if node.kind != "input"],
            [(e.source, e.target, e.delay) for e in self.edges],
            {node.name for node in self.nodes if node.direction == "backward"},
        )

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every learned parameter by name, with its shape.

        ``weight.`` and the edge: (target's size, source's size); ``bias.`` and the node: (size,);
        ``history.`` and the node: (columns, size), which all sequences share.
        """
        size = {node.name: node.size for node in self.nodes}
        shapes: dict[str, tuple[int, ...]] = {}
        for e in self.edges:
            if isinstance(e.weight, str) and e.shares is None:
                shapes[f"weight.{e.name}"] = (size[e.target], size[e.source])
        shapes |= {f"bias.{node.name}": (node.size,) for node in self.nodes if node.bias}
        for node in self.nodes:
            if node.history == "learned":
                shapes[f"history.{node.name}"] = (sum(self.reach[node.name]), node.size)
        return shapes

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def offset(self, edge: Edge) -> int:
        """Where an edge reads, counted from t: -d, or +d if it leads into a backward node."""
        backward = self.node[edge.target].direction == "backward"
        return int(edge.delay if backward else -edge.delay)

    def weight(self, edge: Edge) -> Any:
        """The name of an edge's parameter, or the value of its fixed weight."""
        owner = self._edge[edge.shares or edge.name]
        return f"weight.{owner.name}" if isinstance(owner.weight, str) else owner.weight

    @property
    def backward(self) -> tuple[str, ...]:
        """The nodes that run backward in time."""
        return tuple(node.name for node in self.nodes if node.direction == "backward")

    @property
    def blocked(self) -> tuple[Edge, ...]:
        """The edges over which no gradient flows back."""
        return tuple(e for e in self.edges if e.gradient == "blocked")

    @property
    def feedback(self) -> tuple[Edge, ...]:
        """The edges that bring an earlier output back."""
        return tuple(e for e in self.edges if e.source == self.output and e.delay)

    def unblocked(self) -> Column:
        """The same network with the full gradient everywhere."""
        edges = (dataclasses.replace(e, gradient="full") for e in self.edges)
        return dataclasses.replace(self, edges=tuple(edges))

    def teacher_forced(self, target: str = "D") -> Column:
        """The same network with the target D(t-d) fed back in place of Y(t-d): slide 45.

        D becomes an input, so no error flows through it, and it takes over the history of Y: a
        learned ``history.Y`` becomes ``history.D``. The edges keep their names, and so the weights.

        Raises:
            ColumnError: if no output is fed back, or a node has the name of the target already.
        """
        if not self.feedback:
            raise ColumnError(
                f"{self.name}: teacher_forced needs an edge from the output {self.output!r} with a "
                "delay of at least 1, and there is none."
            )
        output = self.node[self.output]
        forced = Input(target, output.size, output.history)
        nodes = [dataclasses.replace(n, history="zeros") if n is output else n for n in self.nodes]
        edges = (
            dataclasses.replace(e, source=target) if e.source == self.output and e.delay else e
            for e in self.edges
        )
        return Column(f"{self.name}-forced", (*nodes, forced), tuple(edges), self.output)

    def to_json(self) -> str:
        """The column as JSON, which `from_json` reads.

        Raises:
            ColumnError: if an activation is not one of `ACTIVATIONS`.
        """
        from minitorch_rnn.column.document import write

        return write(self)

    @classmethod
    def from_json(cls, text: str) -> Column:
        """The column that `to_json` wrote, or a person; the README shows one.

        Raises:
            ColumnError: if the text is not JSON, or holds no column.
        """
        from minitorch_rnn.column.document import read

        return read(text)

    def __repr__(self) -> str:
        nodes = "".join(f"    {node!r},\n" for node in self.nodes)
        edges = "".join(f"    {edge!r},\n" for edge in self.edges)
        return f"Column({self.name!r}, (\n{nodes}), (\n{edges}), {self.output!r})"

    def __str__(self) -> str:
        lines = [self.name]
        for name in (n for part in self.components for n in part.nodes):
            node, terms = self.node[name], []
            for e in self.into[name]:
                at = self.offset(e)
                term = f"{e.source}(t{at:+d})" if at else f"{e.source}(t)"
                weight = self.weight(e)
                if isinstance(weight, float):
                    term = term if weight == 1.0 else f"{weight:g} {term}"
                else:
                    term = f"{'W' if isinstance(weight, str) else 'M'} {term}"
                terms.append(f"[{term}]" if e.gradient == "blocked" else term)
            f = node.activation if isinstance(node.activation, str) else node.activation.name
            joined = (" * " if node.kind == "product" else " + ").join(terms)
            lines.append(f"  {name}(t) = {f}({joined}{' + b' if node.bias else ''})")
        return "\n".join(lines)
