"""Operations that move elements without computing: shapes, axes, copies, joins.

`sum_to` and `broadcast_to` are adjoint twins: each is the other's derivative. Every rule of a
broadcasting operation ends in `fit`, which calls `sum_to` only where broadcasting took place.
Sizes that do not fit are a ShapeError, an axis out of range is an IndexError.
"""

import functools
import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import composite, primitive, raw, variadic
from minitorch_rnn.errors import ShapeError

_FLOAT16 = np.dtype("float16")


def fit(g, shape):
    """Undo broadcasting: sum the gradient g back to the shape of the operand it belongs to."""
    return g if g.shape == shape else sum_to(g, shape)


def is_integer(n):
    """Whether n is one whole number, Python's or NumPy's."""
    return isinstance(n, int | np.integer)


def sizes(shape):
    """(2, 3) from f(2, 3), f((2, 3)) and f([2, 3])."""
    return tuple(shape[0]) if len(shape) == 1 and not is_integer(shape[0]) else shape


def axis_of(name, x, axis):
    """`axis` counted from the front; out of range it is an IndexError with both numbers."""
    return normalize_axis_index(axis, x.ndim, name)


def widened(function):
    """Compute float16 in float32: it overflows at 65504 and cannot tell 2048 + 1 from 2048."""

    @functools.wraps(function)
    def in_float32(x, *attrs):
        if getattr(x, "dtype", None) != _FLOAT16:
            return function(x, *attrs)
        return function(x.astype("float32"), *attrs).astype(x.dtype)

    return in_float32


@primitive(lambda g, y, x, shape: fit(g, x.shape))
def broadcast_to(x, shape):
    """x repeated, without copying, along new axes and axes of size 1 until it has `shape`.

    PyTorch's `expand`, without its -1; the gradient is summed over the copies.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 2.0], requires_grad=True)
    >>> mt.autograd.grad(mt.broadcast_to(x, (3, 2)).sum(), x)
    (tensor([3., 3.]),)
    """
    return namespace(x).broadcast_to(x, shape)


def spread(g, shape):
    """`broadcast_to` for the gradient g of a reduction.

    A small array is copied into its places, which takes a fifth of the time of NumPy's view.
    """
    if isinstance(g, np.ndarray | np.generic) and math.prod(shape) <= 4096:
        wide = np.empty(shape, g.dtype)
        wide[...] = g
        return wide
    return broadcast_to(g, shape)


@variadic(lambda i, g, y, *args: _concatenate_vjp(i, g, *args), attrs=1)
def _concatenate(*args):
    *arrays, axis = args
    return namespace(*arrays).concatenate(arrays, axis=axis)


def _concatenate_vjp(i, g, *args):
    *arrays, axis = args
    axis %= g.ndim
    start = sum(x.shape[axis] for x in arrays[:i])
    return g[(slice(None),) * axis + (slice(start, start + arrays[i].shape[axis]),)]


@composite
def concatenate(tensors, axis=0):
    """Join tensors along an existing axis; None means the flattened tensors. PyTorch's `cat`.

    Raises:
        ShapeError: if there is none, or they differ in another axis.

    >>> import minitorch_rnn as mt
    >>> mt.concatenate([mt.tensor([1.0, 2.0]), mt.tensor([3.0])])
    tensor([1., 2., 3.])
    """
    tensors = _several("concatenate", tensors)
    if axis is None:
        tensors, axis = [reshape(x, (-1,)) for x in tensors], 0
    return _concatenate(*tensors, operator.index(axis))


@primitive(lambda g, y, x, axis: flip(g, axis))
def flip(x, axis=None):
    """x with the order of its elements reversed along `axis`; None means along every axis.

    >>> import minitorch_rnn as mt
    >>> mt.flip(mt.tensor([1, 2, 3]))
    tensor([3, 2, 1])
    """
    return namespace(x).flip(x, axis=axis)


@composite
def moveaxis(x, source, destination):
    """x with one axis, or several, moved to other positions; the others keep their order.

    Raises:
        ShapeError: if source and destination name different numbers of axes.

    >>> import minitorch_rnn as mt
    >>> mt.moveaxis(mt.zeros(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    sources, places = (
        [axis_of("moveaxis", x, a) for a in (axes if isinstance(axes, tuple | list) else (axes,))]
        for axes in (source, destination)
    )
    if len(set(sources)) != len(set(places)):
        raise ShapeError(f"moveaxis: from {source} to {destination}; give as many to as from.")
    axes = [a for a in range(x.ndim) if a not in sources]
    for place, moved in sorted(zip(places, sources, strict=True)):
        axes.insert(place, moved)
    return permute(x, tuple(axes))


def _pad_vjp(g, y, x, pad_width, value):
    return g[tuple(slice(w, w + n) for (w, _), n in zip(pad_width, x.shape, strict=True))]


@primitive(_pad_vjp)
def _pad(x, pad_width, value):
    return namespace(x).pad(x, pad_width, constant_values=value)


@composite
def pad(x, pad_width, value=0.0):
    """x with `value` added around it; `pad_width` as in NumPy: n, (before, after) or one per axis.

    (PyTorch's `nn.functional.pad` lists the last axis first.)

    >>> import minitorch_rnn as mt
    >>> mt.pad(mt.tensor([1.0, 2.0]), (1, 0))
    tensor([0., 1., 2.])
    """
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    return _pad(x, tuple(map(tuple, widths)), value)


def _permute_vjp(g, y, x, axes):
    return g.transpose(tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes))))


@primitive(_permute_vjp)
def permute(x, axes):
    """x with its axes in the order `axes`; NumPy calls it `transpose`.

    >>> import minitorch_rnn as mt
    >>> mt.permute(mt.zeros(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return x.transpose(axes)


@composite
def repeat(x, repeats, axis=None):
    """Each element repeated `repeats` times along `axis`; None means in the flattened x.

    NumPy's meaning, PyTorch's `repeat_interleave`; PyTorch's `repeat` is `tile`. `repeats` may be
    several, one for each element. The gradients of the copies are summed.

    >>> import minitorch_rnn as mt
    >>> mt.repeat(mt.tensor([1.0, 2.0]), 2)
    tensor([1., 1., 2., 2.])
    """
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    xp = namespace(raw(x))
    axis = axis_of("repeat", x, axis)
    rows = xp.repeat(xp.arange(x.shape[axis]), repeats)
    return x[(slice(None),) * axis + (rows,)]


@primitive(lambda g, y, x, shape: g.reshape(x.shape))
def reshape(x, shape):
    """The same elements in the same order in another shape; one size may be -1.

    >>> import minitorch_rnn as mt
    >>> mt.reshape(mt.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return x.reshape(shape)


def _negated(shift):
    return tuple(-s for s in shift) if isinstance(shift, tuple | list) else -shift


@primitive(lambda g, y, x, shift, axis: roll(g, _negated(shift), axis))
def roll(x, shift, axis=None):
    """x with elements shifted along `axis`; those that leave at one end come in at the other.

    None means along the flattened x; several axes take several shifts.

    >>> import minitorch_rnn as mt
    >>> mt.roll(mt.tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    return namespace(x).roll(x, shift, axis=axis)


@composite
def split(x, sections, axis=0):
    """A list of parts of x along `axis`: `sections` equal ones, or cut at the given indices.

    NumPy's meaning, PyTorch's `tensor_split`; PyTorch's `split` takes the size of a part.

    Raises:
        ShapeError: if the axis cannot be cut into that many equal parts.

    >>> import minitorch_rnn as mt
    >>> mt.split(mt.arange(4), 2)
    [tensor([0, 1]), tensor([2, 3])]
    """
    axis = axis_of("split", x, axis)
    length = x.shape[axis]
    if is_integer(sections):
        if sections < 1 or length % sections:
            raise ShapeError(f"split: an axis of size {length} has no {sections} equal parts.")
        cuts = [length // sections * i for i in range(sections + 1)]
    else:
        cuts = [0, *(int(cut) for cut in sections), length]
    before = (slice(None),) * axis
    return [x[(*before, slice(a, b))] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


@primitive(lambda g, y, x, axis: g.reshape(x.shape))
def squeeze(x, axis=None):
    """x without `axis`, which must have size 1; None drops every axis of size 1.

    (PyTorch leaves an axis of another size as it is; here it is a ShapeError.)

    >>> import minitorch_rnn as mt
    >>> mt.squeeze(mt.zeros(2, 1, 3), 1).shape
    (2, 3)
    """
    return x.squeeze(axis)


def _stack_vjp(i, g, y, *args):
    return g[(slice(None),) * (args[-1] % g.ndim) + (i,)]


@variadic(_stack_vjp, attrs=1)
def _stack(*args):
    *arrays, axis = args
    return namespace(*arrays).stack(arrays, axis=axis)


@composite
def stack(tensors, axis=0):
    """Join tensors of one shape along a new axis.

    Raises:
        ShapeError: if there is none, or their shapes differ.

    >>> import minitorch_rnn as mt
    >>> mt.stack([mt.tensor([1.0, 2.0]), mt.tensor([3.0, 4.0])], axis=1)
    tensor([[1., 3.],
            [2., 4.]])
    """
    return _stack(*_several("stack", tensors), operator.index(axis))


def _several(name: str, tensors: Any) -> list[Any]:
    tensors = list(tensors)
    if not tensors:
        raise ShapeError(f"{name}: got 0 tensors; at least one is needed.")
    return tensors


@primitive(lambda g, y, x, shape: broadcast_to(g, x.shape))
@widened
def sum_to(x, shape):
    """The sum of x over the axes along which `shape` would have been broadcast to x's shape.

    PyTorch's `sum_to_size`. float16 is added up in float32.

    >>> import minitorch_rnn as mt
    >>> mt.sum_to(mt.ones(2, 3), (2, 1))
    tensor([[3.],
            [3.]])
    """
    extra = x.ndim - len(shape)
    axes = tuple(
        i for i, n in enumerate(x.shape) if i < extra or (shape[i - extra] == 1 and n != 1)
    )
    return x.sum(axis=axes, keepdims=True).reshape(shape)


@composite
def swapaxes(x, axis1, axis2):
    """x with two axes exchanged (PyTorch's `transpose(dim0, dim1)`).

    >>> import minitorch_rnn as mt
    >>> mt.swapaxes(mt.zeros(2, 3, 4), 0, -1).shape
    (4, 3, 2)
    """
    axes = list(range(x.ndim))
    i, j = axis_of("swapaxes", x, axis1), axis_of("swapaxes", x, axis2)
    axes[i], axes[j] = axes[j], axes[i]
    return permute(x, tuple(axes))


@composite
def tile(x, reps):
    """x repeated as a whole, `reps` times along each axis (PyTorch's `repeat`).

    >>> import minitorch_rnn as mt
    >>> mt.tile(mt.tensor([1.0, 2.0]), 2)
    tensor([1., 2., 1., 2.])
    """
    reps = (reps,) if is_integer(reps) else tuple(int(r) for r in reps)
    shape = (1,) * (len(reps) - x.ndim) + x.shape
    reps = (1,) * (len(shape) - len(reps)) + reps
    apart = tuple(n for size in shape for n in (1, size))
    wide = tuple(n for pair in zip(reps, shape, strict=True) for n in pair)
    together = tuple(r * size for r, size in zip(reps, shape, strict=True))
    return reshape(broadcast_to(reshape(x, apart), wide), together)


@composite
def transpose(x, axes=None):
    """x with its axes in the order `axes`; None reverses them, as does `x.T`.

    NumPy's meaning; PyTorch's `transpose` is `swapaxes`.

    >>> import minitorch_rnn as mt
    >>> mt.transpose(mt.zeros(2, 3, 4)).shape
    (4, 3, 2)
    """
    return permute(x, tuple(range(x.ndim))[::-1] if axes is None else axes)


@primitive(lambda g, y, x, axis: g.reshape(x.shape))
def unsqueeze(x, axis):
    """x with a new axis of size 1 at position `axis` (NumPy's `expand_dims`).

    >>> import minitorch_rnn as mt
    >>> mt.unsqueeze(mt.zeros(2, 3), 1).shape
    (2, 1, 3)
    """
    return namespace(x).expand_dims(x, axis)


@composite
def flatten(x, start=0, stop=-1):
    """x with the axes `start` to `stop`, both included, joined into one; a number becomes (1,).

    Raises:
        ShapeError: if `start` lies behind `stop`.

    >>> import minitorch_rnn as mt
    >>> mt.flatten(mt.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    if not x.ndim:
        return reshape(x, (1,))
    start, stop = axis_of("flatten", x, start), axis_of("flatten", x, stop)
    if start > stop:
        raise ShapeError(f"flatten: axes {start} to {stop} of shape {x.shape}: none to join.")
    joined = math.prod(x.shape[start : stop + 1])
    return reshape(x, (*x.shape[:start], joined, *x.shape[stop + 1 :]))
