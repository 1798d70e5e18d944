"""cuBLAS by its C interface: products into arrays that are there, in a captured graph too.

CuPy's functions call the same library, but refuse to while a stream is captured (14.2; cupy issue
6290), and cannot give it the memory that a captured product works in.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minitorch_rnn.errors import BackendError

__all__ = ["Blas", "WORKSPACE"]

# Bytes of memory for the products of a graph: what cuBLAS advises for the largest GPUs. Without it
# a captured product takes memory of its own, outside CuPy's pool, or that of a handle which ends
# with its thread.
WORKSPACE = 32 << 20
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
_SIGNATURES = {
    "cublasSetStream_v2": (_POINTER, _POINTER),
    "cublasSetWorkspace_v2": (_POINTER, _POINTER, ctypes.c_size_t),
    "cublasGemmEx": (
        _POINTER, _INT, _INT, _INT, _INT, _INT,  # handle, turned a and b, m, n, k
        _POINTER, _POINTER, _INT, _INT, _POINTER, _INT, _INT,  # 1; a and b: kind and step
        _POINTER, _POINTER, _INT, _INT, _INT, _INT,  # 0; out; kind of the sums, algorithm
    ),
}  # fmt: skip


class Blas:
    """Products of matrices.

    Args:
        cupy: the module.
        rounds: whether this GPU can round the factors of a product to TF32.
    """

    _capturing = threading.local()  # of all: two threads might make one each, at the same time

    def __init__(self, cupy: Any, rounds: bool) -> None:
        from cuda import pathfinder
        from cupy_backends.cuda.libs import cublas  # which loads the library as CuPy needs it

        library = ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)
        for name, arguments in _SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, _INT
        self._set_stream, self._gemm = library.cublasSetStream_v2, library.cublasGemmEx
        self._set_workspace = library.cublasSetWorkspace_v2
        self._cuda, runtime = cupy.cuda, cupy.cuda.runtime
        self._kinds = {2: runtime.CUDA_R_16F, 4: runtime.CUDA_R_32F, 8: runtime.CUDA_R_64F}
        self._plain = cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_COMPUTE_64F
        self._rounded = cublas.CUBLAS_COMPUTE_32F_FAST_TF32 if rounds else self._plain[0]
        self._algorithm = cublas.CUBLAS_GEMM_DEFAULT
        # 1 and 0 in the type of the sums: cuBLAS reads them from the host during the call.
        self._numbers = [np.array([1, 0], kind) for kind in (np.float32, np.float64)]
        self._units = [numbers.ctypes.data for numbers in self._numbers]

    @contextmanager
    def working_in(self, workspace: Any) -> Iterator[None]:
        """In this thread, products work in this array: while they are captured in another stream.

        That stream ends soon after, so in the end the handle has the current one again.
        """
        self._capturing.workspace = workspace
        try:
            yield
        finally:
            self._capturing.workspace = None
            handle = self._cuda.device.get_cublas_handle()
            self._set_stream(handle, self._cuda.get_current_stream().ptr)

    def product(self, a: Any, b: Any, out: Any, tf32: bool) -> None:
        """out = a b; see `Device.product`."""
        (m, k), n, size, kinds = a.shape, b.shape[1], a.itemsize, self._kinds
        assert b.shape[0] == k and out.shape == (m, n) and out.flags.c_contiguous
        double = size == 8
        compute = self._rounded if tf32 and size == 4 else self._plain[double]
        one = self._units[double]
        # cuBLAS counts along columns: there, out is the transpose of what it is here.
        (turned_a, step_a), (turned_b, step_b) = _layout(a), _layout(b)
        handle = self._cuda.device.get_cublas_handle()
        status = self._set_stream(handle, self._cuda.get_current_stream().ptr)
        workspace = getattr(self._capturing, "workspace", None)
        if workspace is not None and not status:  # a new stream brings the handle's own
            status = self._set_workspace(handle, workspace.data.ptr, workspace.nbytes)
        status = status or self._gemm(
            handle, turned_b, turned_a, n, m, k,
            one, b.data.ptr, kinds[b.itemsize], step_b, a.data.ptr, kinds[size], step_a,
            one + (8 if double else 4), out.data.ptr, kinds[out.itemsize], max(1, n),
            compute, self._algorithm,
        )  # fmt: skip
        if status:
            raise BackendError(_told(status, a.shape, b.shape))


def _told(status: int, a: tuple[int, ...], b: tuple[int, ...]) -> str:
    why = {
        1: "it could not be started; is the GPU's memory full?",
        3: "it got no memory; take smaller batches",
        8: "it does not know this GPU; install CuPy for a newer CUDA",
        13: "the GPU failed, here or before; restart the process",
    }.get(status, "please report this")
    return f"product of {a} and {b}: cuBLAS fails with status {status}: {why}."


def _layout(x: Any) -> tuple[int, int]:
    """0 if elements of a matrix lie side by side along rows, 1 if along columns; and the distance
    from one row, or column, to the next. Strides of an axis of length 1 mean nothing.
    """
    (rows, columns), (down, right) = x.shape, [s // x.itemsize for s in x.strides]
    if columns <= 1 or right == 1:
        turned, length, step = 0, columns, down if rows > 1 else columns
    else:
        turned, length, step = 1, rows, right
        assert rows <= 1 or down == 1, f"strides of {x.strides} bytes: no axis is dense"
    assert step >= length, f"shape {x.shape}, strides of {x.strides} bytes: elements overlap"
    return turned, max(1, step)
