"""Elman's exclusive-or in time: a stream of bits in which each third one follows from two others.

Two bits are drawn at random, the third is their exclusive-or, and so on without a mark between the
triples. A network with two hidden units sees one bit after the other, and beside it a clone of its
last hidden state, and is to say the next bit. Only each third bit can be known. Look at
whether its error goes down at each third step, and at what it says after 00, 01, 10 and 11. Elman
found that it does not know where a triple begins, and says the exclusive-or of the last two bits
everywhere. That is right at each third place and half the time elsewhere, so it is best said as 1/3
or 2/3 and not as 0 or 1.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

import minitorch_rnn as mt
from bench.papers.look import INKS, WIDTH
from bench.papers.result import Finding, Paper
from minitorch_rnn import nn, training
from minitorch_rnn.data import Streams
from minitorch_rnn.data.generators import XorStream

PAPER = Paper(
    title="Exclusive-or in time: the error falls at each third bit",
    source="Elman, Finding structure in time, Cognitive Science 14, 1990; Exclusive-Or, figure 3",
    claim="After 600 passes over 3,000 bits the error, averaged over 1,200 runs of 12 inputs, drops"
    " where the next bit can be known and is high elsewhere. The outputs show that the network says"
    " the exclusive-or of the last two bits at all places.",
    seen="The text around figure 3, in a copy on the web. It gives no figures; of the picture only"
    " the labels 0.40 and 0.50 of the axis were seen. So the bands are ours: half the way from"
    " a coin to the rule, which is to answer everywhere by the exclusive-or of the last two bits,"
    " with 1/3 or 2/3, the answers of the least error; and for single outputs 0.8, above the 0.75"
    " that a network gets with one of the four pairs wrong.",
    ours="One input, two hidden units, one output (1-2-1), all logistic. Two context units hold the"
    " last hidden state and start at 0.5; no gradient flows back through them (the clone link is"
    " blocked). Squared error, 600 passes over one stream of 3,000 bits. Judged on 14,400 other"
    " bits.",
    differs=(
        "Adam with a rate of 0.01 in place of backpropagation, whose rate the text does not give.",
        "The stream is read in 10 pieces side by side, each from a context of 0.5, and the weights"
        " change after every 10 bits of each and not after every bit. Over a blocked link that is"
        " the mean of the gradients of the single bits.",
        "He shows one network, we show six; what each one finds depends on its first weights.",
    ),
    caption="Left: root mean squared error over 12 consecutive inputs, as in the paper's figure 3;"
    " six networks (grey) and their median (black). Dashed: the rule."
    " At input 2 the third bit is to be predicted, so the dips are at 2, 5, 8 and 11."
    " Right: the mean output after the last two bits (dashes: the rule).",
    missed="The error drops as he says. But the outputs follow the rule on the average and not at"
    " all points: in five networks of six the mean outputs are right after all four pairs (0.35 to"
    " 0.42 after equal bits, 0.58 to 0.64 after different ones), while 0.79 of the single outputs"
    " are on the side of the exclusive-or, and 0.8 was asked for. Seed 1 says 0.50 after 01 and 11:"
    " it makes a difference only between 00 and 10. Seed 5 follows the rule at 0.98 of all points,"
    " so one network alone may well look like his. More training or other rates change it little."
    " In trials outside of this page, 100 networks each, changing the weights after every bit as he"
    " does gave medians of 0.79 to 0.82 (rates 0.05 to 0.3, first weights of five sizes), and Adam"
    " as here 0.76 to 0.84 (rates 0.003 to 0.1; three times the passes 0.82). So the band lies in"
    " the middle of what the method gives. Nor is one unit high after equal bits and the other"
    " after different ones, as he reports; seed 1 is nearest to it.",
    seeds=6,
)
# The exclusive-or of the last two bits is the next one always at each third place and half the
# time at the two others: 2/3 in all. Who says 2/3 for it and 1/3 against it errs least.
RULE_THIRD = 1 / 3
RULE_OTHERS = math.sqrt(((1 / 3) ** 2 + (2 / 3) ** 2) / 2)
COIN = 0.5
PAIRS = "00", "01", "10", "11"


class _NextBit(training.Task):
    """The next bit, under squared error."""

    def loss(self, batch: Any, state: Any) -> tuple[Any, Any]:
        Y, state = self.model(batch.inputs, {"h": 0.5} if state is None else state)
        return nn.mse_loss(Y, batch.targets), state


def run(seed: int, *, bits: int = 3000, passes: int = 600, cycles: int = 1200) -> dict[str, Any]:
    """One seed: train, and measure on a new stream of so many cycles of 12 bits."""
    x = XorStream(bits).draw(np.random.default_rng([seed, 0]), 1).inputs[:, 0]
    streams = Streams.of_series(x[:-1], x[1:], batch=10, steps=min(10, (bits - 1) // 10))
    column = mt.column.elman(
        1, 2, 1, activation="sigmoid", output_activation="sigmoid", history="given"
    )
    network = nn.ColumnNetwork(column, rng=np.random.default_rng([seed, 1]))
    task = _NextBit(network, lambda epoch: streams, [])
    optimizer = mt.optim.Adam(network.parameters(), lr=0.01)
    training.Trainer(task, optimizer, max_norm=math.inf).run(epochs=passes)

    x = XorStream(12 * cycles + 1).draw(np.random.default_rng([seed, 2]), 1).inputs
    with mt.no_grad():
        shown = network.activations(x[:-1], {"h": 0.5})
    Y, h = (shown[node].numpy()[:, 0] for node in ("Y", "h"))
    return measured(x[:, 0, 0], Y[:, 0], h)


def measured(x: np.ndarray, said: np.ndarray, h: np.ndarray) -> dict[str, Any]:
    """Errors of what was said about x(1), x(2), …; what was said and held after which two bits."""
    squared = (said - x[1:]) ** 2
    third = np.arange(1, len(x)) % 3 == 2
    last_two = (2 * x[:-2] + x[1:-1]).astype(int)
    differ = x[:-2] != x[1:-1]
    liking = h[1:][~differ].mean(axis=0) - h[1:][differ].mean(axis=0)  # of a unit, for equal bits
    return {
        "cycle": np.sqrt(squared.reshape(-1, 12).mean(axis=0)).round(4).tolist(),
        "third": math.sqrt(squared[third].mean()),
        "others": math.sqrt(squared[~third].mean()),
        "by_rule": float(((said[1:] > 0.5) == differ).mean()),
        "opposed": float(min(liking.max(), -liking.min())),
        "after": {
            pair: round(float(said[1:][last_two == i].mean()), 4) for i, pair in enumerate(PAIRS)
        },
    }


def findings(found: list[dict[str, Any]]) -> list[Finding]:
    """Whether the error drops at each third bit, and whether one rule is said everywhere."""

    def ours(key: str) -> tuple[float, ...]:
        return tuple(one[key] for one in found)

    drops = tuple(one["others"] - one["third"] for one in found)
    return [
        Finding(
            f"RMSE at the third bits (coin {COIN:.3f}, rule {RULE_THIRD:.3f})",
            "low; no figure seen",
            ours("third"),
            most=(COIN + RULE_THIRD) / 2,
        ),
        Finding(
            f"RMSE at the others (coin {COIN:.3f}, rule {RULE_OTHERS:.3f})",
            "high; no figure seen",
            ours("others"),
        ),
        Finding(
            f"how far it drops at the third bits (coin 0, rule {RULE_OTHERS - RULE_THIRD:.3f})",
            "it drops; no figure seen",
            drops,
            least=(RULE_OTHERS - RULE_THIRD) / 2,
        ),
        Finding(
            "share of all outputs on the side of the last two bits' exclusive-or (coin 0.5; 0.75"
            " with one of the four pairs wrong)",
            "at all points in time (in words)",
            ours("by_rule"),
            least=0.8,
        ),
        Finding(
            "division of labour: how much higher one unit is, on the average, after equal bits than"
            " after different ones, or the other after different ones; the smaller of the two",
            "one unit is high after equal bits, the other after alternating ones",
            ours("opposed"),
        ),
    ]


def draw(found: list[dict[str, Any]]) -> Any:
    """The error over 12 inputs, and what is said after which pair of bits."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 3.2), gridspec_kw={"width_ratios": (5, 3)}
    )
    for axes in (left, right):
        axes.tick_params(labelsize=10)
    inputs = range(1, 13)
    rule = [RULE_THIRD if n % 3 == 2 else RULE_OTHERS for n in inputs]
    for one in found:
        left.plot(inputs, one["cycle"], "-", color="0.7", linewidth=0.8)
        right.plot(PAIRS, [one["after"][pair] for pair in PAIRS], "o", color="0.7", markersize=4)
    middle = [
        statistics.median(errors) for errors in zip(*(one["cycle"] for one in found), strict=True)
    ]
    left.plot(inputs, rule, "--", color=INKS[1], label="exclusive-or, said everywhere")
    left.plot(
        inputs, middle, "o-", color=INKS[0], markersize=4, label="networks (grey), and their median"
    )
    left.set(ylim=(0, 0.7), xticks=inputs)
    left.set_xlabel("input, of 12 consecutive ones", fontsize=11)
    left.set_ylabel("RMS error, next bit", fontsize=11)
    left.legend(loc="lower left", fontsize=10)
    said = [statistics.median(one["after"][pair] for one in found) for pair in PAIRS]
    right.plot(PAIRS, said, "o", color=INKS[0])
    right.plot(PAIRS, [1 / 3, 2 / 3, 2 / 3, 1 / 3], "_", color=INKS[1], markersize=22)
    right.set(ylim=(0, 1), xlim=(-0.5, 3.5))
    right.set_xlabel("last two bits", fontsize=11)
    right.set_ylabel("mean output", fontsize=11)
    return figure
