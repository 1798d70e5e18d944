"""What training takes at its peak: one step beside PyTorch, and over the length of a sequence."""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Sequence

import numpy as np

from bench import peak, surroundings
from bench.record import Comparison, Timing
from bench.step import GATES

LAYER = (128, 32, 128, 256)  # T, B, I, H
LENGTHS = (1_000, 10_000, 100_000)
LONG = (128, 1, 8)  # B, I, H of the long sequences: much memory for little work
MISSING = "PyTorch is left out: it is not installed"

Rows = dict[str, dict[str, Timing]]


def run(rounds: int) -> list[Comparison]:
    """Measure everything once, whatever the rounds: no other process takes part in it."""
    layer = {kind: peaks("layers", kind, LAYER) for kind in GATES}
    long = {label(T): peaks("sequences", "RNN", (T, *LONG)) for T in LENGTHS}
    missing = () if surroundings.version("torch") else (MISSING,)
    fitted = (f"{name}: as T^{slope:.2f}" for name, slope in exponents(long, LENGTHS).items())
    return [
        Comparison(
            "memory", f"peak of a training step at (T, B, I, H) = {LAYER}, float32", "MiB",
            "ours", layer, ("ours, traced: what Python and NumPy took, by tracemalloc", *missing),
        ),
        Comparison(
            "memory of T",
            f"peak of a training step of an RNN over T steps, (B, I, H) = {LONG}, float32", "MiB",
            "ours", long, (*fitted, *missing),
        ),
        growth(long, LENGTHS[0], LENGTHS[-1]),
    ]  # fmt: skip


def exponents(rows: Rows, lengths: Iterable[int]) -> dict[str, float]:
    """The slope of log(peak) over log(T), by candidate: 1 is linear, 1/2 is sqrt(T), 0 is flat."""
    log_T = np.log(np.array([*lengths], dtype=float))
    found = {}
    for name in next(iter(rows.values())):
        log_peak = np.log([row[name].median for row in rows.values()])
        found[name] = float(np.polyfit(log_T, log_peak, 1)[0])
    return found


def growth(rows: Rows, short: int, long: int) -> Comparison:
    """The peak on the longest sequence beside that on the shortest, by candidate."""
    found = {
        name: {label(long): there, label(short): rows[label(short)][name]}
        for name, there in rows[label(long)].items()
    }
    title = f"peak of a training step, on a sequence {long // short} times as long"
    return Comparison("memory growth", title, "MiB", label(long), found)


def label(T: int) -> str:
    """The name of a row."""
    return f"T = {T:,}"


def peaks(group: str, kind: str, sizes: Sequence[int]) -> dict[str, Timing]:
    """The peak of every candidate that is installed, each in a process of its own."""
    found = {}
    for name in peak.GROUPS[group][0]:
        if name == "PyTorch" and not surroundings.version("torch"):
            continue
        told = json.dumps({"group": group, "name": name, "kind": kind, "sizes": sizes})
        answer = subprocess.run(
            [sys.executable, "-m", "bench.peak", told],
            cwd=pathlib.Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True,
            env=os.environ | {"MINITORCH_RNN_BACKEND": "numpy"},
        )  # fmt: skip
        found[name] = Timing(*[float(answer.stdout)] * 2)
    return found
