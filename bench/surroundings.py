"""What a measurement depends on: the processor, the threads, the versions of everybody."""

import datetime
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from typing import Any

PEERS = ("torch", "jax", "autograd", "mygrad", "tinygrad")
# What is told where it is installed: of most there is one for each version of CUDA.
_GPU_PACKAGES = (
    "cupy-cuda12x", "cupy-cuda13x", "cupy", "torch", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13",
    "jax", "jax-cuda12-plugin", "jax-cuda13-plugin",
)  # fmt: skip

# Read once, when a library is loaded. JAX and tinygrad heed the cores that they may run on instead.
_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def pin(threads: int) -> None:
    """Bind this process to `threads` cores and threads; needed before NumPy is loaded."""
    pin_threads(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def pin_threads(threads: int) -> None:
    """Have the libraries of this process, and of its children, use so many threads."""
    for variable in _VARIABLES:
        os.environ[variable] = str(threads)


def cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def described(threads: int, peers: Iterable[str] = PEERS) -> dict[str, str]:
    """Machine, threads, versions and date, for the head of a report."""
    bound = f"{threads} thread{'s' if threads > 1 else ''}"
    if hasattr(os, "sched_getaffinity"):
        bound += f", bound to {cores()} of {os.cpu_count()} cores"
    found = {
        "date": datetime.date.today().isoformat(),
        "processor": f"{_processor()} ({platform.machine()}, {platform.system()})",
        "threads": bound,
        "Python": platform.python_version(),
        "BLAS of NumPy": _blas(),
    }
    for name in ("minitorch-rnn", "numpy", *peers):
        found[name] = version(name) or "not installed"
    return found


def described_gpu(threads: int, name: str, xp: Any) -> dict[str, str]:
    """The same of a GPU of this name, whose arrays are those of the library xp."""
    found = {"GPU": name, "driver": _driver()}
    if cuda := getattr(xp, "cuda", None):
        runtime = cuda.runtime
        for what, number in {
            "CUDA of the driver": runtime.driverGetVersion(),
            "CUDA of CuPy": runtime.runtimeGetVersion(),
        }.items():
            found[what] = f"{number // 1000}.{number % 1000 // 10}"
    return found | described(threads, filter(version, _GPU_PACKAGES))


def version(name: str) -> str | None:
    """The installed version of a distribution; None if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _driver() -> str:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _blas() -> str:
    import numpy as np

    try:
        import threadpoolctl
    except ImportError:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    for pool in threadpoolctl.threadpool_info():
        if pool["user_api"] == "blas":
            return (
                f"{pool['internal_api']} {pool['version']} for {pool.get('architecture', '?')}, "
                f"{pool['num_threads']} thread(s)"
            )
    return "unknown"
