"""A network that reads a sequence from both ends needs no delay to know what comes.

The target of a frame is a weighted sum of ten random numbers before it and of twenty from it on. A
network that reads forward has not seen the twenty yet; it may answer some frames later, and then
has to keep in mind which of the numbers it has seen belongs to the answer. Schuster and Paliwal
trained such networks for many delays, one that reads backward, and averages of both, and reported
that a bidirectional network beats them all. Look at the curve of the forward networks: at first it
falls along the least error that is possible for who knows that much of the sequence, then it leaves
that line and rises, above the bidirectional network everywhere. The longest delays are not learned
at all by our training.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

import minitorch_rnn as mt
from bench.papers.look import INKS, WIDTH
from bench.papers.result import Finding, Paper
from minitorch_rnn import nn, optim, training
from minitorch_rnn.data import Batch
from minitorch_rnn.data.generators import WeightedWindow

DELAYS = (0, 2, 5, 10, 15, 20, 25, 30)  # frames
COUNTED, MARGIN = 40, 30  # of a chunk: the frames that count, and those before and after them
BATCH = 5  # chunks
least = WeightedWindow().least

PAPER = Paper(
    title="Bidirectional nets against output delay",
    source="M. Schuster and K. K. Paliwal, Bidirectional recurrent neural networks, IEEE "
    "Transactions on Signal Processing 45(11), 1997, pages 2673-2681; the regression on artificial "
    "data.",
    claim="On artificial data the bidirectional network is better than networks of one direction "
    "with output delay and than averages of a forward and a backward one. A forward network gets "
    "better with the delay, and worse again if it is too large.",
    seen="The paper was not at hand. Its abstract, quoted in many places, says that the "
    "bidirectional network gives better results than other approaches; that results get worse if "
    "the delay is too large, and that merged networks are averaged, is from a reader's notes on "
    "it. The formula of the target and the 10,000 frames are from memory, not checked. We saw none "
    "of its numbers, so the bands are criteria of our own.",
    ours="Bidirectional, 8 + 8 tanh units; forward and backward, 12: each has 193 weights. All "
    "learn from one stream of 10,000 frames (2,000 steps of Adam, of 200 frames each) and are "
    "judged by another of 50,000. Networks of one direction begin with the same weights.",
    differs=(
        "Adam, the rate falling from 0.01 to 0 along a cosine; the paper used a form of Rprop, as "
        "we recall.",
        "The sizes are ours. We do not know the paper's.",
        "The stream is cut into overlapping chunks of 100 frames of which the middle 40 count, so "
        "that every network sees 30 frames on either side.",
        "The merged network averages a forward and a backward one without delay. The variant with "
        "classes as targets is left out.",
        "The rise at long delays is a failure to learn: at 20 frames and more the networks say "
        "little but the mean. Memory alone does not explain it: 12 linear units, found by balanced "
        "truncation (computed apart from this script), come to 4e-5 at 20 frames and 7e-5 at 30.",
        "The training is short for the forward networks. Four times as many passes, on seeds 0 and "
        "2 alone, gave 2.2e-4 and 1.9e-4 at 10 frames, 2.4e-4 and 9.0e-5 at 15, 3.8e-3 and 8.2e-4 "
        "at 20, and 1.3e-5 and 7.6e-6 to the bidirectional network: on seed 2 the best delay "
        "becomes 15; the order stays.",
        "Rate and chunks were chosen on another seed, 100, after fifteen settings. A delay of 15 "
        "was best there (2.2e-4), and one of 20 learned something (9.7e-4).",
    ),
    caption="Mean squared error over the output delay, on a logarithmic scale: the median over the "
    "seeds, and their range. The grey line is the least error that is possible for who knows the "
    "sequence up to the delay; from 19 frames on it is 0. Forward networks at the dotted line have "
    "learned nothing but the mean.",
)


class Regression(training.Task):
    """The mean squared error of the frames that are asked for."""

    def loss(self, batch: Batch, state: Any) -> tuple[mt.Tensor, Any]:
        """Of a batch of chunks, each from a state of 0."""
        outputs, _ = self.model(batch.inputs)
        asked = ~np.isnan(batch.targets)
        return nn.mse_loss(outputs[asked], batch.targets[asked]), None


def stream(frames: int, rng: np.random.Generator) -> Batch:
    """A stream as chunks: (100, frames / 40, 1). Each frame counts in one of them."""
    whole = WeightedWindow(frames + 2 * MARGIN).draw(rng, 1)
    x, y = (
        np.lib.stride_tricks.sliding_window_view(a[:, 0], COUNTED + 2 * MARGIN, axis=0)[::COUNTED]
        for a in (whole.inputs, whole.targets)
    )
    return Batch(x.transpose(2, 0, 1).copy(), y.transpose(2, 0, 1).copy())


def reversed_in_time(chunks: Batch) -> Batch:
    """For a network that reads backward."""
    return Batch(chunks.inputs[::-1].copy(), chunks.targets[::-1].copy())


def train(model: nn.Module, chunks: Batch, delay: int, passes: int, seed: int) -> None:
    """Let the network learn to answer `delay` frames late."""
    x, y = chunks.inputs, np.full_like(chunks.targets, np.nan)
    y[MARGIN + delay :][:COUNTED] = chunks.targets[MARGIN:][:COUNTED]

    def batches(number: int) -> list[Batch]:
        order = np.random.default_rng([seed, 2, number]).permutation(chunks.size)
        parts = np.array_split(order, -(-chunks.size // BATCH))
        return [Batch(x[:, part], y[:, part]) for part in parts]

    adam = optim.Adam(model.parameters(), 0.01)
    rate = optim.lr_scheduler.CosineAnnealingLR(adam, passes * len(batches(0)))
    training.Trainer(Regression(model, batches, []), adam, rate).run(epochs=passes)


def answers(model: nn.Module, chunks: Batch, delay: int) -> np.ndarray:
    """What the network says of the frames that count, (40, B, 1)."""
    with mt.no_grad():
        outputs, _ = model(chunks.inputs)
    return np.asarray(outputs.numpy()[MARGIN + delay :][:COUNTED])


def run(
    seed: int,
    *,
    frames: int = 10_000,
    judged: int = 50_000,
    passes: int = 40,
    delays: Sequence[int] = DELAYS,
) -> dict[str, Any]:
    """One seed: mean squared errors of all networks on a stream that none of them learned from.

    Args:
        seed: of both streams and of the networks.
        frames: to learn from.
        judged: frames to be judged by.
        passes: over what is learned from.
        delays: of the forward networks, from 0 to 30 frames, the first one 0.
    """
    learned, new = (
        stream(count, np.random.default_rng([seed, i])) for i, count in enumerate((frames, judged))
    )
    truth = new.targets[MARGIN:][:COUNTED]

    def trained(chunks: Batch, hidden: int, delay: int = 0, **options: Any) -> nn.Module:
        rng = np.random.default_rng([seed, 3])
        model = nn.RecurrentNetwork(1, hidden, 1, "identity", rng=rng, **options)
        train(model, chunks, delay, passes, seed)
        return model

    def error(said: np.ndarray) -> float:
        return float(((said - truth) ** 2).mean())

    forward = [answers(trained(learned, 12, delay), new, delay) for delay in delays]
    backward = answers(trained(reversed_in_time(learned), 12), reversed_in_time(new), 0)[::-1]
    both = trained(learned, 8, bidirectional=True)
    return {
        "delays": list(delays),
        "forward": [error(said) for said in forward],
        "backward": error(backward),
        "merged": error((forward[0] + backward) / 2),
        "bidirectional": error(answers(both, new, 0)),
        "weights": sum(p.size for p in both.parameters()),
    }


def findings(found: list[dict[str, Any]]) -> list[Finding]:
    """The bidirectional network against the others; where the forward ones are best."""
    best = [min(one["forward"]) for one in found]
    delay = [one["delays"][int(np.argmin(one["forward"]))] for one in found]

    def ratio(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
        return tuple(a / b for a, b in zip(over, under, strict=True))

    both = [one["bidirectional"] for one in found]
    first, last = ([one["forward"][i] for one in found] for i in (0, -1))
    chance = WeightedWindow().chance
    return [
        Finding("MSE, bidirectional / best forward net", "below 1", ratio(both, best), most=0.8),
        Finding(
            "MSE, merged / bidirectional", "above 1",
            ratio([one["merged"] for one in found], both), least=1.25,
        ),
        Finding("MSE, forward without delay / best delay", "above 1", ratio(first, best), 1.25),
        # No band: a network that learned nothing would be inside.
        Finding("MSE, forward with the longest delay / best", "above 1", ratio(last, best)),
        Finding(
            "MSE, forward with the longest delay / variance of the target", "not seen",
            tuple(error / chance for error in last),
        ),
        Finding("delay of the best forward net, frames", "not seen", tuple(delay), 5, 25),
        Finding(
            "MSE, forward without delay / least possible", "not given",
            tuple(error / least(0) for error in first), least=0.9, most=1.1,
        ),
        Finding(
            "MSE, bidirectional / variance of the target", "not seen",
            tuple(error / chance for error in both),
        ),
    ]  # fmt: skip


def draw(found: list[dict[str, Any]]) -> Any:
    """The error over the delay."""
    from matplotlib.figure import Figure

    figure = Figure((WIDTH, 3.8))
    axes = figure.add_subplot()

    def label(text: str, x: float, y: float, shift: tuple[int, int], ink: str = INKS[0]) -> None:
        axes.annotate(text, (x, y), shift, textcoords="offset points", color=ink, fontsize=10)

    delays, end = found[0]["delays"], max(found[0]["delays"][-1], 1)
    forward = np.array([one["forward"] for one in found])
    middle, known = np.median(forward, 0), range(19)
    axes.plot(known, [least(d) for d in known], "-", color="0.65", linewidth=3)
    label("least possible", 15, least(15), (7, -7), "0.35")
    axes.fill_between(delays, forward.min(0), forward.max(0), color=INKS[2], alpha=0.2, linewidth=0)
    axes.plot(delays, middle, "o-", color=INKS[2], markersize=4)
    late = len(delays) * 2 // 3
    label("forward, 12 units", delays[late], middle[late], (8, -10), INKS[2])
    both = [one["bidirectional"] for one in found]
    axes.axhspan(min(both), max(both), color=INKS[1], alpha=0.2, linewidth=0)
    axes.axhline(statistics.median(both), color=INKS[1], linestyle="--")
    label("bidirectional, 8 + 8 units, no delay", end / 2, max(both), (0, 4), INKS[1])
    chance = WeightedWindow().chance
    axes.axhline(chance, color="0.35", linestyle=":", linewidth=0.9)
    label("variance of the target", end / 4, chance, (0, 3), "0.35")
    for name, mark, shift in (("backward", "<", (7, -3)), ("merged", "s", (2, -13))):
        y = statistics.median(one[name] for one in found)
        axes.plot([0], [y], mark, color=INKS[0], markersize=5, zorder=3)
        label(name, 0, y, shift)
    axes.set(yscale="log", xlim=(-0.6, end + 0.6), xticks=delays, ylim=(1e-5, 8e-3))
    axes.set(xlabel="output delay (frames)", ylabel="mean squared error")
    return figure
