"""Arithmetic of two operands, and comparisons; all of it broadcasts.

Dtypes promote as NumPy's do, and a Python number takes the dtype of the other operand. The gradient
of an operand that was broadcast is summed over its copies. Comparisons have no derivative and give
plain boolean tensors. Operands whose shapes do not fit are a ShapeError.
"""

from minitorch_rnn.engine import primitive
from minitorch_rnn.ops.creation import zeros_like
from minitorch_rnn.ops.elementwise import log
from minitorch_rnn.ops.selection import where
from minitorch_rnn.ops.shape import fit


@primitive(lambda g, y, a, b: fit(g, a.shape), lambda g, y, a, b: fit(g, b.shape))
def add(a, b):
    """y = a + b.

    >>> import minitorch_rnn as mt
    >>> b = mt.tensor([10.0], requires_grad=True)
    >>> mt.autograd.grad(mt.add(mt.zeros(3), b).sum(), b)
    (tensor([3.]),)
    """
    return a + b


@primitive(lambda g, y, a, b: fit(g, a.shape), lambda g, y, a, b: fit(-g, b.shape))
def subtract(a, b):
    """y = a - b. PyTorch's `sub`.

    >>> import minitorch_rnn as mt
    >>> mt.subtract(mt.tensor([3.0, 5.0]), 1.0)
    tensor([2., 4.])
    """
    return a - b


@primitive(lambda g, y, a, b: fit(g * b, a.shape), lambda g, y, a, b: fit(g * a, b.shape))
def multiply(a, b):
    """y = a b, elementwise; the slopes are b and a. PyTorch's `mul`.

    >>> import minitorch_rnn as mt
    >>> a, b = mt.tensor(2.0, requires_grad=True), mt.tensor(3.0, requires_grad=True)
    >>> mt.autograd.grad(mt.multiply(a, b), [a, b])
    (tensor(3.), tensor(2.))
    """
    return a * b


@primitive(
    lambda g, y, a, b: fit(g / b, a.shape),
    lambda g, y, a, b: fit(-g * y / b, b.shape),  # y = a / b spares us a / b**2
)
def divide(a, b):
    """y = a / b, elementwise; integers too give a float. PyTorch's `div`.

    >>> import minitorch_rnn as mt
    >>> mt.divide(mt.tensor([1, 3]), 2)
    tensor([0.5, 1.5])
    """
    return a / b


@primitive(
    lambda g, y, a, b: zeros_like(a),
    lambda g, y, a, b: zeros_like(b),
)
def floor_divide(a, b):
    """y = floor(a / b); its slope is zero wherever it has one.

    >>> import minitorch_rnn as mt
    >>> mt.floor_divide(mt.tensor([-7, 7]), 2)
    tensor([-4,  3])
    """
    return a // b


@primitive(
    lambda g, y, a, b: fit(g, a.shape),
    lambda g, y, a, b: fit(-g * (a // b), b.shape),  # y = a - b floor(a / b)
)
def remainder(a, b):
    """y = a - b floor(a / b), which has the sign of b; the slopes are 1 and -floor(a / b).

    >>> import minitorch_rnn as mt
    >>> mt.remainder(mt.tensor([-7, 7]), 3)
    tensor([2, 1])
    """
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
    """y = a**b, elementwise; the slopes are b a**(b - 1) and y ln(a). PyTorch's `pow`.

    Where y stands still the slope is 0, whatever the formula says: in a where b = 0, and in b where
    a = 0 and b >= 0. At a < 0 the slope in b is nan. Integers have no negative whole powers.

    >>> import minitorch_rnn as mt
    >>> a, b = mt.tensor(0.0, requires_grad=True), mt.tensor(2.0, requires_grad=True)
    >>> mt.autograd.grad(mt.power(a, b), [a, b])
    (tensor(0.), tensor(0.))
    """
    return a**b


@primitive(lambda g, y, x: -g)
def negative(x):
    """y = -x. PyTorch's `neg`.

    >>> import minitorch_rnn as mt
    >>> mt.negative(mt.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return -x


@primitive(None, None)
def equal(a, b):
    """Where a = b, element by element: PyTorch's `eq`. What it calls `equal` is `(a == b).all()`.

    >>> import minitorch_rnn as mt
    >>> mt.equal(mt.tensor([1.0, 2.0]), 1.0)
    tensor([ True, False])
    """
    return a == b


@primitive(None, None)
def not_equal(a, b):
    """Where a and b differ. PyTorch's `ne`; nan differs from itself.

    >>> import minitorch_rnn as mt
    >>> mt.not_equal(mt.tensor([1.0, 2.0]), 1.0)
    tensor([False,  True])
    """
    return a != b


@primitive(None, None)
def less(a, b):
    """Where a < b. PyTorch's `lt`.

    >>> import minitorch_rnn as mt
    >>> mt.less(mt.tensor([1, 2, 3]), 2)
    tensor([ True, False, False])
    """
    return a < b


@primitive(None, None)
def less_equal(a, b):
    """Where a <= b. PyTorch's `le`.

    >>> import minitorch_rnn as mt
    >>> mt.less_equal(mt.tensor([1, 2, 3]), 2)
    tensor([ True,  True, False])
    """
    return a <= b


@primitive(None, None)
def greater(a, b):
    """Where a > b. PyTorch's `gt`.

    >>> import minitorch_rnn as mt
    >>> mt.greater(mt.tensor([1, 2, 3]), 2)
    tensor([False, False,  True])
    """
    return a > b


@primitive(None, None)
def greater_equal(a, b):
    """Where a >= b. PyTorch's `ge`.

    >>> import minitorch_rnn as mt
    >>> mt.greater_equal(mt.tensor([1, 2, 3]), 2)
    tensor([False,  True,  True])
    """
    return a >= b


@primitive(None, None)
def bitwise_and(a, b):
    """a & b, of integers bit by bit; of booleans, where both hold.

    >>> import minitorch_rnn as mt
    >>> mt.bitwise_and(mt.tensor([True, True]), mt.tensor([True, False]))
    tensor([ True, False])
    """
    return a & b


@primitive(None, None)
def bitwise_or(a, b):
    """a | b, of integers bit by bit; of booleans, where either holds.

    >>> import minitorch_rnn as mt
    >>> mt.bitwise_or(mt.tensor([True, False]), mt.tensor([False, False]))
    tensor([ True, False])
    """
    return a | b


@primitive(None)
def invert(x):
    """~x; of booleans, where x does not hold. PyTorch's `bitwise_not`.

    >>> import minitorch_rnn as mt
    >>> mt.invert(mt.tensor([True, False]))
    tensor([False,  True])
    """
    return ~x
