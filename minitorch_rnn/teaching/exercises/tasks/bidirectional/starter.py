# minitorch-rnn exercise: bidirectional
"""Backpropagation through a bidirectional network (slides 96-100).

Two nets with weights of their own read the sequence, one from each end:

    h_f(t) = tanh(x(t) W_xf^T + h_f(t-1) W_ff^T + b_f)     t = 0 .. T-1
    h_b(t) = tanh(x(t) W_xb^T + h_b(t+1) W_bb^T + b_b)     t = T-1 .. 0
    Y(t)   = h_f(t) W_fy^T + h_b(t) W_by^T + b_y           when both are done

The backward net is not the backward pass of anything: it has a backward pass of
its own. The error of h_f goes back from T-1 to 0, as always. Which way does the
error of h_b go?

    p         dictionary of the weights: W_xf, W_ff, W_xb, W_bb, W_fy, W_by
    x         (T, B, I)
    h_f, h_b  (T, B, H)
    h_f_init  (B, H)     h_f(-1)
    h_b_init  (B, H)     h_b(T), where the backward net starts
    dY        (T, B, O)

Return a dictionary with the gradients of

    W_xf, W_ff, b_f, W_xb, W_bb, b_b, W_fy, W_by, b_y,
    x (T, B, I), h_f_init (B, H), h_b_init (B, H)

Fill in `backward`, then:

    minitorch-rnn exercise check bidirectional.py
"""

import numpy as np


def backward(p, x, h_f, h_b, h_f_init, h_b_init, dY):
    """The gradients of both nets."""
    raise NotImplementedError
