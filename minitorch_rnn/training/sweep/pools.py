"""Where the trials of a sweep run: processes of this machine, or the ranks of an MPI job.

Both are executors of `concurrent.futures`. On this machine each process has an executor of its own:
an executor whose process dies is broken for all it was given, and this way that is one trial.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for_end
from typing import Any, TypeVar

from minitorch_rnn.errors import RunError

__all__ = ["Pool", "cores", "done", "ordered", "processes"]

GO, STOP, LEAVE = 0, 1, 2  # orders to workers: go on; end after this step; end at once
TRIES = 3  # of a trial whose process dies
_LOOK = 0.2  # seconds between looks at the orders
_orders: Any = None  # in a worker process: where its sweep writes the orders
_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class Pool:
    """Places to work at, each behind an executor that does one thing at a time.

    Args:
        size: how many.
        make: an executor for a place; again, if its process has died.
        orders: an object whose `value` the workers look at, if there is a way to tell them.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> Pool(2, lambda: ThreadPoolExecutor(1)).submit(1, max, 3, 4).result()
    4
    """

    def __init__(self, size: int, make: Callable[[], Executor], orders: Any = None) -> None:
        self.size, self._make, self._orders = size, make, orders
        self._places: dict[int, Executor] = {}

    def submit(self, place: int, function: Callable[..., _Result], *args: Any) -> Future[_Result]:
        """Have one place call the function; its process is started if there is none."""
        if place not in self._places:
            self._places[place] = self._make()
        try:
            return self._places[place].submit(function, *args)
        except BrokenExecutor:  # it died while it had nothing to do
            self.renew(place)
            return self._places[place].submit(function, *args)

    def renew(self, place: int) -> None:
        """Another process for one that died."""
        self._places[place].shutdown()
        self._places[place] = self._make()

    def order(self, what: int) -> None:
        """Tell all workers to end after the step they are at (STOP), or at once (LEAVE)."""
        if self._orders is not None:
            self._orders.value = max(self._orders.value, what)

    def close(self) -> None:
        """End the processes, when they have done what they were given."""
        for executor in self._places.values():
            executor.shutdown()


def done(
    pool: Pool,
    function: Callable[[_Job], _Result],
    jobs: Sequence[_Job],
    stopping: Callable[[], bool],
) -> Iterator[tuple[_Job, _Result | None]]:
    """Each job with the result of the function, in the order in which they end.

    Args:
        pool: where to work.
        function: of a module, as workers import it.
        jobs: its arguments.
        stopping: whether to begin no more of them.

    Returns:
        Pairs; the result is None where the process died, so often that it was given up.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> pool = Pool(2, lambda: ThreadPoolExecutor(1))
    >>> sorted(done(pool, abs, [-3, 4, -5], lambda: False))
    [(-5, 5), (-3, 3), (4, 4)]
    """
    waiting = deque((job, 1) for job in jobs)
    free = deque(range(min(pool.size, len(jobs))))
    running: dict[Future[_Result], tuple[int, _Job, int]] = {}
    while running or (waiting and not stopping()):
        while waiting and free and not stopping():
            (job, time), place = waiting.popleft(), free.popleft()
            running[pool.submit(place, function, job)] = place, job, time
        ended, _ = wait(running, timeout=_LOOK, return_when=FIRST_COMPLETED)
        for future in ended:
            place, job, time = running.pop(future)
            free.append(place)
            try:
                result = future.result()
            except BrokenExecutor:
                pool.renew(place)
                if time < TRIES:
                    waiting.appendleft((job, time + 1))
                elif not stopping():
                    yield job, None
                continue
            yield job, result


# This machine -------------------------------------------------------------------------------------


def cores() -> int:
    """How many cores this process may use.

    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def processes(size: int) -> Iterator[Pool]:
    """A pool of processes of this machine, which end with this one, however it ends.

    >>> with processes(2) as pool:
    ...     pool.size
    2
    """
    context = multiprocessing.get_context("spawn")  # a fork would share BLAS threads and locks
    orders = context.RawValue("b", GO)  # without a lock: who is killed while it holds one keeps it

    def make() -> Executor:
        return ProcessPoolExecutor(1, context, _begin, (orders,))

    pool = Pool(size, make, orders)
    try:
        yield pool
    except BaseException:
        pool.order(LEAVE)
        raise
    finally:
        pool.close()


def _begin(orders: Any) -> None:
    """In a new worker process: hear of orders, not of Ctrl-C, which the sweep makes an order of."""
    global _orders
    _orders = orders
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # the terminal's Ctrl-C is for the sweep alone
    threading.Thread(target=_leave_in_time, args=(orders,), daemon=True).start()


def _leave_in_time(orders: Any) -> None:
    """End this process when it is ordered to, or when its sweep was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while orders.value != LEAVE and not wait_for_end([parent.sentinel], _LOOK):
        pass
    os._exit(1)


def ordered() -> int:
    """In a worker process, the present order: GO, STOP or LEAVE.

    >>> ordered() == GO
    True
    """
    return GO if _orders is None else int(_orders.value)


# MPI ----------------------------------------------------------------------------------------------


@contextmanager
def ranks() -> Iterator[Pool | None]:
    """A pool of the other ranks of this MPI job at its first rank; None at the others, at the end.

    Raises:
        RunError: if mpi4py is missing, or this is no job of several ranks.
    """
    try:
        from mpi4py import MPI
        from mpi4py.futures import MPICommExecutor
    except (ImportError, RuntimeError) as cause:  # RuntimeError: there is no MPI library
        raise RunError(
            f"sweep --mpi: mpi4py cannot be used ({cause}); pip install -e '.[mpi]'."
        ) from cause
    if MPI.COMM_WORLD.size == 1:
        raise RunError(
            "sweep --mpi: this is one process; one rank deals trials out to the others. Launch at "
            "least two: mpiexec -n 4 python -m mpi4py.futures -m minitorch_rnn sweep … --mpi"
        )
    # The program itself is not run in the workers: they import what they are given.
    with MPICommExecutor(MPI.COMM_WORLD, main=False) as found:
        executor: Any = found
        yield None if executor is None else Pool(executor.num_workers, lambda: executor)
