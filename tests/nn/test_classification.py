"""cross_entropy and nll_loss by hand, and by roads that know no derivative; what is left out.

They are compared with PyTorch's in test_loss_parity.
"""

import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn, numeric
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError

T, B, O = 4, 3, 5
WEIGHTS = [0.5, 1.0, 2.0, 1.5, 0.25]
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
    found = nn.cross_entropy(mt.tensor(z), targets, reduction=reduction)
    expected = reduced(by_hand(z, targets), reduction)
    assert found.shape == expected.shape and found.backend == backend
    assert_allclose(found.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_the_gradient_of_cross_entropy_is_that_of_the_complex_step(reduction, logits, targets, rng):
    found = nn.cross_entropy(logits, targets, reduction=reduction)
    v = rng.normal(size=found.shape)

    def value(arrays):
        z = arrays["z"]
        picked = np.take_along_axis(z, targets[..., None], -1)[..., 0]
        return (v * reduced(np.log(np.exp(z).sum(axis=-1)) - picked, reduction)).sum()

    found.backward(v)
    expected = numeric.complex_step(value, {"z": logits.data})["z"]
    assert_allclose(logits.grad.data, expected, rtol=1e-10, atol=1e-14)


OPTIONS = [
    {},
    {"weight": WEIGHTS},
    {"ignore_index": 2},
    {"label_smoothing": 0.1},
    {"weight": WEIGHTS, "ignore_index": 2, "label_smoothing": 0.1},
]
options = pytest.mark.parametrize("options", OPTIONS, ids=lambda given: "-".join(given) or "plain")


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("reduction", ["mean", ("sum", "none"), ("sum", "mean")], ids=str)
@options
def test_it_agrees_with_differences(options, reduction, order, rng):
    z = mt.tensor(rng.normal(size=(3, 2, O)), requires_grad=True)
    targets = np.array([[0, 2], [1, 4], [2, 2]])

    def loss(z):
        return nn.cross_entropy(z, targets, reduction=reduction, **options)

    assert mt.autograd.gradcheck(loss, z, order=order)


@pytest.mark.parametrize("order", [1, 2])
@options
def test_probabilities_and_weights_have_derivatives_too(options, order, rng):
    options = {k: v for k, v in options.items() if k == "label_smoothing"}
    z, D, w = (mt.tensor(rng.uniform(size=s), requires_grad=True) for s in ((2, O), (2, O), O))

    def loss(z, D, w):
        return nn.cross_entropy(z, D, w, **options) + nn.cross_entropy(z, [1, 3], w, **options)

    assert mt.autograd.gradcheck(loss, [z, D, w], order=order)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    assert nn.cross_entropy(mt.zeros(2, 8), [0, 7]).item() == pytest.approx(math.log(8), rel=1e-15)


def test_huge_logits_neither_overflow_nor_warn():
    z = mt.tensor([[1000.0, 0.0], [-1000.0, 0.0]], requires_grad=True)
    losses = nn.cross_entropy(z, [1, 1], reduction="none")
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


def test_no_gradient_reaches_integer_targets_and_none_is_changed(logits, targets):
    before = targets.copy()
    nn.cross_entropy(logits, targets).backward()
    assert (targets == before).all()


NONE = np.zeros((T, B), int)
WRONG = [  # what is called with (T, B, O), the exception, what its message says
    (lambda z: nn.cross_entropy(z, [[0, 1]]), ShapeError,
     r"logits have shape \(4, 3, 5\), targets \(1, 2\).*\(4, 3\)"),
    (lambda z: nn.cross_entropy(mt.tensor(1.0), 0), ShapeError, r"logits have shape \(\)"),
    (lambda z: nn.cross_entropy(z, np.zeros((T, O), int)), ShapeError, r"\(4, 3\).*pass axis=1"),
    (lambda z: nn.cross_entropy(z, NONE, axis=3), IndexError,
     "axis 3 is out of bounds for array of dimension 3"),
    (lambda z: nn.cross_entropy(z, NONE.astype(float)), DTypeError,
     r"float64 of shape \(4, 3\); needed are integers of shape \(4, 3\), or prob.* \(4, 3, 5\)"),
    (lambda z: nn.cross_entropy(z, np.zeros((T, B, O - 1))), DTypeError, r"float64.*\(4, 3, 4\)"),
    (lambda z: nn.cross_entropy(z, NONE.astype(bool)), DTypeError, "bool.*integer"),
    (lambda z: nn.cross_entropy(z, NONE + O), IndexError, "target 5 is not one of 5 classes"),
    (lambda z: nn.cross_entropy(z, NONE - 1), IndexError, "target -1 is not one of 5 classes"),
    (lambda z: nn.cross_entropy(z, NONE + 7, ignore_index=5), IndexError, "7.*ignore_index is 5"),
    (lambda z: nn.cross_entropy(z, NONE, reduction="average"), ValueError,
     "'average'; known are 'mean', 'sum', 'none'"),
    (lambda z: nn.cross_entropy(z, NONE, reduction=("sum", "avg")), ValueError, "'avg'; known are"),
    (lambda z: nn.cross_entropy(z, NONE, reduction=("sum",)), ShapeError, r"1 entries.*\(4, 3\)"),
    (lambda z: nn.cross_entropy(z, NONE, ("sum", "mean")), DTypeError,
     "weight is .'sum', 'mean'.; needed are numbers.*reduction="),
    (lambda z: nn.cross_entropy(z, NONE, [1.0, 2.0]), ShapeError,
     r"weight has shape \(2,\).*5 classes"),
    (lambda z: nn.cross_entropy(z, NONE, label_smoothing=1.5), ValueError, "smoothing is 1.5"),
    (lambda z: nn.cross_entropy(z, np.zeros((T, B, O)), ignore_index=0), ValueError,
     "ignore_index is 0.*probabilities"),
    (lambda z: nn.nll_loss(z, np.zeros((T, B, O))), DTypeError,
     r"nll_loss: targets are float64 of shape \(4, 3, 5\); needed are integers\.$"),
    (lambda z: nn.nll_loss(z, [1, 2]), ShapeError,
     r"nll_loss: log_probs have shape \(4, 3, 5\), targets \(2,\)"),
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
        loss = mt.nn.cross_entropy(logits, targets, reduction="none")
        assert np.isnan(loss.numpy()).tolist() == [False, True]


@pytest.fixture
def padded(targets):
    """Targets of three sequences, of 4, 2 and 3 steps, padded with -100."""
    return np.where(np.arange(T)[:, None] < [4, 2, 3], targets, -100)


@options
def test_ignored_steps_are_as_if_they_were_not_there(options, logits, padded, rng):
    options = {k: v for k, v in options.items() if k != "ignore_index"}
    kept = padded != -100
    spoilt = mt.tensor(np.where(kept[..., None], logits.data, np.nan), requires_grad=True)
    there = mt.tensor(logits.data[kept], requires_grad=True)
    for reduction in ("mean", "sum"):
        found = nn.cross_entropy(spoilt, padded, reduction=reduction, **options)
        wanted = nn.cross_entropy(there, padded[kept], reduction=reduction, **options)
        assert_allclose(found.data, wanted.data, rtol=1e-14)
        found.backward()
        wanted.backward()
    losses = nn.cross_entropy(spoilt, padded, reduction="none", **options)
    assert (losses.data[~kept] == 0).all() and (losses.data[kept] > 0).all()
    assert (spoilt.grad.data[~kept] == 0).all()
    assert_allclose(spoilt.grad.data[kept], there.grad.data, rtol=1e-13)
    (slope,) = mt.autograd.grad(losses, spoilt, rng.normal(size=losses.shape), create_graph=True)
    (curved,) = mt.autograd.grad((slope * slope).sum(), spoilt)
    assert np.isfinite(curved.data).all() and (curved.data[~kept] == 0).all()


def test_a_mean_over_an_axis_divides_by_what_is_kept_there(logits, padded):
    kept = padded != -100
    losses = nn.cross_entropy(logits, padded, reduction="none").data

    def found(*reduction):
        return nn.cross_entropy(logits, padded, reduction=reduction).data

    assert_allclose(found("mean", "none"), losses.sum(axis=0) / [4, 2, 3], rtol=1e-14)
    assert_allclose(found("none", "mean"), losses.sum(axis=1) / [3, 3, 2, 1], rtol=1e-14)
    assert_allclose(found("mean", "mean"), losses.sum() / kept.sum(), rtol=1e-14)
    assert_allclose(found("sum", "mean"), losses.sum() / B, rtol=1e-14)  # over the sequences
    padded[:, 1] = -100
    assert_allclose(found("sum", "mean"), losses[:, [0, 2]].sum() / 2, rtol=1e-14)


def test_a_weighted_mean_over_an_axis_divides_by_the_weights_there(logits, targets):
    w = np.array(WEIGHTS)[targets]
    losses = w * by_hand(logits.data, targets)
    for reduction, wanted in {
        "mean": losses.sum() / w.sum(),
        ("mean", "none"): losses.sum(axis=0) / w.sum(axis=0),
        ("sum", "mean"): losses.sum() / B,
    }.items():
        found = nn.cross_entropy(logits, targets, WEIGHTS, reduction=reduction)
        assert_allclose(found.data, wanted, rtol=1e-13)


@options
def test_where_all_is_ignored_the_mean_is_nan_and_the_sum_0(options, logits):
    nothing = np.full((T, B), options.get("ignore_index", -100))
    for reduction, value in {"mean": np.nan, "sum": 0.0, ("sum", "mean"): np.nan}.items():
        found = nn.cross_entropy(logits, nothing, reduction=reduction, **options)
        (slope,) = mt.autograd.grad(found, logits)
        assert np.array_equal(found.data, value, equal_nan=True)
        assert not slope.data.any()  # as PyTorch


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)], ids=str)
def test_of_no_steps_the_mean_is_nan_and_the_sum_0(shape):
    z = mt.zeros(*shape, O, requires_grad=True)
    targets = np.zeros(shape, int)
    assert math.isnan(nn.cross_entropy(z, targets).item())
    assert nn.cross_entropy(z, targets, reduction="sum").item() == 0
    assert nn.cross_entropy(z, targets, reduction="none").shape == shape


def test_label_smoothing_mixes_in_the_even_distribution(logits, targets):
    D = 0.8 * np.eye(O)[targets] + 0.2 / O
    found = nn.cross_entropy(logits, targets, label_smoothing=0.2, reduction="none")
    assert_allclose(found.data, nn.cross_entropy(logits, D, reduction="none").data, rtol=1e-13)


@pytest.mark.parametrize("name", ["axis", "dim"])
@options
def test_classes_may_be_on_any_axis(options, name, logits, targets):
    wanted = nn.cross_entropy(logits, targets, **options).item()
    for axis in (0, 1, -3):
        moved = mt.moveaxis(logits, -1, axis)
        found = nn.cross_entropy(moved, targets, **options, **{name: axis}).item()
        assert found == pytest.approx(wanted, rel=1e-14)
    D = np.eye(O)[targets]
    found = nn.cross_entropy(mt.moveaxis(logits, -1, 1), np.moveaxis(D, -1, 1), **{name: 1})
    assert found.item() == pytest.approx(nn.cross_entropy(logits, targets).item(), rel=1e-14)


def test_a_class_that_can_not_be_and_is_not_costs_nothing():
    z = mt.tensor([0.0, 0.0, -math.inf], requires_grad=True)
    for target in (1, [0.0, 1.0, 0.0]):
        loss = nn.cross_entropy(z, target)
        assert loss.item() == pytest.approx(math.log(2), rel=1e-15)
        assert mt.autograd.grad(loss, z)[0].tolist() == [0.5, -0.5, 0.0]


@options
def test_float32_stays_float32(options, logits, targets):
    z = mt.tensor(logits.data, "float32", requires_grad=True)
    for wanted in (targets, np.eye(O)[targets]):
        given = {k: v for k, v in options.items() if wanted.ndim == 2 or k != "ignore_index"}
        loss = nn.cross_entropy(z, wanted, **given)
        loss.backward()
        assert loss.dtype == z.grad.dtype == np.float32
        assert_allclose(loss.item(), nn.cross_entropy(logits, wanted, **given).item(), rtol=1e-5)


@pytest.mark.parametrize("on_device", [False, True])
@options
def test_nobody_waits_for_the_device(options, on_device, logits, padded, backend):
    wanted = nn.cross_entropy(mt.tensor(logits.data), padded, **options | {"ignore_index": -100})
    x = mt.tensor(logits.data, requires_grad=True)
    targets = mt.tensor(padded) if on_device else padded
    strict_cupy.synchronisations.reset()
    loss = nn.cross_entropy(x, targets, **options | {"ignore_index": -100})
    loss.backward()
    log_p = mt.log_softmax(x)
    of_log = nn.nll_loss(log_p, targets, options.get("weight"))
    assert strict_cupy.synchronisations.causes == []
    assert loss.backend == x.grad.backend == of_log.backend == backend
    assert_allclose(loss.item(), wanted.item(), rtol=1e-14)


def test_on_a_device_the_class_to_ignore_is_no_unknown_one(backend):
    targets = mt.tensor([1, -100, 300] if backend != "numpy" else [1, -100, 2])
    losses = nn.cross_entropy(mt.zeros(3, 3), targets, reduction="none").numpy()
    assert losses[0] == pytest.approx(math.log(3)) and losses[1] == 0
    assert np.isnan(losses[2]) == (backend != "numpy")


def test_weights_of_a_device_need_logits_there():
    with mt.use("strict"):
        weight = mt.tensor([1.0, 2.0])
    with pytest.raises(BackendError, match="'numpy'.*'strict'"):
        nn.cross_entropy(mt.zeros(2), [0.5, 0.5], weight)
