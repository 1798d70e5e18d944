"""What an operation costs in a long chain, and whether that is what it costs in a short one."""

import gc
import itertools
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from bench.libraries import Library, libraries
from bench.record import Comparison, Timing
from bench.step import Step

LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
IN_A_TURN = 10_000  # operations at least: shorter chains are repeated
SELDOM = 5  # longer chains are timed in every fifth turn only
PATIENCE = 30.0  # seconds: a chain that would take longer is left out

FACTOR = 1.0000001
G = np.arange(1.0, 5.0)

Rows = dict[str, dict[str, Timing]]


def run(rounds: int) -> list[Comparison]:
    """Time chains of 1,000 to 1,000,000 multiplications."""
    found, notes = libraries()
    if found.pop("tinygrad", None):
        notes.append("tinygrad is left out: it fuses the whole chain into one product")
    found.pop("autograd, bare", None)  # of a single argument make_vjp costs no more
    rows, missing = timed(found, LENGTHS, rounds)
    title = "one operation in a chain, forward + backward, on 4 numbers in float64"
    return [
        Comparison("chain", title, "µs", "ours", rows, (*notes, *missing)),
        growth(rows, short=LENGTHS[1], long=LENGTHS[3]),
    ]


def chain(library: Library, n: int) -> Step:
    """n multiplications forward, and all the way back."""

    def forward(y: Any) -> Any:
        for _ in range(n):
            y = y * FACTOR
        return y

    return library.both_ways(forward, [np.ones(4)], G)


def timed(
    found: Mapping[str, Library], lengths: Sequence[int], rounds: int, patience: float = PATIENCE
) -> tuple[Rows, list[str]]:
    """Seconds per operation by length, all lengths in turn; and who is left out where, and why.

    Raises:
        ValueError: naming the candidate whose gradient is not `FACTOR` to the power n.
    """
    steps = {(n, name): chain(library, n) for n in lengths for name, library in found.items()}
    for (n, name), step in steps.items():
        if n == lengths[0]:
            _seconds_each(name, step, n)  # warm-up
    times: dict[tuple[int, str], list[float]] = {key: [] for key in steps}
    notes: list[str] = []
    cost = dict.fromkeys(found, 0.0)  # of one operation, last time
    with _frozen():
        for turn, (n, name) in itertools.product(range(rounds), tuple(steps)):
            if (n, name) not in steps or (n > IN_A_TURN and turn % SELDOM):
                continue
            if turn == 0 and n * cost[name] > patience:
                notes.append(f"{name} is left out at {n:,}: it would take {n * cost[name]:.0f} s")
                del steps[n, name]
                continue
            try:
                cost[name] = _seconds_each(name, steps[n, name], n)
            except (MemoryError, RecursionError) as cause:
                notes.append(f"{name} fails at {n:,}: {type(cause).__name__}")
                del steps[n, name]
            else:
                times[n, name].append(cost[name])
    rows: Rows = {label(n): {} for n in lengths}
    for n, name in steps:
        rows[label(n)][name] = Timing(min(times[n, name]), statistics.median(times[n, name]))
    return rows, notes


def growth(rows: Rows, short: int, long: int) -> Comparison:
    """The cost of an operation in the long chain beside that in the short one, by library."""
    found = {
        name: {label(long): there, label(short): rows[label(short)][name]}
        for name, there in rows[label(long)].items()
    }
    title = "one operation in a long chain, beside one in a short chain"
    return Comparison("chain growth", title, "µs", label(long), found)


def label(n: int) -> str:
    """The name of a row."""
    return f"{n:,} operations"


@contextmanager
def _frozen() -> Iterator[None]:
    """What is alive need not be looked through again before every turn."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _seconds_each(name: str, step: Step, n: int) -> float:
    """Seconds per operation of chains that have `IN_A_TURN` operations together, or of one."""
    times = max(1, IN_A_TURN // n)
    gc.collect()
    started = time.perf_counter()
    for _ in range(times):
        result = step.run()
    seconds = time.perf_counter() - started
    assert step.gradients is not None
    (found,) = step.gradients(result).values()
    if not np.allclose(found, G * FACTOR**n, rtol=1e-8, atol=0):
        raise ValueError(f"{name}, {label(n)}: the gradient is {found}, not {G} * {FACTOR}^n.")
    return seconds / times / n
