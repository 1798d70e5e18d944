"""One small recurrent network number by number and array by array: the same gradients, two prices.

Slide 72 is written once, for whatever can be added and multiplied: Scalars in lists, or Tensors.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.column.validation import whole
from minitorch_rnn.engine import Tensor
from minitorch_rnn.teaching.pictures.graphs.nodes import operations
from minitorch_rnn.teaching.scalar import Scalar

__all__ = ["ScalarsAndTensors", "compare_scalars"]

AGREE = 1e-12
RUNS = 5


class Cost(NamedTuple):
    """What one way took.

    Attributes:
        nodes: operations in the graph.
        forward, backward: seconds.
    """

    nodes: int
    forward: float
    backward: float


_Run = tuple[Cost, float, dict[str, np.ndarray]]  # and the divergence, and gradients by parameter


class ScalarsAndTensors(NamedTuple):
    """One network in scalar mode and with tensors; printing it gives the table.

    Attributes:
        sizes: of the network, in words.
        scalars, tensors: what each way took.
        gradients: by parameter, those of the scalars and those of the tensors.
        apart: the largest difference of an element, of all gradients and of the divergence.

    >>> print(compare_scalars(T=20, I=4, H=8))  # doctest: +ELLIPSIS
    T = 20, I = 4, H = 8, O = 1: 121 parameters
              operations    forward   backward
    scalars        4,399 ...
    tensors          239 ...
    largest difference ...: they agree
    """

    sizes: str
    scalars: Cost
    tensors: Cost
    gradients: dict[str, tuple[np.ndarray, np.ndarray]]
    apart: float

    @property
    def agrees(self) -> bool:
        """Whether no element is further apart than 1e-12."""
        return self.apart <= AGREE

    def __str__(self) -> str:
        lines = [self.sizes, f"{'':<8} {'operations':>11} {'forward':>10} {'backward':>10}"]
        for name, cost in (("scalars", self.scalars), ("tensors", self.tensors)):
            times = [f"{1000 * seconds:.2f} ms" for seconds in cost[1:]]
            lines.append(f"{name:<8} {cost.nodes:>11,} {times[0]:>10} {times[1]:>10}")
        verdict = "they agree" if self.agrees else "they DISAGREE"
        return "\n".join([*lines, f"largest difference {self.apart:.1e}: {verdict}"])


def compare_scalars(
    T: int = 5, I: int = 2, H: int = 3, O: int = 1, rng: np.random.Generator | None = None
) -> ScalarsAndTensors:
    """Run one recurrent network in scalar mode and with the tensor engine.

        h(t) = tanh(W_c x(t) + W_r h(t-1) + b),   Y(t) = W_o h(t) + b_o
        DIV = ½ sum_t |Y(t) - D(t)|²

    Args:
        T, I, H, O: sizes of the network.
        rng: draws parameters, inputs and targets; None is a generator seeded with 0.

    Returns:
        operations, seconds and gradients of both; h(-1) is among the parameters.

    Raises:
        ColumnError: if a size is not a whole number of at least 1.

    Source: slide 72.

    >>> found = compare_scalars(T=3)
    >>> found.agrees, found.scalars.nodes, found.tensors.nodes
    (True, 128, 35)
    """
    for name, size in {"T": T, "I": I, "H": H, "O": O}.items():
        whole("compare_scalars", name, size, 1)
    arrays, x, D = network(T, I, H, O, rng)
    by_scalars = [_by_scalars(arrays, x, D) for _ in range(RUNS)]
    by_tensors = [_by_tensors(arrays, x, D) for _ in range(RUNS)]
    (_, value, numbers), (_, other, tensors) = by_scalars[-1], by_tensors[-1]
    gradients = {name: (numbers[name], tensors[name]) for name in arrays}
    apart = max(float(np.abs(a - b).max()) for a, b in gradients.values())
    parameters = sum(array.size for array in arrays.values())
    return ScalarsAndTensors(
        f"T = {T}, I = {I}, H = {H}, O = {O}: {parameters:,} parameters",
        _cheapest([cost for cost, _, _ in by_scalars]),
        _cheapest([cost for cost, _, _ in by_tensors]),
        gradients,
        max(apart, abs(value - other)),
    )


def _cheapest(costs: Sequence[Cost]) -> Cost:
    """Each time is the shortest of all runs: the others were disturbed."""
    return Cost(costs[0].nodes, min(c.forward for c in costs), min(c.backward for c in costs))


def _by_scalars(arrays: dict[str, np.ndarray], x: np.ndarray, D: np.ndarray) -> _Run:
    p = {name: _listed(values) for name, values in arrays.items()}
    start = time.perf_counter()
    loss = _divergence_of_scalars(p, x.tolist(), D.tolist())
    forward = time.perf_counter() - start
    nodes = sum(bool(y.inputs) for y in loss.history())
    start = time.perf_counter()
    loss.backward()
    cost = Cost(nodes, forward, time.perf_counter() - start)
    return cost, loss.value, {name: _gradients(numbers) for name, numbers in p.items()}


def _by_tensors(arrays: dict[str, np.ndarray], x: np.ndarray, D: np.ndarray) -> _Run:
    p = {name: Tensor(values, requires_grad=True) for name, values in arrays.items()}
    start = time.perf_counter()
    loss = _divergence_of_tensors(p, x, D)
    forward = time.perf_counter() - start
    nodes = len(operations(loss, "compare_scalars"))
    start = time.perf_counter()
    loss.backward()
    cost = Cost(nodes, forward, time.perf_counter() - start)
    found = {name: tensor.grad.numpy() for name, tensor in p.items() if tensor.grad is not None}
    return cost, loss.item(), found


def network(
    T: int, I: int, H: int, O: int, rng: np.random.Generator | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Parameters by name, inputs (T, I) and targets (T, O), drawn at random.

    >>> arrays, x, D = network(T=4, I=2, H=3, O=1)
    >>> {name: a.shape for name, a in arrays.items()}["W_c"], x.shape, D.shape
    ((3, 2), (4, 2), (4, 1))
    """
    rng = np.random.default_rng(0) if rng is None else rng
    shapes: dict[str, tuple[int, ...]] = {
        "W_c": (H, I), "W_r": (H, H), "b": (H,), "W_o": (O, H), "b_o": (O,), "h(-1)": (H,),
    }  # fmt: skip
    arrays = {name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}
    return arrays, rng.normal(size=(T, I)), rng.normal(size=(T, O))


def _divergence_of_scalars(p: dict[str, Any], x: Any, D: Any) -> Scalar:
    """Every product and every sum written out."""

    def times(W: Any, vector: Any) -> list[Any]:
        return [added([w * v for w, v in zip(row, vector, strict=True)]) for row in W]

    def added(terms: list[Any]) -> Any:
        return reduce(operator.add, terms)

    h, errors = p["h(-1)"], []
    for x_t, D_t in zip(x, D, strict=True):
        ahead, back = times(p["W_c"], x_t), times(p["W_r"], h)
        h = [(a + r + b).tanh() for a, r, b in zip(ahead, back, p["b"], strict=True)]
        Y = [y + b for y, b in zip(times(p["W_o"], h), p["b_o"], strict=True)]
        errors += [0.5 * (y - d) ** 2 for y, d in zip(Y, D_t, strict=True)]
    total: Scalar = added(errors)
    return total


def _divergence_of_tensors(p: dict[str, Tensor], x: Any, D: Any) -> Tensor:
    """The same in lines of the slide."""
    h, errors = p["h(-1)"], []
    for x_t, D_t in zip(x, D, strict=True):
        h = ops.tanh(p["W_c"] @ x_t + p["W_r"] @ h + p["b"])
        Y = p["W_o"] @ h + p["b_o"]
        errors.append(0.5 * ((Y - D_t) ** 2).sum())
    total: Tensor = reduce(operator.add, errors)
    return total


def _listed(array: np.ndarray) -> list[Any]:
    return [_listed(row) if row.ndim else Scalar(row.item()) for row in array]


def _gradients(numbers: list[Any]) -> np.ndarray:
    return np.array([_gradients(x) if isinstance(x, list) else x.gradient for x in numbers])
