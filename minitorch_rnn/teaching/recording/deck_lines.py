"""Which line of the lecture each operation is: the slide's number, and the line in our symbols."""

from __future__ import annotations

from typing import NamedTuple

from minitorch_rnn.column import Column, Edge
from minitorch_rnn.column.order import sources
from minitorch_rnn.teaching.recording.roles import Role

_SEPARATE = {"squared error", "cross-entropy", "discounted error", "last output"}


class Line(NamedTuple):
    """A line of the lecture.

    >>> Line("85", "J = diag(Y) - Y Yᵀ").slide
    '85'
    """

    slide: str
    equation: str


_INPUT = Line("72", "h(t,0) = x(t)")
_INPUT_BACK = Line("94", "dX(t) = dh(t,0), what has come back from layer 1")
_HISTORY = Line("69", "h(-1,l) is the initial state; it may be learned")
_HISTORY_BACK = Line("91", "dh(-1,l) = dz(0,l) W_r(l)")
_GENERAL = Line("95", "z_n(t) = b_n + Σ_e W_e a_s(t-d)")
_GENERAL_BACK = Line("95", "da_s(t-d) += dz_n(t) W_e;  dW_e += outer(dz_n(t), a_s(t-d))")
_PRODUCT = Line("95", "z_n(t) = Π_e W_e a_s(t-d), a product node")
_PRODUCT_BACK = Line("95", "each factor gets dz_n(t) times the other factors")
_LAYER = Line("72", "z(t,l) = W_c(l) h(t,l-1) + W_r(l) h(t-1,l) + b(l)")
_OUTPUT = Line("72", "z_o(t) = W_o h(t,L) + b_o")

# What an edge is to the lecture: the line of the forward pass, and that of the backward pass.
_EDGES = {
    "output": (
        _OUTPUT,
        Line("94", "dh(t,L) += dz_o(t) W_o;  dW_o += h(t,L) dz_o(t);  db_o += dz_o(t)"),
    ),
    "below": (
        _LAYER,
        Line("94", "dh(t,l-1) += dz(t,l) W_c(l);  dW_c(l) += h(t,l-1) dz(t,l);  db(l) += dz(t,l)"),
    ),
    "own": (_LAYER, Line("94", "dh(t-1,l) = dz(t,l) W_r(l);  dW_r(l) += h(t-1,l) dz(t,l)")),
    "initial": (_LAYER, Line("91", "dh(-1,l) = dz(0,l) W_r(l);  dW_r(l) += h(-1,l) dz(0,l)")),
    "clone": (
        Line("48", "h(t) = f(W_x x(t) + W_c c(t) + b), c(t) a clone of h(t-1)"),
        Line("48", "dW_c += outer(dz(t), c(t));  no gradient passes on to h(t-1)"),
    ),
    "fixed memory": (
        Line("47", "m(t) = μ m(t-1) + y(t-1), both held fixed"),
        Line("47", "no gradient passes into the memory"),
    ),
    "input delay": (
        Line("43", "z(t) = Σ_k W_x[k] X(t-k) + Σ_m W_y[m] Y(t-m) + b"),
        _GENERAL_BACK,
    ),
    "feedback": (
        Line("43", "z(t) = Σ_k W_x[k] X(t-k) + Σ_m W_y[m] Y(t-m) + b"),
        _GENERAL_BACK,
    ),
    "memory": (Line("46", "m(t) = r(y(t-1), h(t-1), m(t-1))"), _GENERAL_BACK),
    "skip": (Line("55", "z(t,l) = … + W h(t,j), j below l-1"), _GENERAL_BACK),
    "cross": (Line("56", "z(t,l) = … + W h(t-1,j), j another layer"), _GENERAL_BACK),
    "shade": (Line("57", "z(t,l) = … + W Y(t-1)"), _GENERAL_BACK),
    "delay": (Line("58", "z(t) = W_c x(t) + Σ_d W_r[d] h(t-d) + b"), _GENERAL_BACK),
    "future": (
        Line("96–100", "z_b(t) = W x(t) + R h_b(t+1) + b"),
        Line("96–100", "dh_b(t+1) += dz_b(t) R;  dR += outer(dz_b(t), h_b(t+1))"),
    ),
    "general": (_GENERAL, _GENERAL_BACK),
    "factor": (_PRODUCT, _PRODUCT_BACK),
}  # fmt: skip

# Which link of a node tells what its sum is, the most telling first.
_TELLING = (
    "future", "clone", "memory", "fixed memory", "feedback", "input delay", "shade", "cross",
    "delay", "skip", "general",
)  # fmt: skip


def kind_of(column: Column, edge: Edge) -> str:
    """What an edge is to the lecture, a key of the table above.

    >>> from minitorch_rnn.column import delayed, elman
    >>> [kind_of(elman(1, 1, 1), edge) for edge in elman(1, 1, 1).edges]
    ['below', 'clone', 'output']
    >>> [kind_of(delayed(1, 1, 1), edge) for edge in delayed(1, 1, 1).into["h1"]]
    ['below', 'own', 'delay', 'delay']
    """
    if column.node[edge.target].kind == "product":
        return "factor"
    if not isinstance(column.weight(edge), str):
        return "fixed memory" if edge.gradient == "blocked" else "general"
    if edge.gradient == "blocked":
        return "clone"
    if any(node.kind == "product" for node in column.nodes):  # gates, beyond these slides
        return "output" if edge.target == column.output and not edge.delay else "general"
    if edge.delay == 0:
        return _within_a_column(column, edge)
    if column.node[edge.target].direction == "backward":
        return "future"
    if all(e.delay for e in column.into[edge.target]):
        return "memory"
    return _between_columns(column, edge)


def _within_a_column(column: Column, edge: Edge) -> str:
    links = {(e.source, e.target) for e in column.edges if e.delay == 0}
    above = sources(links)
    if any(edge.source in above.get(s, ()) for s, n in links if n == edge.target):
        return "skip"
    return "output" if edge.target == column.output else "below"


def _between_columns(column: Column, edge: Edge) -> str:
    if edge.source == edge.target:
        return "own" if edge.delay == 1 else "delay"
    if edge.source in column.inputs:
        return "input delay"
    if edge.source == column.output:
        stateful = any(e.source == e.target for e in column.edges)
        return "shade" if stateful else "feedback"
    return "cross" if edge.delay == 1 else "delay"


def levels(column: Column) -> dict[str, int]:
    """How many links of delay 0 lead up to each node at most, inputs being 0.

    >>> from minitorch_rnn.column import with_skips
    >>> levels(with_skips(2, 3, 1))
    {'x': 0, 'h1': 1, 'h2': 2, 'Y': 3}
    """
    found = {n: 0 for n in column.inputs}
    waiting = [n for part in column.components for n in part.nodes]
    for n in waiting:  # in an order in which they can be computed, so that sources come first
        below = [found[e.source] for e in column.into[n] if e.delay == 0]
        found[n] = 1 + max(below, default=0)
    return {node.name: found[node.name] for node in column.nodes}


def edge_of(column: Column, role: Role) -> Edge:
    """The edge whose term a tensor is.

    >>> from minitorch_rnn.column import elman
    >>> edge_of(elman(1, 1, 1), Role("term", "W x(3)", "h", "x->h", 3)).source
    'x'
    """
    return next(e for e in column.into[str(role.node)] if e.name == role.edge)


def forward_line(column: Column, role: Role, divergence: str) -> Line:
    """The line that computes what has this role.

    >>> from minitorch_rnn.column import elman
    >>> forward_line(elman(1, 1, 1), Role("activation", "h(2)", "h", t=2), "last output").equation
    'h(t,l) = tanh(z(t,l))'
    """
    kind, n = role.kind, role.node
    if kind in ("divergence", "outputs"):
        if divergence in _SEPARATE:
            return Line("78", "DIV = Σ_t w_t Div(t)")
        return Line("75–77", "DIV = DIV(Y(0) … Y(T-1), D(0) … D(T-1)), one number")
    if kind == "history" or (kind == "column" and n not in column.inputs):
        return _HISTORY
    if kind == "column":
        return _INPUT if (role.t or 0) >= 0 else Line("43", "X(-1), X(-2), … are a history")
    node = column.node[str(n)]
    if kind == "term":
        return _EDGES[kind_of(column, edge_of(column, role))][0]
    if kind in ("activation", "inner"):
        f = node.activation if isinstance(node.activation, str) else node.activation.name
        y, z = ("Y(t)", "z_o(t)") if n == column.output else ("h(t,l)", "z(t,l)")
        return Line("72", f"{y} = {f}({z})")
    if kind == "copied":
        return _EDGES[kind_of(column, column.into[str(n)][0])][0]
    return _joined(column, str(n))


def backward_line(column: Column, role: Role, divergence: str) -> Line:
    """The line by which the gradient of what has this role goes on.

    >>> from minitorch_rnn.column import state_space
    >>> column = state_space(1, 1, 2, output_activation="softmax")
    >>> backward_line(column, Role("activation", "Y(2)", "Y", t=2), "cross-entropy").slide
    '85'
    """
    kind, n = role.kind, role.node
    if kind == "divergence":
        return Line("75–77", "dDIV/dY(t) for all t")
    if kind == "outputs":
        return Line("94", "dY(t) = gradient of DIV with respect to Y(t), for all t")
    if kind == "parameter" and str(role.edge).startswith("history.") or kind == "history":
        return _HISTORY_BACK
    if kind == "parameter":
        name = "db(l) = Σ_t dz(t,l)" if str(role.edge).startswith("bias.") else (
            "dW_c(l) = Σ_t h(t,l-1) dz(t,l);  dW_r(l) = Σ_t h(t-1,l) dz(t,l)"
        )  # fmt: skip
        return Line("94", name)
    if kind in ("data", "past", "column"):
        return _INPUT_BACK if n in column.inputs and (role.t or 0) >= 0 else _HISTORY_BACK
    if kind == "term":
        edge = edge_of(column, role)
        known = kind_of(column, edge)
        if known == "own" and (role.t or 0) + column.offset(edge) < 0:
            known = "initial"
        return _EDGES[known][1]
    if kind in ("activation", "inner"):
        return _through_f(column, str(n))
    if column.node[str(n)].kind == "product":
        return _PRODUCT_BACK
    line = _joined(column, str(n))
    slide = {"72": "94", "96–100": "96–100"}.get(line.slide, "95")
    return Line(slide, f"{line.equation}:  each term gets all of dz")


def _joined(column: Column, n: str) -> Line:
    """The line that joins the terms of z."""
    if column.node[n].kind == "product":
        return _PRODUCT
    kinds = {kind_of(column, e) for e in column.into[n]}
    for known in _TELLING:
        if known in kinds:
            return _EDGES[known][0]
    return _OUTPUT if n == column.output else _LAYER


def _through_f(column: Column, n: str) -> Line:
    f, output = column.node[n].activation, n == column.output
    if f == "softmax":
        return Line("85", "dZ_i = Σ_j dY_j ∂Y_j/∂Z_i, with J = diag(Y) - Y Yᵀ")
    if output:
        return Line("79", "dZ_i(t) = dY_i(t) f'(Z_i(t))")
    return Line("94", "dz(t,l) = dh(t,l) Jacobian(h(t,l), z(t,l))")
