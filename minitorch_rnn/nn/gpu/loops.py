"""The time loop of a scan on a GPU: a product and a kernel for each step, captured and replayed.

A captured graph runs the same kernels at the same addresses. So what is captured works at fixed
places, which are in here, and finds the arrays of a run through a table at one of them: a graph of
some steps, captured once for a cell, batch and size, serves runs of any length.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from minitorch_rnn.backend import Device
from minitorch_rnn.nn.gpu import persistent
from minitorch_rnn.nn.gpu.layouts import LAYOUTS
from minitorch_rnn.nn.gpu.options import Options

_GRAPHS = (64, 32, 16, 8, 4, 2, 1)  # steps of the graphs that a run is composed of
_MOST_IDLE = 1 << 27  # bytes of loops that are kept beside the last one; the longest unused goes
_THREADS = 128
_TABLE = 256  # bytes; kernels.cu sees to it that they are enough


def sources() -> dict[str, str]:
    """All that is ever compiled, by dtype.

    >>> sorted(sources())
    ['float32', 'float64']
    """
    return {
        dtype: _source(dtype, "kernels.cu", "persistent.cu") for dtype in ("float32", "float64")
    }


@cache
def _source(dtype: str, *files: str) -> str:
    """The kernels of some files for arrays of a dtype, as CUDA C++."""
    real = {"float32": "float", "float64": "double"}[dtype]
    here = resources.files(__package__)
    texts = [(here / name).read_text(encoding="utf-8") for name in files]
    return "\n".join([f"typedef {real} real;", *texts])


class Loop:
    """The steps of one cell, batch and size, one way in time, and the arrays at fixed places.

    Attributes:
        lock: to be held from `begin` to the end of `run`: there is one set of places.
        layout: of the cell.
        nbytes: of the places.
        current: what W_hh multiplies, h(t), (B, H), or backward the gradients that it made at t,
            (B, G H); as an array of the dtype, and as float16. One of them is None, both if one
            kernel runs all steps.
        weight: the copy of W_hh, (G H, H), likewise.
        product: of both: forward z = W_hh h(t-1), (B, G H), backward `through`, (B, H).
        beside: forward the biases, (G + 1, H), backward what passes W_hh by, (B, H).
    """

    def __init__(
        self,
        device: Device,
        xp: Any,
        way: str,
        mode: str,
        B: int,
        H: int,
        dtype: Any,
        options: Options,
    ) -> None:
        self.lock, self.layout, self._device = threading.Lock(), LAYOUTS[mode], device
        G, ahead = self.layout.gates, way == "forward"
        half = ahead and options.products == "float16"
        kind = np.dtype(np.float16) if half else dtype
        weight = xp.empty((G * H, H), kind)
        current = xp.empty((B, H if ahead else G * H), kind)
        self.product = xp.empty((B, G * H if ahead else H), dtype)
        self.beside = xp.empty((G + 1, H) if ahead else (B, H), dtype)
        pairs: list[tuple[Any, Any]] = [(None, a) if half else (a, None) for a in (current, weight)]
        self.current, self.weight = pairs
        self._factors = current, weight.T if ahead else weight
        self._tf32 = not half and options.products != "float32"
        self._table = xp.empty(_TABLE, np.uint8)
        self._ahead, self._captures = ahead, options.loop != "launched"
        self._B, self._H, self._elements = B, H, max(B * H, G * H * H)
        self.nbytes = sum(a.nbytes for a in (weight, current, self.product, self.beside))
        code = _source(dtype.name, "kernels.cu")
        self._begin, self._step, self._done = [
            device.kernel(code, name) for name in (f"begin_{way}", f"{way}_{mode}", "steps_done")
        ]
        self._persists = None
        if options.loop == "persistent":
            code = sources()[dtype.name]
            self._persists = persistent.loop(device, code, mode, way, B, H, dtype, xp)
        if self._persists is not None:
            self.current = None, None  # its blocks read h and d where the others have put them
        self._graphs: dict[int, Callable[[], None]] = {}

    def begin(self, *args: Any) -> None:
        """Write the table and the places, from what the kernel takes after the table."""
        blocks = min(-(-self._elements // _THREADS), 16 * self._device.processors)
        self._begin(blocks, _THREADS, (self._table, *args))

    def run(self, T: int) -> None:
        """All steps."""
        if self._persists is not None:
            places = () if self._ahead else (self.product,)
            self._persists(self._table, self.weight[0], T, *places)
        elif not self._captures:
            self._steps(T)
        else:
            for n in _GRAPHS:
                for _ in range(T // n):
                    self._graph(n)()
                T %= n

    def _graph(self, steps: int) -> Callable[[], None]:
        if steps not in self._graphs:
            self._multiply()  # loads what cuBLAS needs for it, before; once more harms nothing
            self._graphs[steps] = self._device.capture(lambda: self._steps(steps))
        return self._graphs[steps]

    def _steps(self, steps: int) -> None:
        blocks = -(-self._B * self._H // _THREADS)
        for k in range(steps):
            if self._ahead:
                self._multiply()
            self._step(blocks, _THREADS, (self._table, k, self._B, self._H))
            if not self._ahead:
                self._multiply()
        self._done(1, 1, (self._table, steps if self._ahead else -steps))

    def _multiply(self) -> None:
        self._device.product(*self._factors, self.product, tf32=self._tf32)


_lock = threading.Lock()
_loops: OrderedDict[Any, Loop] = OrderedDict()  # the last used at the end


def loop(device: Device, *how: Any) -> Loop:
    """The loop for this work in the current stream; `how` as `Loop` takes it, after the device."""
    key = (device, device.stream(), *how)
    with _lock:
        found = _loops.pop(key, None) or Loop(device, *how)
        idle = sum(one.nbytes for one in _loops.values())
        while idle > _MOST_IDLE:
            idle -= _loops.popitem(last=False)[1].nbytes
        _loops[key] = found
    return found
