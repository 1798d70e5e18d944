"""The temporal order problem: in what order did the few symbols that matter come?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minitorch_rnn.data.batch import IGNORED, Batch
from minitorch_rnn.data.generators.drawn import at_the_end, needs

# Where the symbols that matter may be, in hundredths of T.
WINDOWS = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}


@dataclass(frozen=True)
class TemporalOrder:
    """The temporal order problem, experiments 6a and 6b of the paper on the LSTM.

    A sequence begins with E and ends with B. Between them are the letters a, b, c and d at random,
    but for two or three places that hold X or Y. Which ones, in their order, is the class: with
    two, XX, XY, YX and YY are 0 to 3; with three, XXX to YYY are 0 to 7.

    Lengths are uniform from T to T + T/10. Counted from 0, the places are uniform, ends included,
    in [T/10, T/5] and [T/2, 3T/5] with two, and in [T/10, T/5], [33T/100, 43T/100] and
    [66T/100, 76T/100] with three. At T = 100 these are the paper's. Other T are ours.

    - Shapes: inputs (T', B), whole numbers below 8 for E B X Y a b c d, padded with 0 to the
      longest, T'; targets (T', B), the class at the last step of each sequence and -100 elsewhere.
    - Chance: 3/4 of the answers wrong with two, 7/8 with three; ln 4 or ln 8 nats.
    - Solved, in the paper: the last 2,000 training sequences all had an error below 0.3 at every
      output unit and their mean error was below 0.1; then 2,560 further sequences were counted.

    Args:
        symbols: 2 or 3 places that matter.
        steps: T, at least 10.

    >>> task = TemporalOrder(symbols=2, steps=10)
    >>> batch = task.draw(np.random.default_rng(1), 2)
    >>> [task.text(batch, b) for b in range(2)], batch.targets.max(axis=0).tolist()
    (['EYdadXbcaB', 'EaXbbXbcadB'], [2, 0])

    Source: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997,
    section 5.6.
    """

    ALPHABET: ClassVar[str] = "EBXYabcd"

    symbols: int = 2
    steps: int = 100

    def __post_init__(self) -> None:
        needs("TemporalOrder", steps=(self.steps, 10))
        if self.symbols not in WINDOWS:
            raise ValueError(f"TemporalOrder: symbols is {self.symbols!r}; 2 or 3 is needed.")

    @property
    def classes(self) -> int:
        """How many orders there are: 4 or 8."""
        return 1 << self.symbols

    @property
    def chance(self) -> float:
        """The mean cross entropy of guessing, in nats."""
        return math.log(self.classes)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        T, each = self.steps, np.arange(batch)
        lengths = rng.integers(T, T + T // 10 + 1, batch)
        longest = int(lengths.max())
        inputs = rng.integers(4, 8, (longest, batch))
        order = np.zeros(batch, dtype=int)
        for first, last in WINDOWS[self.symbols]:
            which = rng.integers(0, 2, batch)
            place = rng.integers(first * T // 100, last * T // 100 + 1, batch)
            inputs[place, each] = self.ALPHABET.index("X") + which
            order = 2 * order + which
        inputs[lengths - 1, each] = self.ALPHABET.index("B")
        inputs[0] = self.ALPHABET.index("E")
        inputs[np.arange(longest)[:, None] >= lengths] = 0
        return Batch(inputs, at_the_end(order, longest, lengths), lengths)

    def text(self, batch: Batch, b: int) -> str:
        """Sequence b of a batch in letters, to be looked at."""
        end = int(np.flatnonzero(batch.targets[:, b] != IGNORED)[0])
        return "".join(self.ALPHABET[i] for i in batch.inputs[: end + 1, b])
