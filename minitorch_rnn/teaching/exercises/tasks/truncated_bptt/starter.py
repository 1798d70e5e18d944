# minitorch-rnn exercise: truncated-bptt
"""Truncated backpropagation through time, in chunks.

A long sequence is cut into chunks of k steps: 0 .. k-1, k .. 2k-1, and so on;
the last may be shorter. The forward pass knows nothing of it, the state goes on
from chunk to chunk:

    h(t) = tanh(x(t) W_x^T + h(t-1) W_h^T + b)
    Y(t) = h(t) W_o^T + b_o

In the backward pass no error crosses from a chunk into the one before: dz(t) is
sent back to h(t-1) unless t is the first step of a chunk. (t = 0 is the first
step of a chunk too, but nothing is before it: h(-1) gets its gradient.) W_h
pairs every dz(t) with h(t-1), also at the beginning of a chunk.

    p        dictionary of the weights: W_x (H, I), W_h (H, H), W_o (O, H)
    x        (T, B, I)
    h        (T, B, H)
    h_init   (B, H)
    dY       (T, B, O)
    k        steps in a chunk; with k >= T nothing is cut

Return a dictionary with the gradients of

    W_x, W_h, b, W_o, b_o, x (T, B, I), h_init (B, H)

Fill in `backward`, then:

    minitorch-rnn exercise check truncated_bptt.py
"""

import numpy as np


def backward(p, x, h, h_init, dY, k):
    """The gradients with the error cut between chunks of k steps."""
    raise NotImplementedError
