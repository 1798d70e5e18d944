"""What one tiny operation costs, forward and backward.

Every library starts from the same arrays and the same gradient of the result, records one operation
and computes the gradients of its inputs; before anything is timed these are compared. How each one
is called stands in `bench.libraries`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.libraries import Library, agree, libraries
from bench.measure import interleaved
from bench.record import Comparison
from bench.step import Step

MATRIX = (4, 4)

SHAPES: dict[str, Sequence[tuple[int, ...]]] = {  # of the inputs, by the operation
    "a + b": [MATRIX, MATRIX],
    "a * b": [MATRIX, MATRIX],
    "a @ b": [MATRIX, MATRIX],
    "a[1]": [MATRIX],
    "tanh(a)": [MATRIX],
    "sigmoid(a)": [MATRIX],
    "exp(a)": [MATRIX],
    "sum(a)": [MATRIX],
    "stack([a, b])": [MATRIX, MATRIX],
    "concatenate([a, b])": [MATRIX, MATRIX],
    "linear(a, W, b)": [MATRIX, MATRIX, MATRIX[:1]],
    "cross_entropy(a)": [MATRIX],
}
RESULTS = {  # the shape of the result, where it is not a matrix
    "a[1]": (4,), "sum(a)": (), "stack([a, b])": (2, 4, 4), "concatenate([a, b])": (8, 4),
    "cross_entropy(a)": (),
}  # fmt: skip


def run(rounds: int) -> Comparison:
    """Time every operation in float64, on 4 x 4 matrices."""
    found, notes = libraries()
    rows = {}
    for operation in SHAPES:
        steps = candidates(operation, found)
        agree(operation, steps)
        calls = {name: step.run for name, step in steps.items()}
        rows[operation] = interleaved(calls, rounds, seconds=0.03, limit=0.5)
    title = "one operation on 4 x 4 matrices, forward + backward, float64"
    return Comparison("operations", title, "µs", "ours", rows, tuple(notes))


def candidates(operation: str, found: dict[str, Library]) -> dict[str, Step]:
    """The operation in every library, on the same numbers."""
    arrays, g = numbers(operation)
    return {
        name: library.both_ways(library.functions[operation], arrays, g)
        for name, library in found.items()
    }


def numbers(operation: str) -> tuple[list[Any], Any]:
    """The inputs, and the gradient of the result; always the same."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in SHAPES[operation]]
    return arrays, np.asarray(rng.normal(size=RESULTS.get(operation, MATRIX)))
