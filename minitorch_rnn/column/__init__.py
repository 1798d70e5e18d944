"""The lecture's networks as plain data: columns of nodes and edges; nothing here computes."""

from minitorch_rnn.column.gated import encoder_decoder, gru, lstm
from minitorch_rnn.column.networks import (
    NETWORKS,
    bidirectional,
    complete_narx,
    cross_layer,
    delayed,
    elman,
    explicit_memory,
    jordan,
    narx,
    narx_shaded,
    state_space,
    with_skips,
)
from minitorch_rnn.column.order import Component
from minitorch_rnn.column.spec import Activation, Column, Edge, Input, Layer, Node, Product
from minitorch_rnn.column.truncation import (
    Truncation,
    Window,
    chunked,
    explain_truncation,
    per_loss_window,
    williams_peng,
)
from minitorch_rnn.column.validation import ACTIVATIONS
from minitorch_rnn.column.variants import (
    VARIANTS,
    Variant,
    delayed_many_to_many,
    many_to_one,
    one_to_many,
    one_to_one,
    phases,
    synchronous,
)

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Column",
    "Component",
    "Edge",
    "Input",
    "Layer",
    "NETWORKS",
    "Node",
    "Product",
    "Truncation",
    "VARIANTS",
    "Variant",
    "Window",
    "bidirectional",
    "chunked",
    "complete_narx",
    "cross_layer",
    "delayed",
    "delayed_many_to_many",
    "elman",
    "encoder_decoder",
    "explain_truncation",
    "explicit_memory",
    "gru",
    "jordan",
    "lstm",
    "many_to_one",
    "narx",
    "narx_shaded",
    "one_to_many",
    "one_to_one",
    "per_loss_window",
    "phases",
    "state_space",
    "synchronous",
    "williams_peng",
    "with_skips",
]
