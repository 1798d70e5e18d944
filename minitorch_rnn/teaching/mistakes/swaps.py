"""Slips that take one thing for another of the same shape: weights, layers, results."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.mistakes.hypothesis import LINES, Hypothesis, gathers, sends, slopes
from minitorch_rnn.teaching.mistakes.knobs import Change, after, bends, reads, through
from minitorch_rnn.teaching.mistakes.network import Network, listed

__all__ = ["layers_swapped", "weights_swapped"]

Edges = tuple[Edge, Edge]


def weights_swapped(net: Network) -> Iterator[Hypothesis]:
    """The error goes back through another weight into the same node, or their results exchange."""
    found: list[Edges] = []
    for n in net.trace.z:
        edges = [e for e in net.column.into[n] if isinstance(net.column.weight(e), str)]
        found += [(e, f) for e, f in combinations(edges, 2) if _shape(net, e) == _shape(net, f)]
    for pairs in [*([pair] for pair in found), found] if found else ():
        for taken in (pairs + [(f, e) for e, f in pairs], pairs, [(f, e) for e, f in pairs]):
            yield Hypothesis(
                "weights swapped",
                "the error goes back through "
                + listed([f"{net.W(f)} where {net.W(e)} belongs" for e, f in taken]),
                sends(net, next((e for e, _ in taken if net.role(e) != "input"), taken[0][0])),
                "each error goes back through the weight that its state came in by",
                through({str(e.name): net.weight[str(f.name)] for e, f in taken}),
            )
        names = [(str(net.column.weight(e)), str(net.column.weight(f))) for e, f in pairs]
        yield Hypothesis(
            "weights swapped",
            "; ".join(f"{net.d(p)} and {net.d(q)} are exchanged" for p, q in names),
            gathers(net, names[0][0]),
            "the order in which the gradients are returned",
            _exchanged(names),
        )


def _shape(net: Network, edge: Edge) -> tuple[int, ...]:
    return net.weight[str(edge.name)].shape


def _exchanged(pairs: list[tuple[str, str]]) -> Change:
    turned = {**dict(pairs), **{b: a for a, b in pairs}}
    return after(lambda d: {n: d[turned[n]] for n in turned})


def layers_swapped(net: Network) -> Iterator[Hypothesis]:
    """One layer's state, weight, slope or result for another's."""
    nodes = [n for n in net.hidden if net.column.node[n].kind == "layer"]
    for n, m in combinations(nodes, 2):
        if net.column.node[n].size != net.column.node[m].size:
            continue
        yield from _results(net, n, m)
        own = {
            k: next((e for e in net.column.into[k] if e.source == k and e.delay == 1), None)
            for k in (n, m)
        }
        if (e := own[n]) and (f := own[m]):
            W, V = net.weight[str(e.name)], net.weight[str(f.name)]
            for swapped in ({e.name: V, f.name: W}, {e.name: V}, {f.name: W}):
                yield Hypothesis(
                    "layers swapped",
                    "the error goes back through time through the other layer's weight: "
                    f"{net.W(e)} and {net.W(f)}",
                    LINES["time"],
                    "the index of the layer on W_r",
                    through({str(k): w for k, w in swapped.items()}),
                )
        if net.jacobian[n].shape == net.jacobian[m].shape:
            J, K = net.jacobian[n], net.jacobian[m]
            for bent in ({n: K, m: J}, {n: K}, {m: J}):
                yield Hypothesis(
                    "layers swapped",
                    f"the slope of {listed(list(bent))} is taken at the other layer's state, of "
                    f"{n} and {m}",
                    slopes(net, n),
                    "the index of the layer on h in the slope",
                    bends(bent),
                )
    yield from _other_states(net, nodes)


def _results(net: Network, n: str, m: str) -> Iterator[Hypothesis]:
    """dW, db and dh(-1) of two layers are exchanged."""
    pairs = []
    for p in net.terms:
        for q in net.terms:
            alike = _kind(net, p, n) == _kind(net, q, m) is not None
            if alike and net.column.shapes[p] == net.column.shapes[q]:
                pairs.append((p, q))
    if net.column.reach[n] == net.column.reach[m] != (0, 0):
        pairs.append((f"history.{n}", f"history.{m}"))
    for some in [*([p] for p in pairs), pairs] if pairs else ():
        names = [name for pair in some for name in pair]
        yield Hypothesis(
            "layers swapped",
            f"{net.ds(names)} are exchanged: the gradients of {n} stand where those of {m} "
            "belong, and the other way round",
            gathers(net, some[0][0]),
            "the index of the layer under which each gradient is stored",
            _exchanged(some),
        )


def _kind(net: Network, name: str, node: str) -> str | None:
    """What a parameter is to its node: its bias, its own recurrence, or what it gets from below."""
    if net.node_of(name) != node:
        return None
    if name.startswith("bias."):
        return "bias"
    e = net.edge[net.terms[name][0]]
    if e.delay:
        return f"own {e.delay}" if e.source == e.target else f"{e.source} {e.delay}"
    return "below"


def _other_states(net: Network, nodes: list[str]) -> Iterator[Hypothesis]:
    """DW gathered with another layer's state."""
    every = [*net.column.inputs, *nodes]
    for name, keys in net.terms.items():
        for key in keys:
            if key not in net.edge:
                continue
            e = net.edge[key]
            for other in every:
                alike = net.column.node[other].size == net.column.node[e.source].size
                if other == e.source or not alike:
                    continue
                yield Hypothesis(
                    "layers swapped",
                    f"{net.d(name)} is gathered with {net.at(e).replace(e.source, other, 1)} "
                    f"where {net.at(e)} belongs",
                    gathers(net, name),
                    "which state the weight is multiplied by in the forward pass: the same "
                    "stands in its gradient",
                    reads({key: net.state(other, net.column.offset(e))}),
                )
