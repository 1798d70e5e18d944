"""Memory that is used again and again by the steps of training, which make the same arrays.

The operating system hands out new memory page by page, when it is first written to, and may take it
back when an array goes: then every step pays for every page. What that costs depends on the C
library; `bench/ANALYSIS.md` has a figure.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import numpy as np

_WORTH_IT = 1 << 16  # bytes from which on memory is kept
_MOST_IDLE = 1 << 26  # bytes of blocks that wait for somebody to compute in them


class Buffers:
    """Lends memory for arrays, and takes it back when the last array that looks at it is gone.

    It never holds more than was lent at one time, lent and idle together. Only memory of the host
    is kept; CuPy keeps its own.

    >>> buffers, float64 = Buffers(), np.dtype(float)
    >>> a = buffers.empty(np, (256, 128), float64)
    >>> address, row = a.ctypes.data, a[3]
    >>> del a
    >>> buffers.empty(np, (256, 128), float64).ctypes.data == address  # row is alive
    False
    >>> del row
    >>> again = [buffers.empty(np, (128, 256), float64) for _ in range(2)]
    >>> address in [b.ctypes.data for b in again]
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._returned: deque[np.ndarray] = deque()  # may grow at any time, in any thread
        self._idle: list[np.ndarray] = []  # oldest first
        self._watched: dict[int, weakref.ref[np.ndarray]] = {}  # by id of the memory
        self._lent = self._most = 0  # bytes

    def empty(self, xp: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array whose values nobody has set, as `xp.empty`."""
        size = math.prod(shape) * dtype.itemsize
        if xp is not np or size < _WORTH_IT:
            return xp.empty(shape, dtype)
        with self._lock:
            self._take_back()
            fitting = [k for k, memory in enumerate(self._idle) if memory.size == size]
            memory = self._idle.pop(fitting[-1]) if fitting else np.empty(size, np.uint8)
            self._lent += size
            self._most = max(self._most, self._lent)
            self._drop()
        # The base of this array is no array, so NumPy looks no further for the base of a view of
        # it: every view, and every view of a view, keeps this very array alive.
        array = np.frombuffer(memory.data, dtype)
        self._watched[id(memory)] = weakref.ref(array, lambda _: self._returned.append(memory))
        return array.reshape(shape)

    def _take_back(self) -> None:
        while self._returned:
            memory = self._returned.popleft()
            del self._watched[id(memory)]
            self._lent -= memory.size
            self._idle.append(memory)

    def _drop(self) -> None:
        idle = sum(memory.size for memory in self._idle)
        while self._lent + idle > self._most:
            idle -= self._idle.pop(0).size


class Blocks:
    """Arrays to compute in, with all the views that a loop over them needs, made once.

    A block belongs to one user at a time, between `borrowed` and `given_back`; one that is not
    given back, after an exception, is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: OrderedDict[Any, Any] = OrderedDict()  # oldest first

    def borrowed(self, make: Callable[..., Any], *how: Any) -> tuple[Any, Any]:
        """A key to give it back with, and a block as make(*how) makes it."""
        key = (make, *how)
        with self._lock:
            block = self._idle.pop(key, None)
        return key, make(*how) if block is None else block

    def given_back(self, key: Any, block: Any) -> None:
        """Keep it for the next user, and drop what has waited longest if it is too much."""
        with self._lock:
            self._idle[key] = block
            while sum(idle[0].base.nbytes for idle in self._idle.values()) > _MOST_IDLE:
                self._idle.popitem(last=False)
