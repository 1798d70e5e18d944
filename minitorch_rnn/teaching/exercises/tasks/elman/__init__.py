"""Elman's blocked link: a weight learns, and no error flows back."""

import numpy as np

from minitorch_rnn.bptt import column as explicit
from minitorch_rnn.column import elman
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, sizes

__all__ = ["EXERCISE"]

_PARTS = {
    "W_x": "weight.x->h", "W_c": "weight.h(t-1)->h", "b": "bias.h",
    "W_o": "weight.h->Y", "b_o": "bias.Y", "x": "input.x",
}  # fmt: skip


def _case(T, B, I, H, O, seed):
    drawn = Drawn(elman(I, H, O, history="given"), T, B, seed)
    open_link = drawn.column.unblocked()
    trace = explicit.forward(open_link, drawn.params, drawn.inputs, drawn.histories)
    full = explicit.backward(open_link, drawn.params, trace, drawn.dY)
    h, before = drawn.at("h"), drawn.histories["h"]
    dz = drawn.dz["h"]
    slips = [
        ("The blocked link leaks: this is full backpropagation through time. Elman's rule sends "
         "no error from dz(t) back to h(t-1) (slide 48).",
         {"b": full.parameters["bias.h"], "W_x": full.parameters["weight.x->h"]}),
        ("W_c is 0 although it learns: only the error to h(t-1) is blocked, the weight pairs dz(t) "
         "with c(t) (slide 48).", {"W_c": np.zeros((H, H))}),
        ("W_c pairs dz(t) with h(t); it multiplied the clone of h(t-1).",
         {"W_c": np.einsum("tbi,tbj->ij", dz, h)}),
        ("W_c lacks its t = 0 term: c(0) is h_init, the initial context.",
         {"W_c": np.einsum("tbi,tbj->ij", dz[1:], h[:-1])}),
    ]  # fmt: skip
    weights = {name: drawn.params[_PARTS[name]] for name in ("W_x", "W_c", "W_o")}
    arguments = {"p": weights, "x": drawn.inputs["x"], "h": h, "h_init": before[0], "dY": drawn.dY}
    about = sizes(T=T, B=B, I=I, H=H, O=O)
    return gradient_case(drawn, Call("backward", arguments), about, _PARTS, slips=slips)


EXERCISE = Exercise(
    name="elman",
    title="Elman's blocked link",
    slides="48",
    level=2,
    hints=(
        "How many users does h(t) have in the backward pass, if the clone does not count? What "
        "then is dh(t)?",
        "dh(t) = dY(t) W_o and nothing else. W_c still pairs dz(t) with what it multiplied, "
        "c(t) = h(t-1), and h_init at t = 0.",
        'dz = (dY[t] @ p["W_o"]) * (1 - h[t] ** 2); W_c += dz.T @ (h[t - 1] if t > 0 else h_init)',
    ),
    afterwards="Compare with central differences: they reject this gradient, rightly, since it is "
    "the derivative of nothing. Hold every c(t) fixed while you move a weight, and they agree.",
    cases=lambda: seeded(
        _case, [(1, 1, 1, 1, 1), (2, 1, 1, 2, 1), (3, 2, 2, 3, 2), (5, 2, 3, 3, 2)]
    ),
)
