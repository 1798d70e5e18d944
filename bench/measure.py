"""Fair timing: candidates take turns, so that a machine's changes of mood meet all of them."""

import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Timing(NamedTuple):
    """Seconds per call over several rounds."""

    minimum: float
    median: float


def interleaved(
    candidates: Mapping[str, Callable[[], object]], rounds: int = 15, seconds: float = 0.05
) -> dict[str, Timing]:
    """Time every candidate `rounds` times in turn, each time for about `seconds`."""
    calls = {name: _calls_in(seconds, call) for name, call in candidates.items()}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            gc.collect()
            started = time.perf_counter()
            for _ in range(calls[name]):
                call()
            times[name].append((time.perf_counter() - started) / calls[name])
    return {name: Timing(min(t), statistics.median(t)) for name, t in times.items()}


def _calls_in(seconds: float, call: Callable[[], object]) -> int:
    call()  # warm-up
    started = time.perf_counter()
    call()
    return max(1, int(seconds / max(time.perf_counter() - started, 1e-9)))


def machine() -> str:
    """What the figures were measured with."""
    parts = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    try:
        import torch

        torch.set_num_threads(1)
        parts.append(f"PyTorch {torch.__version__}")
    except ImportError:
        parts.append("no PyTorch: its columns are missing")
    return f"{', '.join(parts)}; {platform.machine()}, one thread"


def table(title: str, unit: float, timings: dict[str, dict[str, Timing]], ours: str) -> str:
    """Rows of medians and minima in `unit` seconds, with the ratio ours / theirs of the medians."""
    lines = [title]
    for row, found in timings.items():
        cells = [
            f"{name} {t.median / unit:.2f} ({t.minimum / unit:.2f})" for name, t in found.items()
        ]
        ratios = [
            f"{found[ours].median / t.median:.2f} x {name}"
            for name, t in found.items()
            if name != ours
        ]
        lines.append(
            f"  {row:<28}{', '.join(cells)}" + (f":  {', '.join(ratios)}" if ratios else "")
        )
    return "\n".join(lines)
