# minitorch-rnn exercise: faster-scan
"""What does not recur is done for all t at once; the loops keep three operations a step."""

import numpy as np


def forward(x, h_init, W_ih, W_hh, b):
    """All states, (T, B, H)."""
    z = x @ W_ih.T + b
    h = np.empty(z.shape)
    before, across = h_init, W_hh.T
    for t in range(len(x)):
        h[t] = before = np.tanh(z[t] + before @ across)
    return h


def backward(dh, x, h, h_init, W_ih, W_hh):
    """A dictionary with the gradients of W_ih, W_hh, b, x and h_init."""
    slope = 1 - h * h
    dz = np.empty(h.shape)
    carried = np.zeros(h_init.shape)
    for t in range(len(x) - 1, -1, -1):
        dz[t] = step = (dh[t] + carried) * slope[t]
        carried = step @ W_hh
    rows = dz.reshape(-1, dz.shape[2])
    before = np.concatenate([h_init[None], h[:-1]])
    return {
        "W_ih": rows.T @ x.reshape(len(rows), -1),
        "W_hh": rows.T @ before.reshape(rows.shape),
        "b": rows.sum(axis=0),
        "x": dz @ W_ih,
        "h_init": carried,
    }
