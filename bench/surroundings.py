"""What a measurement depends on: the processor, the threads, the versions of everybody."""

import datetime
import os
import platform
from importlib import metadata

PEERS = ("torch", "jax", "autograd", "mygrad", "tinygrad")

# Read once, when a library is loaded. JAX and tinygrad heed the cores that they may run on instead.
_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def pin(threads: int) -> None:
    """Bind this process to `threads` cores and threads; needed before NumPy is loaded."""
    for variable in _VARIABLES:
        os.environ[variable] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def described(threads: int) -> dict[str, str]:
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
    for name in ("minitorch-rnn", "numpy", *PEERS):
        found[name] = version(name) or "not installed"
    return found


def version(name: str) -> str | None:
    """The installed version of a distribution; None if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


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
