"""RNNCell, LSTMCell and GRUCell: PyTorch's numbers, and T steps of them are the layer."""

import copy
import pickle

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose
from recurrent_layers import (
    CELLS,
    KINDS,
    as_function,
    as_state,
    assert_close,
    assert_gradients_are_pytorchs,
    assert_second_derivatives_are_pytorchs,
    cell,
    flat,
    layer,
    leaf,
)

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError

T, B, I, H = 4, 3, 2, 5

every_cell = pytest.mark.parametrize("kind", CELLS)
either_bias = pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
either_state = pytest.mark.parametrize("given", [True, False], ids=["given", "zeros"])
either_batch = pytest.mark.parametrize("batch", [(B,), ()], ids=["batch", "single"])


def state_names(kind):
    return ("h", "c") if kind == "LSTM" else ("h",)


def run(kind, rng, bias, given, batch):
    """Our cell and PyTorch's on the same data: leaves by name, outputs, cotangents of these."""
    import torch

    ours = cell(kind, I, H, bias=bias, rng=rng)
    theirs = cell(kind, I, H, bias=bias, home=torch.nn, dtype=torch.float64)
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in ours.state_dict().items()})
    shapes = {"x": (*batch, I)} | dict.fromkeys(state_names(kind) if given else (), (*batch, H))
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    mine = {n: leaf(a) for n, a in arrays.items()}
    yours = {n: torch.tensor(a, requires_grad=True) for n, a in arrays.items()}
    found = flat(ours(mine["x"], as_state(list(mine.values())[1:])))
    expected = flat(theirs(yours["x"], as_state(list(yours.values())[1:])))
    mine |= dict(ours.named_parameters())
    yours |= dict(theirs.named_parameters())
    return mine, yours, found, expected, [rng.normal(size=y.shape) for y in found]


@pytest.mark.torch
@every_cell
@either_bias
@either_state
@either_batch
def test_values_and_gradients_are_pytorchs(kind, bias, given, batch, rng):
    mine, yours, found, expected, cotangents = run(kind, rng, bias, given, batch)
    names = state_names(kind)
    assert_close(dict(zip(names, found, strict=True)), dict(zip(names, expected, strict=True)))
    assert_gradients_are_pytorchs(mine, yours, found, expected, cotangents)


@pytest.mark.torch
@every_cell
@either_bias
@either_state
@either_batch
def test_second_derivatives_are_pytorchs(kind, bias, given, batch, rng):
    assert_second_derivatives_are_pytorchs(*run(kind, rng, bias, given, batch))


@pytest.mark.torch
@every_cell
@either_bias
def test_names_order_and_shapes_are_pytorchs(kind, bias):
    import torch

    ours, theirs = (cell(kind, I, H, bias=bias, home=home) for home in (nn, torch.nn))
    shapes = [(n, a.shape) for n, a in ours.state_dict().items()]
    assert shapes == [(n, tuple(a.shape)) for n, a in theirs.state_dict().items()]
    assert len(shapes) == (4 if bias else 2)


@every_cell
def test_initial_values_fill_pytorchs_interval(kind, rng):
    for name, parameter in cell(kind, 20, 25, rng=rng).named_parameters():
        assert 0.8 / 5 < abs(parameter.data).max() <= 1 / 5, name
        assert abs(parameter.data.mean()) < 4 / 5 / np.sqrt(3 * parameter.size), name


# The layer --------------------------------------------------------------------------------------


@every_cell
@either_bias
def test_stepping_a_cell_is_the_layer(kind, bias, backend, rng):
    whole = layer(kind, I, H, bias=bias, road="graph", rng=rng)
    step = cell(kind, I, H, bias=bias)
    step.load_state_dict({n.removesuffix("_l0"): a for n, a in whole.state_dict().items()})
    arrays = [rng.normal(size=(T, B, I)), *(rng.normal(size=(B, H)) for _ in state_names(kind))]
    v = mt.tensor(rng.normal(size=(T, B, H)))
    w = [mt.tensor(rng.normal(size=(B, H))) for _ in state_names(kind)]

    x, *start = map(leaf, arrays)
    output, last = whole(x, as_state([s.unsqueeze(0) for s in start]))
    last = [s[0] for s in flat(last)]
    grads = mt.autograd.grad([output, *last], [x, *start, *whole.parameters()], [v, *w])

    x, *start = map(leaf, arrays)
    state, outputs = as_state(start), []
    for t in range(T):
        state = step(x[t], state)
        outputs.append(flat(state)[0])
    expected = mt.autograd.grad(
        [mt.stack(outputs), *flat(state)], [x, *start, *step.parameters()], [v, *w]
    )
    for mine, reference in zip([output, *last], [mt.stack(outputs), *flat(state)], strict=True):
        assert mine.tolist() == reference.tolist()
    for mine, reference in zip(grads, expected, strict=True):
        assert_allclose(mine.tolist(), reference.tolist(), rtol=1e-12, atol=1e-14)


@every_cell
def test_no_state_is_a_state_of_zeros(kind, backend, rng):
    step, x = cell(kind, I, H, rng=rng), mt.tensor(rng.normal(size=(B, I)))
    zeros = as_state([mt.zeros(B, H) for _ in state_names(kind)])
    found, expected = flat(step(x)), flat(step(x, zeros))
    assert [y.tolist() for y in found] == [y.tolist() for y in expected]
    assert {y.backend for y in found} == {backend}


@every_cell
def test_a_single_sequence_is_a_batch_of_one(kind, rng):
    step, x = cell(kind, I, H, rng=rng), rng.normal(size=I)
    start = [rng.normal(size=H) for _ in state_names(kind)]
    found = flat(step(x, as_state(start)))
    expected = flat(step(x[None], as_state([s[None] for s in start])))
    for mine, reference in zip(found, expected, strict=True):
        assert mine.shape == (H,)
        assert_allclose(mine.data, reference.data[0], rtol=1e-14)


def test_one_step_of_one_lstm_unit_is_the_formula_by_hand():
    step = nn.LSTMCell(1, 1)
    rows = {"weight_ih": [0.5, -1.0, 2.0, 0.25], "weight_hh": [1.0, 0.5, -0.5, 2.0]}
    biases = {"bias_ih": [0.1, 0.2, 0.3, 0.4], "bias_hh": [0.0, 1.0, 0.0, -1.0]}
    step.load_state_dict({n: np.array(a)[:, None] for n, a in rows.items()} | biases)
    x, h, c = 0.7, -0.3, 0.9
    i, f, g, o = (
        0.5 * x + h + 0.1,
        -x + 0.5 * h + 1.2,
        2 * x - 0.5 * h + 0.3,
        0.25 * x + 2 * h - 0.6,
    )
    i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
    kept = f * c + i * np.tanh(g)
    found = step([x], ([h], [c]))
    assert_allclose([y.item() for y in found], [o * np.tanh(kept), kept], rtol=1e-14)


def test_one_step_of_one_gru_unit_is_the_formula_by_hand():
    """The reset gate multiplies W_hn h + b_hn, its bias too, and z keeps the old state."""
    step = nn.GRUCell(1, 1)
    rows = {"weight_ih": [0.5, -1.0, 2.0], "weight_hh": [1.0, 0.5, -0.5]}
    biases = {"bias_ih": [0.1, 0.2, 0.3], "bias_hh": [0.0, 1.0, 0.8]}
    step.load_state_dict({n: np.array(a)[:, None] for n, a in rows.items()} | biases)
    x, h = 0.7, -0.3
    r, z = (1 / (1 + np.exp(-a)) for a in (0.5 * x + h + 0.1, -x + 0.5 * h + 1.2))
    n = np.tanh(2 * x + 0.3 + r * (-0.5 * h + 0.8))
    assert_allclose(step([x], [h]).item(), (1 - z) * n + z * h, rtol=1e-14)


# Derivatives against differences ----------------------------------------------------------------

WAYS = {  # options of a layer, and those of its call
    "forward": ({}, {}),
    "both-ways": ({"bidirectional": True}, {}),
    "lengths": ({"bidirectional": True}, {"lengths": [1, 3]}),
    "two-layers": ({"num_layers": 2}, {}),
}


@every_cell
@either_batch
@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_cells_agree_with_differences(kind, batch, order, rng):
    states = [(*batch, 2) for _ in state_names(kind)]
    f, leaves = as_function(cell(kind, 1, 2, rng=rng), rng, (*batch, 1), *states)
    assert mt.autograd.gradcheck(f, leaves, order=order).digits >= 8


def small(kind, way, rng, steps):
    """A layer of a kind as a function of all that it depends on, and where to evaluate it."""
    options, call = WAYS[way]
    options = options | ({"proj_size": 1} if kind == "projected" else {})
    whole = layer(kind, 1, 2, rng=rng, **options)
    states = [y.shape for y in flat(whole(mt.zeros(steps, 2, 1))[1])]
    return as_function(whole, rng, (steps, 2, 1), *states, **call)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_derivatives_of_layers_agree_with_differences(kind, way, rng):
    f, leaves = small(kind, way, rng, 3)
    assert mt.autograd.gradcheck(f, leaves).digits >= 8


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_of_layers_agree_with_differences(kind, rng):
    f, leaves = small(kind, "forward", rng, 2)
    assert mt.autograd.gradcheck(f, leaves, order=2).digits >= 8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_second_derivatives_agree_in_random_directions_of_all_leaves_at_once(kind, way, rng):
    f, leaves = small(kind, way, rng, 3)
    directions = [mt.tensor(rng.normal(size=(4, x.size))) for x in leaves]
    cotangents = [rng.normal(size=y.shape) for y in flat(f(*leaves))]

    def along(s):
        moved = [x + (s @ d).reshape(x.shape) for x, d in zip(leaves, directions, strict=True)]
        return sum((y * v).sum() for y, v in zip(flat(f(*moved)), cotangents, strict=True))

    assert mt.autograd.gradcheck(along, leaf(np.zeros(4)), order=2).digits >= 8


# What does not fit ------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize(
    "x, told",
    [
        ((B, I + 1), rf"x has shape \(3, 3\); needed is \(B, {I}\), or \({I},\) for a single"),
        ((I + 1,), r"x has shape \(3,\)"),
        ((T, B, I), r"x has shape \(4, 3, 2\)"),
        ((), r"x has shape \(\)"),
    ],
    ids=["features", "single", "time", "number"],
)
def test_inputs_that_do_not_fit_are_refused(kind, x, told):
    step = cell(kind, I, H)
    with pytest.raises(ShapeError, match=told) as caught:
        step(mt.zeros(*x))
    assert repr(step) in str(caught.value)


@every_cell
@pytest.mark.parametrize("shape", [(B, H + 1), (B + 1, H), (H,), (1, B, H)], ids=str)
@pytest.mark.parametrize("wrong", [0, -1], ids=["first", "last"])
def test_states_that_do_not_fit_are_refused(kind, shape, wrong):
    step, state = cell(kind, I, H), [mt.zeros(B, H) for _ in state_names(kind)]
    state[wrong] = mt.zeros(*shape)
    name = state_names(kind)[wrong]
    with pytest.raises(ShapeError) as caught:
        step(mt.zeros(B, I), as_state(state))
    for told in (repr(step), f"{name} has shape {shape}", f"need ({B}, {H})"):
        assert told in str(caught.value)


def test_an_lstm_needs_both_parts_of_its_state():
    step, x = nn.LSTMCell(I, H), mt.zeros(B, I)
    for state in (mt.zeros(B, H), (mt.zeros(B, H),), (mt.zeros(B, H),) * 3):
        with pytest.raises(ShapeError, match=r"the tuple \(h, c\) is needed"):
            step(x, state)


@every_cell
def test_values_of_another_dtype_are_refused(kind):
    step = cell(kind, I, H)
    with pytest.raises(DTypeError, match="x is float32, the parameters are float64"):
        step(mt.zeros(B, I, dtype="float32"))
    state = [mt.zeros(B, H, dtype="float32") for _ in state_names(kind)]
    with pytest.raises(DTypeError, match="h is float32, the parameters are float64"):
        step(mt.zeros(B, I), as_state(state))


def test_values_of_another_backend_are_refused():
    step = nn.GRUCell(I, H)
    with mt.use("strict"):
        x = mt.zeros(B, I)
    with pytest.raises(BackendError, match="x is on 'strict', the parameters on 'numpy'"):
        step(x)


@pytest.mark.parametrize("sizes", [(0, H), (I, 0), (-1, H)], ids=str)
@every_cell
def test_sizes_are_at_least_one(kind, sizes):
    with pytest.raises(ShapeError, match=f"are {sizes[0]} and {sizes[1]}; each must be at least 1"):
        cell(kind, *sizes)


def test_other_nonlinearities_are_refused():
    with pytest.raises(ValueError, match="RNNCell: nonlinearity is 'elu'; known are 'tanh' and"):
        nn.RNNCell(I, H, nonlinearity="elu")


def test_a_representation_says_what_is_not_the_default():
    assert repr(nn.RNNCell(2, 3)) == "RNNCell(input_size=2, hidden_size=3)"
    relu = nn.RNNCell(2, 3, nonlinearity="relu")
    assert repr(relu) == "RNNCell(input_size=2, hidden_size=3, nonlinearity='relu')"
    assert repr(nn.LSTMCell(2, 3, False)) == "LSTMCell(input_size=2, hidden_size=3, bias=False)"
    assert repr(nn.GRUCell(2, 3)) == "GRUCell(input_size=2, hidden_size=3)"


@every_cell
@pytest.mark.parametrize("road", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],
                         ids=["deepcopy", "pickle"])  # fmt: skip
def test_a_copy_is_the_same_cell(kind, road, rng):
    step, x = cell(kind, I, H, rng=rng), rng.normal(size=(B, I))
    twin = road(step)
    assert repr(twin) == repr(step)
    assert [y.tolist() for y in flat(twin(x))] == [y.tolist() for y in flat(step(x))]


# Types and devices ------------------------------------------------------------------------------


@every_cell
def test_float32_stays_float32(kind, backend, rng):
    step = cell(kind, I, H, dtype="float32", rng=rng)
    x = mt.tensor(rng.normal(size=(B, I)), "float32", requires_grad=True)
    found = flat(step(x, step(x)))
    sum(y.sum() for y in found).backward()
    assert {t.dtype for t in (*found, x.grad)} == {np.dtype("float32")}
    assert {p.grad.dtype for p in step.parameters()} == {np.dtype("float32")}


@every_cell
def test_an_empty_batch_has_an_empty_state(kind, backend):
    step = cell(kind, I, H)
    found = flat(step(mt.zeros(0, I)))
    assert {y.shape for y in found} == {(0, H)}
    found[0].sum().backward()
    assert all(not float(abs(p.grad).sum()) for p in step.parameters())


@every_cell
def test_steps_and_their_gradients_never_wait_for_the_device(kind, backend, rng):
    step, x = cell(kind, I, H, rng=rng), mt.tensor(rng.normal(size=(T, B, I)))
    strict_cupy.synchronisations.reset()
    state = None
    for t in range(T):
        state = step(x[t], state)
    flat(state)[0].sum().backward()
    assert strict_cupy.synchronisations.causes == []
