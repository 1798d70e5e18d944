"""Slips in dz = da J: no slope, the slope of something else, or at something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minitorch_rnn.bptt.activations import functions_of
from minitorch_rnn.bptt.trace import Array
from minitorch_rnn.teaching.mistakes.hypothesis import LINES, Hypothesis, sends, slopes
from minitorch_rnn.teaching.mistakes.knobs import bends, send_da
from minitorch_rnn.teaching.mistakes.network import DIAGONAL, Network, listed, one

__all__ = [
    "no_slope",
    "output_jacobian",
    "slope_at_z",
    "slope_elsewhere",
    "slope_not_sent",
    "wrong_slope",
]

Formula = Callable[[Array, Array], Array]

FORMULAS: dict[str, Formula] = {
    "1 - y²": lambda y, z: 1 - y * y,
    "y (1 - y)": lambda y, z: y * (1 - y),
    "1 where z > 0, else 0": lambda y, z: (z > 0).astype(float),
    "1 - y": lambda y, z: 1 - y,
    "1 + y²": lambda y, z: 1 + y * y,
    "(1 - y)²": lambda y, z: (1 - y) ** 2,
    "1 - y²/2": lambda y, z: 1 - y * y / 2,
    "1 - 2 y": lambda y, z: 1 - 2 * y,
    "1 + y": lambda y, z: 1 + y,
    "y²": lambda y, z: y * y,
    "y": lambda y, z: y,
    "-2 y": lambda y, z: -2 * y,
    "f(z) itself, f(y)": lambda y, z: np.tanh(y),
}
OF_Z: dict[str, Formula] = {
    "1 - z²": lambda y, z: 1 - z * z,
    "z (1 - z)": lambda y, z: z * (1 - z),
    "1 - tanh(y)²": lambda y, z: 1 - np.tanh(y) ** 2,
    "s(y) (1 - s(y)) with s the sigmoid": lambda y, z: _sigmoid(y) * (1 - _sigmoid(y)),
    "1 where y > 0, else 0": lambda y, z: (y > 0).astype(float),
}
AT_Z = {
    "tanh": ("1 - z²", "1 - tanh(y)²"),
    "sigmoid": ("z (1 - z)", "s(y) (1 - s(y)) with s the sigmoid"),
    "relu": ("1 where y > 0, else 0",),
}
OWN = {"tanh": "1 - y²", "sigmoid": "y (1 - y)", "relu": "1 where z > 0, else 0"}


def _sigmoid(z: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * z))


def _groups(net: Network) -> list[tuple[str, ...]]:
    """Each node that bends, all hidden ones of one activation, and all of them."""
    bent = [n for n in net.trace.z if net.column.node[n].activation != "identity"]
    hidden = [n for n in net.hidden if n in bent]
    same = [
        tuple(n for n in hidden if net.column.node[n].activation == a)
        for a in dict.fromkeys(net.column.node[n].activation for n in hidden)
    ]
    groups = [*((n,) for n in bent), *same, tuple(hidden), tuple(bent)]
    return [g for g in dict.fromkeys(groups) if g]


def _yz(net: Network, n: str) -> tuple[Array, Array]:
    return net.state(n), np.asarray(net.trace.z[n], float)


def _named(names: tuple[str, ...]) -> str:
    return listed([f"dz_{n}(t)" for n in names])


def output_jacobian(net: Network) -> Iterator[Hypothesis]:
    """A softmax taken for its diagonal, or an output Jacobian that is not there."""
    for n in net.jacobian:
        if net.column.node[n].activation == "softmax":
            y, z = _yz(net, n)
            yield Hypothesis(
                "diagonal softmax Jacobian",
                f"d{n}(t) is multiplied by the diagonal of the softmax's Jacobian alone, "
                "y (1 - y): every output depends on every z",
                LINES["softmax"],
                "the terms -y_i y_j off the diagonal",
                bends({n: y * (1 - y)}),
            )
            yield Hypothesis(
                "wrong sign",
                "the Jacobian of the softmax has + y_i y_j where - y_i y_j belongs",
                LINES["softmax"],
                "the sign of the outer product of Y(t) with itself",
                bends({n: _diagonal(y) + y[..., None] * y[..., None, :]}),
            )
    yield from _readout_jacobian(net, net.readout) if net.readout else ()


def _readout_jacobian(net: Network, n: str) -> Iterator[Hypothesis]:
    yield Hypothesis(
        "no output Jacobian",
        f"dz_{n}(t) is dY(t) itself: the Jacobian of the output is missing",
        slopes(net, n),
        "the step from Y(t) to z_o(t), before anything else of column t",
        bends({n: np.ones_like(net.trace.z[n])}),
    )


def _missing(net: Network, names: tuple[str, ...]) -> str:
    """The slope that is missing, by its formula where one layer lacks one."""
    found = _activations(net, names)
    if len(names) > 1:
        return f"the slope of {found} is missing in each"
    n = names[0]
    formula = OWN.get(found, "").replace("y", f"{n}(t)").replace("z", f"z_{n}(t)")
    which = f"the slope {formula} of {found}" if formula else f"the slope of {found}"
    return f"{which} is missing between d{n}(t) and dz_{n}(t)"


def no_slope(net: Network) -> Iterator[Hypothesis]:
    """Dz is da."""
    for names in _groups(net):
        yield Hypothesis(
            "no slope",
            f"{_named(names)} {one(names, 'is', 'are')} the error at the state itself: "
            f"{_missing(net, names)}",
            slopes(net, names[0]),
            "the step from dh to dz, before anything is gathered or sent back",
            bends({n: np.ones_like(net.trace.z[n]) for n in names}),
        )
        for t in range(net.T):
            flat = {}
            for n in names:
                J = net.jacobian[n].copy()
                J[t] = 1 if J.ndim == 3 else np.eye(J.shape[-1])
                flat[n] = J
            yield Hypothesis(
                "no slope",
                f"{_named(names)} {one(names, 'lacks', 'lack')} the slope of the "
                f"activation at t = {t}",
                slopes(net, names[0]),
                f"what the loop does at t = {t} otherwise than at other times",
                bends(flat),
            )


def slope_not_sent(net: Network) -> Iterator[Hypothesis]:
    """What goes back is made of da; what is gathered is right."""
    bent = [e for e in net.links if net.column.node[e.target].activation != "identity"]
    for edges in net.together(e for e in bent if net.gates[str(e.name)] is None):
        top = all(e.target == net.readout for e in edges)
        yield Hypothesis(
            "no output Jacobian" if top else "no slope",
            f"{listed([f'd{net.at(e)}' for e in edges])} {one(edges, 'is', 'are')} made of the "
            f"error at the state of {listed(list(dict.fromkeys(e.target for e in edges)))}, where "
            "dz(t) belongs",
            sends(net, edges[0]),
            "which of dh and dz is multiplied by the weight",
            send_da(edges),
        )


def slope_at_z(net: Network) -> Iterator[Hypothesis]:
    """The formula for y is given z, or the other way round."""
    for names in _groups(net):
        activation = net.column.node[names[0]].activation
        if activation not in AT_Z or any(
            net.column.node[n].activation != activation for n in names
        ):
            yield from _softmax_at_z(net, names)
            continue
        for formula in AT_Z[str(activation)]:
            yield Hypothesis(
                "slope at z",
                f"{_named(names)} {one(names, 'has', 'have')} the slope {formula}; "
                f"with y = {activation}(z) the slope is {OWN[str(activation)]}",
                slopes(net, names[0]),
                "whether the formula of the slope is one of z or one of y, and which of them it "
                "is given",
                bends({n: OF_Z[formula](*_yz(net, n)) for n in names}),
            )


def _softmax_at_z(net: Network, names: tuple[str, ...]) -> Iterator[Hypothesis]:
    for n in names[:1] if len(names) == 1 else ():
        if net.column.node[n].activation in DIAGONAL:
            continue
        y, z = _yz(net, n)
        product = functions_of(net.column)[n]
        units = np.eye(z.shape[-1])
        for given, at in (("z", (z, z)), ("f(y)", (product.f(y), y))):
            rows = [product.jacobian_product(np.broadcast_to(u, z.shape), *at) for u in units]
            yield Hypothesis(
                "slope at z",
                f"dz_{n}(t) has the Jacobian's formula at {given} where y belongs",
                slopes(net, n),
                "whether the formula is one of z or one of y, and which of them it is given",
                bends({n: np.stack(rows, axis=-2)}),
            )


def wrong_slope(net: Network) -> Iterator[Hypothesis]:
    """The slope of another activation, or a formula slightly wrong."""
    for names in _groups(net):
        for formula, slope in FORMULAS.items():
            yield Hypothesis(
                "wrong slope",
                f"{_named(names)} {one(names, 'has', 'have')} the slope {formula}, "
                f"which is not that of {_activations(net, names)}",
                slopes(net, names[0]),
                "the derivative of the activation, checked by a difference at one number",
                bends({n: slope(*_yz(net, n)) for n in names}),
            )


def _activations(net: Network, names: tuple[str, ...]) -> str:
    found = (net.column.node[n].activation for n in names)
    return listed(list(dict.fromkeys(a if isinstance(a, str) else a.name for a in found)))


def slope_elsewhere(net: Network) -> Iterator[Hypothesis]:
    """The slope at the state of another time."""
    for names in _groups(net):
        if any(net.jacobian[n].ndim != 3 for n in names):
            continue
        for shift, name in ((-1, "previous for current state"), (1, "wrong time step")):
            slopes_of = {}
            for n in names:
                formula = FORMULAS[OWN[str(net.column.node[n].activation)]]
                y = net.state(n, shift)
                slopes_of[n] = formula(y, np.where(y > 0, 1.0, 0.0))
            yield Hypothesis(
                name,
                f"{_named(names)} {one(names, 'has its', 'have their')} slope at the "
                f"state of t{shift:+d}, not of t",
                slopes(net, names[0]),
                "the index of h in the slope",
                bends(slopes_of),
            )


def _diagonal(y: Array) -> Array:
    return np.asarray(y[..., None] * np.eye(y.shape[-1]))
