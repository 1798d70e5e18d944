"""LayerNorm and layer_norm: PyTorch's numbers to second order, constant samples, half precision."""

import inspect
import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose, assert_array_equal
from torch_parity import by_both

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import DTypeError, ShapeError
from minitorch_rnn.nn.normalization import layer_norm

LAYOUTS = [  # shape of x, normalized_shape
    pytest.param((4, 3, 5), (5,), id="last-axis"),
    pytest.param((4, 3, 5), (3, 5), id="two-axes"),
    pytest.param((3, 5), (3, 5), id="all-axes"),
    pytest.param((4, 6), (6,), id="batch"),
    pytest.param((7,), (7,), id="vector"),
]
every_layout = pytest.mark.parametrize("shape, sizes", LAYOUTS)
every_affine = pytest.mark.parametrize("affine", ["weight and bias", "weight", "neither"])


def drawn(rng, shape, sizes, affine):
    """x, and the weight and the bias that the case has."""
    count = {"neither": 0, "weight": 1, "weight and bias": 2}[affine]
    return [3 + 2 * rng.normal(size=shape), *(rng.normal(size=sizes) for _ in range(count))]


def by_hand(x, sizes, weight=1.0, bias=0.0, eps=1e-5):
    """Sample by sample, with Python's sums."""
    y = np.empty(x.shape)
    outer = x.shape[: x.ndim - len(sizes)]
    for at in np.ndindex(outer):
        values = x[at].ravel().tolist()
        mean = math.fsum(values) / len(values)
        variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
        y[at] = weight * (x[at] - mean) / math.sqrt(variance + eps) + bias
    return y


@pytest.mark.torch
@pytest.mark.parametrize("eps", [1e-5, 0.1])
@every_affine
@every_layout
def test_values_and_slopes_of_two_orders_are_pytorchs(shape, sizes, affine, eps, rng):
    import torch

    by_both(
        rng,
        lambda x, *p: layer_norm(x, sizes, *p, eps=eps),
        lambda x, *p: torch.nn.functional.layer_norm(x, sizes, *p, eps=eps),
        drawn(rng, shape, sizes, affine),
    )


@every_affine
@every_layout
def test_the_value_is_the_one_of_the_formula(shape, sizes, affine, backend, rng):
    x, *parameters = drawn(rng, shape, sizes, affine)
    y = layer_norm(*[mt.tensor(x), sizes, *map(mt.tensor, parameters)])
    assert y.backend == backend
    assert_allclose(y.numpy(), by_hand(x, sizes, *parameters), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_agree_with_differences(order, backend, rng):
    arrays = [rng.normal(size=(2, 3)), rng.normal(size=3), rng.normal(size=3)]
    inputs = [mt.tensor(a, requires_grad=True) for a in arrays]
    assert mt.autograd.gradcheck(lambda x, w, b: layer_norm(x, 3, w, b), inputs, order=order)


def test_every_sample_gets_mean_0_and_variance_1(rng):
    y = nn.LayerNorm(50, eps=0.0)(7 + 3 * rng.normal(size=(20, 50))).data
    assert_allclose(y.mean(axis=-1), 0, atol=1e-14)
    assert_allclose(y.var(axis=-1), 1, rtol=1e-13)


def test_constant_samples_become_the_bias_and_have_finite_slopes(backend, rng):
    layer = nn.LayerNorm(4)
    layer.load_state_dict({"weight": rng.normal(size=4), "bias": (bias := rng.normal(size=4))})
    x = mt.tensor([[2.0] * 4, [0.0] * 4], requires_grad=True)
    y = layer(x)
    (slope,) = mt.autograd.grad(y, x, mt.tensor(rng.normal(size=(2, 4))), create_graph=True)
    (curvature,) = mt.autograd.grad((slope * slope).sum(), x)
    assert_array_equal(y.detach().numpy(), [bias, bias])
    assert np.isfinite(slope.detach().numpy()).all() and np.isfinite(curvature.numpy()).all()


def test_samples_of_one_value_become_the_bias_whatever_they_are(backend, rng):
    x = mt.tensor(rng.normal(size=(4, 1)), requires_grad=True)
    y = nn.LayerNorm(1)(x)
    y.backward(mt.tensor(rng.normal(size=(4, 1))))
    assert not y.detach().numpy().any() and not x.grad.numpy().any()


def test_adding_to_a_sample_or_scaling_it_changes_nothing(rng):
    x = rng.normal(size=(3, 8))
    layer = nn.LayerNorm(8, eps=0.0)
    assert_allclose(layer(100 + 7 * x).data, layer(x).data, rtol=1e-10, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize(
    "args, options",
    [((5,), {}), (((2, 5),), {}), ((5, 1e-3, True, False), {}),
     ((5,), {"elementwise_affine": False}), ([[2, 5]], {"bias": False})],
    ids=str,
)  # fmt: skip
def test_names_initial_values_and_repr_are_pytorchs_and_its_state_moves_both_ways(
    args, options, rng
):
    import torch

    theirs = torch.nn.LayerNorm(*args, **options, dtype=torch.float64)
    ours = nn.LayerNorm(*args, **options)
    assert repr(ours) == repr(theirs)
    state = {name: values.numpy() for name, values in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    for name, values in ours.state_dict().items():
        assert_array_equal(values, state[name])
    for values in theirs.parameters():
        torch.nn.init.normal_(values)
    ours.load_state_dict(theirs.state_dict())
    x = rng.normal(size=(3, 2, 5))
    assert_allclose(ours(x).data, theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-10)
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in ours.state_dict().items()})


@pytest.mark.torch
def test_arguments_and_their_defaults_are_pytorchs_in_its_order():
    import torch

    for mine, theirs, n in (
        (nn.LayerNorm, torch.nn.LayerNorm, 4),
        (layer_norm, torch.nn.functional.layer_norm, 5),
    ):
        mine, theirs = (list(inspect.signature(f).parameters.values())[:n] for f in (mine, theirs))
        assert [(p.name, p.default) for p in mine[1:]] == [(p.name, p.default) for p in theirs[1:]]


def test_a_list_of_sizes_and_one_size_are_the_same_as_a_tuple(rng):
    x = rng.normal(size=(3, 5))
    expected = layer_norm(x, (5,)).tolist()
    assert layer_norm(x, 5).tolist() == layer_norm(x, [5]).tolist() == expected
    assert nn.LayerNorm(5).normalized_shape == nn.LayerNorm([5]).normalized_shape == (5,)
    assert nn.LayerNorm(np.int64(5)).normalized_shape == (5,)


@pytest.mark.parametrize("affine", [True, False])
def test_float32_stays_float32_and_the_device_is_not_waited_for(affine, backend, rng):
    layer = nn.LayerNorm(5, elementwise_affine=affine, dtype="float32")
    x = mt.tensor(rng.normal(size=(3, 5)), "float32", requires_grad=True)
    strict_cupy.synchronisations.reset()
    y = layer(x)
    (y * y).sum().backward()
    assert strict_cupy.synchronisations.causes == []
    assert {t.dtype for t in (y, x.grad, *(p.grad for p in layer.parameters()))} == {
        np.dtype("float32")
    }


def test_half_precision_is_computed_in_single(backend, rng):
    layer = nn.LayerNorm(2000, dtype="float16")
    values = (400 * rng.normal(size=(3, 2000))).astype("float16")  # whose squares overflow
    x = mt.tensor(values, requires_grad=True)
    y = layer(x)
    v = rng.normal(size=y.shape).astype("float16")
    y.backward(mt.tensor(v))
    assert {t.dtype for t in (y, x.grad, layer.weight.grad, layer.bias.grad)} == {
        np.dtype("float16")
    }
    wide = values.astype("float64")
    assert_allclose(y.detach().numpy(), by_hand(wide, (2000,)), rtol=1e-3, atol=1e-6)  # 11 bits
    expected = mt.tensor(wide, requires_grad=True)
    layer_norm(expected, 2000).backward(mt.tensor(v.astype("float64")))
    # 11 bits, and numbers of size 1/400
    assert_allclose(x.grad.numpy(), expected.grad.numpy(), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("affine", [True, False])
def test_empty_batches_have_empty_values_and_gradients_of_0(affine, backend):
    layer = nn.LayerNorm((3, 5), elementwise_affine=affine)
    x = mt.zeros(0, 3, 5, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == (0, 3, 5)
    assert not any(p.grad.numpy().any() for p in layer.parameters())


def test_integers_become_numbers_of_the_default_dtype():
    assert layer_norm([[1, 3]], 2, eps=0.0).tolist() == [[-1.0, 1.0]]
    assert nn.LayerNorm(2, 0.0, elementwise_affine=False)([[1, 3]]).tolist() == [[-1.0, 1.0]]


WRONG = [  # what is called, the exception, what its message says
    (lambda: nn.LayerNorm(5)(mt.ones(3, 4)), ShapeError,
     r"LayerNorm\(\(5,\), eps.*x has shape \(3, 4\).*normalized_shape=\(5,\)"),
    (lambda: nn.LayerNorm((3, 5))(mt.ones(5)), ShapeError, r"\(5,\).*normalized_shape=\(3, 5\)"),
    (lambda: nn.LayerNorm(1)(mt.tensor(1.0)), ShapeError, r"x has shape \(\).*\(1,\)"),
    (lambda: nn.LayerNorm(5)(mt.ones(3, 5, dtype="float32")), DTypeError,
     "LayerNorm.*x is float32, the parameters are float64"),
    (lambda: nn.LayerNorm(()), ShapeError, r"normalized_shape is \(\); needed are one or more"),
    (lambda: nn.LayerNorm((3, 0)), ShapeError, r"normalized_shape is \(3, 0\).*at least 1"),
    (lambda: layer_norm(mt.ones(3, 5), 3), ShapeError, r"layer_norm: x has shape \(3, 5\).*\(3,\)"),
    (lambda: layer_norm(mt.ones(3, 5), 5, mt.ones(3)), ShapeError,
     r"layer_norm: weight has shape \(3,\), normalized_shape is \(5,\)"),
    (lambda: layer_norm(mt.ones(3, 5), 5, mt.ones(5), mt.ones(3, 5)), ShapeError,
     r"layer_norm: bias has shape \(3, 5\), normalized_shape is \(5,\)"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG, ids=[row[2][:24] for row in WRONG])
def test_what_does_not_fit_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call()
