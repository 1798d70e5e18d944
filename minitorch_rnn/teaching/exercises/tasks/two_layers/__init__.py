"""Slide 94 with L layers."""

from minitorch_rnn.column import state_space
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, sizes, vectors

__all__ = ["EXERCISE"]


def _case(T, I, H, O, L, seed):
    drawn = Drawn(state_space(I, H, O, layers=L), T, 1, seed)
    layers = range(1, L + 1)
    below = {l: f"h{l - 1}" if l > 1 else "x" for l in layers}
    parts = {}
    for l in layers:
        parts[f"W_c[{l}]"] = f"weight.{below[l]}->h{l}"
        parts[f"W_r[{l}]"] = f"weight.h{l}(t-1)->h{l}"
        parts[f"b[{l}]"] = f"bias.h{l}"
        parts[f"h_init[{l}]"] = f"history.h{l}"
    parts |= {"W_o": f"weight.h{L}->Y", "b_o": "bias.Y", "x": "input.x"}
    h = {(-1, l): drawn.histories[f"h{l}"][0, 0] for l in layers}
    for t in range(T):
        h[t, 0] = drawn.inputs["x"][t, 0]
        h |= {(t, l): drawn.at(f"h{l}")[t, 0] for l in layers}
    arguments = {
        "W_c": {l: drawn.params[parts[f"W_c[{l}]"]] for l in layers},
        "W_r": {l: drawn.params[parts[f"W_r[{l}]"]] for l in layers},
        "W_o": drawn.params[parts["W_o"]],
        "h": h,
        "dY": drawn.dY[:, 0],
    }
    about = sizes(T=T, I=I, H=H, O=O, L=L)
    return gradient_case(drawn, Call("backward", arguments), about, parts, as_student=vectors)


EXERCISE = Exercise(
    name="two-layers",
    title="backpropagation through time, L layers",
    slides="92, 94",
    level=2,
    hints=(
        "Two of the writes to dh add and one assigns. Who has written to dh(t,l-1) before layer l "
        "does? And who to dh(t-1,l)?",
        "dh can be a dictionary of zeros for every key of h. Then dh[t, 0] is dx(t), and what the "
        "loop leaves in dh[-1, l] is the gradient of h(-1,l).",
        "dz = dh[t, l] * (1 - h[t, l] ** 2); dh[t, l - 1] += dz @ W_c[l]; dh[t - 1, l] = dz @ "
        "W_r[l]; dW_r[l] += np.outer(dz, h[t - 1, l])",
    ),
    afterwards="With L = 1 it is the exercise before. Count the products per step: two for each "
    "layer forward and four backward, which is why backward takes about twice as long.",
    cases=lambda: seeded(
        _case, [(1, 1, 1, 1, 1), (1, 1, 2, 1, 2), (2, 2, 2, 2, 2), (4, 2, 3, 2, 3), (4, 2, 3, 2, 2)]
    ),
)
