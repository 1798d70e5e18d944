"""The networks of the lecture, one function each; what they return is data.

All take the sizes I, H and O of inputs, hidden layers and outputs first, and `output_activation`.
To add an architecture, add a function here and its name to `NETWORKS`. Networks with gates live in
`gated`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitorch_rnn.column.gated import encoder_decoder, gru, lstm
from minitorch_rnn.column.spec import Activation, Column, Edge, Input, Layer
from minitorch_rnn.column.validation import number, whole

Function = str | Activation


def narx(
    I: int,
    H: int,
    O: int,
    input_delays: int = 2,
    output_delays: int = 1,
    activation: Function = "tanh",
    output_activation: Function = "identity",
    history: str = "learned",
) -> Column:
    """NARX, a network that sees its own earlier outputs, with K input and M output delays.

        h(t) = f(sum_{k=0..K} Wx[k] X(t-k) + sum_{m=1..M} Wy[m] Y(t-m) + b),  Y(t) = g(Wo h(t) + bo)

    Args:
        I, H, O: sizes of X, h and Y.
        input_delays, output_delays: K and M; K = 0 and M = 1 is the network of slides 41–42.
        activation, output_activation: f and g.
        history: X and Y before t = 0: "learned", "given" or "zeros".

    Source: slides 41–43 and 45. `Column.teacher_forced` feeds back the target instead.

    >>> print(narx(1, 3, 1, input_delays=1, output_delays=2))
    narx
      h(t) = tanh(W x(t) + W x(t-1) + W Y(t-1) + W Y(t-2) + b)
      Y(t) = identity(W h(t) + b)
    """
    input_delays = whole("narx", "input_delays", input_delays, 0)
    output_delays = whole("narx", "output_delays", output_delays, 1)
    return Column(
        "narx",
        (
            Input("x", I, history if input_delays else "zeros"),
            Layer("h", H, activation),
            Layer("Y", O, output_activation, history=history),
        ),
        (
            Edge("x", "h", range(input_delays + 1)),
            Edge("Y", "h", range(1, output_delays + 1)),
            Edge("h", "Y"),
        ),
        "Y",
    )


def complete_narx(
    I: int,
    H: int,
    O: int,
    T_max: int = 4,
    activation: Function = "tanh",
    output_activation: Function = "identity",
) -> Column:
    """The "complete" NARX network: all inputs and all outputs so far, one weight for each lag.

        h(t) = f(sum_{k=0..t} Wx[k] X(t-k) + sum_{m=1..t} Wy[m] Y(t-m) + b)

    Nothing before t = 0 exists, so for sequences of up to `T_max` columns, lags up to T_max - 1 are
    all there are. The number of weights grows with the length of the sequence.

    Source: slide 44.

    >>> [complete_narx(2, 3, 1, T_max=T).parameter_count for T in (2, 10, 100, 1000)]
    [22, 94, 904, 9004]
    """
    lags = whole("complete_narx", "T_max", T_max, 1)
    back = (Edge("Y", "h", range(1, lags)),) if lags > 1 else ()
    return Column(
        "complete-narx",
        (Input("x", I), Layer("h", H, activation), Layer("Y", O, output_activation)),
        (Edge("x", "h", range(lags)), *back, Edge("h", "Y")),
        "Y",
    )


def explicit_memory(
    I: int, H: int, O: int, activation: Function = "tanh", output_activation: Function = "identity"
) -> Column:
    """An explicit memory variable between the columns.

        m(t) = r(y(t-1), h(t-1), m(t-1)),  h(t) = f(x(t), m(t)),  y(t) = g(h(t))

    Source: slide 46.

    >>> print(explicit_memory(2, 3, 1))
    explicit-memory
      m(t) = tanh(W Y(t-1) + W h(t-1) + W m(t-1) + b)
      h(t) = tanh(W x(t) + W m(t) + b)
      Y(t) = identity(W h(t) + b)
    """
    return Column(
        "explicit-memory",
        (
            Input("x", I),
            Layer("m", H, activation, history="learned"),
            Layer("h", H, activation, history="learned"),
            Layer("Y", O, output_activation, history="learned"),
        ),
        (
            Edge("Y", "m", 1), Edge("h", "m", 1), Edge("m", "m", 1),
            Edge("x", "h"), Edge("m", "h"), Edge("h", "Y"),
        ),
        "Y",
    )  # fmt: skip


def jordan(
    I: int,
    H: int,
    O: int,
    mu: float = 0.5,
    average: bool = False,
    activation: Function = "sigmoid",
    output_activation: Function = "identity",
    history: str = "zeros",
) -> Column:
    """Jordan's network: a memory of past outputs with fixed weights, and no error through it.

        m(t) = mu m(t-1) + y(t-1),  or with `average`  m(t) = mu m(t-1) + (1 - mu) y(t-1)
        h(t) = f(Wx x(t) + Wm m(t) + b),  Y(t) = g(Wo h(t) + bo)

    The links into m are fixed and their gradients blocked: m is data to the backward pass, so the
    history of m and Y is "zeros" or "given"; a learned one would stay as it is. The input is a
    "plan", constant over the sequence.

    Source: slide 47.

    >>> print(jordan(2, 3, 1, mu=0.4, average=True))
    jordan-average
      m(t) = identity([0.6 Y(t-1)] + [0.4 m(t-1)])
      h(t) = sigmoid(W x(t) + W m(t) + b)
      Y(t) = identity(W h(t) + b)
    """
    mu = number("jordan: mu", mu)
    gain = 1.0 - mu if average else 1.0
    return Column(
        "jordan-average" if average else "jordan",
        (
            Input("x", I),
            Layer("m", O, "identity", bias=False, history=history),
            Layer("h", H, activation),
            Layer("Y", O, output_activation, history=history),
        ),
        (
            Edge("Y", "m", 1, gradient="blocked", weight=gain),
            Edge("m", "m", 1, gradient="blocked", weight=mu),
            Edge("x", "h"), Edge("m", "h"), Edge("h", "Y"),
        ),
        "Y",
    )  # fmt: skip


def elman(
    I: int,
    H: int,
    O: int,
    activation: Function = "tanh",
    output_activation: Function = "identity",
    history: str = "zeros",
) -> Column:
    """Elman's network: the hidden layer sees a clone of its last state; no error leaves the clone.

        h(t) = f(Wx x(t) + Wc h(t-1) + b),  Y(t) = g(Wo h(t) + bo)

    Wc is learned, the link is blocked: no error reaches the initial context, which is "zeros" or
    "given" (Elman's was 0.5). What `torch.nn.RNN` calls an Elman network is `state_space`: the same
    values, another gradient.

    Source: slide 48.

    >>> [edge.name for edge in elman(2, 3, 1).blocked]
    ['h(t-1)->h']
    """
    return Column(
        "elman",
        (
            Input("x", I),
            Layer("h", H, activation, history=history),
            Layer("Y", O, output_activation),
        ),
        (Edge("x", "h"), Edge("h", "h", 1, gradient="blocked"), Edge("h", "Y")),
        "Y",
    )


def state_space(
    I: int,
    H: int,
    O: int,
    layers: int = 1,
    activation: Function = "tanh",
    output_activation: Function = "identity",
    history: str = "learned",
) -> Column:
    """The state-space network, the one that "RNN" mostly means, of L layers.

        h_l(t) = f(Wc_l h_{l-1}(t) + Wr_l h_l(t-1) + b_l),  Y(t) = g(Wo h_L(t) + bo)

    Source: slides 50–54, 59–65; slide 72 with a softmax output.

    >>> print(state_space(2, 3, 1))
    state-space
      h1(t) = tanh(W x(t) + W h1(t-1) + b)
      Y(t) = identity(W h1(t) + b)
    """
    nodes, edges, below = _stack(I, H, layers, activation, history)
    return Column(
        f"state-space-{layers}" if layers > 1 else "state-space",
        (*nodes, Layer("Y", O, output_activation)),
        (*edges, Edge(below, "Y")),
        "Y",
    )


def with_skips(
    I: int,
    H: int,
    O: int,
    layers: int = 2,
    input_to_output: bool = False,
    activation: Function = "tanh",
    output_activation: Function = "identity",
) -> Column:
    """Skip links: every layer, and x, feeds every later layer, and every layer the output.

        h1 = f(w01 X(t) + w11 h1(t-1) + b1),  h2 = f(w12 h1(t) + w02 X(t) + w22 h2(t-1) + b2)
        Y = g(w23 h2(t) + w13 h1(t) + b3)

    Source: slides 55 and 66.

    >>> [edge.name for edge in with_skips(2, 3, 1).into["h2"]]
    ['h1->h2', 'h2(t-1)->h2', 'x->h2']
    """
    base = state_space(I, H, O, layers, activation, output_activation)
    hidden = _hidden(layers)
    chain = ["x", *hidden]
    skips = [Edge(s, n) for i, n in enumerate(hidden) for s in chain[:i]]
    skips += [Edge(s, "Y") for s in (chain if input_to_output else hidden)[:-1]]
    return Column("with-skips", base.nodes, (*base.edges, *skips), "Y")


def cross_layer(
    I: int,
    H: int,
    O: int,
    layers: int = 2,
    activation: Function = "tanh",
    output_activation: Function = "identity",
) -> Column:
    """A more complex state: every layer sees the last state of every other layer too.

        h_l(t) = f(Wc_l h_{l-1}(t) + sum_j Wr_jl h_j(t-1) + b_l)

    Source: slide 56.

    >>> [edge.name for edge in cross_layer(2, 3, 1).into["h1"]]
    ['x->h1', 'h1(t-1)->h1', 'h2(t-1)->h1']
    """
    base = state_space(I, H, O, layers, activation, output_activation)
    hidden = _hidden(layers)
    cross = [Edge(j, l, 1) for l in hidden for j in hidden if j != l]
    return Column("cross-layer", base.nodes, (*base.edges, *cross), "Y")


def narx_shaded(
    I: int,
    H: int,
    O: int,
    layers: int = 2,
    activation: Function = "tanh",
    output_activation: Function = "identity",
) -> Column:
    """ "Shades of NARX" in a state-space network: the last output feeds every layer.

        h_l(t) = f(Wc_l h_{l-1}(t) + Wr_l h_l(t-1) + Wy_l Y(t-1) + b_l)

    Source: slide 57.

    >>> [edge.name for edge in narx_shaded(2, 3, 1).feedback]
    ['Y(t-1)->h1', 'Y(t-1)->h2']
    """
    base = state_space(I, H, O, layers, activation, output_activation)
    shades = [Edge("Y", l, 1) for l in _hidden(layers)]
    output = Layer("Y", O, output_activation, history="learned")
    return Column("narx-shaded", (*base.nodes[:-1], output), (*base.edges, *shades), "Y")


def delayed(
    I: int,
    H: int,
    O: int,
    delays: int = 3,
    activation: Function = "tanh",
    output_activation: Function = "identity",
) -> Column:
    """Other recurrences: the state sees itself at t-1, t-2, …, t-D.

        h(t) = f(Wc x(t) + sum_{d=1..D} Wr[d] h(t-d) + b)

    Source: slide 58.

    >>> [edge.delay for edge in delayed(2, 3, 1, delays=3).into["h1"]]
    [0, 1, 2, 3]
    """
    base = state_space(I, H, O, 1, activation, output_activation)
    D = whole("delayed", "delays", delays, 1)
    further = (Edge("h1", "h1", range(2, D + 1)),) if D > 1 else ()
    return Column("delayed", base.nodes, (*base.edges, *further), "Y")


def bidirectional(
    I: int,
    H: int,
    O: int,
    layers: int = 1,
    activation: Function = "tanh",
    output_activation: Function = "identity",
) -> Column:
    """A bidirectional network: one net reads forward in time, one backward, the output sees both.

        h_f(t) = f(Wf x(t) + Rf h_f(t-1) + b_f),  h_b(t) = f(Wb x(t) + Rb h_b(t+1) + b_b)
        Y(t) = g(Vf h_f(t) + Vb h_b(t) + b)

    In deeper ones either net of a layer reads both nets of the layer below. The backward net starts
    from its own h_b(T), the slides' h_b(∞); it is not the backward pass of backpropagation.

    Source: slides 96–100; Schuster and Paliwal, IEEE Transactions on Signal Processing 45 (1997).

    >>> bidirectional(2, 3, 1).backward
    ('h_b',)
    """
    nodes: list[Any] = [Input("x", I)]
    edges, below = [], ["x"]
    for l in range(1, whole("bidirectional", "layers", layers, 1) + 1):
        level = [f"h_f{l}" if layers > 1 else "h_f", f"h_b{l}" if layers > 1 else "h_b"]
        for name, direction in zip(level, ("forward", "backward"), strict=True):
            nodes.append(Layer(name, H, activation, history="learned", direction=direction))
            edges += [Edge(source, name) for source in below]
            edges.append(Edge(name, name, 1))
        below = level
    nodes.append(Layer("Y", O, output_activation))
    edges += [Edge(source, "Y") for source in below]
    name = f"bidirectional-{layers}" if layers > 1 else "bidirectional"
    return Column(name, tuple(nodes), tuple(edges), "Y")


NETWORKS: dict[str, Callable[..., Column]] = {
    "narx": narx, "complete-narx": complete_narx, "explicit-memory": explicit_memory,
    "jordan": jordan, "elman": elman, "state-space": state_space, "with-skips": with_skips,
    "cross-layer": cross_layer, "narx-shaded": narx_shaded, "delayed": delayed,
    "bidirectional": bidirectional, "lstm": lstm, "gru": gru, "encoder-decoder": encoder_decoder,
}  # fmt: skip


def _hidden(layers: int) -> list[str]:
    return [f"h{l}" for l in range(1, whole("state_space", "layers", layers, 1) + 1)]


def _stack(
    I: int, H: int, layers: int, activation: Function, history: str
) -> tuple[list[Any], list[Edge], str]:
    """Input and recurrent layers, each above the one before; and the name of the topmost."""
    nodes: list[Any] = [Input("x", I)]
    edges, below = [], "x"
    for name in _hidden(layers):
        nodes.append(Layer(name, H, activation, history=history))
        edges += [Edge(below, name), Edge(name, name, 1)]
        below = name
    return nodes, edges, below
