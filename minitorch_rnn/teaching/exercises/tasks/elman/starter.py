# minitorch-rnn exercise: elman
"""Elman's network: a link over which no error flows (slide 48).

The forward pass is that of any simple recurrent network; c(t) is a clone of the
state of the step before:

    c(t) = h(t-1)
    h(t) = tanh(x(t) W_x^T + c(t) W_c^T + b)
    Y(t) = h(t) W_o^T + b_o

But in the backward pass c(t) is data, as x(t) is: W_c gets its gradient, and
nothing flows back over the clone to h(t-1).

    p        dictionary of the weights: W_x (H, I), W_c (H, H), W_o (O, H)
    x        (T, B, I)
    h        (T, B, H)
    h_init   (B, H)       h(-1), Elman's initial context
    dY       (T, B, O)

Return a dictionary with the gradients of  W_x, W_c, b, W_o, b_o, x.

Fill in `backward`, then:

    minitorch-rnn exercise check elman.py
"""

import numpy as np


def backward(p, x, h, h_init, dY):
    """The gradients by Elman's rule."""
    raise NotImplementedError
