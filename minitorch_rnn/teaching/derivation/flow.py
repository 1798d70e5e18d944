"""What a column's two passes have to compute: loops over time, who keeps what, who writes first."""

from __future__ import annotations

from typing import NamedTuple

from minitorch_rnn.column import Column, Edge


class Pass(NamedTuple):
    """Nodes that one loop over time computes, in this order; `backward` from T-1 to 0."""

    nodes: tuple[str, ...]
    backward: bool


class Flow:
    """What is computed, in which loop, and how it is held.

    Attributes:
        column: the network.
        passes: the loops of the forward pass; nodes that do not lead to the output are in none.
        reached: nodes that an error reaches from which it can go on to something that is asked for:
            a parameter, an input or a history.
        carriers: names of the edges over which an error is sent back.
        kept: nodes whose values the backward pass needs.
        held: nodes whose values are held for all t; of the others one t is enough.
        summed: nodes whose error is held for all t; of the others one t is enough.

    >>> from minitorch_rnn.column import bidirectional
    >>> flow = Flow(bidirectional(2, 3, 1))
    >>> [(part.nodes, part.backward) for part in flow.passes]
    [(('h_f',), False), (('h_b',), True), (('Y',), False)]
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        needed = self._needed()
        self.passes = self._passes(needed)
        self._pass = {n: i for i, part in enumerate(self.passes) for n in part.nodes}
        self.reached, self.carriers = self._errors()
        self.kept = self._kept()
        self.held = (
            self.kept
            | {column.output}
            | {e.source for e in column.edges if e.target in needed and self._elsewhere(e)}
        )
        self.summed = {n for n in self.reached if not self._at_once(n)}

    def _needed(self) -> set[str]:
        """The nodes that lead to the output."""
        found, waiting = set(), [self.column.output]
        while waiting:
            if (n := waiting.pop()) not in found:
                found.add(n)
                waiting += [e.source for e in self.column.into[n]]
        return found

    def _passes(self, needed: set[str]) -> tuple[Pass, ...]:
        """One loop for as many components, one after another, as run in the same direction."""
        found: list[Pass] = []
        for part in self.column.components:
            if part.nodes[0] not in needed:
                continue
            if found and found[-1].backward == part.backward:
                found[-1] = Pass(found[-1].nodes + part.nodes, part.backward)
            else:
                found.append(Pass(part.nodes, part.backward))
        return tuple(found)

    def _errors(self) -> tuple[set[str], set[str]]:
        """The nodes that an error reaches and the edges it goes over, where that serves."""
        column = self.column
        wanted = {
            node.name
            for node in column.nodes
            if node.kind == "input" or node.bias or node.history != "zeros"
            or any(isinstance(column.weight(e), str) for e in column.into[node.name])
        }  # fmt: skip
        waiting = list(wanted)
        while waiting:
            n = waiting.pop()
            more = {e.target for e in column.edges if e.source == n and e.gradient == "full"}
            waiting += more - wanted
            wanted |= more
        reached = {column.output} & wanted
        waiting, carriers = list(reached), set()
        while waiting:
            for e in column.into[waiting.pop()]:
                if e.gradient == "full" and e.source in wanted:
                    carriers.add(str(e.name))
                    if e.source not in reached:
                        reached.add(e.source)
                        waiting.append(e.source)
        return reached, carriers

    def _kept(self) -> set[str]:
        """The nodes whose values slopes, gradients of weights and products ask for."""
        found = set()
        for n in self.reached:
            if self.slope(n) and self.column.node[n].activation != "identity":
                found.add(n)
            product = self.column.node[n].kind == "product"
            for e in self.column.into[n]:
                learned = isinstance(self.column.weight(e), str)
                if learned:
                    found.add(e.source)
                if product and (learned or e.name in self.carriers):
                    found |= {o.source for o in self.column.into[n] if o is not e}
        return found

    def _elsewhere(self, e: Edge) -> bool:
        """Whether an edge reads another column, or what another loop has computed."""
        return e.delay > 0 or self._pass.get(e.source) != self._pass[e.target]

    def readers(self, n: str) -> list[Edge]:
        """The edges that send an error to a node, in the order in which they write it.

        Later loops are swept first; within a loop, the error of a(t) comes over the longest delay
        first, and at the same t from the last node.
        """

        def when(e: Edge) -> tuple[int, int, int]:
            number = self._pass[e.target]
            return -number, -e.delay, -self.passes[number].nodes.index(e.target)

        return sorted((e for e in self.column.edges if self.carries(e) and e.source == n), key=when)

    def carries(self, e: Edge) -> bool:
        """Whether an error is sent back over an edge."""
        return e.name in self.carriers

    def together(self, e: Edge, other: Edge) -> bool:
        """Whether two edges are swept in one loop."""
        return self._pass[e.target] == self._pass[other.target]

    def first(self, e: Edge) -> bool:
        """Whether an edge is the first to write the error of its source, and so may assign it."""
        return e.source != self.column.output and self.readers(e.source)[0] is e

    def _at_once(self, n: str) -> bool:
        """Whether a node's error comes over a single edge, at the t at which it is used."""
        readers = self.readers(n)
        return (
            n != self.column.output
            and self.column.node[n].kind != "input"
            and len(readers) == 1
            and not self._elsewhere(readers[0])
        )

    def learned(self, e: Edge) -> bool:
        """Whether the weight of an edge is learned, by itself or by the edge that shares it."""
        return isinstance(self.column.weight(e), str)

    def slope(self, n: str) -> bool:
        """Whether the error at z has a line of its own: not where z passes on as it is."""
        node, into = self.column.node[n], self.column.into[n]
        learned = node.bias or any(map(self.learned, into))
        if node.activation == "identity":
            return node.kind == "layer" and learned
        return learned or any(map(self.carries, into))
