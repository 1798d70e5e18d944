# minitorch-rnn exercise: gradient-check
"""Central differences, one component at a time."""

import numpy as np


def differences(f, x, eps):
    """The central differences of f at x, in the shape of x."""
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += eps
        down[i] -= eps
        gradient[i] = (f(up) - f(down)) / (2 * eps)
    return gradient
