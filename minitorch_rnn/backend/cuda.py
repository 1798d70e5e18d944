"""CuPy: its arrays, its GPU as a `Device`, what its errors mean. Only `blas` names it too."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import numpy as np

from minitorch_rnn.backend.blas import WORKSPACE, Blas
from minitorch_rnn.backend.device import Memory
from minitorch_rnn.errors import BackendError

__all__ = ["OPTIONS", "load"]

OPTIONS = ("--std=c++17",)  # of the compiler; CuPy adds -ftz=true, its headers and the architecture
_EITHER = "For CUDA 12: pip install -e '.[cuda12]', for CUDA 13: pip install -e '.[cuda13]'."
_CPU = "or stay on the CPU with use('numpy')."


def load() -> tuple[Any, Callable[[Any], Any], _Gpu]:
    """CuPy's module, its erf, and the device.

    Raises:
        BackendError: if CuPy is missing or broken, or there is no driver or no GPU that it can use.
    """
    try:
        import cupy
        from cupyx.scipy.special import erf
    except (ImportError, Warning) as cause:
        raise BackendError(f"use('cupy'): {_why_not_imported(cause)}") from cause
    runtime, failed = cupy.cuda.runtime, None
    try:
        count = runtime.getDeviceCount()
    except RuntimeError as cause:
        count, failed = 0, cause
    if not count:
        why = _why_no_gpu(runtime.driverGetVersion(), runtime.runtimeGetVersion(), failed)
        raise BackendError(
            f"use('cupy'): CuPy {cupy.__version__} is installed, but {why}, {_CPU}"
        ) from failed
    return cupy, erf, _Gpu(cupy)


def _why_not_imported(cause: Exception) -> str:
    if isinstance(cause, ModuleNotFoundError) and cause.name == "cupy":
        return f"CuPy is not installed. {_EITHER}"
    packages = re.findall(r"cupy-[\w-]+", str(cause))
    if isinstance(cause, Warning) and packages:
        return (
            "several packages of CuPy are installed, and their files overwrite each other. "
            f"Remove them all, pip uninstall {' '.join(packages)}, and install one. {_EITHER}"
        )
    # CuPy draws a box around an error of its own import; what happened stands at its end.
    lines = [line.strip() for line in str(cause).splitlines() if line.strip("= ")]
    return (
        f"CuPy is installed, but its import fails ({lines[-1] if lines else cause!r}). Its package "
        f"must be the one for this CUDA, NumPy and Python; remove it and install it anew. {_EITHER}"
    )


def _why_no_gpu(driver: int, runtime: int, cause: Exception | None) -> str:
    """What keeps CuPy from a GPU; versions as CUDA counts them: 12040 is 12.4, 0 is no driver."""
    if not driver:
        return "there is no NVIDIA driver. Install it (nvidia-smi must list the GPU)"
    if driver // 1000 < runtime // 1000:
        made, known = _version(runtime), _version(driver)
        return (
            f"for CUDA {made}, and the driver knows CUDA {known} at most. Update the driver, or "
            f"pip uninstall cupy-cuda{runtime // 1000}x and pip install -e "
            f"'.[cuda{driver // 1000}]'"
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides every GPU. Unset it, or set it to 0"
    if cause is None or "cudaErrorNoDevice" in str(cause):
        return "the driver finds no GPU. Look what nvidia-smi lists"
    return f"the driver fails ({cause}). Look what nvidia-smi says, restart the machine"


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


class _Gpu:
    """The current device of CuPy."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        device = cupy.cuda.Device()
        self.name = cupy.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
        self.processors: int = device.attributes["MultiProcessorCount"]
        self.shared_memory: int = device.attributes["MaxSharedMemoryPerBlockOptin"]
        self._number, self._tensor_cores = device.id, int(device.compute_capability) >= 80
        self._workspaces: dict[Hashable, Any] = {}  # by stream

    # There is one device, as long as the process lives.
    @functools.cache  # noqa: B019
    def kernel(self, source: str, name: str, *, cooperative: bool = False) -> _Launch:
        raw = self._cupy.RawKernel(source, name, OPTIONS, enable_cooperative_groups=cooperative)
        try:
            launch = _Launch(self, raw, cooperative, raw.kernel.ptr)  # compiles it
        except Exception as cause:
            told = self.explain(f"kernel {name!r}", cause)
            if told is None:
                raise
            raise told from cause
        return launch

    def resident(self, kernel: Any, threads: int, shared: int) -> int:
        kernel.allow(shared)
        return self.processors * int(
            self._cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
                kernel.function, threads, shared
            )
        )

    @functools.cached_property
    def _blas(self) -> Blas:
        return Blas(self._cupy, self._tensor_cores)

    def product(self, a: Any, b: Any, out: Any, *, tf32: bool = False) -> None:
        self._blas.product(a, b, out, tf32)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        # Of the stream in which the graph will run: what runs there never runs side by side.
        place = self.stream()
        self._cupy.cuda.device.get_cublas_handle()  # is not to be made while a stream is captured
        workspace = self._workspaces.get(place)
        if workspace is None:  # in another thread too, perhaps: the first one stays
            made = self._cupy.empty(WORKSPACE, np.uint8)
            workspace = self._workspaces.setdefault(place, made)
        stream = self._cupy.cuda.Stream(non_blocking=True)
        with self._blas.working_in(workspace), stream:
            stream.begin_capture()
            try:
                work()
            except BaseException:
                with suppress(Exception):  # says no more than that the capture was broken off
                    stream.end_capture()
                raise
            graph = stream.end_capture()
        launch: Callable[[], None] = graph.launch
        return launch

    def stream(self) -> Hashable:
        cuda = self._cupy.cuda
        device, stream = cuda.runtime.getDevice(), cuda.get_current_stream().ptr
        if device != self._number:
            raise BackendError(
                f"GPU {device} is the current one, and what was compiled is for GPU "
                f"{self._number}. Start Python with CUDA_VISIBLE_DEVICES={device} to compute there."
            )
        # One number stands for the streams of all threads, where each has one of its own.
        own = stream == cuda.runtime.streamPerThread
        return stream, threading.get_ident() if own else None

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
            name = f"peak {id(found)}"  # CuPy takes no two hooks of one name

            def malloc_postprocess(hook, **_: Any) -> None:  # noqa: N805
                found.peak = max(found.peak, self.allocated())

        with Watch():
            yield found

    def check(self, array: Any) -> None:
        """Refuse an array of another GPU than the current one.

        Raises:
            BackendError: naming both.
        """
        there, here = array.data.device_id, self._cupy.cuda.runtime.getDevice()
        if there != here:
            raise BackendError(
                f"an array of shape {array.shape} lies on GPU {there}, and GPU {here} computes. "
                f"Start Python with CUDA_VISIBLE_DEVICES={there} to compute there, or move the "
                f"array: with cupy.cuda.Device({here}): x = cupy.array(x)."
            )

    def explain(self, who: str, error: BaseException) -> BackendError | None:
        """What an error of CuPy means and what to do; None for one that is not CuPy's."""
        kind, text = type(error), " ".join(str(error).split()).rstrip(".")
        theirs = kind.__module__.partition(".")[0] in ("cuda", "cupy", "cupy_backends")
        if not theirs and not isinstance(error, ImportError | RuntimeError | ValueError | Warning):
            return None
        if theirs and re.search("out of memory|OUT_OF_MEMORY|ALLOC_FAILED", text, re.IGNORECASE):
            return BackendError(
                f"{who}: the GPU is out of memory ({text}); arrays hold {self.allocated():,} "
                "bytes. Take smaller batches, run long sequences through "
                "mt.autograd.checkpoint_sequence, or free the graphs of earlier steps (del loss)."
            )
        if re.search(r"different from the current device", text):
            return BackendError(
                f"{who}: arrays of two GPUs met. {text}. Make all of them on one, and choose it "
                "with CUDA_VISIBLE_DEVICES when Python starts."
            )
        if re.search(r"\b(lib)?(cu|nv)\w+\.(so|dll)|CUDA headers", text):
            version = self._cupy.cuda.runtime.runtimeGetVersion() // 1000
            return BackendError(
                f"{who}: a library of CUDA is missing ({text}). Bring them all with "
                f"pip install -e '.[cuda{version}]', or install the CUDA {version} toolkit."
            )
        if kind.__name__ == "CompileException":
            return BackendError(
                f"{who}: the compiler of CUDA refuses a kernel ({text}). If it does not know this "
                "GPU, install the newest CuPy with its libraries: pip install -U -e '.[cuda13]'."
            )
        if not theirs or isinstance(error, Warning):
            return None
        return BackendError(
            f"{who}: the GPU failed ({text}), here or in what was launched before. Restart the "
            "process, for its GPU memory cannot be used any more; with CUDA_LAUNCH_BLOCKING=1 "
            "the operation at fault is the one that is named."
        )


class _Launch:
    """A kernel of CuPy, called as `Launch` says."""

    def __init__(self, gpu: _Gpu, raw: Any, cooperative: bool, function: int) -> None:
        self._gpu, self._raw, self._cooperative = gpu, raw, cooperative
        self.function = function
        self._allowed = 48 << 10

    def allow(self, shared: int) -> None:
        """Beyond 48 KiB of shared memory a kernel must be told so before."""
        if shared > self._allowed:
            self._raw.max_dynamic_shared_size_bytes = shared
            self._allowed = shared

    def __call__(self, blocks: int, threads: int, args: tuple[Any, ...], shared: int = 0) -> None:
        self.allow(shared)
        if self._cooperative:  # CuPy would launch fewer blocks, with a warning
            most = self._gpu.resident(self, threads, shared)
            assert blocks <= most, f"{blocks} blocks are to wait for each other, {most} fit"
        passed = tuple([np.int32(a) if isinstance(a, int) else a for a in args])
        self._raw((blocks,), (threads,), passed, shared_mem=shared)
