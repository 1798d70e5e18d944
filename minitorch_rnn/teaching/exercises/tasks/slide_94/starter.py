# minitorch-rnn exercise: slide-94
"""Backpropagation through time, one layer (slide 94).

The forward pass has been done (it is exercise slide-72 with L = 1):

    z(t) = W_c x(t) + W_r h(t-1) + b,    h(t) = tanh(z(t))
    z_o(t) = W_o h(t) + b_o,             Y(t) = softmax(z_o(t))

Now backward, for t = T-1 downto 0:

    dz_o(t)  = dY(t) Jacobian(Y(t), z_o(t))
    dW_o    += outer(dz_o(t), h(t))            db_o += dz_o(t)
    dh(t)   += dz_o(t) W_o                     t+1 has written here already
    dz(t)    = dh(t) Jacobian(h(t), z(t))
    dx(t)    = dz(t) W_c
    dh(t-1)  = dz(t) W_r                       the first to write
    dW_c    += outer(dz(t), x(t))
    dW_r    += outer(dz(t), h(t-1))            db   += dz(t)

One sequence; gradients have the shape of what they belong to. The arguments:

    W_c (H, I),  W_r (H, H),  W_o (O, H)
    x   (T, I)
    h   dictionary by t: h[-1], h[0], .. h[T-1], vectors (H,)
    Y   (T, O)      dY  (T, O), the gradient of the divergence at every Y(t)

Return a dictionary with

    "W_c", "W_r", "b" (H,), "W_o", "b_o" (O,), "x" (T, I), "h_init" (H,)

where "h_init" is dh(-1), what the loop leaves over at its end.

Fill in `backward`, then:

    minitorch-rnn exercise check slide_94.py
"""

import numpy as np


def softmax_jacobian(Y):
    """Given: the matrix of all dY_i/dz_j (slide 85)."""
    return np.diag(Y) - np.outer(Y, Y)


def backward(W_c, W_r, W_o, x, h, Y, dY):
    """The gradients of all parameters, of x and of h(-1)."""
    raise NotImplementedError
