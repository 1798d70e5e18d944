"""RNN, LSTM and GRU: recurrent layers with PyTorch's signatures, shapes and parameter names."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn.nn.cells import check_nonlinearity
from minitorch_rnn.nn.recurrent import RNNBase


class RNN(RNNBase):
    """A recurrent network of L layers over a whole sequence: slide 72 without the output layer.

        h(t,l) = f(W_ih(l) h(t,l-1) + b_ih(l) + W_hh(l) h(t-1,l) + b_hh(l)),   h(t,0) = x(t)

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: L.
        nonlinearity: f, "tanh" or "relu".
        bias: whether there are biases.
        batch_first: x and the output are (B, T, ·) instead of (T, B, ·).
        dropout: probability with which the outputs of every layer but the last are dropped while
            training.
        bidirectional: a second net runs backward in time in every layer (slides 96–99); the layer
            above sees both, (2H).
        initial_state: "zeros", or "learned" for a parameter `h_0` (L, H) that all sequences share,
            h(-1) of slide 69; used when a call gives none.
        road: "scan" makes each layer and direction one operation of the graph, "graph" unrolls it
            step by step. Values and gradients are the same; "scan" is faster. Where the gradient
            itself is differentiated, with a projection, and while anomalies are looked for, layers
            are unrolled anyway.
        dtype: of the parameters; None is the default dtype.
        rng: draws the initial values and the dropped units; None is the default generator.

    Attributes:
        weight_ih_l0, …: (H, I) in the first layer, (H, H) above; weight_hh_l0, …: (H, H);
        bias_ih_l0, bias_hh_l0, …: (H,). All from U(-1/sqrt(H), 1/sqrt(H)) as in PyTorch. Those of
        the net that runs backward end in `_reverse`.

    Raises:
        ShapeError: if x, hx or lengths have another shape than the layer was built for, or T = 0.
        DTypeError: if x or hx has another dtype than the parameters.

    What calling it takes and returns, see `forward`; every state of every layer, see `unroll`.

    >>> from minitorch_rnn import nn, ones
    >>> output, h_n = nn.RNN(3, 5, num_layers=2)(ones(7, 4, 3))
    >>> output.shape, h_n.shape
    ((7, 4, 5), (2, 4, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        initial_state: str = "zeros",
        road: str = "scan",
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        check_nonlinearity("RNN", nonlinearity)
        super().__init__(
            nonlinearity, input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, 0, initial_state, road, dtype, rng,
        )  # fmt: skip

    @property
    def nonlinearity(self) -> str:
        """f, "tanh" or "relu"."""
        return self.mode


class LSTM(RNNBase):
    """Long short-term memory: a cell c(t) that is kept by a product and not by a matrix.

        i, f, o = sigmoid(W_i· x(t) + b_i· + W_h· h(t-1) + b_h·),   g = tanh(likewise)
        c(t) = f c(t-1) + i g,   h(t) = o tanh(c(t))

    Args:
        proj_size: P; h(t) is then W_hr (o tanh(c(t))), P values. 0 is none.
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            initial_state, road, dtype, rng: as in `RNN`; a learned state has a `c_0` (L, H) too.

    Attributes:
        weight_ih_l0, …: (4H, I), (4H, H) above; weight_hh_l0, …: (4H, H); bias_ih_l0, bias_hh_l0,
        …: (4H,); rows of i, f, g, o. With a projection weight_hr_l0, …: (P, H), and (4H, P) where
        an h enters.

    Raises:
        ShapeError, DTypeError: as `RNN`.

    The state hx is the tuple (h_0, c_0), and so is what comes back.

    Source: Hochreiter and Schmidhuber, Neural Computation 9, 1997; the forget gate: Gers et al.,
    Neural Computation 12, 2000; the projection: Sak et al., Interspeech 2014. As a column:
    `column.lstm`.

    >>> from minitorch_rnn import nn, ones
    >>> output, (h_n, c_n) = nn.LSTM(3, 5, bidirectional=True)(ones(7, 4, 3), lengths=[7, 5, 2, 1])
    >>> output.shape, h_n.shape, c_n.shape
    ((7, 4, 10), (2, 4, 5), (2, 4, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        initial_state: str = "zeros",
        road: str = "scan",
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(
            "lstm", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, initial_state, road, dtype, rng,
        )  # fmt: skip


class GRU(RNNBase):
    """A gated recurrent unit: h(t) is a mixture of h(t-1) and of a candidate n.

        r, z = sigmoid(W_i· x(t) + b_i· + W_h· h(t-1) + b_h·)
        n = tanh(W_in x(t) + b_in + r (W_hn h(t-1) + b_hn)),   h(t) = (1 - z) n + z h(t-1)

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            initial_state, road, dtype, rng: as in `RNN`.

    Attributes:
        weight_ih_l0, …: (3H, I), (3H, H) above; weight_hh_l0, …: (3H, H); bias_ih_l0, bias_hh_l0,
        …: (3H,); rows of r, z, n.

    Raises:
        ShapeError, DTypeError: as `RNN`.

    Source: Cho et al., EMNLP 2014. The reset gate r acts after the product with W_hn, as in PyTorch
    and cuDNN. As a column: `column.gru`.

    >>> from minitorch_rnn import nn, ones
    >>> output, h_n = nn.GRU(3, 5)([ones(7, 3), ones(4, 3)])  # a list of two sequences
    >>> [y.shape for y in output], h_n.shape
    ([(7, 5), (4, 5)], (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        initial_state: str = "zeros",
        road: str = "scan",
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(
            "gru", input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, 0, initial_state, road, dtype, rng,
        )  # fmt: skip
