"""dh(-1): the gradient of the state before the first step."""

import dataclasses

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, one_layer, sizes

__all__ = ["EXERCISE"]

_PARTS = {"dh(-1)": "history.h", "W_r": "weight.h(t-1)->h"}


def _case(T, B, H, seed):
    drawn = Drawn(one_layer(2, H, 2), T, B, seed)
    drawn.histories["h"][:] = drawn.histories["h"][:, :1]  # one state for all sequences
    W_r, h_init = drawn.params["weight.h(t-1)->h"], drawn.histories["h"][0, 0]
    dz, h = drawn.dz["h"], drawn.at("h")
    each = dz[0] @ W_r
    first = dz[0].T @ np.tile(h_init, (B, 1))
    dW_r = first + sum((dz[t].T @ h[t - 1] for t in range(1, T)), np.zeros((H, H)))
    slips = [
        ("h_init has the mean over the sequences; all of them start from it, so their gradients "
         "add up.", {"h_init": each.mean(axis=0)}),
        ("h_init has the gradient of one sequence; all B start from it: sum over them.",
         {"h_init": each[0]}),
        ("h_init has the gradient of one sequence; all B start from it: sum over them.",
         {"h_init": each[-1]}),
        ("dh(-1) is made of dz(T-1); h(-1) goes into the first step, so dz(0) is sent back to it "
         "(slide 91).", {"dh(-1)": dz[-1] @ W_r}),
        ("dh(-1) is made of all dz(t); h(-1) goes into the first step only, so dz(0) is sent back "
         "to it (slide 91).", {"dh(-1)": dz.sum(axis=0) @ W_r}),
        ("dh(-1) has the transposed W_r: forward has W_r h, so backward has dz W_r: dz @ W_r.",
         {"dh(-1)": dz[0] @ W_r.T}),
        ("dh(-1) is dz(0) itself: W_r lies between h(-1) and z(0) (slide 91).", {"dh(-1)": dz[0]}),
        ("dh(-1) has a slope 1 - h(-1)² too many: h(-1) is a parameter, no tanh made it.",
         {"dh(-1)": each * (1 - h_init**2)}),
        ("dh(-1) is 0; the sweep sends dz(0) W_r back to it (slide 91).", {"dh(-1)": 0 * each}),
        ("W_r lacks its t = 0 term, outer(dz(0), h(-1)).", {"W_r": dW_r - first}),
        ("W_r pairs dz(t) with h(t); it multiplied h(t-1).",
         {"W_r": sum(dz[t].T @ h[t] for t in range(T))}),
    ]  # fmt: skip
    call = Call("backward", {"W_r": W_r, "dz": dz, "h": h, "h_init": h_init})
    case = gradient_case(drawn, call, sizes(T=T, B=B, H=H), _PARTS)
    right = {"dh(-1)": each, "h_init": each.sum(axis=0), "W_r": dW_r}
    return dataclasses.replace(
        case,
        expected=right,
        explain=lambda answer: named(right, answer, slips) or case.explain(answer),
    )


EXERCISE = Exercise(
    name="initial-state",
    title="the gradient of h(-1)",
    slides="69, 91",
    level=2,
    hints=(
        "h(-1) is used exactly once, in z(0) = … + W_r h(-1). Whatever is used B times, by B "
        "sequences, gets B gradients.",
        "dh(-1) = dz(0) W_r, a row for each sequence. The shared h_init gets their sum. In dW_r, "
        "t = 0 pairs dz(0) with h(-1), and t pairs dz(t) with h(t-1).",
        'each = dz[0] @ W_r, then "h_init": each.sum(axis=0), and dW_r starts with '
        "np.outer(dz[0].sum(axis=0), h_init)",
    ),
    afterwards="Learned initial states matter for short sequences most: with T = 1 they are the "
    "only memory. Compare the norm of dh(-1) for T = 2 and T = 50 with one output at the end.",
    cases=lambda: seeded(_case, [(1, 1, 1), (1, 2, 2), (3, 1, 2), (4, 3, 3)]),
)
