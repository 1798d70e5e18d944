"""What a step takes on a GPU, which works on what it was given while the host goes on.

Three times, each the mean over the steps of a turn: of the device, between two marks in its own
queue; of a clock on the wall, from the first call until the device has done the last step; and of
the host, until one call returns, with nothing queued before it and nothing waited for. Libraries
differ in how they wait and in what they tell: each has a `Clock`.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from bench.measure import in_turns
from bench.record import Timing
from bench.step import Step

CALLS = 5  # of which a turn takes the host's time: each one waits for the device


class Clock(Protocol):
    """How one library waits, and what it tells of time and memory."""

    def wait(self, found: Any) -> None:
        """Until the device has done all steps up to the one that returned `found`."""

    def now(self) -> Any:
        """A mark in the queue of the device."""

    def seconds(self, start: Any, end: Any) -> float:
        """Between two marks, after `wait`; not a number where the library has no marks."""

    def peak(self, run: Callable[[], Any]) -> int:
        """Bytes by which the arrays grow, at most, over the first two steps of a candidate."""


class OnDevice(NamedTuple):
    """A candidate on a GPU: its step, and the clock of its library."""

    step: Step
    clock: Clock


class Host:
    """The clock of what computes on the host: everything is done when the call returns."""

    def wait(self, found: Any) -> None:
        """Nothing is to be waited for."""

    def now(self) -> float:
        """The time on the wall."""
        return time.perf_counter()

    def seconds(self, start: float, end: float) -> float:
        """Their difference."""
        return end - start

    def peak(self, run: Callable[[], Any]) -> int:
        """Not asked for: `bench.memory` tells it, from a process for each."""
        for _ in range(2):
            run()
        return 0


class Turn(NamedTuple):
    """Seconds of one step."""

    device: float
    wall: float
    host: float


def turn(candidate: OnDevice, steps: int) -> Turn:
    """Take so many steps, and a few more for the host's time."""
    (run, _), clock = candidate
    clock.wait(run())  # what another candidate left in caches, and what it switched
    began, first = time.perf_counter(), clock.now()
    for _ in range(steps):
        found = run()
    last = clock.now()
    clock.wait(found)
    wall, host = time.perf_counter() - began, 0.0
    calls = min(steps, CALLS)
    for _ in range(calls):
        began = time.perf_counter()
        found = run()
        host += time.perf_counter() - began
        clock.wait(found)
    return Turn(clock.seconds(first, last) / steps, wall / steps, host / calls)


def on_device(
    candidates: Mapping[str, OnDevice], rounds: int, seconds: float, limit: float
) -> dict[str, dict[str, Timing]]:
    """Time warm candidates in turn, as `interleaved` does: by the field of `Turn`, who took what.

    Who has no marks is missing from the times of the device.
    """
    turns = {name: partial(turn, candidate) for name, candidate in candidates.items()}
    cost = {name: max(take(1).wall, 1e-9) for name, take in turns.items()}
    told = in_turns(turns, cost, rounds, seconds, limit)
    found: dict[str, dict[str, Timing]] = {field: {} for field in Turn._fields}
    for name, taken in told.items():
        for field, values in zip(Turn._fields, zip(*taken, strict=True), strict=True):
            if not math.isnan(values[0]):
                found[field][name] = Timing(min(values), statistics.median(values))
    return found
