"""Streams: a long sequence cut into parallel ones, which are read on from batch to batch."""

from __future__ import annotations

import numpy as np

from minitorch_rnn.data.batch import Batch, Batches
from minitorch_rnn.errors import DataError


class Streams(Batches):
    """A long sequence as B parallel streams: batch i continues where batch i-1 ended.

    So the final state of one batch is the initial state of the next, which is truncated BPTT in
    chunks of T steps. Only batch 0 is `fresh`. The last chunk may be shorter, so that every step of
    the streams is read; only what is left when the whole is divided by B, at most B - 1 steps, is
    not. The data is kept once, in the dtype it came in; batches are small copies, whole numbers as
    int64.

    Args:
        inputs: (B, N) whole numbers or (B, N, I) figures: B streams, N steps each.
        targets: (B, N) or (B, N, O), likewise.
        steps: T, to be read at a time.

    >>> streams = Streams.of(np.arange(12), batch=2, steps=3)
    >>> len(streams), streams[1].inputs.tolist(), streams[1].targets.tolist(), streams[1].fresh
    (2, [[3, 9], [4, 10]], [[4, 10], [5, 11]], False)
    """

    def __init__(self, inputs: np.ndarray, targets: np.ndarray, steps: int) -> None:
        self.inputs, self.targets, self.steps = inputs, targets, steps
        super().__init__(-(-inputs.shape[1] // steps), self._batch)

    @classmethod
    def of(
        cls,
        numbers: np.ndarray,
        batch: int,
        steps: int,
        source: str = "text",
        unit: str = "characters",
    ) -> Streams:
        """Streams of numbers whose targets are the next numbers.

        Args:
            numbers: (N,) whole numbers.
            batch: B, streams of equal length.
            steps: T, to be read at a time.
            source, unit: what errors call the whole, and one of its steps.

        Raises:
            DataError: if a stream would be shorter than one sequence and its last target.
        """
        length = len(numbers) // batch
        if length < steps + 1:
            raise DataError(
                f"{source}: has {_counted(len(numbers), unit)} here, but "
                f"{_counted(batch, 'streams')} of one sequence of {steps} and its target need "
                f"{batch * (steps + 1)}. Use a longer text, or fewer or shorter sequences (--batch,"
                " --sequence)."
            )
        streams = numbers[: batch * length].reshape(batch, length)
        return cls(streams[:, :-1], streams[:, 1:], steps)

    @classmethod
    def with_held_out(
        cls,
        numbers: np.ndarray,
        batch: int,
        steps: int,
        source: str = "text",
        unit: str = "characters",
    ) -> tuple[Streams, Streams]:
        """Streams to train on, and streams of what is `held_out` of the text to be judged by.

        Raises:
            DataError: as `of`, if either part is too short.
        """
        held = cls.held_out(len(numbers), steps)
        source = f"{source} ({_counted(len(numbers), unit)}, {held} of them held out)"
        return (
            cls.of(numbers[:-held], batch, steps, source, unit),
            cls.judging(numbers[-held:], batch, steps, source, unit),
        )

    @staticmethod
    def held_out(count: int, steps: int) -> int:
        """How many of `count` characters are held out: the last twentieth, at most 60,000.

        They are one sequence of `steps` at least.

        >>> Streams.held_out(1000, 20), Streams.held_out(100, 20)
        (50, 21)
        """
        return min(60_000, max(count // 20, steps + 1), count)

    @classmethod
    def judging(
        cls,
        numbers: np.ndarray,
        batch: int,
        steps: int,
        source: str = "text",
        unit: str = "characters",
    ) -> Streams:
        """As `of`, in fewer streams if they would be short: each starts without a past.

        Raises:
            DataError: as `of`, for a single stream.
        """
        few = max(1, min(batch, len(numbers) // (4 * (steps + 1))))
        return cls.of(numbers, few, steps, source, unit)

    @classmethod
    def of_series(
        cls,
        inputs: np.ndarray,
        targets: np.ndarray,
        batch: int,
        steps: int,
        source: str = "series",
    ) -> Streams:
        """Streams of figures: N steps one after the other, cut into `batch` pieces.

        Args:
            inputs: (N, I).
            targets: (N, O), those of the same step; nan where nothing is asked.
            batch: B, streams of equal length.
            steps: T, to be read at a time.
            source: what errors call the whole.

        Raises:
            DataError: if inputs and targets differ in N, or a stream would be shorter than one
                sequence.

        >>> series = np.arange(10.0)[:, None]
        >>> streams = Streams.of_series(series[:-1], series[1:], batch=3, steps=2)
        >>> [batch.inputs.shape for batch in streams]
        [(2, 3, 1), (1, 3, 1)]
        """
        if len(inputs) != len(targets):
            raise DataError(
                f"{source}: has {len(inputs)} steps of inputs and {len(targets)} of targets; one "
                "target for each is needed."
            )
        length = len(inputs) // batch
        if length < steps:
            raise DataError(
                f"{source}: has {_counted(len(inputs), 'steps')} here, but "
                f"{_counted(batch, 'streams')} of one sequence of {steps} need {batch * steps}. Use"
                " a longer series, or fewer or shorter sequences."
            )
        x, d = (
            rows[: batch * length].reshape(batch, length, *rows.shape[1:])
            for rows in (inputs, targets)
        )
        return cls(x, d, steps)

    def _batch(self, i: int) -> Batch:
        part = slice(i * self.steps, (i + 1) * self.steps)
        return Batch(_chunk(self.inputs[:, part]), _chunk(self.targets[:, part]), fresh=i == 0)


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit.removesuffix('s') if count == 1 else unit}"


def _chunk(part: np.ndarray) -> np.ndarray:
    """A copy, time first; whole numbers as int64, which -100 fits into as a target."""
    return part.swapaxes(0, 1).astype(part.dtype if part.dtype.kind == "f" else np.int64, order="C")
