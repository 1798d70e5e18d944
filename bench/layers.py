"""One training step of RNN, LSTM and GRU beside all peers that are installed."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

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


def run(rounds: int) -> Iterator[Comparison]:
    """Time the three kinds at all sizes, once their gradients have been found equal."""
    long = rounds >= LONG
    left_out = f"{SIZES[-1]} is left out: it takes part from {LONG} rounds on"
    for kind in GATES:
        rows: dict[str, dict[str, Timing]] = {}
        notes = {} if long else {"largest": left_out}
        for size in SIZES if long else SIZES[:-1]:
            calls = checked(candidates(Problem.random(kind, *size), notes), str(size), notes)
            rows[str(size)] = interleaved(calls, rounds, 0.05 if long else 0.02, rounds * 0.1)
        title = f"one training step of nn.{kind} at (T, B, I, H), forward and backward, float32"
        yield Comparison(kind, title, "ms", "ours", rows, tuple(notes.values()))


def candidates(problem: Problem, notes: dict[str, str]) -> dict[str, Step]:
    """What takes part, by name; who is missing is told to `notes`, and not asked again."""
    found: dict[str, Step] = {}
    for peer, module in PEERS.items():
        if peer in notes:
            continue
        try:
            found |= importlib.import_module(f"bench.peers.{module}").steps(problem)
        except (ImportError, LeftOut) as reason:
            notes[peer] = f"{peer} is left out from {problem.sizes} on: {reason}"
    return {name: step for name, step in found.items() if name not in notes}


def disagreement(found: Any, reference: Any) -> float:
    """The largest difference of any parameter's gradient, in parts of its largest element."""
    differences = [
        np.abs(np.asarray(found[name]) - d).max() / np.abs(d).max() for name, d in reference.items()
    ]
    return float(np.max(differences))


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
        far = 0.0 if gradients is None else disagreement(gradients(found), reference)
        if not far <= TOLERANCE:  # not a number, either
            raise ValueError(
                f"bench: at {row} the gradients of {name} differ from the hand-written ones by "
                f"{far:.1e} of the largest; at most {TOLERANCE:.0e} is float32's rounding."
            )
        if name not in MEASURED_ANYWAY and (seconds := seconds_of(call)) > PATIENCE:
            notes[name] = f"{name} is left out from {row} on: one step takes {seconds:.1f} s"
        else:
            calls[name] = call
    return calls
