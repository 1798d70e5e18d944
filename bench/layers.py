"""One training step of RNN, LSTM and GRU beside all peers that are installed."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from bench.measure import interleaved, seconds_of
from bench.record import Comparison, Timing
from bench.step import GATES, LeftOut, Problem, Step

SIZES = [  # T, B, I, H; from the least work to the most
    (20, 1, 10, 20), (64, 1, 64, 128), (64, 32, 64, 128), (128, 32, 128, 256), (64, 64, 256, 512),
]  # fmt: skip
PEERS = {
    "ours": "ours", "PyTorch": "torch_layers", "JAX": "jax_layers",
    "NumPy BPTT": "numpy_bptt", "autograd": "autograd_layers", "MyGrad": "mygrad_layers",
    "tinygrad": "tinygrad_layers", "products": "products",
}  # fmt: skip
TOLERANCE = 1e-3  # of the largest element: float32, sums over up to 4,096 rows
PATIENCE = 2.0  # seconds for one step; who needs more is not timed from there on, except
MEASURED_ANYWAY = {"ours", "PyTorch", "JAX", "products alone"}  # whom the targets speak of
LONG = 10  # rounds; a shorter run leaves the largest size out, and its turns are shorter
LEFT_OUT = "{} is left out: it takes part from {} rounds on"

Candidate = TypeVar("Candidate")


def run(rounds: int) -> Iterator[Comparison]:
    """Time the three kinds at all sizes, once their gradients have been found equal."""
    long = rounds >= LONG
    for kind in GATES:
        rows: dict[str, dict[str, Timing]] = {}
        notes = {} if long else {"largest": LEFT_OUT.format(SIZES[-1], LONG)}
        for size in SIZES if long else SIZES[:-1]:
            calls = checked(candidates(Problem.random(kind, *size), notes), str(size), notes)
            rows[str(size)] = interleaved(calls, rounds, 0.05 if long else 0.02, rounds * 0.1)
        title = f"one training step of nn.{kind} at (T, B, I, H), forward and backward, float32"
        yield Comparison(kind, title, "ms", "ours", rows, tuple(notes.values()))


def candidates(problem: Problem, notes: dict[str, str]) -> dict[str, Step]:
    """What takes part, by name; who is missing is told to `notes`, and not asked again."""
    return gathered(PEERS, lambda module: module.steps(problem), str(problem.sizes), notes)


def gathered(
    peers: Mapping[str, str],
    of: Callable[[Any], Mapping[str, Candidate]],
    row: str,
    notes: dict[str, str],
) -> dict[str, Candidate]:
    """The candidates that the modules of `peers` have for a row; as `candidates`."""
    found: dict[str, Candidate] = {}
    for peer, module in peers.items():
        if peer in notes:
            continue
        try:
            found |= of(importlib.import_module(f"bench.peers.{module}"))
        except (ImportError, OSError, RuntimeError, LeftOut) as reason:
            notes[peer] = left_out(peer, row, reason)
    return {name: candidate for name, candidate in found.items() if name not in notes}


def left_out(name: str, row: str, reason: Exception) -> str:
    """The note on who cannot take part from this row on."""
    why = str(reason) if isinstance(reason, LeftOut) else f"{type(reason).__name__}: {reason}"
    return f"{name} is left out from {row} on: {why.splitlines()[0]}"


def disagreement(found: Any, reference: Any) -> float:
    """The largest difference of any parameter's gradient, in parts of its largest element."""
    differences = [
        np.abs(np.asarray(found[name]) - d).max() / np.abs(d).max() for name, d in reference.items()
    ]
    return float(np.max(differences))


def agree(name: str, row: str, found: Any, reference: Any, tolerance: float = TOLERANCE) -> None:
    """Whether the gradients are the hand-written ones, but for the rounding of the products.

    Raises:
        ValueError: naming the candidate that has others.
    """
    far = disagreement(found, reference)
    if not far <= tolerance:  # not a number, either
        raise ValueError(
            f"bench: at {row} the gradients of {name} differ from the hand-written ones by "
            f"{far:.1e} of the largest; at most {tolerance:.0e} is rounding."
        )


def checked(
    steps: dict[str, Step], row: str, notes: dict[str, str]
) -> dict[str, Callable[[], Any]]:
    """What is to be timed: who agrees with the hand-written BPTT and is not too slow."""
    by_hand = steps["NumPy BPTT"]
    assert by_hand.gradients is not None
    reference = by_hand.gradients(by_hand.run())
    calls = {}
    for name, (call, gradients) in steps.items():
        found = call()  # the first call may compile
        if gradients is not None:
            agree(name, row, gradients(found), reference)
        if name not in MEASURED_ANYWAY and (seconds := seconds_of(call)) > PATIENCE:
            notes[name] = f"{name} is left out from {row} on: one step takes {seconds:.1f} s"
        else:
            calls[name] = call
    return calls
