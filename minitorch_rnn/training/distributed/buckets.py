"""Buckets: gradients side by side in one array, which all processes add up in one message."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Tensor, constant

__all__ = ["Bucket", "alone", "layout", "together"]


class Bucket:
    """The gradients of some parameters, of one dtype and backend, in one array.

    The array is made once and used in every step. Gradients of float16 are added up in float32.
    What lives on a GPU goes through pinned memory of the host, unless the MPI takes it as it is.

    Args:
        params: whose gradients; later ones of the same shapes may be given to `average`.
        direct: whether to hand the MPI arrays of a GPU.

    >>> import minitorch_rnn as mt
    >>> p, q = mt.nn.Parameter([1.0, 2.0]), mt.nn.Parameter(3.0)
    >>> p.grad = mt.tensor([4.0, 8.0])
    >>> bucket = Bucket([p, q], direct=False)
    >>> bucket.average([p, q], 0.5, lambda array: None)  # half of all samples; nobody has others
    >>> p.grad, q.grad
    (tensor([2., 4.]), tensor(0.))
    """

    def __init__(self, params: Sequence[Tensor], direct: bool) -> None:
        like = params[0]._data
        self._xp, self._device = backend.namespace(like), backend.device_of(like)
        dtype = np.dtype("float32") if like.dtype == np.float16 else like.dtype
        self._flat = self._xp.empty(sum(p.size for p in params), dtype=dtype)
        ends = np.cumsum([p.size for p in params]).tolist()
        self._parts = [
            self._flat[end - p.size : end].reshape(p.shape)
            for end, p in zip(ends, params, strict=True)
        ]
        self._on_host: np.ndarray | None = None
        if self._device is not None and not direct:
            self._on_host = _pinned(self._xp, self._flat.size, dtype)

    def average(
        self, params: Sequence[Tensor], weight: float, add_up: Callable[[Any], None]
    ) -> None:
        """Every `.grad` becomes the sum over all processes of their `.grad` times their weight.

        Args:
            params: of the shapes that the bucket was made for.
            weight: of this process; with 0 it contributes nothing, whatever its gradients are.
            add_up: sums an array over all processes, in place.
        """
        for p, part in zip(params, self._parts, strict=True):
            if weight and p.grad is not None:
                self._xp.multiply(p.grad._data, weight, out=part, dtype=part.dtype)
            else:
                part.fill(0)
        if self._on_host is not None:
            self._flat.get(out=self._on_host)
            add_up(self._on_host)
            self._flat[...] = self._xp.asarray(self._on_host)
        else:
            if self._device is not None:
                self._device.synchronize()  # MPI knows nothing of what is still to be computed
            add_up(self._flat)
        for p, part in zip(params, self._parts, strict=True):
            p.grad = constant(part.astype(p.dtype))  # a copy: the next step writes here again


def together(params: Sequence[Tensor]) -> list[list[int]]:
    """The places of the parameters that go into one message: all of one dtype and backend.

    >>> import minitorch_rnn as mt
    >>> together([mt.zeros(2), mt.zeros(3, dtype="float32"), mt.zeros(4)])
    [[0, 2], [1]]
    """
    found: dict[Any, list[int]] = {}
    for i, p in enumerate(params):
        found.setdefault((p.dtype, type(p._data)), []).append(i)
    return list(found.values())


def alone(params: Sequence[Tensor]) -> list[list[int]]:
    """Every parameter has a message of its own.

    >>> import minitorch_rnn as mt
    >>> alone([mt.zeros(2), mt.zeros(3)])
    [[0], [1]]
    """
    return [[i] for i in range(len(params))]


def layout(params: Sequence[Tensor]) -> tuple[Any, ...]:
    """What buckets depend on: those of one layout serve all parameters that have it.

    >>> import minitorch_rnn as mt
    >>> layout([mt.zeros(2)]) == layout([mt.ones(2)]), layout([mt.zeros(2)]) == layout([])
    (True, False)
    """
    return tuple([(p.shape, p.dtype, type(p._data)) for p in params])


def _pinned(xp: Any, size: int, dtype: Any) -> np.ndarray:
    """An array of the host in memory that stays in its place, from which a GPU copies faster."""
    cuda = getattr(xp, "cuda", None)
    if cuda is None or not size:
        return np.empty(size, dtype)
    memory = cuda.alloc_pinned_memory(math.prod((size, dtype.itemsize)))
    return np.frombuffer(memory, dtype, size)
