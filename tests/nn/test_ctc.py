"""CTC: against all alignments written out, against PyTorch, and against the paper's recursion."""

import itertools
import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn import nn, numeric
from minitorch_rnn.bptt import alignment
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError

EXACT = {"rtol": 1e-10, "atol": 1e-12}
# Three sequences of 7, 5 and 6 columns: with a repeated label, with none at all, and plain.
LABELS, COUNTS, STEPS = [[1, 1, 3], [9, 9, 9], [2, 1, 9]], [3, 0, 2], [7, 5, 6]
T, B, O = 7, 3, 4


@pytest.fixture
def logits(rng):
    return rng.normal(size=(T, B, O))


def collapsed(way, blank):
    """What a way writes: runs become one, blanks nothing."""
    return tuple(label for label, _ in itertools.groupby(way) if label != blank)


def written_out(log_p, labels, blank):
    """-ln of the summed probability of every way that writes the labels; log_p (T, O)."""
    ways = itertools.product(range(log_p.shape[1]), repeat=len(log_p))
    sums = [
        sum(log_p[t, k] for t, k in enumerate(way))
        for way in ways
        if collapsed(way, blank) == tuple(labels)
    ]
    return -np.log(np.exp(np.array(sums)).sum()) if sums else math.inf


ALL_LABELS = [
    labels for n in range(4) for labels in itertools.product([0, 2], repeat=n)
]  # of three classes, of which 1 is the blank


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_all_ways_to_write_the_labels_are_summed_and_no_other(columns, rng):
    width = 3
    log_p = rng.normal(size=(columns, len(ALL_LABELS), 3))
    targets = [[*labels, *[1] * (width - len(labels))] for labels in ALL_LABELS]
    x = mt.tensor(log_p, requires_grad=True)
    found = nn.ctc_loss(
        x, targets, [columns] * len(ALL_LABELS), [len(a) for a in ALL_LABELS], 1, "none"
    )
    wanted = [written_out(log_p[:, b], labels, 1) for b, labels in enumerate(ALL_LABELS)]
    assert_allclose(found.data, wanted, **EXACT)
    v = rng.normal(size=found.shape)
    found.backward(v)
    for b, labels in enumerate(ALL_LABELS):
        if np.isinf(wanted[b]):
            assert not x.grad.data[:, b].any()
            continue
        slope = numeric.complex_step(
            lambda moved, labels=labels: written_out(moved["x"], labels, 1), {"x": log_p[:, b]}
        )["x"]
        assert_allclose(x.grad.data[:, b], v[b] * slope, **EXACT)


@pytest.mark.torch
@pytest.mark.parametrize("labels", [(), (2,), (2, 2), (2, 0), (0, 2, 0)], ids=str)
def test_the_second_derivative_is_that_of_the_ways_written_out(labels, rng):
    import torch

    log_p, v, u = rng.normal(size=(4, 3)), rng.normal(), rng.normal(size=(4, 3))
    ways = itertools.product(range(3), repeat=4)
    ways = torch.tensor([way for way in ways if collapsed(way, 1) == labels])
    theirs = torch.tensor(log_p, requires_grad=True)
    value = -theirs[torch.arange(4), ways].sum(1).logsumexp(0)
    (slope,) = torch.autograd.grad(v * value, theirs, create_graph=True)
    (wanted,) = torch.autograd.grad((slope * torch.tensor(u)).sum(), theirs)
    x = mt.tensor(log_p, requires_grad=True)
    found = nn.ctc_loss(x, np.array(labels, int), 4, len(labels), 1, "none")
    (slope,) = mt.autograd.grad(v * found, x, create_graph=True)
    (found,) = mt.autograd.grad((slope * u).sum(), x)
    assert_allclose(found.data, wanted, **EXACT)


FORMS = {
    "padded": (LABELS, COUNTS, STEPS),
    "one after another": ([1, 1, 3, 2, 1], COUNTS, STEPS),
    "full": ([[1, 2], [3, 3], [2, 1]], [2, 2, 2], [T, T, T]),
    "too short": ([[1, 2, 3], [2, 2, 2], [3, 1, 2]], [3, 3, 3], [4, 4, 2]),
    "no labels": (np.zeros((B, 0), int), [0, 0, 0], STEPS),
    "no columns": ([[1, 2]] * B, [0, 1, 2], [0, 1, 3]),
    "single columns": ([[2]] * B, [1, 0, 1], [1, 1, 1]),
}


@pytest.mark.torch
@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("form", FORMS)
def test_values_and_gradients_are_pytorchs(form, reduction, blank, logits, rng):
    import torch

    targets, counts, steps = FORMS[form]
    targets = np.array(targets)
    targets = np.where(targets == blank, 0 if blank else 1, targets)
    theirs = torch.tensor(logits, requires_grad=True)
    x = mt.tensor(logits, requires_grad=True)
    for zero_infinity in [True, False] if form not in ("too short", "no columns") else [True]:
        wanted = torch.nn.functional.ctc_loss(
            theirs.log_softmax(-1), torch.tensor(targets).clip(max=O - 1), torch.tensor(steps),
            torch.tensor(counts), blank, reduction, zero_infinity,
        )  # fmt: skip
        found = nn.ctc_loss(
            mt.log_softmax(x), targets, steps, counts, blank, reduction, zero_infinity
        )
        assert found.shape == tuple(wanted.shape)
        assert_allclose(found.data, wanted.detach(), **EXACT)
        v = rng.normal(size=found.shape)
        (slope,) = mt.autograd.grad(found, x, v)
        (theirs_slope,) = torch.autograd.grad(wanted, theirs, torch.tensor(v))
        assert_allclose(slope.data, theirs_slope, **EXACT)


@pytest.mark.torch
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_a_single_sequence_is_pytorchs_too(reduction, rng):
    import torch

    log_p = rng.normal(size=(T, O))
    wanted = torch.nn.functional.ctc_loss(
        torch.tensor(log_p), torch.tensor([1, 1, 3]), torch.tensor(6), torch.tensor(3), 0, reduction
    )
    for lengths in [(6, 3), ([6], [3])]:
        found = nn.ctc_loss(log_p, [1, 1, 3], *lengths, reduction=reduction)
        assert found.shape == () and tuple(wanted.shape) == ()
        assert_allclose(found.data, wanted, **EXACT)


def test_it_is_the_recursion_of_the_paper(logits):
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    labels = np.array([[1, 1, 3], [2, 0, 0], [2, 1, 0]]).T
    x = mt.tensor(logits, requires_grad=True)
    found = nn.ctc_loss(mt.log_softmax(x), labels.T, [T] * B, [3, 1, 2], reduction="none")
    assert_allclose(found.data, alignment.ctc(np, p, labels), **EXACT)
    found.sum().backward()
    dp = alignment.ctc_gradient(p, labels)
    dz = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
    assert_allclose(x.grad.data, dz, **EXACT)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("reduction", ["none", "mean", ("sum",)], ids=str)
def test_it_agrees_with_differences(reduction, order, logits):
    def loss(x):  # of four columns; the last sequence is too short for what it should write
        return nn.ctc_loss(x, LABELS, [4, 3, 1], COUNTS, 0, reduction, True)

    x = mt.tensor(logits[:4], requires_grad=True)
    assert mt.autograd.gradcheck(loss, x, order=order)


def test_what_stands_behind_the_end_changes_nothing(logits):
    spoilt = logits.copy()
    for b, n in enumerate(STEPS):
        spoilt[n:, b] = np.nan
    plain, bad = (mt.tensor(a, requires_grad=True) for a in (logits, spoilt))
    losses = [nn.ctc_loss(x, LABELS, STEPS, COUNTS, reduction="none") for x in (plain, bad)]
    for loss in losses:
        loss.sum().backward()
    assert (losses[0].data == losses[1].data).all()
    assert (plain.grad.data == bad.grad.data).all()
    assert not bad.grad.data[5:, 1].any()


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_what_cannot_be_aligned_costs_infinity_or_nothing_and_has_no_gradient(zero_infinity):
    x = mt.zeros(4, 2, O, requires_grad=True)
    loss = nn.ctc_loss(
        x, [[1, 1, 1], [1, 2, 3]], [4, 4], [3, 3], reduction="none", zero_infinity=zero_infinity
    )
    assert loss.tolist()[0] == (0.0 if zero_infinity else math.inf)
    (slope,) = mt.autograd.grad(loss.sum(), x, create_graph=True)
    (curvature,) = mt.autograd.grad((slope**2).sum(), x)
    assert np.isfinite(slope.tolist()).all() and np.isfinite(curvature.tolist()).all()
    assert not slope[:, 0].data.any() and slope[:, 1].data.all(axis=0).any()


def test_probabilities_of_0_are_ways_that_do_not_exist(rng):
    log_p = rng.normal(size=(4, O))
    log_p[1, 2] = log_p[2, 0] = -math.inf
    x = mt.tensor(log_p, requires_grad=True)
    loss = nn.ctc_loss(x, [2, 1], 4, 2, reduction="sum")
    loss.backward()
    assert_allclose(loss.data, written_out(log_p, [2, 1], 0), **EXACT)
    assert np.isfinite(x.grad.data).all() and x.grad.data[1, 2] == 0


def test_long_sequences_do_not_underflow(rng):
    log_p = mt.log_softmax(mt.tensor(rng.normal(size=(2000, 1, 30)), requires_grad=True))
    loss = nn.ctc_loss(log_p, [list(range(1, 30))], [2000], [29], reduction="none")
    assert 2000 < loss.item() < 2000 * math.log(30 * 30)


def test_float32_stays_float32(logits):
    x = mt.tensor(logits, "float32", requires_grad=True)
    loss = nn.ctc_loss(x, LABELS, STEPS, COUNTS, reduction="none")
    loss.sum().backward()
    assert loss.dtype == x.grad.dtype == np.float32
    exact = nn.ctc_loss(logits, LABELS, STEPS, COUNTS, reduction="none")
    assert_allclose(loss.data, exact.data, rtol=1e-5)


@pytest.mark.parametrize("kind", ["int32", "uint8", "int64"])
def test_labels_and_lengths_may_be_any_integers_anywhere(kind, logits, backend):
    x = mt.tensor(logits, requires_grad=True)
    on_host = nn.ctc_loss(x, LABELS, STEPS, COUNTS)
    given = [mt.tensor(np.array(a, kind)) for a in (LABELS, STEPS, COUNTS)]
    strict_cupy.synchronisations.reset()
    there = nn.ctc_loss(x, *given)
    there.backward()
    assert strict_cupy.synchronisations.causes == []
    assert there.backend == x.grad.backend == backend
    assert_allclose(there.item(), on_host.item(), rtol=1e-14)


def test_labels_of_the_host_do_not_wait_for_the_device(logits, backend):
    x = mt.tensor(logits, requires_grad=True)
    strict_cupy.synchronisations.reset()
    for targets in (LABELS, [1, 1, 3, 2, 1]):
        nn.ctc_loss(x, targets, STEPS, COUNTS, zero_infinity=True).backward()
    assert strict_cupy.synchronisations.causes == []


@pytest.mark.parametrize(
    "labels, steps, counts",
    [([[1, 1], [2, 4]], [5, 5], [2, 2]), ([[1, 1], [2, 0]], [5, 5], [2, 2]),
     ([[1, 1], [2, 1]], [5, 8], [2, 2]), ([[1, 1], [2, 1]], [5, 5], [2, 3]),
     ([[1, 1], [2, -1]], [5, 5], [2, 2]), ([[1, 1], [2, 1]], [5, -1], [2, 2])],
)  # fmt: skip
def test_what_does_not_fit_is_found_on_the_host_and_nan_on_a_device(
    labels, steps, counts, backend, rng
):
    x = mt.tensor(rng.normal(size=(T, 2, O)), requires_grad=True)
    with pytest.raises((ShapeError, IndexError)):
        nn.ctc_loss(x, labels, steps, counts)
    if backend != "numpy":  # nobody waits for the device to look
        loss = nn.ctc_loss(x, *map(mt.tensor, (labels, steps, counts)), reduction="none")
        assert np.isnan(loss.detach().numpy()).tolist() == [False, True]


def test_no_sequences_cost_nothing(rng):
    x = mt.zeros(3, 0, O, requires_grad=True)
    assert nn.ctc_loss(x, np.zeros((0, 2), int), [], [], reduction="none").shape == (0,)
    assert nn.ctc_loss(x, [], [], [], reduction="sum").item() == 0
    assert math.isnan(nn.ctc_loss(x, [], [], []).item())


def ctc(targets=LABELS, steps=STEPS, counts=COUNTS, shape=(T, B, O), **options):
    return nn.ctc_loss(mt.zeros(*shape), targets, steps, counts, **options)


WRONG = [  # what is called, the exception, what its message says
    (lambda: ctc(shape=(T, B, O, 1)), ShapeError, r"\(7, 3, 4, 1\); needed is \(T, B, O\)"),
    (lambda: ctc(shape=(0, B, O)), ShapeError, r"\(0, 3, 4\).*at least one time step"),
    (lambda: ctc(blank=4), IndexError, "blank is 4, not one of 4 classes"),
    (lambda: ctc(steps=[7, 5]), ShapeError, r"input_lengths have shape \(2,\).*\(3,\)"),
    (lambda: ctc(steps=[7, 8, 6]), ShapeError, r"input_lengths\[1\] is 8, .*7 time steps"),
    (lambda: ctc(steps=[7, -1, 6]), ShapeError, r"input_lengths\[1\] is -1"),
    (lambda: ctc(counts=[3, 0, 4]), ShapeError, r"target_lengths\[2\] is 4, .*3 labels"),
    (lambda: ctc(counts=[3.0, 0, 1]), DTypeError, "target_lengths are float64"),
    (lambda: ctc(np.zeros((B, 3))), DTypeError, "targets are float64"),
    (lambda: ctc([[1, 1, 1]]), ShapeError, r"targets have shape \(1, 3\).*\(3, S\)"),
    (lambda: ctc([1, 2, 3]), ShapeError, r"\[3, 0, 2\] add up to 5, but targets hold 3"),
    (lambda: ctc([[1, 2, 4], [1] * 3, [1] * 3]), IndexError, "label 2 of sequence 0 is 4;"),
    (lambda: ctc([[1, 2, 0], [1] * 3, [1] * 3]), IndexError, "0; .* other than the blank, 0"),
    (lambda: ctc(reduction="average"), ValueError, "'average'; known are"),
    (lambda: ctc(reduction=("sum", "mean")), ShapeError, r"2 entries.*\(3,\)"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG)
def test_mistakes_are_told(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_lengths_on_a_device_cannot_cut_the_targets_apart():
    with mt.use("strict"):
        with pytest.raises(BackendError, match=r"\(B, S\)"):
            ctc([1, 1, 3, 2, 1], counts=mt.tensor(COUNTS))
        counts = mt.tensor(COUNTS)
    assert backends.current_backend().name == "numpy"
    with pytest.raises(BackendError, match="'numpy'.*'strict'"):
        ctc(counts=counts)
