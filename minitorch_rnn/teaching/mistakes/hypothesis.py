"""A mistake that somebody may have made: its name, its sentence, and the knobs it turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.mistakes.knobs import Change
from minitorch_rnn.teaching.mistakes.network import Network

__all__ = ["Family", "Hypothesis", "LINES", "gathers", "line", "sends", "slopes"]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One thing that may be wrong.

    Attributes:
        name: of the mistake, such as "wrong sign".
        says: what it makes of the gradients, as a sentence without its full stop.
        place: slide and line, one of `LINES` or made like them.
        look: where in a program to look.
        change: turns the knobs of a sweep for the rows given.
        count: how many rows it takes; their gradients are added up.
        turned: the directions in time that are swept the wrong way.
    """

    name: str
    says: str
    place: tuple[str, str]
    look: str
    change: Change
    count: int = 1
    turned: frozenset[str] = frozenset()


Family = Callable[[Network], Iterator[Hypothesis]]

LINES = {
    "loop": ("94", "for t = T-1 downto 0: everything below, for every t"),
    "dY": ("77, 94", "dY(t) = the gradient of DIV with respect to Y(t), for all t"),
    "dz_o": ("79, 94", "dz_o(t) = dY(t) Jacobian(Y(t), z_o(t))"),
    "softmax": ("85, 94", "dz_o(t) = dY(t) (diag(Y(t)) - Y(t) Y(t)ᵀ)"),
    "dW_o": ("94", "dW_o += h(t,L) dz_o(t)"),
    "db_o": ("94", "db_o += dz_o(t)"),
    "output": ("94", "dh(t,L) += dz_o(t) W_o"),
    "dz": ("94", "dz(t,l) = dh(t,l) Jacobian(h(t,l), z(t,l))"),
    "above": ("94", "dh(t,l-1) += dz(t,l) W_c(l)"),
    "time": ("94", "dh(t-1,l) = dz(t,l) W_r(l)"),
    "skip": ("66, 95", "da_s(t-d) += dz_n(t) W_e for every link e that leaves s"),
    "input": ("94, 95", "dx(t) += dz(t,1) W_c(1), for every link that leaves x"),
    "dW_c": ("94", "dW_c(l) += h(t,l-1) dz(t,l)"),
    "dW_r": ("94", "dW_r(l) += h(t-1,l) dz(t,l)"),
    "dW": ("95", "dW_e += a_s(t-d) dz_n(t)"),
    "db": ("94", "db(l) += dz(t,l)"),
    "start": ("91, 94", "dh(-1,l) = dz(0,l) W_r(l), and h(-1,l) takes part in dW_r(l) at t = 0"),
    "blocked": ("48, 95", "over a blocked link nothing is sent back: h(t-d) is data there"),
    "backward": ("100", "the backward net reads h_b(t+1): its error is swept from t = 0 to T-1"),
    "gates": ("95", "through a product, each factor's error is dz(t) times the other factors"),
}


def slopes(net: Network, n: str) -> tuple[str, str]:
    """The line in which dz of a node is made."""
    if n != net.readout:
        return LINES["dz"]
    return LINES["softmax" if net.column.node[n].activation == "softmax" else "dz_o"]


def sends(net: Network, edge: Edge) -> tuple[str, str]:
    """The line in which an error is sent back over an edge."""
    role = net.role(edge)
    if role == "time" and (edge.source != edge.target or edge.delay != 1):
        role = "skip"
    return LINES[role]


def gathers(net: Network, name: str) -> tuple[str, str]:
    """The line in which the gradient of a parameter is gathered."""
    kind, _, rest = name.partition(".")
    if kind == "history":
        return LINES["start"]
    if kind == "input":
        return LINES["input"]
    top = net.node_of(name) == net.readout
    if kind == "bias":
        return LINES["db_o" if top else "db"]
    edge = net.edge[net.terms[name][0]]
    if net.column.node[edge.target].kind == "product" or net.role(edge) == "skip":
        return LINES["dW"]
    own = edge.source == edge.target and edge.delay == 1
    if edge.delay and not own:
        return LINES["dW"]
    return LINES["dW_o" if top else "dW_r" if edge.delay else "dW_c"]


def line(net: Network, names: tuple[str, ...]) -> tuple[str, str]:
    """The line for several parameters: that of the one, or those of all."""
    if len(names) == 1:
        return gathers(net, names[0])
    lines = list(dict.fromkeys(gathers(net, n) for n in names))
    return lines[0] if len(lines) == 1 else ("94", "; ".join(text for _, text in lines[:3]))
