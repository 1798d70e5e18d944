"""Watchdog: a thread that notices when a process has waited too long for the others, and for whom.

A call of MPI in which another process does not take part never returns. So one thread of every
process looks on from beside it: it answers the others' question what its own process is doing, and
where that has waited too long it asks them, says who keeps it waiting and ends all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

__all__ = ["Activity", "Watchdog", "reproach"]

_REPLY = 2.0  # seconds in which a process that lives answers
_NAMED = 8  # processes that a message names; a cluster may have thousands


class Activity(NamedTuple):
    """What a process is doing.

    Attributes:
        what: it waits for the others in, or had last done with them.
        step: of the training.
        waiting: whether it waits; else it computes by itself.
        patient: it waits as long as the others live.
        seconds: for how long.

    >>> print(Activity("the average", 17, True, False, 3.0))
    waits in the average of step 17 since 3 s
    """

    what: str
    step: int
    waiting: bool
    patient: bool
    seconds: float

    def __str__(self) -> str:
        place = f"{self.what} of step {self.step}" if self.step else self.what
        since = f"since {self.seconds:.0f} s"
        return f"waits in {place} {since}" if self.waiting else f"computes {since}, after {place}"


class Watchdog:
    """Watches over one process of several.

    Args:
        comm: of mpi4py, for nobody else.
        timeout: seconds that a process may wait for the others.
        end: called with the message when it has waited longer; it ends all processes.
    """

    def __init__(self, comm: Any, timeout: float, end: Callable[[str], None]) -> None:
        self._comm, self._timeout, self._end = comm, timeout, end
        self._doing, self._since = Activity("the start", 0, False, False, 0.0), time.monotonic()
        self._answers: dict[int, Activity] = {}
        self._sent: list[Any] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def waiting(self, what: str, step: int, patient: bool = False) -> Iterator[None]:
        """Inside the block this process waits for all others."""
        self._do(Activity(what, step, True, patient, 0.0))
        try:
            yield
        finally:
            self._do(Activity(what, step, False, False, 0.0))

    def ask(self, ranks: Iterable[int], seconds: float = _REPLY) -> dict[int, Activity]:
        """What those processes are doing; one that does not answer for so long is missing."""
        asked = set(ranks)
        for rank in asked:
            self._answers.pop(rank, None)
            self._sent.append(self._comm.isend(None, rank))
        until = time.monotonic() + seconds
        while not asked <= self._answers.keys() and time.monotonic() < until:
            time.sleep(0.01)
            self._serve()
        return {rank: found for rank, found in self._answers.items() if rank in asked}

    def close(self) -> None:
        """Look on no longer."""
        self._ended.set()
        self._thread.join()

    def _do(self, activity: Activity) -> None:
        self._doing, self._since = activity, time.monotonic()

    def _now(self) -> Activity:
        return self._doing._replace(seconds=time.monotonic() - self._since)

    def _watch(self) -> None:
        while not self._ended.wait(min(0.5, self._timeout / 10)):
            self._serve()
            doing = self._doing
            if doing.waiting and self._now().seconds > self._timeout:
                others = [r for r in range(self._comm.size) if r != self._comm.rank]
                # To be busy in one long operation is no fault where there is patience.
                found = self.ask(others, max(_REPLY, self._timeout * doing.patient))
                if self._doing is doing and (message := self._fault(others, found)):
                    self._end(message)

    def _serve(self) -> None:
        """Take what has come: questions, which are None, and answers."""
        while (message := self._comm.improbe()) is not None:
            from mpi4py import MPI

            status = MPI.Status()
            told = message.recv(status)
            if told is None:
                self._sent.append(self._comm.isend(self._now(), status.source))
            else:
                self._answers[status.source] = Activity(*told)
        self._sent = [request for request in self._sent if not request.test()[0]]

    def _fault(self, others: list[int], found: dict[int, Activity]) -> str | None:
        mine = self._now()
        silent = len(found) < len(others)
        if mine.patient and not silent:
            return None
        speaks = min([self._comm.rank, *(r for r, their in found.items() if their.waiting)])
        if speaks != self._comm.rank and mine.seconds < self._timeout + 5:
            return None  # one message is enough
        return reproach(self._comm.rank, self._comm.size, mine, self._timeout, others, found)


def reproach(
    rank: int,
    size: int,
    mine: Activity,
    timeout: float,
    others: list[int],
    found: dict[int, Activity],
) -> str:
    """Who has waited, where and for how long, and what those do who are not there.

    >>> waits = Activity("the average", 17, True, False, 61.0)
    >>> print(reproach(0, 3, waits, 60.0, [1, 2], {1: waits}))
    rank 0 of 3 waits in the average of step 17 since 61 s, which is more than 60 s:
      rank 2 does not answer: it is stopped or its machine cannot be reached
    """
    lines = []
    for other in others:
        if other not in found:
            lines.append(
                f"rank {other} does not answer: it is stopped or its machine cannot be reached"
            )
        elif found[other][:3] != mine[:3]:
            lines.append(f"rank {other} {found[other]}")
    more = len(lines) - _NAMED
    lines = [*lines[:_NAMED], f"and {more} more"] if more > 0 else lines
    lines = lines or ["all others wait there, too: the machines do not reach each other"]
    head = f"rank {rank} of {size} {mine}, which is more than {timeout:g} s:"
    return "\n  ".join([head, *lines])
