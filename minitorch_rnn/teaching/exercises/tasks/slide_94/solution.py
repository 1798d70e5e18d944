# minitorch-rnn exercise: slide-94
"""Backpropagation through time for one layer, slide 94 line by line."""

import numpy as np


def softmax_jacobian(Y):
    """Given: the matrix of all dY_i/dz_j (slide 85)."""
    return np.diag(Y) - np.outer(Y, Y)


def backward(W_c, W_r, W_o, x, h, Y, dY):
    """The gradients of all parameters, of x and of h(-1)."""
    T = len(x)
    dW_c, dW_r, dW_o = np.zeros(W_c.shape), np.zeros(W_r.shape), np.zeros(W_o.shape)
    db, db_o, dx = np.zeros(len(W_c)), np.zeros(len(W_o)), np.zeros(x.shape)
    dh = {t: np.zeros(len(W_r)) for t in range(-1, T)}
    for t in range(T - 1, -1, -1):
        dz_o = dY[t] @ softmax_jacobian(Y[t])
        dW_o += np.outer(dz_o, h[t])
        db_o += dz_o
        dh[t] += dz_o @ W_o
        dz = dh[t] * (1 - h[t] ** 2)
        dx[t] = dz @ W_c
        dh[t - 1] = dz @ W_r
        dW_c += np.outer(dz, x[t])
        dW_r += np.outer(dz, h[t - 1])
        db += dz
    return {
        "W_c": dW_c,
        "W_r": dW_r,
        "b": db,
        "W_o": dW_o,
        "b_o": db_o,
        "x": dx,
        "h_init": dh[-1],
    }
