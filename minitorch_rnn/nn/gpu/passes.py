"""The two passes of a scan on a GPU: `nn.passes`, with the steps of `loops`.

Forward, the share of the input is one product for all time steps, in whose place the gates go. Each
step leaves behind what its gates came to. Backward, the steps write the gradients of all gates, of
which the gradients of the weights and of x are one product each. What is kept for backward goes
with the graph; only the places of `loops` stay for the next run.

Shapes: x (T, B, I), states (B, H), weights as in `RNN`, `LSTM` and `GRU`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.nn.gpu.layouts import LAYOUTS
from minitorch_rnn.nn.gpu.loops import loop
from minitorch_rnn.nn.gpu.options import Options, options
from minitorch_rnn.nn.gpu.proof import Claim, prove


class Kept(NamedTuple):
    """What forward leaves for backward.

    Attributes:
        h: h(-1) … h(T-1), (T + 1, B, H), 0 behind the end of a sequence.
        gates: what they came to, (T, B, G, H); None where h tells it.
        memory: LSTM: c(-1) … c(T-1); GRU: what r multiplies; None for others.
        ends: lengths, (B,), or None.
        options: of the forward pass.
    """

    h: Any
    gates: Any
    memory: Any
    ends: Any
    options: Options


def forward(
    mode: str,
    x: Any,
    states: Sequence[Any],
    weights: Sequence[Any],
    lengths: np.ndarray | None,
    keep: bool,
    chosen: Options | None = None,
) -> tuple[Kept, list[Any]]:
    """What is kept, of which only h without `keep`; and the states after the last step, (1, B, H).

    As `nn.passes.forward`, which has the arguments; `chosen` is what the user has chosen unless the
    proof asks.
    """
    xp, dtype, device = backend.namespace(x), x.dtype, backend.device_of(x)
    assert device is not None
    if chosen is None:
        chosen = options(dtype)
        prove(Claim(device, mode, dtype, chosen), xp, (partial(forward, chosen=chosen), backward))
    layout, (T, B, I), H = LAYOUTS[mode], x.shape, weights[1].shape[1]
    h, gates = xp.empty((T + 1, B, H), dtype), xp.empty((T, B, layout.gates, H), dtype)
    memory = xp.empty((T + layout.remembers, B, H), dtype) if layout.carries else None
    last = [xp.empty((1, B, H), dtype) for _ in states]
    ends = None if lengths is None else xp.asarray(lengths, np.int32)
    x, weight_ih, weight_hh, bias_ih, bias_hh = _dense(xp, [x, *weights])
    h_0, c_0 = _dense(xp, [*states, None][:2])
    factors = x.reshape(T * B, I), weight_ih.T
    if chosen.products == "float16":
        factors = x.reshape(T * B, I).astype(np.float16), weight_ih.T.astype(np.float16)
    device.product(*factors, gates.reshape(T * B, -1), tf32=chosen.products == "tf32")
    steps = loop(device, xp, "forward", mode, B, H, dtype, chosen)
    with steps.lock:
        steps.begin(
            T, B, H, ends, steps.product, steps.beside, gates, memory, h, *[*last, None][:2],
            *steps.current, layout.gates, layout.inner, h_0, c_0, bias_ih, bias_hh, weight_hh,
            *steps.weight,
        )  # fmt: skip
        steps.run(T)
    return Kept(h, gates if layout.carries and keep else None, memory, ends, chosen), last


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

    As `nn.passes.backward`, which has the arguments.
    """
    xp, dtype, device = backend.namespace(x), x.dtype, backend.device_of(x)
    assert device is not None
    x, weight_ih, weight_hh = _dense(xp, [x, *weights[:2]])
    layout, (T, B, I), H = LAYOUTS[mode], x.shape, weight_hh.shape[1]
    g, g_h, g_c = _dense(xp, [*gradients, None][:3])
    d = xp.empty((T, B, layout.slots, H), dtype)
    steps = loop(device, xp, "backward", mode, B, H, dtype, kept.options)
    with steps.lock:
        steps.begin(
            T, B, H, kept.ends, g, g_h, g_c, steps.product, steps.beside, kept.gates, kept.memory,
            kept.h, d, steps.current[0], layout.gates, layout.inner, weight_hh, steps.weight[0],
        )  # fmt: skip
        steps.run(T)
        through = steps.product
        passes_by = layout.carries and not layout.remembers  # a part of h, unchanged
        first = [through + steps.beside if passes_by else through.copy()]
        if layout.remembers:
            first.append(steps.beside.copy())
    rows = d.reshape(T * B, -1)
    d_h = rows[:, : layout.gates * H]
    d_x = rows[:, layout.to_x * H : (layout.to_x + layout.gates) * H]

    def product(
        asked: bool, a: Any, b: Any, tf32: bool = kept.options.products != "float32"
    ) -> Any:
        if not asked:
            return None
        out = xp.empty((a.shape[0], b.shape[1]), dtype)
        device.product(a, b, out, tf32=tf32)
        return out

    asked = [*wanted[len(gradients) :], False, False][:4]
    dx = product(wanted[0], d_x, weight_ih)
    of_ih = product(asked[0], d_x.T, x.reshape(T * B, I))
    of_hh = product(asked[1], d_h.T, kept.h[:T].reshape(T * B, H))
    sums = product(asked[2] or asked[3], xp.ones((1, T * B), dtype), rows, tf32=False)
    biases = [None, None]
    if sums is not None:
        biases = [sums[0, layout.to_x * H : (layout.to_x + layout.gates) * H]]
        biases.append(_in_order(xp, layout.inner * H, sums[0, : layout.gates * H]))
    of_hh = _in_order(xp, layout.inner * H, of_hh)
    return [None if dx is None else dx.reshape(T, B, I), *first, of_ih, of_hh, *biases]


def _in_order(xp: Any, inner: int, g: Any) -> Any:
    """The gradient of W_hh or its bias, whose inner rows come first in the loop."""
    return xp.roll(g, -inner, 0) if inner and g is not None else g


def _dense(xp: Any, arrays: Sequence[Any]) -> list[Any]:
    """Each with all its elements in order, as kernels read them; None stays None."""
    return [None if a is None else xp.ascontiguousarray(a) for a in arrays]
