"""The recurrent state of a batch whose sequences are spread over several processes.

Its tensors have the batch on axis 1, (L, B, H), and may be nested in tuples and dictionaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.autograd.nested import leaves, replaced
from minitorch_rnn.engine import Tensor, tensor

__all__ = ["joined", "on_host", "part"]


def on_host(state: Any) -> Any:
    """The state with NumPy arrays for tensors.

    >>> import minitorch_rnn as mt
    >>> on_host((mt.zeros(2, 0, 3), None))[0].shape
    (2, 0, 3)
    """
    return replaced(state, lambda x: backend.to_numpy(x._data) if isinstance(x, Tensor) else x)


def joined(states: Sequence[Any]) -> Any:
    """The state of all sequences, of those of the processes in their order.

    Args:
        states: with arrays; of a process without sequences it is None.

    >>> a, b = np.ones((1, 2, 3)), np.zeros((1, 1, 3))
    >>> joined([(a, a), None, (b, b)])[0].shape
    (1, 3, 3)
    """
    states = [state for state in states if state is not None]
    if not states:
        return None
    rows = iter(zip(*map(leaves, states), strict=True))

    def join(first: Any) -> Any:
        row = next(rows)
        if not isinstance(first, np.ndarray):
            return first
        return tensor(np.concatenate(row, axis=1))

    return replaced(states[0], join)


def part(state: Any, rank: int, size: int) -> Any:
    """The state of the sequences of process `rank` of `size`.

    >>> part(np.arange(10.0).reshape(1, 5, 2), 1, 2).shape
    (1, 3, 2)
    """

    def own(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        B = x.shape[1]
        return tensor(x[:, rank * B // size : (rank + 1) * B // size])

    return replaced(state, own)
