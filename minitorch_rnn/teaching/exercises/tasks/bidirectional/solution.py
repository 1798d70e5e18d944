# minitorch-rnn exercise: bidirectional
"""Two sweeps: the forward net's from T-1 to 0, the backward net's from 0 to T-1."""

import numpy as np


def backward(p, x, h_f, h_b, h_f_init, h_b_init, dY):
    """The gradients of both nets."""
    T = len(x)
    names = ["W_xf", "W_ff", "W_xb", "W_bb", "W_fy", "W_by"]
    d = {name: np.zeros(p[name].shape) for name in names}
    for t in range(T):
        d["W_fy"] += dY[t].T @ h_f[t]
        d["W_by"] += dY[t].T @ h_b[t]
    d["b_y"] = dY.sum(axis=(0, 1))
    d["x"] = np.zeros(x.shape)

    d["b_f"], dh = np.zeros(h_f.shape[2]), np.zeros(h_f_init.shape)
    for t in range(T - 1, -1, -1):
        before = h_f[t - 1] if t > 0 else h_f_init
        dz = (dY[t] @ p["W_fy"] + dh) * (1 - h_f[t] ** 2)
        d["W_xf"] += dz.T @ x[t]
        d["W_ff"] += dz.T @ before
        d["b_f"] += dz.sum(axis=0)
        d["x"][t] += dz @ p["W_xf"]
        dh = dz @ p["W_ff"]
    d["h_f_init"] = dh

    d["b_b"], dh = np.zeros(h_b.shape[2]), np.zeros(h_b_init.shape)
    for t in range(T):
        before = h_b[t + 1] if t < T - 1 else h_b_init
        dz = (dY[t] @ p["W_by"] + dh) * (1 - h_b[t] ** 2)
        d["W_xb"] += dz.T @ x[t]
        d["W_bb"] += dz.T @ before
        d["b_b"] += dz.sum(axis=0)
        d["x"][t] += dz @ p["W_xb"]
        dh = dz @ p["W_bb"]
    d["h_b_init"] = dh
    return d
