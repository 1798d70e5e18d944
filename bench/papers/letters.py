"""Elman's letters: b, d and g come at random, and each brings its own vowels: ba, dii, guuu.

A letter is six bits: consonant, vowel, interrupted, high, back, voiced. A network of 20 hidden
units, which sees a clone of its last hidden state beside the letter, is to say the next letter.
Look at where it errs. Vowels follow from what came, and their number as well. So it is known when
the next consonant comes, and not which one. The error over all bits is low at vowels and high at
consonants; but the bit "consonant" (1) is known even there, and "high" (4), which d has and b and
g have not, is not known. To know when a consonant comes a network needs its past: after an i comes
another i or a consonant, and the i alone does not tell which.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minitorch_rnn as mt
from bench.papers.look import INKS, WIDTH
from bench.papers.result import Finding, Paper
from minitorch_rnn import nn, training
from minitorch_rnn.data import Streams
from minitorch_rnn.data.generators import Letters

PAPER = Paper(
    title="Letters in words: what can be predicted, and what cannot",
    source="Elman, Finding structure in time, Cognitive Science 14, 1990; letter sequences,"
    " figures 4 and 5",
    claim="After 200 passes over a stream of 1,000 consonants and their vowels the error is low at"
    " vowels and high at consonants. At consonants bit 1 (consonant) has a low error and bit 4"
    " (high) a high one: the network knows that a consonant comes, and not which.",
    seen="The text beside figures 4 and 5 (page 189), in a copy on the web; it says only low"
    " and high. The heights of the curves were not seen, so the bands are ours, around what the"
    " words allow exactly; that of bit 4 parts what can be known from being too sure, not from a"
    " coin, whose error is 0.5. The sizes and the 200 passes are from memory, not checked.",
    ours="6-20-6 with 20 context units that start at 0.5, logistic units, the clone link blocked;"
    " squared error, 200 passes over one stream of 1,000 consonants. Judged on another stream.",
    differs=(
        "Adam with a rate of 0.01 in place of backpropagation with a fixed rate, which was not"
        " seen.",
        "The stream is read in 10 pieces side by side and the weights change every 10 letters"
        " of each. Over a blocked link that is the mean of the gradients of the single letters.",
        "The errors are those on a stream that the network was not trained on.",
    ),
    caption="Root mean squared error at 25 consecutive letters, each named by what was to be"
    " predicted (seed 0): over all six bits, of bit 1 (consonant), and of bit 4 (high)."
    " Dashed: the best that can be said from the last letter alone, without a memory.",
    seeds=6,
)
_CONSONANT, _HIGH = 0, 3  # bits 1 and 4, counted from 0
_SHOWN = 25  # letters, in the picture


class _NextLetter(training.Task):
    """The six bits of the next letter, under squared error."""

    def loss(self, batch: Any, state: Any) -> tuple[Any, Any]:
        Y, state = self.model(batch.inputs, {"h": 0.5} if state is None else state)
        return nn.mse_loss(Y, batch.targets), state


def run(seed: int, *, consonants: int = 1000, passes: int = 200) -> dict[str, Any]:
    """One seed: train, and measure on a new stream; with the errors of its first letters."""
    letters = Letters(consonants)
    x = letters.encode(letters.text(np.random.default_rng([seed, 0])))
    streams = Streams.of_series(x[:-1], x[1:], batch=10, steps=min(10, len(x) // 10 - 1))
    column = mt.column.elman(
        6, 20, 6, activation="sigmoid", output_activation="sigmoid", history="given"
    )
    network = nn.ColumnNetwork(column, rng=np.random.default_rng([seed, 1]))
    task = _NextLetter(network, lambda epoch: streams, [])
    optimizer = mt.optim.Adam(network.parameters(), lr=0.01)
    training.Trainer(task, optimizer, max_norm=math.inf).run(epochs=passes)

    text = letters.text(np.random.default_rng([seed, 2]))
    x = letters.encode(text)
    with mt.no_grad():
        Y, _ = network(x[:-1], {"h": 0.5})
    squared = (Y.numpy() - x[1:]) ** 2
    vowel = x[1:, _CONSONANT] == 0
    alone = _letter_alone()
    beside = np.array([alone[pair] for pair in zip(text[:_SHOWN], text[1:], strict=False)])
    return {
        **_figures(squared, vowel),
        "letters": text[1 : _SHOWN + 1],
        "errors": _curves(squared[:_SHOWN]),
        "letter_alone": _curves(beside),
    }


def _figures(squared: np.ndarray, vowel: np.ndarray) -> dict[str, float]:
    """Root mean squared errors, (N, 6) squared ones given, at vowels and at consonants."""
    return {
        "vowels": float(np.sqrt(squared[vowel].mean())),
        "consonants": float(np.sqrt(squared[~vowel].mean())),
        "bit 1": float(np.sqrt(squared[~vowel, _CONSONANT].mean())),
        "bit 4": float(np.sqrt(squared[~vowel, _HIGH].mean())),
    }


def _curves(squared: np.ndarray) -> list[list[float]]:
    """The errors over all bits, of bit 1, and of bit 4, letter by letter."""
    parts = squared.mean(axis=1), squared[:, _CONSONANT], squared[:, _HIGH]
    return [np.sqrt(part).round(4).tolist() for part in parts]


def _steps() -> list[tuple[str, str, float]]:
    """All that happens in a stream: (the word so far, the next letter, how often in a word)."""
    inside = [(w[:i], w[i], 1 / 3) for w in Letters.WORDS for i in range(1, len(w))]
    return inside + [(w, next_[0], 1 / 9) for w in Letters.WORDS for next_ in Letters.WORDS]


def _best(memory: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least expected squared errors, from the word so far or from its last letter alone.

    Returns:
        (steps, 6) squared errors, whether a vowel was to be said, and how often that is.
    """
    seen = [so_far if memory else so_far[-1] for so_far, _, _ in _steps()]
    D = np.array([Letters.VECTORS[letter] for _, letter, _ in _steps()], dtype=float)
    often = np.array([share for _, _, share in _steps()])
    same = np.array([[a == b for b in seen] for a in seen]) * often
    means = same @ D / same.sum(axis=1, keepdims=True)
    return (means - D) ** 2, D[:, _CONSONANT] == 0, often


def _letter_alone() -> dict[tuple[str, str], np.ndarray]:
    """The squared errors of the best prediction without a memory, by last and next letter."""
    squared, _, _ = _best(memory=False)
    return {(s[-1], letter): e for (s, letter, _), e in zip(_steps(), squared, strict=True)}


def exact(memory: bool) -> dict[str, float]:
    """The figures of the best prediction there is, with a memory of the word or without.

    >>> {name: round(error, 3) for name, error in exact(memory=True).items()}
    {'vowels': 0.0, 'consonants': 0.272, 'bit 1': 0.0, 'bit 4': 0.471}
    """
    squared, vowel, often = _best(memory)
    times = np.rint(often * 9).astype(int)  # as so many equal steps
    return _figures(squared.repeat(times, axis=0), vowel.repeat(times))


def findings(found: list[dict[str, Any]]) -> list[Finding]:
    """Errors at vowels and consonants, between what is possible and what needs no memory."""
    best, alone = exact(memory=True), exact(memory=False)
    bands = {
        "vowels": ("low", None, 0.1),
        "consonants": ("high", 0.25, 0.3),
        "bit 1": ("low", None, 0.1),
        "bit 4": ("high", 0.44, 0.5),
    }
    what = {
        "vowels": "RMSE at vowels, all bits",
        "consonants": "RMSE at consonants, all bits",
        "bit 1": "RMSE of bit 1 (consonant) at consonants",
        "bit 4": "RMSE of bit 4 (high) at consonants",
    }
    return [
        Finding(
            f"{what[name]} (best possible {best[name]:.3f}; best from the last letter alone"
            f" {alone[name]:.3f})",
            paper,
            tuple(one[name] for one in found),
            least,
            most,
        )
        for name, (paper, least, most) in bands.items()
    ]


def draw(found: list[dict[str, Any]]) -> Any:
    """The error at consecutive letters, in all bits and in two of them; seed 0."""
    import matplotlib.pyplot as plt
    from matplotlib.patheffects import withStroke

    one = found[0]
    titles = "all six bits", "bit 1, consonant", "bit 4, high"
    figure, all_axes = plt.subplots(3, 1, figsize=(WIDTH, 5.6), sharex=True, sharey=True)
    steps = range(1, len(one["letters"]) + 1)
    for axes, title, ours, alone in zip(
        all_axes, titles, one["errors"], one["letter_alone"], strict=True
    ):
        axes.plot(steps, alone, "--", color=INKS[1], label="best from the last letter alone")
        axes.plot(steps, ours, "-", color=INKS[0], label="Elman's network")
        for step, letter, error in zip(steps, one["letters"], ours, strict=True):
            axes.annotate(
                letter,
                (step, error),
                (0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=11,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylabel("RMS error")
    all_axes[0].set_ylim(-0.03, 1)
    all_axes[0].legend(loc="upper right", ncol=2)
    all_axes[-1].set_xlabel("letter to be predicted")
    return figure
