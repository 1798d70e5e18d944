"""cross_entropy and mse_loss: against PyTorch, by hand, and by roads without derivatives."""

import itertools
import math

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import nn, numeric
from minitorch_rnn.agreement.networks import targets_for
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import many_to_one
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError

T, B, O = 4, 3, 5
REDUCTIONS = [
    "mean", "sum", "none", ("sum", "mean"), ("mean", "sum"), ("none", "sum"), ("mean", "none"),
    ("none", "none"), ("sum", "sum"), ("mean", "mean"),
]  # fmt: skip


@pytest.fixture
def logits(rng):
    return mt.tensor(3 * rng.normal(size=(T, B, O)), requires_grad=True)


@pytest.fixture
def targets(rng):
    return rng.integers(O, size=(T, B))


def by_hand(logits, targets):
    """-ln softmax, element by element, and no array function."""
    losses = np.empty(targets.shape)
    for at in np.ndindex(targets.shape):
        total = sum(math.exp(z) for z in logits[at])
        losses[at] = -math.log(math.exp(logits[at][targets[at]]) / total)
    return losses


def reduced(losses, reduction):
    """What a reduction means, written for NumPy; works from the last axis back."""
    if isinstance(reduction, str):
        return {"mean": np.mean, "sum": np.sum, "none": np.array}[reduction](losses)
    for axis in reversed(range(losses.ndim)):
        if reduction[axis] != "none":
            losses = getattr(np, reduction[axis])(losses, axis=axis)
    return losses


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_cross_entropy_is_the_negative_log_of_the_targets_probability(
    reduction, targets, backend, rng
):
    z = 3 * rng.normal(size=(T, B, O))
    found = nn.cross_entropy(mt.tensor(z), targets, reduction)
    expected = reduced(by_hand(z, targets), reduction)
    assert found.shape == expected.shape and found.backend == backend
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "reduction", ["mean", "sum", "none", *itertools.product(("mean", "sum", "none"), repeat=3)],
    ids=str,
)  # fmt: skip
def test_mse_loss_is_the_squared_error(reduction, rng, backend):
    Y, D = rng.normal(size=(2, T, B, O))
    found = nn.mse_loss(mt.tensor(Y), mt.tensor(D), reduction)
    expected = reduced((Y - D) ** 2, reduction)
    assert found.shape == expected.shape and found.backend == backend
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_and_its_gradient_are_pytorchs(reduction, logits, targets, rng):
    import torch

    theirs = torch.tensor(logits.tolist(), dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        theirs.reshape(-1, O), torch.from_numpy(targets).reshape(-1), reduction=reduction
    )
    found = nn.cross_entropy(logits, targets, reduction)
    v = rng.normal(size=found.shape)
    found.backward(v)
    expected.backward(torch.from_numpy(np.asarray(v)).reshape(expected.shape))
    np.testing.assert_allclose(found.data.ravel(), expected.detach().numpy().ravel(), rtol=1e-12)
    np.testing.assert_allclose(logits.grad.data, theirs.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_loss_and_both_its_gradients_are_pytorchs(reduction, rng):
    import torch

    arrays = rng.normal(size=(2, T, B, O))
    ours = [mt.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    found = nn.mse_loss(*ours, reduction)
    expected = torch.nn.functional.mse_loss(*theirs, reduction=reduction)
    v = rng.normal(size=found.shape)
    found.backward(v)
    expected.backward(torch.from_numpy(np.asarray(v)))
    np.testing.assert_allclose(found.data, expected.detach().numpy(), rtol=1e-12)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad.data, reference.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_the_gradient_of_cross_entropy_is_that_of_the_complex_step(reduction, logits, targets, rng):
    found = nn.cross_entropy(logits, targets, reduction)
    v = rng.normal(size=found.shape)

    def value(arrays):
        z = arrays["z"]
        picked = np.take_along_axis(z, targets[..., None], -1)[..., 0]
        return (v * reduced(np.log(np.exp(z).sum(axis=-1)) - picked, reduction)).sum()

    found.backward(v)
    expected = numeric.complex_step(value, {"z": logits.data})["z"]
    np.testing.assert_allclose(logits.grad.data, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("reduction", ["mean", ("sum", "none")], ids=str)
def test_losses_agree_with_differences_to_second_order(reduction, order, logits, targets, rng):
    check = mt.autograd.gradcheck
    assert check(lambda z: nn.cross_entropy(z, targets, reduction), logits, order=order)
    small, D = (mt.tensor(rng.normal(size=(2, 3)), requires_grad=True) for _ in range(2))
    assert check(lambda *pair: nn.mse_loss(*pair, reduction), [small, D], order=order)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    assert nn.cross_entropy(mt.zeros(2, 8), [0, 7]).item() == pytest.approx(math.log(8), rel=1e-15)


def test_huge_logits_neither_overflow_nor_warn():
    z = mt.tensor([[1000.0, 0.0], [-1000.0, 0.0]], requires_grad=True)
    losses = nn.cross_entropy(z, [1, 1], "none")
    losses.sum().backward()
    assert losses.tolist() == [1000.0, 0.0]
    assert z.grad.tolist() == [[1.0, -1.0], [0.0, 0.0]]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64"])
def test_targets_may_be_any_integers(kind, logits, targets):
    expected = nn.cross_entropy(logits, targets).item()
    assert nn.cross_entropy(logits, targets.astype(kind)).item() == expected
    assert nn.cross_entropy(logits, mt.tensor(targets.astype(kind))).item() == expected
    assert nn.cross_entropy(logits, targets.tolist()).item() == expected


def test_one_prediction_takes_one_number():
    assert nn.cross_entropy(mt.zeros(4), 2).item() == pytest.approx(math.log(4), rel=1e-15)


def test_plain_arrays_are_welcome(logits, targets):
    expected = nn.cross_entropy(logits, targets).item()
    assert nn.cross_entropy(logits.data, targets).item() == expected
    assert nn.mse_loss([1.0, 3.0], [1.0, 1.0]).item() == 2.0


def test_no_gradient_reaches_integer_targets_and_none_is_changed(logits, targets):
    before = targets.copy()
    nn.cross_entropy(logits, targets).backward()
    assert (targets == before).all()


def test_the_modules_are_the_functions(logits, targets, rng):
    found = nn.CrossEntropyLoss(("sum", "mean"))(logits, targets)
    assert found.item() == nn.cross_entropy(logits, targets, ("sum", "mean")).item()
    Y, D = rng.normal(size=(2, 3, 2))
    assert nn.MSELoss("sum")(Y, D).item() == nn.mse_loss(Y, D, "sum").item()


WRONG = [  # what is called, the exception, what its message says
    pytest.param(
        lambda z: nn.cross_entropy(z, [[0, 1]]), ShapeError,
        r"logits have shape \(4, 3, 5\), targets \(1, 2\).*\(4, 3\)", id="shape",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(mt.tensor(1.0), 0), ShapeError, r"logits have shape \(\)",
        id="no classes",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(z, np.zeros((T, B))), DTypeError, "float64.*integer",
        id="float targets",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(z, np.zeros((T, B), bool)), DTypeError, "bool.*integer",
        id="bool targets",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(z, np.full((T, B), O)), IndexError,
        "target 5 is not one of 5 classes", id="class too large",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(z, np.full((T, B), -1)), IndexError,
        "target -1 is not one of 5 classes", id="class below 0",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(z, np.zeros((T, B), int), "average"), ValueError,
        "'average'; known are 'mean', 'sum', 'none'", id="unknown reduction",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(z, np.zeros((T, B), int), ("sum", "avg")), ValueError,
        "'avg'; known are", id="unknown reduction of an axis",
    ),
    pytest.param(
        lambda z: nn.cross_entropy(z, np.zeros((T, B), int), ("sum",)), ShapeError,
        r"1 entries.*\(4, 3\)", id="too few reductions",
    ),
    pytest.param(
        lambda z: nn.mse_loss(z, z[0]), ShapeError, r"\(4, 3, 5\), targets \(3, 5\)",
        id="mse shape",
    ),
    pytest.param(
        lambda z: nn.mse_loss(z, z, ("sum", "mean")), ShapeError, r"2 entries.*\(4, 3, 5\)",
        id="mse reduction",
    ),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG)
def test_what_does_not_fit_is_refused_with_both_numbers(call, error, message, logits):
    with pytest.raises(error, match=message):
        call(logits)


@pytest.mark.parametrize("wrong", [-1, O])
def test_wrong_classes_from_the_host_are_found_on_every_backend(wrong, backend):
    with pytest.raises(IndexError, match=f"target {wrong} is not one of {O} classes"):
        nn.cross_entropy(mt.zeros(2, O), [0, wrong])


def test_targets_on_a_device_need_logits_there():
    with mt.use("strict"):
        targets = mt.tensor([0, 1])
    with pytest.raises(BackendError, match=r"cross_entropy: .*'numpy'.*'strict'.*\.to\("):
        nn.cross_entropy(mt.tensor([[1.0, 2.0], [3.0, 4.0]]), targets)


def test_a_class_that_does_not_exist_is_never_taken_for_another(backend):
    logits, targets = mt.zeros(2, 3), mt.tensor([1, 10])
    if backend == "numpy":
        with pytest.raises(IndexError, match="10"):
            mt.nn.cross_entropy(logits, targets)
    else:  # nobody waits for the device to look
        loss = mt.nn.cross_entropy(logits, targets, "none")
        assert np.isnan(loss.numpy()).tolist() == [False, True]


@pytest.mark.parametrize("name", DIVERGENCES)
def test_any_divergence_of_the_lecture_is_a_loss_on_every_backend(name, backend, rng):
    divergence = DIVERGENCES[name]
    Y = rng.dirichlet(np.ones(O), size=(T, B))
    D = targets_for(divergence, (T, B, O), many_to_one(T), rng)
    outputs = mt.tensor(Y, requires_grad=True)
    loss = nn.DivergenceLoss(name)(outputs, D)
    loss.backward()
    np.testing.assert_allclose(loss.item(), divergence.value(np, Y, D), rtol=1e-12)
    np.testing.assert_allclose(
        outputs.grad.numpy(), divergence.gradient(Y, D), rtol=1e-11, atol=1e-13
    )


def test_steps_that_do_not_count_contribute_exactly_0(rng):
    Y, D = rng.normal(size=(T, B, O)), rng.normal(size=(T, B, O))
    Y[:-1], D[:-1] = np.nan, np.nan
    outputs = mt.tensor(Y, requires_grad=True)
    loss = nn.DivergenceLoss("squared error", many_to_one(T).outputs)(outputs, D)
    loss.backward()
    np.testing.assert_allclose(loss.item(), ((Y - D)[-1] ** 2).sum() / 2)
    assert not outputs.grad.numpy()[:-1].any()


def test_a_divergence_that_does_not_exist_is_told():
    with pytest.raises(ValueError, match="'hinge'; known are 'squared error'"):
        nn.DivergenceLoss("hinge")


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_single_sequence_needs_no_batch_axis(name, rng):
    Y = rng.dirichlet(np.ones(O), size=(T, 1))
    D = targets_for(DIVERGENCES[name], (T, 1, O), many_to_one(T), rng)
    loss = nn.DivergenceLoss(name)
    assert loss(mt.tensor(Y[:, 0]), D[:, 0]).item() == loss(mt.tensor(Y), D).item()


def test_a_variant_is_the_mask_of_its_outputs(rng):
    Y, D = rng.normal(size=(3, B, O)), rng.normal(size=(3, B, O))
    by_variant, by_steps = (
        nn.DivergenceLoss("squared error", steps)(Y, D).item()
        for steps in (many_to_one(3), many_to_one(3).outputs)
    )
    assert by_variant == by_steps
