"""Sequences of different lengths in one batch: padded, with their lengths, and unpadded again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.engine import Tensor, raw
from minitorch_rnn.errors import DTypeError, ShapeError


def is_list_of_sequences(x: Any) -> bool:
    """Whether x is a list or tuple of arrays or tensors, one sequence each, or of nothing."""
    return isinstance(x, list | tuple) and (
        not x
        or any(
            isinstance(one, Tensor | np.ndarray) or backend.backend_of(one) is not None for one in x
        )
    )


def pad_sequence(
    sequences: Sequence[Any], batch_first: bool = False, padding_value: float = 0.0
) -> Tensor:
    """Sequences (T_i, …) as one tensor (T, B, …) of the longest, filled up at their ends.

    Args:
        sequences: tensors or arrays; axes after the first must agree.
        batch_first: (B, T, …) instead.
        padding_value: what fills up.

    Raises:
        ShapeError: if there is none, or their other axes differ.

    >>> import minitorch_rnn as mt
    >>> mt.nn.utils.rnn.pad_sequence([mt.ones(3), mt.ones(1)])
    tensor([[1., 1.],
            [1., 0.],
            [1., 0.]])
    """
    tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in sequences]
    if not tensors:
        raise ShapeError("pad_sequence: got 0 sequences; at least one is needed.")
    for i, x in enumerate(tensors):
        if not x.ndim or x.shape[1:] != tensors[0].shape[1:]:
            raise ShapeError(
                f"pad_sequence: sequence {i} has shape {x.shape}, sequence 0 {tensors[0].shape}; "
                "they may differ in their first axis, time, only."
            )
    T = max(len(x) for x in tensors)
    padded = [
        ops.pad(x, ((0, T - len(x)), *[(0, 0)] * (x.ndim - 1)), padding_value) for x in tensors
    ]
    return ops.stack(padded, axis=0 if batch_first else 1)  # type: ignore[no-any-return]


def unpad_sequence(padded: Any, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded tensor, each at its own length: the reverse of `pad_sequence`.

    >>> import minitorch_rnn as mt
    >>> [x.shape for x in mt.nn.utils.rnn.unpad_sequence(mt.ones(3, 2), [3, 1])]
    [(3,), (1,)]
    """
    x = padded if isinstance(padded, Tensor) else Tensor(padded)
    x = x if batch_first else x.swapaxes(0, 1)
    counts = checked_lengths("unpad_sequence", lengths, x.shape[1], x.shape[0])
    return [x[b, : int(n)] for b, n in enumerate(counts)]


def checked_lengths(who: str, lengths: Any, T: int, B: int) -> np.ndarray:
    """`lengths` as B integers from 1 to T.

    Raises:
        DTypeError: if they are not integers.
        ShapeError: naming the first that is out of range, or their number.
    """
    try:
        counts = np.asarray(backend.to_numpy(raw(lengths)))
    except ValueError as cause:
        raise DTypeError(f"{who}: lengths are {lengths}; a list of integers is needed.") from cause
    if counts.dtype.kind not in "iu" and counts.size:
        raise DTypeError(f"{who}: lengths are {counts.dtype}; integers are needed.")
    if counts.shape != (B,):
        raise ShapeError(
            f"{who}: lengths have shape {counts.shape}; one for each of {B} sequences is needed."
        )
    for b, n in enumerate(counts):
        if not 1 <= n <= T:
            raise ShapeError(
                f"{who}: the length of sequence {b} is {n}; x has {T} time steps, so 1 to {T} is "
                "needed."
            )
    return counts.astype(int)
