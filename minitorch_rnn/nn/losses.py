"""Divergences of outputs and targets, element by element, each with an explicit reduction.

`reduction` is "mean", "sum" or "none" over everything, or one of them for each axis of what "none"
gives: of steps (T, B), ("sum", "mean") sums over time and averages over the batch, the deck's DIV.

Outputs and targets have one shape: nothing is broadcast but weights. Targets that are no Tensor
take the dtype and the backend of the outputs; weights always do. The divergence of integers is a
float.

Divergences of classes live in `classification`, CTC in `ctc`, all modules in `criteria`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.backend import backend_of
from minitorch_rnn.engine import Tensor, constant, raw
from minitorch_rnn.errors import DTypeError, ShapeError
from minitorch_rnn.ops.elementwise import floating

Reduction = str | Sequence[str]


def mse_loss(outputs: Any, targets: Any, reduction: Reduction = "mean") -> Tensor:
    """Div = (Y - D)^2, reduced.

    Args:
        outputs: Y, of any shape, such as (T, B, O).
        targets: D, of the same shape.
        reduction: "mean", "sum" or "none" over everything, or one of them for each axis.

    Raises:
        ShapeError: if the shapes differ.

    >>> from minitorch_rnn import nn, ones, zeros
    >>> nn.mse_loss(ones(5, 2, 3), zeros(5, 2, 3), ("sum", "mean", "sum")).item()
    15.0
    """
    Y, D = _pair("mse_loss", outputs, targets)
    error = Y - D
    return reduced(error * error, reduction, "mse_loss")


def l1_loss(outputs: Any, targets: Any, reduction: Reduction = "mean") -> Tensor:
    """Div = |Y - D|, reduced; the slope at 0 is 0.

    Arguments and errors are those of `mse_loss`.

    >>> from minitorch_rnn import nn
    >>> nn.l1_loss([1.0, 5.0], [2.0, 2.0]).item()
    2.0
    """
    Y, D = _pair("l1_loss", outputs, targets)
    return reduced(abs(Y - D), reduction, "l1_loss")


def huber_loss(
    outputs: Any, targets: Any, reduction: Reduction = "mean", delta: float = 1.0
) -> Tensor:
    """Div = (Y - D)^2 / 2 up to |Y - D| = δ and δ (|Y - D| - δ/2) beyond, reduced.

    Args:
        outputs, targets, reduction: as of `mse_loss`.
        delta: δ, where the parabola goes over into its tangent.

    Raises:
        ShapeError: if the shapes differ.
        ValueError: if `delta` is not above 0.

    Source: Huber, Annals of Mathematical Statistics 35 (1964).

    >>> from minitorch_rnn import nn
    >>> nn.huber_loss([1.0, 5.0], [0.0, 0.0], "none", delta=2.0).tolist()
    [0.5, 8.0]
    """
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is {delta}; it must be above 0.")
    Y, D = _pair("huber_loss", outputs, targets)
    return reduced(_parabola(Y - D, float(delta)), reduction, "huber_loss")


def smooth_l1_loss(
    outputs: Any, targets: Any, reduction: Reduction = "mean", beta: float = 1.0
) -> Tensor:
    """Div = (Y - D)^2 / 2β up to |Y - D| = β and |Y - D| - β/2 beyond, reduced.

    That is `huber_loss` divided by β; of β = 0, `l1_loss`.

    Args:
        outputs, targets, reduction: as of `mse_loss`.
        beta: β, where the parabola goes over into its tangent.

    Raises:
        ShapeError: if the shapes differ.
        ValueError: if `beta` is below 0.

    Source: Girshick, ICCV (2015), equation 3.

    >>> from minitorch_rnn import nn
    >>> nn.smooth_l1_loss([1.0, 5.0], [0.0, 0.0], "none", beta=2.0).tolist()
    [0.25, 4.0]
    """
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta}; it must be 0 or above.")
    Y, D = _pair("smooth_l1_loss", outputs, targets)
    losses = _parabola(Y - D, float(beta)) / float(beta) if beta else abs(Y - D)
    return reduced(losses, reduction, "smooth_l1_loss")


def binary_cross_entropy(
    outputs: Any, targets: Any, weight: Any = None, reduction: Reduction = "mean"
) -> Tensor:
    """Div = -w [D ln Y + (1 - D) ln(1 - Y)], reduced.

    As in PyTorch no logarithm falls below -100; there its slope is 0. Of the outputs of a sigmoid,
    `binary_cross_entropy_with_logits` knows more digits.

    Args:
        outputs: Y, probabilities of any shape.
        targets: D, 0 to 1, of the same shape.
        weight: w, which is broadcast to the outputs; None is 1.
        reduction: "mean", "sum" or "none" over everything, or one of them for each axis.

    Raises:
        ShapeError: if the shapes do not fit.
        ValueError: if an output is not from 0 to 1. Outputs on a device are not looked at, which
            would mean waiting for it; there such an output makes the divergence nan.

    >>> from minitorch_rnn import nn
    >>> round(nn.binary_cross_entropy([0.5, 0.25], [1.0, 0.0]).item(), 6)
    0.490415
    """
    name = "binary_cross_entropy"
    Y, D = _pair(name, outputs, targets)
    values = raw(Y)
    if isinstance(values, np.ndarray) and (outside := (values < 0) | (values > 1)).any():
        raise ValueError(
            f"{name}: output {values[outside][0]} is no probability, 0 to 1. Of unnormalised "
            f"outputs take {name}_with_logits."
        )
    losses = -(D * _limited_log(Y) + (1 - D) * _limited_log(1 - Y))
    return reduced(_weighted(name, "weight", weight, losses), reduction, name)


def binary_cross_entropy_with_logits(
    logits: Any,
    targets: Any,
    weight: Any = None,
    reduction: Reduction = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """Div = -w [p D ln sigmoid(z) + (1 - D) ln sigmoid(-z)], reduced.

    Args:
        logits: z, of any shape: unnormalised.
        targets: D, 0 to 1, of the same shape.
        weight: w, which is broadcast to the logits; None is 1.
        reduction: "mean", "sum" or "none" over everything, or one of them for each axis.
        pos_weight: p, likewise; above 1, what is there and not found costs more.

    Raises:
        ShapeError: if the shapes do not fit.

    >>> from minitorch_rnn import nn
    >>> nn.binary_cross_entropy_with_logits([1000.0, -1000.0], [1.0, 1.0]).item()
    500.0
    """
    name = "binary_cross_entropy_with_logits"
    z, D = _pair(name, logits, targets)
    found = _weighted(name, "pos_weight", pos_weight, D * ops.softplus(-z))
    losses = found + (1 - D) * ops.softplus(z)  # softplus(z) = -ln sigmoid(-z); nothing cancels
    return reduced(_weighted(name, "weight", weight, losses), reduction, name)


def kl_div(
    input: Any, target: Any, reduction: Reduction = "mean", log_target: bool = False
) -> Tensor:
    """Div = D (ln D - Y), reduced; 0 where D = 0.

    Args:
        input: Y, logarithms of probabilities, of any shape.
        target: D, probabilities of the same shape.
        reduction: "mean", "sum" or "none" over everything, or one of them for each axis. As in
            PyTorch, "mean" averages over the outcomes too, and "batchmean" divides the sum over
            everything by the size of the first axis. Of (T, B, O), take ("sum", "mean", "sum").
        log_target: `target` holds ln D.

    Raises:
        ShapeError: if the shapes differ.

    >>> from minitorch_rnn import nn, tensor
    >>> round(nn.kl_div(tensor([[0.5, 0.5]]).log(), [[1.0, 0.0]], "batchmean").item(), 6)
    0.693147
    """
    Y, D = _pair("kl_div", input, target)
    if log_target:
        D, log_D = D.exp(), ops.where(D == -math.inf, 0.0, D)
    else:
        log_D = ops.where(D == 0, 1.0, D).log()
    losses = D * (log_D - beside_zeros(D, Y))
    if reduction != "batchmean":
        return reduced(losses, reduction, "kl_div")
    total: Tensor = losses.sum()
    return total / (len(losses) or math.nan) if losses.ndim else total


def reduced(
    losses: Tensor, reduction: Reduction, name: str, weights: Any = None, kept: Any = None
) -> Tensor:
    """The losses of all steps, reduced: sums first, then means.

    A mean divides by the number of steps, or by the sum of their weights; a mean of sums by the
    number of sums in which any step counts. Over nothing it is nan.

    Args:
        losses: one number for each step.
        reduction: one for all axes, or one for each.
        name: of the divergence, for errors.
        weights: what each step counts in a mean, of the losses' shape; None is 1, or `kept`.
        kept: an array of booleans of that shape: which steps count at all; None is all.
    """
    if weights is None and kept is None and losses.size:
        if reduction == "mean":
            return losses.mean()
        if reduction == "sum":
            return losses.sum()
    if not losses.ndim and reduction == "mean":  # one step is averaged too: its weight cancels
        losses = losses.reshape(1)
        weights, kept = (a if a is None else a.reshape(1) for a in (weights, kept))
    several = isinstance(reduction, list | tuple)
    entries = list(reduction) if several else [reduction] * losses.ndim
    for entry in entries if several else [reduction]:
        if entry not in ("mean", "sum", "none"):
            raise ValueError(f"{name}: reduction {entry!r}; known are 'mean', 'sum', 'none'.")
    if len(entries) != losses.ndim:
        raise ShapeError(
            f"{name}: reduction {reduction} has {len(entries)} entries, "
            f"but the divergence has shape {losses.shape}: one entry for each axis."
        )
    sums = tuple(axis for axis, entry in enumerate(entries) if entry == "sum")
    if sums:
        losses = losses.sum(axis=sums)
        weights, kept = None, None if kept is None else kept.any(axis=sums)
    left = [entry for entry in entries if entry != "sum"]
    means = tuple(axis for axis, entry in enumerate(left) if entry == "mean")
    if not means:
        return losses
    if not losses.size:
        return losses.sum(axis=means) * math.nan
    if weights is None and kept is not None:
        weights = constant(kept.astype(losses.dtype))
    losses = losses.mean(axis=means)
    if weights is None:
        return losses
    share = weights.mean(axis=means)
    return losses / ops.where(share == 0, math.nan, share)  # type: ignore[no-any-return]


def as_floats(values: Any) -> Tensor:
    """`values` as a floating-point Tensor."""
    values = values if isinstance(values, Tensor) else Tensor(values)
    return floating(values)  # type: ignore[no-any-return, no-untyped-call]


def beside_zeros(D: Tensor, Y: Tensor) -> Tensor:
    """Y, but 0 where it is -inf beside D = 0: what cannot be and is not contributes nothing."""
    return ops.where((D == 0) & (Y == -math.inf), 0.0, Y)  # type: ignore[no-any-return]


def weights_beside(name: str, what: str, values: Any, like: Tensor) -> Tensor:
    """Weights as a Tensor of the dtype of `like`; those of the host go where it lives."""
    array = raw(values) if backend_of(raw(values)) else np.asarray(values)
    if array.dtype.kind not in "biuf":
        hint = " A reduction is given by name: reduction=…" if array.dtype.kind == "U" else ""
        raise DTypeError(f"{name}: {what} is {values!r}; needed are numbers.{hint}")
    if isinstance(values, Tensor) and (values.requires_grad or values.backend == like.backend):
        return values.astype(like.dtype)
    return Tensor(array, like.dtype, backend=like.backend)


def _pair(name: str, outputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    """Both as floating-point Tensors of one shape."""
    Y = as_floats(outputs)
    D = targets if isinstance(targets, Tensor) else Tensor(targets, Y.dtype, backend=Y.backend)
    if Y.shape != D.shape:
        raise ShapeError(
            f"{name}: outputs have shape {Y.shape}, targets {D.shape}; they must be the same."
        )
    return Y, D if D.dtype.kind in "fc" else D.astype(Y.dtype)


def _weighted(name: str, what: str, weight: Any, losses: Tensor) -> Tensor:
    if weight is None:
        return losses
    w = weights_beside(name, what, weight, losses)
    wide = (1,) * (losses.ndim - w.ndim) + w.shape
    if w.ndim > losses.ndim or any(
        n not in (1, m) for n, m in zip(wide, losses.shape, strict=True)
    ):
        raise ShapeError(
            f"{name}: {what} has shape {w.shape}, which does not broadcast to {losses.shape}, "
            "that of the outputs."
        )
    return w * losses


def _parabola(error: Tensor, delta: float) -> Tensor:
    """error^2 / 2, and beyond ±delta its tangent, without a square that could overflow."""
    near = ops.clip(error, -delta, delta)
    return near * (error - near / 2)  # type: ignore[no-any-return]


def _limited_log(p: Tensor) -> Tensor:
    """ln p, but -100 where it would be below, as of 0."""
    log_p = ops.clip(ops.where(p == 0, 1.0, p).log(), -100.0)
    return ops.where(p == 0, -100.0, log_p)  # type: ignore[no-any-return]
