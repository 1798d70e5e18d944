"""Reading and writing parts of a tensor: everything NumPy's square brackets allow.

`getitem` and `scatter` are adjoint twins. The walk collects the gradients of all parts that were
read from one tensor and scatters them into one buffer, duplicates adding up.
"""

import operator

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import Piece, composite, primitive, raw, variadic
from minitorch_rnn.engine.primitive import mixed
from minitorch_rnn.errors import BackendError, ShapeError
from minitorch_rnn.ops.selection import where
from minitorch_rnn.ops.shape import axis_of, fit


def _is_basic(key):
    parts = key if isinstance(key, tuple) else (key,)
    return all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)


def _plain(part):
    """One entry of a key as a private plain array, slice or number."""
    if part is None or part is Ellipsis or isinstance(part, int | slice):
        return part
    array = raw(part)
    if isinstance(array, list | tuple):
        array = np.array(array, dtype=None if array else int)
    if backend.backend_of(array) is None and not isinstance(array, np.bool_):
        try:
            return operator.index(array)
        except TypeError as cause:
            kind = type(part).__name__
            raise IndexError(f"getitem: an index is integer or boolean, got {kind}.") from cause
    if array.dtype.kind not in "iub":
        raise IndexError(f"getitem: an index is integer or boolean, got {array.dtype}.")
    return array.copy()  # the caller may change its own before the backward walk reads ours


def _key(x, key):
    if isinstance(key, int):
        return key
    key = tuple(_plain(part) for part in key) if isinstance(key, tuple) else _plain(key)
    array = raw(x)
    if not isinstance(array, np.ndarray) and not _is_basic(key):
        # CuPy wraps indices that are out of range; NumPy checks those that came from the host.
        parts = key if isinstance(key, tuple) else (key,)
        if not any(backend.backend_of(part) is backend.backend_of(array) for part in parts):
            _ = np.broadcast_to(np.False_, array.shape)[key]
            return tuple(_brought(namespace(array), parts))
    return key


def _brought(xp, parts):
    """A key from the host, brought to the device once for both ways, a mask as the places that it
    selects: were they counted there, the host would have to wait for their number.
    """
    for part in parts:
        if isinstance(part, np.ndarray) and part.ndim:
            places = part.nonzero() if part.dtype == bool else [part]
            yield from map(xp.asarray, places)
        else:
            yield part


def _add_at(out, key, values):
    if _is_basic(key):
        out[key] += values
    else:
        namespace(out).add.at(out, key, values)  # a plain += would drop duplicates


def _scatter_pieces(pieces, like):
    keys = tuple(piece.key for piece in pieces)
    return _scatter(*[piece.gradient for piece in pieces], keys, like.shape, like.dtype)


@variadic(lambda i, g, y, *args: getitem(g, args[-3][i]), attrs=3)
def _scatter(*args):
    """Zeros of `shape` with pieces added at their keys, duplicates adding up."""
    *pieces, keys, shape, dtype = args
    out = namespace(*pieces).zeros(shape, dtype=dtype)
    for key, piece in zip(keys, pieces, strict=True):
        _add_at(out, key, piece)
    return out


@primitive(lambda g, y, x, key: Piece(key, g, _scatter_pieces))
def _getitem(x, key):
    return x[key]


def getitem(x, key):
    """x[key] for integers, slices, negative steps, `...`, None, boolean masks, integer arrays.

    NumPy's rules, also where PyTorch has others: x[1, :, [3, 3]] puts the axis of the array first.
    What is read twice gets both gradients.

    Raises:
        IndexError: if an index is out of range, or is neither integer nor boolean.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> mt.autograd.grad(x[[0, 0, -1]].sum(), x)
    (tensor([2., 0., 1.]),)
    """
    return _getitem(x, _key(x, key))


def _last_writers(g, key):
    """Which of the values written to x[key] are still there: with duplicates only one is."""
    xp = namespace(raw(g))
    order = xp.zeros(g.shape, dtype=int)
    count = xp.arange(order[key].size).reshape(order[key].shape)
    order[key] = count
    return order[key] == count


def _update_vjp_value(g, y, x, value, key):
    part = getitem(g, key)
    part = part if _is_basic(key) else where(_last_writers(g, key), part, 0.0)
    extra = (1,) * (len(value.shape) - part.ndim)  # NumPy writes (1, 3) to a place of (3,)
    return fit(part.reshape(extra + part.shape) if extra else part, value.shape)


@primitive(lambda g, y, x, value, key: _index_update(g, 0.0, key), _update_vjp_value)
def _index_update(x, value, key):
    out = x.copy()
    out[key] = value
    return out


def index_update(x, key, value):
    """A copy of x with x[key] replaced by `value`: the differentiable form of `x[key] = value`.

    Where an index is repeated one of its values wins, and only that one gets a gradient. What was
    replaced gets 0. PyTorch's `index_put`.

    Raises:
        IndexError: as `getitem`.
        BackendError: if x and `value` live on two backends.

    >>> import minitorch_rnn as mt
    >>> mt.index_update(mt.tensor([1.0, 2.0, 3.0]), 0, 9.0)
    tensor([9., 2., 3.])
    """
    _check_backends("index_update", x, value)
    return _index_update(x, value, _key(x, key))


def _add_vjp_value(g, y, x, value, key):
    return fit(getitem(g, key), value.shape)


@primitive(lambda g, y, x, value, key: g, _add_vjp_value)
def _index_add(x, value, key):
    out = x.copy()
    _add_at(out, key, value)
    return out


def index_add(x, key, value):
    """A copy of x with `value` added to x[key]; where an index is repeated, all are added.

    PyTorch's `index_put` with `accumulate=True`; its `index_add` wants an axis as well. Raises what
    `index_update` does.

    >>> import minitorch_rnn as mt
    >>> mt.index_add(mt.tensor([0.0, 0.0]), [1, 1, 0], 1.0)
    tensor([1., 2.])
    """
    _check_backends("index_add", x, value)
    return _index_add(x, value, _key(x, key))


def _check_backends(name, x, value):
    owner = backend.backend_of(raw(value))
    if owner is not None and owner is not backend.backend_of(raw(x)):
        raise BackendError(mixed(name, (x, value)))


@composite
def take_along_axis(x, indices, axis=-1):
    """y[…, i, …] = x[…, indices[…, i, …], …]: pick along one axis.

    PyTorch's `take_along_dim`, or `gather`. Other axes of size 1 are broadcast. Each time that an
    element is picked adds to its gradient.

    Raises:
        ShapeError: if x and the indices differ in their number of axes.

    >>> import minitorch_rnn as mt
    >>> mt.take_along_axis(mt.tensor([[1.0, 2.0], [3.0, 4.0]]), mt.tensor([[1], [0]]), axis=1)
    tensor([[2.],
            [3.]])
    """
    array = raw(indices)
    if array.ndim != x.ndim:
        raise ShapeError(f"take_along_axis: x has {x.ndim} axes, indices have {array.ndim}.")
    xp = namespace(raw(x))
    axis = axis_of("take_along_axis", x, axis)
    key = [
        xp.arange(n).reshape([-1 if i == k else 1 for i in range(x.ndim)])
        for k, n in enumerate(x.shape)
    ]
    key[axis] = array
    return getitem(x, tuple(key))
