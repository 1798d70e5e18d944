# minitorch-rnn exercise: softmax-jacobian
"""The Jacobian of softmax (slide 85).

    Y_i = exp(z_i) / sum_k exp(z_k)

Every output depends on every z, so the derivative is a matrix:

    J_ij = dY_i/dz_j = Y_i (1 - Y_i)  if i = j,     -Y_i Y_j  otherwise
    dz_j = sum_i dY_i J_ij

1. `softmax_jacobian(Y)`: Y of shape (O,), one output vector; returns J (O, O).
2. `softmax_backward(dY, Y)`: both (B, O), B output vectors, one in each row;
   returns dz (B, O). It needs no Jacobian: write the sum out, and it shrinks
   to a few operations on whole arrays.

Fill in both, then:

    minitorch-rnn exercise check softmax_jacobian.py
"""

import numpy as np


def softmax_jacobian(Y):
    """The matrix of all dY_i/dz_j."""
    raise NotImplementedError


def softmax_backward(dY, Y):
    """The gradients at z, a row for each output vector."""
    raise NotImplementedError
