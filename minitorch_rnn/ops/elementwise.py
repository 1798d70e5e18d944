"""Functions of one tensor, applied to each element."""

import math

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import Tensor, primitive
from minitorch_rnn.ops.creation import zeros_like
from minitorch_rnn.ops.selection import where


def floating(x):
    """x itself if its elements are floating-point, else x in the default dtype."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(backend.get_default_dtype())


@primitive(lambda g, y, x: g * sign(x))
def absolute(x):
    """y = |x|; the slope at 0 is 0."""
    return abs(x)


@primitive(lambda g, y, x: g / (1 + x * x))
def arctan(x):
    """y = arctan(x), in radians."""
    return namespace(x).arctan(x)


@primitive(lambda g, y, x, dtype: g.astype(x.dtype))
def _astype(x, dtype):
    return x.astype(dtype)


def astype(x, dtype):
    """x converted to `dtype`. Only a floating-point result stays connected to the graph."""
    if isinstance(x, Tensor) and np.dtype(dtype).kind != "f":
        x = x.detach()
    return _astype(x, dtype)


@primitive(lambda g, y, x: -g * sin(x))
def cos(x):
    """y = cos(x), x in radians."""
    return namespace(x).cos(x)


@primitive(lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x))
def erf(x):
    """y = 2/sqrt(pi) times the integral of exp(-s^2) from 0 to x."""
    return backend.erf(floating(x))


@primitive(lambda g, y, x: g * y)
def exp(x):
    """y = e**x."""
    return namespace(x).exp(x)


@primitive(lambda g, y, x: g * (y + 1))
def expm1(x):
    """y = e**x - 1, accurate near 0."""
    return namespace(x).expm1(x)


@primitive(lambda g, y, x: g / x)
def log(x):
    """y = ln(x)."""
    return namespace(x).log(x)


@primitive(lambda g, y, x: g / (1 + x))
def log1p(x):
    """y = ln(1 + x), accurate near 0."""
    return namespace(x).log1p(x)


@primitive(lambda g, y, x: where(y <= 0, 0.0, g))
def relu(x):
    """y = max(x, 0); the slope at 0 is 0."""
    return namespace(x).maximum(x, 0)


@primitive(lambda g, y, x: g * y * (1 - y))
def sigmoid(x):
    """y = 1 / (1 + e**-x)."""
    x = floating(x)
    xp = namespace(x)
    positive = x > 0
    z = xp.exp(xp.where(positive, -x, x))  # at most 1: it cannot overflow
    return xp.where(positive, 1, z) / (1 + z)


@primitive(lambda g, y, x: zeros_like(x))
def sign(x):
    """y = -1, 0 or 1 as x is negative, zero or positive; its slope is 0."""
    return namespace(x).sign(x)


@primitive(lambda g, y, x: g * cos(x))
def sin(x):
    """y = sin(x), x in radians."""
    return namespace(x).sin(x)


@primitive(lambda g, y, x: g * sigmoid(x))
def softplus(x):
    """y = ln(1 + e**x), a smooth relu."""
    x = floating(x)
    xp = namespace(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(xp.where(x > 0, -x, x)))


@primitive(lambda g, y, x: g / (2 * y))
def sqrt(x):
    """y = sqrt(x); the slope at 0 is infinite."""
    return namespace(x).sqrt(x)


@primitive(lambda g, y, x: g * (1 + y * y))
def tan(x):
    """y = tan(x), x in radians."""
    return namespace(x).tan(x)


@primitive(lambda g, y, x: g * (1 - y * y))
def tanh(x):
    """y = tanh(x)."""
    return namespace(x).tanh(x)
