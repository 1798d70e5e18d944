# minitorch-rnn exercise: narx-closed-loop
"""The sweep of a NARX network: what is carried from step to step is the error of the output."""

import numpy as np


def backward(p, x, h, Y, Y_init, dY):
    """The gradients with the loop closed."""
    d = {name: np.zeros(W.shape) for name, W in p.items()}
    d["b"], d["b_o"] = np.zeros(h.shape[2]), np.zeros(Y.shape[2])
    d["x"] = np.zeros(x.shape)
    from_next = np.zeros(Y_init.shape)
    for t in range(len(x) - 1, -1, -1):
        before = Y[t - 1] if t > 0 else Y_init
        dz_o = dY[t] + from_next
        d["W_o"] += dz_o.T @ h[t]
        d["b_o"] += dz_o.sum(axis=0)
        dz = (dz_o @ p["W_o"]) * (1 - h[t] ** 2)
        d["W_x"] += dz.T @ x[t]
        d["W_y"] += dz.T @ before
        d["b"] += dz.sum(axis=0)
        d["x"][t] = dz @ p["W_x"]
        from_next = dz @ p["W_y"]
    d["Y_init"] = from_next
    return d
