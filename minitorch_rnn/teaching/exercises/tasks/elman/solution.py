# minitorch-rnn exercise: elman
"""Elman's rule: without an error through time no step waits for another, so no loop is needed."""

import numpy as np


def backward(p, x, h, h_init, dY):
    """The gradients by Elman's rule."""
    context = np.concatenate([h_init[None], h[:-1]])
    dz = (dY @ p["W_o"]) * (1 - h**2)

    def outer(d, a):
        return d.reshape(-1, d.shape[-1]).T @ a.reshape(-1, a.shape[-1])

    return {
        "W_x": outer(dz, x),
        "W_c": outer(dz, context),
        "b": dz.sum(axis=(0, 1)),
        "W_o": outer(dY, h),
        "b_o": dY.sum(axis=(0, 1)),
        "x": dz @ p["W_x"],
    }
