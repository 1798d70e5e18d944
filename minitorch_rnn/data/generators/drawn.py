"""Drawn: batches that are made of random numbers when they are asked for, for any task.

A task is whatever has a function that draws B sequences of it; here is what all of them share.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minitorch_rnn.data.batch import IGNORED, Batch, Batches

Draw = Callable[[np.random.Generator, int], Batch]


class Drawn:
    """A task as data to train on or to be judged by: `drawn(epoch)` is a list of batches.

    Batch i of an epoch is drawn from the generator np.random.default_rng([seed, epoch, i]), when it
    is asked for. So it is the same one whenever and in whatever order it is asked for, and nothing
    is kept in memory.

    Args:
        draw: what draws B sequences: `(rng, B) -> Batch`, for instance `Adding(100).draw`.
        batch: B.
        batches: the number of batches in an epoch.
        seed: of all numbers drawn. What a network is judged by needs another one than what it is
            trained on.
        anew: False for a training set that is drawn once: every epoch is epoch 0.

    >>> from minitorch_rnn.data.generators import Parity
    >>> drawn = Drawn(Parity(steps=5).draw, batch=3, batches=10, seed=1)
    >>> len(drawn(epoch=2)), drawn(2)[7].inputs.shape
    (10, (5, 3))
    """

    def __init__(
        self, draw: Draw, batch: int, batches: int, seed: int = 0, *, anew: bool = True
    ) -> None:
        needs("Drawn", batch=(batch, 1), batches=(batches, 1))
        self.draw = draw
        self.batch = batch
        self.batches = batches
        self.seed = seed
        self.anew = anew

    def __call__(self, epoch: int = 0) -> Batches:
        """The batches of an epoch; epochs count from 0."""
        return Batches(self.batches, partial(self._batch, epoch if self.anew else 0))

    def _batch(self, epoch: int, i: int) -> Batch:
        return self.draw(np.random.default_rng([self.seed, epoch, i]), self.batch)


def needs(who: str, **values: tuple[float, float]) -> None:
    """That each value, given as (value, least), is not below what is needed at least.

    Raises:
        ValueError: naming the one that is.

    >>> needs("Parity", steps=(0, 1))
    Traceback (most recent call last):
        ...
    ValueError: Parity: steps is 0; at least 1 is needed.
    """
    for name, (value, least) in values.items():
        if not value >= least:
            raise ValueError(f"{who}: {name} is {value}; at least {least} is needed.")


def at_the_end(answers: np.ndarray, steps: int, lengths: np.ndarray | None = None) -> np.ndarray:
    """Targets that ask for an answer after the last step of each sequence, and for nothing before.

    Args:
        answers: (B,) whole numbers, or (B, O) figures.
        steps: T.
        lengths: (B,), or None where all are T steps long.

    >>> at_the_end(np.array([7, 8]), 3, np.array([3, 2])).tolist()
    [[-100, -100], [-100, 8], [7, -100]]
    """
    filling: Any = np.nan if answers.ndim > 1 else IGNORED
    y = np.full((steps, *answers.shape), filling, answers.dtype)
    y[steps - 1 if lengths is None else lengths - 1, np.arange(len(answers))] = answers
    return y
