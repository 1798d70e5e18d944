"""Elman's sentences: a small lexicon, sixteen templates, and no mark where a sentence ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from minitorch_rnn.data.batch import IGNORED, Batch
from minitorch_rnn.data.generators.drawn import needs
from minitorch_rnn.data.sequences import padded
from minitorch_rnn.errors import DataError

_HUMAN = ("man", "woman", "boy", "girl")
_AGGRESSIVE = ("dragon", "monster", "lion")
_FRAGILE = ("glass", "plate")
_FOOD = ("cookie", "bread", "sandwich")

CATEGORIES: dict[str, tuple[str, ...]] = {
    "NOUN-HUM": _HUMAN,
    "NOUN-ANIM": (*_HUMAN, *_AGGRESSIVE, "cat", "mouse", "dog"),
    "NOUN-INANIM": (*_FRAGILE, *_FOOD, "book", "rock", "car"),
    "NOUN-AGRESS": _AGGRESSIVE,
    "NOUN-FRAG": _FRAGILE,
    "NOUN-FOOD": _FOOD,
    "VERB-INTRAN": ("think", "sleep", "exist"),
    "VERB-TRAN": ("see", "chase", "like"),
    "VERB-AGPAT": ("move", "break"),
    "VERB-PERCEPT": ("smell", "see"),
    "VERB-DESTROY": ("break", "smash"),
    "VERB-EAT": ("eat",),
}

TEMPLATES: tuple[tuple[str, ...], ...] = (
    ("NOUN-HUM", "VERB-EAT", "NOUN-FOOD"),
    ("NOUN-HUM", "VERB-PERCEPT", "NOUN-INANIM"),
    ("NOUN-HUM", "VERB-DESTROY", "NOUN-FRAG"),
    ("NOUN-HUM", "VERB-INTRAN"),
    ("NOUN-HUM", "VERB-TRAN", "NOUN-HUM"),
    ("NOUN-HUM", "VERB-AGPAT", "NOUN-INANIM"),
    ("NOUN-HUM", "VERB-AGPAT"),
    ("NOUN-ANIM", "VERB-EAT", "NOUN-FOOD"),
    ("NOUN-ANIM", "VERB-TRAN", "NOUN-ANIM"),
    ("NOUN-ANIM", "VERB-AGPAT", "NOUN-INANIM"),
    ("NOUN-ANIM", "VERB-AGPAT"),
    ("NOUN-INANIM", "VERB-AGPAT"),
    ("NOUN-AGRESS", "VERB-DESTROY", "NOUN-FRAG"),
    ("NOUN-AGRESS", "VERB-EAT", "NOUN-HUM"),
    ("NOUN-AGRESS", "VERB-EAT", "NOUN-ANIM"),
    ("NOUN-AGRESS", "VERB-EAT", "NOUN-FOOD"),
)


@dataclass(frozen=True)
class Sentences:
    """Elman's sentences: two or three words each, one after the other without a mark between them.

    For each sentence one of the sixteen templates is drawn, then a word of each of its categories;
    all are equally likely. The next word is to be predicted. It cannot be, but how likely each word
    is can: see `likelihoods`.

    Templates, names of categories and the 29 words are the paper's. Which words are in which
    category it shows by examples only: that people and aggressors are animate, that food and what
    is fragile are inanimate, and where the words stand of which it gives no example, is our
    reading.

    - Shapes: inputs and targets (T', B), whole numbers below 29, in the order of `WORDS`;
      -100 as the last target, and where a stream is padded with 0 to the longest.
      With n sentences a stream has 2.75 n words on average; Elman's had 27,534.
    - Chance: ln 29 = 3.37 nats for a guess.
    - Best possible loss: that of `likelihoods`, about 2.09 nats.
    - Solved, in the paper: the outputs are near the likelihoods, at an RMS error of 0.053 and a
      mean cosine of 0.916, while they are 0.88 from the words that came, which are 0.89 from our
      likelihoods; and the mean hidden states of the words fall into clusters by category. It
      trains 150 hidden units, 6 times over one stream; a word is one of 31 bits there.

    Args:
        sentences: how many there are in a stream; Elman takes 10,000, and B is 1.

    >>> task = Sentences(sentences=3)
    >>> batch = task.draw(np.random.default_rng(0), 1)
    >>> " ".join(task.WORDS[i] for i in batch.inputs[:, 0])
    'dragon eat girl dog break monster like mouse'

    Source: Elman, "Finding structure in time", Cognitive Science 14, 1990.
    """

    WORDS: ClassVar[tuple[str, ...]] = tuple(sorted({w for c in CATEGORIES.values() for w in c}))

    sentences: int = 10_000

    def __post_init__(self) -> None:
        needs("Sentences", sentences=(self.sentences, 1))

    @property
    def chance(self) -> float:
        """The cross entropy of a guess: ln 29 nats."""
        return float(np.log(len(self.WORDS)))

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B streams."""
        streams = [self._stream(rng) for _ in range(batch)]
        return padded(streams, [np.append(x[1:], IGNORED) for x in streams])

    def _stream(self, rng: np.random.Generator) -> np.ndarray:
        """The numbers of all words of one stream."""
        kinds = rng.integers(0, len(TEMPLATES), self.sentences).tolist()
        places = rng.random((self.sentences, 3)).tolist()  # the third is idle where there are two
        row: list[str] = []
        for kind, among in zip(kinds, places, strict=True):
            for category, u in zip(TEMPLATES[kind], among, strict=False):
                words = CATEGORIES[category]
                row.append(words[int(u * len(words))])
        numbers = {word: i for i, word in enumerate(self.WORDS)}
        return np.array([numbers[word] for word in row], dtype=np.int64)

    def likelihoods(self, inputs: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """P(next word | all words since the start), (T, B) to (T, B, 29).

        The sum over all the ways in which the words so far can be parted into sentences; the paper
        counts in its stream what follows each beginning of a sentence instead, with the sentences
        known. Each row sums to 1; after the end of a stream it is 0.

        Args:
            inputs: numbers of words, that begin with a sentence.
            lengths: (B,), or None where all streams are T words long.

        Raises:
            DataError: naming the word that cannot follow.

        >>> task = Sentences()
        >>> words = [[task.WORDS.index(w)] for w in ("boy", "eat")]
        >>> p = task.likelihoods(np.array(words))[1, 0]
        >>> [task.WORDS[i] for i in np.flatnonzero(p)], p.max().round(3).item()
        (['bread', 'cookie', 'sandwich'], 0.333)
        """
        first, follows, says = _automaton()
        belief = np.tile(first, (inputs.shape[1], 1))  # (B, slots): which slot the word is for
        y = np.empty((*inputs.shape, len(self.WORDS)))
        for t, row in enumerate(inputs):
            belief = belief * says[:, row].T
            total = belief.sum(axis=1, keepdims=True)
            over = np.zeros_like(total, bool) if lengths is None else lengths[:, None] <= t
            if not ((total > 0) | over).all():
                b = int(np.argmin(total + over))
                raise DataError(
                    f"Sentences: at step {t} of sequence {b} is {self.WORDS[int(row[b])]!r}, which "
                    "cannot follow the words before it."
                )
            belief = belief / np.where(over, np.inf, total) @ follows
            y[t] = belief @ says
        return y


@cache
def _automaton() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The stream as a hidden Markov chain over the 44 slots of all templates.

    Returns:
        P(first slot), (44,); P(next slot | slot), (44, 44); P(word | slot), (44, 29).
    """
    slots = [(template, i) for template in TEMPLATES for i in range(len(template))]
    first = np.array([i == 0 for _, i in slots]) / len(TEMPLATES)
    follows = np.eye(len(slots), k=1)
    says = np.zeros((len(slots), len(Sentences.WORDS)))
    for s, (template, i) in enumerate(slots):
        if i == len(template) - 1:
            follows[s] = first
        words = CATEGORIES[template[i]]
        says[s, [Sentences.WORDS.index(w) for w in words]] = 1 / len(words)
    return first, follows, says
