"""Optimisers: SGD with momentum, and Adam."""

from minitorch_rnn.optim.adam import Adam
from minitorch_rnn.optim.optimizer import Optimizer
from minitorch_rnn.optim.sgd import SGD

__all__ = ["Adam", "Optimizer", "SGD"]
