"""Connectionist temporal classification: a divergence that aligns labels with a longer series.

Here in the engine, in logarithms and for a whole batch, each sequence with lengths of its own;
`bptt.alignment` has the recursion of the paper and its gradient by hand.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import Tensor, constant, raw
from minitorch_rnn.errors import BackendError, ShapeError
from minitorch_rnn.nn.classification import integers
from minitorch_rnn.nn.losses import Reduction, as_floats, reduced


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """DIV(b) = -ln of the probability of all ways to write the labels of sequence b, reduced.

        α_t(s) = ln p_t(l(s)) + ln[e^α_{t-1}(s) + e^α_{t-1}(s-1) + e^α_{t-1}(s-2) where allowed]

    l holds the labels with blanks around and between them. A way writes each label for one or more
    columns in a row and blanks between where it likes; between two equal labels there must be one.

    Args:
        log_probs: ln p_t, (T, B, O), from `log_softmax`; of one sequence (T, O).
        targets: integer labels, (B, S), padded at the end with anything; or the labels of all
            sequences one after another; of one sequence (S,).
        input_lengths: how many of the T columns each sequence has, (B,). What `log_probs` hold
            behind, nan included, changes nothing and gets a gradient of 0.
        target_lengths: how many labels each sequence has, (B,); it may be none.
        blank: the class that writes nothing.
        reduction: "none" for one number for each sequence, "sum", or "mean", for which each is
            divided by its number of labels first, as in PyTorch.
        zero_infinity: a sequence too short for its labels contributes 0 instead of infinity. Its
            gradient is 0 in either case.

    Raises:
        ShapeError: if shapes or lengths do not fit.
        DTypeError: if labels or lengths are not integers.
        IndexError: if a label is none of the classes, or is the blank. If labels or lengths are on
            a device none is looked at, which would mean waiting for it; wrong ones make DIV nan.
        BackendError: if they are on a device and `log_probs` are not, or if lengths are that cut
            the targets apart.

    The gradient is that of log_probs as they are; PyTorch's is that of logits behind a
    `log_softmax`. There, the two are the same.

    Source: Graves et al., ICML (2006), section 4.1.

    >>> from minitorch_rnn import log_softmax, nn, zeros
    >>> log_probs = log_softmax(zeros(3, 2))  # 6 of 8 series write one 1: 001, 010, 011, 100, …
    >>> DIV = nn.ctc_loss(log_probs, [1], input_lengths=3, target_lengths=1)
    >>> round((-DIV).exp().item(), 6)
    0.75
    """
    log_p = as_floats(log_probs)
    if log_p.ndim not in (2, 3) or 0 in (log_p.shape[0], log_p.shape[-1]):
        raise ShapeError(
            f"ctc_loss: log_probs have shape {log_p.shape}; needed is (T, B, O), or (T, O) of one "
            "sequence, with at least one time step."
        )
    single = log_p.ndim == 2
    log_p = log_p.unsqueeze(1) if single else log_p
    O, xp = log_p.shape[-1], namespace(raw(log_p))
    if not 0 <= blank < O:
        raise IndexError(f"ctc_loss: blank is {blank}, not one of {O} classes, 0 … {O - 1}.")
    work = _Work.of(log_p, targets, input_lengths, target_lengths, blank, single)
    losses = -_log_probability(log_p, work)
    if work.wrong is not None:
        losses = ops.where(work.wrong, math.nan, losses)
    if zero_infinity:
        losses = ops.where(losses == math.inf, 0.0, losses)
    if reduction in ("mean", ("mean",), ["mean"]):
        losses = losses / constant(xp.maximum(work.counts, 1).astype(losses.dtype))
    return reduced(losses.squeeze(0) if single else losses, reduction, "ctc_loss")


def _log_probability(log_p: Tensor, work: _Work) -> Tensor:
    """The forward variables to the last column of each sequence; what they say of its end, (B,)."""
    T, B, _ = log_p.shape
    xp = namespace(raw(log_p))
    times = xp.arange(T)[:, None, None]
    emitted = log_p[times, xp.arange(B)[:, None], work.extended]  # (T, B, 2S + 1)
    running = times < work.steps[:, None]
    # Before the first column nothing has been written: as if the first blank had been.
    nothing = xp.full(work.extended.shape, -math.inf, dtype=log_p.dtype)
    nothing[:, 0] = 0
    alpha, never = constant(nothing), constant(xp.full((B, 2), -math.inf, dtype=log_p.dtype))
    for t in range(work.longest):
        earlier = ops.concatenate([never, alpha], axis=1)
        jump = ops.where(work.skips, earlier[:, :-2], -math.inf)
        ways = ops.stack([alpha, earlier[:, 1:-1], jump])
        written = emitted[t] + ops.logsumexp(ways, axis=0)
        # Selecting keeps what stands behind the end, nan included, out of values and gradients.
        alpha = written if t < work.shortest else ops.where(running[t], written, alpha)
    counts = work.counts[:, None]  # a way ends in the last label or in the blank behind it
    ends = xp.concatenate([2 * counts, xp.maximum(2 * counts - 1, 0)], axis=1)
    possible = xp.concatenate([counts >= 0, counts > 0], axis=1)
    last = ops.where(possible, ops.take_along_axis(alpha, ends, axis=1), -math.inf)
    return ops.logsumexp(last, axis=1)  # type: ignore[no-any-return]


class _Work(NamedTuple):
    """What the recursion needs of labels and lengths: arrays beside log_probs, and numbers."""

    extended: Any  # labels with blanks around and between them, (B, 2S + 1)
    skips: Any  # where s may follow s-2, (B, 2S + 1)
    counts: Any  # target_lengths, (B,)
    steps: Any  # input_lengths, (B,)
    shortest: int  # up to here every sequence goes on,
    longest: int  # and here none does
    wrong: Any  # sequences that do not fit, (B,), where only the device knows; else None

    @classmethod
    def of(
        cls, log_p: Tensor, targets: Any, steps: Any, counts: Any, blank: int, single: bool
    ) -> _Work:
        T, B, O = log_p.shape
        steps = _lengths("input_lengths", steps, log_p)
        counts = _lengths("target_lengths", counts, log_p)
        labels = integers("ctc_loss", "targets", targets, log_p)
        if labels.ndim == 1:
            labels = labels[None] if single else _cut(labels, counts)
        if labels.ndim != 2 or len(labels) != B:
            raise ShapeError(
                f"ctc_loss: targets have shape {labels.shape}, log_probs {log_p.shape}; needed are "
                f"targets of shape ({B}, S), or all labels one after another."
            )
        shortest, longest = 0, T
        if isinstance(steps, np.ndarray):
            shortest, longest = int(steps.min(initial=T)), int(steps.max(initial=0))
        xp = namespace(raw(log_p))
        on_host = all(isinstance(given, np.ndarray) for given in (labels, counts, steps))
        if on_host:
            _check_lengths("input_lengths", steps, T, "time steps in log_probs")
            _check_lengths("target_lengths", counts, labels.shape[1], "labels in targets")
        else:
            labels, counts, steps = (xp.asarray(given) for given in (labels, counts, steps))
        own = namespace(labels).arange(labels.shape[1]) < counts[:, None]
        unknown = own & ((labels < 0) | (labels >= O) | (labels == blank))
        if on_host and unknown.any():
            b, s = np.argwhere(unknown)[0]
            raise IndexError(
                f"ctc_loss: label {s} of sequence {b} is {labels[b, s]}; labels are classes "
                f"0 … {O - 1} other than the blank, {blank}."
            )
        wrong = None
        if not on_host:
            wrong = unknown.any(axis=1) | (steps < 0) | (steps > T)
            wrong = wrong | (counts < 0) | (counts > labels.shape[1])
        extended = xp.full((B, 2 * labels.shape[1] + 1), blank)
        extended[:, 1::2] = xp.asarray(namespace(labels).where(own & ~unknown, labels, blank))
        skips = xp.zeros(extended.shape, dtype=bool)
        skips[:, 2:] = extended[:, 2:] != extended[:, :-2]  # never a blank, nor a label repeated
        counts, steps = xp.asarray(counts), xp.asarray(steps)
        return cls(extended, skips, counts, steps, shortest, min(longest, T), wrong)


def _lengths(what: str, values: Any, log_p: Tensor) -> Any:
    lengths = integers("ctc_loss", what, values, log_p)
    B = log_p.shape[1]
    if lengths.shape != (B,) and (lengths.ndim or B != 1):
        raise ShapeError(
            f"ctc_loss: {what} have shape {lengths.shape}, log_probs {log_p.shape}; needed is "
            f"({B},), one length for each sequence."
        )
    return lengths.reshape(B)


def _check_lengths(what: str, lengths: np.ndarray, most: int, there: str) -> None:
    for b, n in enumerate(lengths.tolist()):
        if not 0 <= n <= most:
            raise ShapeError(f"ctc_loss: {what}[{b}] is {n}, but there are {most} {there}.")


def _cut(labels: Any, counts: Any) -> Any:
    """Labels one after another as rows (B, S) as long as the longest; what follows is anything."""
    if not isinstance(counts, np.ndarray):
        raise BackendError(
            "ctc_loss: target_lengths cut the targets apart and must be on the host for it: "
            "target_lengths.numpy(). Or give targets as (B, S)."
        )
    if (counts < 0).any() or counts.sum() != labels.size:
        raise ShapeError(
            f"ctc_loss: target_lengths {counts.tolist()} add up to {counts.sum()}, but targets "
            f"hold {labels.size} labels."
        )
    first = counts.cumsum() - counts
    at = first[:, None] + np.arange(counts.max(initial=0))
    return labels[namespace(labels).asarray(np.minimum(at, labels.size - 1))]
