"""Results about recurrences that need no training: the library beside linear algebra, to rounding.

A linear recursion h(t) = W h(t-1) + C x(t) answers an impulse with W^t C x(0), which grows or dies
with the largest |eigenvalue| of W. With a sigmoid it soon forgets where it began; with tanh it may
keep a sign for ever; with ReLU it dies or blows up. And what h(t) depends on k steps back is a
product of k Jacobians, which vanishes or explodes. Each of these has an exact value that is found
here in another way: by repeated squaring, by eigenvectors, by bisection or Newton's method, by a
product of matrices. Look at how close the two are, and in the picture at the slopes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import minitorch_rnn as mt
from bench.papers.look import DASHES, INKS, WIDTH
from bench.papers.result import Finding, Paper
from minitorch_rnn.column import Column, Edge, Input, Layer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER = Paper(
    title="Exact anchors: impulse response, growth, saturation, products of Jacobians",
    source=(
        "B. Raj, lectures on recurrent networks (CMU 11-785), second part: stability and vanishing "
        "gradients; R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent "
        "neural networks, ICML 2013, section 2, for the products"
    ),
    claim=(
        "The impulse response of a linear recursion is W^t C x(0) and grows or dies as "
        "|eigenvalue|^t. Sigmoid units saturate within a few steps at a value that does not depend "
        "on where they began, tanh units remember longer, ReLU units die or blow up. Gradients "
        "over k steps are products of k Jacobians diag(f'(z)) W, and vanish or explode."
    ),
    seen=(
        "These are theorems, not measurements. Neither source was consulted again; the formulas "
        "are derived."
    ),
    ours=(
        "Columns of one recurrent layer with random weights, run and differentiated by the "
        "library, beside NumPy's linear algebra."
    ),
    differs=("Nothing is trained. The sizes, the weights and the starting points are our own.",),
    caption=(
        "Top left: the norm of the impulse response; at each line the largest |eigenvalue| of W, "
        "whose powers are grey. Top right: the norm of the derivative of h(t) by h(t-k); at each "
        "line the largest |eigenvalue| again. Below: one unit h(t) = f(w h(t-1)) from four "
        "starting points, two values of w; grey: the fixed points by bisection."
    ),
    seeds=6,
)
RADII = (0.7, 1.0, 1.1)  # largest |eigenvalue|: below, at and above 1
SCALES = (0.5, 1.0, 2.0)  # the same, of the products of Jacobians
STARTS = np.array([-1.0, -0.7, -0.4, -0.1, 0.1, 0.4, 0.7, 1.0])
DRAWN = {"sigmoid": (2.0, 0.9), "tanh": (1.5, 0.9), "relu": (1.1, 0.9)}  # w of the picture
TITLES = {"identity": "identity", "sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}

# The witness's own: each f, and its derivative by z.
F: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda z: z, np.ones_like),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: 1 / (2 + np.exp(z) + np.exp(-z))),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
}


def run(
    seed: int, *, hidden: int = 24, steps: int = 200, settle: int = 400, back: int = 50
) -> dict[str, Any]:
    """One seed: the largest differences from the exact values; curves of seed 0.

    Args:
        seed: of all matrices.
        hidden: H.
        steps: of the impulse responses.
        settle: steps after which a recurrence is to be at its fixed point.
        back: the largest k of the Jacobians.
    """
    rng = np.random.default_rng([seed, 11])

    def drawn(radius: float) -> np.ndarray:
        W = rng.normal(size=(hidden, hidden))
        return np.asarray(radius * W / np.abs(np.linalg.eigvals(W)).max())

    impulses = {str(r): impulse(drawn(r), rng.normal(size=(hidden, 3)), steps) for r in RADII}
    W, x = drawn(1.0), rng.normal(size=(back, hidden))
    products = {
        f"{f} {g}": products_of_jacobians(f, g * W, x)
        for f in ("identity", "tanh", "relu")
        for g in SCALES
    }
    found: dict[str, Any] = {
        "impulse": {r: [one["difference"], one["slope"]] for r, one in impulses.items()},
        "along": max(one["along"] for one in impulses.values()),
        "units": single_units(rng, settle),
        "layers": [layer(f, drawn(g), rng, settle) for f, g in (("sigmoid", 3.0), ("tanh", 0.9))],
        "jacobians": {name: [one["difference"], one["log"][-1]] for name, one in products.items()},
    }
    if seed == 0:
        found["norms"] = {r: one["norms"] for r, one in impulses.items()}
        found["logs"] = {name: one["log"] for name, one in products.items()}
        found["lags"] = lags(back)
        found["units drawn"] = {
            f"{f} {w}": np.round(unit(f, w, 0.0, STARTS[[0, 2, 5, 7]], 15), 4).tolist()
            for f, both in DRAWN.items()
            for w in both
        }
    return found


def recurrence(f: str, W: np.ndarray, b: Any = 0.0, C: Any = None) -> mt.nn.ColumnNetwork:
    """h(t) = f(W h(t-1) + C x(t) + b), whose h(-1) is given; C is the identity if there is none."""
    H = len(W)
    C = np.eye(H) if C is None else C
    column = Column(
        "recurrence",
        (Input("x", C.shape[1]), Layer("h", H, f, history="given")),
        (Edge("x", "h"), Edge("h", "h", 1)),
        "h",
    )
    network = mt.nn.ColumnNetwork(column)
    network.load_state_dict({"weight.h(t-1)->h": W, "weight.x->h": C, "bias.h": np.full(H, b)})
    return network


def states(network: mt.nn.ColumnNetwork, x: np.ndarray, start: np.ndarray) -> np.ndarray:
    """h(0) … h(T-1), (T, B, H), from B states h(-1)."""
    with mt.no_grad():
        return np.asarray(network(x, {"h": start[None]})[0].numpy())


def relative(a: np.ndarray, b: np.ndarray) -> float:
    """The largest relative difference of rows; where b is 0, the difference."""
    size = np.linalg.norm(b, axis=-1)
    return float((np.linalg.norm(a - b, axis=-1) / np.where(size > 0, size, 1)).max())


def impulse(W: np.ndarray, C: np.ndarray, steps: int) -> dict[str, Any]:
    """The response to x(0) = 1 alone, beside W^t C x(0), and its growth beside the eigenvalues."""
    x = np.zeros((steps, 1, C.shape[1]))
    x[0] = 1.0
    h = states(recurrence("identity", W, C=C), x, np.zeros((1, len(W))))[:, 0]
    t = np.arange(steps)
    squared = np.array([np.linalg.matrix_power(W, n) @ C @ x[0, 0] for n in t])
    values, vectors = np.linalg.eig(W)
    top = np.abs(values).argmax()
    growth = np.abs(values[top])
    along = np.abs(h @ np.linalg.inv(vectors)[top])  # here no other eigenvalue is mixed in
    norms, late = np.linalg.norm(h, axis=1), t >= steps // 2
    return {
        "difference": relative(h, squared),
        "slope": float(np.polyfit(t[late], np.log(norms[late]), 1)[0] - np.log(growth)),
        "along": float(np.abs(along / (along[0] * growth**t) - 1).max()),
        "norms": [float(f"{n:.4g}") for n in norms[:101]],
    }


def unit(f: str, w: float, b: float, starts: np.ndarray, steps: int) -> np.ndarray:
    """One unit, h(t) = f(w h(t-1) + b), from several h(-1): (1 + T, starts), h(-1) first."""
    x = np.zeros((steps, len(starts), 1))
    h = states(recurrence(f, np.array([[w]]), b), x, starts[:, None])[..., 0]
    return np.concatenate([starts[None], h])


def bisected(f: str, w: float, b: float, low: float, high: float) -> float:
    """The h in [low, high] at which h = f(w h + b), by 80 halvings."""
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if F[f][0](w * middle + b) > middle else (low, middle)
    return (low + high) / 2


def rate(error: np.ndarray) -> Any:
    """By what an error is multiplied in a step: where it is small, and still far from rounding."""
    t = np.flatnonzero(np.abs(error[:-1]) > 1e-6)
    return error[t[-1] + 1] / error[t[-1]] if len(t) else 0.0


def single_units(rng: np.random.Generator, settle: int, units: int = 8) -> dict[str, float]:
    """Units of random w and b: where they end, how fast, and what they remember."""
    ends, rates, kept = [], [], []
    for f, w, b in (
        *(("sigmoid", w, b) for w, b in rng.uniform((-3, -1), (3, 1), (units, 2))),
        *(("tanh", w, b) for w, b in rng.uniform((-0.8, -1), (0.8, 1), (units, 2))),
        *(("tanh", w, 0.0) for w in rng.uniform(1.2, 3, units)),
    ):
        h = unit(f, w, b, STARTS, settle)
        if f == "tanh" and w > 1:  # two fixed points, one of either sign
            end = np.sign(STARTS) * bisected(f, w, b, 0.01, 1)
            kept.append(np.mean(np.sign(h[-1]) == np.sign(STARTS)))
        else:
            end = np.full(len(STARTS), bisected(f, w, b, -1, 1))
        ends.append(np.abs(h[-1] - end).max())
        slopes = w * F[f][1](w * end + b)
        rates += [abs(rate(h[:, i] - end[i]) - slopes[i]) for i in range(len(end))]
    t = np.arange(min(settle, 100) + 1)[:, None]
    powers = [
        relative(
            unit("relu", w, 0.0, STARTS, len(t) - 1)[1:].T, (w**t * np.maximum(STARTS, 0))[1:].T
        )
        for w in rng.uniform(0.5, 1.5, units)
    ]
    ratios = [
        forgotten("tanh", w, settle) / forgotten("sigmoid", w, settle)
        for w in rng.uniform(0.5, 0.9, units)
    ]
    return {
        "end": float(max(ends)), "rate": float(max(rates)), "kept": float(np.mean(kept)),
        "ratio": float(np.median(ratios)), "relu": max(powers),
    }  # fmt: skip


def forgotten(f: str, w: float, settle: int) -> int:
    """Steps until the responses from +1 and -1 differ by less than 1% of what they began with."""
    apart = np.abs(np.diff(unit(f, w, 0.0, np.array([-1.0, 1.0]), settle), axis=1))[:, 0]
    return int(np.argmax(apart < 0.02)) or settle


def layer(f: str, W: np.ndarray, rng: np.random.Generator, settle: int) -> list[float]:
    """h(t) = f(W h(t-1) + b) from 8 states, beside its fixed point by Newton's method."""
    H, (value, slope) = len(W), F[f]
    b, starts = rng.normal(size=H), rng.uniform(-1, 1, (8, H))
    h = states(recurrence(f, W, b), np.zeros((settle, 8, H)), starts)
    point = np.zeros(H)
    for _ in range(50):
        z = W @ point + b
        point = point - np.linalg.solve(np.eye(H) - slope(z)[:, None] * W, point - value(z))
    values, vectors = np.linalg.eig(slope(W @ point + b)[:, None] * W)
    top = np.abs(values).argmax()
    along = (h - point) @ np.linalg.inv(vectors)[top]
    rates = [abs(rate(along[:, i]) - values[top]) for i in range(len(starts))]
    return [float(np.abs(h[-1] - point).max()), float(max(rates))]


def lags(back: int) -> list[int]:
    """The k at which the Jacobians are compared."""
    return sorted({1, 2, 3, *range(5, back, 5), back} & set(range(back + 1)))


def products_of_jacobians(f: str, W: np.ndarray, x: np.ndarray) -> dict[str, Any]:
    """The derivative of h(t) by h(t-k) for several k, beside the product of diag(f'(z)) W."""
    value, slope = F[f]
    network, h = recurrence(f, W), np.zeros(len(W))
    start, product, products = h[None], np.eye(len(W)), {}
    for k, now in enumerate(x, 1):
        z = W @ h + now
        product, h = slope(z)[:, None] * W @ product, value(z)
        products[k] = product
    differences: list[float] = []
    logs: list[float] = []
    for k in lags(len(x)):

        def last(h: mt.Tensor, k: int = k) -> Any:
            return network(x[:k], {"h": h})[0][-1]

        J = mt.autograd.jacobian(last, start).numpy()[:, 0]
        differences.append(relative(J.ravel(), products[k].ravel()))
        logs.append(round(math.log10(max(float(np.linalg.norm(J, 2)), 1e-300)), 3))
    return {"difference": max(differences), "log": logs}


def findings(found: list[dict[str, Any]]) -> list[Finding]:
    """What is exact, to rounding; rates; and what vanishes or explodes."""
    functions = ("identity", "tanh", "relu")
    rows: list[tuple[str, str, Callable[[dict[str, Any]], float], float | None, float | None]] = [
        ("impulse response beside W^t C x(0) by repeated squaring: largest relative difference",
         "0", lambda o: max(d for d, _ in o["impulse"].values()), None, 1e-12),
        ("impulse response along the leading eigenvector beside |eigenvalue|^t: largest relative "
         "difference",
         "0", lambda o: o["along"], None, 1e-10),
        ("slope of the impulse response's log norm over its second half less log |eigenvalue|: "
         "largest difference, |eigenvalue| 0.7, 1 and 1.1",
         "0 in the limit", lambda o: max(abs(s) for _, s in o["impulse"].values()), None, 0.01),
        ("where sigmoid and tanh units end, beside the fixed point by bisection: largest "
         "difference from any start",
         "0", lambda o: o["units"]["end"], None, 1e-12),
        ("where sigmoid and tanh layers end, beside the fixed point by Newton's method: largest "
         "difference from any start",
         "0", lambda o: max(end for end, _ in o["layers"]), None, 1e-12),
        ("rate at which they near the fixed point, less f'(z*) w for a unit and the leading "
         "eigenvalue of diag(f'(z*)) W for a layer: largest difference",
         "0 in the limit", lambda o: max(o["units"]["rate"], *(r for _, r in o["layers"])),
         None, 1e-3),
        ("share of starts whose sign a tanh unit with w > 1 keeps",
         "1", lambda o: o["units"]["kept"], 1.0, None),
        ("steps until 1% of the difference of two starts is left: those of tanh over those of "
         "sigmoid, equal w from 0.5 to 0.9",
         "more than 1", lambda o: o["units"]["ratio"], 2.0, None),
        ("ReLU unit beside w^t max(h(-1), 0): largest relative difference",
         "0", lambda o: o["units"]["relu"], None, 1e-12),
        ("derivative of h(t) by h(t-k) beside the product of Jacobians: largest relative "
         "difference",
         "0", lambda o: max(d for d, _ in o["jacobians"].values()), None, 1e-12),
        ("log10 norm of the derivative of h(t) by h(t-50), |eigenvalue| 0.5: largest of identity, "
         "tanh, ReLU",
         "vanishes", lambda o: max(o["jacobians"][f"{f} 0.5"][1] for f in functions), None, -10.0),
        ("log10 norm of the derivative of h(t) by h(t-50), |eigenvalue| 2, identity",
         "explodes", lambda o: o["jacobians"]["identity 2.0"][1], 10.0, None),
        ("log10 norm of the derivative of h(t) by h(t-50), |eigenvalue| 2, ReLU",
         "not given", lambda o: o["jacobians"]["relu 2.0"][1], None, None),
        ("log10 norm of the derivative of h(t) by h(t-50), |eigenvalue| 2, tanh",
         "not given", lambda o: o["jacobians"]["tanh 2.0"][1], None, None),
    ]  # fmt: skip
    return [
        Finding(what, paper, tuple(of(one) for one in found), least, most)
        for what, paper, of, least, most in rows
    ]


def draw(found: list[dict[str, Any]]) -> Figure:
    """Growth and decay above, single units below; all of seed 0."""
    from matplotlib import pyplot

    shown = found[0]
    figure = pyplot.figure(figsize=(WIDTH, 5.2))
    axes = figure.subplot_mosaic("AAABBB;CCDDEE")
    a, b = axes["A"], axes["B"]
    for i, (radius, norms) in enumerate(shown["norms"].items()):
        t = np.arange(len(norms))
        a.plot(t, norms[0] * float(radius) ** t, color="0.75", linewidth=4, linestyle="-")
        a.plot(t, norms, color=INKS[i], linestyle=DASHES[i])
        a.annotate(radius, (t[-1], norms[-1]), (3, 0), textcoords="offset points", va="center")
    a.set(yscale="log", xlabel="t (steps)", title="impulse response: norm of h(t)")
    for i, f in enumerate(("identity", "tanh", "relu")):
        for scale in ("2.0", "0.5"):
            logs, label = shown["logs"][f"{f} {scale}"], TITLES[f] if scale == "2.0" else None
            b.plot(shown["lags"], logs, color=INKS[i], linestyle=DASHES[i], label=label)
            if scale == "2.0" or f != "relu":  # at 0.5 it would lie upon that of tanh
                last = shown["lags"][-1], logs[-1]
                b.annotate(scale, last, (3, 0), textcoords="offset points", va="center")
    b.set(xlabel="k (steps)", title="derivative of h(t) by h(t-k): log10 norm")
    b.legend(loc="lower left")
    for (f, both), place in zip(DRAWN.items(), "CDE", strict=True):
        for i, w in enumerate(both):
            h = np.array(shown["units drawn"][f"{f} {w}"])
            for end in {"sigmoid": (1,), "tanh": (1, -1) if w > 1 else ()}.get(f, ()):
                axes[place].axhline(end * bisected(f, w, 0, 0.01, 1), color="0.85", linewidth=4)
            axes[place].plot(np.arange(-1, len(h) - 1), h, color=INKS[i], linestyle=DASHES[i])
        axes[place].set(xlabel="t (steps)", title=f"{TITLES[f]}: w = {both[0]}, dashed {both[1]}")
    axes["C"].set_ylabel("h(t)")
    return cast("Figure", figure)
