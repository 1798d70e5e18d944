"""Modules with PyTorch's names, shapes and initialisation."""

from minitorch_rnn.engine import Parameter
from minitorch_rnn.nn import init, utils
from minitorch_rnn.nn.cells import GRUCell, LSTMCell, RNNCell
from minitorch_rnn.nn.classification import cross_entropy, nll_loss
from minitorch_rnn.nn.criteria import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    CTCLoss,
    DivergenceLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from minitorch_rnn.nn.ctc import ctc_loss
from minitorch_rnn.nn.linear import Linear
from minitorch_rnn.nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from minitorch_rnn.nn.module import Module
from minitorch_rnn.nn.network import RecurrentNetwork
from minitorch_rnn.nn.rnn import GRU, LSTM, RNN
from minitorch_rnn.nn.stateless import functional_call
from minitorch_rnn.nn.truncated import truncated_backward
from minitorch_rnn.nn.unroll import ColumnNetwork

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "ColumnNetwork", "CrossEntropyLoss",
    "DivergenceLoss", "GRU", "GRUCell", "HuberLoss", "KLDivLoss", "L1Loss", "LSTM", "LSTMCell",
    "Linear", "MSELoss", "Module", "NLLLoss", "Parameter", "RNN", "RNNCell", "RecurrentNetwork",
    "SmoothL1Loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "ctc_loss", "functional_call", "huber_loss", "init", "kl_div", "l1_loss", "mse_loss",
    "nll_loss", "smooth_l1_loss", "truncated_backward", "utils",
]  # fmt: skip
