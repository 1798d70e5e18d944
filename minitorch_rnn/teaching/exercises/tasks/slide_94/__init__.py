"""Slide 94 for one layer: backpropagation through time."""

from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import (
    Drawn,
    gradient_case,
    one_layer,
    sizes,
    vectors,
)

__all__ = ["EXERCISE"]

_PARTS = {
    "W_c": "weight.x->h", "W_r": "weight.h(t-1)->h", "b": "bias.h",
    "W_o": "weight.h->Y", "b_o": "bias.Y", "x": "input.x", "h_init": "history.h",
}  # fmt: skip


def _case(T, I, H, O, seed):
    drawn = Drawn(one_layer(I, H, O, output_activation="softmax"), T, 1, seed)
    states = {t: h for t, h in enumerate(drawn.at("h")[:, 0])}
    arguments = {
        **{name: drawn.params[_PARTS[name]] for name in ("W_c", "W_r", "W_o")},
        "x": drawn.inputs["x"][:, 0],
        "h": {-1: drawn.histories["h"][0, 0]} | states,
        "Y": drawn.at("Y")[:, 0],
        "dY": drawn.dY[:, 0],
    }
    about = sizes(T=T, I=I, H=H, O=O)
    call = Call("backward", arguments)
    return gradient_case(drawn, call, about, _PARTS, as_student=vectors)


EXERCISE = Exercise(
    name="slide-94",
    title="backpropagation through time, one layer",
    slides="94",
    level=2,
    hints=(
        "h(t) has two users: the output at t, and the state at t+1. So dh(t) has two terms, and "
        "the loop meets the one from t+1 first. Which lines of the slide write them?",
        "Keep dh as a dictionary of zeros for t = -1 .. T-1. In step t: dh[t] += dz_o @ W_o, then "
        "dz from dh[t], then dh[t - 1] = dz @ W_r for the next turn of the loop.",
        "dz = dh[t] * (1 - h[t] ** 2); dh[t - 1] = dz @ W_r; dW_r += np.outer(dz, h[t - 1]); and "
        'in the end "h_init": dh[-1]',
    ),
    afterwards="Set W_r to half of it and print the norm of dh(t) for every t, with dY = 0 except "
    "at T-1: the error dies away on its way back. Would twice W_r make it grow? Compute h again "
    "and look at 1 - h(t)².",
    cases=lambda: seeded(
        _case, [(1, 1, 1, 2), (2, 1, 2, 2), (3, 2, 1, 3), (4, 3, 3, 3), (5, 2, 3, 4)]
    ),
)
