"""Divergences of classes: cross-entropy of logits, and of logarithms of probabilities.

Targets are integers, one for each step, or probabilities. Our classes are on the last axis,
(T, B, O); `axis=1` is PyTorch's (N, O, …).

`reduction` is that of `losses`. As in PyTorch, a mean divides by the number of steps kept, with
class weights by the sum of the weights of their classes. After a sum it divides by the number of
sums in which any step is kept: of sequences padded to one length, ("sum", "mean") is the mean over
the sequences of what each sums up to.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.backend import backend_of, namespace
from minitorch_rnn.engine import (
    Tensor,
    composite,
    constant,
    is_grad_enabled,
    joint,
    raw,
    record,
)
from minitorch_rnn.engine.primitive import mixed
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError
from minitorch_rnn.nn.losses import (
    Reduction,
    as_floats,
    beside_zeros,
    reduced,
    weights_beside,
)
from minitorch_rnn.ops.shape import axis_of

_UNSIGNED = np.dtype("uint64")


@composite
def cross_entropy(
    logits: Any,
    targets: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Div(t, b) = -sum_o w_o D_o(t, b) ln softmax(logits(t, b))_o, reduced.

    Of a class c, D is 1 at c and 0 elsewhere: Div = -w_c ln softmax(logits)_c.

    Args:
        logits: z_o, (…, O), such as (T, B, O): unnormalised.
        targets: integer classes 0 … O-1, of the shape of `logits` without the axis of the classes;
            or D, probabilities of the shape of `logits`.
        weight: w, (O,), numbers that are used wherever the logits live; None is 1.
        ignore_index: steps with this class contribute exactly 0 and get a gradient of 0, whatever
            their logits hold, nan included.
        reduction: "mean", "sum" or "none" over everything, or one of them for each axis:
            ("sum", "mean") sums over time and averages over the batch, the deck's DIV.
        label_smoothing: ε; D becomes (1 - ε) D + ε/O.
        axis: of the classes.

    Raises:
        ShapeError: if the shapes do not fit.
        DTypeError: if the targets are neither integers nor probabilities.
        BackendError: if the targets are on a device and the logits are not.
        IndexError: if a target is neither one of 0 … O-1 nor `ignore_index`. Targets on a device
            are not looked at, which would mean waiting for it; there such a target makes the
            divergence nan.
        ValueError: if `label_smoothing` is not from 0 to 1, or an `ignore_index` is given beside
            probabilities, which have none.

    Source: slide 78; label smoothing: Szegedy et al., CVPR (2016), section 7.

    >>> from minitorch_rnn import nn, zeros
    >>> classes = [[0, 1], [2, -100], [0, 0]]
    >>> round(nn.cross_entropy(zeros(3, 2, 4), classes, reduction=("sum", "mean")).item(), 6)
    3.465736
    """
    name = "cross_entropy"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing is {label_smoothing}; it is a share, 0 to 1.")
    z = as_floats(logits)
    given = raw(targets)
    given = given if backend_of(given) else np.asarray(given)
    if given.dtype.kind != "f" or given.shape != z.shape or not z.ndim:
        z, classes, kept = _labelled(name, "logits", z, targets, ignore_index, axis)
        if weight is None and not label_smoothing and z.size:
            return _plain(name, z, classes, kept, reduction)
        log_p = ops.log_softmax(z)
        return _of_classes(name, log_p, classes, kept, weight, reduction, label_smoothing)
    if ignore_index >= 0:
        raise ValueError(f"{name}: ignore_index is {ignore_index}, the targets are probabilities.")
    D = targets if isinstance(targets, Tensor) else Tensor(given, z.dtype, backend=z.backend)
    log_p, D = ops.log_softmax(z, axis), _spread(D, label_smoothing, axis)
    losses = ops.moveaxis(D * beside_zeros(D, log_p), axis, -1)
    if weight is not None:
        losses = losses * _class_weights(name, weight, losses)
    return reduced(-losses.sum(axis=-1), reduction, name)


@composite
def nll_loss(
    log_probs: Any,
    targets: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    axis: int = -1,
) -> Tensor:
    """Div(t, b) = -w_c log_probs(t, b)_c of the class c = targets(t, b), reduced.

    Args:
        log_probs: (…, O): of `log_softmax(logits)` the divergence is their `cross_entropy`.
        targets: integer classes, as of `cross_entropy`, as are the other arguments and the errors.

    >>> from minitorch_rnn import log_softmax, nn, zeros
    >>> round(nn.nll_loss(log_softmax(zeros(2, 8)), [0, 7]).item(), 6)
    2.079442
    """
    name = "nll_loss"
    x = as_floats(log_probs)
    log_p, classes, kept = _labelled(name, "log_probs", x, targets, ignore_index, axis)
    return _of_classes(name, log_p, classes, kept, weight, reduction)


def integers(
    name: str, what: str, values: Any, like: Tensor, classes: tuple[int, ...] | None = None
) -> Any:
    """`values` as an int64 array: of the host, or of the device on which `like` lives too.

    Raises:
        DTypeError: if they are not integers; with `classes`, the shape of those, the error says
            that probabilities would do as well.
        BackendError: if they are on a device and `like` is not.
    """
    array = raw(values)
    if backend_of(array) is None:
        array = np.asarray(array)
        array = array if array.size else array.astype(int)  # NumPy makes [] of floats
    if not isinstance(array, np.ndarray) and isinstance(raw(like), np.ndarray):
        raise BackendError(mixed(name, (like, values)))
    if array.dtype.kind not in "iu":
        otherwise = ""
        if classes is not None:
            otherwise = f" of shape {classes}, or probabilities of shape {like.shape}"
        raise DTypeError(
            f"{name}: {what} are {array.dtype} of shape {array.shape}; needed are integers"
            f"{otherwise}."
        )
    return array.astype(np.int64)


def _labelled(
    name: str, what: str, x: Tensor, targets: Any, ignore_index: int, axis: int
) -> tuple[Tensor, Any, Any]:
    """x with its classes last, the class of each step, and which steps are kept, None for all.

    Where a step is not kept, x and its class are 0; the latter two are arrays beside x.
    """
    shape = x.shape
    if shape:
        axis = axis_of(name, x, axis)  # type: ignore[no-untyped-call]
    needed = shape[:axis] + shape[axis + 1 :] if shape else ()
    classes = integers(name, "targets", targets, x, needed if what == "logits" else None)
    if not shape or classes.shape != needed:
        fits = [k for k in range(x.ndim) if shape[:k] + shape[k + 1 :] == classes.shape]
        raise ShapeError(
            f"{name}: {what} have shape {shape}, targets {classes.shape}; targets of shape "
            f"{needed} are needed, classes being on axis {axis}."
            + (f" If they are on axis {fits[0]}, pass axis={fits[0]}." if fits else "")
        )
    n = shape[axis]
    x = x if axis == len(shape) - 1 else ops.moveaxis(x, axis, -1)
    on_host, xp = isinstance(classes, np.ndarray), namespace(raw(x))
    # As unsigned numbers the negative ones are the largest: one look finds all that are no class.
    plain = on_host and not 0 <= ignore_index < n and classes.size
    if plain and classes.view(_UNSIGNED).max() < n:
        return x, xp.asarray(classes), None
    kept, known = classes != ignore_index, (classes >= 0) & (classes < n)
    if on_host and (wrong := classes[kept & ~known]).size:
        raise IndexError(
            f"{name}: target {wrong[0]} is not one of {n} classes, 0 … {n - 1}; "
            f"ignore_index is {ignore_index}."
        )
    if on_host and kept.all():
        return x, xp.asarray(classes), None
    classes, kept, known = (xp.asarray(a) for a in (classes, kept, known))
    x = ops.where(kept[..., None], x, 0.0)
    if not on_host:  # nobody waits for a device to look: an unknown class makes the loss nan
        x = ops.where((known | ~kept)[..., None], x, math.nan)
    return x, xp.where(kept & known, classes, 0), kept


def _plain(name: str, z: Tensor, classes: Any, kept: Any, reduction: Reduction) -> Tensor:
    """The cross-entropy of classes, neither weighted nor smoothed, reduced."""
    if kept is None and reduction == "mean":
        return _cross_entropy(z, classes, mean=True)
    losses = _cross_entropy(z, classes, mean=False)
    losses = losses if kept is None else ops.where(kept, losses, 0.0)
    return reduced(losses, reduction, name, kept=kept)


def _cross_entropy(z: Tensor, classes: Any, mean: bool) -> Tensor:
    """-ln softmax(z)_c of the class c of each step, or their mean, as one node of the graph."""
    x, n = z._data, classes.size
    xp, O, dtype = namespace(x), x.shape[-1], x.dtype
    x = x if x.ndim == 2 else x.reshape((n, O))
    x = x if dtype.itemsize > 2 else x.astype("float32")
    e = x - x.max(axis=1, keepdims=True)  # exp() cannot overflow now
    e = e if e.flags.c_contiguous else e.copy()
    places = xp.arange(0, n * O, O) + classes.reshape(-1)  # in the flat e
    picked = e.reshape(-1)[places]
    xp.exp(e, out=e)
    total = e.sum(axis=1)
    losses = xp.log(total) - picked
    losses = losses.sum() / n if mean else losses.reshape(classes.shape)
    losses = losses if losses.dtype == dtype else losses.astype(dtype)
    if not (z.requires_grad and is_grad_enabled()):
        return constant(losses)
    return record(_CROSS_ENTROPY, losses, (z,), (e, total, places, mean))


def _cross_entropy_rule(
    wanted: list[bool], g: Any, y: Any, z: Any, e: Any, total: Any, places: Any, mean: bool
) -> list[Any]:
    # Of each step the gradient is softmax(z) - D, where D is 1 at its class and 0 elsewhere.
    n = len(total)
    g = g / n if mean else g.reshape(n)
    if isinstance(y, Tensor):
        D = namespace(e).zeros_like(e)
        D.reshape(-1)[places] = 1.0
        slope = ops.softmax(z.reshape(D.shape)) - constant(D)
        return [(slope * (g if mean else g.unsqueeze(1))).reshape(z.shape)]
    gz = e * (g / total)[:, None]
    gz.reshape(-1)[places] -= g
    return [gz if gz.shape == z.shape else gz.reshape(z.shape)]


_CROSS_ENTROPY = joint("cross_entropy", _cross_entropy_rule)


def _of_classes(
    name: str,
    log_p: Tensor,
    classes: Any,
    kept: Any,
    weight: Any,
    reduction: Reduction,
    smoothing: float = 0.0,
) -> Tensor:
    """-ln p of the classes, weighted, smoothed and reduced."""
    losses, weights = -ops.take_along_axis(log_p, classes[..., None]).squeeze(-1), None
    if weight is not None:
        of_class = _class_weights(name, weight, log_p)
        weights = of_class[classes]
        losses, log_p = weights * losses, of_class * log_p
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing / log_p.shape[-1] * log_p.sum(axis=-1)
    if kept is not None:
        losses = ops.where(kept, losses, 0.0)
        weights = None if weights is None else ops.where(kept, weights, 0.0)
    return reduced(losses, reduction, name, weights, kept)


def _spread(D: Tensor, smoothing: float, axis: int) -> Tensor:
    """The distribution D with this share of it spread evenly over all classes."""
    return (1 - smoothing) * D + smoothing / D.shape[axis] if smoothing else D


def _class_weights(name: str, weight: Any, log_p: Tensor) -> Tensor:
    w = weights_beside(name, "weight", weight, log_p)
    if w.shape != log_p.shape[-1:]:
        raise ShapeError(
            f"{name}: weight has shape {w.shape}, but there are {log_p.shape[-1]} classes; "
            f"needed is {log_p.shape[-1:]}."
        )
    return w
