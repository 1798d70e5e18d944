"""Slips about h(-1): taken for zero, its gradient not returned, or returned one column off."""

from __future__ import annotations

from collections.abc import Iterator

from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.mistakes.hypothesis import LINES, Hypothesis
from minitorch_rnn.teaching.mistakes.knobs import Change, after, both, reads, scaled
from minitorch_rnn.teaching.mistakes.network import Network, listed, one

__all__ = ["start_missing", "start_shifted"]


def start_missing(net: Network) -> Iterator[Hypothesis]:
    """The initial state takes no part."""
    edges = [e for e in net.column.edges if e.delay and isinstance(net.column.weight(e), str)]
    nodes = [n for n, reach in net.column.reach.items() if sum(reach)]
    groups: list[tuple[list[Edge], list[str]]] = [
        *(
            ([e for e in edges if e.source == n and e.target == m], [])
            for n in nodes
            for m in nodes
        ),
        *(([e for e in edges if e.source == n], []) for n in nodes),
        (edges, []),
        *(([], [n]) for n in nodes),
        ([], nodes),
        *(([e for e in edges if e.source == n], [n]) for n in nodes),
        (edges, nodes),
    ]
    for some, lost in groups:
        if not some and not lost:
            continue
        names = tuple(dict.fromkeys(str(net.column.weight(e)) for e in some))
        starts = listed([f"{n}({_first(net, n)})" for n in dict.fromkeys(e.source for e in some)])
        says = []
        if names:
            says.append(
                f"{net.ds(names)} {one(names, 'equals', 'equal')} the true "
                f"{net.ds(names) if len(names) == 1 else 'ones'} without the t = 0 term, as if "
                f"the initial state {starts} were 0"
            )
        if lost:
            gone = net.ds([f"history.{n}" for n in lost])
            says.append(f"{gone} {one(lost, 'is', 'are')} zero: what column t = 0 "
                        "sends back is not returned")  # fmt: skip
        zeros = {str(e.name): net.state(e.source, net.column.offset(e), "zeros") for e in some}
        change: Change = both(reads(zeros), scaled([f"history.{n}" for n in lost], 0.0))
        yield _missing("; ".join(says), change)
        if names:
            around = {
                str(e.name): net.state(e.source, net.column.offset(e), "around") for e in some
            }
            yield _missing(
                f"{net.ds(names)} {one(names, 'takes', 'take')} the state of the other "
                f"end for {starts}: the index -1 reads the last step of an array",
                reads(around),
            )


def _first(net: Network, n: str) -> str:
    return "-1" if net.column.reach[n][0] else "T"


def _missing(says: str, change: Change) -> Hypothesis:
    return Hypothesis(
        "missing initial state",
        says,
        LINES["start"],
        "what stands for h(t-1) at t = 0, and what becomes of the error sent there",
        change,
    )


def start_shifted(net: Network) -> Iterator[Hypothesis]:
    """dh(-1) is dh(0), or runs in the other order."""
    for n, reach in net.column.reach.items():
        if sum(reach) != 1 or n in net.column.inputs:
            continue
        at = 0 if reach[0] else net.T - 1
        name = f"history.{n}"
        yield Hypothesis(
            "wrong time step",
            f"{net.d(name)} is d{n}({at}): the error of the first column is not sent back over "
            "the links into it",
            LINES["start"],
            "the last thing the loop does: the column before the first gets an error too",
            after(lambda d, n=n, at=at: {f"history.{n}": d[f"da.{n}"][at][None]}),  # type: ignore[misc]
        )
