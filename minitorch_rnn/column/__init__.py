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
from minitorch_rnn.column.variants import VARIANTS, Variant, phases

__all__ = [
    "Activation", "Column", "Component", "Edge", "Input", "Layer", "NETWORKS", "Node", "Product",
    "Truncation", "VARIANTS", "Variant", "Window", "bidirectional", "chunked", "complete_narx",
    "cross_layer", "delayed", "elman", "encoder_decoder", "explain_truncation", "explicit_memory",
    "gru", "jordan", "lstm", "narx", "narx_shaded", "per_loss_window", "phases", "state_space",
    "williams_peng", "with_skips",
]  # fmt: skip
