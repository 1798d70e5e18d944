"""An LSTM layer, backward: two errors are carried back."""

import numpy as np

from minitorch_rnn.column import Column, lstm
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, sizes

__all__ = ["EXERCISE"]

_PARTS = {
    "W_ih": [f"weight.x->{gate}" for gate in "ifgo"],
    "W_hh": [f"weight.h(t-1)->{gate}" for gate in "ifgo"],
    "b": [f"bias.{gate}" for gate in "ifgo"],
    "x": "input.x", "h_init": "history.h", "c_init": "history.c",
}  # fmt: skip


def _layer(I, H):
    """The column of an LSTM without its output layer: h is the output."""
    whole = lstm(I, H, 1)
    return Column(whole.name, whole.nodes[:-1], whole.edges[:-1], "h")


_OTHER = {  # of every gate, what it multiplies
    "i": "g(t): c(t) = … + i(t) g(t)", "f": "c(t-1): c(t) = f(t) c(t-1) + …",
    "g": "i(t): c(t) = … + i(t) g(t)", "o": "tanh(c(t)): h(t) = o(t) tanh(c(t))",
}  # fmt: skip


def _swept(given, slip, gate=None):
    """db of a sweep with this slip in it, of one gate perhaps."""
    total = 0.0
    dh_next = dc_next = np.zeros(given["h_init"].shape)
    for t in reversed(range(len(given["dh"]))):
        i, f, g, o = (given["gates"][name][t] for name in "ifgo")
        c = given["c"][t]
        before = given["c"][t - 1] if t > 0 else given["c_init"]
        slope = {"no slope of c": 1.0, "slope at c": 1 - c**2}.get(slip, 1 - np.tanh(c) ** 2)
        dh = given["dh"][t] + (0.0 if slip == "no gates" else dh_next)
        dc = (0.0 if slip == "no cell" else dc_next) + (0.0 if slip == "no h" else dh * o * slope)
        factors = {"i": g, "f": c if slip == "current c" else before, "g": i, "o": np.tanh(c)}
        if slip == "no factor":
            factors[gate] = 1.0
        slopes = {name: a * (1 - a) for name, a in zip("ifo", (i, f, o), strict=True)}
        slopes["g"] = g * (1 - g) if slip == "sigmoid g" else 1 - g**2
        errors = {"i": dc, "f": dc, "g": dc, "o": dh}
        dz = np.concatenate([errors[n] * factors[n] * slopes[n] for n in "ifgo"], axis=1)
        total = total + dz.sum(axis=0)
        dh_next, dc_next = dz @ given["W_hh"], dc * (1.0 if slip == "no f" else f)
    return {"b": total}


def _case(T, B, I, H, seed):
    drawn = Drawn(_layer(I, H), T, B, seed)
    stacked = {
        name: np.concatenate([drawn.params[part] for part in _PARTS[name]])
        for name in ("W_ih", "W_hh")
    }
    given = {
        **stacked,
        "x": drawn.inputs["x"],
        "gates": {gate: drawn.at(gate) for gate in "ifgo"},
        "c": drawn.at("c"),
        "h": drawn.at("h"),
        "c_init": drawn.histories["c"][0],
        "h_init": drawn.histories["h"][0],
        "dh": drawn.dY,
    }
    slips = [
        ("c(t) is used in c(t+1) too: dc(t) lacks what comes back from there, dc(t+1) f(t+1).",
         _swept(given, "no cell")),
        ("h(t) is used in the gates at t+1 too: dh(t) lacks what comes back from there, "
         "dz(t+1) W_hh.", _swept(given, "no gates")),
        ("c(t) is used in h(t): dc(t) lacks dh(t) o(t) (1 - tanh(c(t))²).",
         _swept(given, "no h")),
        ("The slope of tanh(c) is forgotten on the way from h(t) to c(t): 1 - tanh(c(t))².",
         _swept(given, "no slope of c")),
        ("1 - c(t)² stands where 1 - tanh(c(t))² belongs: c is no tanh, it goes into one.",
         _swept(given, "slope at c")),
        ("g is a tanh, not a sigmoid: its slope is 1 - g².",
         _swept(given, "sigmoid g")),
        ("The forget gate multiplied c(t-1), not c(t): its error is dc(t) c(t-1).",
         _swept(given, "current c")),
        ("dc is carried back unchanged; c(t-1) came in as f(t) c(t-1), so it gets dc(t) f(t).",
         _swept(given, "no f")),
        *((f"The error of the gate {gate} lacks its other factor, {other}.",
           _swept(given, "no factor", gate)) for gate, other in _OTHER.items()),
    ]  # fmt: skip
    about = sizes(T=T, B=B, I=I, H=H)
    return gradient_case(drawn, Call("backward", given), about, _PARTS, slips=slips)


EXERCISE = Exercise(
    name="lstm-backward",
    title="an LSTM layer, backward",
    slides="95; LSTM in part 2",
    level=4,
    hints=(
        "Count the users: h(t) has two, c(t) has two. In step t get dh(t) complete first, then "
        "dc(t), then the four gates, which use nothing later.",
        "dh = from above + from dz(t+1); dc = dc(t+1) f(t+1) + dh o (1 - tanh(c)²). The gate i "
        "multiplied g, f multiplied c(t-1), g multiplied i, o multiplied tanh(c). Then the slopes.",
        "dz = [dc g i(1-i), dc c(t-1) f(1-f), dc i (1-g²), dh tanh(c) o(1-o)] side by side; "
        "dh_next = dz @ W_hh; dc_next = dc * f",
    ),
    afterwards="Follow dc alone: dc(t-1) = dc(t) f(t), with no weight and no slope between. With f "
    "near 1 an error survives a hundred steps. That is the whole point of an LSTM.",
    cases=lambda: seeded(_case, [(1, 1, 1, 1), (2, 1, 1, 2), (3, 2, 2, 3), (5, 2, 3, 2)]),
)
