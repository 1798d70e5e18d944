"""Whether a GPU computes what it should: asked once of each cell, before its first result counts.

Our kernels meet compilers, drivers and processors that nobody has tried them on. So the first scan
of a cell is preceded by a tiny one, forward and backward, whose numbers NumPy computes as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from minitorch_rnn.backend import Device, to_numpy
from minitorch_rnn.errors import BackendError
from minitorch_rnn.nn import passes
from minitorch_rnn.nn.gpu.layouts import LAYOUTS
from minitorch_rnn.nn.gpu.options import Options
from minitorch_rnn.nn.gpu.persistent import plan

_T, _B, _I = 7, 3, 4  # graphs of four steps and of one
_H = 5  # and of a persistent loop, whose blocks wait for each other if there are several, one more:
_LARGE = (257, 129, 65, 33)
_DIGITS = {"float64": 1e-10, "float32": 1e-4, "tf32": 2e-2, "float16": 2e-2}  # of the largest value

Roads = tuple[Callable[..., Any], Callable[..., Any]]  # forward, backward

_lock = threading.RLock()  # the proof scans, and asks for proof
_asked: set[Hashable] = set()


def prove(
    device: Device,
    xp: Any,
    mode: str,
    dtype: Any,
    chosen: Options,
    roads: Roads,
) -> None:
    """Compare a scan of `roads`, forward and backward, with the same scan on the host.

    Raises:
        BackendError: if they differ, with the cell, the device and the quantity.
    """
    key = (device, mode, dtype, chosen)
    with _lock:
        if key in _asked:
            return
        _asked.add(key)
        try:
            for H in _sizes(device, mode, dtype, chosen):
                _compare(device, xp, mode, H, dtype, chosen, roads)
        except BaseException:
            _asked.discard(key)
            raise


def _sizes(device: Device, mode: str, dtype: Any, chosen: Options) -> list[int]:
    if chosen.loop != "persistent":
        return [_H]
    chip = device.processors, device.shared_memory
    fitting = [
        H
        for H in _LARGE
        if all(plan(*chip, way, mode, _B, H, dtype.itemsize) for way in ("forward", "backward"))
    ]
    return [_H, *fitting[:1]]


def _compare(
    device: Device,
    xp: Any,
    mode: str,
    H: int,
    dtype: Any,
    chosen: Options,
    roads: Roads,
) -> None:
    rng, layout = np.random.default_rng(0), LAYOUTS[mode]
    rows, states = layout.gates * H, 1 + layout.remembers
    shapes = [(rows, _I), (rows, H), (rows,), (rows,)]

    def draw(*shape: int) -> Any:
        return rng.normal(size=shape).astype(dtype)

    x, hx, weights = (
        draw(_T, _B, _I),
        [draw(_B, H) for _ in range(states)],
        [draw(*s) / dtype.type(H**0.5) for s in shapes],
    )
    gradients = [draw(_T, _B, H), *[draw(1, _B, H) for _ in range(states)]]
    lengths = np.array([_T, 2, _T - 1])
    wanted = [True] * (1 + states + len(weights))

    def scanned(forward: Any, backward: Any, put: Callable[[Any], Any]) -> list[np.ndarray]:
        given = put(x), [put(s) for s in hx], [put(w) for w in weights]
        kept, last = forward(mode, *given, lengths, True)
        found = backward(
            mode, given[0], kept, given[2], lengths, [put(g) for g in gradients], wanted
        )
        return [to_numpy(a) for a in [kept.h[1:], *last, *found]]

    names = ["h", "h_n", "c_n"][: 1 + states] + [
        f"the gradient of {name}"
        for name in ["x", "h_0", "c_0"][: 1 + states]
        + ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    ]
    mine = scanned(*roads, xp.asarray)
    reference = scanned(passes.forward, passes.backward, np.asarray)
    allowed = _DIGITS[dtype.name if chosen.products == "float32" else chosen.products]
    for name, a, b in zip(names, mine, reference, strict=True):
        error = abs(a - b).max() / max(1.0, abs(b).max())
        if not error <= allowed:
            raise BackendError(
                f"scan: {name} of a small {mode} is wrong by {error:.1e} on {device.name} "
                f"({dtype}, {chosen.products}, {chosen.loop}; at most {allowed:.0e} was expected). "
                "Our kernels cannot be trusted there: use road='graph', and please report this."
            )
