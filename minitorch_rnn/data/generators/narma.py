"""NARMA10: a nonlinear system with a memory of ten steps, driven by noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import needs


@dataclass(frozen=True)
class Narma10:
    """The system of order ten, to be identified from what drives it.

        y(t+1) = 0.3 y(t) + 0.05 y(t) [y(t) + … + y(t-9)] + 1.5 u(t-9) u(t) + 0.1

    u is uniform in [0, 0.5), and all is 0 before t = 0. At step t the input is u(t) and the target
    is y(t+1). Once in some 200,000 steps y runs away to infinity. A sequence in which it comes
    above 2 is drawn anew; the source says nothing of it.

    - Shapes: inputs and targets (T, B, 1).
    - Chance: whoever always says the mean has the variance of y as mean squared error, about
      0.012 once the first ten steps are over.
    - Solved: papers give the root of the mean squared error divided by the standard deviation
      (NRMSE): 1 for the mean, about 0.4 for the best linear network without feedback, below 0.1
      for a good one. They often leave out the first hundred steps or so.

    Args:
        steps: T, up to 100,000: far longer ones would hardly ever stay finite.

    >>> batch = Narma10(steps=300).draw(np.random.default_rng(0), 4)
    >>> batch.inputs.shape, bool(batch.targets.max() < 1), batch.targets[0].round(3).tolist()
    ((300, 4, 1), True, [[0.1], [0.1], [0.1], [0.1]])

    Source: Atiya and Parlos, "New results on recurrent network training: unifying the algorithms
    and accelerating convergence", IEEE Transactions on Neural Networks 11, 2000.
    """

    steps: int = 500

    def __post_init__(self) -> None:
        needs("Narma10", steps=(self.steps, 1))
        if self.steps > 100_000:
            raise ValueError(f"Narma10: steps is {self.steps}; at most 100,000 are possible.")

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B sequences."""
        u = rng.uniform(0, 0.5, (self.steps, batch))
        y = _response(u)
        while (away := ~(y <= 2).all(axis=0)).any():  # nan is not below 2 either
            u[:, away] = rng.uniform(0, 0.5, (self.steps, np.count_nonzero(away)))
            y[:, away] = _response(u[:, away])
        return Batch(u[..., None], y[..., None])


def _response(u: np.ndarray) -> np.ndarray:
    """y(1), …, y(T) for u(0), …, u(T-1): (T, B) both."""
    T, B = u.shape
    before = np.concatenate([np.zeros((9, B)), u])  # before[t] is u(t-9)
    y = np.zeros((T + 10, B))  # y[t + 9] is y(t)
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(T):
            last = y[t + 9]
            y[t + 10] = 0.3 * last + 0.05 * last * y[t : t + 10].sum(axis=0) + 0.1
            y[t + 10] += 1.5 * before[t] * u[t]
    return y[10:]
