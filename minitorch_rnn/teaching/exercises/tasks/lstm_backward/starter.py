# minitorch-rnn exercise: lstm-backward
"""An LSTM layer, backward through time.

    z(t) = x(t) W_ih^T + h(t-1) W_hh^T + b        (B, 4H), the rows i, f, g, o
    i, f, o = sigmoid of their parts of z(t),     g = tanh of its part
    c(t) = f(t) * c(t-1) + i(t) * g(t)            * is elementwise
    h(t) = o(t) * tanh(c(t))

Two things are carried from step to step, so two errors are carried back. h(t)
is used above (`dh`) and in all four gates at t+1; c(t) is used in h(t) and in
c(t+1). Every user's part adds up.

    W_ih        (4H, I)     W_hh (4H, H), rows in the order i, f, g, o
    x           (T, B, I)
    gates       dictionary of i, f, g, o, each (T, B, H), after sigmoid or tanh
    c, h        (T, B, H)
    c_init, h_init   (B, H), c(-1) and h(-1)
    dh          (T, B, H)   what comes from above to h(t), for every t

Return a dictionary with the gradients of

    W_ih (4H, I),  W_hh (4H, H),  b (4H,),  x (T, B, I),
    h_init (B, H),  c_init (B, H)

Fill in `backward`, then:

    minitorch-rnn exercise check lstm_backward.py
"""

import numpy as np


def backward(W_ih, W_hh, x, gates, c, h, c_init, h_init, dh):
    """The gradients of an LSTM layer."""
    raise NotImplementedError
