# minitorch-rnn exercise: slide-72
"""The forward pass of slide 72, line by line."""

import numpy as np


def softmax(z):
    """Given: exp(z) divided by its sum."""
    e = np.exp(z - z.max())
    return e / e.sum()


def forward(W_c, W_r, b, W_o, b_o, x, h_init):
    """All states h[t, l] and all outputs Y."""
    T, L = len(x), len(W_c)
    h = {(-1, l): h_init[l] for l in range(1, L + 1)}
    Y = []
    for t in range(T):
        h[t, 0] = x[t]
        for l in range(1, L + 1):
            z = W_c[l] @ h[t, l - 1] + W_r[l] @ h[t - 1, l] + b[l]
            h[t, l] = np.tanh(z)
        Y.append(softmax(W_o @ h[t, L] + b_o))
    return h, np.array(Y)
