"""A column unrolled by PyTorch's autograd: a witness that shares no engine with ours."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn.agreement.roads import Arrays, Skip
from minitorch_rnn.column import Column, Window


def gradients(
    column: Column, params: Arrays, x: Arrays, given: Arrays, dY: np.ndarray, windows: list[Window]
) -> Arrays:
    """Gradients of parameters, inputs, given histories and every z, by quantity.

    Raises:
        Skip: if PyTorch is missing, or an activation is a Python function.
    """
    try:
        import torch
    except ImportError:
        raise Skip("PyTorch is not installed: pip install torch") from None
    for node in column.nodes:
        if not isinstance(node.activation, str):
            raise Skip(f"{node.activation.name} is a Python function that PyTorch cannot run")
    T, B = dY.shape[:2]
    arrays = params | x | {f"given.{n}": h for n, h in given.items()}
    # Offsets of every z: their gradients are those of z.
    computed = {n: node.size for n, node in column.node.items() if n not in x}
    arrays |= {f"dz({n})": np.zeros((T, B, size)) for n, size in computed.items()}
    leaf = {n: torch.tensor(a, dtype=torch.float64, requires_grad=True) for n, a in arrays.items()}
    for losses, first in windows:
        outputs: Any = torch.stack(_unrolled(column, leaf, T, B, first))
        seed = torch.tensor(np.ascontiguousarray(dY[losses.start : losses.stop]))
        outputs[losses.start : losses.stop].backward(seed)
    return {n: np.zeros(v.shape) if v.grad is None else v.grad.numpy() for n, v in leaf.items()}


def _unrolled(column: Column, leaf: dict[str, Any], T: int, B: int, first: int) -> list[Any]:
    """Y(t) for all t, with the graph cut off before column `first`."""
    import torch

    functions: dict[Any, Any] = {
        "identity": lambda z: z, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
        "softmax": lambda z: torch.softmax(z, dim=-1),
    }  # fmt: skip
    a: dict[str, dict[int, Any]] = {n: dict(enumerate(leaf[n])) for n in column.inputs}
    for n, (before, after) in column.reach.items():
        nothing = torch.zeros(before + after, B, column.node[n].size, dtype=torch.float64)
        for k, row in enumerate(leaf.get(f"given.{n}", leaf.get(f"history.{n}", nothing))):
            at = k - before if k < before else T + k - before
            a.setdefault(n, {})[at] = row if row.ndim == 2 else row.expand(B, -1)
        a.setdefault(n, {})

    def term(edge: Any, t: int) -> Any:
        at = t + column.offset(edge)
        value = a[edge.source][at]
        if edge.gradient == "blocked" or max(at, -1) < first:
            value = value.detach()
        weight = column.weight(edge)
        if isinstance(weight, float):
            return weight * value
        W = leaf[weight] if isinstance(weight, str) else torch.tensor(weight, dtype=torch.float64)
        return value @ W.T

    for part in column.components:
        for t in reversed(range(T)) if part.backward else range(T):
            for n in part.nodes:
                node = column.node[n]
                terms = torch.stack([term(edge, t) for edge in column.into[n]])
                z = terms.prod(0) if node.kind == "product" else terms.sum(0)
                z = (z + leaf[f"bias.{n}"] if node.bias else z) + leaf[f"dz({n})"][t]
                a[n][t] = functions[node.activation](z)
    return [a[column.output][t] for t in range(T)]
