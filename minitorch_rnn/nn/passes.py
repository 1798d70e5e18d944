"""The two passes of a scan over a sequence, on plain arrays: the loops and the matrix products.

Forward, the share of the input is one product for a block of time steps; a step is then one product
with W_hh and a few passes over its units. Backward, a step is a few passes and one product; the
gradients of the weights are one product for a block. The mathematics of a step is in `kernels`.

Shapes: x (T, B, I), states (B, H), weights as in `RNN`, `LSTM` and `GRU`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.nn.buffers import Blocks, Buffers
from minitorch_rnn.nn.kernels import KERNELS, Kernel
from minitorch_rnn.nn.threads import unshared

# Rows of a product, steps times batch, from which on more of them make it no faster. Backward, each
# block is added to the gradients of the weights, so there are fewer.
_FORWARD_ROWS, _BACKWARD_ROWS = 256, 1024

_buffers = Buffers()  # of what a step of training keeps from forward to backward
_blocks = Blocks()  # of kernels


class Kept(NamedTuple):
    """What forward leaves for backward.

    Attributes:
        h: h(-1) … h(T-1), (T + 1, B, H), 0 behind the end of a sequence.
        slopes: of the cell's kernel, (T, slots, R), which lead past an end without a change.
    """

    h: Any
    slopes: Any


@np.errstate(over="ignore", invalid="ignore")  # exp of a closed gate; what follows an end
def forward(
    mode: str,
    x: Any,
    states: Sequence[Any],
    weights: Sequence[Any],
    lengths: np.ndarray | None,
    keep: bool,
) -> tuple[Kept, list[Any]]:
    """What is kept, the slopes only if `keep`; and the states after the last step, (1, B, H).

    Sequences go on behind their ends, where x must be finite, without a trace in what is kept.
    """
    xp, kernel, dtype = backend.namespace(x), KERNELS[mode], x.dtype
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    (T, B, _), H, G = x.shape, weight_hh.shape[1], kernel.gates
    R = (B, H) if B > 1 else (H,)
    h = _buffers.empty(xp, (T + 1, B, H), dtype)
    h[0] = states[0]
    hs = h.reshape(T + 1, *R)
    slopes = _buffers.empty(xp, (T, kernel.slots, *R), dtype) if keep else None
    key, block = _blocks.borrowed(kernel.forward, xp, _steps(T, B, _FORWARD_ROWS), R, dtype)
    steps = len(block.views)
    share, step, views = block.share.reshape(steps * B, G * H), block.step, block.views
    bias = None if bias_ih is None else _joined(kernel, bias_ih, bias_hh)
    factor_x = weight_ih.T if kernel.sign > 0 else -weight_ih.T
    if B == 1:
        z, factor_h, product = block.z.reshape(G * H), weight_hh.T, xp.dot
    elif G == 1:
        z, factor_h, product = block.z[0], weight_hh.T.copy(), xp.dot
    else:  # gate by gate: the units of a gate lie side by side then
        z, product = block.z, xp.matmul
        factor_h = weight_hh.reshape(G, H, H).swapaxes(1, 2).copy()
    if B > 1:
        factor_x = factor_x.copy()  # BLAS is faster without a transposed factor
    carried, last = [s.reshape(R) for s in states[1:]], [xp.empty_like(s) for s in states[1:]]
    for lo in range(0, T, steps):
        n = min(steps, T - lo)
        rows, new = share[: n * B], hs[lo + 1 : lo + n + 1]
        xp.matmul(x[lo : lo + n].reshape(n * B, -1), factor_x, out=rows)
        if bias is not None:
            rows += bias
        block.begin(bias_hh, *carried)
        with unshared(B * H * G * H):
            for before, now, view in zip(hs[lo : lo + n], new, views, strict=False):
                product(before, factor_h, out=z)
                step(before, now, view)
        reached = [s.reshape(n, B, H) for s in block.end(n)]
        carried = [s[-1].reshape(R) for s in reached]
        _take(lo, lengths, T, reached, last)
        if slopes is not None:
            block.slopes(n, new, slopes[lo : lo + n])
    if lengths is None:
        last.insert(0, h[T].copy())
    else:
        last.insert(0, h[lengths, xp.arange(B)])
        _cut(h, slopes, lengths, len(states) > 1)
    _blocks.given_back(key, block)
    return Kept(h, slopes), [s[None] for s in last]


@np.errstate(over="ignore", invalid="ignore")
def backward(
    mode: str,
    x: Any,
    kept: Kept,
    weights: Sequence[Any],
    lengths: np.ndarray | None,
    gradients: Sequence[Any],
    wanted: Sequence[bool],
) -> list[Any]:
    """The gradients of x, the states and the weights; None of weights that are not wanted.

    Args:
        mode, x, weights, lengths: as in `forward`, biases that are None left out.
        kept: what forward left.
        gradients: of h(t) for all t, (T, B, H), and of the last states, (1, B, H); None is zero.
        wanted: whether x's is wanted, those of the states, and those of the weights.
    """
    xp, kernel, dtype = backend.namespace(x), KERNELS[mode], x.dtype
    weight_ih, weight_hh = weights[:2]
    (T, B, I), H, G = x.shape, weight_hh.shape[1], kernel.gates
    R = (B, H) if B > 1 else (H,)
    g, *carried = _arriving(xp, gradients, (T, B, H), dtype, lengths)
    g, carried = g.reshape(T, *R), [c.reshape(R) for c in carried]
    key, block = _blocks.borrowed(kernel.backward, xp, _steps(T, B, _BACKWARD_ROWS), R, dtype)
    steps = len(block.d) - 1
    d, out, step, views = block.d.reshape((steps + 1) * B, -1), block.out, block.step, block.views
    to_x = slice(kernel.to_x * H, (kernel.to_x + G) * H)
    to_h = slice(kernel.to_h * H, (kernel.to_h + G) * H)
    rows = list(block.d.reshape(steps + 1, *R[:-1], -1)[..., to_h])
    W, dot = xp.roll(weight_hh, kernel.roll * H, 0) if kernel.roll else weight_hh, xp.dot
    dx = _buffers.empty(xp, (T, B, I), dtype) if wanted[0] else None
    of_x, of_h = _wanted_rows(xp, kernel, wanted[len(gradients) :])
    parts = block.parts(kept.slopes)
    for hi in range(T, 0, -steps):
        lo = max(0, hi - steps)
        n = hi - lo
        block.begin(n, *carried)
        newest_first = zip(
            g[lo:hi][::-1], parts[lo:hi][::-1], views[:n][::-1], rows[:n][::-1], strict=True
        )
        with unshared(B * H * G * H):
            for now, slopes, view, row in newest_first:
                step(now, slopes, view)
                dot(row, W, out=out)
        carried = block.end()
        d_x, d_h = d[: n * B, to_x], d[: n * B, to_h]
        of_x.add(d_x, x[lo:hi].reshape(n * B, I))
        of_h.add(d_h, kept.h[lo:hi].reshape(n * B, H))
        if dx is not None:
            xp.matmul(d_x, weight_ih, out=dx[lo:hi].reshape(n * B, I))
    first = [c.reshape(B, H).copy() for c in carried]
    _blocks.given_back(key, block)
    weight, bias = of_h.weight, of_h.bias if kernel.inner else of_x.bias
    if kernel.roll:
        weight, bias = (g if g is None else xp.roll(g, -kernel.roll * H, 0) for g in (weight, bias))
    return [dx, *first, of_x.weight, weight, of_x.bias, bias]


class _Rows:
    """The gradients of a weight and its bias, added up over blocks of rows, as far as wanted."""

    def __init__(self, xp: Any, weight: bool, bias: bool) -> None:
        self._xp, self._weight, self._bias = xp, weight, bias
        self.weight: Any = None
        self.bias: Any = None

    def add(self, d: Any, x: Any) -> None:
        """Rows d (N, gates H) that were made from rows x (N, I)."""
        if self._weight:
            weight = self._xp.matmul(d.T, x)
            self.weight = (
                weight if self.weight is None else self._xp.add(self.weight, weight, weight)
            )
        if self._bias:  # a product is faster than a sum over the first axis
            bias = self._xp.ones(len(d), d.dtype) @ d
            self.bias = bias if self.bias is None else self.bias + bias


def _wanted_rows(xp: Any, kernel: Kernel, wanted: Sequence[bool]) -> tuple[_Rows, _Rows]:
    """Those of weight_ih and of weight_hh; where the biases act together, with the first."""
    of_ih, of_hh, bias_ih, bias_hh = [*wanted, False, False][:4]
    if kernel.inner:
        return _Rows(xp, of_ih, bias_ih), _Rows(xp, of_hh, bias_hh)
    return _Rows(xp, of_ih, bias_ih or bias_hh), _Rows(xp, of_hh, False)


def _joined(kernel: Kernel, bias_ih: Any, bias_hh: Any) -> Any:
    """The biases that act together with the share of the input, with its sign."""
    bias, outer = bias_ih.copy(), len(bias_ih) // kernel.gates * (kernel.gates - kernel.inner)
    bias[:outer] += bias_hh[:outer]
    return bias if kernel.sign > 0 else -bias


def _take(lo: int, lengths: Any, T: int, reached: list[Any], last: list[Any]) -> None:
    """Copy the states of the sequences that end in a block that begins at lo."""
    for values, found in zip(reached, last, strict=True):
        if lengths is None:
            if lo + len(values) == T:
                found[...] = values[-1]
            continue
        ending = np.flatnonzero((lengths > lo) & (lengths <= lo + len(values)))
        xp = backend.namespace(values)
        found[xp.asarray(ending)] = values[xp.asarray(lengths[ending] - lo - 1), xp.asarray(ending)]


def _ended(xp: Any, T: int, lengths: np.ndarray) -> Any:
    """By t and sequence, whether it has ended before, (T, B)."""
    return xp.asarray(np.arange(T)[:, None] >= lengths)


def _cut(h: Any, slopes: Any, lengths: np.ndarray, carries: bool) -> None:
    """Leave no trace of what came behind the end of a sequence."""
    xp, T, (B, H) = backend.namespace(h), len(h) - 1, h.shape[1:]
    # By number: a device would have to be asked how many elements a mask selects.
    t, b = (xp.asarray(numbers) for numbers in np.nonzero(_ended(np, T, lengths)))
    h[1:][t, b] = 0
    if slopes is not None:
        by_row = slopes.reshape(T, -1, B, H).swapaxes(1, 2)
        by_row[t, b] = 0
        if carries:  # the gradient of the last c goes back to the step that made it
            by_row[:, :, 0][t, b] = 1


def _arriving(
    xp: Any, gradients: Sequence[Any], shape: tuple[int, ...], dtype: Any, lengths: Any
) -> list[Any]:
    """The gradients of all h(t), and of the states after step T-1."""
    T, B, H = shape
    g, *last = gradients
    g = xp.zeros(shape, dtype) if g is None else g
    last = [xp.zeros((B, H), dtype) if c is None else c[0] for c in last]
    if lengths is not None:  # the last h of a sequence is the h of its last step
        g = xp.where(_ended(xp, T, lengths)[:, :, None], xp.zeros((), dtype), g)
        g[xp.asarray(lengths - 1), xp.arange(B)] += last[0]
        last[0] = xp.zeros((B, H), dtype)
    return [g, *last]


def _steps(T: int, B: int, rows: int) -> int:
    """Time steps of a block: of few sizes, so that sequences of many lengths can share blocks."""
    return min(1 << (T - 1).bit_length(), -(-rows // B))
