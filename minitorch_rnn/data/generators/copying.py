"""The copying problem: a row of symbols is to be said again, after a long wait."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import needs


@dataclass(frozen=True)
class Copying:
    """The copying problem, or the copying memory task.

    The inputs are 10 symbols out of 8, drawn independently, then T - 1 blanks, then the delimiter
    that asks for the copy, then 10 blanks: T + 20 steps. The targets are T + 10 blanks, then the
    10 symbols in their order. The 8 symbols are the numbers 0 to 7, the blank is 8 and the
    delimiter is 9.

    - Shapes: inputs and targets (T + 20, B), whole numbers; 10 different ones in the inputs, 9
      in the targets. A target is asked for at every step.
    - Chance: without a memory, blanks are certain and symbols are guessed: a cross entropy of
      10 ln 8 / (T + 20) nats a step.
    - Solved: a loss far below that, towards 0. At a right answer all 10 symbols are right.

    Args:
        steps: T, how long is waited, at least 1. The paper takes 100, 200, 300 and 500.
        copied: how many symbols there are to remember.
        letters: out of how many.

    >>> batch = Copying(steps=3, copied=2).draw(np.random.default_rng(0), 1)
    >>> batch.inputs[:, 0].tolist(), batch.targets[:, 0].tolist()
    ([6, 5, 8, 8, 9, 8, 8], [8, 8, 8, 8, 8, 6, 5])

    Sources: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, for
    the idea; Arjovsky, Shah and Bengio, "Unitary evolution recurrent neural networks", ICML 2016,
    for this form.
    """

    steps: int = 100
    copied: int = 10
    letters: int = 8

    def __post_init__(self) -> None:
        needs("Copying", steps=(self.steps, 1), copied=(self.copied, 1), letters=(self.letters, 2))

    @property
    def symbols(self) -> int:
        """How many symbols the inputs have."""
        return self.letters + 2

    @property
    def classes(self) -> int:
        """How many symbols the targets have: there is no delimiter."""
        return self.letters + 1

    @property
    def chance(self) -> float:
        """The mean cross entropy in nats without a memory."""
        return self.copied * math.log(self.letters) / (self.steps + 2 * self.copied)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        n, blank = self.copied, self.letters
        copied = rng.integers(0, self.letters, (n, batch))
        inputs = np.full((self.steps + 2 * n, batch), blank)
        targets = inputs.copy()
        inputs[:n] = targets[-n:] = copied
        inputs[-n - 1] = blank + 1
        return Batch(inputs, targets)
