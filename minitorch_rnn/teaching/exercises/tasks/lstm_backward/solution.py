# minitorch-rnn exercise: lstm-backward
"""The sweep of an LSTM: dh and dc are carried back, four gates share each step."""

import numpy as np


def backward(W_ih, W_hh, x, gates, c, h, c_init, h_init, dh):
    """The gradients of an LSTM layer."""
    dW_ih, dW_hh = np.zeros(W_ih.shape), np.zeros(W_hh.shape)
    db, dx = np.zeros(len(W_ih)), np.zeros(x.shape)
    dh_next, dc_next = np.zeros(h_init.shape), np.zeros(c_init.shape)
    for t in range(len(x) - 1, -1, -1):
        i, f, g, o = (gates[name][t] for name in "ifgo")
        c_before = c[t - 1] if t > 0 else c_init
        h_before = h[t - 1] if t > 0 else h_init
        squashed = np.tanh(c[t])
        dh_t = dh[t] + dh_next
        dc = dc_next + dh_t * o * (1 - squashed**2)
        dz = np.concatenate(
            [
                dc * g * i * (1 - i),
                dc * c_before * f * (1 - f),
                dc * i * (1 - g**2),
                dh_t * squashed * o * (1 - o),
            ],
            axis=1,
        )
        dW_ih += dz.T @ x[t]
        dW_hh += dz.T @ h_before
        db += dz.sum(axis=0)
        dx[t] = dz @ W_ih
        dh_next = dz @ W_hh
        dc_next = dc * f
    return {"W_ih": dW_ih, "W_hh": dW_hh, "b": db, "x": dx, "h_init": dh_next, "c_init": dc_next}
