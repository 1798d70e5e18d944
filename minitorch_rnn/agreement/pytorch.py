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
    functions: dict[Any, Any] = {
        "identity": lambda z: z, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
        "softmax": lambda z: torch.softmax(z, dim=-1),
    }  # fmt: skip
    for node in column.nodes:
        if not isinstance(node.activation, str):
            raise Skip(f"{node.activation.name} is a Python function that PyTorch cannot run")
    histories = {f"history.{n}": h for n, h in given.items()}
    leaf = {n: torch.tensor(a, requires_grad=True) for n, a in (params | x | histories).items()}
    T, B = next(iter(x.values())).shape[:2]
    # Offsets of every z: their gradients are those of z.
    shapes = {n: (T, B, node.size) for n, node in column.node.items() if n not in x}
    leaf |= {
        f"dz({n})": torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        for n, shape in shapes.items()
    }

    def value(edge: Any, a: dict[str, dict[int, Any]], t: int, first: int) -> Any:
        at = t + column.offset(edge)
        s = a[edge.source][at]
        s = s.detach() if edge.gradient == "blocked" or max(at, -1) < first else s
        weight = column.weight(edge)
        if isinstance(weight, float):
            return weight * s
        return (
            s
            @ (
                leaf[weight]
                if isinstance(weight, str)
                else torch.tensor(weight, dtype=torch.float64)
            ).T
        )

    for window in windows:
        a: dict[str, dict[int, Any]] = {n: {} for n in column.node}
        for n, (before, after) in column.reach.items():
            rows = leaf.get(
                f"history.{n}",
                torch.zeros(before + after, B, column.node[n].size, dtype=torch.float64),
            )
            for k in range(before + after):
                row = rows[k] if rows.ndim == 3 else rows[k].expand(B, -1)
                a[n][k - before if k < before else T + k - before] = row
        for n in x:
            a[n] |= dict(enumerate(leaf[n]))
        for part in column.components:
            for t in reversed(range(T)) if part.backward else range(T):
                for n in part.nodes:
                    terms = [value(e, a, t, window.first) for e in column.into[n]]
                    node = column.node[n]
                    z = torch.stack(terms)
                    z = z.prod(0) if node.kind == "product" else z.sum(0)
                    z = (z + leaf[f"bias.{n}"] if node.bias else z) + leaf[f"dz({n})"][t]
                    a[n][t] = functions[node.activation](z)
        Y: Any = torch.stack([a[column.output][t] for t in window.losses])
        Y.backward(torch.tensor(np.ascontiguousarray(dY[window.losses.start : window.losses.stop])))
    return {n: np.zeros(v.shape) if v.grad is None else v.grad.numpy() for n, v in leaf.items()}
