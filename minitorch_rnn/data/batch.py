"""Batch: the data of one training step; Batches: those of an epoch, each made when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, overload

import numpy as np

IGNORED = -100  # a whole number as target where nothing is asked, as in `cross_entropy`


class Batch(NamedTuple):
    """B sequences of up to T steps, and what a network should say to them.

    Attributes:
        inputs: (T, B) whole numbers, or (T, B, I) figures.
        targets: (T, B) whole numbers, -100 where nothing is asked; or (T, B, O) figures, nan where
            nothing is asked.
        lengths: (B,), or None where all are T steps long.
        fresh: whether the state starts anew; False where these are the streams of the batch
            before, which go on.

    >>> batch = Batch(np.array([[1, 2], [3, 0]]), np.array([[2, 4], [3, -100]]), np.array([2, 1]))
    >>> batch.count, batch.shard(1, 2).targets.tolist(), batch.shard(1, 2).count
    (3, [[4], [-100]], 1)
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray | None = None
    fresh: bool = True

    @property
    def size(self) -> int:
        """B, the number of sequences."""
        return int(self.targets.shape[1])

    @property
    def count(self) -> int:  # type: ignore[override]  # in place of tuple's method
        """The number of targets that are asked for: what a mean of the loss is taken over."""
        asked = (
            ~np.isnan(self.targets) if self.targets.dtype.kind == "f" else self.targets != IGNORED
        )
        return int(np.count_nonzero(asked))

    def shard(self, rank: int, size: int) -> Batch:
        """The sequences of process `rank` of `size`: neighbours, as many for each as can be.

        With fewer sequences than processes, some get none: B = 0.
        """
        if size == 1:
            return self
        B = self.size
        mine = slice(rank * B // size, (rank + 1) * B // size)
        lengths = None if self.lengths is None else self.lengths[mine]
        return Batch(self.inputs[:, mine], self.targets[:, mine], lengths, self.fresh)


class Batches(Sequence[Batch]):
    """The batches of an epoch: a list of which each element is made when it is asked for.

    Args:
        count: how many there are.
        make: batch i, for i from 0 to count - 1; the same one whenever it is asked for.

    >>> batches = Batches(3, lambda i: Batch(np.full((2, 1), i), np.full((2, 1), i)))
    >>> len(batches), batches[-1].inputs.tolist(), [batch.count for batch in batches[1:]]
    (3, [[2], [2]], [2, 2])
    """

    def __init__(self, count: int, make: Callable[[int], Batch]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Batch]: ...
    def __getitem__(self, index: int | slice) -> Batch | Sequence[Batch]:
        if isinstance(index, slice):
            return [self._make(i) for i in range(self._count)[index]]
        if not -self._count <= index < self._count:
            raise IndexError(f"batch {index} was asked for; there are {self._count}.")
        return self._make(index % self._count)
