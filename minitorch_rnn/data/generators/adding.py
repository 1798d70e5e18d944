"""The adding problem: two of many numbers are marked, and their sum is asked for at the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import at_the_end, needs


@dataclass(frozen=True)
class Adding:
    """The adding problem in its present form.

    Each step has a number, uniform in [0, 1), and a mark, 1 at two steps and 0 elsewhere. The first
    mark is anywhere in the first half, the second one anywhere in the second half. The target
    after the last step is the sum of the two marked numbers.

    - Shapes: inputs (T, B, 2), numbers and marks; targets (T, B, 1), nan before the last step.
    - Chance: whoever always says 1 has a mean squared error of 1/6, the variance of the sum.
    - Solved: an error far below that; curves are commonly read off at 0.01 or below.

    Args:
        steps: T, at least 2. The papers take 150 to 750.

    >>> batch = Adding(steps=6).draw(np.random.default_rng(0), 2)
    >>> batch.inputs.shape, batch.inputs[:, :, 1].sum(0).tolist(), batch.count
    ((6, 2, 2), [2.0, 2.0], 2)

    Sources: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, for
    the problem; Arjovsky, Shah and Bengio, "Unitary evolution recurrent neural networks", ICML
    2016, for this form.
    """

    steps: int = 100

    def __post_init__(self) -> None:
        needs("Adding", steps=(self.steps, 2))

    @property
    def chance(self) -> float:
        """The mean squared error of always saying 1: 1/6."""
        return 1 / 6

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        T, each = self.steps, np.arange(batch)
        inputs = np.zeros((T, batch, 2))
        inputs[..., 0] = rng.random((T, batch))
        inputs[rng.integers(0, T // 2, batch), each, 1] = 1
        inputs[rng.integers(T // 2, T, batch), each, 1] = 1
        sums = inputs.prod(axis=2).sum(axis=0)
        return Batch(inputs, at_the_end(sums[:, None], T))


@dataclass(frozen=True)
class Adding1997:
    """The adding problem as it was first posed, experiment 4 of the paper on the LSTM.

    Lengths are uniform from T to T + T/10. Each step has a number, uniform in [-1, 1), and a mark:
    -1 at the first and at the last step, 1 at two steps, 0 elsewhere. One of the marked steps is
    among the first ten; the other is any further one of the first T/2 - 1. The target after the
    last step is 0.5 + (X1 + X2) / 4, with X1 and X2 the marked numbers.

    Where the draw falls on the first step, the paper sets X1 to 0. We read this as: that step
    keeps its -1, and 0 is added for it, whichever of the two draws it was.

    - Shapes: inputs (T', B, 2), numbers and marks, padded with 0 to the longest, T'; targets
      (T', B, 1), nan but for the last step of each sequence.
    - Chance: whoever always says 0.5 has a mean squared error of nearly 1/24; `chance` is exact.
    - Solved, in the paper: the last 2,000 training sequences all had an absolute error below 0.04
      and their mean error was below 0.01; then 2,560 further sequences were counted.

    Args:
        steps: T, at least 24. The paper takes 100, 500 and 1,000.

    >>> batch = Adding1997(steps=100).draw(np.random.default_rng(0), 3)
    >>> batch.lengths.tolist(), batch.inputs[0, :, 1].tolist()
    ([109, 107, 105], [-1.0, -1.0, -1.0])

    Source: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997,
    section 5.4.
    """

    steps: int = 100

    def __post_init__(self) -> None:
        needs("Adding1997", steps=(self.steps, 24))

    @property
    def chance(self) -> float:
        """The mean squared error of always saying 0.5."""
        missing = 0.1 + 0.9 / (self.steps // 2 - 2)  # how many numbers are lost to the first step
        return (2 - missing) / 3 / 16  # a number uniform in [-1, 1) has a variance of 1/3

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        T, each = self.steps, np.arange(batch)
        lengths = rng.integers(T, T + T // 10 + 1, batch)
        longest = int(lengths.max())
        numbers = rng.uniform(-1, 1, (longest, batch))
        first = rng.integers(0, 10, batch)
        second = rng.integers(0, T // 2 - 2, batch)
        second += second >= first  # any but the first one
        marks = np.zeros((longest, batch))
        marks[first, each] = marks[second, each] = 1
        marks[0] = marks[lengths - 1, each] = -1
        answers = 0.5 + np.where(marks == 1, numbers, 0).sum(axis=0) / 4
        numbers[np.arange(longest)[:, None] >= lengths] = 0
        inputs = np.stack([numbers, marks], axis=2)
        return Batch(inputs, at_the_end(answers[:, None], longest, lengths), lengths)
