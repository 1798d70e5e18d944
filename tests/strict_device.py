"""A stand-in for a GPU: what `backend.Device` asks for, on the arrays of `strict_cupy`.

Kernels are compiled by the C++ compiler of the host, behind the header `cuda_on_host.h`; `capture`
records launches and products, and what it returns runs them at the addresses they had. Whatever a
GPU would refuse, or silently get wrong, raises an error here. Not imitated: time, streams (all work
is done when a call returns), and the limits of registers and of static shared memory.
"""

import ctypes
import functools
import getpass
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import strict_cupy

SHIM = Path(__file__).with_name("cuda_on_host.h")
# The header needs Linux: stacks of its own, and libraries that are found by their path.
COMPILERS = ("c++", "g++", "clang++") if sys.platform == "linux" else ()
COMPILER = next(filter(None, map(shutil.which, COMPILERS)), None)
STANDARD = ("-std=c++17", "-x", "c++", "-DON_HOST")
_PROGRAM = ("-O1", "-g", "-pthread", "-DON_HOST_MAIN")
SANITIZERS = {
    "thread": (*_PROGRAM, "-fsanitize=thread"),
    "address": (*_PROGRAM, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
}
FAULTS = {
    1: "waits for ever: nobody makes the write for which its threads wait in load_acquire(). "
    "Blocks that wait for each other need cooperative=True",
    2: "ends some threads of a block before a __syncthreads() at which the others wait",
    3: "has threads of one block at different __syncthreads()",
    4: "writes beyond the dynamic shared memory that it was given",
}
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
            with strict_cupy.Recording():
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
        strict_cupy.synchronisations.add("synchronize()")

    def now(self):
        strict_cupy.refuse("now()")
        return time.perf_counter()

    def seconds(self, start, end):
        strict_cupy.synchronisations.add("seconds()")
        return end - start

    def allocated(self):
        return strict_cupy.memory.bytes

    @contextmanager
    def watched(self):
        with strict_cupy.memory.watched() as found:
            yield found

    @contextmanager
    def inspected(self, *sanitizers, only=""):
        """Inside, each launch of a kernel whose name begins with `only` runs a second time, on
        copies of the arrays: with "thread", for `races`, or "address", for `strays`. The list that
        comes holds their reports.
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
            owners = [weakref.ref(strict_cupy.owner(x._host)) for x in arrays]
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
                device.reports += filter(None, [_report(sanitizer, *launch)])
            pointers = (ctypes.c_void_p * len(passed))(*map(ctypes.addressof, passed))
            fault = self._library.on_host_launch(
                self._kernel, blocks, threads, shared, self._cooperative, device.patience, pointers
            )
            if fault:
                raise RuntimeError(f"{who} {FAULTS[fault]}")

        device._do(self.name, arrays, run)

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


# The compiler.
def _compile(name, text, *flags):
    """The file of `text` compiled by `flags`; made once for all runs of the tests."""
    key = hashlib.sha256("\0".join([COMPILER, *flags, SHIM.read_text(), text]).encode())
    folder = Path(tempfile.gettempdir(), f"minitorch_rnn-kernels-{getpass.getuser()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    built = folder / f"{key.hexdigest()[:32]}{name}"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=folder) as here:
            new = Path(here, "built")
            _run(COMPILER, *STANDARD, *flags, "-", "-o", new, text=text)
            os.replace(new, built)
    return built


def _run(*command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the compiler refuses a kernel:\n{done.stderr[:4000]}")
    return done.stdout


_KERNEL = re.compile(
    r"\b__global__\s+(?:__launch_bounds__\s*\((?P<a>[^()]*)\)\s*)?void\s+"
    r"(?:__launch_bounds__\s*\((?P<b>[^()]*)\)\s*)?(?P<name>\w+)\s*\("
)
_DYNAMIC = re.compile(r"\bextern\s+__shared__\s+(\w+)\s+(\w+)\s*\[\s*\]\s*;")


@functools.cache
def translated(source):
    """C++ of CUDA C++: what the compiler of the host needs before and after it."""
    plain = _run(COMPILER, *STANDARD, "-E", "-P", "-", text=source)  # macros may make kernels
    dynamic = set(_DYNAMIC.findall(plain))
    if len(dynamic) > 1:
        raise RuntimeError(f"one dynamic shared array for a source: {sorted(dynamic)}")
    kind, shared = dynamic.pop() if dynamic else ("char", "")
    size = f"[({227 << 10} + on_host::canary) / sizeof({kind})]"
    kernels = [(m["name"], m["a"] or m["b"] or "0") for m in _KERNEL.finditer(plain)]
    return "\n".join(
        [
            f'#include "{SHIM}"',
            '#line 1 "kernels"',
            source,
            f"alignas(128) thread_local {kind} {shared}{size};" if shared else "",
            f"char* on_host::dynamic_shared() {{ return (char*){shared or 0}; }}",
            *[f'static on_host::Kernel on_host_kernel_{n}{{"{n}", {b}, {n}}};' for n, b in kernels],
            "",
        ]
    )


@functools.cache
def load(source):
    """The library of a source; each of its kernels can be found in it."""
    if COMPILER is None:
        raise RuntimeError("kernel: no C++ compiler is found")
    flags = ("-O1", "-shared", "-fPIC", "-pthread")
    library = ctypes.CDLL(str(_compile(".so", translated(source), *flags)))
    pointer, text, c_int = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, *arguments in (
        ("find", pointer, text),
        ("signature", text, pointer),
        ("bound", c_int, pointer),
        ("launch", c_int, pointer, *[c_int] * 3, ctypes.c_bool, ctypes.c_double, pointer),
    ):
        function = getattr(library, f"on_host_{name}")
        function.restype, function.argtypes = result, arguments
    return library


# The sanitizers.
def races(source, name, blocks, threads, args, shared=0):
    """What ThreadSanitizer reports of a launch with all blocks at once; "" if nothing.

    It runs on copies of the arrays, so nothing changes here. The first words of arrays of uint8 may
    be pointers into other arrays (tables of the device): these come along.
    """
    launch = Launch(Device(), source, name, False)
    return _report("thread", source, name, blocks, threads, launch.passed(args), shared)


def strays(source, name, blocks, threads, args, shared=0):
    """What AddressSanitizer and UBSan report likewise: reads and writes outside of the arrays and
    of the dynamic shared memory, vectors that are not aligned, overflows of integers.
    """
    launch = Launch(Device(), source, name, False)
    return _report("address", source, name, blocks, threads, launch.passed(args), shared)


@functools.cache
def why_not(sanitizer):
    """Why a sanitizer cannot be had here; "" if it can."""
    if COMPILER is None:
        return "no C++ compiler is found"
    try:
        probe = _compile(f"-{sanitizer}", "int main() {}", *SANITIZERS[sanitizer])
        subprocess.run([probe], capture_output=True, check=True)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        return f"the {sanitizer} sanitizer does not run here: {error}"
    return ""


def _report(sanitizer, source, name, blocks, threads, passed, shared):
    flags = SANITIZERS[sanitizer]
    program = _compile(f"-{sanitizer}", translated(source), *flags)
    environment = os.environ | {
        "TSAN_OPTIONS": "exitcode=66 history_size=4",
        "ASAN_OPTIONS": "exitcode=66 detect_leaks=0 detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "exitcode=66",
    }
    given = _packed(blocks, threads, shared, passed)
    command = [program, name]
    done = subprocess.run(command, input=given, capture_output=True, check=False, env=environment)
    told = done.stderr.decode(errors="replace")
    if done.returncode not in (0, 66):
        fault = FAULTS.get(done.returncode, told[-2000:])
        raise RuntimeError(f"kernel {name!r} under a sanitizer ({done.returncode}): {fault}")
    return told if done.returncode else ""


def _bytes(x):
    return ctypes.string_at(x.ctypes.data, x.nbytes)  # in the order that they have in memory


def _packed(blocks, threads, shared, passed):
    """A launch as the program of a sanitizer reads it."""
    alive = [(x.ctypes.data, x) for x in strict_cupy.memory.arrays() if x.size]
    taken, inside, args = [], [], []

    def place(address):
        """(array, offset) of an address in an array that is alive, which is taken along."""
        for start, x in alive:
            if start <= address < start + x.nbytes:
                index = next((i for i, y in enumerate(taken) if y is x), len(taken))
                if index == len(taken):
                    taken.append(x)
                    if x.dtype == np.uint8:
                        words = np.frombuffer(_bytes(x)[: x.nbytes // 8 * 8], np.uint64)
                        for i, word in enumerate(words.tolist()):
                            if (to := place(word)) is not None:
                                inside.append((index, 8 * i, *to))
                return index, address - start
        return None

    for x in passed:
        if isinstance(x, ctypes.c_int):
            args += -1, x.value
        elif x.value is None:
            args += -2, 0
        else:
            at = place(x.value)
            if at is None:
                raise RuntimeError(f"{x.value:#x} is in no array that is alive")
            args += at
    numbers = [blocks, threads, shared, len(taken), *[x.nbytes for x in taken], len(inside)]
    numbers += [n for pointer in inside for n in pointer]
    numbers += [len(passed), *args]
    return np.array(numbers, np.int64).tobytes() + b"".join(map(_bytes, taken))
