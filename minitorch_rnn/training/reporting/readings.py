"""The numbers of steps, read in groups: each look at what a device computes waits for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from minitorch_rnn import ops
from minitorch_rnn.training.callback import Step

__all__ = ["Reading", "Readings", "numbers"]

_GROUP, _PATIENCE = 50, 1.0  # at most so many steps, and seconds, wait to be read


class Reading(NamedTuple):
    """A step whose numbers have been read.

    Attributes:
        step: the step; its `loss` and `norm` are tensors still.
        loss: of the step, as a number.
        norm: of its gradients before clipping, as a number.
        seconds: that the training had taken by then.
    """

    step: Step
    loss: float
    norm: float
    seconds: float


def numbers(tensors: Iterable[Any]) -> list[float]:
    """The values of scalars, with one look at the device for all of them.

    >>> import minitorch_rnn as mt
    >>> numbers([mt.tensor(1.5), mt.tensor(-2.0)])
    [1.5, -2.0]
    """
    tensors = list(tensors)
    if not tensors:
        return []
    values: list[float] = ops.stack(tensors).tolist()
    return values


class Readings:
    """Steps that wait to be read: none on the host, some of a second on a device.

    >>> import minitorch_rnn as mt
    >>> readings = Readings()
    >>> step = Step(1, 0, mt.tensor(2.5), mt.tensor(0.5), lr=0.1, count=32)
    >>> [(found.loss, found.norm) for found in readings.add(step, seconds=0.2)]
    [(2.5, 0.5)]
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Step, float]] = []
        self._since = math.inf

    def add(self, step: Step, seconds: float) -> list[Reading]:
        """Add a step; returns all that wait if it is time to, else nothing."""
        now = time.monotonic()
        self._waiting.append((step, seconds))
        self._since = min(self._since, now)
        here = step.loss.backend == "numpy"
        if here or len(self._waiting) >= _GROUP or now - self._since > _PATIENCE:
            return self.read()
        return []

    def read(self) -> list[Reading]:
        """All that wait."""
        waiting, self._waiting, self._since = self._waiting, [], math.inf
        losses = numbers(step.loss for step, _ in waiting)
        norms = numbers(step.norm for step, _ in waiting)
        return [
            Reading(step, loss, norm, seconds)
            for (step, seconds), loss, norm in zip(waiting, losses, norms, strict=True)
        ]
