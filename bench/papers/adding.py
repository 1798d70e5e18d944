"""The adding problem: which of a hundred numbers were marked, and what was their sum?

A network reads a hundred steps, each a number and a mark. Two of the numbers are marked, both in
the first half. After the last step it is asked for their sum. So it must hold two real numbers,
precisely, over fifty steps and more that mean nothing. The LSTM was made for this: its memory cell
adds, and hands what it holds to the next step multiplied by exactly 1. An RNN of the same size
sees the same sequences. Look at where its error stays, and that an LSTM stays there too whose
forget gates are begun as is common today, at 0.73 and not at 1: over fifty steps that is 1e-7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import minitorch_rnn as mt
from bench.papers.look import DASHES, INKS, WIDTH
from bench.papers.result import Finding, Paper
from minitorch_rnn import nn, training
from minitorch_rnn.data import Batch
from minitorch_rnn.data.generators import Adding, Adding1997, Drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ("LSTM of 1997", "LSTM, forget bias 1", "RNN")
FORGET = {"LSTM of 1997": 100.0, "LSTM, forget bias 1": 1.0}  # 100: open to the last bit
BOUND = 0.04  # the largest error that the paper calls right
RECENT = 2_000  # sequences, of which all must be right before the paper stops
BATCH = 40

PAPER = Paper(
    title="The adding problem over 100 steps: the LSTM of 1997 solves it, the RNN does not",
    source=(
        "S. Hochreiter and J. Schmidhuber, Long short-term memory, Neural Computation 9, 1997, "
        "section 5.4, experiment 4"
    ),
    claim=(
        "At T = 100 the LSTM is stopped after 74,000 sequences, when its last 2,000 all had an "
        "error below 0.04 and the average error was below 0.01; of 2,560 further sequences it then "
        "gets 1 wrong (means of 10 trials). The authors know of no other recurrent network that "
        "learned such a task."
    ),
    seen="The text of section 5.4 and table 7, in a copy on the web.",
    ours=(
        "Three networks of 8 units and a real output see the same sequences. An LSTM whose forget "
        "gates are held open: a bias of 100 makes them 1 to the last bit, and their derivative 0, "
        "for the cell of 1997 had none; its input gates begin nearly closed, with a bias of -3 "
        "(the paper: -3 and -6). The same LSTM with a forget bias of 1, as is common today. And "
        "an RNN of tanh units. Squared error, Adam with a rate of 0.02, gradients clipped to 1, "
        "batches of 40. Each is stopped by the paper's rule; one that never meets it stops after "
        "80,000 sequences, so that this figure means it failed."
    ),
    differs=(
        "The paper has 2 blocks of 2 memory cells and 93 weights, a logistic output unit, "
        "squashing to [-2, 2] and [-1, 1], a truncated gradient and a change of weights after "
        "every sequence. Ours has 8 cells with gates of their own, tanh, a linear output, the "
        "whole gradient and Adam.",
        "The paper trains no RNN on this problem; the bands for it are our own: at least 0.9 of "
        "the squared error of whoever always says 0.5. So is the LSTM's, at most 0.01 of it.",
        "The mean error of the rule for stopping is read as the mean absolute error.",
    ),
    caption=(
        "The mean absolute error over the last 2,000 sequences, by the number of sequences seen; "
        "bold the median of the seeds, thin every seed, up to where the rule for stopping holds "
        "(the median goes on with the last value). Both the RNN and the LSTM "
        "with a forget bias of 1 stay with whoever always says 0.5."
    ),
    seeds=6,
)


class Sums(training.Task):
    """The squared error at the last step; keeps the absolute errors of all it was trained on."""

    def __init__(
        self, model: nn.Module, batches: Callable[[int], Sequence[Batch]], test: Sequence[Batch]
    ) -> None:
        super().__init__(model, batches, test)
        self.errors: list[np.ndarray] = []

    def answered(self, batch: Batch) -> tuple[mt.Tensor, np.ndarray]:
        """The outputs where something is asked for, and what they should be."""
        outputs, _ = self.model(batch.inputs, lengths=batch.lengths)
        asked = ~np.isnan(batch.targets)
        return outputs[asked], batch.targets[asked]

    def loss(self, batch: Batch, state: Any) -> tuple[mt.Tensor, Any]:
        """The mean over the batch."""
        answers, targets = self.answered(batch)
        if self.model.training:
            self.errors.append(np.abs(answers.detach().numpy() - targets))
        return nn.mse_loss(answers, targets), None

    def tested(self) -> tuple[float, float]:
        """Of the sequences that it never saw: the share that is right, and the squared error."""
        with mt.no_grad():
            pairs = [self.answered(batch) for batch in self.held_out]
        errors = np.concatenate([np.abs(answers.numpy() - targets) for answers, targets in pairs])
        return float((errors < BOUND).mean()), float((errors**2).mean())


class Stopping(training.Callback):
    """The paper's rule: the last 2,000 sequences all right, their mean error below 0.01."""

    def __init__(self) -> None:
        self.curve: list[float] = []  # the mean error, every 2,000 sequences

    def after_step(self, trainer: training.Trainer, step: training.Step) -> None:
        """Look at the last 2,000."""
        if step.number * BATCH < RECENT:
            return
        assert isinstance(trainer.task, Sums)
        recent = np.concatenate(trainer.task.errors[-RECENT // BATCH :])
        if step.number * BATCH % RECENT == 0:
            self.curve.append(round(float(recent.mean()), 5))
        if recent.max() < BOUND and recent.mean() < 0.01:
            trainer.stop("solved")


def network(name: str, seed: int, hidden: int) -> nn.RecurrentNetwork:
    """One of `NAMES`, with its first weights."""
    cell = "rnn" if name == "RNN" else "lstm"
    rng = np.random.default_rng([seed, 1 + NAMES.index(name)])
    model = nn.RecurrentNetwork(2, hidden, 1, "identity", cell=cell, rng=rng)
    if name != "RNN":
        nn.init.forget_gate_bias_(model.rnn, FORGET[name])
        for bias, value in ((model.rnn.bias_ih_l0, -3.0), (model.rnn.bias_hh_l0, 0.0)):
            bias.update_(bias.detach().index_update(slice(0, hidden), value))  # the input gates'
    return model


def run(
    seed: int, *, steps: int = 100, sequences: int = 80_000, tested: int = 2_560, hidden: int = 8
) -> dict[str, Any]:
    """One seed: of each network the sequences it took, its errors after them, and the curve.

    Args:
        seed: of weights and sequences.
        steps: T.
        sequences: after which a network is stopped that does not solve it.
        tested: sequences to judge by.
        hidden: H.
    """
    task = Adding1997(steps)
    train = Drawn(task.draw, BATCH, max(sequences // BATCH, 1), seed=2 * seed)
    test = Drawn(task.draw, max(tested // 10, 1), min(tested, 10), seed=2 * seed + 1)()
    modern = Adding(steps).draw(np.random.default_rng([seed, 9]), 10_000).targets[-1]
    targets = np.concatenate([batch.targets[~np.isnan(batch.targets)] for batch in test])
    found: dict[str, Any] = {
        "always 1": float(((modern - 1) ** 2).mean()),
        "always 0.5": float(((targets - 0.5) ** 2).mean()),
        "error of 0.5": float(np.abs(targets - 0.5).mean()),
    }
    for name in NAMES:
        sums, stopping = Sums(network(name, seed, hidden), train, test), Stopping()
        trainer = training.Trainer(sums, mt.optim.Adam(sums.model.parameters(), lr=0.02))
        trainer.run(epochs=1, callbacks=[stopping])
        right, squared = sums.tested()
        found[name] = {
            "sequences": trainer.step * BATCH,
            "right": right,
            "by chance": squared / task.chance,
            "curve": stopping.curve,
        }
    return found


def findings(found: list[dict[str, Any]]) -> list[Finding]:
    """The paper's figures beside ours."""

    def of(name: str, key: str) -> tuple[float, ...]:
        return tuple(float(one[name][key]) for one in found)

    lstm, today, rnn = NAMES
    given, chance = "not given", "squared error on further sequences, by that of always saying 0.5"
    return [
        Finding("LSTM of 1997: share of 2,560 further sequences with an error below 0.04",
                "0.9996", of(lstm, "right"), least=0.99),
        Finding("LSTM of 1997: sequences until the rule for stopping holds",
                "74,000", of(lstm, "sequences"), most=74_000),
        Finding(f"LSTM of 1997: {chance}", given, of(lstm, "by chance"), most=0.01),
        Finding(f"RNN: {chance}", given, of(rnn, "by chance"), least=0.9),
        Finding("RNN: sequences seen", given, of(rnn, "sequences")),
        Finding("RNN: share with an error below 0.04", given, of(rnn, "right")),
        Finding(f"LSTM with a forget bias of 1: {chance}", given, of(today, "by chance")),
        Finding("squared error of always saying 0.5, on these sequences",
                f"(computed) {Adding1997(100).chance:.4f}",
                tuple(one["always 0.5"] for one in found)),
        Finding("squared error of always saying 1, on 10,000 sequences of the form used today",
                "(computed) 1/6 = 0.1667", tuple(one["always 1"] for one in found),
                least=0.1617, most=0.1717),
    ]  # fmt: skip


def draw(found: list[dict[str, Any]]) -> Figure:
    """Error by sequences seen; the paper has a table only."""
    from matplotlib import pyplot

    figure: Figure = pyplot.figure(figsize=(WIDTH, 3.2))
    axes = figure.add_subplot()
    for name, ink, dash in zip(NAMES, INKS, DASHES, strict=False):
        curves = [one[name]["curve"] for one in found if one[name]["curve"]]
        for curve in curves:
            axes.plot(_thousands(curve), curve, color=ink, ls="-", lw=0.5, alpha=0.5)
        most = max(map(len, curves), default=0)
        held = [curve + curve[-1:] * (most - len(curve)) for curve in curves]
        median = np.median(held, axis=0) if held else []
        axes.plot(_thousands(median), median, color=ink, ls=dash, lw=2, label=name)
    guessing = float(np.mean([one["error of 0.5"] for one in found]))
    for level, dash, words in ((guessing, "--", "always 0.5"), (BOUND, ":", "right below this")):
        axes.axhline(level, color="grey", ls=dash, lw=1)
        axes.text(81, level, words, va="center", color="0.3")
    axes.set(yscale="log", xlabel="sequences seen, in thousands", ylabel="mean absolute error")
    axes.set(xlim=(0, 80), xticks=range(0, 81, 10))
    axes.set_yticks([0.005, 0.01, 0.02, 0.04, 0.08, 0.16], minor=False)
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(loc="upper right", bbox_to_anchor=(0.95, 0.82))
    return figure


def _thousands(curve: Any) -> np.ndarray:
    return np.arange(1, len(curve) + 1) * RECENT / 1000
