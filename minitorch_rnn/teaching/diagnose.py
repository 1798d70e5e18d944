"""Say what is wrong with a gradient: its error is matched against the mistakes that people make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.bptt import column as explicit
from minitorch_rnn.bptt.trace import arrays_of
from minitorch_rnn.column import Column, Edge, Input, Layer
from minitorch_rnn.column.data import named_inputs
from minitorch_rnn.teaching.mistakes import Hypothesis, Network, hypotheses
from minitorch_rnn.teaching.mistakes.amounts import any_factor
from minitorch_rnn.teaching.mistakes.answers import Given, Repair, read
from minitorch_rnn.teaching.mistakes.matching import (
    Answer,
    Explanation,
    explanations,
    gradients_of,
    pairs,
    predicted,
)
from minitorch_rnn.teaching.mistakes.wording import all_right, message

Array = np.ndarray

__all__ = ["Diagnosis", "Finding", "Problem", "diagnose"]


class Suspects(NamedTuple):
    """A network taken apart, the mistakes one may make in it, and the gradients each would give."""

    names: dict[str, str]
    net: Network
    hypotheses: list[Hypothesis]
    gradients: dict[str, Array]


class Problem:
    """A network with numbers, its forward pass, and its true gradients.

    Args:
        column, params, inputs, histories: as `bptt.column.forward` takes them.
        dY: dDIV/dY(t) for all t, (T, B, O).
        names: how the gradients are called in messages; `diagnose` may be given others.

    Attributes:
        trace: the forward pass.
        true: the gradients by name: those of `column.shapes`, ``input.x`` (T, B, I) for every
            input, and ``history.h`` (K+F, B, n) for every node whose history is given or learned,
            one for each sequence.

    Raises:
        ShapeError: as `bptt.column` does.

    >>> from minitorch_rnn.column import elman
    >>> net = elman(1, 2, 1)
    >>> params = {name: np.ones(shape) for name, shape in net.shapes.items()}
    >>> sorted(Problem(net, params, np.ones((3, 1, 1)), np.ones((3, 1, 1))).true)
    ['bias.Y', 'bias.h', 'input.x', 'weight.h(t-1)->h', 'weight.h->Y', 'weight.x->h']
    """

    def __init__(
        self,
        column: Column,
        params: Mapping[str, Any],
        inputs: Any,
        dY: Any,
        histories: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.column, self.names = column, dict(names or {})
        self.params = {n: a.astype(float) for n, a in arrays_of(column, params).items()}
        x = {
            n: np.asarray(a, float)
            for n, a in named_inputs(column, "Problem", inputs).items()
        }  # fmt: skip
        past = {n: np.asarray(a, float) for n, a in (histories or {}).items()}
        self.dY = np.asarray(dY, float)
        self.trace = explicit.forward(column, self.params, x, past)
        d = explicit.backward(column, self.params, self.trace, self.dY)
        self.true = {n: g for n, g in d.parameters.items() if not n.startswith("history.")}
        self.true |= {f"input.{n}": d.da[n] for n in column.inputs}
        known = {n for n in d.histories if column.node[n].history != "zeros"} | self.trace.given
        self.true |= {f"history.{n}": g for n, g in d.histories.items() if n in known}
        self._suspects: Suspects | None = None

    @classmethod
    def slides(
        cls,
        params: Mapping[str, Any],
        x: Any,
        h_init: Mapping[int, Any],
        dY: Any,
        hidden: str = "tanh",
        output: str = "softmax",
    ) -> Problem:
        """The network of slide 94 from arrays as `bptt.slides` takes them; x may have a batch.

        Args:
            params: ``{"W_c": {l: (H, I or H)}, "W_r": {l: (H, H)}, "b": {l: (H,)}, "W_o": (O, H),
                "b_o": (O,)}``.
            x, dY: (T, I) and (T, O), or (T, B, I) and (T, B, O).
            h_init: h(-1,l) by layer, (H,) or (B, H).
            hidden, output: the activations.

        The gradients are called dW_c[1], dW_r[1], db[1], …, dW_o, db_o, dx and dh_init[1], and
        `diagnose` takes them under these names too.

        >>> params = {"W_c": {1: np.eye(1)}, "W_r": {1: np.eye(1)}, "b": {1: np.zeros(1)},
        ...           "W_o": np.eye(1), "b_o": np.zeros(1)}
        >>> x, dY, h_init = np.ones((2, 1)), np.ones((2, 1)), {1: np.zeros(1)}
        >>> problem = Problem.slides(params, x, h_init, dY, output="identity")
        >>> problem.names["weight.h1(t-1)->h1"]
        'dW_r[1]'
        """
        W_c, W_o = params["W_c"], np.asarray(params["W_o"])
        nodes: list[Any] = [Input("x", np.shape(W_c[1])[1])]
        edges, below, arrays, names = [], "x", {}, {"input.x": "dx"}
        for l in sorted(W_c):
            h = f"h{l}"
            nodes.append(Layer(h, np.shape(W_c[l])[0], hidden, history="given"))
            edges += [Edge(below, h), Edge(h, h, 1)]
            for name, symbol in (
                (f"weight.{below}->{h}", "W_c"),
                (f"weight.{h}(t-1)->{h}", "W_r"),
                (f"bias.{h}", "b"),
            ):
                arrays[name], names[name] = params[symbol][l], f"d{symbol}[{l}]"
            names[f"history.{h}"] = f"dh_init[{l}]"
            below = h
        nodes.append(Layer("Y", len(W_o), output))
        arrays |= {f"weight.{below}->Y": W_o, "bias.Y": params["b_o"]}
        names |= {f"weight.{below}->Y": "dW_o", "bias.Y": "db_o"}
        column = Column("slide 94", tuple(nodes), (*edges, Edge(below, "Y")), "Y")
        x, dY = (a[:, None] if a.ndim == 2 else a for a in (np.asarray(x), np.asarray(dY)))
        past = {
            f"h{l}": np.broadcast_to(h, (1, x.shape[1], np.shape(h)[-1]))
            for l, h in h_init.items()
        }  # fmt: skip
        return cls(column, arrays, x, dY, past, names)

    def named(self, d: Mapping[str, Any]) -> dict[str, Any]:
        """What `bptt.slides.backward` returns, or a student's in its place, by our names.

        ``{"W_r": {1: …}, "W_o": …, "x": …, "h_init": {1: …}}``; what is not there is left out.

        >>> params = {"W_c": {1: np.eye(1)}, "W_r": {1: np.eye(1)}, "b": {1: np.zeros(1)},
        ...           "W_o": np.eye(1), "b_o": np.zeros(1)}
        >>> x, dY, h_init = np.ones((2, 1)), np.ones((2, 1)), {1: np.zeros(1)}
        >>> problem = Problem.slides(params, x, h_init, dY, output="identity")
        >>> problem.named({"W_r": {1: np.eye(1)}, "b_o": np.ones(1)})
        {'weight.h1(t-1)->h1': array([[1.]]), 'bias.Y': array([1.])}
        """
        ours = {student: name for name, student in self.names.items()}
        found = {}
        for symbol, value in d.items():
            layers = value.items() if isinstance(value, Mapping) else [(None, value)]
            for l, array in layers:
                own = f"d{symbol}" if l is None else f"d{symbol}[{l}]"
                found[ours.get(own, own)] = array
        return found

    def suspects(self, names: Mapping[str, str]) -> Suspects:
        """All that may be wrong with an answer, in these names; kept for the next answer."""
        if self._suspects is None or self._suspects.names != names:
            net = Network(self.column, self.params, self.trace, self.dY, names)
            all_of_them = hypotheses(net)
            made = gradients_of(net, [(h,) for h in all_of_them], self.true)
            self._suspects = Suspects(dict(names), net, all_of_them, made)
        return self._suspects


@dataclass(frozen=True)
class Finding:
    """One explanation of a wrong answer.

    Attributes:
        mistakes: one name or two, such as "missing time step".
        sentence: what it has made of the gradients.
        slide, line: where the deck has the right line, and the line in our words and symbols.
        digits: how well it explains the numbers.
        look: where in a program to look.

    >>> Finding(("wrong sign",), "dW_r is the true one times -1", "94", "", 15.0, "").mistakes
    ('wrong sign',)
    """

    mistakes: tuple[str, ...]
    sentence: str
    slide: str
    line: str
    digits: float
    look: str


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found out; as a string, the message to the student.

    Attributes:
        right: whether every gradient given is right.
        findings: the explanations, best first; none if all is right, or if none is known.
        text: the message.

    >>> print(Diagnosis(True, (), "All gradients are right."))
    All gradients are right.
    """

    right: bool
    findings: tuple[Finding, ...]
    text: str

    def __str__(self) -> str:
        return self.text


def diagnose(
    problem: Problem,
    gradients: Mapping[str, Any],
    names: Mapping[str, str | Sequence[str]] | None = None,
) -> Diagnosis:
    """Say what is wrong with gradients, by comparing them with what known mistakes would give.

    Args:
        problem: the network and its numbers.
        gradients: any of `problem.true` by name, or by the student's name, in their shapes. An
            input's may be called by the input, ``x`` for ``input.x``, a given history's ``given.h``
            for ``history.h``, and a learned one's may be added up over the sequences, (K+F, n): so
            what the `backward` of a derived program returns is judged as it is.
        names: how the student calls them, ``{"weight.h(t-1)->h": "dW_r"}``; for messages. Where the
            student has several for one, as for the two biases of a cell, all of them:
            ``{"bias.h": ("db_ih", "db_hh")}``.

    A gradient is right if it agrees to 1e-6 of the largest number of its array (float32: 1e-4), so
    that differences pass. A mistake explains an answer if it gives all its arrays as closely; the
    one named is a single mistake before a pair, and the more telling before the more general.

    Raises:
        ValueError: for names that the problem has not.

    >>> from minitorch_rnn.column import state_space
    >>> net, rng = state_space(2, 3, 1), np.random.default_rng(0)
    >>> params = {name: rng.normal(size=shape) for name, shape in net.shapes.items()}
    >>> problem = Problem(net, params, rng.normal(size=(4, 1, 2)), rng.normal(size=(4, 1, 1)))
    >>> dW_r = problem.true["weight.h1(t-1)->h1"]
    >>> print(diagnose(problem, {"weight.h1(t-1)->h1": -dW_r}, {"weight.h1(t-1)->h1": "dW_r"}))
    Wrong: dW_r.
    dW_r is minus the true one.
    Slide 94: dW_r(l) += h(t-1,l) dz(t,l)
    Look at: the sign: the gradient points uphill, and only the update subtracts it.
    """
    given = read(problem.true, problem.column, gradients, {**problem.names, **(names or {})})
    called = given.called
    net = Network(problem.column, problem.params, problem.trace, problem.dY, called)
    if not given.arrays:
        return Diagnosis(False, (), message(net, None, given, ()))
    answer = Answer(problem.true, given.arrays, given.tolerance, given.summed)
    if not answer.wrong.any():
        if given.repairs:
            found = _findings(given, [Explanation((), float(answer.errors.max()))])
            return Diagnosis(False, found, message(net, answer, given, found))
        right = not given.faults
        return Diagnosis(right, (), all_right(net, answer, given))
    untouched = len(answer.names) > 1 and not answer.student.any()
    found = (
        () if untouched else _findings(given, _explained(problem.suspects(called), answer, given))
    )
    return Diagnosis(False, found, message(net, answer, given, found))


def _explained(suspects: Suspects, answer: Answer, given: Given) -> list[Explanation]:
    """The first kind of explanation that fits: one mistake, a factor, two mistakes."""
    if len({repair.name for repair in given.repairs}) > 1:
        return []  # these are two mistakes already
    net, singles = suspects.net, [(h,) for h in suspects.hypotheses]
    rows = answer.row(suspects.gradients)
    if found := explanations(net, answer, singles, rows):
        return found
    factors = [(h,) for h in any_factor(net, answer)]
    if factors and (found := explanations(net, answer, factors, predicted(net, answer, factors))):
        return found
    if given.repairs:
        return []
    both = pairs(net, answer, suspects.hypotheses, rows)
    return explanations(net, answer, both, predicted(net, answer, both), 0.03) if both else []


def _findings(given: Given, explained: list[Explanation]) -> tuple[Finding, ...]:
    """As findings, without those whose mistakes have been named by one before them."""
    found: dict[tuple[str, ...], Finding] = {}
    for because, error in explained:
        causes: list[Repair | Hypothesis] = [*given.repairs, *because]
        says = list(dict.fromkeys(c.says for c in causes))
        numbered = [f"({k}) {text}" for k, text in enumerate(says, 1)]
        slides = [slide for c in causes for slide in c.place[0].split(", ")]
        finding = Finding(
            tuple(dict.fromkeys(c.name for c in causes)) if given.repairs else _names(because),
            says[0] if len(says) == 1 else "; ".join(numbered),
            ", ".join(dict.fromkeys(slides)),
            "; ".join(dict.fromkeys(c.place[1] for c in causes)),
            float(min(16.0, -np.log10(max(error, 1e-16)))),
            "; and ".join(dict.fromkeys(c.look for c in causes)),
        )
        found.setdefault(finding.mistakes, finding)
    return tuple(found.values())[:4]


def _names(because: tuple[Hypothesis, ...]) -> tuple[str, ...]:
    return tuple(h.name for h in because)
