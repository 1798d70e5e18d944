"""Sequences of several lengths as batches: those of like length together, padded to the longest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from minitorch_rnn.data.batch import IGNORED, Batch, Batches
from minitorch_rnn.errors import DataError


def padded(inputs: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> Batch:
    """Sequences of several lengths side by side, filled up to the longest of them.

    Inputs are filled with 0, whole numbers as targets with -100, figures as targets with nan. So
    the loss asks nothing of a step that is filling.

    Args:
        inputs: B arrays, each (T_b,) of whole numbers or (T_b, I) of figures.
        targets: B arrays, each (T_b,) of whole numbers or (T_b, O) of figures.

    >>> batch = padded([np.array([1, 2, 3]), np.array([4])], [np.array([2, 3, 4]), np.array([5])])
    >>> batch.inputs.tolist(), batch.targets.tolist(), batch.lengths.tolist()
    ([[1, 4], [2, 0], [3, 0]], [[2, 5], [3, -100], [4, -100]], [3, 1])
    """
    lengths = np.array([len(x) for x in inputs])
    filling = np.nan if targets[0].ndim > 1 else IGNORED
    return Batch(
        _side_by_side(inputs, 0),
        _side_by_side(targets, filling),
        None if (lengths == lengths[0]).all() else lengths,
    )


def _side_by_side(arrays: Sequence[np.ndarray], filling: float) -> np.ndarray:
    shape = (max(map(len, arrays)), len(arrays), *arrays[0].shape[1:])
    y = np.full(shape, filling, np.result_type(*arrays))
    for b, x in enumerate(arrays):
        y[: len(x), b] = x
    return y


class Sequences:
    """Many sequences with their targets, as padded batches of sequences of like length.

    `sequences(epoch)` is a list of batches that holds every sequence once; batch i of it is made
    when it is asked for, and depends on the seed, the epoch and i alone. The sequences are
    shuffled, cut into pools of `pool` batches, sorted by length within each pool and cut into
    batches, and the batches are shuffled. Larger pools leave less padding, and more often put the
    same sequences together. The batch that gets fewer than B sequences is kept.

    Args:
        inputs: each (T,) of whole numbers or (T, I) of figures, T >= 1.
        targets: as many; each (T,) of whole numbers, -100 where nothing is asked, or (T, O) of
            figures, nan where nothing is asked; T as in its inputs.
        batch: B, the number of sequences of a batch.
        seed: of the order.
        shuffle: False for data to be judged by: all are sorted by length, and every epoch is alike.
        pool: in batches.
        source: what errors call the data.

    Raises:
        DataError: if there are no sequences, or one has no steps, or as many targets as steps are
            not there, or its shape differs from that of the first; naming its index.

    >>> lines = [np.arange(n) for n in (3, 9, 4, 8)]
    >>> sequences = Sequences(lines, lines, batch=2)
    >>> sorted(batch.inputs.shape for batch in sequences(epoch=0)), round(sequences.padding, 3)
    ([(4, 2), (9, 2)], 0.077)
    """

    def __init__(
        self,
        inputs: Iterable[Any],
        targets: Iterable[Any],
        batch: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        pool: int = 64,
        source: str = "sequences",
    ) -> None:
        for name, value in (("batch", batch), ("pool", pool)):
            if value < 1:
                raise ValueError(f"Sequences: {name} is {value}; a whole number >= 1 is needed.")
        self.inputs = [_as_sequence(x, f"{source}: input {i}") for i, x in enumerate(inputs)]
        self.targets = [_as_sequence(x, f"{source}: target {i}") for i, x in enumerate(targets)]
        self.batch = batch
        self.seed = seed
        self.shuffle = shuffle
        self.pool = pool
        self.source = source
        self._check()
        self.lengths = np.array([len(x) for x in self.inputs])

    def _check(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise DataError(
                f"{self.source}: {len(self.inputs)} inputs and {len(self.targets)} targets came; "
                "each sequence needs its own."
            )
        if not self.inputs:
            raise DataError(f"{self.source}: is empty; at least one sequence is needed.")
        for i, (x, y) in enumerate(zip(self.inputs, self.targets, strict=True)):
            if not len(x):
                raise DataError(f"{self.source}: sequence {i} has no steps; leave it out.")
            if len(x) != len(y):
                raise DataError(
                    f"{self.source}: sequence {i} has {len(x)} steps and {len(y)} targets; "
                    "every step needs one (-100 or nan where nothing is asked)."
                )
            for name, one, first in (("input", x, self.inputs[0]), ("target", y, self.targets[0])):
                if one.shape[1:] != first.shape[1:]:
                    raise DataError(
                        f"{self.source}: {name} {i} has shape {one.shape}, {name} 0 {first.shape}; "
                        "they must agree but for their lengths."
                    )

    def __repr__(self) -> str:
        return (
            f"Sequences({len(self)} of {self.lengths.min()} to {self.lengths.max()} steps, "
            f"batch={self.batch})"
        )

    def __len__(self) -> int:
        """The number of sequences."""
        return len(self.inputs)

    def __call__(self, epoch: int = 0) -> Batches:
        """The batches of an epoch; epochs count from 0."""
        members = self.members(epoch)
        return Batches(len(members), partial(self._batch, members))

    def members(self, epoch: int = 0) -> list[np.ndarray]:
        """The indices of the sequences of every batch of an epoch, in the order they stand in."""
        rng = np.random.default_rng([self.seed, epoch])
        n = len(self)
        order = rng.permutation(n) if self.shuffle else np.arange(n)
        size = self.pool * self.batch if self.shuffle else n
        found = []
        for a in range(0, n, size):
            pool = order[a : a + size]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            found += [pool[b : b + self.batch] for b in range(0, len(pool), self.batch)]
        # Otherwise every pool would begin with its short ones.
        return [found[i] for i in rng.permutation(len(found))] if self.shuffle else found

    def _batch(self, members: list[np.ndarray], i: int) -> Batch:
        return padded([self.inputs[j] for j in members[i]], [self.targets[j] for j in members[i]])

    @cached_property
    def padding(self) -> float:
        """The share of the steps of epoch 0 that are padding; other epochs have about as much."""
        steps = sum(self.lengths[some].max() * len(some) for some in self.members())
        return float(1 - self.lengths.sum() / steps)

    def split(self, held_out: float = 0.1, seed: int | None = None) -> tuple[Sequences, Sequences]:
        """The sequences to train on, and those to be judged by, which are not shuffled.

        Which ones are held out depends on their number and the seed alone. At least one sequence
        is held out, and at least one is not.

        Args:
            held_out: share of the sequences, between 0 and 1.
            seed: of the choice; that of the order if it is not given.

        Raises:
            ValueError: if the share is not between 0 and 1.
            DataError: if there is one sequence only.

        >>> train, held_out = Sequences([[1]] * 10, [[2]] * 10, batch=4).split(0.2)
        >>> len(train), len(held_out)
        (8, 2)
        """
        if not 0 < held_out < 1:
            raise ValueError(f"split: held_out is {held_out}; a share between 0 and 1 is needed.")
        n = len(self)
        if n < 2:
            raise DataError(f"{self.source}: has 1 sequence; to hold one out, at least 2 must be.")
        order = np.random.default_rng(self.seed if seed is None else seed).permutation(n)
        count = min(max(round(held_out * n), 1), n - 1)
        held, kept = np.sort(order[:count]), np.sort(order[count:])
        return self._part(kept, self.shuffle), self._part(held, False)

    def _part(self, members: np.ndarray, shuffle: bool) -> Sequences:
        return Sequences(
            [self.inputs[i] for i in members],
            [self.targets[i] for i in members],
            self.batch,
            seed=self.seed,
            shuffle=shuffle,
            pool=self.pool,
            source=self.source,
        )


def _as_sequence(values: Any, who: str) -> np.ndarray:
    """(T,) whole numbers, or (T, n) figures."""
    try:
        x = np.asarray(values)
    except ValueError as cause:  # lists of several lengths
        raise DataError(f"{who}: its steps differ in shape; all need the same figures.") from cause
    if x.ndim == 1 and (x.dtype.kind in "iu" or not x.size):
        return x.astype(np.int64)
    if x.ndim == 2 and x.dtype.kind in "iuf":
        return x if x.dtype.kind == "f" else x.astype(float)
    raise DataError(
        f"{who}: has shape {x.shape} and dtype {x.dtype}; whole numbers of shape (T,) or figures "
        "of shape (T, n) are needed."
    )
