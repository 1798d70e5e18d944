"""Real-time recurrent learning: the gradients of BPTT, found forward in time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from plain_columns import drawn

from minitorch_rnn.bptt.column import backward, forward
from minitorch_rnn.bptt.rtrl import gradients
from minitorch_rnn.column import (
    NETWORKS,
    Activation,
    Column,
    Edge,
    Input,
    Layer,
    Product,
    bidirectional,
    jordan,
    narx,
    state_space,
)
from minitorch_rnn.errors import ColumnError, ShapeError

T, B, I, H, O = 4, 2, 3, 5, 6
COLUMNS = {
    name: made(I, H, O, output_activation="softmax")
    for name, made in NETWORKS.items()
    if name != "bidirectional"
}
COLUMNS["jordan-average"] = jordan(I, H, O, average=True)
COLUMNS["narx-teacher"] = narx(I, H, O).teacher_forced()
COLUMNS["relu"] = state_space(I, H, O, layers=2, activation="relu")
COLUMNS["own"] = state_space(
    I, H, O, activation=Activation("cube", lambda xp, z: z**3, lambda da, y, z: 3 * da * z * z)
)


def product(history):
    """Three factors: one over a fixed matrix, one over a learned one, one blocked and delayed."""
    nodes = (
        Input("x", 3), Layer("a", 2), Layer("b", 2, "sigmoid"),
        Product("p", 2, "tanh", history=history), Layer("Y", O, "identity"),
    )  # fmt: skip
    edges = (
        Edge("x", "a"), Edge("p", "a", 1), Edge("x", "b"), Edge("b", "b", 1, shares="p(t-1)->a"),
        Edge("a", "p", weight=((0.5, -1.0), (2.0, 0.3))), Edge("b", "p"),
        Edge("p", "p", (1, 2), weight=-0.7, gradient="blocked"), Edge("p", "Y"), Edge("x", "Y", 2),
    )  # fmt: skip
    return Column("three factors", nodes, edges, "Y")


COLUMNS["product"] = product("learned")
COLUMNS["product-zeros"] = product("zeros")


@pytest.mark.parametrize("given", [True, False], ids=["histories given", "as the column says"])
@pytest.mark.parametrize("name", COLUMNS)
def test_real_time_recurrent_learning_is_bptt(name, given, rng):
    column = COLUMNS[name]
    params, x, past = drawn(column, rng, T, B)
    trace, dY = forward(column, params, x, past if given else None), rng.normal(size=(T, B, O))
    found = gradients(column, params, trace, dY)
    expected = backward(column, params, trace, dY).parameters
    assert set(found) == set(expected)
    for parameter, g in expected.items():
        assert_allclose(found[parameter], g, rtol=1e-10, atol=1e-12, err_msg=parameter)


@pytest.mark.parametrize("name", ["elman", "jordan", "product"])
def test_what_is_blocked_there_is_blocked_here(name, rng):
    column = COLUMNS[name]
    params, x, _ = drawn(column, rng, T, B)
    trace, dY = forward(column, params, x), rng.normal(size=(T, B, O))
    blocked, full = (gradients(c, params, trace, dY) for c in (column, column.unblocked()))
    assert not all(np.allclose(blocked[n], full[n]) for n in blocked)


def test_an_error_at_one_time_is_blamed_on_no_later_column(rng):
    column = COLUMNS["state-space"]
    params, x, _ = drawn(column, rng, T, B)
    dY = np.zeros((T, B, O))
    dY[1] = rng.normal(size=(B, O))
    early = {"x": x["x"][:2]}
    whole = gradients(column, params, forward(column, params, x), dY)
    part = gradients(column, params, forward(column, params, early), dY[:2])
    for name in whole:
        assert_allclose(whole[name], part[name], rtol=1e-12, atol=1e-14, err_msg=name)


def test_a_column_that_learns_nothing_has_no_gradients():
    nodes = (Input("x", 1), Layer("y", 1, "identity", bias=False))
    column = Column("sums", nodes, (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0)), "y")
    trace = forward(column, {}, np.ones((T, B, 1)))
    assert gradients(column, {}, trace, np.ones((T, B, 1))) == {}


@pytest.mark.parametrize("layers, node", [(1, "h_b"), (2, "h_b1")])
def test_backward_in_time_there_is_no_real_time(layers, node, rng):
    column = bidirectional(I, H, O, layers=layers)
    params, x, _ = drawn(column, rng, T, B)
    with pytest.raises(ColumnError) as caught:
        gradients(column, params, forward(column, params, x), np.ones((T, B, O)))
    for part in (column.name, "real-time recurrent learning", "forward in time", repr(node)):
        assert part in str(caught.value)


def test_errors_of_another_shape_than_the_outputs_are_refused_with_both(rng):
    column = COLUMNS["narx"]
    params, x, _ = drawn(column, rng, T, B)
    with pytest.raises(ShapeError, match=r"dY has shape \(3, 2, 6\), the outputs \(4, 2, 6\)"):
        gradients(column, params, forward(column, params, x), np.ones((T - 1, B, O)))
