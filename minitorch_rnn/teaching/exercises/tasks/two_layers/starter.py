# minitorch-rnn exercise: two-layers
"""Backpropagation through time with several layers (slides 92 and 94).

Every state h(t,l) now has up to three users: the layer above (or the output) at
the same time, and itself at t+1. The whole of slide 94:

    for t = T-1 downto 0:
        dz_o(t)    = dY(t)                           the output is linear here
        dW_o      += outer(dz_o(t), h(t,L))          db_o += dz_o(t)
        dh(t,L)   += dz_o(t) W_o
        for l = L downto 1:
            dz(t,l)    = dh(t,l) Jacobian(h(t,l), z(t,l))      tanh again
            dh(t,l-1) += dz(t,l) W_c(l)              l = 1: this is dx(t)
            dh(t-1,l)  = dz(t,l) W_r(l)              t = 0: this is dh(-1,l)
            dW_c(l)   += outer(dz(t,l), h(t,l-1))
            dW_r(l)   += outer(dz(t,l), h(t-1,l))
            db(l)     += dz(t,l)

One sequence; L is 1, 2 or 3. The arguments:

    W_c, W_r   dictionaries by layer, W_c[1] (H, I), W_c[2] (H, H), ..
    W_o        (O, H)
    h          dictionary: h[t, l], and h[t, 0] = x(t), and h[-1, l]
    dY         (T, O)

Return a dictionary with

    "W_c", "W_r", "b", "h_init"    dictionaries by layer, 1 .. L
    "W_o", "b_o", "x"              arrays; x is (T, I)

Fill in `backward`, then:

    minitorch-rnn exercise check two_layers.py
"""

import numpy as np


def backward(W_c, W_r, W_o, h, dY):
    """The gradients of all parameters, of x and of all h(-1,l)."""
    raise NotImplementedError
