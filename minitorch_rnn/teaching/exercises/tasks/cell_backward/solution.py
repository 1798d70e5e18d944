# minitorch-rnn exercise: cell-backward
"""The backward pass of an RNN cell: one time step, called once for each."""

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
        dz = delta * (1 - h_t**2)
        self.dW_ih += dz.T @ h_prev_l
        self.dW_hh += dz.T @ h_prev_t
        self.db_ih += dz.sum(axis=0)
        self.db_hh += dz.sum(axis=0)
        return dz @ self.W_ih, dz @ self.W_hh


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
