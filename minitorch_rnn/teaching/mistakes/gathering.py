"""Slips where dW and db are gathered: terms left out, assigned, transposed, of another state."""

from __future__ import annotations

from collections.abc import Iterator

from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.mistakes.hypothesis import Hypothesis, line
from minitorch_rnn.teaching.mistakes.knobs import after, drop, only, reads, take_da
from minitorch_rnn.teaching.mistakes.network import Network, one

__all__ = [
    "assigned", "bias_missing", "bias_not_summed", "left_at_zero", "one_sequence", "other_state",
    "term_missing", "transposed_gradient", "undamped",
]  # fmt: skip

Names = tuple[str, ...]


def _keys(net: Network, names: Names) -> list[str]:
    return [key for name in names for key in net.terms[name]]


def _equal(net: Network, names: Names) -> str:
    """The beginning of a sentence: "dW_r equals the true dW_r"."""
    if len(names) == 1:
        return f"{net.ds(names)} equals the true {net.ds(names)}"
    return f"{net.ds(names)} equal the true ones"


def bias_missing(net: Network) -> Iterator[Hypothesis]:
    """Db is zero."""
    for names in net.scopes:
        if all(n.startswith("bias.") for n in names):
            yield Hypothesis(
                "missing bias",
                f"{net.ds(names)} {one(names, 'is', 'are')} zero throughout: "
                "nothing is ever added to it",
                line(net, names),
                "the place beside dW where db should be gathered",
                after(lambda d, names=names: {n: 0 * d[n] for n in names}),  # type: ignore[misc]
            )


def transposed_gradient(net: Network) -> Iterator[Hypothesis]:
    """Square dW stored as their transposes."""
    for names in net.scopes:
        square = tuple(
            n for n in names if n.startswith("weight.") and len(set(net.column.shapes[n])) == 1
        )
        if square and square == names or (square and len(names) > 1):
            yield Hypothesis(
                "transposed gradient",
                f"{net.ds(square)} {one(square, 'is', 'are')} transposed: "
                "outer(h, dz) where the shape of W needs outer(dz, h)",
                line(net, square),
                "the order of the two vectors in the outer product; the slides' row vectors give "
                "the transpose of W's shape",
                after(lambda d, names=square: {n: d[n].T for n in names}),  # type: ignore[misc]
            )


def assigned(net: Network) -> Iterator[Hypothesis]:
    """The last term written is all there is of dW."""
    for names in net.scopes:
        biases = all(n.startswith("bias.") for n in names)
        for t in sorted({0, net.T - 1}):
            first = {net.T - 1 if net.node_of(n) in net.column.backward else 0 for n in names}
            if biases and t not in first:
                continue  # the last step's dz is a sum forgotten rather than one overwritten
            yield Hypothesis(
                "assigned, not accumulated",
                f"{net.ds(names)} {one(names, 'holds', 'hold')} the term of t = {t} "
                f"alone, as if every step overwrote what the others had written",
                line(net, names),
                "= where += belongs, or an array made anew in every step",
                only(_keys(net, names), t),
            )


def bias_not_summed(net: Network) -> Iterator[Hypothesis]:
    """Db of one step or of one sequence."""
    for names in net.scopes:
        if not all(n.startswith("bias.") for n in names):
            continue
        keys = _keys(net, names)
        cases = [(f"t = {t}", only(keys, t)) for t in range(net.T - 1, -1, -1)]
        cases += [(f"sequence {b}", only(keys, b=b)) for b in range(net.B)]
        cases += [
            (f"t = {t} and sequence {b}", only(keys, t, b))
            for t in (0, net.T - 1)
            for b in range(net.B)
        ]
        for which, change in cases:
            yield Hypothesis(
                "bias not summed",
                f"{net.ds(names)} {one(names, 'is', 'are')} dz of {which} alone, "
                "not the sum over all t and all sequences",
                line(net, names),
                "the axes over which dz is summed",
                change,
            )


def term_missing(net: Network) -> Iterator[Hypothesis]:
    """Without the term of one t."""
    for names in net.scopes:
        for t in range(net.T):
            yield Hypothesis(
                "missing time step",
                f"{_equal(net, names)} without {one(names, 'its', 'their')} "
                f"t = {t} {one(names, 'term', 'terms')}",
                line(net, names),
                f"where the loop over t begins and ends, and what it does at t = {t}",
                drop(_keys(net, names), t),
            )


def one_sequence(net: Network) -> Iterator[Hypothesis]:
    """DW of one sequence of the batch."""
    for names in net.scopes:
        for b in range(net.B):
            yield Hypothesis(
                "one sequence only",
                f"{_equal(net, names)} of sequence {b} alone; the batch has {net.B}",
                line(net, names),
                "the sum over the batch: dW adds up over all sequences as it does over t",
                only(_keys(net, names), b=b),
            )


def undamped(net: Network) -> Iterator[Hypothesis]:
    """DW gathered with dh in place of dz."""
    for names in net.scopes:
        keys = [k for k in _keys(net, names) if k not in net.edge or net.gates[k] is None]
        if keys:
            output = all(net.node_of(n) == net.readout for n in names)
            yield Hypothesis(
                "no output Jacobian" if output else "no slope",
                f"{net.ds(names)} {one(names, 'is', 'are')} gathered with the error at "
                "the state, dh(t), where dz(t) belongs; what is sent back is right",
                line(net, names),
                "which of dh and dz stands in the outer product",
                take_da(keys),
            )


def other_state(net: Network) -> Iterator[Hypothesis]:
    """DW gathered with the state of another time."""
    for names in net.scopes:
        edges = [net.edge[k] for k in _keys(net, names) if k in net.edge]
        if not edges or net.T == 1:
            continue
        if delayed := [e for e in edges if e.delay]:
            yield _shifted(net, delayed, None, "history")
        for shift in (1, -1, 2, -2):
            for beyond in ("history", "zeros", "around"):
                if len(edges) > 1:
                    chosen = [e for e in edges if bool(e.delay) == (shift > 0)] or edges
                else:
                    chosen = edges
                yield _shifted(net, chosen, shift, beyond)


def _shifted(net: Network, edges: list[Edge], shift: int | None, beyond: str) -> Hypothesis:
    """The states some steps later, or those of t itself."""
    if shift is None:
        turned = [-net.column.offset(e) for e in edges]
    else:
        turned = [
            -shift if net.column.node[e.target].direction == "backward" else shift for e in edges
        ]
    arrays = {
        str(e.name): net.state(e.source, net.column.offset(e) + s, beyond)
        for e, s in zip(edges, turned, strict=True)
    }
    if shift is None or (shift > 0 and all(e.delay == shift for e in edges)):
        name = "current for previous state"
    elif shift == -1 and not any(e.delay for e in edges):
        name = "previous for current state"
    else:
        name = "wrong time step"
    names = tuple(dict.fromkeys(str(net.column.weight(e)) for e in edges))
    pairs = dict.fromkeys(
        f"{net.at(e, s)} where {net.at(e)} belongs" for e, s in zip(edges, turned, strict=True)
    )
    known = {"around": ", and an index before the first column reads from the end"}
    return Hypothesis(
        name,
        f"{net.ds(names)} {one(names, 'is', 'are')} gathered with "
        f"{'; '.join(pairs)}{known.get(beyond, '')}",
        line(net, names),
        "the index of the state in the outer product",
        reads(arrays),
    )


def left_at_zero(net: Network) -> Iterator[Hypothesis]:
    """A gradient that is never written."""
    for names in [*net.scopes, *((f"input.{n}",) for n in net.column.inputs)]:
        edges = [net.edge[k] for n in names for k in net.terms.get(n, ()) if k in net.edge]
        roles = {net.role(e) for e in edges} if len(names) == 1 else set()
        name = {"skip": "missing skip", "time": "no gradient through time"}
        yield Hypothesis(
            name[roles.pop()] if roles & set(name) else "left at zero",
            f"{net.ds(names)} {one(names, 'is', 'are')} zero throughout: never written",
            line(net, names),
            "the line that adds to it, or a name that is written in its place",
            after(lambda d, names=names: {n: 0 * d[n] for n in names}),  # type: ignore[misc]
        )
