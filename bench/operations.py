"""What one tiny operation costs, forward and backward, beside PyTorch eager."""

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_rnn as mt
from bench.measure import Timing, interleaved, table

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "a * b": lambda a, b: a * b,
    "a + b": lambda a, b: a + b,
    "a @ b": lambda a, b: a @ b,
    "tanh(a)": lambda a, b: a.tanh(),
    "sum(a)": lambda a, b: a.sum(),
    "a[1]": lambda a, b: a[1],
}


def both_ways(operation: Callable[[Any, Any], Any], a: Any, b: Any, g: Any) -> Callable[[], None]:
    """Forward and backward with a given gradient, leaving no `.grad` behind."""

    def run() -> None:
        a.grad = b.grad = None
        operation(a, b).backward(g)

    return run


def run(rounds: int) -> str:
    """Time every operation on 4 x 4 float64 matrices."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, 4)) for _ in range(2)]
    results: dict[str, dict[str, Timing]] = {}
    for name, operation in OPERATIONS.items():
        a, b = (mt.tensor(x, requires_grad=True) for x in arrays)
        g = mt.tensor(rng.normal(size=operation(a, b).shape))
        candidates = {"ours": both_ways(operation, a, b, g)}
        try:
            import torch
        except ImportError:
            pass
        else:
            ta, tb = (torch.tensor(x, requires_grad=True) for x in arrays)
            candidates["torch"] = both_ways(operation, ta, tb, torch.tensor(g.numpy().copy()))
        results[name] = interleaved(candidates, rounds)
    return table(
        "one tiny operation, forward + backward, µs, median (minimum)", 1e-6, results, "ours"
    )
