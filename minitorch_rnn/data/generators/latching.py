"""Latching: what came at the beginning decides, and all that follows is noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import at_the_end, needs


@dataclass(frozen=True)
class Latching:
    """One bit of many is to be remembered until the end: the automaton of Lin et al.

    A sequence is T fair bits. Its class, asked for after the last one, is the bit at a place that
    is always the same, the third one in the paper. T stretches the time over which it is to be
    kept.

    The paper was not at hand: the rule is as it is cited elsewhere, the sizes of its data sets are
    left to the caller. Its other problem feeds inputs that are learned themselves; see
    `TwoSequences` for the one of that kind with data.

    - Shapes: inputs (T, B), whole numbers 0 and 1; targets (T, B), -100 before the last step.
    - Chance: half of the answers wrong; ln 2 nats.
    - Solved: no answer wrong on sequences that were not trained on. The question is up to
      which T.

    Args:
        steps: T.
        place: of the bit that decides, from 1 to T.

    >>> batch = Latching(steps=6).draw(np.random.default_rng(2), 1)
    >>> batch.inputs[:, 0].tolist(), batch.targets[:, 0].tolist()
    ([1, 0, 0, 0, 0, 1], [-100, -100, -100, -100, -100, 0])

    Source: Lin, Horne, Tino and Giles, "Learning long-term dependencies in NARX recurrent neural
    networks", IEEE Transactions on Neural Networks 7, 1996.
    """

    steps: int = 20
    place: int = 3

    def __post_init__(self) -> None:
        needs("Latching", place=(self.place, 1), steps=(self.steps, self.place))

    @property
    def chance(self) -> float:
        """The mean cross entropy of guessing: ln 2 nats."""
        return math.log(2)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        bits = rng.integers(0, 2, (self.steps, batch))
        return Batch(bits, at_the_end(bits[self.place - 1], self.steps))


@dataclass(frozen=True)
class TwoSequences:
    """The two-sequence problem: the sign of the first numbers is to be remembered through noise.

    The first N numbers are 1 in sequences of class 1 and -1 in those of class 0; both are equally
    likely. All others are normal with mean 0 and variance 0.2. Lengths are uniform from T to
    T + T/10. The class is asked for after the last step.

    - Shapes: inputs (T', B, 1), padded with 0 to the longest, T'; targets (T', B), whole
      numbers 0 and 1 at the last step of each sequence, -100 elsewhere.
    - Chance: half of the answers wrong; ln 2 nats.
    - Solved, in the paper: an error below 0.2 at the end of each of 2,560 sequences, by a
      single output between 0 and 1.

    Args:
        steps: T. The paper takes 100 and 1,000.
        telling: N. The paper takes 3 and 1.
        noisy: whether the same noise is added to the first N as well, experiment 3b.

    >>> batch = TwoSequences(steps=10, telling=2).draw(np.random.default_rng(0), 2)
    >>> batch.inputs[:2, :, 0].tolist(), batch.targets.max(axis=0).tolist()
    ([[1.0, -1.0], [1.0, -1.0]], [1, 0])

    Sources: Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent is
    difficult", IEEE Transactions on Neural Networks 5, 1994; in this form Hochreiter and
    Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, section 5.3.
    """

    steps: int = 100
    telling: int = 3
    noisy: bool = False

    def __post_init__(self) -> None:
        needs("TwoSequences", telling=(self.telling, 1), steps=(self.steps, self.telling))

    @property
    def chance(self) -> float:
        """The mean cross entropy of guessing: ln 2 nats."""
        return math.log(2)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        T, N = self.steps, self.telling
        lengths = rng.integers(T, T + T // 10 + 1, batch)
        longest = int(lengths.max())
        kind = rng.integers(0, 2, batch)
        inputs = rng.normal(0, math.sqrt(0.2), (longest, batch))
        inputs[:N] = 2 * kind - 1 + (inputs[:N] if self.noisy else 0)
        inputs[np.arange(longest)[:, None] >= lengths] = 0
        return Batch(inputs[..., None], at_the_end(kind, longest, lengths), lengths)
