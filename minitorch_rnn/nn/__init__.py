"""Modules with PyTorch's names, shapes and initialisation."""

from minitorch_rnn.engine import Parameter
from minitorch_rnn.nn import init, utils
from minitorch_rnn.nn.linear import Linear
from minitorch_rnn.nn.losses import (
    CrossEntropyLoss,
    DivergenceLoss,
    MSELoss,
    cross_entropy,
    mse_loss,
)
from minitorch_rnn.nn.module import Module
from minitorch_rnn.nn.network import RecurrentNetwork
from minitorch_rnn.nn.rnn import RNN
from minitorch_rnn.nn.truncated import truncated_backward
from minitorch_rnn.nn.unroll import ColumnNetwork

__all__ = [
    "ColumnNetwork", "CrossEntropyLoss", "DivergenceLoss", "Linear", "MSELoss", "Module",
    "Parameter", "RNN", "RecurrentNetwork", "cross_entropy", "init", "mse_loss",
    "truncated_backward", "utils",
]  # fmt: skip
