"""What it costs that a graph keeps the values it used: copies of the caller's arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_rnn as mt
from bench.measure import interleaved
from bench.record import Comparison, Timing

SIZES = [(1, 4, 4), (32, 64, 128), (2048, 128, 128)]  # rows of x, I, H


def both_ways(x: Any, weight: mt.Tensor) -> Callable[[], None]:
    """A product of x with a weight that is trained, forward and backward."""
    g = np.ones((x.shape[0], weight.shape[0]))

    def run() -> None:
        weight.grad = None
        mt.linear(x, weight).backward(g)

    return run


def run(rounds: int) -> Comparison:
    """Time linear(x, W): an array x of the caller is copied, a tensor is not."""
    rng = np.random.default_rng(0)
    results: dict[str, dict[str, Timing]] = {}
    for rows, inputs, hidden in SIZES:
        x = rng.normal(size=(rows, inputs))
        weight = mt.tensor(rng.normal(size=(hidden, inputs)), requires_grad=True)
        results[f"x ({rows}, {inputs}), W ({hidden}, {inputs})"] = interleaved(
            {
                "array": both_ways(x, weight),
                "from_numpy": both_ways(mt.from_numpy(x), weight),
                "tensor": both_ways(mt.tensor(x), weight),
            },
            rounds,
        )
    title = "linear forward + backward, where the caller's array is copied and where it is not"
    return Comparison("safety", title, "µs", "array", results)
