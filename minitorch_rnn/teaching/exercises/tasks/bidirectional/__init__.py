"""A bidirectional network, backward: two sweeps in opposite directions."""

import numpy as np

from minitorch_rnn.column import bidirectional
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, sizes

__all__ = ["EXERCISE"]

_PARTS = {
    "W_xf": "weight.x->h_f", "W_ff": "weight.h_f(t-1)->h_f", "b_f": "bias.h_f",
    "W_xb": "weight.x->h_b", "W_bb": "weight.h_b(t+1)->h_b", "b_b": "bias.h_b",
    "W_fy": "weight.h_f->Y", "W_by": "weight.h_b->Y", "b_y": "bias.Y",
    "x": "input.x", "h_f_init": "history.h_f", "h_b_init": "history.h_b",
}  # fmt: skip


def _swept(drawn, net, times):
    """db of one net if its error is swept over `times`, in this order."""
    h, W = drawn.at(f"h_{net}"), drawn.params
    recurrent = W[_PARTS[f"W_{net}{net}"]]
    dh, total = 0.0, 0.0
    for t in times:
        dz = (drawn.dY[t] @ W[_PARTS[f"W_{net}y"]] + dh) * (1 - h[t] ** 2)
        total, dh = total + dz.sum(axis=0), dz @ recurrent
    return total


def _case(T, B, I, H, O, seed):
    drawn = Drawn(bidirectional(I, H, O), T, B, seed)
    states = {f"h_{net}": drawn.at(f"h_{net}") for net in "fb"}
    starts = {f"h_{net}_init": drawn.histories[f"h_{net}"][0] for net in "fb"}
    weights = {name: drawn.params[_PARTS[name]] for name in _PARTS if name.startswith("W")}
    forward, backward = range(T), range(T - 1, -1, -1)
    W_xf, W_xb = weights["W_xf"], weights["W_xb"]
    dz = drawn.dz
    slips = [
        ("The error of the backward net is swept from T-1 to 0, as that of the forward net. "
         "h_b(t) is used by h_b(t-1), so its error comes from t-1: sweep t = 0 .. T-1 "
         "(slide 100).", {"b_b": _swept(drawn, "b", backward)}),
        ("The error of the forward net is swept from 0 to T-1; h_f(t) is used by h_f(t+1), so "
         "sweep t = T-1 .. 0.", {"b_f": _swept(drawn, "f", forward)}),
        ("x lacks the part that comes through the backward net: x(t) has two users, and their "
         "errors add up (slides 96-100).", {"x": dz["h_f"] @ W_xf}),
        ("x lacks the part that comes through the forward net: x(t) has two users, and their "
         "errors add up (slides 96-100).", {"x": dz["h_b"] @ W_xb}),
        ("W_bb pairs dz(t) with h_b(t-1); the backward net computed h_b(t) from h_b(t+1).",
         {"W_bb": np.einsum("tbi,tbj->ij", dz["h_b"],
                            np.concatenate([starts["h_b_init"][None], states["h_b"][:-1]]))}),
    ]  # fmt: skip
    return gradient_case(
        drawn,
        Call(
            "backward", {"p": weights, "x": drawn.inputs["x"], **states, **starts, "dY": drawn.dY}
        ),
        sizes(T=T, B=B, I=I, H=H, O=O),
        _PARTS,
        slips=slips,
    )


EXERCISE = Exercise(
    name="bidirectional",
    title="a bidirectional network",
    slides="96-100",
    level=3,
    hints=(
        "An error flows against the arrows of the forward pass. In the backward net the arrows "
        "lead from t+1 to t.",
        "Write two sweeps, one for each net: t = T-1 .. 0 for h_f and t = 0 .. T-1 for h_b. They "
        "meet in one place only: both add to dx(t).",
        "second sweep: for t in range(T): before = h_b[t + 1] if t < T - 1 else h_b_init; "
        'dz = (dY[t] @ p["W_by"] + dh) * (1 - h_b[t] ** 2); …; dh = dz @ p["W_bb"]',
    ),
    afterwards="Reverse x and dY in time and swap the weights of the two nets: all gradients come "
    "out swapped and reversed. That is a test that needs no reference.",
    cases=lambda: seeded(
        _case, [(1, 1, 1, 1, 1), (2, 1, 1, 2, 1), (3, 2, 2, 3, 2), (5, 2, 2, 3, 2)]
    ),
)
