"""A weighted mean of what came and what is to come: a task for a network that reads both ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import needs

# Of x(t-9), …, x(t+19); that of x(t-10) is 0.
_WEIGHTS = np.concatenate([(1 - np.arange(9, 0, -1) / 10) / 10, (1 - np.arange(20) / 20) / 20])


@dataclass(frozen=True)
class WeightedWindow:
    """A weighted sum over ten steps of the past and twenty from now on.

        y(t) = 1/10 sum_{d=1}^{10} (1 - d/10) x(t-d)  +  1/20 sum_{d=0}^{19} (1 - d/20) x(t+d)

    x is uniform in [0, 1). A network that reads forward sees its own side of the window alone; it
    is the better the later it may answer, up to 20 steps.

    The formula is quoted from memory of the paper, which was not at hand. Where the window goes
    beyond the sequence, the target is nan: what the paper does there we do not know.

    - Shapes: inputs (T, B, 1); targets (T, B, 1), nan in the first 9 and the last 19 steps.
    - Chance: whoever always says the mean has `chance` as mean squared error.
    - A network that knows the past and the present alone cannot be below `least()`, and one that
      answers d steps later not below `least(d)`.
    - Solved: an error far below `least()`.

    Args:
        steps: T, at least 29. The paper's stream has 10,000 steps.

    >>> task = WeightedWindow(steps=40)
    >>> batch = task.draw(np.random.default_rng(0), 1)
    >>> batch.count, round(task.chance, 5), round(task.least(), 5)
    (12, 0.00387, 0.00129)

    Source: Schuster and Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions on
    Signal Processing 45, 1997.
    """

    steps: int = 10_000

    def __post_init__(self) -> None:
        needs("WeightedWindow", steps=(self.steps, 29))

    @property
    def chance(self) -> float:
        """The variance of y: the mean squared error of always saying its mean."""
        return float((_WEIGHTS**2).sum() / 12)  # a number uniform in [0, 1) has a variance of 1/12

    def least(self, delay: int = 0) -> float:
        """The least mean squared error of whoever knows x up to t + delay alone; 0 from 19 on.

        Raises:
            ValueError: if the delay is below 0.
        """
        needs("WeightedWindow.least", delay=(delay, 0))
        return float((_WEIGHTS[10 + delay :] ** 2).sum() / 12)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        x = rng.random((self.steps, batch))
        y = np.full_like(x, np.nan)
        whole = np.lib.stride_tricks.sliding_window_view(x, len(_WEIGHTS), axis=0)
        y[9 : 9 + len(whole)] = whole @ _WEIGHTS
        return Batch(x[..., None], y[..., None])
