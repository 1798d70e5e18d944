"""Activations on plain arrays of any number of axes, with their Jacobian products.

`slides` has the same functions of one vector, with the Jacobian as a matrix, as the deck has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minitorch_rnn.column import Column

Array = np.ndarray


class Function(NamedTuple):
    """f of z, and da Jacobian(y, z) from da, y and z; vectors lie on the last axis."""

    f: Callable[[Array], Array]
    jacobian_product: Callable[[Array, Array, Array], Array]


def _softmax(z: Array) -> Array:
    e = np.exp(z - z.real.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


FUNCTIONS = {  # on complex z all of these are analytic (relu: off its kink)
    "identity": Function(lambda z: z, lambda da, y, z: da),
    "relu": Function(lambda z: np.where(z.real > 0, z, 0), lambda da, y, z: da * (z > 0)),
    "sigmoid": Function(
        lambda z: 0.5 + 0.5 * np.tanh(0.5 * z),  # 1 / (1 + exp(-z)), which cannot overflow
        lambda da, y, z: da * y * (1 - y),
    ),
    "softmax": Function(
        _softmax,
        lambda da, y, z: y * (da - (da * y).sum(axis=-1, keepdims=True)),  # da (diag(y) - y yT)
    ),
    "tanh": Function(np.tanh, lambda da, y, z: da * (1 - y * y)),
}


def functions_of(column: Column) -> dict[str, Function]:
    """f and its Jacobian product, on arrays, for every node that computes."""
    found = {}
    for node in column.nodes:
        own = node.activation
        if isinstance(own, str):
            found[node.name] = FUNCTIONS[own]
        else:
            found[node.name] = Function(lambda z, f=own.f: f(np, z), own.jacobian_product)  # type: ignore[misc]
    return found
