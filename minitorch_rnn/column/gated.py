"""Networks with gates: LSTM, GRU and encoder–decoder, out of layers and product nodes."""

from __future__ import annotations

from minitorch_rnn.column.spec import Activation, Column, Edge, Input, Layer, Product
from minitorch_rnn.column.validation import whole

Function = str | Activation


def lstm(I: int, H: int, O: int, output_activation: Function = "identity") -> Column:
    """LSTM as a column: gates are sigmoid layers, and what they gate are product nodes.

        i, f, o = sigmoid(W x(t) + R h(t-1) + b),  g = tanh(W x(t) + R h(t-1) + b)
        c(t) = f c(t-1) + i g,  h(t) = o tanh(c(t)),  Y(t) = g(Wo h(t) + bo)

    Source: Hochreiter and Schmidhuber, Neural Computation 9 (1997), with the forget gate of Gers et
    al. (2000): the network of `torch.nn.LSTM`, whose two biases are one here.

    >>> [node.name for node in lstm(2, 3, 1).nodes if node.kind == "product"]
    ['kept', 'written', 'h']
    """
    gates = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}
    return Column(
        "lstm",
        (
            Input("x", I),
            *(Layer(name, H, function) for name, function in gates.items()),
            Product("kept", H),
            Product("written", H),
            Layer("c", H, "identity", bias=False, history="learned"),
            Layer("squashed", H, "tanh", bias=False),
            Product("h", H, history="learned"),
            Layer("Y", O, output_activation),
        ),
        (
            *(Edge("x", name) for name in gates),
            *(Edge("h", name, 1) for name in gates),
            Edge("f", "kept", weight=1.0), Edge("c", "kept", 1, weight=1.0),
            Edge("i", "written", weight=1.0), Edge("g", "written", weight=1.0),
            Edge("kept", "c", weight=1.0), Edge("written", "c", weight=1.0),
            Edge("c", "squashed", weight=1.0),
            Edge("o", "h", weight=1.0), Edge("squashed", "h", weight=1.0),
            Edge("h", "Y"),
        ),
        "Y",
    )  # fmt: skip


def gru(I: int, H: int, O: int, output_activation: Function = "identity") -> Column:
    """GRU as a column, the reset gate applied after the product as in `torch.nn.GRU`.

        r, z = sigmoid(W x(t) + R h(t-1) + b),  q = R_n h(t-1) + b_hn
        n = tanh(W_n x(t) + b_n + r q),  h(t) = n - z n + z h(t-1),  Y(t) = g(Wo h(t) + bo)

    Source: Cho et al., EMNLP (2014).

    >>> [node.name for node in gru(2, 3, 1).nodes if node.kind == "product"]
    ['reset', 'replaced', 'kept']
    """
    return Column(
        "gru",
        (
            Input("x", I),
            Layer("r", H, "sigmoid"),
            Layer("z", H, "sigmoid"),
            Layer("q", H, "identity"),
            Product("reset", H),
            Layer("n", H, "tanh"),
            Product("replaced", H),
            Product("kept", H),
            Layer("h", H, "identity", bias=False, history="learned"),
            Layer("Y", O, output_activation),
        ),
        (
            Edge("x", "r"), Edge("h", "r", 1),
            Edge("x", "z"), Edge("h", "z", 1),
            Edge("h", "q", 1),
            Edge("r", "reset", weight=1.0), Edge("q", "reset", weight=1.0),
            Edge("x", "n"), Edge("reset", "n", weight=1.0),
            Edge("z", "replaced", weight=1.0), Edge("n", "replaced", weight=1.0),
            Edge("z", "kept", weight=1.0), Edge("h", "kept", 1, weight=1.0),
            Edge("n", "h", weight=1.0), Edge("replaced", "h", weight=-1.0),
            Edge("kept", "h", weight=1.0),
            Edge("h", "Y"),
        ),
        "Y",
    )  # fmt: skip


def encoder_decoder(
    I: int, H: int, O: int, activation: Function = "tanh", output_activation: Function = "identity"
) -> Column:
    """The delayed variant with a part of its own for either phase.

        e(t) = reading f(We x(t) + Re e(t-1) + be) + writing e(t-1)
        d(t) = writing f(C e(t) + Rd d(t-1) + Wy Y(t-1) + bd),  Y(t) = g(Wo d(t) + bo)

    A second input, `phase` (T, B, 2), holds (reading, writing): (1, 0) while the encoder reads and
    (0, 1) while the decoder writes; `column.phases` makes it from a variant. A state that is gated
    away contributes exactly 0 to values and gradients.

    Source: slide 68; Cho et al., EMNLP (2014).

    >>> encoder_decoder(3, 5, 1).inputs
    {'x': Input('x', 3), 'phase': Input('phase', 2)}
    """
    H = whole("encoder_decoder", "H", H, 1)
    reading, writing = [[1.0, 0.0]] * H, [[0.0, 1.0]] * H
    return Column(
        "encoder-decoder",
        (
            Input("x", I),
            Input("phase", 2),
            Layer("read", H, activation),
            Product("taken", H),
            Product("held", H),
            Layer("e", H, "identity", bias=False, history="learned"),
            Layer("write", H, activation),
            Product("d", H, history="learned"),
            Layer("Y", O, output_activation, history="learned"),
        ),
        (
            Edge("x", "read"), Edge("e", "read", 1),
            Edge("phase", "taken", weight=reading), Edge("read", "taken", weight=1.0),
            Edge("phase", "held", weight=writing), Edge("e", "held", 1, weight=1.0),
            Edge("taken", "e", weight=1.0), Edge("held", "e", weight=1.0),
            Edge("e", "write"), Edge("d", "write", 1), Edge("Y", "write", 1),
            Edge("phase", "d", weight=writing), Edge("write", "d", weight=1.0),
            Edge("d", "Y"),
        ),
        "Y",
    )  # fmt: skip
