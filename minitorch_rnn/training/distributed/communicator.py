"""Communicator: what the processes of one training tell each other, over MPI by mpi4py."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_rnn import backend, nn
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import RunError
from minitorch_rnn.training.distributed import buckets, carried
from minitorch_rnn.training.distributed.watchdog import Watchdog

__all__ = ["Communicator", "create_communicator"]

_BUCKETS = {"flat": buckets.together, "naive": buckets.alone}


def create_communicator(
    name: str = "flat", timeout: float = 60.0, comm: Any = None, cuda_aware: bool | None = None
) -> Communicator:
    """The communicator of all processes that `mpiexec` has started; of this one without it.

    Args:
        name: "flat" sends all gradients of one dtype in one message, "naive" those of each
            parameter in one of its own, to compare with.
        timeout: seconds that a process may wait for the others before all end with a message.
        comm: of mpi4py, where it is not to be MPI.COMM_WORLD.
        cuda_aware: whether the MPI takes arrays of a GPU; None: as the environment variable
            MINITORCH_RNN_CUDA_AWARE_MPI says, 1 or 0, and without it as the MPI says.

    Raises:
        ValueError: if there is no such communicator, or the timeout is not above 0.
        RunError: if mpi4py or an MPI is not installed.

    The names are ChainerMN's: Akiba, Fukuda and Suzuki, "ChainerMN: Scalable Distributed Deep
    Learning Framework", 2017.

    >>> from minitorch_rnn.training import distributed
    >>> distributed.create_communicator("fast")
    Traceback (most recent call last):
    ValueError: create_communicator: name is 'fast'; 'flat' or 'naive' is needed.
    """
    if name not in _BUCKETS:
        raise ValueError(f"create_communicator: name is {name!r}; 'flat' or 'naive' is needed.")
    if not timeout > 0:
        raise ValueError(f"create_communicator: timeout is {timeout}; above 0 is needed.")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as cause:  # the second: mpi4py finds no MPI
        raise RunError(
            f"several processes: mpi4py with an MPI is needed ({cause}); install both with: "
            "pip install -e '.[mpi]'"
        ) from cause
    if comm is None:
        comm = MPI.COMM_WORLD
    if cuda_aware is None:
        cuda_aware = _takes_arrays_of_a_gpu(comm)
    return Communicator(comm, _BUCKETS[name], timeout, cuda_aware)


def _takes_arrays_of_a_gpu(comm: Any) -> bool:
    told = os.environ.get("MINITORCH_RNN_CUDA_AWARE_MPI")
    if told:
        return told != "0"
    return "cuda" in (comm.Get_info().Get("mpi_memory_alloc_kinds") or "")


class Communicator:
    """Several processes that train one model, each on its part of every batch.

    All processes call the same methods in the same order. Make it with `create_communicator`.

    Args:
        comm: of mpi4py.
        bucketed: which parameters go into one message.
        timeout: seconds.
        cuda_aware: whether to hand the MPI arrays of a GPU.

    Attributes:
        rank, size: which of the processes this is, from 0, and how many there are.
        step: of the training, for messages; `average` counts it on.

    >>> from minitorch_rnn.training import distributed
    >>> communicator = distributed.create_communicator()  # doctest: +SKIP
    >>> communicator.rank, communicator.size  # doctest: +SKIP
    (0, 1)
    """

    def __init__(
        self,
        comm: Any,
        bucketed: Callable[[Sequence[Tensor]], list[list[int]]] = buckets.together,
        timeout: float = 60.0,
        cuda_aware: bool = False,
    ) -> None:
        self.rank, self.size, self.step = comm.rank, comm.size, 0
        self._whole, self._comm = comm, comm.Dup()
        self._bucketed, self._direct = bucketed, cuda_aware
        self._layout: Any = None
        self._buckets: list[tuple[list[int], buckets.Bucket]] = []
        self._end = comm.Dup()
        self.watchdog = Watchdog(comm.Dup(), timeout, self.abort) if comm.size > 1 else None
        atexit.register(self.close)

    # Training -------------------------------------------------------------------------------------

    def average(
        self, params: Sequence[Tensor], count: int, figures: Sequence[Any] = ()
    ) -> tuple[int, list[float]]:
        """Make every `.grad` the mean over the samples of all processes.

            .grad ← Σ_r n_r .grad_r / Σ_r n_r

        Args:
            params: the same on all processes.
            count: n_r, the samples that this process has taken the mean of. With 0, for an empty
                part of a batch, it contributes nothing, but must take part.
            figures: numbers to be added up beside. A number of a device is waited for.

        Returns:
            Σ_r n_r and the sums of the figures.

        A parameter that has a gradient on no process keeps none. On all processes the results have
        the same bits, and for a given number of processes in every run; another number of them
        rounds differently.

        Messages go out when all gradients are there. To send those of a layer while the layers
        below are still computed takes longer where every core computes: of 8 layers with H = 512 a
        step took 9 % more, for MPI moves data only while a process is in one of its calls.
        """
        self.step += 1
        has = [p.grad is not None and count > 0 for p in params]
        told = np.array([count, *map(float, figures), *has], dtype=np.float64)
        with self._waiting("the average of the gradients"):
            self._add_up(told)
            total, sums = int(told[0]), told[1 : 1 + len(figures)].tolist()
            owners = []
            for p, processes in zip(params, told[1 + len(figures) :], strict=True):
                if processes:
                    owners.append(p)
                else:
                    p.grad = None
            for places, bucket in self._for(owners):
                bucket.average([owners[i] for i in places], count / total, self._add_up)
        return total, sums

    def _for(self, params: list[Tensor]) -> list[tuple[list[int], buckets.Bucket]]:
        found = buckets.layout(params)
        if found != self._layout:
            self._layout = found
            self._buckets = [
                (places, buckets.Bucket([params[i] for i in places], self._direct))
                for places in self._bucketed(params)
            ]
        return self._buckets

    def _add_up(self, array: Any) -> None:
        from mpi4py import MPI

        self._comm.Allreduce(MPI.IN_PLACE, array)

    def bcast_data(self, model: nn.Module) -> None:
        """Give the model of every process the parameters and buffers of rank 0's."""
        model.load_state_dict(self.broadcast(model.state_dict()))

    # Values ---------------------------------------------------------------------------------------

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, on every process: numbers, text, arrays, nested in any way."""
        with self._waiting("what rank 0 tells all"):
            return self._comm.bcast(value)

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, on every process."""
        with self._waiting("what all tell all"):
            return self._comm.allgather(value)  # type: ignore[no-any-return]

    def scatter(self, values: Sequence[Any] | None) -> Any:
        """Of rank 0's values, one for each process, that of this one."""
        with self._waiting("what rank 0 deals out"):
            return self._comm.scatter(values)

    def gather_state(self, state: Any) -> Any:
        """The states of all processes joined along the axis of the batch, 1; None but on rank 0."""
        with self._waiting("the gathering of the state"):
            states = self._comm.gather(carried.on_host(state))
        return None if self.rank else carried.joined(states)

    def share_state(self, state: Any) -> Any:
        """The part of this process in rank 0's state of the whole batch, as `Batch.shard` deals."""
        whole = self.broadcast(carried.on_host(state) if self.rank == 0 else None)
        return carried.part(whole, self.rank, self.size)

    def barrier(self, patient: bool = False) -> None:
        """Wait for all processes; with `patient` as long as they live, however long it takes."""
        with self._waiting("a barrier", patient):
            self._comm.Barrier()

    # Agreement ------------------------------------------------------------------------------------

    def check_same(self, params: Sequence[Tensor], step: int) -> None:
        """Compare the parameters of all processes.

        Raises:
            RuntimeError: on every process, naming the step and the ranks, if a bit differs.
        """
        digest = hashlib.sha256()
        for p in params:
            digest.update(np.ascontiguousarray(backend.to_numpy(p._data)).data)
        found = self.gather(digest.digest())
        if others := [rank for rank, theirs in enumerate(found) if theirs != found[0]]:
            raise RuntimeError(
                f"after step {step} the parameters of {_ranks(others)} differ from those of rank "
                "0. All must take the same steps: look for random numbers that are not drawn from "
                "the seed, and for machines of different kinds."
            )

    def places(self) -> str:
        """Which process of which machine each rank is: mpiexec names processes by number alone."""
        found = self.gather((os.getpid(), socket.gethostname()))
        return ", ".join(f"rank {r} is process {pid} on {on}" for r, (pid, on) in enumerate(found))

    def compare(self, what: str, entries: Mapping[str, Any]) -> None:
        """Compare entries, such as options or facts of the data, by what JSON makes of them.

        Raises:
            RunError: on every process, naming `what`, the entries and the ranks that differ.
        """
        mine = {
            key: hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).digest()
            for key, value in entries.items()
        }
        found = self.gather(mine)
        if others := [rank for rank, theirs in enumerate(found) if theirs != found[0]]:
            keys = sorted({key for r in others for key, _ in found[r].items() ^ found[0].items()})
            raise RunError(
                f"{what}: {_ranks(others)} and rank 0 differ in {', '.join(keys)}; every process "
                "needs the same options and the same files."
            )

    # The end --------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Wait until all processes are done, as long as they live, and watch no longer."""
        if self.watchdog is not None:
            with self.watchdog.waiting("the end", self.step, patient=True):
                self._end.Barrier()
        self.close()

    def close(self) -> None:
        """Watch no longer; without a watchdog processes may wait for ever."""
        atexit.unregister(self.close)
        if self.watchdog is not None:
            self.watchdog.close()
            self.watchdog = None

    def abort(self, message: str, status: int = 1) -> None:
        """Say why, and end all processes with this exit status."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        text = f"minitorch-rnn: {message}\nAll processes end.\n"
        with contextlib.suppress(OSError):  # a full disk must not keep the others waiting
            os.write(2, text.encode(errors="replace"))
        time.sleep(0.3)  # mpiexec passes on what is written, but not once it kills the processes
        self._whole.Abort(status)

    def _waiting(self, what: str, patient: bool = False) -> Any:
        if self.watchdog is None:
            return contextlib.nullcontext()
        return self.watchdog.waiting(what, self.step, patient)


def _ranks(ranks: list[int]) -> str:
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"
