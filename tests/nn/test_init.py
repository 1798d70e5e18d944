"""Initial values: PyTorch's distributions, exact structure, one seed for every backend, errors."""

import inspect
import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.nn import init

GAINS = ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
DRAWN = {  # what is called, and with which options; the tensor comes first and rng last
    "uniform_": {"a": -2.0, "b": 5.0},
    "normal_": {"mean": -2.0, "std": 5.0},
    "xavier_uniform_": {"gain": 2.0},
    "xavier_normal_": {"gain": 2.0},
    "kaiming_uniform_": {"a": 0.3, "mode": "fan_out"},
    "kaiming_normal_": {"nonlinearity": "tanh"},
    "orthogonal_": {"gain": 2.0},
}
FIXED = {
    "constant_": {"val": 0.25}, "zeros_": {}, "ones_": {}, "eye_": {}, "identity_": {"scale": 0.5},
}  # fmt: skip
drawn = pytest.mark.parametrize("name, options", DRAWN.items(), ids=list(DRAWN))
every = pytest.mark.parametrize("name, options", (DRAWN | FIXED).items(), ids=[*DRAWN, *FIXED])
SHAPES = [(300, 200), (40, 30, 50)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def filled(name, shape, options, seed=0, dtype=None):
    rng = {"rng": np.random.default_rng(seed)} if name in DRAWN else {}
    return getattr(init, name)(init.parameter(*shape, dtype=dtype), **options, **rng)


# What is drawn ------------------------------------------------------------------------------------


@every_shape
def test_uniform_fills_its_interval_evenly(shape):
    values = filled("uniform_", shape, DRAWN["uniform_"]).data
    assert -2 <= values.min() < -1.999 and 4.999 < values.max() <= 5
    # 60000 values: the mean is known to 0.008, and a tenth of the interval holds 6000 ± 73.
    assert abs(values.mean() - 1.5) < 0.03
    counts, _ = np.histogram(values, bins=10, range=(-2, 5))
    assert abs(counts - 6000).max() < 300


@every_shape
def test_normal_has_its_first_four_moments(shape):
    values = (filled("normal_", shape, DRAWN["normal_"]).data + 2) / 5
    moments = [(values**k).mean() for k in (1, 2, 3, 4)]
    assert_allclose(moments, [0, 1, 0, 3], atol=0.1)  # 60000 values: 0.004, 0.006, 0.016, 0.04


@pytest.mark.parametrize("gates", [1, 4])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_xavier_keeps_the_variance_between_both_fans(kind, gates):
    values = filled(f"xavier_{kind}_", (300 * gates, 200), {}).data
    assert values.std() == pytest.approx(math.sqrt(2 / (300 * gates + 200)), rel=0.02)


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_kaiming_keeps_the_size_of_values_through_relu_layers(kind, rng):
    x = rng.normal(size=(400, 300))
    for layer in range(5):
        weight = filled(f"kaiming_{kind}_", (300, x.shape[1]), {"nonlinearity": "relu"}, 9 + layer)
        x = np.maximum(x @ weight.data.T, 0)
    assert 0.7 < (x**2).mean() < 1.4  # 5 layers of 300 units each lose or win some 8 %


def scale_of(module, name, shape, *args, **options):
    """How much larger the values are than those of U(-1, 1) or N(0, 1) from the same seed."""

    def values(function, *args, **options):
        if module is init:
            rng = np.random.default_rng(5)
            return function(init.parameter(*shape), *args, **options, rng=rng).data
        import torch

        tensor, generator = torch.empty(shape, dtype=torch.float64), torch.Generator()
        generator.manual_seed(5)
        return function(tensor, *args, **options, generator=generator).numpy()

    base = (module.uniform_, -1.0, 1.0) if "uniform" in name else (module.normal_, 0.0, 1.0)
    ratio = values(getattr(module, name), *args, **options) / values(*base)
    assert ratio.std() <= 1e-8 * ratio.mean()  # rounding, of values next to 0
    return np.median(ratio)


@pytest.mark.torch
@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (4, 3, 5), (1, 1)], ids=str)
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_the_scale_of_xavier_is_pytorchs(kind, shape, gain):
    import torch

    name = f"xavier_{kind}_"
    expected = scale_of(torch.nn.init, name, shape, gain)
    assert scale_of(init, name, shape, gain) == pytest.approx(expected, rel=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("nonlinearity", GAINS)
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("a", [0, math.sqrt(5)])
@pytest.mark.parametrize("shape", [(7, 3), (4, 3, 5)], ids=str)
@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_the_scale_of_kaiming_is_pytorchs(kind, shape, a, mode, nonlinearity):
    import torch

    name, args = f"kaiming_{kind}_", (a, mode, nonlinearity)
    expected = scale_of(torch.nn.init, name, shape, *args)
    assert scale_of(init, name, shape, *args) == pytest.approx(expected, rel=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("param", [None, 0, 0.2, 1, -3.0])
@pytest.mark.parametrize("nonlinearity", GAINS)
def test_gains_are_pytorchs(nonlinearity, param):
    import torch

    expected = torch.nn.init.calculate_gain(nonlinearity, param)
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(expected, rel=1e-15)


@pytest.mark.torch
@pytest.mark.parametrize(
    "name", [*DRAWN, *(n for n in FIXED if n != "identity_"), "calculate_gain"]
)
def test_arguments_and_their_defaults_are_pytorchs_in_its_order(name):
    import torch

    mine, theirs = (inspect.signature(getattr(m, name)).parameters for m in (init, torch.nn.init))
    assert [n.replace("rng", "generator") for n in mine] == list(theirs)
    assert [p.default for p in mine.values()] == [p.default for p in theirs.values()]


def test_uniform_makes_a_new_parameter_of_the_same_stream():
    made = init.uniform(3, 2, bound=0.5, rng=np.random.default_rng(1))
    expected = np.random.default_rng(1).uniform(-0.5, 0.5, (3, 2))
    assert isinstance(made, nn.Parameter) and made.dtype == np.float64
    assert_array_equal(made.data, expected)


# What has a structure -----------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (4, 2, 3), (9, 2, 3), (1, 1)], ids=str)
def test_rows_or_columns_of_orthogonal_are_orthonormal(shape, gain):
    Q = filled("orthogonal_", shape, {"gain": gain}).data.reshape(shape[0], -1)
    product = Q @ Q.T if Q.shape[0] <= Q.shape[1] else Q.T @ Q
    assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_is_uniform_over_the_orthogonal_group():
    rng = np.random.default_rng(0)
    drawn = np.array([init.orthogonal_(init.parameter(3, 3), rng=rng).data for _ in range(3000)])
    # Of a uniform one every element has mean 0 and variance 1/3, and half are reflections. What QR
    # gives has a diagonal of mean -1/2, and all are reflections or none is.
    assert abs(drawn.mean(axis=0)).max() < 0.05
    assert abs((drawn**2).mean(axis=0) - 1 / 3).max() < 0.03
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 0.05


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)], ids=str)
def test_eye_has_ones_on_its_diagonal(shape):
    assert_array_equal(filled("eye_", shape, {}).data, np.eye(*shape))


@pytest.mark.parametrize("gates", [1, 3, 4])
def test_identity_is_one_for_every_gate(gates):
    found = filled("identity_", (gates * 3, 3), {"scale": 0.5}).data
    assert_array_equal(found, np.concatenate([0.5 * np.eye(3)] * gates))


def test_an_irnn_keeps_its_state_when_nothing_comes_in(rng):
    rnn = nn.RNN(2, 3, nonlinearity="relu", bias=False)
    init.identity_(rnn.weight_hh_l0)
    h_0 = abs(rng.normal(size=(1, 4, 3)))
    _, h_n = rnn(np.zeros((50, 4, 2)), h_0)
    assert_array_equal(h_n.data, h_0)


def lstm(**options):
    return nn.LSTM(2, 3, rng=np.random.default_rng(2), **options)


@pytest.mark.parametrize(
    "make, suffixes",
    [
        (lstm, ["_l0"]),
        (lambda: lstm(num_layers=2, bidirectional=True),
         ["_l0", "_l0_reverse", "_l1", "_l1_reverse"]),
        (lambda: lstm(proj_size=2), ["_l0"]),
        (lambda: nn.LSTMCell(2, 3, rng=np.random.default_rng(2)), [""]),
    ],
    ids=["LSTM", "deep and bidirectional", "projected", "LSTMCell"],
)  # fmt: skip
def test_forget_gates_are_opened_in_all_layers_and_directions_and_nothing_else(make, suffixes):
    module = make()
    expected = module.state_dict()
    for suffix in suffixes:  # rows i, f, g, o of 3 units each
        expected[f"bias_ih{suffix}"][3:6], expected[f"bias_hh{suffix}"][3:6] = 1.5, 0.0
    assert init.forget_gate_bias_(module, 1.5) is module
    for name, array in module.state_dict().items():
        assert_array_equal(array, expected[name], err_msg=name)


def test_open_forget_gates_keep_the_memory():
    cell = nn.LSTMCell(2, 3)
    for p in cell.parameters():
        init.zeros_(p)
    init.forget_gate_bias_(cell, 50.0)  # sigmoid(50) is 1
    _, c = cell(np.zeros(2), (np.zeros(3), np.array([1.0, -2.0, 3.0])))
    assert c.tolist() == [1.0, -2.0, 3.0]


# What they have in common -------------------------------------------------------------------------


def test_every_function_is_here():
    made = {name for name, value in vars(init).items() if inspect.isfunction(value)}
    made = {name for name in made if name.endswith("_") and not name.startswith("_")}
    assert made == {*DRAWN, *FIXED, "forget_gate_bias_"}


@every
def test_the_same_tensor_comes_back_in_its_dtype_and_where_it_was(name, options, backend):
    tensor = init.parameter(4, 4, dtype="float32")
    tensor.update_(np.full((4, 4), 7.0) if backend == "numpy" else mt.full((4, 4), 7.0))
    strict_cupy.synchronisations.reset()
    assert getattr(init, name)(tensor, **options) is tensor
    assert strict_cupy.synchronisations.causes == []
    assert (tensor.dtype, tensor.backend, tensor.requires_grad) == (np.float32, backend, True)
    assert not (tensor.detach().numpy() == 7.0).any()


def test_opening_forget_gates_never_waits_for_the_device(backend):
    module = lstm(num_layers=2)
    strict_cupy.synchronisations.reset()
    init.forget_gate_bias_(module)
    assert strict_cupy.synchronisations.causes == []
    assert module.bias_ih_l1.backend == backend


@drawn
def test_one_seed_gives_the_same_values_on_every_backend_and_in_every_dtype(name, options, backend):
    with mt.use("numpy"):
        expected = filled(name, (5, 4), options).data
    assert_array_equal(filled(name, (5, 4), options).detach().numpy(), expected)
    narrow = filled(name, (5, 4), options, dtype="float32").detach().numpy()
    assert_array_equal(narrow, expected.astype("float32"))


@drawn
def test_the_default_generator_draws_where_none_is_given(name, options):
    def values():
        mt.manual_seed(3)
        return getattr(init, name)(init.parameter(4, 3), **options).tolist()

    assert values() == values() != getattr(init, name)(init.parameter(4, 3), **options).tolist()


@every
def test_a_graph_that_used_the_old_values_refuses_to_walk_back(name, options):
    tensor = init.uniform(2, 2, bound=1.0)
    loss = (tensor * tensor).sum()
    getattr(init, name)(tensor, **options)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@every
def test_a_plain_tensor_is_filled_too_and_an_empty_one_stays_empty(name, options):
    assert not getattr(init, name)(mt.full((2, 2), 7.0), **options).tolist() == [[7.0] * 2] * 2
    if name != "identity_":  # of which there is none
        assert getattr(init, name)(mt.zeros(0, 3), **options).shape == (0, 3)
        assert getattr(init, name)(mt.zeros(3, 0), **options).shape == (3, 0)


WRONG = [  # what is called, the exception, what its message says
    (lambda: init.xavier_uniform_(mt.zeros(3)), ValueError, r"xavier_uniform_: .*\(3,\).*1 axes"),
    (lambda: init.xavier_normal_(mt.zeros(3)), ValueError, r"xavier_normal_: .*\(3,\)"),
    (lambda: init.kaiming_uniform_(mt.zeros(())), ValueError, r"kaiming_uniform_: .*\(\).*0 axes"),
    (lambda: init.kaiming_normal_(mt.zeros(3)), ValueError, r"kaiming_normal_: .*\(3,\)"),
    (lambda: init.orthogonal_(mt.zeros(3)), ValueError, r"orthogonal_: .*\(3,\)"),
    (lambda: init.eye_(mt.zeros(2, 2, 2)), ValueError, r"eye_: .*\(2, 2, 2\).*3 axes.*matrix"),
    (lambda: init.identity_(mt.zeros(3)), ValueError, r"identity_: .*\(3,\).*matrix"),
    (lambda: init.identity_(mt.zeros(4, 3)), ValueError, r"identity_: .*\(4, 3\).*4 rows.*3"),
    (lambda: init.identity_(mt.zeros(4, 0)), ValueError, r"identity_: .*\(4, 0\).*4 rows.*0"),
    (lambda: init.kaiming_normal_(mt.zeros(2, 2), mode="fan"), ValueError, "mode is 'fan'.*fan_in"),
    (lambda: init.kaiming_normal_(mt.zeros(2, 2), nonlinearity="gelu"), ValueError, "'gelu'"),
    (lambda: init.calculate_gain("swish"), ValueError, "'swish'; known are 'linear'.*'leaky_relu'"),
    (lambda: init.calculate_gain("leaky_relu", "0.1"), ValueError, "is '0.1', no number"),
    (lambda: init.calculate_gain("leaky_relu", True), ValueError, "is True, no number"),
    (lambda: init.zeros_(np.zeros(3)), TypeError, "zeros_: got a ndarray; needed is a Parameter"),
    (lambda: init.normal_(mt.zeros(3), rng=1), TypeError, r"rng is 1; .*default_rng\(1\)"),
    (lambda: init.ones_(mt.ones(2, requires_grad=True) * 2), RuntimeError, "by 'multiply'"),
    (lambda: init.forget_gate_bias_(nn.RNN(2, 3)), TypeError, "RNN.* is no LSTM"),
    (lambda: init.forget_gate_bias_(nn.GRU(2, 3)), TypeError, "GRU.* is no LSTM"),
    (lambda: init.forget_gate_bias_(nn.GRUCell(2, 3)), TypeError, "GRUCell.* is no LSTM"),
    (lambda: init.forget_gate_bias_(nn.Linear(2, 8)), TypeError, "Linear.* is no LSTM"),
    (lambda: init.forget_gate_bias_(nn.RecurrentNetwork(2, 3, 2)), TypeError, r"pass the layer"),
    (lambda: init.forget_gate_bias_(3), TypeError, "3 is no LSTM"),
    (lambda: init.forget_gate_bias_(lstm(bias=False)), ValueError, "LSTM.* built with bias=False"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG, ids=[row[2][:24] for row in WRONG])
def test_what_does_not_fit_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call()
