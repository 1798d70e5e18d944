"""The general BPTT on plain arrays: the slides' own, complex steps, and what its parts promise."""

import ast
import dataclasses
import inspect

import numpy as np
import pytest
from numpy import ones
from numpy.testing import assert_allclose, assert_array_equal
from plain_columns import by_complex_step, drawn, same

from minitorch_rnn.bptt import slides
from minitorch_rnn.bptt.column import backward, forward
from minitorch_rnn.column import NETWORKS, Column, Edge, Input, Layer, Product, narx, state_space
from minitorch_rnn.errors import DTypeError, ShapeError

T, B, I, H, O = 4, 2, 3, 5, 6
COLUMNS = {name: made(I, H, O, output_activation="softmax") for name, made in NETWORKS.items()}
COLUMNS["jordan-average"] = NETWORKS["jordan"](I, H, O, average=True)
COLUMNS["narx-teacher"] = narx(I, H, O).teacher_forced()
COLUMNS["relu"] = state_space(I, H, O, activation="relu")
COLUMNS["bidirectional-deep"] = NETWORKS["bidirectional"](I, H, O, layers=2)


def gates(**options):
    """A product of three factors, one of them through a fixed matrix and one from the past."""
    mix = ((0.5, -1.0), (2.0, 0.3))
    nodes = Input("x", 3), Layer("a", 2), Layer("b", 2, "sigmoid"), Product("p", 2, **options)
    edges = (
        Edge("x", "a"), Edge("p", "a", 1), Edge("x", "b"), Edge("a", "p", weight=mix),
        Edge("b", "p"), Edge("p", "p", 1, weight=-0.7), Edge("p", "Y"), Edge("x", "Y", 2),
    )  # fmt: skip
    return Column("gates", (*nodes, Layer("Y", O, "identity")), edges, "Y")


COLUMNS["three-factors"] = gates(activation="tanh", history="learned")
AROUND = Input("x", I, "learned"), Layer("b", H, direction="backward"), Layer("Y", O)
EDGES = Edge("x", "b", (0, 1)), Edge("b", "b", (1, 2)), Edge("b", "Y"), Edge("x", "Y", (1, 2))
COLUMNS["around"] = Column("around", AROUND, EDGES, "Y")  # x(t-2), x(t-1) and x(t+1) are read
ONWARD = [n for n, c in COLUMNS.items() if {node.direction for node in c.nodes} == {"forward"}]


def divergence(Y):
    """No sum over time; Y may be complex, and may have an axis of copies after that of time."""
    return (Y.sum(axis=0) ** 3).sum(axis=(-1, -2)) + (Y * Y)[-1].sum(axis=(-1, -2))


def slope(Y):
    """dDIV/dY(t)."""
    dY = np.repeat(3 * Y.sum(axis=0, keepdims=True) ** 2, len(Y), axis=0)
    dY[-1] += 2 * Y[-1]
    return dY


def of_divergence(column, params, x, past, frozen=None):
    """Of the divergence, for parameters, inputs, given histories and offsets of every z."""

    def number(params, x, past, offsets):
        return divergence(forward(column, params, x, past, frozen=frozen, offsets=offsets).Y)

    return by_complex_step(number, column, params, x, past)


@pytest.mark.parametrize("given", [True, False], ids=["histories given", "as the column says"])
@pytest.mark.parametrize("name", COLUMNS)
def test_every_gradient_is_that_of_the_complex_step(name, given, rng):
    column = COLUMNS[name]
    params, x, past = drawn(column, rng, T, B)
    past = past if given else {}
    trace = forward(column, params, x, past)
    found = backward(column, params, trace, slope(trace.Y))
    frozen = trace if column.blocked else None  # what comes over blocked links is held fixed
    quantities = {f"parameters {n}": g for n, g in found.parameters.items()}
    quantities |= {f"inputs {n}": found.da[n] for n in x}
    quantities |= {f"histories {n}": found.histories[n] for n in past}
    quantities |= {f"offsets {n}": dz for n, dz in found.dz.items()}
    same(quantities, of_divergence(column, params, x, past, frozen))


@pytest.mark.parametrize("node", ["h1", "h2", "Y"])
def test_da_is_dz_of_an_identity_put_behind_the_node(node, rng):
    column = state_space(I, H, O, layers=2)
    params, x, _ = drawn(column, rng, T, B)
    trace = forward(column, params, x)
    layer = column.node[node]
    behind = dataclasses.replace(layer, activation="identity", bias=False)
    before = dataclasses.replace(layer, name="before", history="zeros")
    nodes = (before, *(behind if n is layer else n for n in column.nodes))
    into = {e: "before" if e.target == node else e.target for e in column.edges}
    edges = [dataclasses.replace(e, target=target) for e, target in into.items()]
    longer = Column("longer", nodes, (*edges, Edge("before", node, weight=1.0)), "Y")
    moved = params | {"bias.before": params[f"bias.{node}"]}
    expected = backward(longer, moved, forward(longer, moved, x), slope(trace.Y))
    found = backward(column, params, trace, slope(trace.Y))
    assert_allclose(found.da[node], expected.dz[node], rtol=1e-12)
    assert_allclose(found.dz[node], expected.dz["before"], rtol=1e-12)


@pytest.mark.parametrize("hidden, output", [("tanh", "softmax"), ("sigmoid", "tanh")])
@pytest.mark.parametrize("L", [1, 2, 3])
def test_a_state_space_network_has_the_numbers_of_slides_72_and_94(L, hidden, output, rng):
    column = state_space(I, H, O, L, hidden, output)
    params, x, past = drawn(column, rng, T, B)
    below = dict(enumerate(["x", *(f"h{l}" for l in range(1, L))], start=1))
    names = {("W_c", l): f"weight.{below[l]}->h{l}" for l in below}
    names |= {("W_r", l): f"weight.h{l}(t-1)->h{l}" for l in below}
    names |= {("b", l): f"bias.h{l}" for l in below}
    deck = {
        "W_o": params[f"weight.h{L}->Y"],
        "b_o": params["bias.Y"],
        "W_c": {},
        "W_r": {},
        "b": {},
    }
    for (symbol, l), name in names.items():
        deck[symbol][l] = params[name]

    trace = forward(column, params, x, past)
    found = backward(column, params, trace, slope(trace.Y))
    total = dict.fromkeys(found.parameters, 0.0)
    for b in range(B):
        sequence = slides.forward(deck, x["x"][:, b], {l: past[f"h{l}"][0, b] for l in below},
                                  hidden, output)  # fmt: skip
        assert_allclose(trace.Y[:, b], list(sequence.Y.values()), rtol=1e-12)
        d = slides.backward(deck, sequence, slope(trace.Y)[:, b], hidden, output)
        assert_allclose(found.da["x"][:, b], d["x"], rtol=1e-12, atol=1e-12)
        for l in below:
            initial = found.histories[f"h{l}"][0, b]
            assert_allclose(initial, d["h_init"][l], rtol=1e-12, atol=1e-12)
        total[f"weight.h{L}->Y"] += d["W_o"]
        total["bias.Y"] += d["b_o"]
        for (symbol, l), name in names.items():
            total[name] += d[symbol][l]
    same(found.parameters, total, rtol=1e-12)


@pytest.mark.parametrize("name", COLUMNS)
def test_copies_on_a_leading_axis_run_side_by_side(name, rng):
    column = COLUMNS[name]
    networks = [drawn(column, rng, T, B) for _ in range(3)]
    stacked = [
        {n: np.stack([a[n] for a in group], axis) for n in group[0]}  # time comes before the copy
        for group, axis in zip(zip(*networks, strict=True), (0, 1, 1), strict=True)
    ]
    for parts in (2, 3):  # with the column's own histories, and with given ones
        together = forward(column, *stacked[:parts])
        for copy, one in enumerate(networks):
            Y = forward(column, *one[:parts]).Y
            assert_allclose(together.Y[:, copy], Y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ONWARD)
def test_the_last_columns_carry_the_sequence_on(name, rng):
    column = COLUMNS[name]
    params, x, past = drawn(column, rng, T, B)
    whole = forward(column, params, x, past)
    first = forward(column, params, {n: v[:1] for n, v in x.items()}, past)
    second = forward(column, params, {n: v[1:] for n, v in x.items()}, first.carried())
    assert_allclose(np.concatenate([first.Y, second.Y]), whole.Y, rtol=1e-12)
    same(second.carried(), whole.carried())


def test_a_given_history_takes_the_place_of_a_learned_one(rng):
    column = narx(I, H, O, input_delays=2)
    params, x, past = drawn(column, rng, T, B)
    given = forward(column, params, x, {"Y": past["Y"]})
    found = backward(column, params, given, ones((T, B, O)))
    assert not found.parameters["history.Y"].any() and found.histories["Y"].any()
    assert_allclose(found.parameters["history.x"], found.histories["x"].sum(axis=1), rtol=1e-13)
    assert_array_equal(given.a["x"][:2, 0], params["history.x"])


def test_a_blocked_link_sends_nothing_back_and_trains_its_weight(rng):
    column = NETWORKS["elman"](I, H, O)
    params, x, _ = drawn(column, rng, T, B)
    trace = forward(column, params, x)
    found = backward(column, params, trace, ones((T, B, O)))
    at_once = np.stack([d @ params["weight.h->Y"] for d in found.dz["Y"]])
    assert_allclose(found.da["h"], at_once, rtol=1e-13)
    expected = sum(np.outer(found.dz["h"][t, b], trace.a["h"][t, b])  # a(t-1), with the history
                   for t in range(T) for b in range(B))  # fmt: skip
    assert_allclose(found.parameters["weight.h(t-1)->h"], expected, rtol=1e-12)
    assert not found.histories["h"].any()


def test_the_gradients_of_a_shared_weight_add_up(rng):
    nodes = Input("x", I), Layer("h", H, history="learned"), Layer("Y", O)
    edges = [Edge("x", "h"), Edge("x", "h", 1, name="late"), Edge("h", "h", 1), Edge("h", "Y")]
    apart = Column("apart", nodes, edges, "Y")
    edges[1] = dataclasses.replace(edges[1], shares="x->h")
    shared = Column("shared", nodes, edges, "Y")
    params, x, _ = drawn(shared, rng, T, B)
    both = params | {"weight.late": params["weight.x->h"]}
    one, two = (forward(c, p, x) for c, p in ((shared, params), (apart, both)))
    assert_array_equal(one.Y, two.Y)
    found = backward(shared, params, one, slope(one.Y)).parameters
    parts = backward(apart, both, two, slope(two.Y)).parameters
    parts["weight.x->h"] = parts["weight.x->h"] + parts.pop("weight.late")
    same(found, parts)


@pytest.mark.parametrize("name", COLUMNS)
def test_float32_stays_float32(name, rng):
    column = COLUMNS[name]
    params, x, past = (
        {n: a.astype("f4") for n, a in part.items()} for part in drawn(column, rng, T, B)
    )
    trace = forward(column, params, x, past)
    found = backward(column, params, trace, slope(trace.Y))
    everything = [*trace.a.values(), *trace.z.values(), *(a for d in found for a in d.values())]
    assert {a.dtype for a in everything} == {np.dtype("float32")}


@pytest.mark.parametrize("name", COLUMNS)
def test_nothing_that_is_given_is_changed(name, rng):
    given = drawn(COLUMNS[name], rng, T, B)
    params, x, past = given
    trace = forward(COLUMNS[name], params, x, past)
    dY = slope(trace.Y)
    groups = [*given, trace.a, trace.z, {"dY": dY}]
    before = [{n: a.copy() for n, a in group.items()} for group in groups]
    backward(COLUMNS[name], params, trace, dY)
    forward(COLUMNS[name], params, x, past)
    for group, copies in zip(groups, before, strict=True):
        for n, a in group.items():
            assert_array_equal(a, copies[n], err_msg=n)


@pytest.mark.parametrize("function", [forward, backward])
def test_the_recurrence_can_be_read_on_one_page(function):
    (node,) = ast.parse(inspect.getsource(function)).body
    body = node.body[1:]
    assert body[-1].end_lineno - body[0].lineno + 1 < 60


X, TWO = ones((T, B, I)), {"x": ones((T, B, I)), "phase": ones((T, B, 2))}
BOTH = "encoder-decoder"


def run(x=X, past=None, of="narx", change=None, history="learned"):
    column = narx(I, H, O, history=history) if of == "narx" else COLUMNS[of]
    params = {n: ones(shape) for n, shape in column.shapes.items()} | (change or {})
    return forward(column, {n: p for n, p in params.items() if p is not None}, x, past)


def back(dY):
    trace = run()
    return backward(trace.column, {n: ones(s) for n, s in trace.column.shapes.items()}, trace, dY)


MISTAKES = [  # the exception, parts of its message separated by |, what is done
    (ShapeError, "narx: forward: x|(4, 2, 7)|7 features|3 units", lambda: run(ones((4, 2, 7)))),
    (ShapeError, "(4, 3)|2 axes|3, (T, B, I)", lambda: run(X[:, 0])),
    (ShapeError, "(0, 2, 3)|0 time steps|at least one", lambda: run(X[:0])),
    (ShapeError, "one x|2 inputs|of x, phase", lambda: run(of=BOTH)),
    (ShapeError, "are x; needed are x, phase", lambda: run({"x": X}, of=BOTH)),
    (ShapeError, "are x, u; needed are x", lambda: run({"x": X, "u": X})),
    (ShapeError, "(4, 2, 2)|(3, 2, 3)|T and B", lambda: run(TWO | {"x": X[1:]}, of=BOTH)),
    (ShapeError, "'bias.h' (5,) is missing", lambda: run(change={"bias.h": None})),
    (ShapeError, "'bias.h'|(4,)|needs (5,)", lambda: run(change={"bias.h": ones(4)})),
    (ShapeError, "(3, 5)|needs (5, 3)", lambda: run(change={"weight.x->h": ones((3, 5))})),
    (ShapeError, "history came for 'h'|one are x, Y", lambda: run(past={"h": X})),
    (ShapeError, "'x' has|(1, 2, 3)|2 columns|(2, 2, 3)", lambda: run(past={"x": X[:1]})),
    (ShapeError, "(1, 3, 6)|batch of 2|(1, 2, 6)", lambda: run(past={"Y": ones((1, 3, 6))})),
    (ShapeError, "'x' is to be given|(2, 2, 3)|none came", lambda: run(history="given")),
    (DTypeError, "x is <U3; numbers are needed", lambda: run(X.astype("U3"))),
    (ShapeError, "dY has shape (3, 2, 6)|(4, 2, 6)", lambda: back(ones((3, 2, 6)))),
    (ShapeError, "dY has shape (4, 1, 6)|(4, 2, 6)", lambda: back(ones((4, 1, 6)))),
]


@pytest.mark.parametrize("exception, parts, do", MISTAKES)
def test_what_does_not_fit_is_told_with_both_sides(exception, parts, do):
    with pytest.raises(exception) as caught:
        do()
    assert all(part in str(caught.value) for part in parts.split("|")), caught.value
