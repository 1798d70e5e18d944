"""A stand-in for cuBLAS, by its C interface, and for what our source asks of CuPy for it.

The library, `cublas_on_host.cpp`, computes on the memory of the host and writes down what came in.
CuPy is a few functions that say when they are called; test_cupy.py compares them with the wheel.
"""

import ctypes
import os
import re
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import host_compiler
import numpy as np
import pytest

from minitorch_rnn.backend import cuda

SOURCE = Path(__file__).with_suffix(".cpp")
FUNCTIONS = {"SetStream": 2, "SetWorkspace": 3, "GemmEx": 19}  # and how many arguments they have
HANDLE, STREAM = 0x7ABC_DEF0_1234, 0x7FED_CBA9_8760  # half of such a pointer is another one
CONSTANTS = {
    "CUBLAS_COMPUTE_32F": 68, "CUBLAS_COMPUTE_64F": 70, "CUBLAS_COMPUTE_32F_FAST_TF32": 77,
    "CUBLAS_GEMM_DEFAULT": -1,
}  # fmt: skip


def library(soname="", text=None):
    """The path of the library, which may have the name of another one."""
    flags = [f"-Wl,-soname,{soname}"] if soname else []
    text = SOURCE.read_text() if text is None else text
    return host_compiler.compiled("libcublas.so", text, "-shared", "-fPIC", "-O1", *flags)


def cublas_of_cupy():
    """CuPy's module of cuBLAS; where that is missing, over this library.

    Raises:
        ImportError: where there is no compiler for it.
    """
    try:
        from cupy_backends.cuda.libs import cublas
    except ImportError:
        if host_compiler.COMPILER is None:
            raise
        ctypes.CDLL(str(library(soname_of_cublas("Lt"), text="")), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(library(soname_of_cublas())), mode=ctypes.RTLD_GLOBAL)
        before = sys.getdlopenflags()
        sys.setdlopenflags(os.RTLD_LAZY)  # its other functions are missing, and never called
        try:
            from cupy_backends.cuda.libs import cublas
        finally:
            sys.setdlopenflags(before)
    return cublas


def soname_of_cublas(part=""):
    """The file that CuPy's module needs."""
    import cupy_backends

    (path,) = Path(cupy_backends.__file__).parent.rglob("cublas.*so")
    number = re.search(rb"libcublas\w*\.so\.(\d+)", path.read_bytes())[1].decode()
    return f"libcublas{part}.so.{number}"


class Call(ctypes.Structure):
    _fields_ = [("function", ctypes.c_int), ("arguments", ctypes.c_int64 * 19)]


class Cupy:
    """What `cuda` and `blas` ask of CuPy; `happened` tells that and what came to the library."""

    def __init__(self):
        loaded = ctypes.CDLL(str(library()))
        self.status = (ctypes.c_int * 3).in_dll(loaded, "on_host_status")
        self.status[:] = 0, 0, 0
        self._calls = (Call * 256).in_dll(loaded, "on_host_calls")
        self._count = ctypes.c_int.in_dll(loaded, "on_host_count")
        self._count.value, self._told, self._events = 0, 0, []
        self.own, self.current, self.default, self.number = threading.local(), {}, 0, 0
        self.made = 0
        device = SimpleNamespace(
            id=0, compute_capability="80",
            attributes={"MultiProcessorCount": 2, "MaxSharedMemoryPerBlockOptin": 99 << 10},
        )  # fmt: skip
        runtime = SimpleNamespace(
            CUDA_R_16F=2, CUDA_R_32F=0, CUDA_R_64F=1, streamPerThread=2,
            getDevice=lambda: self.number, getDeviceProperties=lambda number: {"name": b"host"},
        )  # fmt: skip
        self.cuda = SimpleNamespace(
            runtime=runtime, Device=lambda: device, get_current_stream=self._stream,
            Stream=lambda non_blocking: Stream(self, non_blocking),
            device=SimpleNamespace(get_cublas_handle=self._handle),
        )  # fmt: skip

    def note(self, *event):
        self.happened().append(event)

    def happened(self):
        """All events, in their order."""
        for call in self._calls[self._told : self._count.value]:
            name, count = list(FUNCTIONS.items())[call.function]
            self._events.append((name, *call.arguments[:count]))
        self._told = self._count.value
        return self._events

    def empty(self, size, dtype):
        self.note("empty", size, np.dtype(dtype).name)
        return seen(np.empty(size, dtype))

    def _stream(self):
        return getattr(self.own, "stream", None) or SimpleNamespace(ptr=self.default)

    def _handle(self):
        """One for each thread, as CuPy's."""
        if not hasattr(self.own, "handle"):
            assert not getattr(self._stream(), "captures", False), "no time to make a handle"
            self.made += 1
            self.own.handle = HANDLE + (self.made - 1)
            self.note("handle")
        return self.own.handle


class Stream:
    def __init__(self, cupy, non_blocking):
        self._cupy, self.captures, self.ptr = cupy, False, STREAM + 16 * len(cupy.happened())
        cupy.note("stream", non_blocking, self.ptr)

    def __enter__(self):
        self._before, self._cupy.own.stream = getattr(self._cupy.own, "stream", None), self
        self._cupy.note("enter")

    def __exit__(self, *error):
        self._cupy.own.stream = self._before
        self._cupy.note("leave")

    def begin_capture(self):
        self.captures = True
        self._cupy.note("begin")

    def end_capture(self):
        self.captures = False
        self._cupy.note("end")
        if ("failed",) in self._cupy.happened():
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return SimpleNamespace(launch=lambda: self._cupy.note("launch"))


@contextmanager
def gpu_on_host():
    """A `_Gpu` of such a CuPy."""
    with pytest.MonkeyPatch.context() as patched:
        names = "cuda", "cuda.pathfinder", "cupy_backends", "cupy_backends.cuda"
        names += "cupy_backends.cuda.libs", "cupy_backends.cuda.libs.cublas"
        for name in names:
            patched.setitem(sys.modules, name, ModuleType(name))
            if "." in name:
                above, _, last = name.rpartition(".")
                setattr(sys.modules[above], last, sys.modules[name])
        vars(sys.modules[names[-1]]).update(CONSTANTS)
        found = {"cublas": SimpleNamespace(abs_path=str(library()))}
        sys.modules["cuda.pathfinder"].load_nvidia_dynamic_lib = found.__getitem__
        yield cuda._Gpu(Cupy())


def seen(x):
    """An array of the host as CuPy shows one of the device."""
    return SimpleNamespace(
        shape=x.shape, strides=x.strides, itemsize=x.itemsize, dtype=x.dtype, flags=x.flags,
        nbytes=x.nbytes, data=SimpleNamespace(ptr=x.ctypes.data), host=x,
    )  # fmt: skip


def events(gpu, *names):
    """What happened, of these names or of all."""
    return [event for event in gpu._cupy.happened() if not names or event[0] in names]


def factors(kind="d", out="d"):
    """a, b and out of a product."""
    return [seen(np.ones(shape, k)) for shape, k in (((2, 3), kind), ((3, 5), kind), ((2, 5), out))]
