"""Operations that combine the elements along one axis, several, or all of them.

`axis` and `keepdims` as in NumPy; `dim` and `keepdim` mean the same. Sums of float16 are added up
in float32 and given in float16; integers become what NumPy makes of them.
"""

import math

import numpy as np

from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import Tensor, composite, primitive
from minitorch_rnn.ops.creation import ones_like
from minitorch_rnn.ops.elementwise import exp, floating
from minitorch_rnn.ops.selection import where
from minitorch_rnn.ops.shape import axis_of, concatenate, flip, permute, spread, widened


def _axes(x, axis, name=None):
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(axis_of(name, x, a) for a in (axis if isinstance(axis, tuple) else (axis,)))


def _kept(g, x, axis, keepdims):
    """g with the reduced axes put back as axes of size 1, so that it broadcasts against x."""
    if keepdims or axis is None:
        return g
    shape = list(x.shape)
    for a in axis if isinstance(axis, tuple) else (axis,):
        shape[a] = 1
    return g.reshape(tuple(shape))


def _count(x, axis):
    return x.size if axis is None else math.prod([x.shape[a] for a in _axes(x, axis)])


@primitive(lambda g, y, x, axis, keepdims: spread(_kept(g, x, axis, keepdims), x.shape))
@widened
def reduce_sum(x, axis=None, keepdims=False):
    """The sum along `axis`: `sum`. Booleans are counted, and small integers added up in 64 bits.

    >>> import minitorch_rnn as mt
    >>> mt.sum(mt.ones(2, 3), axis=1)
    tensor([3., 3.])
    """
    return x.sum(axis=axis, keepdims=keepdims)


@primitive(
    lambda g, y, x, axis, keepdims: spread(_kept(g, x, axis, keepdims) / _count(x, axis), x.shape)
)
def mean(x, axis=None, keepdims=False):
    """The mean along `axis`; of integers a float.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 2.0, 3.0, 6.0], requires_grad=True)
    >>> mt.mean(x).item(), mt.autograd.grad(mt.mean(x), x)
    (3.0, (tensor([0.25, 0.25, 0.25, 0.25]),))
    """
    if x.__class__ is np.ndarray and x.dtype.kind == "f" and x.dtype.itemsize > 2 and x.size:
        return x.sum(axis=axis, keepdims=keepdims) / _count(x, axis)  # as NumPy, in half the time
    return x.mean(axis=axis, keepdims=keepdims)


def _per_degree(x, axis, ddof):
    n = _count(x, axis)
    return 1 / (n - ddof) if n > ddof else math.nan


def _var_vjp(g, y, x, axis, ddof, keepdims):
    centred = x - x.mean(axis=axis, keepdims=True)
    return _kept(g, x, axis, keepdims) * (2 * _per_degree(x, axis, ddof)) * centred


@primitive(_var_vjp)
@widened
def var(x, axis=None, ddof=0, keepdims=False):
    """The mean squared distance from the mean, its sum divided by n - ddof.

    `ddof` is 0 as in NumPy; PyTorch calls it `correction`, and its default is 1. nan if n <= ddof.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 3.0])
    >>> mt.var(x), mt.var(x, correction=1)
    (tensor(1.), tensor(2.))
    """
    centred = x - x.mean(axis=axis, keepdims=True)
    scale = _count(x, axis) * _per_degree(x, axis, ddof)
    return (centred * centred).mean(axis=axis, keepdims=keepdims) * scale


def _std_vjp(g, y, x, axis, ddof, keepdims):
    # std = sqrt(var), so d std = d var / (2 std); where std = 0 the slope is taken as 0.
    still = y == 0
    g = where(still, 0.0, g / where(still, 1.0, y))
    centred = x - x.mean(axis=axis, keepdims=True)
    return _kept(g, x, axis, keepdims) * _per_degree(x, axis, ddof) * centred


@primitive(_std_vjp)
@widened
def std(x, axis=None, ddof=0, keepdims=False):
    """The square root of `var`; the slope of a constant x is 0.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([2.0, 2.0], requires_grad=True)
    >>> mt.autograd.grad(mt.std(x), x)
    (tensor([0., 0.]),)
    """
    return namespace(x).sqrt(var(x, axis, ddof, keepdims))


def _extreme_vjp(g, y, x, axis, keepdims):
    # All elements that attain the extreme share it evenly; where it is nan, those that are nan.
    winners = (x == _kept(y, x, axis, keepdims)) | (x != x)
    count = winners.sum(axis=axis, keepdims=True).astype(g.dtype)
    return where(winners, _kept(g, x, axis, keepdims), 0.0) / count


@primitive(_extreme_vjp)
def reduce_max(x, axis=None, keepdims=False):
    """The largest element along `axis`: `max`. Equal ones share the gradient evenly, and nan wins.

    PyTorch's `amax`; there is no pair with the indices, for which see `argmax`.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> mt.autograd.grad(mt.max(x), x)
    (tensor([0. , 0.5, 0.5]),)
    """
    return x.max(axis=axis, keepdims=keepdims)


@primitive(_extreme_vjp)
def reduce_min(x, axis=None, keepdims=False):
    """The smallest element along `axis`: `min`. Equal ones share the gradient evenly, and nan wins.

    PyTorch's `amin`; there is no pair with the indices, for which see `argmin`.

    >>> import minitorch_rnn as mt
    >>> mt.min(mt.tensor([[3.0, 1.0], [2.0, 4.0]]), axis=1)
    tensor([1., 2.])
    """
    return x.min(axis=axis, keepdims=keepdims)


def _prod_vjp(g, y, x, axis, keepdims):
    # The slope of each element is the product of all others, exact also where some are 0.
    gone = _axes(x, axis)
    order = tuple(a for a in range(x.ndim) if a not in gone) + gone
    moved = permute(x, order)
    rows = moved.reshape((math.prod(moved.shape[: x.ndim - len(gone)]), _count(x, axis)))
    others = _others(rows) if isinstance(rows, Tensor) else _others_at_once(rows)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return _kept(g, x, axis, keepdims) * permute(others.reshape(moved.shape), back)


def _others(x):
    """For every element the product of the others in its row, by halves, of operations."""
    half = x.shape[-1] // 2
    if not half:
        return ones_like(x)
    a, b, odd = x[:, :half], x[:, half : 2 * half], x[:, 2 * half :]
    rest = _others(concatenate([a * b, odd], axis=1))  # the products of all other pairs
    pairs = rest[:, :half]
    return concatenate([pairs * b, pairs * a, rest[:, half:]], axis=1)


def _others_at_once(x):
    """The same of an array: the product of those before and of those behind."""
    others, behind = namespace(x).ones_like(x), namespace(x).ones_like(x)
    others[:, 1:] = x[:, :-1].cumprod(axis=1)
    behind[:, :-1] = x[:, :0:-1].cumprod(axis=1)[:, ::-1]
    others *= behind
    return others


@primitive(_prod_vjp)
def prod(x, axis=None, keepdims=False):
    """The product along `axis`; its derivatives are exact at zeros, of every order.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> mt.autograd.grad(mt.prod(x), x)
    (tensor([6., 0., 0.]),)
    """
    return x.prod(axis=axis, keepdims=keepdims)


@primitive(
    lambda g, y, x, axis, keepdims: (
        _kept(g, x, axis, keepdims) * exp(x - _finite(_kept(y, x, axis, keepdims)))
    )
)
@widened
def logsumexp(x, axis=None, keepdims=False):
    """y = ln(sum(e**x)) along `axis`, without overflow; -inf where every x is -inf.

    The slope is softmax(x), and 0 where every x is -inf. Integers become the default dtype.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1000.0, 1000.0], requires_grad=True)
    >>> mt.autograd.grad(mt.logsumexp(x), x)
    (tensor([0.5, 0.5]),)
    """
    x = floating(x)
    xp = namespace(x)
    top = _finite(x.max(axis=axis, keepdims=True))
    total = xp.exp(x - top).sum(axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):  # ln(0) = -inf is the value, not an accident
        y = xp.log(total) + top
    return y if keepdims else y.squeeze(axis)


def _finite(x):
    return where(abs(x) == math.inf, 0.0, x)


@widened
def _softmax_vjp(g, y, x, axis):
    return y * (g - (g * y).sum(axis=axis, keepdims=True))


@primitive(_softmax_vjp)
@widened
def softmax(x, axis=-1):
    """Probabilities along `axis`: y = e**x / sum(e**x), without overflow.

    The last axis is the default; PyTorch wants `dim`. Integers become the default dtype.

    >>> import minitorch_rnn as mt
    >>> mt.softmax(mt.tensor([[1000.0, 1000.0], [1000.0, 0.0]]))
    tensor([[0.5, 0.5],
            [1. , 0. ]])
    """
    x = floating(x)
    if not x.size:
        return x.copy()
    e = namespace(x).exp(x - x.max(axis=axis, keepdims=True))  # exp() cannot overflow now
    e /= e.sum(axis=axis, keepdims=True)
    return e


@widened
def _log_softmax_vjp(g, y, x, axis):
    # y = x - log(sum(exp(x))), so dL/dx = g - softmax(x) * sum(g), and softmax(x) is exp(y).
    return g - exp(y) * g.sum(axis=axis, keepdims=True)


@primitive(_log_softmax_vjp)
@widened
def log_softmax(x, axis=-1):
    """Log-probabilities along `axis`: y = x - ln(sum(e**x)), without overflow.

    Finite where the probability itself would be rounded to 0; otherwise as `softmax`.

    >>> import minitorch_rnn as mt
    >>> mt.log_softmax(mt.tensor([1000.0, 0.0]))
    tensor([    0., -1000.])
    """
    x = floating(x)
    if not x.size:
        return x.copy()
    xp = namespace(x)
    x = x - x.max(axis=axis, keepdims=True)  # exp() cannot overflow now, and y is unchanged
    x -= xp.log(xp.exp(x).sum(axis=axis, keepdims=True))
    return x


def _cumsum_vjp(g, y, x, axis):
    return flip(cumsum(flip(g, axis), axis), axis).reshape(x.shape)


@primitive(_cumsum_vjp)
@widened
def cumsum(x, axis=None):
    """Running sums along `axis`; None means along the flattened x. The gradient sums from behind.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> mt.cumsum(x).tolist(), mt.autograd.grad(mt.cumsum(x).sum(), x)
    ([1.0, 3.0, 6.0], (tensor([3., 2., 1.]),))
    """
    return x.cumsum(axis=axis)


def _norm_vjp(g, y, x, axis, keepdims):
    still = y == 0  # at x = 0 the slope is taken as 0
    g = where(still, 0.0, g / where(still, 1.0, y))
    return _kept(g, x, axis, keepdims) * x


@primitive(_norm_vjp)
@widened
def _norm(x, axis, keepdims):
    x = floating(x)
    return namespace(x).sqrt((x * x).sum(axis=axis, keepdims=keepdims))


@composite
def norm(x, ord=2, axis=None, keepdims=False):
    """The Euclidean norm along `axis`: y = sqrt(sum(x**2)); the slope is x / y, and 0 at 0.

    Of all elements without an axis. PyTorch's `linalg.vector_norm`.

    Raises:
        ValueError: if `ord` is another than 2; write x.abs().sum() or x.abs().max() for those.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)
    >>> mt.autograd.grad(mt.norm(x, axis=1).sum(), x)
    (tensor([[0.6, 0.8],
             [0. , 0. ]]),)
    """
    if ord not in (2, None):
        raise ValueError(
            f"norm: ord is {ord!r}; only 2 is known. Write x.abs().sum() or x.abs().max()."
        )
    return _norm(x, axis, keepdims)


@primitive(None)
def argmax(x, axis=None, keepdims=False):
    """Index of the first largest element along `axis`, without an axis in the flattened x; int64.

    >>> import minitorch_rnn as mt
    >>> mt.argmax(mt.tensor([[1.0, 9.0, 9.0], [7.0, 3.0, 0.0]]), axis=1)
    tensor([1, 0])
    """
    return namespace(x).argmax(x, axis=axis, keepdims=keepdims)


@primitive(None)
def argmin(x, axis=None, keepdims=False):
    """Index of the first smallest element along `axis`, without an axis in the flattened x; int64.

    >>> import minitorch_rnn as mt
    >>> mt.argmin(mt.tensor([3.0, 1.0, 1.0]))
    tensor(1)
    """
    return namespace(x).argmin(x, axis=axis, keepdims=keepdims)


@primitive(None)
def reduce_all(x, axis=None, keepdims=False):
    """Whether every element along `axis` holds, that is, differs from 0: `all`.

    >>> import minitorch_rnn as mt
    >>> mt.all(mt.tensor([[True, True], [True, False]]), axis=1)
    tensor([ True, False])
    """
    return x.all(axis=axis, keepdims=keepdims)


@primitive(None)
def reduce_any(x, axis=None, keepdims=False):
    """Whether some element along `axis` holds, that is, differs from 0: `any`.

    >>> import minitorch_rnn as mt
    >>> mt.any(mt.tensor([[True, False], [False, False]]), axis=1)
    tensor([ True, False])
    """
    return x.any(axis=axis, keepdims=keepdims)
