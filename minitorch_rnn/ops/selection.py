"""Choices between operands, element by element: where, maximum, minimum, clip."""

from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import primitive
from minitorch_rnn.ops.shape import fit


def _chosen_vjp(g, mine, other, wins):
    # Where both are equal each is responsible for half of the slope; nan is always chosen.
    wins = wins | (mine != mine)
    return fit(where(mine == other, g / 2, where(wins, g, 0.0)), mine.shape)


@primitive(
    lambda g, y, a, b: _chosen_vjp(g, a, b, a > b),
    lambda g, y, a, b: _chosen_vjp(g, b, a, b > a),
)
def maximum(a, b):
    """The larger of a and b, elementwise; equal operands share the gradient evenly, and nan wins.

    >>> import minitorch_rnn as mt
    >>> a = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> mt.autograd.grad(mt.maximum(a, 2.0).sum(), a)
    (tensor([0. , 0.5, 1. ]),)
    """
    return namespace(a, b).maximum(a, b)


@primitive(
    lambda g, y, a, b: _chosen_vjp(g, a, b, a < b),
    lambda g, y, a, b: _chosen_vjp(g, b, a, b < a),
)
def minimum(a, b):
    """The smaller of a and b, elementwise; equal operands share the gradient evenly, and nan wins.

    >>> import minitorch_rnn as mt
    >>> a = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> mt.autograd.grad(mt.minimum(a, 2.0).sum(), a)
    (tensor([1. , 0.5, 0. ]),)
    """
    return namespace(a, b).minimum(a, b)


@primitive(
    None,
    lambda g, y, condition, a, b: fit(where(condition, g, 0.0), a.shape),
    lambda g, y, condition, a, b: fit(where(condition, 0.0, g), b.shape),
)
def where(condition, a, b):
    """a where the condition holds and b elsewhere. The branch not taken gets a zero gradient.

    The zero meets the slope of that branch further back: if the slope is infinite the product is
    nan. Replace the bad values first: where(x > 0, log(where(x > 0, x, 1)), 0).

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([0.0, 2.0], requires_grad=True)
    >>> y = mt.where(x > 0, mt.log(mt.where(x > 0, x, 1.0)), 0.0)
    >>> mt.autograd.grad(y.sum(), x)
    (tensor([0. , 0.5]),)
    """
    return namespace(condition, a, b).where(condition, a, b)


def _inside(x, low, high):
    above = True if low is None else x >= low
    return above & (True if high is None else x <= high)


@primitive(
    lambda g, y, x, low, high: fit(where(_inside(x, low, high), g, 0.0), x.shape),
    lambda g, y, x, low, high: fit(where(x < low, g, 0.0), low.shape),
    lambda g, y, x, low, high: fit(where(x > high, g, 0.0), high.shape),
)
def clip(x, low=None, high=None):
    """x limited to low … high, either of which may be None. The slope is 1 at the bounds.

    PyTorch's `clamp`, whose `min` and `max` are understood too. Bounds may be tensors: each gets
    the gradient of the elements that lie beyond it. Where low > high the result is high.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([-2.0, -1.0, 0.0, 3.0], requires_grad=True)
    >>> mt.autograd.grad(mt.clip(x, -1.0, 1.0).sum(), x)
    (tensor([0., 1., 1., 0.]),)
    """
    return namespace(x, low, high).clip(x, low, high)
