"""Slides 72 and 94 in code: one sequence, vectors and matrices, NumPy alone.

Read it beside the deck. `h[t, l]` is h(t,l) with `h[t, 0]` = x(t) and `h[-1, l]` the initial state;
layers count from 1, time from 0. Derivatives are row vectors, so `dz = dh @ J` reads as on the
slides; gradients of weights are stored in the weight's own shape, the transpose of the slides'.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.errors import ShapeError

Array = np.ndarray


class Activation(NamedTuple):
    """A function of a vector z and its Jacobian ∂y/∂z, an (n, n) matrix, at y = f(z).

    >>> ACTIVATIONS["tanh"].jacobian(np.zeros(2), np.zeros(2))
    array([[1., 0.],
           [0., 1.]])
    """

    f: Callable[[Array], Array]
    jacobian: Callable[[Array, Array], Array]  # of y and z


def _softmax(z: Array) -> Array:
    e = np.exp(z - z[np.argmax(z.real)])
    return np.asarray(e / e.sum())


# On complex z, as the complex step needs them, all of these are analytic (relu: off its kink).
ACTIVATIONS = {
    "identity": Activation(lambda z: z, lambda y, z: np.eye(len(z))),
    "relu": Activation(
        lambda z: np.where(z.real > 0, z, 0), lambda y, z: np.diag((z > 0).astype(z.dtype))
    ),
    "sigmoid": Activation(lambda z: 1 / (1 + np.exp(-z)), lambda y, z: np.diag(y * (1 - y))),
    "softmax": Activation(_softmax, lambda y, z: np.diag(y) - np.outer(y, y)),  # slide 85
    "tanh": Activation(np.tanh, lambda y, z: np.diag(1 - y * y)),
}


class Trace(NamedTuple):
    """All that the forward pass computed: `h[t, l]`, `z[t, l]`, `z_o[t]` and the outputs `Y[t]`.

    >>> from minitorch_rnn.bptt.names import from_torch
    >>> params = from_torch({"weight_ih_l0": np.eye(1), "weight_hh_l0": np.eye(1)})
    >>> trace = forward(params, np.ones((2, 1)), {1: np.zeros(1)})
    >>> sorted(trace.h)
    [(-1, 1), (0, 0), (0, 1), (1, 0), (1, 1)]
    """

    h: dict[tuple[int, int], Array]
    z: dict[tuple[int, int], Array]
    z_o: dict[int, Array]
    Y: dict[int, Array]


def forward(
    params: dict[str, Any],
    x: Array,
    h_init: dict[int, Array],
    hidden: str = "tanh",
    output: str = "softmax",
) -> Trace:
    """Slide 72, the forward pass over one sequence.

        z(t,l) = W_c(l) h(t,l-1) + W_r(l) h(t-1,l) + b(l),  h(t,l) = f(z(t,l))
        z_o(t) = W_o h(t,L) + b_o,                          Y(t)   = g(z_o(t))

    Args:
        params: ``{"W_c": {l: (H, I or H)}, "W_r": {l: (H, H)}, "b": {l: (H,)}, "W_o": (O, H),
            "b_o": (O,)}`` with layers l = 1 … L.
        x: inputs, (T, I).
        h_init: h(-1,l) for every layer, ``{l: (H,)}``.
        hidden, output: names in `ACTIVATIONS`; the deck has tanh and softmax.

    Source: slide 72.

    >>> params = {"W_c": {1: np.eye(1)}, "W_r": {1: np.eye(1)}, "b": {1: np.zeros(1)},
    ...           "W_o": np.eye(1), "b_o": np.zeros(1)}
    >>> trace = forward(params, np.ones((2, 1)), {1: np.zeros(1)}, "identity", "identity")
    >>> float(trace.Y[1][0])
    2.0
    """
    W_c, W_r, b, W_o, b_o = (params[k] for k in ("W_c", "W_r", "b", "W_o", "b_o"))
    f, g = ACTIVATIONS[hidden].f, ACTIVATIONS[output].f
    T, L = len(x), len(W_c)
    h = {(-1, l): h_init[l] for l in range(1, L + 1)}
    z, z_o, Y = {}, {}, {}
    for t in range(T):
        h[t, 0] = x[t]
        for l in range(1, L + 1):
            z[t, l] = W_c[l] @ h[t, l - 1] + W_r[l] @ h[t - 1, l] + b[l]
            h[t, l] = f(z[t, l])
        z_o[t] = W_o @ h[t, L] + b_o
        Y[t] = g(z_o[t])
    return Trace(h, z, z_o, Y)


def backward(
    params: dict[str, Any],
    trace: Trace,
    dY: Array,
    hidden: str = "tanh",
    output: str = "softmax",
) -> dict[str, Any]:
    """Slide 94, backpropagation through time, for t = T-1 … 0.

        dz_o(t)    = dY(t) Jacobian(Y(t), z_o(t))
        dh(t,L)   += dz_o(t) W_o
        dz(t,l)    = dh(t,l) Jacobian(h(t,l), z(t,l))
        dh(t,l-1) += dz(t,l) W_c(l)
        dh(t-1,l)  = dz(t,l) W_r(l)

    Args:
        params, hidden, output: as given to `forward`.
        trace: what `forward` returned.
        dY: dDIV/dY(t) for all t, (T, O). DIV may be any function of the whole series of outputs.

    Returns:
        ``{"W_c": {l: …}, "W_r": {l: …}, "b": {l: …}, "W_o": …, "b_o": …}`` in the shapes of
        `params`, ``"x"``: (T, I) and ``"h_init"``: {l: (H,)}, the gradients of x(t) and h(-1,l).

    Raises:
        ShapeError: if `dY` and `trace` differ in T.

    Nothing here uses the autograd engine; the tests rely on that.

    Source: slide 94.

    >>> from minitorch_rnn.bptt.names import from_torch
    >>> params = from_torch({"weight_ih_l0": np.eye(1), "weight_hh_l0": np.eye(1)})
    >>> trace = forward(params, np.ones((2, 1)), {1: np.zeros(1)}, "identity", "identity")
    >>> backward(params, trace, np.ones((2, 1)), "identity", "identity")["h_init"]
    {1: array([2.])}
    """
    W_c, W_r, W_o = params["W_c"], params["W_r"], params["W_o"]
    h, z, z_o, Y = trace
    T, L = len(Y), len(W_c)
    if len(dY) != T:
        raise ShapeError(f"backward: dY has {len(dY)} time steps, the trace has {T}.")
    jacobian, jacobian_o = ACTIVATIONS[hidden].jacobian, ACTIVATIONS[output].jacobian

    dh = {(t, l): np.zeros(h[t, l].shape) for t in range(T) for l in range(L + 1)}
    dW_c = {l: np.zeros(W_c[l].shape) for l in W_c}
    dW_r = {l: np.zeros(W_r[l].shape) for l in W_r}
    db = {l: np.zeros(len(W_r[l])) for l in W_r}
    dW_o, db_o = np.zeros(W_o.shape), np.zeros(len(W_o))

    for t in range(T - 1, -1, -1):
        dz_o = dY[t] @ jacobian_o(Y[t], z_o[t])
        dW_o += np.outer(dz_o, h[t, L])
        db_o += dz_o
        dh[t, L] += dz_o @ W_o  # note the addition: t+1 has written here already
        for l in range(L, 0, -1):
            dz = dh[t, l] @ jacobian(h[t, l], z[t, l])
            dh[t, l - 1] += dz @ W_c[l]  # and here, except at l = 1, where this is dx(t)
            dh[t - 1, l] = dz @ W_r[l]  # the first to write; at t = 0 the gradient of h(-1,l)
            dW_c[l] += np.outer(dz, h[t, l - 1])
            dW_r[l] += np.outer(dz, h[t - 1, l])
            db[l] += dz

    return {
        "W_c": dW_c, "W_r": dW_r, "b": db, "W_o": dW_o, "b_o": db_o,
        "x": np.array([dh[t, 0] for t in range(T)]),
        "h_init": {l: dh[-1, l] for l in range(1, L + 1)},
    }  # fmt: skip
