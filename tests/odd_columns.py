"""Columns that nobody would write, but that are columns: odd names, no weights, many inputs."""

from minitorch_rnn.column import Column, Edge, Input, Layer, Product

NAMES = [
    "dh", "z_h", "dz_h", "b_h", "db_h", "W_x_h", "dW_x_h", "du_x_h", "lambda", "match", "T", "B",
    "t", "np", "params", "histories", "trace", "forward", "sigmoid", "softmax", "range", "len",
    "l", "I", "O", "_", "__", "größe", "μ", "σ", "ﬁ", "fi", "漢字", "漢字" * 6, "e" * 300,
    "e" * 299, "h_", "h__", "_1", "ir", "d",
]  # fmt: skip
EDGES = ['say "h"', "it's", "both ' and \"", "a\nb", "\\", '"""', "\udc80", "e" * 200, "a b " * 60,
         "café", "🙂", "\x1b[0m", "{curly}", "%s", "#", "\t"]  # fmt: skip


def chain(name, names, edge_names=()):
    """x, h, and a chain of layers with these names, each of which sees itself and x."""
    nodes = [
        Input("x", 2),
        Layer("h", 2, "sigmoid"),
        *(Layer(n, 2, history="learned") for n in names),
    ]
    edges = [Edge("x", "h"), *(Edge("x", n) for n in names)]
    edges += [Edge(a, b) for a, b in zip(["h", *names], names, strict=False)]
    edges += [Edge(n, n, 1) for n in names]
    given = dict(zip(range(len(edges)), edge_names, strict=False))
    edges = [Edge(e.source, e.target, e.delay, name=given.get(i)) for i, e in enumerate(edges)]
    return Column(name, tuple(nodes), tuple(edges), names[-1])


MATRIX = [[0.1 * i - 1.7 * j for j in range(30)] for i in range(3)]
WIDE = [f"very_long_node_name_{i}" for i in range(12)]

ODD = {
    "names": chain('"""\\\n', NAMES),
    "names the other way round": chain("", NAMES[::-1]),
    "names of edges": chain("numpy", ["a", "b", "c", "Y"], EDGES),
    "a matrix": Column(
        "1 matrix",
        (Input("x", 30), Layer("y", 3, "relu", bias=False, history="learned")),
        (
            Edge("x", "y", weight=MATRIX), Edge("y", "y", 1, weight=1e-5),
            Edge("y", "y", 2, weight=-3),
        ),
        "y",
    ),
    "many inputs": Column(
        "many inputs",
        (*(Input(n, 1, history="given") for n in WIDE), Product("p", 1, "tanh"), Layer("Y", 1)),
        (*(Edge(n, "p", 1) for n in WIDE), *(Edge(n, "Y", (0, 3)) for n in WIDE), Edge("p", "Y")),
        "Y",
    ),
    "nothing is learned": Column(
        "nothing",
        (Input("x", 2), Layer("y", 2, "identity", bias=False)),
        (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=-0.5, gradient="blocked")),
        "y",
    ),
    "no error goes anywhere": Column(
        "cut off",
        (Input("x", 2), Layer("y", 2, "tanh", bias=False)),
        (Edge("x", "y", weight=1.0, gradient="blocked"),),
        "y",
    ),
    "dead ends": Column(
        "dead ends",
        (
            Input("x", 2), Layer("y", 2, history="given"), Layer("nowhere", 2, history="learned"),
            Layer("blocked", 2), Layer("Y", 1, "identity", history="learned"),
        ),
        (
            Edge("x", "y"), Edge("y", "nowhere", 2), Edge("nowhere", "nowhere", 1),
            Edge("y", "blocked"), Edge("blocked", "Y", gradient="blocked"), Edge("y", "Y"),
            Edge("Y", "Y", 3, gradient="blocked"),
        ),
        "Y",
    ),
    "only a history": Column(
        "history",
        (Input("x", 2, history="learned"), Layer("Y", 2, bias=False, history="given")),
        (Edge("x", "Y", (0, 5), weight=0.3), Edge("Y", "Y", 1, weight=2.0)),
        "Y",
    ),
    "read from both sides": Column(
        "both sides",
        (
            Input("x", 2, history="given"), Layer("f", 2, history="learned"),
            Layer("b", 2, history="given", direction="backward"),
            Layer("s", 2, "softmax", history="learned"),
            Layer("Y", 2, "relu", direction="backward"),
        ),
        (
            Edge("x", "f", (0, 2)), Edge("f", "f", 1), Edge("x", "b", (1, 2)),
            Edge("b", "b", (1, 3)),
            Edge("f", "s", 2), Edge("b", "s", 1), Edge("s", "Y", (0, 1, 2)), Edge("f", "Y", 1),
            Edge("Y", "Y", 1),
        ),
        "Y",
    ),
    "one factor": Column(
        "one factor",
        (Input("x", 2), Product("p", 2, "tanh", history="learned"), Product("q", 2), Layer("Y", 2)),
        (
            Edge("x", "p", weight=-1.0), Edge("p", "q", 1), Edge("q", "Y"),
            Edge("p", "Y", weight=0.5),
        ),
        "Y",
    ),
    "a square": Column(
        "square",
        (Input("x", 2), Layer("h", 2), Product("p", 2), Layer("Y", 2, "identity")),
        (
            Edge("x", "h"), Edge("h", "p"), Edge("h", "p", 1, shares="h->p"),
            Edge("h", "p", 2, weight=-0.7), Edge("h", "p", 3, gradient="blocked"), Edge("p", "Y"),
        ),
        "Y",
    ),
}  # fmt: skip
