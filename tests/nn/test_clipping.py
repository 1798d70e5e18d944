"""Gradient clipping: PyTorch's numbers, no waiting for a device, and nobody else's gradient."""

import math

import numpy as np
import pytest
import strict_cupy

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import NonFiniteError


def with_gradients(*gradients, dtype=None):
    owners = []
    for g in gradients:
        owners.append(nn.Parameter(np.zeros(np.shape(g)), dtype=dtype))
        owners[-1].grad = mt.tensor(g, dtype=dtype)
    return owners


def pytorchs(arrays):
    import torch

    owners = [torch.nn.Parameter(torch.zeros(a.shape, dtype=torch.float64)) for a in arrays]
    for p, a in zip(owners, arrays, strict=True):
        p.grad = torch.tensor(a)
    return owners


# By norm -----------------------------------------------------------------------------------------


def test_clipping_scales_all_gradients_by_one_factor_and_returns_the_old_norm(backend):
    a, b = owners = with_gradients([[3.0, 0.0]], [4.0])
    norm = nn.utils.clip_grad_norm_(owners, 1.0)
    assert norm.item() == 5.0 and norm.shape == () and norm.backend == backend
    # The 1e-6 beside the norm, as in PyTorch, makes them a little smaller.
    np.testing.assert_allclose(a.grad.tolist(), [[0.6, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(b.grad.tolist(), [0.8], rtol=1e-6)


@pytest.mark.parametrize("norm_type, expected", [(1, 7.0), (2.0, 5.0), (math.inf, 4.0)])
def test_the_norm_may_be_another(norm_type, expected, backend):
    owners = with_gradients([[-3.0, 0.0]], [-4.0], np.zeros((0, 2)))
    strict_cupy.synchronisations.reset()
    norm = nn.utils.clip_grad_norm_(owners, 1.0, norm_type)
    assert strict_cupy.synchronisations.causes == []
    assert norm.item() == expected
    np.testing.assert_allclose(owners[1].grad.tolist(), [-4.0 / (expected + 1e-6)], rtol=1e-12)


def test_a_small_gradient_stays_as_it_is():
    owners = with_gradients([0.3], [0.4])
    assert nn.utils.clip_grad_norm_(owners, 1.0).item() == pytest.approx(0.5)
    assert [p.grad.tolist() for p in owners] == [[0.3], [0.4]]


@pytest.mark.torch
@pytest.mark.parametrize("max_norm", [0.1, 1.0, 1e3])
@pytest.mark.parametrize("norm_type", [0.5, 1, 2, 3.5, math.inf, "inf"])
def test_clipping_is_pytorchs(norm_type, max_norm, rng):
    import torch

    arrays = [rng.normal(size=shape) for shape in ((2, 3), (4,), ())]
    ours, theirs = with_gradients(*arrays), pytorchs(arrays)
    found = nn.utils.clip_grad_norm_(ours, max_norm, norm_type).item()
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type).item()
    assert found == pytest.approx(expected, rel=1e-13)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad.data, reference.grad.numpy(), rtol=1e-13)


def test_clipping_never_writes_into_a_gradient_somebody_else_holds():
    (p,) = with_gradients([3.0, 4.0])
    held, array = p.grad, p.grad.data
    nn.utils.clip_grad_norm_([p], 1.0)
    nn.utils.clip_grad_value_([p], 0.1)
    assert held.tolist() == array.tolist() == [3.0, 4.0]
    assert not np.shares_memory(p.grad.data, array)


def test_clipping_takes_one_tensor_an_iterator_and_parameters_without_gradients():
    (p,) = with_gradients([2.0])
    assert nn.utils.clip_grad_norm_(p, 1.0).item() == 2.0
    assert nn.utils.clip_grad_norm_(iter([p, nn.Parameter([1.0])]), 1e3).item() <= 1.0
    assert nn.utils.clip_grad_norm_([nn.Parameter([1.0])], 1.0).item() == 0.0


def test_zero_gradients_stay_zero():
    (p,) = with_gradients([0.0, 0.0])
    assert nn.utils.clip_grad_norm_([p], 1.0).item() == 0.0
    assert p.grad.tolist() == [0.0, 0.0]


def test_clipping_keeps_float32(backend):
    (p,) = with_gradients([3.0, 4.0], dtype="float32")
    assert nn.utils.clip_grad_norm_([p], 1.0).dtype == p.grad.dtype == np.float32
    nn.utils.clip_grad_value_([p], 0.1)
    assert p.grad.dtype == np.float32


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("norm_type", [1, 2, math.inf])
def test_a_norm_that_is_not_finite_is_an_error_on_request_and_changes_nothing(
    norm_type, value, backend
):
    owners = with_gradients([1.0], [value])
    with pytest.raises(NonFiniteError, match=f"the norm of the gradients is {value}"):
        nn.utils.clip_grad_norm_(owners, 0.5, norm_type, error_if_nonfinite=True)
    assert owners[0].grad.tolist() == [1.0]


def test_without_the_request_a_norm_that_is_not_finite_is_returned():
    (p,) = with_gradients([math.nan])
    assert math.isnan(nn.utils.clip_grad_norm_([p], 1.0).item())


# By value ----------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("clip_value", [0.0, 0.5, 1, math.inf])
def test_clipping_by_value_is_pytorchs(clip_value, rng):
    import torch

    arrays = [rng.normal(size=shape) for shape in ((2, 3), (4,), ())]
    arrays[1][0], arrays[1][1] = math.nan, -math.inf
    ours, theirs = with_gradients(*arrays), pytorchs(arrays)
    nn.utils.clip_grad_value_(iter([nn.Parameter([1.0]), *ours]), clip_value)
    torch.nn.utils.clip_grad_value_(theirs, clip_value)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine.grad.data, reference.grad.numpy())


def test_clipping_by_value_waits_for_nothing(backend):
    (p,) = with_gradients([3.0, -0.1, -4.0])
    strict_cupy.synchronisations.reset()
    assert nn.utils.clip_grad_value_(p, 1.0) is None
    assert strict_cupy.synchronisations.causes == []
    assert p.grad.tolist() == [1.0, -0.1, -1.0] and p.grad.backend == backend


@pytest.mark.parametrize(
    "clip, message",
    [
        (lambda p: nn.utils.clip_grad_norm_(p, -1.0), "max_norm is -1.0; at least 0"),
        (lambda p: nn.utils.clip_grad_norm_(p, math.nan), "max_norm is nan"),
        (lambda p: nn.utils.clip_grad_norm_(p, 1.0, 0), "norm_type is 0; above 0"),
        (lambda p: nn.utils.clip_grad_norm_(p, 1.0, -math.inf), "norm_type is -inf"),
        (lambda p: nn.utils.clip_grad_value_(p, -0.5), "clip_value is -0.5; at least 0"),
    ],
)
def test_bounds_that_bound_nothing_are_refused(clip, message):
    (p,) = with_gradients([3.0])
    with pytest.raises(ValueError, match=message):
        clip(p)
    assert p.grad.tolist() == [3.0]
