"""The forward pass of slide 72."""

import numpy as np

from minitorch_rnn.bptt import slides
from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise, seeded
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import drawn_numbers, sizes

__all__ = ["EXERCISE"]


def _arguments(rng, T, I, H, O, L):
    layers = range(1, L + 1)
    return {
        "W_c": {l: drawn_numbers(rng, H, I if l == 1 else H) for l in layers},
        "W_r": {l: drawn_numbers(rng, H, H) for l in layers},
        "b": {l: drawn_numbers(rng, H) for l in layers},
        "W_o": drawn_numbers(rng, O, H),
        "b_o": drawn_numbers(rng, O),
        "x": drawn_numbers(rng, T, I),
        "h_init": {l: drawn_numbers(rng, H) for l in layers},
    }


def _outputs(given, hidden="tanh", output="softmax", **changed):
    """h and Y where some of the arguments are others."""
    params = given | changed
    x, h_init = params.pop("x"), params.pop("h_init")
    trace = slides.forward(params, x, h_init, hidden, output)
    return trace.h, np.array([trace.Y[t] for t in range(len(x))])


def _without_memory(given):
    """h(-1,l) in place of h(t-1,l), at every t."""
    T = len(given["x"])
    return np.concatenate([_outputs(given, x=given["x"][t : t + 1])[1] for t in range(T)])


def _slips(given, right):
    zero = {name: {l: 0 * w for l, w in given[name].items()} for name in ("W_r", "b", "h_init")}
    turned = {name: {l: w.T for l, w in given[name].items()} for name in ("W_r",)}
    L, h = len(given["W_c"]), right[0]
    yield (
        "h(-1,l) is taken as 0; the state before the first step is given (slide 69).",
        _outputs(given, h_init=zero["h_init"])[1],
    )
    yield (
        "The states never see the step before: W_r(l) h(t-1,l) is missing.",
        _outputs(given, W_r=zero["W_r"])[1],
    )
    yield "b(l) is missing from z(t,l).", _outputs(given, b=zero["b"])[1]
    yield "b_o is missing from z_o(t).", _outputs(given, b_o=0 * given["b_o"])[1]
    yield "Y(t) is z_o(t): softmax is missing.", _outputs(given, output="identity")[1]
    yield "Y(t) is tanh(z_o(t)); the slide has softmax.", _outputs(given, output="tanh")[1]
    yield "W_r(l) is transposed.", _outputs(given, W_r=turned["W_r"])[1]
    yield "The states lack their tanh.", _outputs(given, hidden="identity")[1]
    yield "The states have a sigmoid; the slide has tanh.", _outputs(given, hidden="sigmoid")[1]
    yield (
        "Every step starts from h(-1,l) again: W_r(l) takes h(t-1,l), which moves on with t.",
        _without_memory(given),
    )
    if L > 1:
        yield (
            f"The output reads layer 1; it must read the last one, h(t,L), L = {L}.",
            np.array([slides.ACTIVATIONS["softmax"].f(given["W_o"] @ h[t, 1] + given["b_o"])
                      for t in range(len(given["x"]))]),
        )  # fmt: skip
        yield from _slips_between_layers(given)


def _slips_between_layers(given):
    first, H = given["h_init"][1], len(given["h_init"][1])
    W_c = given["W_c"]
    same = {l: first for l in W_c}
    yield (
        "Every layer starts from h(-1,1); each has a state of its own, h(-1,l).",
        _outputs(given, h_init=same)[1],
    )
    early, first_layer = (_mixed_up(given, slip) for slip in ("early", "first"))
    yield "A layer reads the one below at t-1; it must read it at t: h(t,l-1).", early
    yield "Every layer reads h(t-1,1); each remembers its own state, h(t-1,l).", first_layer
    if all(W.shape == (H, H) for W in W_c.values()):
        alike = {l: W_c[1] for l in W_c}
        yield (
            "Every layer uses W_c(1); each has weights of its own, W_c(l).",
            _outputs(given, W_c=alike)[1],
        )


def _mixed_up(given, slip):
    """The outputs if a layer reads the layer below "early", or the last state of the "first"."""
    W_c, W_r, b = given["W_c"], given["W_r"], given["b"]
    state, Y, L = dict(given["h_init"]), [], len(W_c)
    for x in given["x"]:
        below, new = x, {}
        for l in W_c:
            last = state[1 if slip == "first" else l]
            new[l] = np.tanh(W_c[l] @ below + W_r[l] @ last + b[l])
            below = state[l] if slip == "early" else new[l]
        state = new
        Y.append(slides.ACTIVATIONS["softmax"].f(given["W_o"] @ state[L] + given["b_o"]))
    return np.array(Y)


def _case(T, I, H, O, L, seed):
    given = _arguments(np.random.default_rng(seed), T, I, H, O, L)
    right = _outputs(given)

    def explain(answer):
        return named(right, answer, [(text, (None, Y)) for text, Y in _slips(given, right)])

    about = sizes(T=T, I=I, H=H, O=O, L=L)
    return Case(Call("forward", given), about, right, explain, labels=("h", "Y"))


EXERCISE = Exercise(
    name="slide-72",
    title="the forward pass",
    slides="72",
    level=1,
    hints=(
        "Put h(-1,l) into the dictionary first; then h[t - 1, l] is there for t = 0 too, and the "
        "loops need no special case.",
        "Within a step: h[t, 0] = x[t], then the layers from below, each from h[t, l - 1] and "
        "h[t - 1, l]; after the layers, the output from h[t, L].",
        "h[t, l] = np.tanh(W_c[l] @ h[t, l - 1] + W_r[l] @ h[t - 1, l] + b[l]), and then "
        "Y.append(softmax(W_o @ h[t, L] + b_o))",
    ),
    afterwards="Change x(0) only and look at Y(T-1): it moves. An input at t = 0 reaches all later "
    "outputs through the states, and so will the error on its way back.",
    cases=lambda: seeded(
        _case, [(1, 1, 1, 2, 1), (2, 1, 2, 2, 1), (3, 2, 3, 4, 1), (4, 3, 3, 2, 3), (4, 2, 3, 4, 2)]
    ),
)
