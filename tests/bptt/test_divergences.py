"""Divergences: values by hand or by brute force, gradients by the complex step, masks, weights."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import bptt, numeric
from minitorch_rnn.bptt import alignment
from minitorch_rnn.bptt.divergences import CTC, DIVERGENCES, SOFT_DTW, SQUARED, masked, summed
from minitorch_rnn.errors import ShapeError

T, B, O = 5, 3, 4
LABELS = np.array([[1, 2, 3], [1, 3, 0]])  # with a repetition, with none, and a shorter one


def outputs(rng, T=T):
    return rng.dirichlet(np.ones(O), size=(T, B))


def targets(divergence, rng, T=T):
    if divergence.takes == "labels":
        return LABELS
    return outputs(rng, T) if divergence.takes == "distributions" else rng.normal(size=(T, B, O))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_every_divergence_has_the_gradient_it_claims(rng, name):
    divergence = DIVERGENCES[name]
    Y, D = outputs(rng), targets(divergence, rng)
    by_step = numeric.complex_step(lambda a: divergence.value(np, a["Y"], D), {"Y": Y})["Y"]
    assert_allclose(divergence.gradient(Y, D), by_step, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_graph_computes_the_same_value_and_gradient_on_every_backend(backend, rng, name):
    divergence = DIVERGENCES[name]
    Y, D = outputs(rng), targets(divergence, rng)
    on_graph = mt.tensor(Y, requires_grad=True)
    value = divergence.value(mt, on_graph, D if divergence.takes == "labels" else mt.tensor(D))
    value.backward()
    assert_allclose(value.item(), divergence.value(np, Y, D), rtol=1e-12)
    assert_allclose(on_graph.grad.numpy(), divergence.gradient(Y, D), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_there_is_one_number_for_each_sequence_of_the_batch(rng, name):
    divergence = DIVERGENCES[name]
    Y, D = outputs(rng), targets(divergence, rng)
    values = divergence.values(np, Y, D)
    assert values.shape == (B,)
    for b in range(B):
        alone = divergence.value(np, Y[:, b : b + 1], D[:, b : b + 1])
        assert_allclose(alone, values[b], rtol=1e-13)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_values_and_gradients_leave_their_arguments_alone(rng, name):
    divergence = DIVERGENCES[name]
    Y, D = outputs(rng), targets(divergence, rng)
    before = Y.copy(), D.copy()
    gradient = divergence.gradient(Y, D)
    divergence.value(np, Y, D)
    assert (Y == before[0]).all() and (D == before[1]).all()
    assert not np.shares_memory(gradient, Y) and not np.shares_memory(gradient, D)


LOCAL = {"squared error", "cross-entropy", "discounted error"}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_only_sums_over_time_separate(rng, name):
    # In a sum the slope at one time does not depend on the output at another.
    divergence = DIVERGENCES[name]
    Y, D = outputs(rng), targets(divergence, rng)
    moved = Y.copy()
    moved[0] = outputs(rng)[0] + (0 if divergence.takes != "series" else 3)
    others = divergence.gradient(Y, D)[1:], divergence.gradient(moved, D)[1:]
    assert np.allclose(*others) == (name in LOCAL | {"last output"})


def test_what_the_names_say(rng):
    Y, D = rng.normal(size=(T, 1, O)), rng.normal(size=(T, 1, O))
    squares = ((Y - D) ** 2).sum(axis=(1, 2))
    expected = {
        "squared error": squares.sum() / 2,
        "discounted error": (0.8 ** np.arange(T) * squares).sum() / 2,
        "last output": squares[-1] / 2,
        "worst step": squares.max(),
        "soft worst step": np.log(np.exp(squares).sum()),
        "squared total": ((Y - D).sum(axis=0) ** 2).sum() / 2,
        "variance over time": np.var(Y - D, axis=0).sum(),
    }
    for name, value in expected.items():
        assert_allclose(DIVERGENCES[name].value(np, Y, D), value, rtol=1e-13, err_msg=name)


def test_the_worst_step_is_shared_by_ties():
    Y, D = np.ones((3, 1, 1)), np.zeros((3, 1, 1))
    Y[1] = 0.5
    assert_allclose(DIVERGENCES["worst step"].gradient(Y, D).ravel(), [1, 0, 1])


def test_weights_over_time_are_a_sequence_or_a_function(rng):
    def weighted(weights):
        return summed("", lambda xp, Y, D: ((Y - D) ** 2).sum(axis=-1),
                      lambda Y, D: 2 * (Y - D), weights)  # fmt: skip

    Y, D = outputs(rng), outputs(rng)
    listed = weighted([3, 0, 0, 1, 0])
    named = weighted(lambda t: {0: 3, 3: 1}.get(t, 0))
    squares = ((Y - D) ** 2).sum(axis=(1, 2))
    for divergence in (listed, named):
        assert_allclose(divergence.value(np, Y, D), 3 * squares[0] + squares[3])
        assert not divergence.gradient(Y, D)[[1, 2, 4]].any()
    with pytest.raises(ShapeError, match="5 weights w_t, the outputs have T = 2"):
        listed.value(np, Y[:2], D[:2])


def test_a_mask_leaves_steps_out_whatever_they_hold(rng):
    Y, D = outputs(rng), outputs(rng)
    steps = [True, False, False, True, True]
    for divergence in (SQUARED, DIVERGENCES["variance over time"], DIVERGENCES["worst step"]):
        kept = divergence.value(np, Y[steps], D[steps])
        Y[1:3], D[1:3] = np.nan, np.inf
        of_mask = masked(divergence, steps)
        assert of_mask.value(np, Y, D) == kept
        gradient = of_mask.gradient(Y, D)
        assert (gradient[1:3] == 0).all()
        assert (gradient[steps] == divergence.gradient(Y[steps], D[steps])).all()
        Y, D = outputs(rng), outputs(rng)


def test_under_a_mask_every_step_keeps_its_own_weight(rng):
    Y, D = outputs(rng), outputs(rng)
    steps = [False, True, False, False, True]
    expected = sum(0.8**t * SQUARED.value(np, Y[t : t + 1], D[t : t + 1]) for t in (1, 4))
    discounted = masked("discounted error", steps)
    assert_allclose(discounted.value(np, Y, D), expected, rtol=1e-13)
    by_step = numeric.complex_step(lambda a: discounted.value(np, a["Y"], D), {"Y": Y})["Y"]
    assert_allclose(discounted.gradient(Y, D), by_step, rtol=1e-12, atol=1e-14)


def test_two_masks_are_one_and_keep_the_weights(rng):
    Y, D = outputs(rng), outputs(rng)
    first, second = [True, True, False, True, True], [False, True, True, True, False]
    twice = masked(masked("discounted error", first), second)
    once = masked("discounted error", [a and b for a, b in zip(first, second, strict=True)])
    assert_allclose(twice.value(np, Y, D), once.value(np, Y, D), rtol=1e-14)
    assert_allclose(twice.gradient(Y, D), once.gradient(Y, D), rtol=1e-14)


def test_a_certain_output_costs_nothing_where_it_is_right():
    Y, D = np.array([[[1.0, 0.0]]]), np.array([[[1.0, 0.0]]])
    cross_entropy = DIVERGENCES["cross-entropy"]
    assert cross_entropy.value(np, Y, D) == 0
    assert_allclose(cross_entropy.gradient(Y, D), [[[-1, 0]]])


def test_large_errors_do_not_overflow_the_soft_worst_step():
    Y, D = np.full((2, 1, 1), 40.0), np.zeros((2, 1, 1))
    assert_allclose(DIVERGENCES["soft worst step"].value(np, Y, D), 1600 + np.log(2))
    on_graph = mt.tensor(Y, requires_grad=True)
    DIVERGENCES["soft worst step"].value(mt, on_graph, mt.tensor(D)).backward()
    assert_allclose(on_graph.grad.numpy(), DIVERGENCES["soft worst step"].gradient(Y, D))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_targets_are_not_broadcast(rng, name):
    divergence = DIVERGENCES[name]
    D = targets(divergence, rng)[..., :1] if divergence.takes == "labels" else np.zeros((T, 1, O))
    with pytest.raises(ShapeError, match=rf"{name}.*shape"):
        divergence.value(np, outputs(rng), D)
    with pytest.raises(ShapeError, match=rf"{name}.*shape"):
        divergence.gradient(outputs(rng), D)
    with pytest.raises(ShapeError, match=r"needed is \(T, B, O\)"):
        divergence.value(np, outputs(rng)[:, 0], D)


def test_outputs_of_integers_have_gradients_that_are_not():
    Y, D = np.ones((2, 1, 2), int), np.full((2, 1, 2), 0.5)
    for name, divergence in DIVERGENCES.items():
        if divergence.takes == "series":
            expected = divergence.gradient(Y.astype(float), D)
            assert_allclose(divergence.gradient(Y, D), expected, err_msg=name)


@pytest.mark.parametrize("Y", [
    np.full((2, 2, 3), 1 / 3),  # two columns cannot hold three labels
    np.concatenate([np.full((4, 2, 3), 1 / 3), np.zeros((1, 2, 3))]),  # no path has a last step
])  # fmt: skip
def test_labels_that_cannot_be_are_infinitely_far_and_have_no_gradient(Y):
    labels = np.array([[1, 2], [2, 0], [1, 0]]) if len(Y) == 2 else np.array([[1, 2]])
    values = CTC.values(np, Y, labels)
    assert values[0] == np.inf
    assert not CTC.gradient(Y, labels)[:, 0].any()
    on_graph = mt.tensor(Y, requires_grad=True)
    CTC.values(mt, on_graph, labels)[0].backward()
    assert not on_graph.grad.numpy().any()


def test_a_mask_of_nothing_or_of_another_length_is_refused(rng):
    with pytest.raises(ShapeError, match="no step of 3 is left"):
        masked(SQUARED, [False] * 3)
    with pytest.raises(ShapeError, match="3 steps are masked, the outputs have 5"):
        masked(SQUARED, [True] * 3).value(np, outputs(rng), outputs(rng))


def paths(T, U):
    """Every monotone path from (0, 0) to (T-1, U-1)."""

    def extend(path):
        i, j = path[-1]
        if (i, j) == (T - 1, U - 1):
            yield path
        for k in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
            if k[0] < T and k[1] < U:
                yield from extend([*path, k])

    return list(extend([(0, 0)]))


@pytest.mark.parametrize("T, U", [(1, 1), (4, 3), (3, 5)])
def test_soft_dtw_is_the_soft_minimum_over_all_warping_paths(rng, T, U):
    Y, D = rng.normal(size=(T, 2, 3)), rng.normal(size=(U, 2, 3))
    costs = np.array([
        sum(((Y[i] - D[j]) ** 2).sum(axis=-1) for i, j in path) for path in paths(T, U)
    ])  # fmt: skip
    assert_allclose(SOFT_DTW.values(np, Y, D), -np.log(np.exp(-costs).sum(axis=0)), rtol=1e-12)
    by_step = numeric.complex_step(lambda a: SOFT_DTW.value(np, a["Y"], D), {"Y": Y})["Y"]
    assert_allclose(SOFT_DTW.gradient(Y, D), by_step, rtol=1e-11, atol=1e-13)


def collapsed(path):
    """What a path of outputs spells: repetitions merged, then blanks removed."""
    return [label for label, _ in itertools.groupby(path) if label]


@pytest.mark.parametrize("labels", [[1], [1, 1], [1, 2], [2, 1, 2], []], ids=str)
def test_ctc_is_the_probability_of_all_paths_that_spell_the_labels(rng, labels):
    Y = rng.dirichlet(np.ones(3), size=(5, 1))
    p = sum(
        np.prod([Y[t, 0, k] for t, k in enumerate(path)])
        for path in itertools.product(range(3), repeat=5)
        if collapsed(path) == labels
    )
    D = np.array(labels, int).reshape(-1, 1)
    assert_allclose(CTC.value(np, Y, D), -np.log(p), rtol=1e-12)
    by_step = numeric.complex_step(lambda a: CTC.value(np, a["Y"], D), {"Y": Y})["Y"]
    assert_allclose(CTC.gradient(Y, D), by_step, rtol=1e-11, atol=1e-13)


def test_ctc_does_not_underflow_over_long_sequences(rng):
    Y = rng.dirichlet(np.ones(30), size=(2000, 1))
    value = CTC.value(np, Y, np.array([[1], [2]]))
    assert np.isfinite(value) and value > 1000
    assert np.isfinite(CTC.gradient(Y, np.array([[1], [2]]))).all()


@pytest.mark.torch
def test_ctc_is_pytorchs(rng):
    import torch

    Y = torch.tensor(rng.dirichlet(np.ones(O), size=(8, B)), requires_grad=True)
    theirs = torch.nn.functional.ctc_loss(
        Y.log(), torch.tensor(LABELS.T), torch.full((B,), 8), torch.tensor([2, 2, 1]),
        reduction="sum",
    )  # fmt: skip
    ours = mt.tensor(Y.detach().numpy(), requires_grad=True)
    value = CTC.value(mt, ours, LABELS)
    value.backward()
    assert_allclose(value.item(), theirs.item(), rtol=1e-12)
    # PyTorch's gradient is meant for logits, so compare along directions that keep sums at 1.
    theirs.backward()
    y = Y.detach().numpy()
    a, b = (g - (g * y).sum(-1, keepdims=True) for g in (ours.grad.numpy(), Y.grad.numpy()))
    assert_allclose(a, b, rtol=1e-8, atol=1e-10)


WRONG_LABELS = [
    ("floats", np.ones((2, 1)), r"float64 of shape \(2, 1\); integers \(U, B\)"),
    ("one axis", np.ones(2, int), r"shape \(2,\)"),
    ("too large", np.array([[4]]), "label 4 is not one of 1 … 3"),
    ("negative", np.array([[-1]]), "label -1 is not one of 1 … 3"),
    (
        "of another batch",
        np.ones((2, 2), int),
        r"shape \(2, 2\), that is 2 sequences; the outputs have 1",
    ),
    ("after padding", np.array([[1], [0], [2]]), "follows padding"),
]


@pytest.mark.parametrize("labels, message", [row[1:] for row in WRONG_LABELS],
                         ids=[row[0] for row in WRONG_LABELS])  # fmt: skip
def test_labels_that_do_not_fit_are_refused(rng, labels, message):
    with pytest.raises(ShapeError, match=message):
        alignment.ctc(np, outputs(rng)[:, :1], labels)


def test_divergences_are_found_in_the_package():
    assert bptt.divergences.DIVERGENCES is DIVERGENCES
