"""CuPy: the only file that names it. Its arrays, and its GPU as a `Device`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from minitorch_rnn.backend.device import Device, Launch, Memory
from minitorch_rnn.errors import BackendError

__all__ = ["load"]


def load() -> tuple[Any, type, Callable[[Any], np.ndarray], Callable[[Any], Any], Device]:
    """CuPy's module, its type of arrays, the way to the host, erf, and the device.

    Raises:
        BackendError: if CuPy is missing, or finds no GPU.
    """
    try:
        import cupy
        from cupyx.scipy.special import erf
    except ImportError as cause:
        raise BackendError(
            "use('cupy'): CuPy is not installed. For CUDA 12: pip install -e '.[cuda12]', "
            "for CUDA 13: pip install -e '.[cuda13]'."
        ) from cause
    if not cupy.is_available():
        raise BackendError(
            f"use('cupy'): CuPy {cupy.__version__} is installed but finds no GPU or driver. "
            "Install the NVIDIA driver, or stay on the CPU with use('numpy')."
        )
    return cupy, cupy.ndarray, cupy.asnumpy, erf, _Gpu(cupy)


class _Gpu:
    """The current device of CuPy."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        device = cupy.cuda.Device()
        self.name = cupy.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
        self.processors: int = device.attributes["MultiProcessorCount"]
        self.shared_memory: int = device.attributes["MaxSharedMemoryPerBlockOptin"]
        self._tensor_cores = int(device.compute_capability) >= 80

    # There is one device, as long as the process lives.
    @functools.cache  # noqa: B019
    def kernel(self, source: str, name: str, *, cooperative: bool = False) -> Launch:
        raw = self._cupy.RawKernel(
            source, name, ("--std=c++17",), enable_cooperative_groups=cooperative
        )
        return _Launch(raw)

    def resident(self, kernel: Any, threads: int, shared: int) -> int:
        kernel.allow(shared)
        return self.processors * int(
            self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
                kernel.raw.kernel.ptr, threads, shared
            )
        )

    def product(self, a: Any, b: Any, out: Any, *, tf32: bool = False) -> None:
        from cupy_backends.cuda.libs import cublas

        cuda, (m, k), n = self._cupy.cuda, a.shape, b.shape[1]
        double = out.dtype == np.float64
        compute = cublas.CUBLAS_COMPUTE_64F if double else cublas.CUBLAS_COMPUTE_32F
        if tf32 and a.dtype == np.float32 and self._tensor_cores:
            compute = cublas.CUBLAS_COMPUTE_32F_FAST_TF32
        # cuBLAS counts along columns: there, out is the transpose of what it is here.
        (turned_a, step_a), (turned_b, step_b) = _layout(a), _layout(b)
        one, zero = np.ones((), out.dtype), np.zeros((), out.dtype)
        kind = {2: cuda.runtime.CUDA_R_16F, 4: cuda.runtime.CUDA_R_32F, 8: cuda.runtime.CUDA_R_64F}
        cublas.gemmEx(
            cuda.device.get_cublas_handle(), turned_b, turned_a, n, m, k,
            one.ctypes.data, b.data.ptr, kind[b.dtype.itemsize], step_b,
            a.data.ptr, kind[a.dtype.itemsize], step_a,
            zero.ctypes.data, out.data.ptr, kind[out.dtype.itemsize], max(1, n),
            compute, cublas.CUBLAS_GEMM_DEFAULT,
        )  # fmt: skip

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        stream = self._cupy.cuda.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            try:
                work()
            finally:
                graph = stream.end_capture()
        launch: Callable[[], None] = graph.launch
        return launch

    def stream(self) -> Hashable:
        cuda = self._cupy.cuda
        return cuda.runtime.getDevice(), cuda.get_current_stream().ptr

    def synchronize(self) -> None:
        self._cupy.cuda.Device().synchronize()

    def now(self) -> Any:
        event = self._cupy.cuda.Event()
        event.record()
        return event

    def seconds(self, start: Any, end: Any) -> float:
        end.synchronize()
        return float(self._cupy.cuda.get_elapsed_time(start, end)) / 1e3

    def allocated(self) -> int:
        return int(self._cupy.get_default_memory_pool().used_bytes())

    @contextmanager
    def watched(self) -> Iterator[Memory]:
        found = SimpleNamespace(peak=self.allocated())

        class Watch(self._cupy.cuda.MemoryHook):  # type: ignore[name-defined, misc]
            name = "peak"

            def malloc_postprocess(hook, **_: Any) -> None:  # noqa: N805
                found.peak = max(found.peak, self.allocated())

        with Watch():
            yield found


class _Launch:
    """A kernel of CuPy, called as `Launch` says."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def allow(self, shared: int) -> None:
        """Beyond 48 KiB of shared memory a kernel must be told so before."""
        if shared > 48 << 10:
            self.raw.max_dynamic_shared_size_bytes = shared

    def __call__(self, blocks: int, threads: int, args: tuple[Any, ...], shared: int = 0) -> None:
        self.allow(shared)
        passed = tuple(
            [np.uint64(0) if a is None else np.int32(a) if isinstance(a, int) else a for a in args]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a cooperative grid that CuPy would make smaller
            self.raw((blocks,), (threads,), passed, shared_mem=shared)


def _layout(x: Any) -> tuple[int, int]:
    """0 if elements of a matrix lie side by side along rows, 1 if along columns; and the distance
    from one row, or column, to the next. Strides of an axis of length 1 mean nothing.
    """
    (rows, columns), (down, right) = x.shape, [s // x.itemsize for s in x.strides]
    if columns == 1:
        return 0, max(1, down if rows > 1 else 1)
    if right == 1:
        return 0, max(columns, down if rows > 1 else 1)
    return 1, max(rows, right)
