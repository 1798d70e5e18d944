"""Ledgers of networks with drawn numbers, for the tests of their numbers and of their pictures."""

import numpy as np
from plain_columns import drawn

from minitorch_rnn import column as networks
from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.teaching.ledger import ledger

T, B, I, H, O = 6, 2, 4, 3, 5


def data(name, rng, T=T):
    """A column with parameters, inputs, and histories where they must be given; and dY."""
    column = COLUMNS[name](I, H, O) if isinstance(name, str) else name
    params, x, past = drawn(column, rng, T, B)
    given = {n: past[n] for n in past if column.node[n].history == "given"}
    return column, params, x, given, rng.normal(size=(T, B, column.node[column.output].size))


def account(column, params, x, given, dY, truncation=None):
    return ledger(column, x, dY=dY, params=params, histories=given, truncation=truncation)


def of_gain(gain, T=20, truncation=None, activation="identity"):
    """A state-space network whose recurrent weight is an orthogonal matrix times a gain."""
    rng = np.random.default_rng(1)
    column = networks.state_space(I, H, O, activation=activation)
    params, x, _ = drawn(column, rng, T, B)
    params["weight.h1(t-1)->h1"] = gain * np.linalg.qr(rng.normal(size=(H, H)))[0]
    dY = rng.normal(size=(T, B, O))
    return ledger(column, x, dY=dY, params=params, truncation=truncation)
