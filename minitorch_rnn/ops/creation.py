"""New tensors from nothing: constants, ranges and random numbers.

All take `dtype`, without which they have the default dtype (`set_default_dtype`), and
`requires_grad`, which only a floating-point dtype allows. They are made on the current backend
(`use`): constants there; ranges and random numbers on the host, so that they are the same
everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Tensor, constant, raw
from minitorch_rnn.errors import ShapeError


def _made(values: Any, dtype: Any, requires_grad: bool) -> Tensor:
    return Tensor(values, backend.get_default_dtype() if dtype is None else dtype, requires_grad)


def _filled(make: str, shape: tuple[Any, ...], *what: Any) -> Any:
    with backend.told(f"{make}, of shape {shape}"):
        return getattr(backend.current_backend().xp, make)(*shape, *what)


def _sizes(shape: tuple[Any, ...]) -> Any:
    sizes = shape[0] if len(shape) == 1 else shape
    if np.size(sizes) and np.min(sizes) < 0:
        raise ShapeError(f"a new tensor of shape {sizes}: a size is at least 0.")
    return sizes


def zeros(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros: zeros(2, 3) or zeros((2, 3)).

    >>> import minitorch_rnn as mt
    >>> mt.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _made(_filled("zeros", (_sizes(shape),)), dtype, requires_grad)


def ones(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones: ones(2, 3) or ones((2, 3)).

    >>> import minitorch_rnn as mt
    >>> mt.ones(3)
    tensor([1., 1., 1.])
    """
    return _made(_filled("ones", (_sizes(shape),)), dtype, requires_grad)


def full(shape: Any, value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of one repeated value, of any shape: full(3, 7) or full((2, 3), 7).

    PyTorch takes the dtype from the value; here even 7 becomes a float if `dtype` is left out.

    >>> import minitorch_rnn as mt
    >>> mt.full(3, 7)
    tensor([7., 7., 7.])
    """
    if isinstance(value, int | float):
        return _made(_filled("full", (shape,), value), dtype, requires_grad)
    # A device is filled with Python's numbers only.
    return _made(np.full(shape, value), dtype, requires_grad)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """The (n, m) matrix with ones on its diagonal; m is n when left out.

    >>> import minitorch_rnn as mt
    >>> mt.eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    return _made(_filled("eye", (n, m)), dtype, requires_grad)


def arange(*bounds: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Evenly spaced values: arange(stop) or arange(start, stop, step); integers stay int64.

    >>> import minitorch_rnn as mt
    >>> mt.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
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
    """Standard normal numbers, drawn on the host from `rng`; without one see `manual_seed`.

    >>> import numpy as np
    >>> import minitorch_rnn as mt
    >>> x = mt.randn(2, 3, rng=np.random.default_rng(0))
    >>> x.shape, x.backend
    ((2, 3), 'numpy')
    """
    return _made(backend.generator(rng).standard_normal(_sizes(shape)), dtype, requires_grad)


def rand(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Uniform numbers from [0, 1), drawn on the host from `rng`; without one see `manual_seed`.

    >>> import numpy as np
    >>> import minitorch_rnn as mt
    >>> x = mt.rand(1000, rng=np.random.default_rng(0))
    >>> bool(((x >= 0) & (x < 1)).all())
    True
    """
    return _made(backend.generator(rng).random(_sizes(shape)), dtype, requires_grad)


def zeros_like(x: Any) -> Any:
    """Zeros of x's shape and dtype, on its backend; a Tensor if x is one.

    >>> import minitorch_rnn as mt
    >>> mt.zeros_like(mt.tensor([1, 2]))
    tensor([0, 0])
    """
    zeros = backend.namespace(raw(x)).zeros_like(raw(x))
    return constant(zeros) if isinstance(x, Tensor) else zeros


def ones_like(x: Any) -> Any:
    """Ones of x's shape and dtype, on its backend; a Tensor if x is one.

    >>> import minitorch_rnn as mt
    >>> mt.ones_like(mt.tensor([3, 4]))
    tensor([1, 1])
    """
    ones = backend.namespace(raw(x)).ones_like(raw(x))
    return constant(ones) if isinstance(x, Tensor) else ones
