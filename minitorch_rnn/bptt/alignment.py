"""Divergences that align two series before they compare them: soft-DTW and CTC.

Values run on arrays, complex arrays and Tensors, as `divergences.Divergence` asks for; gradients
are the papers' recursions, on arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn.errors import ShapeError

GAMMA = 1.0  # the softness of soft-DTW's minimum


def log_sum_exp(xp: Any, x: Any) -> Any:
    """ln sum exp(x) over the first axis, of arrays, complex arrays or Tensors, without overflow."""
    if xp is not np:
        return xp.logsumexp(x, axis=0)
    top = x.real.max(axis=0)
    return top + np.log(np.exp(x - top).sum(axis=0))


def zeros_like(Y: Any) -> Any:
    """Zeros of Y's shape that can hold a gradient: floats even where Y is made of integers."""
    return np.zeros(np.shape(Y), np.result_type(Y, np.float32))


def soft_dtw(xp: Any, Y: Any, D: Any) -> Any:
    """Soft dynamic time warping: DIV = R(T-1, U-1), one number for each sequence, (B,).

        R(i,j) = ||Y(i) - D(j)||^2 + softmin(R(i-1,j), R(i,j-1), R(i-1,j-1))

    Args:
        xp: NumPy, or this library for Tensors.
        Y: (T, B, O).
        D: (U, B, O); U may differ from T.

    Source: Cuturi and Blondel, ICML (2017), algorithm 1, with gamma = 1.
    """
    return _warped(xp, Y, D)[len(Y) - 1, len(D) - 1]


def _warped(xp: Any, Y: Any, D: Any) -> dict[tuple[int, int], Any]:
    if len(D) == 0 or Y.shape[1:] != D.shape[1:]:
        raise ShapeError(
            f"soft-DTW: targets have shape {D.shape}, the outputs {Y.shape}; they may differ in T "
            "only, and at least one target is needed."
        )
    R: dict[tuple[int, int], Any] = {}
    for i in range(len(Y)):
        for j in range(len(D)):
            R[i, j] = ((Y[i] - D[j]) ** 2).sum(axis=-1)
            ways = [R[p] for p in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if p in R]
            if ways:  # softmin(x) = -gamma ln sum exp(-x / gamma)
                R[i, j] = R[i, j] - GAMMA * log_sum_exp(xp, xp.stack(ways) * (-1 / GAMMA))
    return R


def soft_dtw_gradient(Y: Any, D: Any) -> Any:
    """dDIV/dY(t) of `soft_dtw`, (T, B, O).

        E(i,j) = sum over the cells k that follow (i,j) of  E(k) exp((R(k) - d(k) - R(i,j)) / gamma)
        dDIV/dY(i) = sum_j E(i,j) 2 (Y(i) - D(j))

    Source: the same, algorithm 2.
    """
    R, T, U = _warped(np, Y, D), len(Y), len(D)
    E: dict[tuple[int, int], Any] = {}
    dY = zeros_like(Y)
    for i in reversed(range(T)):
        for j in reversed(range(U)):
            E[i, j] = np.ones(Y.shape[1]) if (i, j) == (T - 1, U - 1) else np.zeros(Y.shape[1])
            for k in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
                if k in E:
                    distance = ((Y[k[0]] - D[k[1]]) ** 2).sum(axis=-1)
                    E[i, j] = E[i, j] + E[k] * np.exp((R[k] - distance - R[i, j]) / GAMMA)
            dY[i] += E[i, j][:, None] * 2 * (Y[i] - D[j])
    return dY


def _extended(labels: Any, Y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The labels with blanks between, (S, B); where a blank may be skipped; where a path may end.

    The last two are 1.0 or 0.0, (S, B).
    """
    labels = np.asarray(labels.numpy() if hasattr(labels, "numpy") else labels)
    (B, O), came = Y.shape[1:], labels.shape
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"CTC: labels are {labels.dtype} of shape {came}; integers (U, B) are needed."
        )
    if came[1] != B:
        raise ShapeError(
            f"CTC: labels have shape {came}, that is {came[1]} sequences; the outputs have {B}."
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < O:
        wrong = labels.max() if labels.max() >= O else labels.min()
        raise ShapeError(f"CTC: label {wrong} is not one of 1 … {O - 1} ({O} outputs).")
    present = labels > 0
    if (present[1:] & ~present[:-1]).any():
        raise ShapeError("CTC: a label follows padding; labels come first, and 0 pads at the end.")
    S = 2 * len(labels) + 1
    extended = np.zeros((S, B), int)
    extended[1::2] = labels
    skip, end = np.zeros((2, S, B))
    skip[3::2] = (extended[3::2] != extended[1:-2:2]) & present[1:]
    last = 2 * present.sum(axis=0)
    end[last, np.arange(B)] = 1
    end[np.maximum(last - 1, 0), np.arange(B)] = 1
    return extended, skip, end


def _up(xp: Any, a: Any, by: int) -> Any:
    """a moved by rows up the labels; zeros come in."""
    if len(a) <= by:
        return a * 0
    return xp.concatenate([a[:by] * 0, a[: len(a) - by]])


def ctc(xp: Any, Y: Any, labels: Any) -> Any:
    """Connectionist temporal classification: DIV = -ln p(labels | Y), (B,).

        alpha_t(s) = [alpha_{t-1}(s) + alpha_{t-1}(s-1) + alpha_{t-1}(s-2) if allowed] Y(t)[l(s)]

    summed over all ways to write the labels with blanks (output 0) and repetitions. alpha is scaled
    to 1 at every step, so that long sequences do not underflow.

    Args:
        xp: NumPy, or this library for Tensors.
        Y: probabilities, (T, B, O).
        labels: (U, B) integers from 1 to O-1; 0 pads shorter sequences at the end.

    Raises:
        ShapeError: if the labels do not fit. Where T columns cannot hold them, DIV is infinite and
            its gradient 0.

    Source: Graves et al., ICML (2006), equations 6–8 and 14.
    """
    extended, skip, end = _extended(labels, Y)
    S, B = extended.shape
    start = np.zeros((S, B))
    start[:2] = 1.0
    columns = np.arange(B)
    if xp is not np:
        skip, end, start = (xp.tensor(m, Y.dtype, backend=Y.backend) for m in (skip, end, start))
        columns, extended = (xp.tensor(m, backend=Y.backend) for m in (columns, extended))
    total: Any = 0.0
    alpha = start
    for t in range(len(Y)):
        if t:
            alpha = alpha + _up(xp, alpha, 1) + skip * _up(xp, alpha, 2)
        alpha = alpha * Y[t][columns, extended]
        scale = _or_one(xp, alpha.sum(axis=0))
        total = total + xp.log(scale)
        alpha = alpha / scale
    p = (alpha * end).sum(axis=0)
    possible = (p.real if xp is np else p) > 0
    return xp.where(possible, -(total + xp.log(_or_one(xp, p))), float("inf"))


def _or_one(xp: Any, p: Any) -> Any:
    """p where it is a probability above 0, else 1, which has a logarithm and divides."""
    return xp.where((p.real if xp is np else p) > 0, p, 1.0)


def ctc_gradient(Y: Any, labels: Any) -> Any:
    """dDIV/dY(t) of `ctc`, (T, B, O), by the forward and the backward variables.

        dDIV/dY(t)[k] = -1/p sum_{s: l(s) = k} (what arrives at alpha_t(s)) beta_t(s)

    Source: the same, equations 9–11 and 15; beta_t excludes Y(t) here.
    """
    extended, skip, end = _extended(labels, Y)
    T, (S, B) = len(Y), extended.shape
    y = Y[:, np.arange(B), extended]  # (T, S, B)
    arriving, scales = np.zeros((T, S, B)), np.zeros((T, B))
    alpha = np.zeros((S, B))
    arriving[0, :2] = 1.0
    for t in range(T):
        if t:
            arriving[t] = alpha + _up(np, alpha, 1) + skip * _up(np, alpha, 2)
        alpha = arriving[t] * y[t]
        scales[t] = _or_one(np, alpha.sum(axis=0))
        alpha = alpha / scales[t]
    dY = zeros_like(Y)
    p = (alpha * end).sum(axis=0)
    beta = np.where(p > 0, end, 0.0) / _or_one(np, p)
    for t in reversed(range(T)):
        np.subtract.at(dY[t], (np.arange(B), extended), arriving[t] * beta / scales[t])
        step = y[t] * beta / scales[t]
        beta = step + _down(step, 1) + _down(skip * step, 2)
    return dY


def _down(a: Any, by: int) -> Any:
    """a moved by rows down the labels; zeros come in."""
    moved = np.zeros_like(a)
    if len(a) > by:
        moved[:-by] = a[by:]
    return moved
