"""Before a step on a GPU is timed: its first calls, what they allocate, and the right gradients."""

import gc
from collections.abc import Mapping
from typing import Any

from bench import layers
from bench.clocks import OnDevice
from bench.measure import seconds_of
from bench.peers import numpy_bptt
from bench.step import Problem

PATIENCE = 0.5  # seconds for one step; who needs more is not timed from there on, except
MEASURED_ANYWAY = {"ours", "NumPy"}  # whom the targets and the crossover speak of


def by_hand(problem: Problem) -> Any:
    """The gradients that all others are compared with; computed on the host."""
    (step,) = numpy_bptt.steps(problem).values()
    return step.run()


def warmed(
    candidates: Mapping[str, OnDevice],
    row: str,
    notes: dict[str, str],
    reference: Any,
    tolerance: float = layers.TOLERANCE,
) -> dict[str, float]:
    """The peaks of those that are to be timed: who runs here, agrees, and is not too slow.

    Kernels are compiled and graphs captured in here.
    """
    peaks = {}
    for name, (step, clock) in candidates.items():
        gc.collect()
        assert step.gradients is not None
        try:
            peak = float(clock.peak(step.run))
            gradients = step.gradients(step.run())
        except (
            Exception
        ) as reason:  # whatever fails on somebody's GPU is told, and the rest goes on
            notes[name] = layers.left_out(name, row, reason)
            continue
        layers.agree(name, row, gradients, reference, tolerance)
        seconds = seconds_of(lambda: clock.wait(step.run()))  # noqa: B023
        if seconds > PATIENCE and name not in MEASURED_ANYWAY:
            notes[name] = f"{name} is left out from {row} on: one step takes {seconds:.1f} s"
        else:
            peaks[name] = peak
    return peaks
