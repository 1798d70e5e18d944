"""Training by two processes beside two trainings that know nothing of each other.

Each process takes a step of its own batch at (T, B, I, H), on one core with one BLAS thread:
forward over the layer, backward, the update. The two trainings do the same but for the average of
the gradients, so the ratio of the throughputs is what several processes lose: the messages, and the
waiting for whoever is slower at the moment. Turns of both kinds follow each other in one start of
mpiexec, which this module is also the program of.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
from typing import Any

from bench.record import Comparison, Timing

SIZES = (64, 32, 128, 512)  # T, B, I, H of each process
CELLS = ("RNN", "LSTM")
PROCESSES = 2
STEPS = 5  # of a turn
TOGETHER, APART = "one training by 2 processes", "2 trainings by 1 process each"
MISSING = "left out: mpi4py with an MPI is not installed (pip install -e '.[mpi]')"


def run(rounds: int) -> Comparison:
    """Time steps of both kinds in turns, in a start of mpiexec of their own."""
    rows: dict[str, dict[str, Timing]] = {}
    notes = []
    if launcher() is None:
        notes.append(MISSING)
    else:
        for cell in CELLS:
            found = measured(cell, rounds, SIZES)
            kinds = {TOGETHER: found["together"], APART: found["apart"]}
            rows[cell] = {
                name: Timing(min(times), statistics.median(times)) for name, times in kinds.items()
            }
            notes.append(told(cell, found))
    title = f"a step of each process at (T, B, I, H) = {SIZES}, float32, SGD"
    return Comparison("distributed", title, "ms", TOGETHER, rows, tuple(notes))


def told(cell: str, found: dict[str, Any]) -> str:
    """What share of the throughput is left, and how long the average takes."""
    shares = [a / b for a, b in zip(found["apart"], found["together"], strict=True)]
    average, bare = (statistics.median(found[name]) * 1e3 for name in ("average", "bare"))
    return (
        f"{cell}: {statistics.median(shares):.2f} of the throughput of two trainings; the "
        f"average of {found['bytes'] / 2**20:.1f} MiB takes {average:.2f} ms of a step, "
        f"{bare:.2f} ms where both are there already"
    )


def launcher() -> str | None:
    """The mpiexec beside this Python, or on the path; None if there is none, or no mpi4py."""
    from bench.surroundings import version

    beside = pathlib.Path(sys.executable).parent / "mpiexec"
    return (
        (str(beside) if beside.exists() else shutil.which("mpiexec")) if version("mpi4py") else None
    )


def measured(cell: str, rounds: int, sizes: tuple[int, ...], steps: int = STEPS) -> dict[str, Any]:
    """Seconds of a step in every turn, as `main` prints them."""
    order = json.dumps({"cell": cell, "rounds": rounds, "sizes": sizes, "steps": steps})
    mpiexec = launcher()
    assert mpiexec is not None, MISSING
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    answer = subprocess.run(
        [mpiexec, "-n", str(PROCESSES), sys.executable, "-m", "mpi4py", "-m", "bench.distributed",
         order],
        cwd=pathlib.Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True,
        env=os.environ | threads | {"MINITORCH_RNN_BACKEND": "numpy"}, timeout=3600,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def main(order: str) -> None:
    """One of the processes: take the turns, and print the seconds of a step in each."""
    from minitorch_rnn.training import distributed

    communicator = distributed.create_communicator()
    _bind(communicator.rank)
    asked = json.loads(order)
    with distributed.guard(communicator):
        found = _turns(communicator, asked["cell"], asked["rounds"], asked["sizes"], asked["steps"])
    if communicator.rank == 0:
        print(json.dumps(found))


def _bind(rank: int) -> None:
    """Every process has a core of its own, where there are enough."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))  # whoever started us is bound to one
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})


def _turns(
    communicator: Any, cell: str, rounds: int, sizes: tuple[int, ...], steps: int
) -> dict[str, Any]:
    import numpy as np

    import minitorch_rnn as mt

    T, B, I, H = sizes
    rng = np.random.default_rng(0)
    layer = getattr(mt.nn, cell)(I, H, dtype="float32", rng=rng)
    params = list(layer.parameters())
    optimizer = mt.optim.SGD(params, lr=1e-6)
    x = mt.tensor(np.random.default_rng(communicator.rank).normal(size=(T, B, I)).astype("float32"))
    spent = 0.0

    def step(together: bool) -> None:
        nonlocal spent
        optimizer.zero_grad()
        h, _ = layer(x)
        (h * h).mean().backward()
        if together:
            started = time.perf_counter()
            communicator.average(params, B)
            spent += time.perf_counter() - started
        optimizer.step()

    found: dict[str, Any] = {"together": [], "apart": [], "average": [], "bare": []}
    found["bytes"] = sum(p.size for p in params) * 4
    for turn in range(-1, rounds):  # the first one warms up
        for kind in ("together", "apart"):
            communicator.barrier()
            spent, started = 0.0, time.perf_counter()
            for _ in range(steps):
                step(kind == "together")
            mine = (time.perf_counter() - started) / steps
            # Of those that wait for each other the speed is the same; of others, the mean.
            both = communicator.gather(mine)
            if turn >= 0:
                found[kind].append(len(both) / sum(1 / seconds for seconds in both))
            if turn >= 0 and kind == "together":
                found["average"].append(spent / steps)
        communicator.barrier()
        started = time.perf_counter()
        communicator.average(params, B)
        if turn >= 0:
            found["bare"].append(time.perf_counter() - started)
    return found


if __name__ == "__main__":
    main(sys.argv[1])
