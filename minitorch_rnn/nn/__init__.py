"""Modules with PyTorch's names, shapes and initialisation."""

from minitorch_rnn.engine import Parameter
from minitorch_rnn.nn import functional, init, utils
from minitorch_rnn.nn.activations import (
    ELU,
    GELU,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minitorch_rnn.nn.cells import GRUCell, LSTMCell, RNNCell
from minitorch_rnn.nn.classification import cross_entropy, nll_loss
from minitorch_rnn.nn.column_network import ColumnNetwork
from minitorch_rnn.nn.containers import ModuleDict, ModuleList, Sequential
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
from minitorch_rnn.nn.dropout import Dropout, LockedDropout
from minitorch_rnn.nn.embedding import Embedding
from minitorch_rnn.nn.gpu import scan_options
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
from minitorch_rnn.nn.normalization import LayerNorm
from minitorch_rnn.nn.rnn import GRU, LSTM, RNN
from minitorch_rnn.nn.stateless import functional_call
from minitorch_rnn.nn.truncated import truncated_backward

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "ColumnNetwork", "CrossEntropyLoss",
    "DivergenceLoss", "Dropout", "ELU", "Embedding", "GELU", "GRU", "GRUCell", "Hardtanh",
    "HuberLoss", "Identity", "KLDivLoss", "L1Loss", "LSTM", "LSTMCell", "LayerNorm", "LeakyReLU",
    "Linear", "LockedDropout", "LogSoftmax", "MSELoss", "Module", "ModuleDict", "ModuleList",
    "NLLLoss", "Parameter", "RNN", "RNNCell", "ReLU", "RecurrentNetwork", "Sequential", "SiLU",
    "Sigmoid", "SmoothL1Loss", "Softmax", "Softplus", "Tanh", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "cross_entropy", "ctc_loss", "functional",
    "functional_call", "huber_loss", "init", "kl_div", "l1_loss", "mse_loss", "nll_loss",
    "scan_options", "smooth_l1_loss", "truncated_backward", "utils",
]  # fmt: skip
