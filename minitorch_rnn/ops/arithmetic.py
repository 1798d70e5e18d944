"""Arithmetic of two operands, and comparisons; all of it broadcasts.

Comparisons have no derivative and give plain boolean tensors.
"""

from minitorch_rnn.engine import primitive
from minitorch_rnn.ops.creation import zeros_like
from minitorch_rnn.ops.elementwise import log
from minitorch_rnn.ops.selection import where
from minitorch_rnn.ops.shape import fit


@primitive(lambda g, y, a, b: fit(g, a.shape), lambda g, y, a, b: fit(g, b.shape))
def add(a, b):
    """y = a + b."""
    return a + b


@primitive(lambda g, y, a, b: fit(g, a.shape), lambda g, y, a, b: fit(-g, b.shape))
def subtract(a, b):
    """y = a - b."""
    return a - b


@primitive(lambda g, y, a, b: fit(g * b, a.shape), lambda g, y, a, b: fit(g * a, b.shape))
def multiply(a, b):
    """y = a b, elementwise."""
    return a * b


@primitive(
    lambda g, y, a, b: fit(g / b, a.shape),
    lambda g, y, a, b: fit(-g * y / b, b.shape),  # y = a / b spares us a / b**2
)
def divide(a, b):
    """y = a / b, elementwise; integers too give a float."""
    return a / b


@primitive(
    lambda g, y, a, b: zeros_like(a),
    lambda g, y, a, b: zeros_like(b),
)
def floor_divide(a, b):
    """y = floor(a / b); its slope is zero wherever it has one."""
    return a // b


@primitive(
    lambda g, y, a, b: fit(g, a.shape),
    lambda g, y, a, b: fit(-g * (a // b), b.shape),  # y = a - b floor(a / b)
)
def remainder(a, b):
    """y = a - b floor(a / b): the remainder, with the sign of b."""
    return a % b


def _power_vjp_a(g, y, a, b):
    # d a**b / da = b a**(b - 1), but 0 where b = 0, also at a = 0 where a**-1 is infinite.
    if isinstance(b, int | float):
        return fit(g * (b * a ** (b - 1)) if b else zeros_like(g), a.shape)
    nothing = (a == 0) & (b == 0)
    return fit(g * b * a ** where(nothing, 1.0, b - 1), a.shape)


def _power_vjp_b(g, y, a, b):
    # d a**b / db = a**b log(a), and 0 at a = 0 with b >= 0, where a**b does not move.
    still = (b >= 0) & (a == 0)
    base = where(still, 1.0, a).astype(y.dtype)  # of two numbers `where` would make float64
    return fit(where(still, 0.0, g * y * log(base)), b.shape)


@primitive(_power_vjp_a, _power_vjp_b)
def power(a, b):
    """y = a**b, elementwise."""
    return a**b


@primitive(lambda g, y, x: -g)
def negative(x):
    """y = -x."""
    return -x


@primitive(None, None)
def equal(a, b):
    """Where a = b."""
    return a == b


@primitive(None, None)
def not_equal(a, b):
    """Where a and b differ."""
    return a != b


@primitive(None, None)
def less(a, b):
    """Where a < b."""
    return a < b


@primitive(None, None)
def less_equal(a, b):
    """Where a <= b."""
    return a <= b


@primitive(None, None)
def greater(a, b):
    """Where a > b."""
    return a > b


@primitive(None, None)
def greater_equal(a, b):
    """Where a >= b."""
    return a >= b


@primitive(None, None)
def bitwise_and(a, b):
    """a & b; for booleans, where both hold."""
    return a & b


@primitive(None, None)
def bitwise_or(a, b):
    """a | b; for booleans, where either holds."""
    return a | b


@primitive(None)
def invert(x):
    """~x; for booleans, where x does not hold."""
    return ~x
