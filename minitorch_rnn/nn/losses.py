"""Divergences between outputs and targets, each with an explicit reduction."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn import backend, ops
from minitorch_rnn.backend import backend_of
from minitorch_rnn.bptt.divergences import Divergence, masked, named
from minitorch_rnn.column import Variant
from minitorch_rnn.engine import Tensor, raw
from minitorch_rnn.engine.primitive import mixed
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError
from minitorch_rnn.nn.module import Module

Reduction = str | tuple[str, ...]


def _reduced(divergence: Tensor, reduction: Reduction, name: str) -> Tensor:
    """Apply "mean", "sum" or "none" to all axes at once, or one of them to each axis."""
    entries = (reduction,) if isinstance(reduction, str) else tuple(reduction)
    for entry in entries:
        if entry not in ("mean", "sum", "none"):
            raise ValueError(f"{name}: reduction {entry!r}; known are 'mean', 'sum', 'none'.")
    if isinstance(reduction, str):
        return divergence if reduction == "none" else getattr(divergence, reduction)()
    if len(entries) != divergence.ndim:
        raise ShapeError(
            f"{name}: reduction {reduction} has {len(entries)} entries, "
            f"but the divergence has shape {divergence.shape}: one entry for each axis."
        )
    for axis in reversed(range(divergence.ndim)):
        if entries[axis] != "none":
            divergence = getattr(divergence, entries[axis])(axis=axis)
    return divergence


def cross_entropy(logits: Any, targets: Any, reduction: Reduction = "mean") -> Tensor:
    """Div(t, b) = -ln softmax(logits(t, b))[target(t, b)], reduced.

    Args:
        logits: z_o, (…, O), such as (T, B, O): unnormalised, classes on the last axis.
        targets: integer classes 0 … O-1, of the shape of `logits` without its last axis.
        reduction: "mean", "sum" or "none" over everything, or one of them for each axis:
            ("sum", "mean") sums over time and averages over the batch, the deck's DIV.

    Raises:
        ShapeError: if the shapes do not fit.
        DTypeError: if the targets are not integers.
        BackendError: if the targets are on a device and the logits are not.
        IndexError: if a target is below 0 or not below O. Targets on a device are not looked at,
            which would mean waiting for it; there such a target makes the divergence nan.

    >>> from minitorch_rnn import nn, zeros
    >>> round(nn.cross_entropy(zeros(3, 2, 4), [[0, 1], [2, 3], [0, 0]], ("sum", "mean")).item(), 6)
    4.158883
    """
    if not isinstance(logits, Tensor):
        logits = Tensor(logits)
    classes = raw(targets)
    if backend_of(classes) is None:
        classes = np.asarray(classes)
    if not isinstance(classes, np.ndarray) and isinstance(raw(logits), np.ndarray):
        raise BackendError(mixed("cross_entropy", (logits, targets)))
    if classes.dtype.kind not in "iu":
        raise DTypeError(f"cross_entropy: targets are {classes.dtype}; needed are integer classes.")
    if logits.ndim < 1 or classes.shape != logits.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: logits have shape {logits.shape}, targets {classes.shape}; "
            f"targets of shape {logits.shape[:-1]} are needed, classes being on the last axis."
        )
    n = logits.shape[-1]
    if isinstance(classes, np.ndarray) and classes.size:
        if classes.min() < 0 or classes.max() >= n:
            wrong = classes.max() if classes.max() >= n else classes.min()
            raise IndexError(
                f"cross_entropy: target {wrong} is not one of {n} classes, 0 … {n - 1}."
            )
    elif classes.size:
        # Nobody waits for a device to look; a class that does not exist makes the loss nan.
        known = (classes >= 0) & (classes < n)
        logits = ops.where(known[..., None], logits, float("nan"))
    picked = ops.take_along_axis(ops.log_softmax(logits), classes[..., None]).squeeze(-1)
    return _reduced(-picked, reduction, "cross_entropy")


def mse_loss(outputs: Any, targets: Any, reduction: Reduction = "mean") -> Tensor:
    """Div(t, b, o) = (Y(t, b, o) - D(t, b, o))^2, reduced.

    Args:
        outputs: Y, of any shape, such as (T, B, O).
        targets: D, of the same shape; there is no broadcasting.
        reduction: "mean", "sum" or "none" over everything, or one of them for each axis.

    Raises:
        ShapeError: if the shapes differ.

    >>> from minitorch_rnn import nn, ones, zeros
    >>> nn.mse_loss(ones(5, 2, 3), zeros(5, 2, 3), ("sum", "mean", "sum")).item()
    15.0
    """
    outputs, targets = (v if isinstance(v, Tensor) else Tensor(v) for v in (outputs, targets))
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"mse_loss: outputs have shape {outputs.shape}, targets {targets.shape}; "
            "they must be the same."
        )
    error = outputs - targets
    return _reduced(error * error, reduction, "mse_loss")


class CrossEntropyLoss(Module):
    """`cross_entropy` as a module."""

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def forward(self, logits: Any, targets: Any) -> Tensor:
        """The reduced divergence."""
        return cross_entropy(logits, targets, self.reduction)


class MSELoss(Module):
    """`mse_loss` as a module."""

    def __init__(self, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """The reduced divergence."""
        return mse_loss(outputs, targets, self.reduction)


class DivergenceLoss(Module):
    """Any divergence of the lecture as a loss: DIV(Y, D), summed over the batch.

    Args:
        divergence: a name in `bptt.divergences.DIVERGENCES`, or a `Divergence`.
        steps: True for every t that counts, or a `column.Variant`, whose outputs count; the others
            contribute exactly 0. None counts all.

    Raises:
        ValueError: if there is no divergence of this name.
        ShapeError: if outputs, targets and steps do not fit.

    >>> from minitorch_rnn import nn, ones, zeros
    >>> loss = nn.DivergenceLoss("squared error", steps=[False, True])
    >>> loss(ones(2, 3, 1), zeros(2, 3, 1)).item()
    1.5
    """

    def __init__(
        self, divergence: Divergence | str, steps: Sequence[bool] | Variant | None = None
    ) -> None:
        chosen = named("DivergenceLoss", divergence)
        self.divergence = chosen if steps is None else masked(chosen, steps)

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """DIV of Y (T, B, O) and D, (T, B, O) or labels (U, B); of one sequence without the B."""
        Y = outputs if isinstance(outputs, Tensor) else Tensor(outputs)
        D: Any = targets
        if self.divergence.takes == "labels":
            D = np.asarray(backend.to_numpy(raw(targets)))
        elif not isinstance(D, Tensor):
            D = Tensor(D, Y.dtype, backend=Y.backend)
        if Y.ndim == 2:
            Y, D = Y.unsqueeze(1), D[:, None]
        return self.divergence.value(mt, Y, D)  # type: ignore[no-any-return]
