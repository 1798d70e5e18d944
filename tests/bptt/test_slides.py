"""Identities of the explicit algorithms, on plain arrays alone."""

import ast
import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minitorch_rnn import bptt, numeric
from minitorch_rnn.bptt import slides, units

T, I, H, O, L = 5, 3, 4, 2, 2


@pytest.fixture
def network(rng):
    params = {
        "W_c": {1: rng.normal(size=(H, I)), 2: rng.normal(size=(H, H))},
        "W_r": {l: rng.normal(size=(H, H)) / 2 for l in (1, 2)},
        "b": {l: rng.normal(size=H) for l in (1, 2)},
        "W_o": rng.normal(size=(O, H)),
        "b_o": rng.normal(size=O),
    }
    return params, rng.normal(size=(T, I)), {l: rng.normal(size=H) for l in (1, 2)}


def flat(d):
    for name, value in sorted(d.items()):
        if isinstance(value, dict):
            yield from ((f"{name}({l})", value[l]) for l in sorted(value))
        else:
            yield name, value


@pytest.mark.parametrize("output", slides.ACTIVATIONS)
@pytest.mark.parametrize("hidden", ["tanh", "sigmoid", "relu", "identity"])
def test_matrices_and_single_units_give_the_same(network, rng, hidden, output):
    params, x, h_init = network
    dY = rng.normal(size=(T, O))
    trace = slides.forward(params, x, h_init, hidden, output)
    by_matrix = slides.backward(params, trace, dY, hidden, output)
    by_unit = units.backward(params, trace, dY, hidden, output)
    for (name, a), (_, b) in zip(flat(by_matrix), flat(by_unit), strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("name", slides.ACTIVATIONS)
def test_every_jacobian_is_that_of_its_function(rng, name):
    f, jacobian = slides.ACTIVATIONS[name]
    z = rng.normal(size=4)
    columns = [
        numeric.complex_step(lambda a, i=i: f(a["z"])[i], {"z": z})["z"] for i in range(len(z))
    ]
    assert_allclose(jacobian(f(z), z), columns, rtol=1e-12, atol=1e-14)


def test_all_columns_are_identical(network, rng):
    # One step more, with no divergence there, changes no gradient of the first T steps.
    params, x, h_init = network
    dY = rng.normal(size=(T, O))
    longer = slides.forward(params, np.vstack([x, x[:1]]), h_init)
    masked = slides.backward(params, longer, np.vstack([dY, np.zeros((1, O))]))
    exact = slides.backward(params, slides.forward(params, x, h_init), dY)
    for (name, a), (_, b) in zip(flat(masked), flat(exact), strict=True):
        assert_allclose(a[:T] if name == "x" else a, b, rtol=1e-12, atol=1e-14, err_msg=name)


def test_the_initial_state_is_the_zeroth_column(network, rng):
    params, x, h_init = network
    dY = rng.normal(size=(T, O))
    whole = slides.forward(params, x, h_init)
    later = slides.forward(params, x[2:], {l: whole.h[1, l] for l in (1, 2)})
    for t in range(2, T):
        assert_allclose(whole.Y[t], later.Y[t - 2], rtol=1e-15)
    d = slides.backward(params, later, dY[2:])
    assert d["x"].shape == (T - 2, I) and d["h_init"][1].shape == (H,)


def test_names_go_both_ways():
    assert bptt.names.slide_name("rnn.weight_ih_l2") == ("W_c", 3)
    assert bptt.names.slide_name("bias_hh_l0") == ("b", 1)
    with pytest.raises(KeyError, match="no counterpart"):
        bptt.names.slide_name("rnn.weight_xx_l0")


def test_the_two_biases_of_a_layer_are_one_on_the_slides(rng):
    arrays = {
        "weight_ih_l0": np.ones((H, I)), "weight_hh_l0": np.ones((H, H)),
        "bias_ih_l0": np.ones(H), "bias_hh_l0": 2 * np.ones(H),
    }  # fmt: skip
    params = bptt.names.from_torch(arrays)
    assert (params["b"][1] == 3).all()
    assert (params["W_o"] == np.eye(H)).all() and not params["b_o"].any()


def test_the_slides_are_short_enough_to_read_beside_the_deck():
    for function in (slides.forward, slides.backward):
        (definition,) = ast.parse(inspect.getsource(function)).body
        assert definition.end_lineno - definition.body[1].lineno < 45  # after the docstring
