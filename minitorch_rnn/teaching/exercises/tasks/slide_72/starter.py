# minitorch-rnn exercise: slide-72
"""The forward pass of a recurrent network with L layers (slide 72).

    for t = 0 .. T-1:
        h(t,0) = x(t)
        for l = 1 .. L:
            z(t,l) = W_c(l) h(t,l-1) + W_r(l) h(t-1,l) + b(l)
            h(t,l) = tanh(z(t,l))
        z_o(t) = W_o h(t,L) + b_o
        Y(t)   = softmax(z_o(t))

One sequence; vectors and matrices as on the slide. Layers count from 1, time
from 0, and h(-1,l) is the state before the first step. The arguments:

    W_c, W_r, b   dictionaries by layer: W_c[1] is W_c(1), of shape (H, I)
    W_o, b_o      (O, H) and (O,)
    x             (T, I)
    h_init        dictionary by layer: h_init[l] is h(-1,l), of shape (H,)

Return  h, Y:

    h    a dictionary with h[t, l] for t = -1 .. T-1, l = 1 .. L, and the
         inputs h[t, 0] for t = 0 .. T-1
    Y    all outputs, (T, O), or a list of T vectors

Fill in `forward`, then:

    minitorch-rnn exercise check slide_72.py
"""

import numpy as np


def softmax(z):
    """Given: exp(z) divided by its sum."""
    e = np.exp(z - z.max())
    return e / e.sum()


def forward(W_c, W_r, b, W_o, b_o, x, h_init):
    """All states h[t, l] and all outputs Y."""
    raise NotImplementedError
