"""The peak memory of one candidate of `bench.memory`, in this process: `python -m bench.peak JSON`.

The process makes the parameters and the data, and takes a step on a short sequence. What counts is
by how much its resident memory then grows, at most, while it takes steps on the whole one: two, as
the first may leave something to the second, or one if the sequence is long. Linux tells the peak
since a given moment, before which what is free is given back. Elsewhere the peak of the whole life
of the process is taken, less what it was before the steps: that misses what was freed by then.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import pathlib
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from bench.step import Problem

MANY = 1_000  # time steps
CHUNK = 100  # time steps that truncated BPTT looks back

Steps = Callable[[Problem], Callable[[], Any]]


def peak(step: Callable[[], object], times: int) -> int:
    """Bytes by which the resident memory of this process grows, at most, while the steps run."""
    before = _now()
    for _ in range(times):
        step()
    return _most() - before


def traced(step: Callable[[], object], times: int) -> int:
    """Bytes of what Python and NumPy take while the steps run, at most at one time."""
    tracemalloc.start()
    for _ in range(times):
        step()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def _now() -> int:
    """The bytes that are resident, from which on `_most` tells the peak."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # of glibc; else free memory would be filled unseen
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5", "utf-8")
    except OSError:
        return _most()
    return _status("VmRSS")


def _most() -> int:
    if pathlib.Path("/proc/self/status").exists():
        return _status("VmHWM")
    import resource

    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found << 10


def _status(field: str) -> int:
    lines = pathlib.Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field))


def _layer(module: str, name: str) -> Steps:
    """A step of `bench.layers`, where all outputs receive a gradient."""

    def made(problem: Problem) -> Callable[[], Any]:
        steps = importlib.import_module(f"bench.peers.{module}").steps(problem)
        run: Callable[[], Any] = steps[name].run
        return run

    return made


def _ours(walk: Callable[[Any, Any, Any], None]) -> Steps:
    """A step of our layer over a long sequence."""

    def made(problem: Problem) -> Callable[[], Any]:
        import minitorch_rnn as mt

        layer: Any = getattr(mt.nn, problem.kind)(*problem.sizes[2:], dtype="float32")
        layer.load_state_dict({f"{name}_l0": w for name, w in problem.weights.items()})
        x, g = mt.tensor(problem.x), mt.tensor(problem.g)

        def step() -> Any:
            layer.zero_grad()
            walk(layer, x, g)
            return {name: p.grad.numpy() for name, p in layer.named_parameters()}

        return step

    return made


def _whole(layer: Any, x: Any, g: Any) -> None:
    """The gradient g of the last state goes back through all of the sequence."""
    _, last = layer(x)
    last.backward(g)


def _segments(layer: Any, x: Any, g: Any) -> None:
    """The same; of the states only those at the borders of sqrt(T) segments are kept."""
    from minitorch_rnn.autograd import checkpoint_sequence

    def segment(part: Any, state: Any) -> tuple[None, Any]:
        return None, layer(part, state)[1]

    _, last = checkpoint_sequence(segment, x, checkpoint_every="sqrt")
    last.backward(g)


def _chunks(layer: Any, x: Any, g: Any) -> None:
    """The same at the end of every chunk, and no further than to its beginning."""
    last = None
    for start in range(0, len(x), CHUNK):
        _, last = layer(x[start : start + CHUNK], None if last is None else last.detach())
        last.backward(g)


def _torch(problem: Problem) -> Callable[[], Any]:
    import torch

    layer: Any = getattr(torch.nn, problem.kind)(*problem.sizes[2:])
    layer.load_state_dict({f"{n}_l0": torch.tensor(w) for n, w in problem.weights.items()})
    x, g = torch.tensor(problem.x), torch.tensor(problem.g)

    def step() -> Any:
        layer.zero_grad()
        _whole(layer, x, g)
        return {name: p.grad.numpy() for name, p in layer.named_parameters()}

    return step


LAYERS: dict[str, Steps] = {
    "ours": _layer("ours", "ours"), "ours, traced": _layer("ours", "ours"),
    "PyTorch": _layer("torch_layers", "PyTorch"),
}  # fmt: skip
SEQUENCES: dict[str, Steps] = {
    "ours": _ours(_whole), "ours, sqrt": _ours(_segments), "ours, chunks": _ours(_chunks),
    "PyTorch": _torch,
}  # fmt: skip


def of_layer(kind: str, T: int, B: int, I: int, H: int) -> Problem:
    """A gradient for every output."""
    return Problem.random(kind, T, B, I, H)


def of_sequence(kind: str, T: int, B: int, I: int, H: int) -> Problem:
    """A gradient for the last state alone."""
    x = np.random.default_rng(1).standard_normal((T, B, I), np.float32)
    return replace(Problem.random(kind, 1, B, I, H), x=x)


GROUPS = {"layers": (LAYERS, of_layer), "sequences": (SEQUENCES, of_sequence)}


def main(told: str) -> None:
    """Measure one candidate, and print the bytes."""
    what = json.loads(told)
    candidates, problem = GROUPS[what["group"]]
    steps, kind, (T, *rest) = candidates[what["name"]], what["kind"], what["sizes"]
    steps(problem(kind, min(T, 8), *rest))()
    measure = traced if what["name"].endswith("traced") else peak
    print(measure(steps(problem(kind, T, *rest)), times=2 if T < MANY else 1))


if __name__ == "__main__":
    main(sys.argv[1])
