"""A stand-in for a GPU: what `backend.Device` asks for, on the arrays of `strict_cupy`.

Kernels are compiled by the C++ compiler of the host, behind the header `cuda_on_host.h`; `capture`
records launches and products, and what it returns runs them at the addresses they had. Whatever a
GPU would refuse, or silently get wrong, raises an error here. Not imitated: time, streams (all work
is done when a call returns), and the limits of registers and of static shared memory.
"""

import ctypes
import re
import threading
import time
import weakref
from collections import Counter
from contextlib import contextmanager

import numpy as np
import strict_cupy
import strict_watch
from host_compiler import FAULTS, load, translated
from host_sanitizers import report

TYPES = {
    **{"f": "f", "d": "d", "i": "i", "I": "I", "h": "h", "q": "lq", "b": "b?"},
    **{"H": "He", "B": "B?"},  # the bits of a float16
}


class Device:
    """A GPU of a few processors.

    Attributes:
        name, processors, shared_memory: as `Device` says.
        per_processor: blocks of a kernel that one processor can run at once, if they fit.
        patience: seconds in which a kernel whose threads all wait must move.
        launches: how often each kernel ran, counted by its name, and "product"; those of a capture
            count when it is replayed, and "replay" counts that.
    """

    def __init__(self, processors=4, shared_memory=99 << 10):
        self.name, self.processors, self.shared_memory = "host", processors, shared_memory
        self.per_processor, self.patience = 2, 10.0
        self.launches = Counter()
        self.inspects, self.reports = lambda name: (), []
        self._stream, self._kernels = ("host", 0), {}
        self._captures = threading.local()  # .steps: (name, the memory it uses, what runs it)

    def check(self, array):
        pass

    def explain(self, who, error):
        return None  # what goes wrong here is the test's own matter

    def kernel(self, source, name, *, cooperative=False):
        key = source, name, cooperative
        if key not in self._kernels:
            self._kernels[key] = Launch(self, source, name, cooperative)
        return self._kernels[key]

    def resident(self, kernel, threads, shared):
        if threads > kernel.most_threads or shared > self.shared_memory:
            return 0
        return self.processors * min(self.per_processor, self.shared_memory // max(shared, 1))

    def product(self, a, b, out, *, tf32=False):
        matrices = {"a": a, "b": b, "out": out}
        for name, x in matrices.items():
            _check_matrix(name, x)
        if a.shape[1] != b.shape[0] or out.shape != (a.shape[0], b.shape[1]):
            raise ValueError(f"product: {a.shape} times {b.shape} is not {out.shape}")
        if a.dtype != b.dtype or out.dtype not in (a.dtype, _sum_type(a.dtype)):
            raise TypeError(f"product: {a.dtype} times {b.dtype} cannot be put into {out.dtype}")
        if any(
            s != r for n, s, r in zip(out.shape, out.strides, _dense(out), strict=True) if n > 1
        ):
            raise ValueError(f"product: the rows of out are not side by side: {out.strides}")
        for x in (a, b):
            if np.shares_memory(x._host, out._host):
                raise ValueError("product: out shares memory with a factor")
        factors = [_at(x) for x in (a, b)]
        target = _at(out)

        def run():
            kept = [_factor(x, tf32) for x in factors]
            with np.errstate(all="ignore"):
                target[...] = kept[0] @ kept[1]

        self._do("product", matrices.values(), run)

    def capture(self, work):
        if self._recorded() is not None:
            raise RuntimeError("capture: a capture is going on in this stream already")
        steps = self._captures.steps = []
        try:
            with strict_watch.Recording():
                work()
        finally:
            self._captures.steps = None

        def replay():
            if self._recorded() is not None:
                raise RuntimeError("capture: a replay cannot be captured")
            for name, memory, _ in steps:
                if not all(owner() is not None for owner in memory):
                    raise RuntimeError(f"replay: an array that {name} used was freed since")
            self.launches["replay"] += 1
            for name, _, run in steps:
                self.launches[name] += 1
                run()

        return replay

    def stream(self):
        return self._stream

    @contextmanager
    def on_stream(self, stream):
        """As if another stream were current; what runs there runs at once, as everything here."""
        before, self._stream = self._stream, stream
        try:
            yield
        finally:
            self._stream = before

    def synchronize(self):
        strict_watch.synchronisations.add("synchronize()")

    def now(self):
        strict_watch.refuse("now()")
        return time.perf_counter()

    def seconds(self, start, end):
        strict_watch.synchronisations.add("seconds()")
        return end - start

    def allocated(self):
        return strict_watch.memory.bytes

    @contextmanager
    def watched(self):
        with strict_watch.memory.watched() as found:
            yield found

    @contextmanager
    def inspected(self, *sanitizers, only=""):
        """Inside, each launch of a kernel whose name begins with `only` runs a second time, on
        copies of the arrays, under the sanitizers, "thread" or "address". The list that comes holds
        their reports.
        """
        before = self.inspects, self.reports
        self.inspects = lambda name: sanitizers if name.startswith(only) else ()
        self.reports = []
        try:
            yield self.reports
        finally:
            self.inspects, self.reports = before

    def _do(self, name, arrays, run):
        steps = self._recorded()
        if steps is None:
            self.launches[name] += 1
            run()
        else:
            owners = [weakref.ref(strict_watch.owner(x._host)) for x in arrays]
            steps.append((name, owners, run))

    def _recorded(self):
        return getattr(self._captures, "steps", None)


class Launch:
    """A kernel; a call runs it, or records that it is to be run."""

    def __init__(self, device, source, name, cooperative):
        self.name, self._source = name, source
        self._device, self._cooperative = device, cooperative
        self._library = library = load(source)
        self._kernel = library.on_host_find(name.encode())
        if not self._kernel:
            known = ", ".join(re.findall(r" on_host_kernel_(\w+)\{", translated(source)))
            raise RuntimeError(f"kernel: the source has no kernel {name!r}; it has {known}")
        self.signature = library.on_host_signature(self._kernel).decode()
        self.most_threads = library.on_host_bound(self._kernel) or 1024

    def __call__(self, blocks, threads, args, shared=0):
        device, who = self._device, f"kernel {self.name!r}"
        if not (blocks >= 1 and 1 <= threads <= self.most_threads):
            raise ValueError(
                f"{who}: {blocks} blocks of {threads} threads; "
                f"1 block and at most {self.most_threads} threads are needed"
            )
        if not 0 <= shared <= device.shared_memory:
            raise ValueError(
                f"{who}: {shared} bytes of shared memory; {device.shared_memory} is all"
            )
        if self._cooperative and blocks > (most := device.resident(self, threads, shared)):
            raise ValueError(f"{who}: {blocks} blocks wait for each other; only {most} run at once")
        passed = self.passed(args)
        arrays = [x for x in args if isinstance(x, strict_cupy.ndarray)]

        def run():
            for sanitizer in device.inspects(self.name):
                launch = self._source, self.name, blocks, threads, passed, shared
                device.reports += filter(None, [report(sanitizer, *launch)])
            pointers = (ctypes.c_void_p * len(passed))(*map(ctypes.addressof, passed))
            fault = self._library.on_host_launch(
                self._kernel, blocks, threads, shared, self._cooperative, device.patience, pointers
            )
            if fault:
                raise RuntimeError(f"{who} {FAULTS[fault]}")

        device._do(self.name, arrays, run)

    def report(self, sanitizer, blocks, threads, args, shared=0):
        """What a sanitizer says of a launch that runs nowhere else, with all blocks at once."""
        passed = self.passed(args)
        return report(sanitizer, self._source, self.name, blocks, threads, passed, shared)

    def passed(self, args):
        """The arguments as C has them."""
        letters = re.findall("P?.", self.signature)
        if len(args) != len(letters):
            raise TypeError(
                f"kernel {self.name!r} takes {len(letters)} arguments, and {len(args)} came"
            )
        passed = []
        for i, (x, letter) in enumerate(zip(args, letters, strict=True)):
            who, pointer = f"kernel {self.name!r}, argument {i}", letter[0] == "P"
            if isinstance(x, strict_cupy.ndarray):
                if not pointer or x.dtype.char not in TYPES.get(letter[1], x.dtype.char):
                    raise TypeError(f"{who}: an array of {x.dtype} for a parameter {letter!r}")
                if any(s <= 0 for n, s in zip(x.shape, x.strides, strict=True) if n > 1):
                    raise ValueError(f"{who}: an array of strides {x.strides} is no plain memory")
                passed.append(ctypes.c_void_p(x._host.ctypes.data))
            elif x is None and pointer:
                passed.append(ctypes.c_void_p(None))
            elif isinstance(x, int) and letter in ("i", "I", "B", "b", "h", "H", "q"):
                if letter != "i":
                    raise TypeError(f"{who}: an int is passed as `int`, and the parameter is none")
                if not -(2**31) <= x < 2**31:
                    raise OverflowError(f"{who}: {x} is no `int`")
                passed.append(ctypes.c_int(x))
            else:
                raise TypeError(f"{who}: {type(x)} for a parameter {letter!r}")
        return passed


# Matrices.
def _check_matrix(name, x):
    """As cuBLAS reads matrices: one axis whose elements lie side by side, and a distance along the
    other that is at least the length of the first.
    """
    if not isinstance(x, strict_cupy.ndarray):
        raise TypeError(f"product: {name} is {type(x)}, not an array of the device")
    if x.ndim != 2 or x.dtype.char not in "efd":
        raise ValueError(f"product: {name} is no matrix of floats: {x.shape}, {x.dtype}")
    (rows, columns), (down, right) = x.shape, (s / x.itemsize for s in x.strides)
    by_rows = (columns == 1 or right == 1) and (rows == 1 or down >= columns)
    by_columns = (rows == 1 or down == 1) and (columns == 1 or right >= rows)
    if not (by_rows or by_columns or x.size == 0):
        raise ValueError(f"product: {name} of strides {x.strides} has no axis side by side")


def _dense(x):
    return x.shape[1] * x.itemsize, x.itemsize


def _sum_type(dtype):
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def _at(x):
    """The same memory, not kept alive."""
    if not x.size:
        return np.empty(x.shape, x.dtype)
    first, last = np.lib.array_utils.byte_bounds(x._host)
    return np.ndarray(
        x.shape, x.dtype, (ctypes.c_char * (last - first)).from_address(first), 0, x._host.strides
    )


def _factor(x, tf32):
    if x.dtype == np.float16:
        return x.astype(np.float32)
    return tf32_of(x) if tf32 and x.dtype == np.float32 else x


def tf32_of(x):
    """float32 rounded to 10 bits of mantissa, to the nearest, ties to even."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    rounded = (bits + 0xFFF + (bits >> 13 & 1)) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(x), rounded.view(np.float32).reshape(x.shape), x)
