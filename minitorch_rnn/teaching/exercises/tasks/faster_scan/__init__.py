"""Make a recurrent layer faster: fewer operations for the same numbers, counted, not timed."""

import dataclasses

import numpy as np

from minitorch_rnn.column import Column, Edge, Input, Layer
from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, sizes

__all__ = ["EXERCISE"]

_PARTS = {
    "W_ih": "weight.x->h", "W_hh": "weight.h(t-1)->h", "b": "bias.h",
    "x": "input.x", "h_init": "history.h",
}  # fmt: skip
_MORE = {"forward": 10, "backward": 20}
_WHERE = {
    "forward": "x(t) W_ihᵀ + b needs no state: one product for all t, before the loop",
    "backward": "1 - h² needs no dz, and the sums over t of dW_ih, dW_hh, db and dx can wait until "
    "all dz(t) are there: one product each, after the loop",
}


def _counted(function, T):
    """A judge of how many operations were needed."""
    most = 3 * T + _MORE[function]

    def judge(answer, operations):
        if operations < T:
            return (
                f"`{function}` gives the right numbers, but only {operations} operations were "
                f"counted in {T} steps: work with the arrays as they are given, without np.asarray."
            )
        if operations > most:
            return (
                f"`{function}` gives the right numbers with {operations} operations for T = {T}; "
                f"{most} are allowed. What does not depend on the step before? {_WHERE[function]}."
            )
        return None

    return judge


def _cases_of(T, B, I, H, seed):
    layer = Column(
        "layer",
        (Input("x", I), Layer("h", H, history="given")),
        (Edge("x", "h"), Edge("h", "h", 1)),
        "h",
    )
    drawn = Drawn(layer, T, B, seed)
    W_ih, W_hh, b = (drawn.params[_PARTS[name]] for name in ("W_ih", "W_hh", "b"))
    x, h, h_init = drawn.inputs["x"], drawn.at("h"), drawn.histories["h"][0]
    before = np.concatenate([h_init[None], h[:-1]])
    slips = [
        ("The states do not see the step before: h(t-1) W_hhᵀ cannot be left out of the loop.",
         np.tanh(x @ W_ih.T + b)),
        ("b is missing.", _states(x, h_init, W_ih, W_hh, 0 * b)),
        ("h_init is missing: the first step starts from it.",
         _states(x, 0 * h_init, W_ih, W_hh, b)),
        ("W_hh is transposed.", _states(x, h_init, W_ih, W_hh.T, b)),
    ]  # fmt: skip
    about = sizes(T=T, B=B, I=I, H=H)
    arguments = {"x": x, "h_init": h_init, "W_ih": W_ih, "W_hh": W_hh, "b": b}
    yield Case(
        Call("forward", arguments, counted=True),
        about,
        h,
        lambda answer: named(h, answer, slips),
        _counted("forward", T),
    )
    dz = drawn.dz["h"]
    pairs = np.einsum("tbi,tbj->ij", dz, h)
    shifted = [
        ("W_hh pairs dz(t) with h(t); put h_init in front and leave h(T-1) away.", {"W_hh": pairs}),
        ("W_hh lacks its t = 0 term, with h_init.",
         {"W_hh": np.einsum("tbi,tbj->ij", dz[1:], before[1:])}),
    ]  # fmt: skip
    arguments = {"dh": drawn.dY, "x": x, "h": h, "h_init": h_init, "W_ih": W_ih, "W_hh": W_hh}
    case = gradient_case(
        drawn, Call("backward", arguments, counted=True), about, _PARTS, slips=shifted
    )
    yield dataclasses.replace(case, judge=_counted("backward", T))


def _states(x, h, W_ih, W_hh, b):
    states = []
    for x_t in x:
        h = np.tanh(x_t @ W_ih.T + h @ W_hh.T + b)
        states.append(h)
    return np.array(states)


EXERCISE = Exercise(
    name="faster-scan",
    title="make a recurrent layer faster",
    slides="72 and 94, as one scan",
    level=4,
    hints=(
        "Go through each loop line by line and ask: does this need what the step before (or, "
        "backward, the step after) has computed? What does not can leave the loop.",
        "Forward: x @ W_ih.T + b for all t first. Backward: 1 - h * h first; in the loop only "
        "dz(t) and dz(t) W_hh; afterwards every dW as one product over T·B rows.",
        "loops: h[t] = before = np.tanh(z[t] + before @ W_hh.T), and dz[t] = step = (dh[t] + "
        "carried) * slope[t]; carried = step @ W_hh. With all dz as rows: dW_ih = rows.T @ x_rows",
    ),
    afterwards="Time both versions with T = 200, B = 1, H = 16, then with H = 512: where the "
    "products themselves take the time, fewer calls help little. nn.RNN works as you do now.",
    cases=lambda: [
        case
        for seed, shape in enumerate([(1, 1, 1, 1), (3, 2, 2, 3), (40, 2, 3, 4)])
        for case in _cases_of(*shape, seed)
    ],
)
