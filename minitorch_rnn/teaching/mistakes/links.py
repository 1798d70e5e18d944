"""Slips where an error is sent back over a link: left out, assigned, turned, or let through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.mistakes.hypothesis import LINES, Hypothesis, sends
from minitorch_rnn.teaching.mistakes.knobs import (
    assign,
    both,
    gate,
    moved,
    opened,
    reads,
    send,
    through,
)
from minitorch_rnn.teaching.mistakes.network import Network, listed, one

__all__ = [
    "carry_lost", "delays_of_one", "gate_elsewhere", "gate_missing", "leaking", "link_assigned",
    "link_missing", "link_missing_once", "link_moved", "links_assigned", "transposed_weight",
    "weight_missing",
]  # fmt: skip

Edges = Sequence[Edge]
MISSING = {
    "time": "no gradient through time",
    "above": "no gradient from the layer above",
    "output": "no gradient from the output",
    "skip": "missing skip",
    "input": "missing skip",
}


def _term(net: Network, e: Edge) -> str:
    """What goes back over a link: "dz_h1(t) W_r into dh1(t-1)"."""
    return f"dz_{e.target}(t) {net.W(e)} into d{net.at(e)}"


def _terms(net: Network, edges: Edges) -> str:
    return listed([_term(net, e) for e in edges])


def link_missing(net: Network) -> Iterator[Hypothesis]:
    """Nothing is sent back over a link."""
    for edges in net.together(net.links):
        roles = [net.role(e) for e in edges]
        if all(e.delay for e in edges) and len(edges) > 1:
            role = "time"
        elif len(set(roles)) == 1:
            role = roles[0]
        else:
            continue
        if role == "input" and sum(e.source == edges[0].source for e in net.links) == 1:
            continue  # then dx is zero, which has a name of its own
        e = edges[0]
        why = {
            "time": "no error goes back through time",
            "above": f"no error comes from the layer above, {e.target}",
            "output": f"no error comes from the output: d{e.source} has what t+1 sends alone",
        }.get(role, f"a link is left out of d{e.source}")
        yield Hypothesis(
            MISSING[role],
            f"{why}: {_terms(net, edges)} {one(edges, 'is', 'are')} missing",
            sends(net, e),
            f"the line that adds to d{e.source}: all links that leave {e.source} send it an error",
            send(edges, 0.0),
        )


def link_missing_once(net: Network) -> Iterator[Hypothesis]:
    """Nothing is sent back over a link at one t."""
    for edges in net.together(net.links):
        if len(edges) > 1 and len({net.role(e) for e in edges}) > 1:
            continue
        for t in range(net.T):
            yield Hypothesis(
                "missing time step",
                f"at t = {t} {_terms(net, edges)} {one(edges, 'is', 'are')} missing",
                sends(net, edges[0]),
                f"what the loop does at t = {t} otherwise than at other times",
                send(edges, 0.0, t),
            )


def carry_lost(net: Network) -> Iterator[Hypothesis]:
    """What goes back through time never arrives, but dh(-1) is right."""
    late = [e for e in net.links if e.delay and sum(net.column.reach[e.source])]
    for edges in net.together(late) if net.T > 1 else ():
        back = net.column.node[edges[0].target].direction == "backward"
        yield Hypothesis(
            "no gradient through time",
            f"no error goes back through time but to the initial state: {_terms(net, edges)} "
            f"{one(edges, 'is', 'are')} not added to what else arrives there",
            sends(net, edges[0]),
            f"the line where d{edges[0].source} of a column is put together: it takes what t+1 "
            "has sent, too",
            send(edges, 0.0, slice(0, -1) if back else slice(1, None)),
        )


def delays_of_one(net: Network) -> Iterator[Hypothesis]:
    """Every delay counts as 1."""
    late = [e for e in net.links if e.delay > 1]
    for edges in net.together(late):
        signs = {e: 1 if net.column.offset(e) < 0 else -1 for e in edges}
        moves = [moved([e], signs[e] * (e.delay - 1)) for e in edges]
        states = {str(e.name): net.state(e.source, -signs[e]) for e in edges}
        what = listed([str(e.name) for e in edges])
        for says, change in (
            ("errors are sent to t-1", both(*moves)),
            ("errors are sent to t-1 and states are read there", both(reads(states), *moves)),
        ):
            yield Hypothesis(
                "wrong time step",
                f"the delay of {what} is taken for 1: {says}",
                LINES["skip"],
                "the index that holds the delay: what came from t-d goes back to t-d",
                change,
            )


def leaking(net: Network) -> Iterator[Hypothesis]:
    """An error flows back over a blocked link."""
    blocked = net.column.blocked
    for edges in net.together(blocked):
        yield Hypothesis(
            "blocked link leaks",
            f"an error flows back over {listed([str(e.name) for e in edges])}, which "
            f"{one(edges, 'is', 'are')} blocked: {_terms(net, edges)} must not be sent",
            LINES["blocked"],
            "what the network's rule treats as data: no derivative is taken through it",
            opened(edges),
        )


def link_assigned(net: Network) -> Iterator[Hypothesis]:
    """What has been written to da is overwritten."""
    for edges in net.together(net.links):
        yield _overwriting(net, edges)


def links_assigned(net: Network) -> Iterator[Hypothesis]:
    """The same wherever there is a +=."""
    for edges in ([e for e in net.links if not e.delay], net.links):
        if len(edges) > 1:
            yield _overwriting(net, edges)


def _overwriting(net: Network, edges: Edges) -> Hypothesis:
    into = listed(list(dict.fromkeys(f"d{net.at(e)}" for e in edges)))
    return Hypothesis(
        "assigned, not accumulated",
        f"{_terms(net, edges)} {one(edges, 'overwrites', 'overwrite')} what had been written "
        "there already; it must be added",
        sends(net, edges[0]),
        f"= where += belongs on {into}: a state has as many contributions as links leave it",
        assign(edges),
    )


def transposed_weight(net: Network) -> Iterator[Hypothesis]:
    """The error goes back through the transposed weight."""
    square = [e for e in net.links if len(set(net.weight[str(e.name)].shape)) == 1]
    for edges in net.together(square):
        yield Hypothesis(
            "transposed weight",
            f"the error goes back through the transpose of "
            f"{listed(list(dict.fromkeys(net.W(e) for e in edges)))}: column vectors would need "
            "Wᵀ dz, row vectors dz W",
            sends(net, edges[0]),
            f"the product that makes d{net.at(edges[0])}: dz_{edges[0].target} as a row times W",
            through({str(e.name): net.weight[str(e.name)].T for e in edges}),
        )


def weight_missing(net: Network) -> Iterator[Hypothesis]:
    """The error goes back without a weight."""
    square = [e for e in net.links if len(set(net.weight[str(e.name)].shape)) == 1]
    for edges in net.together(square):
        yield Hypothesis(
            "missing weight",
            f"{listed([f'd{net.at(e)}' for e in edges])} {one(edges, 'gets', 'get')} "
            f"{listed(list(dict.fromkeys(f'dz_{e.target}(t)' for e in edges)))} as it is, without "
            f"{listed(list(dict.fromkeys(net.W(e) for e in edges)))}",
            sends(net, edges[0]),
            f"the product that makes d{net.at(edges[0])}: dz_{edges[0].target} as a row times W",
            through({str(e.name): np.eye(len(net.weight[str(e.name)])) for e in edges}),
        )


def link_moved(net: Network) -> Iterator[Hypothesis]:
    """What goes back through time is added at another t."""
    for edges in net.together(net.links):
        for columns in (1, -1):
            early = "late" if columns > 0 else "early"
            for clamped in (False, True):
                end = ", and what would come before the first column is added there"
                yield Hypothesis(
                    "wrong time step",
                    f"{_terms(net, edges)} {one(edges, 'is', 'are')} added one step too {early}"
                    f"{end if clamped else ''}",
                    sends(net, edges[0]),
                    f"the index of t where d{edges[0].source} is written and where it is read",
                    moved(edges, columns, clamped),
                )


def gate_elsewhere(net: Network) -> Iterator[Hypothesis]:
    """The other factors of a product are taken at another time."""
    for n in net.hidden:
        into = net.column.into[n]
        for e in into if len(into) == 2 and net.gates[str(into[0].name)] is not None else ():
            other = into[1] if e is into[0] else into[0]
            offset = net.column.offset(other)
            for shift in dict.fromkeys((-offset, -1, 1)):
                if not shift:
                    continue
                factor = net.state(other.source, offset + shift) @ net.weight[str(other.name)].T
                name = "wrong time step"
                if shift == -offset:
                    name = "current for previous state"
                elif shift == -1 and not offset:
                    name = "previous for current state"
                yield Hypothesis(
                    name,
                    f"d{net.at(e)} gets dz_{n}(t) times {net.at(other, shift)} where "
                    f"{net.at(other)} belongs",
                    LINES["gates"],
                    "the index of the other factor: the one of the forward pass",
                    gate({str(e.name): factor}),
                )


def gate_missing(net: Network) -> Iterator[Hypothesis]:
    """The other factors of a product are forgotten."""
    for n in net.hidden:
        edges = [e for e in net.column.into[n] if net.gates[str(e.name)] is not None]
        for some in [*([e] for e in edges), edges]:
            if some:
                ones = {str(e.name): np.ones_like(net.trace.z[n]) for e in some}
                yield Hypothesis(
                    "missing factor of a product",
                    f"{listed([f'd{net.at(e)}' for e in some])} gets dz_{n}(t) without the other "
                    f"factors of the product {n}",
                    LINES["gates"],
                    "the product rule: d(a b) sends g b to a, and g a to b",
                    gate(ones),
                )
