"""Truncated backpropagation through time, in chunks."""

import dataclasses

import numpy as np

from minitorch_rnn.bptt import truncated
from minitorch_rnn.column import chunked, per_loss_window
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, one_layer, sizes

__all__ = ["EXERCISE"]

_PARTS = {
    "W_x": "weight.x->h", "W_h": "weight.h(t-1)->h", "b": "bias.h",
    "W_o": "weight.h->Y", "b_o": "bias.Y", "x": "input.x", "h_init": "history.h",
}  # fmt: skip


def _swept(drawn, cut_before):
    """dz(t) if the error is dropped where it would leave step t backward and `cut_before(t)`."""
    h, p = drawn.at("h"), drawn.params
    W_o, W_h = p["weight.h->Y"], p["weight.h(t-1)->h"]
    dz, dh = np.zeros(h.shape), 0.0
    for t in reversed(range(len(h))):
        dz[t] = (drawn.dY[t] @ W_o + dh) * (1 - h[t] ** 2)
        dh = 0.0 if cut_before(t) else dz[t] @ W_h
    return dz


def _of(dz, drawn):
    """The parts of an answer that tell which error was swept."""
    return {"b": dz.sum(axis=(0, 1)), "x": dz @ drawn.params["weight.x->h"]}


def _slips(drawn, k, right):
    T, h, before = len(drawn.dY), drawn.at("h"), drawn.histories["h"]
    past = np.concatenate([before, h[:-1]])
    dz = _swept(drawn, lambda t: t % k == 0 and t > 0)
    starts = np.arange(T) % k == 0

    def paired(kept):
        return {"W_h": np.einsum("tbi,tbj->ij", dz[kept], past[kept])}

    window = truncated.backward(
        drawn.column, drawn.params, drawn.trace, drawn.dY, per_loss_window(k)
    )
    yield (
        "Nothing is cut: this is full backpropagation through time.",
        _of(_swept(drawn, lambda t: False), drawn),
    )
    yield (
        (
            "The cut is one step late: it is made below the last step of a chunk. Chunks begin at "
            "0, k, 2k, …; dz(t) is not sent back where t is one of these."
        ),
        _of(_swept(drawn, lambda t: (t + 1) % k == 0), drawn),
    )
    yield (
        "The cut is one step off: t = 1, k + 1, … are no first steps; 0, k, 2k, … are.",
        _of(_swept(drawn, lambda t: t % k == 1), drawn),
    )
    yield (
        "The chunks are counted from the end; they begin at 0, k, 2k, ….",
        _of(_swept(drawn, lambda t: (T - t) % k == 0 and t > 0), drawn),
    )
    yield (
        "Every link through time is cut; within a chunk the error flows back.",
        _of(_swept(drawn, lambda t: True), drawn),
    )
    yield (
        (
            "Every loss reaches k states back: that is another definition of truncation, a window "
            "for each loss. Here chunks are cut, whatever step in them the loss belongs to."
        ),
        {"b": window.parameters["bias.h"]},
    )
    yield (
        (
            "W_h lacks its terms at the beginnings of the chunks: only the error is cut there, the "
            "state h(t-1) went in."
        ),
        paired(~starts | (np.arange(T) == 0)),
    )
    yield "W_h lacks its terms at the beginnings of the chunks, t = 0 included.", paired(~starts)
    yield (
        "W_h pairs dz(t) with h(t); it multiplied h(t-1).",
        {"W_h": np.einsum("tbi,tbj->ij", dz, h)},
    )
    yield (
        "h_init gets no gradient; only the error between chunks is cut, h(-1) is reached.",
        {"h_init": 0 * right["h_init"]},
    )


def _case(T, B, H, k, seed):
    drawn = Drawn(one_layer(2, H, 2), T, B, seed)
    weights = {name: drawn.params[_PARTS[name]] for name in ("W_x", "W_h", "W_o")}
    arguments = {
        "p": weights, "x": drawn.inputs["x"], "h": drawn.at("h"),
        "h_init": drawn.histories["h"][0], "dY": drawn.dY, "k": k,
    }  # fmt: skip
    about = sizes(T=T, B=B, I=2, H=H, O=2, k=k)
    case = gradient_case(drawn, Call("backward", arguments), about, _PARTS)
    if k >= T:
        return case
    found = truncated.backward(drawn.column, drawn.params, drawn.trace, drawn.dY, chunked(k))
    true = found.parameters | {"input.x": found.da["x"], "history.h": found.histories["h"][0]}
    right = {name: true[part] for name, part in _PARTS.items()}
    return dataclasses.replace(
        case,
        expected=right,
        explain=lambda answer: named(right, answer, list(_slips(drawn, k, right))),
    )


EXERCISE = Exercise(
    name="truncated-bptt",
    title="truncated backpropagation through time",
    slides="94, cut; truncation",
    level=3,
    hints=(
        "Begin with the full sweep of slide 94. One line of it carries the error from t to t-1; "
        "for which t does that step lead from one chunk into another?",
        "The sweep leaves a chunk when it goes from its first step to the step before, that is "
        "where t is a multiple of k. There the carried error starts again from 0, except at t = 0.",
        'dh = dz @ p["W_h"], and then: if t % k == 0 and t > 0: dh = np.zeros(dh.shape)',
    ),
    afterwards="Where the answer lies 10 steps back, no error gets there with k = 5. minitorch-rnn "
    "has two other definitions of truncation: column.per_loss_window and column.williams_peng.",
    cases=lambda: seeded(
        _case,
        [
            (1, 1, 1, 1),
            (2, 1, 2, 2),
            (4, 2, 3, 9),
            (3, 1, 1, 2),
            (4, 2, 2, 1),
            (5, 2, 3, 2),
            (10, 2, 3, 4),
        ],
    ),
)
