"""Mistakes that students make: lines of the solutions in `students`, exchanged.

`names` says what a mistake is called in the vocabulary of the diagnosis: " | " stands between names
that say the same about the numbers, " & " between the two of a combination. On some networks two
mistakes give the same numbers (with one layer, what is overwritten is all that came through time);
then no checker can tell them apart, and `accepted` takes the names of both.
"""

import functools
import inspect
import itertools
from typing import NamedTuple

import numpy as np
from teaching import student_networks, students

VOCABULARY = {
    "missing time step", "assigned, not accumulated", "transposed weight", "transposed gradient",
    "wrong sign", "wrong factor", "current for previous state", "previous for current state",
    "slope at z", "no slope", "wrong slope", "diagonal softmax Jacobian", "no output Jacobian",
    "missing bias", "missing initial state", "layers swapped", "time reversed",
    "blocked link leaks", "no gradient through time", "truncated",
    "no gradient from the layer above", "no gradient from the output", "last step only",
    "wrong time step", "bias not summed", "one sequence only", "weights swapped", "missing skip",
    "left at zero",
}  # fmt: skip

# What a student carries from step to step and then forgets to add, another overwrites in a table of
# dh(t), and a third, who sweeps that table from t = 0 on, reads too early: the numbers are equal.
NOT_ADDED = "no gradient through time | assigned, not accumulated | time reversed"


class Mistake(NamedTuple):
    """Lines of a solution that are exchanged, and what that is called.

    `square` networks have I = H, without which the student's program would not run; `layers` is for
    mistakes that need several.
    """

    solution: str
    label: str
    names: str
    patches: tuple
    square: bool = False
    layers: int | None = None

    @property
    def sets(self):
        """The sets of names that are right."""
        parts = [part.split(" | ") for part in self.names.split(" & ")]
        return {frozenset(choice) for choice in itertools.product(*parts)}

    def subject(self, number):
        return student_networks.drawn(self.solution, number, self.square, self.layers)


def the(solution, label, names, *lines, square=False, layers=None):
    """A mistake: every second line stands in the solution, the one after it takes its place."""
    return Mistake(
        solution, label, names, tuple(zip(lines[::2], lines[1::2], strict=True)), square, layers
    )


def _slide_94():
    m = functools.partial(the, "slide_94")
    assigned, factor = "assigned, not accumulated", "wrong factor"
    output = "dz_o = Y[t] * (dY[t] - (dY[t] * Y[t]).sum(axis=1, keepdims=True))"
    slope, above = "(1 - h[t, l] ** 2)", "dh[t, l - 1] += dz @ W_c[l]"
    back, sweep = "dh[t - 1, l] = dz @ W_r[l]", "range(T - 1, -1, -1)"
    dW_r, dh = "dW_r[l] += dz.T @ h[t - 1, l]", "dh[t, L] += dz_o @ W_o"
    given = 'f"dW_r{l}": dW_r[l]'
    return [
        m("= on dW_r", assigned, "dW_r[l] +=", "dW_r[l] ="),
        m("= on dW_c", assigned, "dW_c[l] +=", "dW_c[l] ="),
        m("= on dW_o", assigned, "dW_o +=", "dW_o ="),
        m("= on db", f"bias not summed | {assigned}", "db[l] +=", "db[l] ="),
        m("= on dh of the top layer", assigned, "dh[t, L] +=", "dh[t, L] ="),
        m("= on dh of the layer below", assigned, above, above.replace("+=", "="), layers=2),
        m("W_r transposed", "transposed weight", back, f"{back}.T"),
        m("W_c transposed", "transposed weight", above, f"{above}.T", square=True),
        m("dW_r transposed", "transposed gradient", "dz.T @ h[t - 1, l]", "h[t - 1, l].T @ dz"),
        m("dW_c transposed", "transposed gradient",
          "dz.T @ h[t, l - 1]", "h[t, l - 1].T @ dz", square=True),
        m("targets minus outputs", "wrong sign", "dz_o = Y[t]", "dz_o = -Y[t]"),
        m("- on dW_o", "wrong sign", "dW_o +=", "dW_o -="),
        m("- on what goes back", "wrong sign", back, "dh[t - 1, l] = -dz @ W_r[l]"),
        m("the mean over T", factor, "dz_o = Y[t]", "dz_o = Y[t] / T"),
        m("dW_r averaged over T", factor, given, f"{given} / T"),
        m("dW_r averaged over the batch", factor, given, f"{given} / len(dY[0])"),
        m("twice", factor, "dz_o = Y[t]", "dz_o = 2 * Y[t]"),
        m("half of dW_o", factor, '"dW_o": dW_o', '"dW_o": dW_o / 2'),
        m("h(t) in dW_r", "current for previous state", dW_r, "dW_r[l] += dz.T @ h[t, l]"),
        m("h(t-1) in dW_o", "previous for current state",
          "dz_o.T @ h[t, L]", "dz_o.T @ h[t - 1, L]"),
        m("1 - z²", "slope at z", slope, "(1 - net.z[t, l] ** 2)"),
        m("the sigmoid's slope", "wrong slope", slope, "h[t, l] * (1 - h[t, l])"),
        m("1 - h", "wrong slope", slope, "(1 - h[t, l])"),
        m("no slope", "no slope", f" * {slope}", ""),
        m("softmax unit by unit", "diagonal softmax Jacobian",
          output, "dz_o = dY[t] * Y[t] * (1 - Y[t])"),
        m("softmax forgotten", "no output Jacobian", output, "dz_o = dY[t]"),
        m("db forgotten", "missing bias", "db[l] += dz.sum(axis=0)", "pass"),
        m("db_o forgotten", "missing bias", "db_o += dz_o.sum(axis=0)", "pass"),
        m("db of one sequence", "bias not summed | one sequence only",
          "+= dz.sum(axis=0)", "+= dz[0]"),
        m("db of the last step", f"bias not summed | {assigned}",
          "db[l] += dz", "db[l] += (t == T - 1) * dz"),
        m("dW_r from t = 1", "missing initial state | missing time step",
          dW_r, f"{dW_r} * (t > 0)"),
        m("dh(-1) is 0", "missing initial state",
          "np.array([dh[-1, l]])", "np.zeros((1, *dh[-1, l].shape))"),
        m("down to t = 1", "missing time step", sweep, "range(T - 1, 0, -1)"),
        m("from T-2 on", "missing time step", sweep, "range(T - 2, -1, -1)"),
        m("from t = 0 on", NOT_ADDED, sweep, "range(T)"),
        m("W_c and W_r exchanged", "weights swapped", above, above.replace("W_c", "W_r"),
          back, back.replace("W_r", "W_c"), square=True),
        m("layers returned in reverse", "layers swapped",
          given, 'f"dW_r{l}": dW_r[L + 1 - l]', "db[l]}", "db[L + 1 - l]}", layers=3),
        m("nothing from above", "no gradient from the layer above", above, f"if l == 1: {above}",
          layers=2),
        m("nothing from the output", "no gradient from the output",
          dh, "pass"),
        m("the output's error at T-1 only", "no gradient from the output | last step only",
          dh, f"{dh} * (t == T - 1)"),
        m("the loss of the last step", "last step only",
          "dz_o = Y[t]", "dz_o = (t == T - 1) * Y[t]"),
        m("cut every 2 steps", "truncated", back, f"{back} * (t % 2 > 0)"),
        m("cut every 3 steps", "truncated", back, f"{back} * (t % 3 > 0)"),
        m("nothing through time", "no gradient through time", back, "pass"),
        m("only dh(-1) through time", NOT_ADDED, back, f"{back} * (t == 0)"),
        m("dW_r of one sequence", "one sequence only",
          dW_r, "dW_r[l] += np.outer(dz[0], h[t - 1, l][0])"),
        m("two steps back", "wrong time step", back, "dh[max(t - 2, -1), l] += dz @ W_r[l]"),
    ]  # fmt: skip


def _cells():
    m = functools.partial(the, "cells")
    call = "backward(l, dh[l], hiddens[t + 1][l], h_prev_l, hiddens[t][l])"
    return [
        m("dW of the cells over the batch", "wrong factor",
          "dz.T @ h_prev_l", "dz.T @ h_prev_l / B",
          "dz.T @ h_prev_t", "dz.T @ h_prev_t / B", "+= dz.sum(axis=0)", "+= dz.sum(axis=0) / B"),
        m("mean over the batch", "wrong factor", "delta = dY[t]", "delta = dY[t] / B"),
        m("d of (Y - D)²", "wrong factor", "delta = dY[t]", "delta = 2 * dY[t]"),
        m("forward in time", "time reversed", "reversed(range(T))", "range(T)"),
        m("h_t for h_prev_t", "current for previous state",
          call, call.replace("[t][l]", "[t + 1][l]")),
        m("h_prev_t for h_t", "previous for current state",
          call, call.replace("[t + 1][l]", "[t][l]")),
        m("the layer below at t-1", "previous for current state",
          "else hiddens[t + 1][l - 1]", "else hiddens[t][l - 1]", layers=2),
        m("= on dh of the layer below", "assigned, not accumulated",
          "dh[l - 1] += below", "dh[l - 1] = below", layers=3),
        m("= on dh of the top layer", "assigned, not accumulated", "dh[L - 1] +=", "dh[L - 1] ="),
        m("= on dW_hh", "assigned, not accumulated", "dW_hh[l] +=", "dW_hh[l] ="),
        m("dh(-1) not returned", "missing initial state", "dh[l][None]", "0 * dh[l][None]"),
        # The error from above comes when its layer is done with t: it counts at t-1.
        m("layers upward", "layers swapped | wrong time step | no gradient from the layer above",
          "for l in reversed(range(L))", "for l in range(L)", layers=2),
        m("the first sequence", "one sequence only",
          "delta = dY[t]", "delta = dY[t] * np.eye(B)[:, :1]"),
        m("1 - h", "wrong slope", "1 - h_t**2", "1 - h_t"),
        m("the sigmoid's slope", "wrong slope", "(1 - h_t**2)", "h_t * (1 - h_t)"),
        m("dW_hh transposed", "transposed gradient", "dz.T @ h_prev_t", "h_prev_t.T @ dz"),
        m("W_hh transposed", "transposed weight", "dz @ W_hh[l]", "dz @ W_hh[l].T"),
        m("many to one", "last step only", "delta = dY[t]", "delta = dY[t] * (t == T - 1)"),
        m("minus", "wrong sign", "delta = dY[t]", "delta = -dY[t]"),
        m("dh not carried", "no gradient through time", "dh[l] = before", "dh[l] = 0 * before"),
        m("only dh(-1) is carried", NOT_ADDED, "dh[l] = before", "dh[l] = before * (t == 0)"),
        m("db of one sequence", "bias not summed | one sequence only",
          "+= dz.sum(axis=0)", "+= dz[-1]"),
        m("the last 3 steps", "truncated | missing time step",
          "reversed(range(T))", "reversed(range(T - 3, T))"),
    ]  # fmt: skip


def _partly_recurrent():
    e, j = functools.partial(the, "elman"), functools.partial(the, "jordan")
    start, dW_c = "    for t in reversed", "dW_c += dz.T @ h[t - 1]"
    dh, dW_m = "dh = dY[t] @ W_o", "dW_m += dz.T @ m[t]"
    return [
        e("full gradient", "blocked link leaks", start, f"    carried = 0 * h[0]\n{start}",
          dh, f"{dh} + carried", "dx[t] = dz @ W_x", "dx[t] = dz @ W_x; carried = dz @ W_c"),
        e("the context is not trained", "left at zero | missing skip | no gradient through time",
          dW_c, "pass"),
        e("h(t) for the context", "current for previous state", "h[t - 1]", "h[t]"),
        e("the context starts at 0", "missing initial state | missing time step",
          dW_c, f"{dW_c} * (t > 0)"),
        e("db forgotten", "missing bias", "db += dz.sum(axis=0)", "pass"),
        e("the sigmoid's slope", "wrong slope", "(1 - h[t] ** 2)", "h[t] * (1 - h[t])"),
        j("error into y(t-1)", "blocked link leaks",
          dW_m, f"{dW_m}\n        if t > 0: dY[t - 1] += dz @ W_m"),
        j("error through the memory", "blocked link leaks", dW_m,
          f"{dW_m}\n        dm = dz @ W_m + 0.5 * dm\n        if t > 0: dY[t - 1] += dm",
          start, f"    dm = 0 * m[0]\n{start}"),
        j("the slope of tanh", "wrong slope", "h[t] * (1 - h[t])", "(1 - h[t] ** 2)"),
        j("z (1 - z)", "slope at z", "h[t] * (1 - h[t])", "net.z[t] * (1 - net.z[t])"),
        j("the memory at t-1", "previous for current state", "m[t]", "m[t - 1]"),
    ]  # fmt: skip


def _narx():
    m = functools.partial(the, "narx")
    fed, dW_y, dW_x = "dy[t - m] += dz @ W_y[m]", "dW_y[m] += dz.T @ Y[t - m]", "dz.T @ x[t - k]"
    return [
        m("= on dy", "assigned, not accumulated", fed, fed.replace("+=", "=")),
        m("= on dW_y", "assigned, not accumulated", dW_y, dW_y.replace("+=", "=")),
        m("as if teacher-forced", "no gradient through time", fed, "pass"),
        m("every delay is 1", "wrong time step", fed, "dy[t - 1] += dz @ W_y[m]"),
        m("only Y(t-1) gets an error", "missing skip", fed, f"if m == 1: {fed}"),
        m("Y before t = 0 left out", "missing initial state", dW_y, f"if t >= m: {dW_y}"),
        m("x(t) for x(t-k)", "current for previous state", dW_x, "dz.T @ x[t]"),
        m("the weights in reverse", "weights swapped", fed, "dy[t - m] += dz @ W_y[M + 1 - m]"),
        m("- on what is fed back", "wrong sign", fed, fed.replace("+=", "-=")),
    ]  # fmt: skip


def _bidirectional():
    m = functools.partial(the, "bidirectional")
    forward = "for t in reversed(range(T)):\n        dh = dY[t] @ V_f"
    backward = "for t in range(T):\n        dh = dY[t] @ V_b"
    return [
        m("both swept from T-1", "time reversed",
          backward, backward.replace("range(T)", "reversed(range(T))")),
        m("both swept from 0", "time reversed",
          forward, forward.replace("reversed(range(T))", "range(T)")),
        m("h_b(t) in dR_b", "current for previous state", "h_b[t + 1]", "h_b[t]"),
        m("nets exchanged", "layers swapped",
          '"dR_f": dR_f', '"dR_f": dR_b', '"dR_b": dR_b', '"dR_b": dR_f'),
        m("h_b is not carried", "no gradient through time", "carried = dz @ R_b", "pass"),
        m("db_b forgotten", "missing bias", "db_b += dz.sum(axis=0)", "pass"),
        m("R_b transposed", "transposed weight", "carried = dz @ R_b", "carried = dz @ R_b.T"),
        m("= on dx", "assigned, not accumulated | missing skip",
          "dx[t] += dz @ W_b", "dx[t] = dz @ W_b"),
    ]  # fmt: skip


def _more_links():
    s, d = functools.partial(the, "slide_66"), functools.partial(the, "delayed")
    dh, dW_r = "dh[t - d] += dz @ W_r[d]", "dW_r[d] += dz.T @ h[t - d]"
    return [
        s("no error over h1->Y", "missing skip", " + dY[t] @ w13", ""),
        s("no dx over x->h2", "missing skip", " + dz2 @ w02", ""),
        s("dw13 forgotten", "left at zero | missing skip", "d13 += dY[t].T @ h1[t]", "pass"),
        s("no error over h1->h2", "missing skip | no gradient from the layer above",
          "dz2 @ w12 + ", ""),
        s("h1 not carried", NOT_ADDED, " + dh1_next", ""),
        s("w11 and w22 exchanged", "weights swapped | layers swapped",
          "dz1 @ w11, dz2 @ w22", "dz1 @ w22, dz2 @ w11"),
        s("h1(t-1) in dw12", "previous for current state", "dz2.T @ h1[t]", "dz2.T @ h1[t - 1]"),
        d("= on dh(t-d)", "assigned, not accumulated", dh, dh.replace("+=", "=")),
        d("every delay is 1", "wrong time step", dh, "dh[t - 1] += dz @ W_r[d]"),
        d("the delays in reverse", "weights swapped", dh, "dh[t - d] += dz @ W_r[D + 1 - d]"),
        d("no error over t-3", "missing skip", dh, f"if d < 3: {dh}"),
        d("columns before t = 0 left out", "missing initial state", dW_r, f"if t >= d: {dW_r}"),
        d("nothing through time", "no gradient through time", dh, "pass"),
    ]  # fmt: skip


def _gated():
    m, g = functools.partial(the, "lstm"), functools.partial(the, "gru")
    return [
        m("dc not carried", NOT_ADDED, " + dc_next\n", "\n"),
        m("dh not carried", NOT_ADDED, " + dh_next\n", "\n"),
        m("1 - c²", "slope at z", "1 - tanh_c**2", "1 - c[t] ** 2"),
        m("h(t) in dR", "current for previous state", "h[t - 1]", "h[t]"),
        m("the sigmoid's slope for g", "wrong slope", "(1 - g[t] ** 2)", "g[t] * (1 - g[t])"),
        m("no slope of the forget gate", "no slope", "c[t - 1] * f[t] * (1 - f[t])", "c[t - 1]"),
        m("c(t) for c(t-1)", "current for previous state", "c[t - 1]", "c[t]"),
        g("h not kept", "missing skip | no gradient through time", "dh * z[t] + dq", "dq"),
        g("dh not carried", NOT_ADDED, " + dh_next\n", "\n"),
        g("db forgotten", "missing bias", 'db["q"] += dq.sum(axis=0)', "pass"),
        g("the sigmoid's slope for n", "wrong slope", "(1 - n[t] ** 2)", "n[t] * (1 - n[t])"),
        g("h(t) in dR", "current for previous state", "d.T @ h[t - 1]", "d.T @ h[t]"),
    ]  # fmt: skip


SINGLE = [
    *_slide_94(), *_cells(), *_partly_recurrent(), *_narx(), *_bidirectional(), *_more_links(),
    *_gated(),
]  # fmt: skip
_PAIRS = [
    ("slide_94", "twice", "db forgotten"),
    ("slide_94", "targets minus outputs", "dW_r transposed"),
    ("slide_94", "h(t) in dW_r", "db_o forgotten"),
    ("slide_94", "softmax unit by unit", "nothing through time"),
    ("slide_94", "1 - z²", "dW_r from t = 1"),
    ("slide_94", "the mean over T", "W_r transposed"),
    ("slide_94", "= on dW_r", "= on db"),
    ("cells", "mean over the batch", "h_t for h_prev_t"),
    ("cells", "1 - h", "dh(-1) not returned"),
    ("cells", "many to one", "dW_hh transposed"),
    ("cells", "minus", "W_hh transposed"),
    ("elman", "full gradient", "db forgotten"),
    ("jordan", "the slope of tanh", "the memory at t-1"),
    ("narx", "as if teacher-forced", "x(t) for x(t-k)"),
    ("delayed", "= on dh(t-d)", "columns before t = 0 left out"),
]


def _both(solution, *labels):
    one, two = (
        next(m for m in SINGLE if (m.solution, m.label) == (solution, label)) for label in labels
    )
    return one._replace(
        label=f"{one.label}, {two.label}", names=f"{one.names} & {two.names}",
        patches=one.patches + two.patches,
    )  # fmt: skip


PAIRS = [_both(*pair) for pair in _PAIRS]
ZOO = [*SINGLE, *PAIRS]


@functools.cache
def program(solution, patches=()):
    """The student's function with its lines exchanged; each stands there once."""
    source = inspect.getsource(getattr(students, solution))
    for right, wrong in patches:
        assert source.count(right) == 1, (
            f"{solution}: {right!r} stands there {source.count(right)}×"
        )
        source = source.replace(right, wrong)
    names = {"np": np}
    exec(source, names)
    return names[solution]


def gradients(solution, subject, patches=()):
    """What the student's function finds, by the true names."""
    found = program(solution, patches)(subject.net, subject.dY)
    return {name: found[own] for name, own in subject.names.items()}


def handed_in(mistake, number):
    """Network `number`, and the wrong gradients; every third student hands in parameters alone."""
    subject = mistake.subject(number)
    found = gradients(mistake.solution, subject, mistake.patches)
    if number % 3 == 2:
        parameters = {name: g for name, g in found.items() if name in subject.column.shapes}
        if not same(parameters, gradients(mistake.solution, subject)):
            return subject, parameters
    return subject, found


def same(one, two):
    """Whether the gradients of `one` are those of `two`, to rounding."""
    scale = max(np.abs(g).max() for g in two.values())
    return all(np.abs(g - two[name]).max() <= 1e-9 * scale for name, g in one.items())


def accepted(mistake, number):
    """The sets of names that are right on this network."""
    subject, found = handed_in(mistake, number)
    sets = set(mistake.sets)
    for other in ZOO:
        if (
            other.solution == mistake.solution
            and other.square <= mistake.square
            and (other.layers or 1) <= getattr(subject.net, "L", 1)
            and same(found, gradients(other.solution, subject, other.patches))
        ):
            sets |= other.sets
    return sets
