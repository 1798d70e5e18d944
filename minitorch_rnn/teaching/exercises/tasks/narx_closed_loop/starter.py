# minitorch-rnn exercise: narx-closed-loop
"""A NARX network in closed loop: the error flows through its output (slide 45).

    h(t) = tanh(x(t) W_x^T + Y(t-1) W_y^T + b)
    Y(t) = h(t) W_o^T + b_o

Its own last output is fed back. While training with the TARGET fed back in its
place ("teacher forcing") Y(t-1) would be data. Here the loop is closed: Y(t)
has two users, the divergence and h(t+1), and its gradient has two parts.

    p        dictionary of the weights: W_x (H, I), W_y (H, O), W_o (O, H)
    x        (T, B, I)
    h, Y     (T, B, H), (T, B, O)
    Y_init   (B, O)       Y(-1)
    dY       (T, B, O)    the divergence's own part of the gradient at Y(t)

Return a dictionary with the gradients of

    W_x, W_y, b, W_o, b_o, x (T, B, I), Y_init (B, O)

Fill in `backward`, then:

    minitorch-rnn exercise check narx_closed_loop.py
"""

import numpy as np


def backward(p, x, h, Y, Y_init, dY):
    """The gradients with the loop closed."""
    raise NotImplementedError
