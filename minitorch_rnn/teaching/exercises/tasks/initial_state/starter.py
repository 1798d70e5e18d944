# minitorch-rnn exercise: initial-state
"""The state before the first step is a parameter too (slides 69 and 91).

    z(0) = W_c x(0) + W_r h(-1) + b      and so on, for t = 0 .. T-1

The sweep of slide 94 has reached t = 0 and has found all dz(t). What is left
is everything that has to do with h(-1). B sequences were run side by side, all
from the same, learned state h_init:

    W_r     (H, H)
    dz      (T, B, H)    dDIV/dz(t) for all t
    h       (T, B, H)    the states h(0) .. h(T-1)
    h_init  (H,)         h(-1) of every sequence

Return a dictionary with

    "dh(-1)"  (B, H)     dDIV/dh(-1) as each sequence sees it:
                         dh_i(-1) = sum_j w_ij dz_j(0)             slide 91
                         (the slide's w_ij leads from i to j: our W_r[j, i])
    "h_init"  (H,)       the gradient of the shared h_init
    "W_r"     (H, H)     the gradient of W_r: sum over t = 0 .. T-1 and over the
                         sequences of outer(dz(t), h(t-1)); t = 0 uses h(-1)

Fill in `backward`, then:

    minitorch-rnn exercise check initial_state.py
"""

import numpy as np


def backward(W_r, dz, h, h_init):
    """The gradients of h(-1), of the shared h_init, and of W_r."""
    raise NotImplementedError
