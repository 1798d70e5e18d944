"""Slides 79–93: backpropagation through time unit by unit, in plain loops over scalars.

The same gradients as `slides`, from the equations as they stand before anybody wrote a matrix:
`w[i][j]` leads from unit i to unit j, every sum is a loop, and every derivative is one number.
Slow, and meant to be read.
"""

from typing import Any

import numpy as np

from minitorch_rnn.bptt.slides import Trace
from minitorch_rnn.errors import ShapeError

Array = np.ndarray


def _slope(name: str, y: float, z: float) -> float:
    """f'(z) of a scalar activation, where y = f(z)."""
    match name:
        case "identity":
            return 1.0
        case "relu":
            return 1.0 if z > 0 else 0.0
        case "sigmoid":
            return y * (1 - y)
        case "tanh":
            return 1 - y * y
    raise KeyError(name)


def output_derivatives(name: str, dY: Array, Y: Array, z_o: Array) -> list[float]:
    """dDIV/dZ_i of the output units at one time, from dDIV/dY_j.

        scalar activation: dZ_i = dY_i f'(Z_i)
        softmax:           dZ_i = sum_j dY_j Y_j (δ_ij - Y_i)

    Source: slides 79 and 85.

    >>> Y = np.array([0.5, 0.5])
    >>> np.array(output_derivatives("softmax", np.array([1.0, 0.0]), Y, np.zeros(2)))
    array([ 0.25, -0.25])
    """
    n = len(dY)
    if name == "softmax":
        return [
            sum(dY[j] * Y[j] * ((1 if i == j else 0) - Y[i]) for j in range(n)) for i in range(n)
        ]
    return [dY[i] * _slope(name, Y[i], z_o[i]) for i in range(n)]


def backward(
    params: dict[str, Any],
    trace: Trace,
    dY: Array,
    hidden: str = "tanh",
    output: str = "softmax",
) -> dict[str, Any]:
    """The gradients of `slides.backward`, component by component.

        dh_i(t)  = sum_j w1_ij dZ1_j(t) + sum_j w11_ij dZ0_j(t+1)
        dZ0_i(t) = dh_i(t) f'(Z0_i(t))
        dw0_ij   = sum_t dZ0_j(t) X_i(t),  dw11_ij = sum_t dZ0_j(t) h_i(t-1)
        dh_i(-1) = sum_j w11_ij dZ0_j(0)

    Here w1 leads up (to the next layer or the output) and w11 leads to the next time.

    Args and returns as `slides.backward`.

    Source: slides 79–93; deep nets by slide 92.

    >>> from minitorch_rnn.bptt import forward, names
    >>> params = names.from_torch({"weight_ih_l0": np.eye(1), "weight_hh_l0": np.eye(1)})
    >>> trace = forward(params, np.ones((2, 1)), {1: np.zeros(1)}, "identity", "identity")
    >>> backward(params, trace, np.ones((2, 1)), "identity", "identity")["h_init"]
    {1: array([2.])}
    """
    W_c, W_r, W_o = params["W_c"], params["W_r"], params["W_o"]
    h, z, z_o, Y = trace
    T, L = len(Y), len(W_c)
    if len(dY) != T:
        raise ShapeError(f"backward: dY has {len(dY)} time steps, the trace has {T}.")

    dZ: dict[tuple[int, int], list[float]] = {}  # (t, l); the output units are layer L + 1
    for t in range(T - 1, -1, -1):
        dZ[t, L + 1] = output_derivatives(output, dY[t], Y[t], z_o[t])
        for l in range(L, 0, -1):
            above = W_o if l == L else W_c[l + 1]
            dZ[t, l] = []
            for i in range(len(h[t, l])):
                dh = sum(above[j][i] * dZ[t, l + 1][j] for j in range(len(above)))
                if t < T - 1:  # the last column has no future
                    dh += sum(W_r[l][j][i] * dZ[t + 1, l][j] for j in range(len(W_r[l])))
                dZ[t, l].append(dh * _slope(hidden, h[t, l][i], z[t, l][i]))

    def weights(like: Array, layer: int, into: int, delay: int) -> Array:
        d = np.zeros(like.shape)
        for j, i in np.ndindex(like.shape):
            d[j, i] = sum(dZ[t, into][j] * h[t - delay, layer][i] for t in range(T))
        return d

    def biases(layer: int) -> Array:
        return np.array([sum(dZ[t, layer][j] for t in range(T)) for j in range(len(dZ[0, layer]))])

    def through(W: Array, t: int, l: int) -> Array:
        return np.array(
            [sum(W[j][i] * dZ[t, l][j] for j in range(len(W))) for i in range(W.shape[1])]
        )

    layers = range(1, L + 1)
    return {
        "W_c": {l: weights(W_c[l], l - 1, l, 0) for l in layers},
        "W_r": {l: weights(W_r[l], l, l, 1) for l in layers},
        "b": {l: biases(l) for l in layers},
        "W_o": weights(W_o, L, L + 1, 0),
        "b_o": biases(L + 1),
        "x": np.array([through(W_c[1], t, 1) for t in range(T)]),
        "h_init": {l: through(W_r[l], 0, l) for l in layers},
    }
