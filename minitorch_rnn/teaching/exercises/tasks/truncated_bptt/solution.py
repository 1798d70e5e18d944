# minitorch-rnn exercise: truncated-bptt
"""The sweep of slide 94 that forgets its error whenever it leaves a chunk."""

import numpy as np


def backward(p, x, h, h_init, dY, k):
    """The gradients with the error cut between chunks of k steps."""
    d = {name: np.zeros(W.shape) for name, W in p.items()}
    d["b"] = np.zeros(h.shape[2])
    d["x"] = np.zeros(x.shape)
    dh = np.zeros(h_init.shape)
    for t in range(len(x) - 1, -1, -1):
        before = h[t - 1] if t > 0 else h_init
        d["W_o"] += dY[t].T @ h[t]
        dz = (dY[t] @ p["W_o"] + dh) * (1 - h[t] ** 2)
        d["W_x"] += dz.T @ x[t]
        d["W_h"] += dz.T @ before
        d["b"] += dz.sum(axis=0)
        d["x"][t] = dz @ p["W_x"]
        dh = dz @ p["W_h"]
        if t % k == 0 and t > 0:
            dh = np.zeros(dh.shape)
    d["b_o"] = dY.sum(axis=(0, 1))
    d["h_init"] = dh
    return d
