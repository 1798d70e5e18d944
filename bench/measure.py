"""Fair timing: candidates take turns, so that a machine's changes of mood meet all of them."""

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from bench.record import Timing

FEWEST = 5  # turns of a candidate that is cut by the time limit

Told = TypeVar("Told")


def interleaved(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int = 15,
    seconds: float = 0.05,
    limit: float = math.inf,
) -> dict[str, Timing]:
    """Time every candidate `rounds` times in turn, each time for about `seconds`.

    A candidate that would take more than `limit` seconds in all has fewer turns, spread over the
    rounds, but `FEWEST` at least.
    """
    cost = {name: _cost(call) for name, call in candidates.items()}
    turns = {name: partial(_mean, call) for name, call in candidates.items()}
    told = in_turns(turns, cost, rounds, seconds, limit)
    return {name: Timing(min(times), statistics.median(times)) for name, times in told.items()}


def in_turns(
    candidates: Mapping[str, Callable[[int], Told]],
    cost: Mapping[str, float],
    rounds: int,
    seconds: float,
    limit: float,
) -> dict[str, list[Told]]:
    """What every candidate tells of each of its turns; as `interleaved`.

    Args:
        candidates: each is called with the number of calls that make a turn.
        cost: seconds of one call.
        rounds, seconds, limit: as there.
    """
    calls = {name: max(1, int(seconds / cost[name])) for name in candidates}
    turns = {
        name: rounds
        if (needed := rounds * calls[name] * cost[name]) <= limit
        else min(rounds, max(FEWEST, int(rounds * limit / needed)))
        for name in candidates
    }
    told: dict[str, list[Told]] = {name: [] for name in candidates}
    gc.collect()
    gc.freeze()  # what is alive need not be looked through again before every turn
    for i in range(rounds):
        for name, turn in candidates.items():
            if i * turns[name] // rounds == (i - 1) * turns[name] // rounds:
                continue
            _settle()
            told[name].append(turn(calls[name]))
    gc.unfreeze()
    return told


def _mean(call: Callable[[], object], calls: int) -> float:
    """Seconds of one call, of so many."""
    started = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - started) / calls


def _cost(call: Callable[[], object]) -> float:
    """Seconds of a warm call; of the first where it is long, and warmth does not matter."""
    first = seconds_of(call)
    return max(first if first > 0.5 else seconds_of(call), 1e-9)


def seconds_of(call: Callable[[], object]) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _settle() -> None:
    """Nobody pays for another's garbage, or for another's threads that still spin."""
    gc.collect()
    if os.environ.get("OMP_NUM_THREADS", "1") != "1":
        time.sleep(0.03)
