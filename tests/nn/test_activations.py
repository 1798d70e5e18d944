"""Activations: PyTorch's values and slopes of two orders, no overflow, options and errors."""

import copy
import inspect
import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose
from torch_parity import by_both

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.nn import activations

DISTRIBUTION = np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)), otypes=[float])
TANH_OF_GELU = math.sqrt(2 / math.pi)
ROWS = [  # module, options, the formula, where the slope jumps
    ("ELU", {}, lambda x: np.where(x > 0, x, np.exp(x) - 1), ()),
    ("ELU", {"alpha": 0.3}, lambda x: np.where(x > 0, x, 0.3 * (np.exp(x) - 1)), (0,)),
    ("GELU", {}, lambda x: x * DISTRIBUTION(x), ()),
    ("GELU", {"approximate": "tanh"},
     lambda x: 0.5 * x * (1 + np.tanh(TANH_OF_GELU * (x + 0.044715 * x**3))), ()),
    ("Hardtanh", {}, lambda x: np.clip(x, -1, 1), (-1, 1)),
    ("Hardtanh", {"min_val": -2.5, "max_val": 0.5}, lambda x: np.clip(x, -2.5, 0.5), (-2.5, 0.5)),
    ("LeakyReLU", {}, lambda x: np.where(x > 0, x, x / 100), (0,)),
    ("LeakyReLU", {"negative_slope": 3.0}, lambda x: np.where(x > 0, x, 3 * x), (0,)),
    ("LogSoftmax", {"dim": 0}, lambda x: x - np.log(np.exp(x).sum(axis=0)), ()),
    ("LogSoftmax", {"dim": -1}, lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True)), ()),
    ("ReLU", {}, lambda x: np.maximum(x, 0), (0,)),
    ("Sigmoid", {}, lambda x: 1 / (1 + np.exp(-x)), ()),
    ("SiLU", {}, lambda x: x / (1 + np.exp(-x)), ()),
    ("Softmax", {"dim": 0}, lambda x: np.exp(x) / np.exp(x).sum(axis=0), ()),
    ("Softmax", {"dim": -1}, lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True), ()),
    ("Softplus", {}, lambda x: np.log(1 + np.exp(x)), ()),
    ("Softplus", {"beta": 2.0}, lambda x: np.log(1 + np.exp(2 * x)) / 2, ()),
    ("Tanh", {}, np.tanh, ()),
]  # fmt: skip
IDS = ["-".join([name, *(f"{k}={v}" for k, v in options.items())]) for name, options, *_ in ROWS]
every = pytest.mark.parametrize("name, options, formula, kinks", ROWS, ids=IDS)
ELEMENTWISE = [row for row in ROWS if "oftmax" not in row[0]]
elementwise = pytest.mark.parametrize(
    "name, options, formula, kinks", ELEMENTWISE, ids=[i for i in IDS if "oftmax" not in i]
)


def made(name, options):
    return getattr(nn, name)(**options)


def away_from(kinks, rng, shape=(4, 3)):
    """Numbers from which no difference steps over a kink."""
    x = 2 * rng.normal(size=shape)
    for kink in kinks:
        x = np.where(abs(x - kink) < 0.1, x + 0.25, x)
    return x


def test_every_activation_is_here():
    kinds = [kind for kind in vars(nn).values() if inspect.isclass(kind)]
    mine = {k.__name__ for k in kinds if issubclass(k, activations.Activation)}
    assert mine == {row[0] for row in ROWS}


@pytest.mark.torch
@every
def test_values_and_slopes_of_two_orders_are_pytorchs(name, options, formula, kinks, rng):
    import torch

    theirs = getattr(torch.nn, name)(**options)
    by_both(rng, made(name, options), theirs, [2 * rng.normal(size=(4, 3, 5))])


@pytest.mark.torch
@pytest.mark.parametrize(
    "name, at",
    [("ELU", 0), ("Hardtanh", -1), ("Hardtanh", 1), ("LeakyReLU", 0), ("ReLU", 0)],
)
def test_the_slope_at_a_kink_is_pytorchs(name, at):
    import torch

    options = {"alpha": 0.3} if name == "ELU" else {}
    x, X = mt.tensor(float(at), requires_grad=True), torch.tensor(float(at), requires_grad=True)
    made(name, options)(x).backward()
    getattr(torch.nn, name)(**options)(X).backward()
    assert x.grad.item() == pytest.approx(X.grad.item(), rel=1e-6)  # theirs is float32


@every
def test_the_value_is_the_one_of_the_formula(name, options, formula, kinks, backend, rng):
    x = 2 * rng.normal(size=(2, 4, 3))
    y = made(name, options)(mt.tensor(x))
    assert y.backend == backend
    assert_allclose(y.numpy(), formula(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
@every
def test_derivatives_agree_with_differences(name, options, formula, kinks, order, backend, rng):
    x = mt.tensor(away_from(kinks, rng), requires_grad=True)
    assert mt.autograd.gradcheck(made(name, options), x, order=order)


def slopes(module, values, dtype="float64"):
    """The value, the slope and the second derivative of each element."""
    x = mt.tensor(values, dtype=dtype, requires_grad=True)
    y = module(x)
    (slope,) = mt.autograd.grad(y.sum(), x, create_graph=True)
    (curvature,) = mt.autograd.grad(slope.sum() + (0.0 * x).sum(), x)
    return y, slope.detach(), curvature


@pytest.mark.parametrize(
    "dtype, huge", [("float64", 1e300), ("float32", 1e30), ("float16", 6e4)], ids=str
)
@pytest.mark.parametrize("name", sorted({row[0] for row in ELEMENTWISE}))
def test_huge_values_have_finite_slopes_of_two_orders_and_no_warnings(name, dtype, huge, backend):
    y, slope, curvature = slopes(made(name, {}), [-huge, -1000.0, 1000.0, huge], dtype)
    assert np.isfinite(y.detach().numpy()).all()
    assert {y.dtype, slope.dtype, curvature.dtype} == {np.dtype(dtype)}
    leaves_the_scale = {"Hardtanh": 0, "Sigmoid": 0, "Tanh": 0}.get(name, 1)
    assert slope.tolist()[2:] == [leaves_the_scale] * 2
    assert slope.tolist()[0] == slope.tolist()[1]
    assert not curvature.numpy().any()


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_exactly_0_or_x_where_its_distribution_function_is_0_or_1(approximate):
    x = [-1e300, -19.0, 19.0, 25.0, 1e300]
    values, slope, _ = slopes(nn.GELU(approximate), x)
    assert_allclose(values.data, [0.0, 0.0, 19.0, 25.0, 1e300], rtol=1e-15, atol=1e-30)
    assert_allclose(slope.data, [0.0, 0.0, 1.0, 1.0, 1.0], rtol=1e-15, atol=1e-30)


@elementwise
def test_nan_goes_in_and_out(name, options, formula, kinks):
    y = made(name, options)(mt.tensor([math.nan, 1.0]))
    assert np.isnan(y.data).tolist() == [True, False]


@every
def test_empty_batches_have_empty_values_and_slopes(name, options, formula, kinks, backend):
    x = mt.zeros(2, 0, 3, requires_grad=True)
    y = made(name, options)(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == (2, 0, 3)


@every
def test_float32_stays_float32_and_the_device_is_not_waited_for(
    name, options, formula, kinks, backend, rng
):
    x = mt.tensor(rng.normal(size=(2, 3)), "float32", requires_grad=True)
    strict_cupy.synchronisations.reset()
    y = made(name, options)(x)
    (y * y).sum().backward()
    assert strict_cupy.synchronisations.causes == []
    assert y.dtype == x.grad.dtype == np.float32


@every
def test_a_module_is_its_function(name, options, formula, kinks, rng):
    module, x = made(name, options), rng.normal(size=(2, 3))
    function = type(module).function
    values = function(x, **module.options())
    assert isinstance(values, np.ndarray)  # arrays in, arrays out
    assert isinstance(module(x), mt.Tensor) and module(x).tolist() == values.tolist()
    assert module(x.tolist()).tolist() == values.tolist()


@pytest.mark.parametrize("name", sorted({row[0] for row in ELEMENTWISE} - {"ReLU", "Tanh"}))
def test_integers_become_numbers_of_the_default_dtype(name):
    found = made(name, {})(mt.tensor([-1, 0, 2]))
    assert found.dtype == np.float64
    assert found.tolist() == made(name, {})(mt.tensor([-1.0, 0.0, 2.0])).tolist()


@every
def test_a_module_has_no_parameters_and_can_be_copied_and_changed(
    name, options, formula, kinks, rng
):
    module, x = copy.deepcopy(made(name, options)).eval().to("float32"), rng.normal(size=(2, 3))
    assert module.state_dict() == {}
    assert_allclose(module(x).data, formula(x), rtol=1e-12, atol=1e-14)
    for option, default in made(name, {}).options().items():
        setattr(module, option, default)
    assert module(x).tolist() == made(name, {})(x).tolist()


@pytest.mark.torch
@every
def test_arguments_and_their_defaults_are_pytorchs_in_its_order(name, options, formula, kinks):
    import torch

    theirs = inspect.signature(getattr(torch.nn, name)).parameters
    if "oftmax" in name:
        assert list(inspect.signature(getattr(nn, name)).parameters) == ["axis", "dim"]
        assert getattr(nn, name)(0).axis == getattr(torch.nn, name)(0).dim
        return
    mine = inspect.signature(getattr(nn, name)).parameters
    assert list(mine) == list(theirs)[: len(mine)]
    assert [p.default for p in mine.values()] == [theirs[p].default for p in mine]


@pytest.mark.torch
@pytest.mark.parametrize("name, options", [row[:2] for row in ROWS], ids=IDS)
def test_the_repr_is_pytorchs(name, options):
    import torch

    theirs = repr(getattr(torch.nn, name)(**options))
    theirs = theirs.replace("dim=", "axis=").replace(", threshold=20.0", "")
    assert repr(made(name, options)) == theirs


def test_softmax_has_its_axis_under_either_name(rng):
    x = rng.normal(size=(2, 3))
    for kind in (nn.Softmax, nn.LogSoftmax):
        assert kind(0)(x).tolist() == kind(axis=0)(x).tolist() == kind(dim=0)(x).tolist()
        assert kind()(x).tolist() == kind(dim=1)(x).tolist() != kind(0)(x).tolist()


def test_identity_gives_what_it_gets():
    x, module = object(), nn.Identity(54, unused=True)
    assert module(x) is x and repr(module) == "Identity()" and module.state_dict() == {}


WRONG = [  # what is called, the exception, what its message says
    (lambda: nn.GELU("erf"), ValueError, "GELU: approximate is 'erf'; known are 'none' and 'tanh'"),
    (lambda: activations.gelu(1.0, "Tanh"), ValueError, "gelu: approximate is 'Tanh'"),
    (lambda: nn.Hardtanh(2, 1), ValueError, "Hardtanh: min_val is 2, max_val is 1; the first"),
    (lambda: activations.hardtanh(0.0, 1, 1), ValueError, "hardtanh: min_val is 1, max_val is 1"),
    (lambda: nn.Softmax(2)(mt.ones(2, 3)), IndexError, "axis 2 is out of bounds.*dimension 2"),
    (lambda: nn.ELU(1.0, True), TypeError, "positional arguments"),
    (lambda: nn.Tanh()([mt.ones(1)]), TypeError, "list that holds Tensors"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG, ids=[row[2][:24] for row in WRONG])
def test_what_does_not_fit_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call()
