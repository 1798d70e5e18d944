"""Functions of one tensor, applied to each element; of a plain array they give a plain array.

A float dtype stays. Integers stay integers in `absolute`, `relu` and `sign`, take the default dtype
in `erf`, `sigmoid` and `softplus`, and NumPy's float in the others.
"""

import math

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import Tensor, constant, primitive
from minitorch_rnn.ops.creation import zeros_like
from minitorch_rnn.ops.selection import where


def floating(x):
    """x itself if its elements are floating-point, else x in the default dtype."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(backend.get_default_dtype())


@primitive(lambda g, y, x: g * sign(x))
def absolute(x):
    """y = |x|, also called `abs`; the slope at 0 is 0.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    >>> mt.autograd.grad(mt.absolute(x).sum(), x)
    (tensor([-1.,  0.,  1.]),)
    """
    return abs(x)


@primitive(lambda g, y, x: g / (1 + x * x))
def arctan(x):
    """y = arctan(x), in radians; the slope is 1 / (1 + x**2). PyTorch's `atan`.

    >>> import minitorch_rnn as mt
    >>> 4 * mt.arctan(mt.tensor(1.0))
    tensor(3.14159265)
    """
    return namespace(x).arctan(x)


@primitive(lambda g, y, x, dtype: g.astype(x.dtype))
def _astype(x, dtype):
    return x.astype(dtype)


def astype(x, dtype):
    """x converted to `dtype`; its gradient comes back in x's own. PyTorch's `x.to(dtype)`.

    Only a floating-point result stays connected to the graph.

    Raises:
        DTypeError: if NumPy has no such dtype, as of bfloat16.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.7], requires_grad=True)
    >>> x.astype("float32").requires_grad, x.astype("int64")
    (True, tensor([1]))
    """
    dtype = backend.dtype_of(dtype)
    if isinstance(x, Tensor) and dtype.kind != "f":
        x = constant(x._data)
    return _astype(x, dtype)


@primitive(lambda g, y, x: -g * sin(x))
def cos(x):
    """y = cos(x), x in radians; the slope is -sin(x).

    >>> import minitorch_rnn as mt
    >>> mt.cos(mt.tensor(0.0))
    tensor(1.)
    """
    return namespace(x).cos(x)


@primitive(lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x))
def erf(x):
    """y = 2/sqrt(pi) times the integral of exp(-s**2) from 0 to x: the error function.

    >>> import minitorch_rnn as mt
    >>> mt.erf(mt.tensor([-9.0, 0.0, 9.0]))
    tensor([-1.,  0.,  1.])
    """
    return backend.erf(floating(x))


@primitive(lambda g, y, x: g * y)
def exp(x):
    """y = e**x, which is its own slope.

    >>> import minitorch_rnn as mt
    >>> mt.exp(mt.tensor(0.0))
    tensor(1.)
    """
    return namespace(x).exp(x)


@primitive(lambda g, y, x: g * (y + 1))
def expm1(x):
    """y = e**x - 1, accurate near 0, where exp(x) - 1 loses its digits.

    >>> import minitorch_rnn as mt
    >>> mt.expm1(mt.tensor(1e-20))
    tensor(1.e-20)
    """
    return namespace(x).expm1(x)


@primitive(lambda g, y, x: g / x)
def log(x):
    """y = ln(x), -inf at 0 and nan below it (NumPy warns of both); the slope is 1 / x.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(0.5, requires_grad=True)
    >>> mt.autograd.grad(mt.log(x), x)
    (tensor(2.),)
    """
    return namespace(x).log(x)


@primitive(lambda g, y, x: g / (1 + x))
def log1p(x):
    """y = ln(1 + x), accurate near 0, where log(1 + x) loses its digits.

    >>> import minitorch_rnn as mt
    >>> mt.log1p(mt.tensor(1e-20))
    tensor(1.e-20)
    """
    return namespace(x).log1p(x)


@primitive(lambda g, y, x: where(y <= 0, 0.0, g))
def relu(x):
    """y = max(x, 0); the slope at 0 is 0.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> mt.autograd.grad(mt.relu(x).sum(), x)
    (tensor([0., 0., 1.]),)
    """
    return namespace(x).maximum(x, 0)


@primitive(lambda g, y, x: g * y * (1 - y))
def sigmoid(x):
    """y = 1 / (1 + e**-x), computed without overflow; the slope is y (1 - y).

    >>> import minitorch_rnn as mt
    >>> mt.sigmoid(mt.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0. , 0.5, 1. ])
    """
    x = floating(x)
    xp = namespace(x)
    z = xp.exp(xp.minimum(x, -x))  # at most 1: it cannot overflow
    return xp.where(x > 0, 1, z) / (1 + z)


@primitive(lambda g, y, x: zeros_like(x))
def sign(x):
    """y = -1, 0 or 1 as x is negative, zero or positive; its slope is 0.

    >>> import minitorch_rnn as mt
    >>> mt.sign(mt.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    return namespace(x).sign(x)


@primitive(lambda g, y, x: g * cos(x))
def sin(x):
    """y = sin(x), x in radians; the slope is cos(x).

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(0.0, requires_grad=True)
    >>> mt.autograd.grad(mt.sin(x), x)
    (tensor(1.),)
    """
    return namespace(x).sin(x)


@primitive(lambda g, y, x: g * sigmoid(x))
def softplus(x):
    """y = ln(1 + e**x), a smooth relu, computed without overflow; the slope is sigmoid(x).

    >>> import minitorch_rnn as mt
    >>> mt.softplus(mt.tensor(1000.0))
    tensor(1000.)
    """
    x = floating(x)
    xp = namespace(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(xp.minimum(x, -x)))


@primitive(lambda g, y, x: g / (2 * y))
def sqrt(x):
    """y = sqrt(x), nan below 0 (NumPy warns); the slope is 1 / (2 y), infinite at 0.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(4.0, requires_grad=True)
    >>> mt.autograd.grad(mt.sqrt(x), x)
    (tensor(0.25),)
    """
    return namespace(x).sqrt(x)


@primitive(lambda g, y, x: g * (1 + y * y))
def tan(x):
    """y = tan(x), x in radians; the slope is 1 + y**2.

    >>> import minitorch_rnn as mt
    >>> mt.tan(mt.tensor(0.0))
    tensor(0.)
    """
    return namespace(x).tan(x)


@primitive(lambda g, y, x: g * (1 - y * y))
def tanh(x):
    """y = tanh(x); the slope is 1 - y**2, largest at 0.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(0.0, requires_grad=True)
    >>> mt.autograd.grad(mt.tanh(x), x)
    (tensor(1.),)
    """
    return namespace(x).tanh(x)
