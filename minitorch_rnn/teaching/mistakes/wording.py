"""The message to the student: what is right, what is wrong, why, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_rnn.teaching.mistakes.answers import Given
from minitorch_rnn.teaching.mistakes.matching import Answer
from minitorch_rnn.teaching.mistakes.network import Network, listed, one

__all__ = ["all_right", "message"]


def all_right(net: Network, answer: Answer, given: Given) -> str:
    """The message where nothing that could be compared is wrong."""
    digits = int(min(15, -np.log10(max(answer.errors.max(), 1e-16))))
    called = [*_called(net, given, answer.names), *given.others]
    names = listed(called)
    if len(called) == 1:
        lines = [f"{names} is right, to {digits} digits."]
    else:
        lines = [f"All {len(called)} gradients are right, to {digits} digits: {names}."]
    if given.faults:
        lines = [*given.faults, lines[0].replace("All", "The other", 1)]
    return "\n".join(lines)


def message(net: Network, answer: Answer | None, given: Given, findings: Sequence[Any]) -> str:
    """The message where something is wrong."""
    lines = list(given.faults)
    if answer is None:
        return "\n".join(lines or ["No gradient is given: there is nothing to compare."])
    if wrong := answer.wrong_names():
        lines += _wrong_and_right(net, answer, given, wrong)
    lines += [f"Note: {hint}." for hint in given.hints]
    if findings:
        best = findings[0]
        same = [s for n in wrong if net.d(n) in best.sentence for s in given.same.get(n, ())]
        too = f", and {listed(same)} with it" if same else ""
        lines.append(f"{_sentence(net, best.sentence)}{too}.")
        lines.append(f"Slide{'s' * (',' in best.slide)} {best.slide}: {best.line}")
        lines.append(f"Look at: {best.look}.")
        others = [f.sentence for f in findings[1:] if f.line != best.line]
        if others:
            known = "; or of this: ".join(others[:2])
            lines.append(f"The same numbers would come of this: {known}.")
        return "\n".join(lines)
    lines += [f"{repair.says}." for repair in given.repairs]
    if not answer.student.any():
        lines.append("Every one of them is zero: nothing has been written into them yet.")
    elif answer.errors.max() <= 1e-4:
        digits = int(-np.log10(answer.errors.max()))
        lines.append(
            f"They agree to {digits} digits, though. Numbers of float32 or a coarse difference "
            "would do that; so would a mistake where the gradient has nearly vanished."
        )
    else:
        how_far = [f"{net.d(n)} by up to {_size(answer.error(n))} its own" for n in wrong[:4]]
        how_far[0] = f"{net.d(wrong[0])} is off by up to {_size(answer.error(wrong[0]))} "
        how_far[0] += "its largest number"
        lines.append(
            f"No mistake known here explains this, nor two of them together. {listed(how_far)}."
        )
    lines.append(_whereabouts(net, answer, wrong))
    return "\n".join(lines)


def _wrong_and_right(net: Network, answer: Answer, given: Given, wrong: Sequence[str]) -> list[str]:
    bad = [own for own, (n, array) in given.others.items() if not answer.right(n, array)]
    good = [own for own in given.others if own not in bad]
    told = f"Wrong: {listed([*_called(net, given, wrong), *bad])}."
    right = [*_called(net, given, [n for n in answer.names if n not in wrong]), *good]
    rest = listed(right) if len(right) <= 8 else f"the other {len(right)}"
    notes = [f"Note: {own} is wrong otherwise than {net.d(given.others[own][0])}." for own in bad]
    return [f"{told} Right: {rest}." if right else told, *notes]


def _called(net: Network, given: Given, names: Sequence[str]) -> list[str]:
    """Gradients by the student's names, those that the student has twice by both."""
    return [called for n in names for called in (net.d(n), *given.same.get(n, ()))]


def _sentence(net: Network, says: str) -> str:
    """With a capital letter, unless it begins with a symbol."""
    first = says.split()[0]
    symbols = {*net.column.node, *map(net.d, net.terms), "dz", "dh", "dx", "dY"}
    return says if first in symbols or not first.isalpha() else says[0].upper() + says[1:]


def _size(error: float) -> str:
    """How large an error is: "13 % of", "550 times"."""
    if error < 2:
        return f"{100 * error:.0f} % of" if error >= 0.1 else f"{100 * error:.1g} % of"
    return f"{float(f'{error:.2g}'):,.12g} times" if error < 1e6 else "more than a million times"


def _whereabouts(net: Network, answer: Answer, wrong: Sequence[str]) -> str:
    """Where in the order of the sweep the first error must be, told by what is right."""
    for nodes, *_ in net.order:
        for n in nodes:
            own = [p for p in answer.names if p in net.terms and net.node_of(p) == n]
            bad = [p for p in own if p in wrong]
            good = [p for p in own if p not in wrong]
            if bad and good:
                reads = any(p.startswith("weight.") for p in bad)
                return (
                    f"{net.ds(good)} {one(good, 'is', 'are')} right, so dz_{n}(t) is: "
                    f"look at the line that gathers {net.ds(bad)}, and at "
                    f"{'the state it reads' if reads else 'the axes it sums over'}."
                )
            if bad:
                return _above(net, answer, n, bad)
    loose = [p for p in wrong if p not in net.terms]
    return (
        f"Every dW and db is right, so every dz(t) is: look where {net.ds(loose)} "
        f"{one(loose, 'is', 'are')} collected."
    )


def _above(net: Network, answer: Answer, n: str, bad: Sequence[str]) -> str:
    seen = [m for nodes, *_ in net.order for m in nodes]
    before = seen[: seen.index(n)]
    done = [p for p in answer.names if p in net.terms and net.node_of(p) in before]
    first = (
        f"{net.ds(done)} {one(done, 'is', 'are')} right, so the sweep is right down "
        f"to there; the first error is at {n}: "
        if done
        else f"The first error in the order of the sweep is at {n}: "
    )
    links = [f"dz_{e.target}(t) {net.W(e)}" for e in net.links if e.source == n]
    if n == net.column.output:
        links.insert(0, "the divergence's own gradient")
    what = f"d{n}(t), made of {listed(links)}" if links else f"d{n}(t)"
    return f"{first}look at {what}; then at its slope; then at {net.ds(bad)}."
