"""RecurrentNetwork: the whole network of slide 72, recurrent layers and an output layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.engine import Tensor
from minitorch_rnn.nn.linear import Linear
from minitorch_rnn.nn.module import Module
from minitorch_rnn.nn.rnn import GRU, LSTM, RNN

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
OUTPUTS = {
    "identity": lambda z: z,
    "sigmoid": ops.sigmoid,
    "softmax": ops.softmax,
    "tanh": ops.tanh,
}


class RecurrentNetwork(Module):
    """L recurrent layers and an output layer at every time step.

        z_o(t) = W_o h(t,L) + b_o,   Y(t) = g(z_o(t))

    Args:
        input_size, hidden_size: I, H.
        output_size: O.
        output_activation: g: "softmax" (slide 72), "identity", "sigmoid" or "tanh".
        cell: "rnn" (slide 72), "lstm" or "gru".
        options: `num_layers`, `nonlinearity`, `bias`, `initial_state`, … as in the layer: `RNN`,
            `LSTM` or `GRU`.

    Attributes:
        rnn: the recurrent layers, an `RNN`, `LSTM` or `GRU`.
        output: the output layer, a `Linear` with weight W_o (O, H), of both directions
            (O, 2H), and bias b_o (O,).

    Source: slides 72 and 85.

    >>> from minitorch_rnn import nn, ones
    >>> Y, h_n = nn.RecurrentNetwork(3, 5, 2)(ones(7, 4, 3))
    >>> Y.shape, round(Y[0, 0].sum().item(), 12)
    ((7, 4, 2), 1.0)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        output_activation: str = "softmax",
        *,
        cell: str = "rnn",
        dtype: Any = None,
        rng: np.random.Generator | None = None,
        **options: Any,
    ) -> None:
        if output_activation not in OUTPUTS:
            raise ValueError(
                f"RecurrentNetwork: output_activation is {output_activation!r}; "
                f"known are {', '.join(map(repr, OUTPUTS))}."
            )
        if cell not in LAYERS:
            raise ValueError(
                f"RecurrentNetwork: cell is {cell!r}; known are {', '.join(map(repr, LAYERS))}."
            )
        self.rnn = LAYERS[cell](input_size, hidden_size, dtype=dtype, rng=rng, **options)
        self.output = Linear(
            self.rnn.output_size, output_size, bias=self.rnn.bias, dtype=dtype, rng=rng
        )
        self.output_activation = output_activation

    def logits(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """z_o(t) for all t, (T, B, O), which `cross_entropy` takes; and the last state."""
        states, h_n = self.rnn(x, hx, lengths)
        return self.output(states), h_n

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """Y(t) for all t, (T, B, O), and the last state; x, hx and lengths as in the layer.

        The state is (L, B, H), of an LSTM the tuple (h_n, c_n). Beyond the end of a short sequence
        Y says what the output layer makes of 0.
        """
        z, h_n = self.logits(x, hx, lengths)
        return OUTPUTS[self.output_activation](z), h_n
