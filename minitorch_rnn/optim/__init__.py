"""Optimisers and schedules of their rates, with PyTorch's names, equal to its step by step."""

from minitorch_rnn.optim import lr_scheduler
from minitorch_rnn.optim.adagrad import Adagrad
from minitorch_rnn.optim.adam import Adam, AdamW
from minitorch_rnn.optim.optimizer import Optimizer
from minitorch_rnn.optim.rmsprop import RMSprop
from minitorch_rnn.optim.sgd import SGD

__all__ = ["Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "SGD", "lr_scheduler"]
