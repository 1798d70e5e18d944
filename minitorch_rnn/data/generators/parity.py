"""Parity: was the number of ones odd?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import at_the_end, needs


@dataclass(frozen=True)
class Parity:
    """The parity of fair bits: y(t) = x(0) xor … xor x(t).

    Asked for at every step it is a machine of two states, easily learned; asked for at the end
    alone, it is the hardest of all tasks by gradients, because any single bit that is not taken
    into account leaves no better answer than a guess.

    - Shapes: inputs and targets (T, B), whole numbers 0 and 1; -100 where nothing is asked.
    - Chance: half of the answers wrong; ln 2 nats.
    - Solved: no answer wrong, at longer T than was trained as well. There is nothing between a
      guess and the solution that would generalise.

    Args:
        steps: T, at least 1.
        running: whether the parity so far is asked for at every step, or at the last one alone.

    >>> batch = Parity(steps=6).draw(np.random.default_rng(2), 1)
    >>> batch.inputs[:, 0].tolist(), batch.targets[:, 0].tolist()
    ([1, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 0])

    Sources: Minsky and Papert, "Perceptrons", 1969, for parity; Bengio, Simard and Frasconi,
    "Learning long-term dependencies with gradient descent is difficult", IEEE Transactions on
    Neural Networks 5, 1994, for parity at the end of a sequence, there with inputs of -1 and 1.
    """

    steps: int = 20
    running: bool = True

    def __post_init__(self) -> None:
        needs("Parity", steps=(self.steps, 1))

    @property
    def chance(self) -> float:
        """The mean cross entropy of guessing: ln 2 nats."""
        return math.log(2)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        bits = rng.integers(0, 2, (self.steps, batch))
        parity = np.cumsum(bits, axis=0) % 2
        return Batch(bits, parity if self.running else at_the_end(parity[-1], self.steps))
