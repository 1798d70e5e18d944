# minitorch-rnn exercise: two-layers
"""Slide 94 with any number of layers, line by line."""

import numpy as np


def backward(W_c, W_r, W_o, h, dY):
    """The gradients of all parameters, of x and of all h(-1,l)."""
    T, L = len(dY), len(W_c)
    dh = {place: np.zeros(len(state)) for place, state in h.items()}
    dW_c = {l: np.zeros(W_c[l].shape) for l in W_c}
    dW_r = {l: np.zeros(W_r[l].shape) for l in W_r}
    db = {l: np.zeros(len(W_r[l])) for l in W_r}
    dW_o, db_o = np.zeros(W_o.shape), np.zeros(len(W_o))
    for t in range(T - 1, -1, -1):
        dz_o = dY[t]
        dW_o += np.outer(dz_o, h[t, L])
        db_o += dz_o
        dh[t, L] += dz_o @ W_o
        for l in range(L, 0, -1):
            dz = dh[t, l] * (1 - h[t, l] ** 2)
            dh[t, l - 1] += dz @ W_c[l]
            dh[t - 1, l] = dz @ W_r[l]
            dW_c[l] += np.outer(dz, h[t, l - 1])
            dW_r[l] += np.outer(dz, h[t - 1, l])
            db[l] += dz
    return {
        "W_c": dW_c,
        "W_r": dW_r,
        "b": db,
        "h_init": {l: dh[-1, l] for l in W_c},
        "W_o": dW_o,
        "b_o": db_o,
        "x": np.array([dh[t, 0] for t in range(T)]),
    }
