"""The functions behind the modules, by PyTorch's names in `torch.nn.functional`."""

from minitorch_rnn.nn.activations import elu, gelu, hardtanh, leaky_relu, silu, softplus
from minitorch_rnn.nn.classification import cross_entropy, nll_loss
from minitorch_rnn.nn.ctc import ctc_loss
from minitorch_rnn.nn.dropout import dropout
from minitorch_rnn.nn.embedding import embedding, one_hot
from minitorch_rnn.nn.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from minitorch_rnn.nn.normalization import layer_norm
from minitorch_rnn.ops import linear, log_softmax, relu, sigmoid, softmax, tanh

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "ctc_loss",
    "dropout", "elu", "embedding", "gelu", "hardtanh", "huber_loss", "kl_div", "l1_loss",
    "layer_norm", "leaky_relu", "linear", "log_softmax", "mse_loss", "nll_loss", "one_hot", "relu",
    "sigmoid", "silu", "smooth_l1_loss", "softmax", "softplus", "tanh",
]  # fmt: skip
