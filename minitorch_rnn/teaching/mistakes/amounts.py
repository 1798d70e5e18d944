"""Slips in sign or size: of a result, of what a link sends, of dz, or of dY."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from minitorch_rnn.teaching.mistakes.hypothesis import LINES, Hypothesis, line, sends, slopes
from minitorch_rnn.teaching.mistakes.knobs import Change, gain, loss, scaled, send
from minitorch_rnn.teaching.mistakes.matching import Answer
from minitorch_rnn.teaching.mistakes.network import Network, listed, one

__all__ = ["any_factor", "wrong_factor", "wrong_sign"]

Struck = tuple[str, Change, tuple[str, str]]


def _struck(net: Network, c: float, what: str) -> Iterator[Struck]:
    """All that may be multiplied by c, the local before the global: sentence, change, place."""
    histories = [f"history.{n}" for n, reach in net.column.reach.items() if sum(reach)]
    others = [(f"input.{n}",) for n in net.column.inputs]
    others += [(h,) for h in histories]
    for names in [*net.scopes, *others]:
        yield (
            f"{net.ds(names)} {one(names, 'is', 'are')} {what} "
            f"the true {one(names, 'one', 'ones')}",
            scaled(names, c),
            line(net, names),
        )
    yield f"every gradient is {what} the true one", loss(lambda dY: c * dY), LINES["dY"]
    for edges in net.together(net.links):
        over = listed([f"dz_{e.target}(t) {net.W(e)} into d{net.at(e)}" for e in edges])
        yield (
            f"{over} {one(edges, 'is', 'are')} {what} what it should be",
            send(edges, c),
            sends(net, edges[0]),
        )
    for n in net.trace.z:
        yield f"dz_{n}(t) is {what} the true one", gain([n], c), slopes(net, n)
    if len(net.hidden) > 1:
        says = f"dz(t) of every hidden layer is {what} the true one"
        yield says, gain(net.hidden, c), LINES["dz"]


def wrong_sign(net: Network) -> Iterator[Hypothesis]:
    """Minus for plus."""
    for says, change, place in _struck(net, -1.0, "minus"):
        look = "the sign: the gradient points uphill, and only the update subtracts it"
        yield Hypothesis("wrong sign", says, place, look, change)


def wrong_factor(net: Network) -> Iterator[Hypothesis]:
    """Twice or half, or summed where averaged: the factors 2, T, B and their inverses."""
    T, B = net.T, net.B
    factors: dict[float, str] = {}
    for size, name in ((2, ""), (T, "T"), (B, "B"), (T * B if min(T, B) > 1 else 1, "T B")):
        whole = f"{name} = {size}" if name else "2"
        part = f"1/({name}) = 1/{size}" if " " in name else f"1/{name} = 1/{size}"
        for c, word in ((float(size), whole), (1 / size, part if name else "1/2")):
            if size != 1:
                factors[c] = f"{factors[c]} or {word}" if c in factors else word
    for c, name in factors.items():
        for says, change, place in _struck(net, c, f"{name} times"):
            look = "a mean where a sum belongs, or the other way round; a factor that came twice"
            yield Hypothesis("wrong factor", says, place, look, change)


def any_factor(net: Network, answer: Answer) -> Iterator[Hypothesis]:
    """The factors that wrong arrays are of the true ones, where each is a multiple as a whole."""
    found: list[float] = []
    numbers = 0
    for part, (start, stop) in enumerate(pairwise(answer.starts)):
        if not answer.wrong[part]:
            continue
        t, s = answer.true[start:stop], answer.student[start:stop]
        c = float(s @ t / (t @ t)) if t.any() else 0.0
        if c == 0 or abs(s - c * t).max() > answer.tolerance[part]:
            return
        numbers += t.size
        if not any(np.isclose(c, other, rtol=1e-5) for other in found):
            found.append(c)
    if numbers < 3 or len(found) > 1:
        return
    for c in found:
        for says, change, place in _struck(net, c, f"{_number(net, c)} times"):
            look = "where a number multiplies or divides what it should not"
            yield Hypothesis("wrong factor", says, place, look, change)


def _number(net: Network, c: float) -> str:
    """A factor, and the size that it is, if it is one."""
    sizes = {f"the size of {n}": node.size for n, node in net.column.node.items()}
    for what, size in sizes.items():
        for value, word in ((size, ""), (1 / size, "1/")):
            if np.isclose(c, value, rtol=1e-6):
                return f"{word}{size} ({word}{what})"
    return f"{c:.6g}"
