"""Divergences of elements by hand and by differences, and what they do with awkward values.

They are compared with PyTorch's in test_loss_parity.
"""

import itertools
import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError

T, B, O = 4, 3, 5
WEIGHTS = [0.5, 1.0, 2.0, 1.5, 0.25]


def log1p_exp(z):
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


BY_HAND = {  # name and options, and the same of two numbers
    "mse_loss": ({}, lambda y, d: (y - d) ** 2),
    "l1_loss": ({}, lambda y, d: abs(y - d)),
    "huber_loss": (
        {"delta": 0.3},
        lambda y, d: (y - d) ** 2 / 2 if abs(y - d) < 0.3 else 0.3 * (abs(y - d) - 0.15),
    ),
    "smooth_l1_loss": (
        {"beta": 0.3},
        lambda y, d: (y - d) ** 2 / 0.6 if abs(y - d) < 0.3 else abs(y - d) - 0.15,
    ),
    "binary_cross_entropy": ({}, lambda y, d: -d * math.log(y) - (1 - d) * math.log(1 - y)),
    "binary_cross_entropy_with_logits": (
        {}, lambda z, d: d * log1p_exp(-z) + (1 - d) * log1p_exp(z)
    ),
    "kl_div": ({}, lambda y, d: d * (math.log(d) - y)),
}  # fmt: skip
every = pytest.mark.parametrize("name", BY_HAND)


def loss_of(name, Y, D, *args, **named):
    return getattr(nn, name)(Y, D, *args, **BY_HAND[name][0], **named)


@pytest.fixture
def Y(rng):
    return rng.uniform(0.01, 0.99, size=(T, B, O))


@pytest.fixture
def D(rng):
    return rng.uniform(0.01, 0.99, size=(T, B, O))


def reduced(losses, reduction):
    """What a reduction means, written for NumPy; works from the last axis back."""
    if isinstance(reduction, str):
        return {"mean": np.mean, "sum": np.sum, "none": np.array}[reduction](losses)
    for axis in reversed(range(losses.ndim)):
        if reduction[axis] != "none":
            losses = getattr(np, reduction[axis])(losses, axis=axis)
    return losses


@every
@pytest.mark.parametrize(
    "reduction", ["mean", "sum", "none", *itertools.product(("mean", "sum", "none"), repeat=3)],
    ids=str,
)  # fmt: skip
def test_it_is_the_reduced_divergence_of_numbers(reduction, name, Y, D, backend):
    found = loss_of(name, mt.tensor(Y), mt.tensor(D), reduction=reduction)
    by_hand = np.array([BY_HAND[name][1](*pair) for pair in zip(Y.flat, D.flat, strict=True)])
    expected = reduced(by_hand.reshape(Y.shape), reduction)
    assert found.shape == expected.shape and found.backend == backend
    assert_allclose(found.numpy(), expected, rtol=1e-10)


@every
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("reduction", ["mean", ("sum", "none")], ids=str)
def test_it_agrees_with_differences_to_second_order(reduction, order, name):
    # Errors of 0.1 and 0.5, away from the bend at 0.3 and from the corner at 0.
    Y, D = [[0.3, 0.2, 0.8], [0.3, 0.8, 0.4]], [[0.4, 0.7, 0.3], [0.8, 0.7, 0.9]]
    pair = [mt.tensor(values, requires_grad=True) for values in (Y, D)]

    def loss(Y, D):
        return loss_of(name, Y, D, reduction=reduction)

    assert mt.autograd.gradcheck(loss, pair, order=order, step=0.002)


@every
def test_it_costs_the_device_no_wait(name, Y, D, backend):
    pair = [mt.tensor(values, requires_grad=True) for values in (Y, D)]
    options = {"weight": WEIGHTS} if "binary" in name else {}
    options |= {"pos_weight": WEIGHTS} if "logits" in name else {}
    strict_cupy.synchronisations.reset()
    loss = loss_of(name, *pair, **options)
    loss.backward()
    from_host = loss_of(name, pair[0], D, **options)
    assert strict_cupy.synchronisations.causes == []
    assert loss.backend == from_host.backend == pair[0].grad.backend == backend
    assert loss.item() == from_host.item()


@every
def test_float32_stays_float32_whatever_the_targets_are_made_of(name, Y, D):
    for targets in (mt.tensor(D, "float32"), D, D.tolist(), mt.tensor(D > 0.5)):
        outputs = mt.tensor(Y, "float32", requires_grad=True)
        if name == "kl_div" and not isinstance(targets, mt.Tensor):
            targets = mt.tensor(D, "float32")
        loss = loss_of(name, outputs, targets)
        loss.backward()
        assert loss.dtype == outputs.grad.dtype == np.float32
        exact = loss_of(name, Y, np.asarray(targets, float))
        assert_allclose(loss.item(), exact.item(), rtol=1e-5)


@every
def test_integers_are_taken_for_floats(name):
    targets = [0.25, 0.5, 1.0]
    of_integers = loss_of(name, [1, 0, 1], targets, reduction="none")
    assert of_integers.dtype == np.float64
    assert (
        of_integers.tolist() == loss_of(name, [1.0, 0.0, 1.0], targets, reduction="none").tolist()
    )


@every
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)], ids=str)
def test_of_nothing_the_mean_is_nan_and_the_sum_0(shape, name):
    empty = mt.zeros(*shape, requires_grad=True)
    for reduction, value in {"mean": math.nan, "sum": 0.0}.items():
        loss = loss_of(name, empty, empty, reduction=reduction)
        loss.backward()
        assert np.array_equal(loss.data, value, equal_nan=True) and empty.grad.shape == shape
    assert loss_of(name, empty, empty, reduction="none").shape == shape


def derivatives(loss, *values):
    """Value, slope and curvature in the first of the values."""
    x, *others = (mt.tensor(value, requires_grad=True) for value in values)
    y = loss(x, *others)
    (slope,) = mt.autograd.grad(y, x, create_graph=True)
    curvature = mt.autograd.grad(slope, x)[0].item() if slope.requires_grad else 0.0
    return y.item(), slope.item(), curvature


@pytest.mark.parametrize("error", [-2.0, -1.0, 0.0, 1.0, 2.0, 1e200, -1e200])
def test_at_the_corners_of_absolute_and_huber_errors(error):
    size, side = abs(error), float(np.sign(error))
    assert derivatives(nn.l1_loss, error, 0.0) == (size, side, 0.0)
    inside = size <= 1
    wanted = (size**2 / 2, error, 1.0) if inside else (size - 0.5, side, 0.0)
    assert derivatives(nn.huber_loss, error, 0.0) == wanted
    assert derivatives(nn.smooth_l1_loss, error, 0.0) == wanted
    sharp = derivatives(lambda y, d: nn.smooth_l1_loss(y, d, beta=0), error, 0.0)
    assert sharp == (size, side, 0.0)


@pytest.mark.parametrize(
    "z, target, wanted",
    [
        (1000.0, 1.0, (0.0, 0.0, 0.0)), (1000.0, 0.0, (1000.0, 1.0, 0.0)),
        (-1000.0, 1.0, (1000.0, -1.0, 0.0)), (-1000.0, 0.0, (0.0, 0.0, 0.0)),
        (1000.0, 0.25, (750.0, 0.75, 0.0)), (0.0, 0.5, (math.log(2), 0.0, 0.25)),
        (-50.0, 0.0, (math.exp(-50), math.exp(-50), math.exp(-50))),  # PyTorch gives 0
    ],
)  # fmt: skip
def test_binary_cross_entropy_of_any_logits_is_exact(z, target, wanted):
    found = derivatives(nn.binary_cross_entropy_with_logits, z, target)
    assert_allclose(found, wanted, rtol=1e-14)


@pytest.mark.parametrize(
    "p, target, wanted",
    [
        (0.0, 0.0, (0.0, 1.0, 1.0)), (0.0, 1.0, (100.0, 0.0, 0.0)),
        (1.0, 1.0, (0.0, -1.0, 1.0)), (1.0, 0.0, (100.0, 0.0, 0.0)),
        (1e-50, 1.0, (100.0, 0.0, 0.0)), (1e-40, 1.0, (40 * math.log(10), -1e40, 1e80)),
    ],
)  # fmt: skip
def test_certain_probabilities_cost_100_at_most(p, target, wanted):
    assert_allclose(derivatives(nn.binary_cross_entropy, p, target), wanted, rtol=1e-13)


def test_on_a_device_outputs_that_are_no_probabilities_are_nan(backend):
    outputs, targets = mt.tensor([-0.5, 1.5, 0.5]), [1.0, 0.0, 1.0]
    if backend == "numpy":
        with pytest.raises(ValueError, match="output -0.5 is no probability.*_with_logits"):
            nn.binary_cross_entropy(outputs, targets)
    else:  # nobody waits for the device to look
        losses = nn.binary_cross_entropy(outputs, targets, reduction="none").numpy()
        assert np.isnan(losses).tolist() == [True, True, False]


def test_outcomes_without_probability_add_nothing_to_kl_div():
    Y = mt.tensor([-1.0, -math.inf, 0.0], requires_grad=True)
    given = {False: [0.5, 0.0, 0.0], True: [math.log(0.5), -math.inf, -800.0]}
    for log_target, targets in given.items():
        D = mt.tensor(targets, requires_grad=True)
        losses = nn.kl_div(Y, D, "none", log_target)
        slopes = mt.autograd.grad(losses.sum(), [Y, D])
        assert_allclose(losses.data, [0.5 * (math.log(0.5) + 1), 0.0, 0.0], rtol=1e-14)
        assert slopes[0].tolist() == pytest.approx([-0.5, 0.0, 0.0])
        assert np.isfinite(slopes[1].data).all()


@pytest.mark.parametrize("shape", [(), (O,), (B, O), (T, 1, O), (T, B, O)], ids=str)
@pytest.mark.parametrize("what", ["weight", "pos_weight"])
def test_weights_of_elements_are_broadcast(what, shape, Y, D, rng):
    w = rng.uniform(0.5, 2.0, shape)
    found = nn.binary_cross_entropy_with_logits(Y, D, reduction="none", **{what: w})
    plain = nn.binary_cross_entropy_with_logits(Y, D, reduction="none").data
    of_ones = D * np.logaddexp(0, -Y)
    wanted = w * plain if what == "weight" else plain + (w - 1) * of_ones
    assert_allclose(found.data, wanted, rtol=1e-13)


def test_weights_may_be_learned(rng):
    shapes = (2, O), (2, O), (O,), (2, 1)
    xs = [mt.tensor(rng.uniform(0.1, 0.9, shape), requires_grad=True) for shape in shapes]

    def loss(z, D, w, p):
        return nn.binary_cross_entropy_with_logits(z, D, w, "mean", p)

    assert mt.autograd.gradcheck(loss, xs)


WRONG = [  # what is called with (T, B, O), the exception, what its message says
    (lambda y: nn.mse_loss(y, y, ("sum", "mean")), ShapeError,
     r"mse_loss: .*2 entries.*\(4, 3, 5\)"),
    (lambda y: nn.mse_loss(y, y, "average"), ValueError, "'average'; known are 'mean'"),
    (lambda y: nn.mse_loss(y, y, None), ValueError, "reduction None; known are"),
    (lambda y: nn.mse_loss(mt.tensor(1.0), mt.tensor(1.0), "batchmean"), ValueError, "'batchmean'"),
    (lambda y: nn.kl_div(y, y, ("batchmean", "sum", "sum")), ValueError, "'batchmean'; known are"),
    (lambda y: nn.huber_loss(y, y, delta=0), ValueError, "delta is 0; it must be above 0"),
    (lambda y: nn.smooth_l1_loss(y, y, beta=-1), ValueError, "beta is -1"),
    (lambda y: nn.binary_cross_entropy(y, y, [1.0, 2.0]), ShapeError,
     r"weight has shape \(2,\).*\(4, 3, 5\)"),
    (lambda y: nn.binary_cross_entropy(y, y, np.ones((1, T, B, O))), ShapeError,
     r"weight has shape \(1, 4, 3, 5\)"),
    (lambda y: nn.binary_cross_entropy_with_logits(y, y, pos_weight=np.ones((B, 1, 1))), ShapeError,
     r"pos_weight has shape \(3, 1, 1\)"),
    (lambda y: nn.binary_cross_entropy(y, y, "sum"), DTypeError, "weight is 'sum'.*by name"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG)
def test_what_does_not_fit_is_refused(call, error, message, Y):
    with pytest.raises(error, match=message):
        call(mt.tensor(Y))


@every
def test_nothing_is_broadcast(name, Y):
    with pytest.raises(ShapeError, match=rf"{name}: outputs .*\(4, 3, 5\), targets \(3, 5\)"):
        loss_of(name, Y, Y[0])


@every
def test_outputs_and_targets_of_two_backends_do_not_meet(name, Y):
    with mt.use("strict"):
        there = mt.tensor(Y)
    with pytest.raises(BackendError, match=r"'numpy'.*\.to\("):
        loss_of(name, mt.tensor(Y), there)
