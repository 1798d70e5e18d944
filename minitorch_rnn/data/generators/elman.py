"""Elman's streams of bits and of letters: part of what comes next can be known, and part cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import needs
from minitorch_rnn.data.sequences import padded
from minitorch_rnn.errors import DataError


@dataclass(frozen=True)
class XorStream:
    """Elman's temporal exclusive-or: two random bits, their exclusive-or, two random bits, …

    The next bit is to be predicted. Nothing marks where a triple begins, so a network has to find
    out, and only each third bit can be predicted.

    - Shapes: inputs and targets (T, B, 1), 0 or 1; nan as the last target.
    - Chance: whoever always says 1/2 has a mean squared error of 1/4.
    - Best possible: 0 at targets t + 1 = 2, 5, 8, … and 1/4 at the others: 1/6 on average.
    - Solved, in the paper: the error, averaged over many places of the stream, goes down at each
      third step. It trains a network of two hidden units on 3,000 bits, 600 times over.

    Args:
        bits: T, at least 3. Elman takes 3,000; B is 1 there.

    >>> batch = XorStream(bits=6).draw(np.random.default_rng(0), 1)
    >>> batch.inputs[:, 0, 0].tolist(), batch.targets[:, 0, 0].tolist()
    ([1.0, 1.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, nan])

    Source: Elman, "Finding structure in time", Cognitive Science 14, 1990.
    """

    bits: int = 3000

    def __post_init__(self) -> None:
        needs("XorStream", bits=(self.bits, 3))

    @property
    def chance(self) -> float:
        """The mean squared error of always saying 1/2: 1/4."""
        return 0.25

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B streams."""
        triples = rng.integers(0, 2, (-(-self.bits // 3), 3, batch)).astype(float)
        triples[:, 2] = triples[:, 0] != triples[:, 1]
        inputs = triples.reshape(-1, batch, 1)[: self.bits]
        return Batch(inputs, _next(inputs))


@dataclass(frozen=True)
class Letters:
    """Elman's letters: the consonants b, d and g at random, each followed by its own vowels.

    b becomes ba, d becomes dii and g becomes guuu. A letter is six bits: consonant, vowel,
    interrupted, high, back, voiced. The next letter is to be predicted. After a consonant all is
    known until the next consonant, of which it is known that it is one and when it comes.

    - Shapes: inputs and targets (T', B, 6), 0 or 1, padded to the longest; nan as the last target.
      With n consonants a stream has from 2n to 4n letters, 3n on average.
    - Chance: whoever always says how often each bit is 1 has the mean squared error `chance`.
    - Solved, in the paper: the error is low at vowels and high at consonants, and low there in
      the bits that all three share. It trains 20 hidden units, 200 times over one stream.

    Args:
        consonants: how many; Elman takes 1,000, and B is 1.

    >>> task = Letters(consonants=3)
    >>> batch = task.draw(np.random.default_rng(0), 1)
    >>> task.decode(batch.inputs[:, 0]), task.decode(batch.targets[:-1, 0])
    ('guuudiidii', 'uuudiidii')

    Source: Elman, "Finding structure in time", Cognitive Science 14, 1990, with the table of bits.
    """

    WORDS: ClassVar[tuple[str, ...]] = ("ba", "dii", "guuu")
    # consonant, vowel, interrupted, high, back, voiced
    VECTORS: ClassVar[dict[str, tuple[int, ...]]] = {
        "b": (1, 0, 1, 0, 0, 1),
        "d": (1, 0, 1, 1, 0, 1),
        "g": (1, 0, 1, 0, 1, 1),
        "a": (0, 1, 0, 0, 1, 1),
        "i": (0, 1, 0, 1, 0, 1),
        "u": (0, 1, 0, 1, 1, 1),
    }

    consonants: int = 1000

    def __post_init__(self) -> None:
        needs("Letters", consonants=(self.consonants, 1))

    @property
    def chance(self) -> float:
        """The mean squared error of always saying the mean of each bit."""
        return float(self.encode("".join(self.WORDS)).var(axis=0).mean())

    def text(self, rng: np.random.Generator) -> str:
        """A stream as text."""
        return "".join(self.WORDS[i] for i in rng.integers(0, 3, self.consonants))

    def encode(self, text: str) -> np.ndarray:
        """The bits of letters, (len(text), 6).

        Raises:
            DataError: naming a letter that has none.
        """
        for c in text:
            if c not in self.VECTORS:
                raise DataError(f"Letters: {c!r} has no bits; letters are {''.join(self.VECTORS)}.")
        return np.array([self.VECTORS[c] for c in text], dtype=float).reshape(-1, 6)

    def decode(self, bits: Iterable[np.ndarray]) -> str:
        """The letters whose bits are nearest, (T, 6) to text; also for what a network says."""
        vectors = np.array(list(self.VECTORS.values()))
        letters = list(self.VECTORS)
        return "".join(letters[int(((vectors - x) ** 2).sum(axis=1).argmin())] for x in bits)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B streams."""
        streams = [self.encode(self.text(rng)) for _ in range(batch)]
        return padded(streams, [_next(x) for x in streams])


def _next(x: np.ndarray) -> np.ndarray:
    """The row after each one, and nan after the last."""
    return np.concatenate([x[1:], np.full_like(x[:1], np.nan)])
