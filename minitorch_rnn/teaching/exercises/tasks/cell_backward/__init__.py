"""The backward pass of an RNN cell, in the conventions of the usual homework."""

import numpy as np

from minitorch_rnn.column import Column, Edge, Input, Layer
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import (
    Drawn,
    drawn_numbers,
    gradient_case,
    sizes,
    step,
)

__all__ = ["EXERCISE"]

_PARTS = {
    "dx": "input.x", "dh_prev_t": "history.h", "dW_ih": "weight.x->h",
    "dW_hh": "weight.h(t-1)->h", "db_ih": "bias.h", "db_hh": "bias.h",
}  # fmt: skip


def _slips(delta, h, x, before, W_ih, W_hh):
    """What known mistakes make of the gradients; the arrays are (T, N, ·)."""
    T, N = delta.shape[:2]
    dz = delta * (1 - h * h)
    dW_ih, dW_hh, db = (
        np.array([dz[t].T @ a[t] for t in range(T)]) for a in (x, before, np.ones((T, N, 1)))
    )
    assigned = (
        "is assigned and not added to: one cell is used in every step, so `backward` is called T "
        "times and each call adds its part (+=)."
    )
    return [
        (f"The gradients of all weights: each {assigned}",
         {"dW_ih": dW_ih[0], "dW_hh": dW_hh[0], "db_ih": db[0, :, 0]}),
        (f"dW_ih {assigned}", {"dW_ih": dW_ih[0]}),
        (f"dW_hh {assigned}", {"dW_hh": dW_hh[0]}),
        (f"db_ih {assigned}", {"db_ih": db[0, :, 0]}),
        (f"db_hh {assigned}", {"db_hh": db[0, :, 0]}),
        ("The slope 1 - h_t² is missing between delta and dz.",
         {"dx": delta @ W_ih, "dW_ih": np.einsum("tni,tnj->ij", delta, x),
          "db_ih": delta.sum((0, 1))}),
        ("The gradients of all weights are divided by N; here they are sums over the examples.",
         {"dW_ih": dW_ih.sum(0) / N, "dW_hh": dW_hh.sum(0) / N, "db_ih": db.sum(0)[:, 0] / N,
          "db_hh": db.sum(0)[:, 0] / N}),
        ("db_ih and db_hh are divided by N; here they are sums over the examples.",
         {"db_ih": db.sum(0)[:, 0] / N, "db_hh": db.sum(0)[:, 0] / N}),
        ("dW_ih and dW_hh are divided by N; here they are sums over the examples.",
         {"dW_ih": dW_ih.sum(0) / N, "dW_hh": dW_hh.sum(0) / N}),
        ("dh_prev_t has a slope too many, 1 - h_prev_t²: that tanh belongs to the call for the "
         "step before.", {"dh_prev_t": dz @ W_hh * (1 - before * before)}),
        ("dW_hh pairs dz with h_t; W_hh multiplied h_prev_t.",
         {"dW_hh": np.einsum("tni,tnj->ij", dz, h)}),
        ("The slope of tanh is taken at the wrong state: it is 1 - h_t², not 1 - h_prev_t².",
         {"db_ih": (delta * (1 - before * before)).sum((0, 1))}),
    ]  # fmt: skip


def _case(T, N, I, H, seed):
    # Steps with errors of their own are T N sequences of one step, to which all weights are common.
    cell = Column(
        "cell",
        (Input("x", I), Layer("h", H, history="given")),
        (Edge("x", "h"), Edge("h", "h", 1)),
        "h",
    )
    drawn = Drawn(cell, 1, T * N, seed)
    W_ih, W_hh = (drawn.params[_PARTS[name]] for name in ("dW_ih", "dW_hh"))
    b_ih = drawn_numbers(np.random.default_rng(seed), H)
    x, before, delta = (
        a.reshape(T, N, -1) for a in (drawn.inputs["x"], drawn.histories["h"], drawn.dY)
    )
    h = drawn.at("h").reshape(T, N, H)

    def as_student(name, true):
        shaped = step(name, true)
        return shaped.reshape(T, N, -1) if name.startswith(("input.", "history.")) else shaped

    arguments = {
        "weights": (W_ih, W_hh, b_ih, drawn.params["bias.h"] - b_ih),
        "deltas": delta, "h_t": h, "h_prev_l": x, "h_prev_t": before,
    }  # fmt: skip
    return gradient_case(
        drawn,
        Call("run", arguments),
        sizes(T=T, N=N, I=I, H=H),
        _PARTS,
        as_student=as_student,
        slips=_slips(delta, h, x, before, W_ih, W_hh),
    )


EXERCISE = Exercise(
    name="cell-backward",
    title="an RNN cell, backward, as in homework",
    slides="94, its inner loop",
    level=2,
    hints=(
        "`delta` stands behind the tanh. What is the gradient dz in front of it, and which of the "
        "four arguments do you need for that?",
        "From dz (N, H): dx goes through W_ih, dh_prev_t through W_hh, and each weight pairs dz "
        "with what it multiplied, h_prev_l or h_prev_t; sums over N come with the products.",
        "dz = delta * (1 - h_t**2); self.dW_ih += dz.T @ h_prev_l; self.dW_hh += dz.T @ h_prev_t; "
        "both biases += dz.sum(axis=0); return dz @ self.W_ih, dz @ self.W_hh",
    ),
    afterwards="Homework often divides by N in the cell. Then the loss must not do it as well: put "
    "the mean in one place. The two biases always get the same gradient; one would do.",
    cases=lambda: seeded(_case, [(1, 1, 1, 1), (1, 3, 2, 2), (3, 1, 2, 3), (3, 2, 4, 3)]),
)
