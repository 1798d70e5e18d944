# minitorch-rnn exercise: cell-backward
"""An RNN cell, forward and backward, as homework usually has it.

One cell does one time step of one layer, for N examples at once:

    h_t = tanh(h_prev_l W_ih^T + b_ih + h_prev_t W_hh^T + b_hh)

    h_prev_l    (N, I)   the state of the layer before, at this time (or x)
    h_prev_t    (N, H)   the state of this layer, one time step before
    h_t         (N, H)   what this cell has computed
    delta       (N, H)   gradient of the divergence at h_t, from both users:
                         the layer above and the next time step

`backward` returns the gradients for those who made its inputs,

    dx          (N, I)   for the layer before
    dh_prev_t   (N, H)   for the time step before

and ADDS to self.dW_ih, self.dW_hh, self.db_ih, self.db_hh: one cell is used in
every time step, and `backward` is called once for each. Sums over the N
examples, no mean.

`run` shows how the checker uses the cell; leave it as it is. Fill in
`RNNCell.backward`, then:

    minitorch-rnn exercise check cell_backward.py
"""

import numpy as np


class RNNCell:
    """One time step of one layer; gradients are collected in dW_ih, dW_hh, db_ih, db_hh."""

    def __init__(self, W_ih, W_hh, b_ih, b_hh):
        self.W_ih, self.W_hh, self.b_ih, self.b_hh = W_ih, W_hh, b_ih, b_hh
        self.dW_ih, self.dW_hh = np.zeros(W_ih.shape), np.zeros(W_hh.shape)
        self.db_ih, self.db_hh = np.zeros(b_ih.shape), np.zeros(b_hh.shape)

    def forward(self, h_prev_l, h_prev_t):
        """The state h_t."""
        return np.tanh(h_prev_l @ self.W_ih.T + self.b_ih + h_prev_t @ self.W_hh.T + self.b_hh)

    def backward(self, delta, h_t, h_prev_l, h_prev_t):
        """The gradients dx, dh_prev_t; adds to those of the weights."""
        raise NotImplementedError


def run(weights, deltas, h_t, h_prev_l, h_prev_t):
    """Given: one cell, and `backward` for every step, the last first."""
    cell = RNNCell(*weights)
    dx, dh_prev_t = [], []
    for t in reversed(range(len(deltas))):
        step = cell.backward(deltas[t], h_t[t], h_prev_l[t], h_prev_t[t])
        dx.insert(0, step[0])
        dh_prev_t.insert(0, step[1])
    return {
        "dx": dx,
        "dh_prev_t": dh_prev_t,
        "dW_ih": cell.dW_ih,
        "dW_hh": cell.dW_hh,
        "db_ih": cell.db_ih,
        "db_hh": cell.db_hh,
    }
