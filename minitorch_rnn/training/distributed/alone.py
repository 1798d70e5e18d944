"""Alone: the communicator of a training by one process, which has nobody to talk to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch_rnn.engine import Tensor


class Alone:
    """What a `Communicator` does, for a single process: nothing.

    >>> Alone().average([], 3, [0.5])
    (3, [0.5])
    """

    rank, size, step = 0, 1, 0

    def average(
        self, params: Sequence[Tensor], count: int, figures: Sequence[Any]
    ) -> tuple[int, list[Any]]:
        """The gradients are the means already, and the sums those of one process."""
        return count, list(figures)

    def broadcast(self, value: Any) -> Any:
        """The value itself."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """The value of the only process."""
        return [value]

    def scatter(self, values: Sequence[Any]) -> Any:
        """The value for the only process."""
        return values[0]

    def bcast_data(self, model: Any) -> None:
        """There is no other model."""

    def gather_state(self, state: Any) -> Any:
        """The state of all sequences, which is that of the only process."""
        return state

    def share_state(self, state: Any) -> Any:
        """The state of this process, which has all sequences."""
        return state

    def check_same(self, params: Sequence[Tensor], step: int) -> None:
        """There is nothing to differ from."""

    def compare(self, what: str, entries: Any) -> None:
        """There is nothing to differ from."""

    def barrier(self, patient: bool = False) -> None:
        """There is nobody to wait for."""
