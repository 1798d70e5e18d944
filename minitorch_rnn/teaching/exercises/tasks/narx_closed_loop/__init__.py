"""NARX in closed loop: the error flows through the output that is fed back."""

import numpy as np

from minitorch_rnn.bptt import column as explicit
from minitorch_rnn.column import narx
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, sizes

__all__ = ["EXERCISE"]

_PARTS = {
    "W_x": "weight.x->h", "W_y": "weight.Y(t-1)->h", "b": "bias.h",
    "W_o": "weight.h->Y", "b_o": "bias.Y", "x": "input.x", "Y_init": "history.Y",
}  # fmt: skip


def _case(T, B, I, H, O, seed):
    drawn = Drawn(narx(I, H, O, input_delays=0, history="given"), T, B, seed)
    Y, before = drawn.at("Y"), drawn.histories["Y"]
    forced = drawn.column.teacher_forced("D")
    fed = np.concatenate([before, Y[:-1]])
    trace = explicit.forward(forced, drawn.params, drawn.inputs | {"D": Y}, {"D": before})
    open_loop = explicit.backward(forced, drawn.params, trace, drawn.dY).parameters
    dz = drawn.dz
    slips = [
        ("This is the gradient of teacher forcing: Y(t-1) is treated as data. In closed loop the "
         "error of h(t+1) goes back through W_y into dY(t) (slide 45).",
         {"b": open_loop["bias.h"], "b_o": open_loop["bias.Y"]}),
        ("b_o and W_o see the divergence's own part of dY(t) only; the part that comes back from "
         "h(t+1) over W_y belongs to Y(t) too (slide 45).",
         {"b_o": drawn.dY.sum(axis=(0, 1)), "b": drawn.problem.true["bias.h"]}),
        ("W_y pairs dz(t) with Y(t); it multiplied Y(t-1), and Y_init at t = 0.",
         {"W_y": np.einsum("tbi,tbj->ij", dz["h"], Y)}),
        ("W_y lacks its t = 0 term: Y(-1) is Y_init.",
         {"W_y": np.einsum("tbi,tbj->ij", dz["h"][1:], fed[1:])}),
    ]  # fmt: skip
    weights = {name: drawn.params[_PARTS[name]] for name in ("W_x", "W_y", "W_o")}
    arguments = {"p": weights, "x": drawn.inputs["x"], "h": drawn.at("h"), "Y": Y,
                 "Y_init": before[0], "dY": drawn.dY}  # fmt: skip
    about = sizes(T=T, B=B, I=I, H=H, O=O)
    return gradient_case(drawn, Call("backward", arguments), about, _PARTS, slips=slips)


EXERCISE = Exercise(
    name="narx-closed-loop",
    title="a NARX network in closed loop",
    slides="41-45",
    level=3,
    hints=(
        "Draw the arrows that leave Y(t). The whole gradient at Y(t) has as many parts as there "
        "are arrows, and everything below Y(t) needs the whole.",
        "Carry one array from step to step: what dz(t+1) sends back over W_y. In step t add it to "
        "dY(t) first of all; what is left after t = 0 is the gradient of Y_init.",
        'dz_o = dY[t] + from_next; dz = (dz_o @ p["W_o"]) * (1 - h[t] ** 2); '
        'from_next = dz @ p["W_y"]',
    ),
    afterwards="With teacher forcing a network never meets its own mistakes while it learns. Train "
    "one that way, let it run in closed loop for 100 steps, and watch them add up.",
    cases=lambda: seeded(
        _case, [(1, 1, 1, 1, 1), (2, 1, 1, 2, 1), (3, 2, 2, 3, 2), (5, 2, 2, 4, 3)]
    ),
)
