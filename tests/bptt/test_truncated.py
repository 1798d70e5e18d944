"""Truncated BPTT on plain arrays: the derivative of a number with a frozen memory, and no other."""

import pytest
from numpy.testing import assert_allclose
from plain_columns import by_complex_step, drawn, same

from minitorch_rnn import numeric
from minitorch_rnn.bptt import column as general
from minitorch_rnn.bptt.truncated import backward, replays
from minitorch_rnn.column import (
    NETWORKS,
    Column,
    Edge,
    Input,
    Layer,
    Product,
    chunked,
    per_loss_window,
    state_space,
    williams_peng,
)
from minitorch_rnn.errors import ColumnError, ShapeError

T, B, I, H, O = 6, 2, 3, 4, 5
COLUMNS = {
    name: made(I, H, O, output_activation="softmax")
    for name, made in NETWORKS.items()
    if name != "bidirectional"
}
COLUMNS["state-space-deep"] = state_space(I, H, O, layers=2)
COLUMNS["narx-teacher"] = NETWORKS["narx"](I, H, O).teacher_forced()
COLUMNS["product"] = Column(
    "product with a past",
    (Input("x", 3), Product("p", 3, "tanh", history="learned"), Layer("Y", O)),
    (Edge("x", "p"), Edge("x", "p", 2), Edge("p", "p", (1, 3)), Edge("p", "Y")),
    "Y",
)
RULES = {
    rule.name: rule
    for rule in (chunked(1), chunked(4), per_loss_window(0), per_loss_window(2),
                 williams_peng(3, 2), williams_peng(4, 1))
}  # fmt: skip


def with_errors(column, rng):
    """Parameters, inputs, a history for every node that has one, and dDIV/dY."""
    return *drawn(column, rng, T, B), rng.normal(size=(T, B, O))


def of_replays(column, params, x, past, dY, rule, trace):
    """Of sum over windows of <dY(t), Y(t)>: by kind and name, offsets of every z included."""

    def number(params, x, past, offsets):
        windows = replays(column, params, trace, rule, x, past, offsets)
        return sum((live.Y[t] * dY[t][:, None]).sum(axis=(0, 2, 3)) for t, live in windows)

    return by_complex_step(number, column, params, x, past)


@pytest.mark.parametrize("given", [True, False], ids=["histories given", "as the column says"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", COLUMNS)
def test_a_truncated_gradient_is_the_derivative_with_a_frozen_memory(name, rule, given, rng):
    column = COLUMNS[name]
    params, x, past, dY = with_errors(column, rng)
    past = past if given else {}
    trace = general.forward(column, params, x, past)
    found = backward(column, params, trace, dY, RULES[rule])
    quantities = {f"parameters {n}": g for n, g in found.parameters.items()}
    quantities |= {f"inputs {n}": found.da[n] for n in x}
    quantities |= {f"histories {n}": found.histories[n] for n in past}
    quantities |= {f"offsets {n}": dz for n, dz in found.dz.items()}
    same(quantities, of_replays(column, params, x, past, dY, RULES[rule], trace))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", COLUMNS)
def test_replays_at_the_same_parameters_give_every_output_once(name, rule, rng):
    column = COLUMNS[name]
    params, x, past, _ = with_errors(column, rng)
    trace = general.forward(column, params, x, past)
    times = []
    for when, live in replays(column, params, trace, RULES[rule], x, past):
        assert_allclose(live.Y[when], trace.Y[when], rtol=1e-13)
        times += range(T)[when]
    assert times == list(range(T))


def test_a_plain_difference_rejects_a_truncated_gradient(rng):
    column = COLUMNS["narx"]
    params, x, past, dY = with_errors(column, rng)
    trace = general.forward(column, params, x, past)
    found = backward(column, params, trace, dY, chunked(2)).parameters
    plain = numeric.complex_step(
        lambda params: (general.forward(column, params, x, past).Y * dY).sum(), params
    )
    assert numeric.digits(found["weight.Y(t-1)->h"], plain["weight.Y(t-1)->h"]) < 2


@pytest.mark.parametrize("k", [T, T + 3])
@pytest.mark.parametrize("rule", [chunked, per_loss_window, lambda k: williams_peng(k, 2)])
@pytest.mark.parametrize("name", COLUMNS)
def test_windows_as_long_as_the_sequence_give_the_whole_gradient(name, rule, k, rng):
    column = COLUMNS[name]
    params, x, past, dY = with_errors(column, rng)
    trace = general.forward(column, params, x, past)
    found = backward(column, params, trace, dY, rule(k))
    for some, whole in zip(found, general.backward(column, params, trace, dY), strict=True):
        same(some, whole)


def test_windows_of_no_columns_train_like_elmans_network(rng):
    free, elman = state_space(I, H, H, history="zeros"), NETWORKS["elman"](I, H, H)
    params, x, _, _ = with_errors(free, rng)
    named = {name.replace("h1", "h"): value for name, value in params.items()}
    dY = rng.normal(size=(T, B, H))
    found = backward(free, params, general.forward(free, params, x), dY, per_loss_window(0))
    expected = general.backward(elman, named, general.forward(elman, named, x), dY).parameters
    same({n.replace("h1", "h"): g for n, g in found.parameters.items()}, expected)


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("name", ["narx", "lstm", "delayed", "product"])
def test_williams_and_peng_with_both_lengths_equal_is_chunked(name, k, rng):
    column = COLUMNS[name]
    params, x, _, dY = with_errors(column, rng)
    trace = general.forward(column, params, x)
    one, other = (backward(column, params, trace, dY, r) for r in (williams_peng(k, k), chunked(k)))
    same(one.parameters, other.parameters, rtol=1e-14)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layers, node", [(1, "h_b"), (2, "h_b1")])
def test_a_network_that_runs_backward_has_no_past_to_be_cut_off(layers, node, rule, rng):
    column = NETWORKS["bidirectional"](I, H, O, layers=layers)
    params, x, past, dY = with_errors(column, rng)
    trace = general.forward(column, params, x, past)
    for do in (
        lambda: backward(column, params, trace, dY, RULES[rule]),
        lambda: list(replays(column, params, trace, RULES[rule], x, past)),
    ):
        with pytest.raises(ColumnError) as caught:
            do()
        told = f"{column.name}: |{rule} needs|forward in time|{node!r} runs backward"
        assert all(part in str(caught.value) for part in told.split("|"))


def test_errors_of_another_shape_than_the_outputs_are_refused_with_both(rng):
    column = COLUMNS["narx"]
    params, x, past, dY = with_errors(column, rng)
    trace = general.forward(column, params, x, past)
    with pytest.raises(ShapeError, match=r"\(5, 2, 5\), the outputs \(6, 2, 5\)"):
        backward(column, params, trace, dY[1:], chunked(2))
