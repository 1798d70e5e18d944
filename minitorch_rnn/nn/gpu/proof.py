"""Whether a GPU computes what it should: asked once of each cell, before its first result counts.

Our kernels meet compilers, drivers and processors that nobody has tried them on. So the first scan
of a cell is preceded by two small ones, forward and backward, whose numbers NumPy computes as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.errors import BackendError
from minitorch_rnn.nn import passes
from minitorch_rnn.nn.gpu.layouts import LAYOUTS
from minitorch_rnn.nn.gpu.options import Options
from minitorch_rnn.nn.gpu.persistent import fits

# T, B and H of a tiny layer, and of one that is large enough for cuBLAS to divide its sums and for
# graphs of 16, 2 and 1 steps. A persistent loop has a barrier only where the weights need several
# blocks: as the first of these that fits does, on every GPU.
_TINY, _LARGE = (7, 3, 5), (19, 32, 256)
_SEVERAL_BLOCKS = [(7, 3, H) for H in (257, 129, 65, 33)]
_I = 4
_DIGITS = {"float64": 1e-10, "float32": 1e-4, "tf32": 2e-2, "float16": 2e-2}  # relative

Roads = tuple[Callable[..., Any], Callable[..., Any]]  # forward, backward


class Claim(NamedTuple):
    """What is to be proved: that this device computes this cell so."""

    device: backend.Device
    mode: str
    dtype: Any
    chosen: Options


_lock = threading.RLock()  # the proof scans, and asks for proof
_asked: set[Claim] = set()


def prove(claim: Claim, xp: Any, roads: Roads) -> None:
    """Compare scans of `roads`, forward and backward, with the same scans on the host.

    Raises:
        BackendError: if they differ, with the cell, the device and the quantity.
    """
    with _lock:
        if claim in _asked:
            return
        _asked.add(claim)
        try:
            for sizes in _sizes(claim):
                _compare(claim, sizes, xp, roads)
        except BaseException:
            _asked.discard(claim)
            raise


def _sizes(claim: Claim) -> list[tuple[int, int, int]]:
    if claim.chosen.loop != "persistent":
        return [_TINY, _LARGE]
    return [
        _TINY,
        *[(T, B, H) for T, B, H in _SEVERAL_BLOCKS if fits(*claim[:2], B, H, claim.dtype)][:1],
    ]


def _compare(claim: Claim, sizes: tuple[int, int, int], xp: Any, roads: Roads) -> None:
    device, mode, dtype, chosen = claim
    rng, layout, (T, B, H) = np.random.default_rng(0), LAYOUTS[mode], sizes
    rows, states = layout.gates * H, 1 + layout.remembers

    def draw(*shape: int, scale: float = 1.0) -> Any:
        return (scale * rng.normal(size=shape)).astype(dtype)

    x, hx = draw(T, B, _I), [draw(B, H) for _ in range(states)]
    weights = [draw(*s, scale=H**-0.5) for s in [(rows, _I), (rows, H), (rows,), (rows,)]]
    gradients = [draw(T, B, H), *[draw(1, B, H) for _ in range(states)]]
    lengths = np.append([T, 2], rng.integers(1, T + 1, B - 2))
    wanted = [True] * (1 + states + len(weights))

    def scanned(forward: Any, backward: Any, put: Callable[[Any], Any]) -> list[np.ndarray]:
        given = put(x), [put(s) for s in hx], [put(w) for w in weights]
        kept, last = forward(mode, *given, lengths, True)
        found = backward(
            mode, given[0], kept, given[2], lengths, [put(g) for g in gradients], wanted
        )
        return [backend.to_numpy(a) for a in [kept.h[1:], *last, *found]]

    names = ["h", "h_n", "c_n"][: 1 + states] + [
        f"the gradient of {name}"
        for name in ["x", "h_0", "c_0"][: 1 + states]
        + ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
    ]
    mine = scanned(*roads, xp.asarray)
    reference = scanned(passes.forward, passes.backward, np.asarray)
    allowed = _DIGITS[dtype.name if chosen.products == "float32" else chosen.products]
    for name, a, b in zip(names, mine, reference, strict=True):
        error = np.linalg.norm(a - b) / np.linalg.norm(b)
        if not error <= allowed:
            raise BackendError(
                f"scan: {name} of a small {mode} is wrong by {error:.1e} on {device.name} "
                f"({dtype}, {chosen.products}, {chosen.loop}, T, B, H = {sizes}; at most "
                f"{allowed:.0e} was expected). Our kernels cannot be trusted there: use "
                "road='graph', and please report this."
            )
