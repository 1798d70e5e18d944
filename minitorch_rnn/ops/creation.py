"""New tensors from nothing: constants, ranges and random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Tensor, constant, raw


def _made(values: Any, dtype: Any, requires_grad: bool) -> Tensor:
    return Tensor(values, backend.get_default_dtype() if dtype is None else dtype, requires_grad)


def _sizes(shape: tuple[Any, ...]) -> Any:
    return shape[0] if len(shape) == 1 else shape


def zeros(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros: zeros(2, 3) or zeros((2, 3))."""
    return _made(np.zeros(_sizes(shape)), dtype, requires_grad)


def ones(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones: ones(2, 3) or ones((2, 3))."""
    return _made(np.ones(_sizes(shape)), dtype, requires_grad)


def full(shape: Any, value: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one repeated value."""
    return _made(np.full(shape, value), dtype, requires_grad)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The (n, m) matrix with ones on its diagonal; m is n when left out."""
    return _made(np.eye(n, m), dtype, requires_grad)


def arange(*bounds: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Evenly spaced values: arange(stop) or arange(start, stop, step); integers stay int64."""
    values = np.arange(*bounds)
    if dtype is None and values.dtype.kind == "f":
        dtype = backend.get_default_dtype()
    return Tensor(values, dtype, requires_grad)


def randn(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Standard normal numbers, drawn on the host; see `manual_seed`."""
    return _made(backend.generator(rng).standard_normal(_sizes(shape)), dtype, requires_grad)


def rand(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Uniform numbers from [0, 1), drawn on the host; see `manual_seed`."""
    return _made(backend.generator(rng).random(_sizes(shape)), dtype, requires_grad)


def zeros_like(x: Any) -> Any:
    """Zeros of x's shape and dtype, on its backend; a Tensor if x is one."""
    zeros = backend.namespace(raw(x)).zeros_like(raw(x))
    return constant(zeros) if isinstance(x, Tensor) else zeros


def ones_like(x: Any) -> Any:
    """Ones of x's shape and dtype, on its backend; a Tensor if x is one."""
    ones = backend.namespace(raw(x)).ones_like(raw(x))
    return constant(ones) if isinstance(x, Tensor) else ones
