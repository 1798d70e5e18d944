"""SGD, Adam and gradient clipping: trajectories against PyTorch and against plain loops."""

import math

import numpy as np
import pytest
import strict_cupy

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import NonFiniteError, ShapeError
from minitorch_rnn.optim import SGD, Adam, Optimizer

STEPS = 50
CASES = [
    pytest.param(SGD, {"lr": 0.05}, id="sgd"),
    pytest.param(SGD, {"lr": 0.02, "momentum": 0.9}, id="momentum"),
    pytest.param(Adam, {"lr": 0.03}, id="adam"),
    pytest.param(Adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}, id="adam-options"),
]


def gradients(rng):
    """The same gradients for everybody, of very different sizes."""
    scales = np.array([1e-6, 1.0, 1e4])
    return [[rng.normal(size=(2, 3)) * scales, rng.normal(size=4)] for _ in range(STEPS)]


def trajectory(optimizer, owners, all_gradients, convert):
    path = []
    for step in all_gradients:
        for p, g in zip(owners, step, strict=True):
            p.grad = convert(g)
        optimizer.step()
        path.append([np.array(p.tolist()) for p in owners])
    return path


def starts(rng):
    return rng.normal(size=(2, 3)), rng.normal(size=4)


@pytest.mark.torch
@pytest.mark.parametrize("kind, options", CASES)
def test_fifty_steps_are_pytorchs(kind, options, rng):
    import torch

    values, all_gradients = starts(rng), gradients(rng)
    ours = [nn.Parameter(v) for v in values]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    reference = getattr(torch.optim, kind.__name__)(theirs, **options)
    found = trajectory(kind(ours, **options), ours, all_gradients, mt.tensor)
    expected = trajectory(reference, theirs, all_gradients, torch.tensor)
    for step, (mine, its) in enumerate(zip(found, expected, strict=True), 1):
        for a, b in zip(mine, its, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14, err_msg=f"step {step}")


def by_hand(kind, value, gradients, lr, momentum=0.0, betas=(0.9, 0.999), eps=1e-8):
    """One number at a time."""
    path, velocity, m, v = [], 0.0, 0.0, 0.0
    for n, g in enumerate(gradients, 1):
        if kind is SGD:
            velocity = momentum * velocity + g
            value -= lr * velocity
        else:
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            value -= lr * (m / (1 - betas[0] ** n)) / (math.sqrt(v / (1 - betas[1] ** n)) + eps)
        path.append(value)
    return path


@pytest.mark.parametrize("kind, options", CASES)
def test_fifty_steps_are_the_formulas_on_every_backend(kind, options, backend, rng):
    values, all_gradients = starts(rng), gradients(rng)
    owners = [nn.Parameter(v) for v in values]
    found = trajectory(kind(owners, **options), owners, all_gradients, mt.tensor)
    assert all(p.backend == backend for p in owners)
    for k, value in enumerate(values):
        for at in np.ndindex(value.shape):
            expected = by_hand(kind, value[at], [g[k][at] for g in all_gradients], **options)
            np.testing.assert_allclose([step[k][at] for step in found], expected, rtol=1e-12)


@pytest.mark.parametrize("kind, options", CASES)
def test_a_step_keeps_the_dtype_and_never_waits_for_the_device(kind, options, backend):
    p = nn.Parameter([1.0, 2.0], dtype="float32")
    p.grad = mt.tensor([1.0, -1.0], dtype="float32")
    optimizer = kind([p], **options)
    strict_cupy.synchronisations.reset()
    optimizer.step()
    optimizer.step()
    assert strict_cupy.synchronisations.causes == []
    assert p.dtype == np.float32


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_parameter_without_a_gradient_stays(kind):
    used, unused = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = kind([used, unused], lr=0.5)
    (used * 2).sum().backward()
    optimizer.step()
    assert used.item() != 1.0 and unused.item() == 1.0


def test_adam_counts_the_steps_of_each_parameter(rng):
    early, late = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = Adam([early, late], lr=0.1)
    early.grad = mt.tensor([3.0])
    optimizer.step()
    late.grad = mt.tensor([3.0])
    optimizer.step()
    assert late.item() == pytest.approx(1 - 0.1, rel=1e-8)  # its first step has size lr


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_step_changes_neither_the_gradient_nor_an_array_read_before(kind):
    p = nn.Parameter([1.0, 2.0])
    read, optimizer = p.data, kind([p], lr=0.1)
    p.grad = mt.tensor([1.0, 1.0])
    optimizer.step()
    assert p.grad.tolist() == [1.0, 1.0] and read.tolist() == [1.0, 2.0]


def test_a_parameter_given_twice_is_updated_once():
    p = nn.Parameter([1.0])
    p.grad = mt.tensor([1.0])
    SGD([p, p], lr=0.25).step()
    assert p.tolist() == [0.75]


def test_momentum_does_not_alias_the_gradient():
    p = nn.Parameter([0.0])
    optimizer = SGD([p], lr=1.0, momentum=0.5)
    p.grad = mt.tensor([1.0])
    optimizer.step()
    p.grad.update_([100.0])
    p.grad = mt.tensor([0.0])
    optimizer.step()
    assert p.tolist() == [-1.5]


def test_zero_grad_leaves_none():
    p = nn.Parameter([1.0])
    optimizer = SGD([p], lr=0.1)
    p.grad = mt.tensor([1.0])
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_the_rate_may_change_between_steps(kind):
    p = nn.Parameter([1.0])
    optimizer = kind([p], lr=0.1)
    optimizer.lr = 0.0
    p.grad = mt.tensor([1.0])
    optimizer.step()
    assert p.item() == 1.0


def test_a_gradient_of_another_shape_is_refused():
    p = nn.Parameter([1.0, 2.0])
    p.grad = mt.ones(3, 2)
    with pytest.raises(ShapeError, match=r"\(2,\).*\(3, 2\)"):
        SGD([p], lr=0.1).step()


@pytest.mark.parametrize(
    "make, message",
    [
        pytest.param(lambda p: SGD([], lr=0.1), "SGD: got 0 parameters", id="none"),
        pytest.param(lambda p: Adam(iter(())), "Adam: got 0 parameters", id="empty iterator"),
        pytest.param(lambda p: SGD([p, p * 2], 0.1), "parameter 1 is not a leaf", id="computed"),
        pytest.param(lambda p: Adam([mt.ones(2)]), "got 0 parameters to train", id="untracked"),
        pytest.param(lambda p: SGD([p], 0.1, momentum=-1.0), "momentum is -1.0", id="momentum"),
        pytest.param(lambda p: SGD([p], -0.5), "lr is -0.5; a rate of at least 0", id="lr"),
        pytest.param(lambda p: Adam([p], math.nan), "lr is nan", id="nan lr"),
        pytest.param(lambda p: Adam([p], betas=(0.9, 1.0)), r"\(0.9, 1.0\)", id="beta 1"),
        pytest.param(lambda p: Adam([p], betas=(-0.1, 0.9)), r"\(-0.1, 0.9\)", id="beta < 0"),
    ],
)
def test_a_constructor_refuses_what_it_cannot_use(make, message):
    with pytest.raises(ValueError, match=message):
        make(nn.Parameter([1.0, 2.0]))


def test_what_is_no_tensor_is_named():
    with pytest.raises(TypeError, match="entry 0 is a tuple"):
        Adam(nn.Linear(2, 2).named_parameters())


def test_frozen_parameters_are_passed_over_until_they_are_thawed():
    p, frozen = nn.Parameter([1.0]), nn.Parameter([1.0], requires_grad=False)
    optimizer = SGD([p, frozen], lr=0.5)
    p.grad = frozen.grad = mt.tensor([1.0])
    optimizer.step()
    assert (p.item(), frozen.item()) == (0.5, 1.0)
    frozen.requires_grad = True
    optimizer.step()
    assert frozen.item() == 0.5


def test_the_base_class_leaves_the_rule_to_others():
    p = nn.Parameter([1.0])
    p.grad = mt.tensor([1.0])
    with pytest.raises(NotImplementedError):
        Optimizer([p], lr=0.1).step()


# Clipping -----------------------------------------------------------------------------------------


def with_gradients(*gradients, dtype=None):
    owners = []
    for g in gradients:
        owners.append(nn.Parameter(np.zeros(np.shape(g)), dtype=dtype))
        owners[-1].grad = mt.tensor(g, dtype=dtype)
    return owners


def test_clipping_scales_all_gradients_by_one_factor_and_returns_the_old_norm(backend):
    a, b = owners = with_gradients([[3.0, 0.0]], [4.0])
    norm = nn.utils.clip_grad_norm_(owners, 1.0)
    assert norm.item() == 5.0 and norm.shape == () and norm.backend == backend
    np.testing.assert_allclose(a.grad.tolist(), [[0.6, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(b.grad.tolist(), [0.8], rtol=1e-6)


def test_a_small_gradient_stays_as_it_is():
    owners = with_gradients([0.3], [0.4])
    assert nn.utils.clip_grad_norm_(owners, 1.0).item() == pytest.approx(0.5)
    assert [p.grad.tolist() for p in owners] == [[0.3], [0.4]]


@pytest.mark.torch
@pytest.mark.parametrize("max_norm", [0.1, 1.0, 1e3])
def test_clipping_is_pytorchs(max_norm, rng):
    import torch

    arrays = [rng.normal(size=shape) for shape in ((2, 3), (4,), ())]
    theirs = [torch.nn.Parameter(torch.zeros(a.shape, dtype=torch.float64)) for a in arrays]
    for p, a in zip(theirs, arrays, strict=True):
        p.grad = torch.tensor(a)
    ours = with_gradients(*arrays)
    found = nn.utils.clip_grad_norm_(ours, max_norm).item()
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm).item()
    assert found == pytest.approx(expected, rel=1e-14)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad.data, reference.grad.numpy(), rtol=1e-14)


def test_clipping_never_writes_into_a_gradient_somebody_else_holds():
    (p,) = with_gradients([3.0, 4.0])
    held, array = p.grad, p.grad.data
    nn.utils.clip_grad_norm_([p], 1.0)
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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_norm_that_is_not_finite_is_an_error_on_request_and_changes_nothing(value, backend):
    owners = with_gradients([1.0], [value])
    with pytest.raises(NonFiniteError, match=f"the norm of the gradients is {value}"):
        nn.utils.clip_grad_norm_(owners, 1.0, error_if_nonfinite=True)
    assert owners[0].grad.tolist() == [1.0]


def test_without_the_request_a_norm_that_is_not_finite_is_returned():
    (p,) = with_gradients([math.nan])
    assert math.isnan(nn.utils.clip_grad_norm_([p], 1.0).item())
