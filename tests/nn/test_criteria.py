"""The loss modules: each is its function, shows its options, and takes any divergence's place."""

import copy
import inspect

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.agreement.networks import targets_for
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import many_to_one
from minitorch_rnn.nn.criteria import Criterion

T, B, O = 4, 3, 5
WEIGHTS = [0.5, 1.0, 2.0, 1.5, 0.0]
MODULES = [  # module, function, options that are not the default, positional ones, kind of target
    (nn.CrossEntropyLoss, nn.cross_entropy,
     {"weight": WEIGHTS, "ignore_index": 2, "reduction": ("sum", "mean"), "label_smoothing": 0.1},
     (WEIGHTS, 2, "sum", 0.1), "labels"),
    (nn.NLLLoss, nn.nll_loss, {"weight": WEIGHTS, "ignore_index": 2, "reduction": "none"},
     (WEIGHTS, 2, "sum"), "labels"),
    (nn.BCELoss, nn.binary_cross_entropy, {"weight": WEIGHTS, "reduction": "sum"},
     (WEIGHTS, "sum"), "unit"),
    (nn.BCEWithLogitsLoss, nn.binary_cross_entropy_with_logits,
     {"weight": WEIGHTS, "reduction": "sum", "pos_weight": WEIGHTS}, (WEIGHTS, "sum", WEIGHTS),
     "unit"),
    (nn.MSELoss, nn.mse_loss, {"reduction": "sum"}, ("sum",), "unit"),
    (nn.L1Loss, nn.l1_loss, {"reduction": "none"}, ("sum",), "unit"),
    (nn.HuberLoss, nn.huber_loss, {"reduction": "sum", "delta": 0.2}, ("sum", 0.2), "unit"),
    (nn.SmoothL1Loss, nn.smooth_l1_loss, {"reduction": "sum", "beta": 0.2}, ("sum", 0.2), "unit"),
    (nn.KLDivLoss, nn.kl_div, {"reduction": "batchmean", "log_target": True}, ("sum", True),
     "unit"),
]  # fmt: skip
every = pytest.mark.parametrize(
    "module, function, options, positional, kind", MODULES, ids=[row[0].__name__ for row in MODULES]
)


def targets_of(kind, rng):
    return rng.integers(O, size=(T, B)) if kind == "labels" else rng.uniform(size=(T, B, O))


def test_every_criterion_is_here():
    mine = {kind for kind in vars(nn).values() if inspect.isclass(kind)}
    mine = {kind for kind in mine if issubclass(kind, Criterion)}
    assert mine == {row[0] for row in MODULES} | {nn.CTCLoss}


@every
def test_a_criterion_is_its_function(module, function, options, positional, kind, rng):
    Y, targets = rng.uniform(size=(T, B, O)), targets_of(kind, rng)
    assert module().forward(Y, targets).item() == function(Y, targets).item()
    found = module(**options)(Y, targets)
    assert found.tolist() == function(Y, targets, **options).tolist() != module()(Y, targets).item()
    names = list(inspect.signature(module).parameters)
    by_name = dict(zip(names, positional, strict=False))
    assert module(*positional)(Y, targets).item() == function(Y, targets, **by_name).item()


@every
def test_a_criterion_has_the_defaults_of_its_function(module, function, options, positional, kind):
    mine, its = inspect.signature(module).parameters, inspect.signature(function).parameters
    assert list(mine) == list(its)[2:]
    assert [p.default for p in mine.values()] == [its[name].default for name in mine]


@every
def test_it_shows_the_options_that_are_not_the_default(module, function, options, positional, kind):
    assert repr(module()) == f"{module.__name__}()"
    told = ", ".join(f"{name}={value!r}" for name, value in options.items())
    assert repr(module(**options)) == f"{module.__name__}({told})"


def test_ctc_is_its_function(rng):
    x, lengths = rng.normal(size=(T, 2, O)), {"input_lengths": [4, 3], "target_lengths": [2, 1]}
    targets, options = [[1, 2], [3, 4]], {"blank": 4, "reduction": "none", "zero_infinity": True}
    loss = nn.CTCLoss(4, "none", True)
    assert repr(loss) == "CTCLoss(blank=4, reduction='none', zero_infinity=True)"
    wanted = nn.ctc_loss(x, targets, **lengths, **options).tolist()
    assert loss(x, targets, **lengths).tolist() == loss(x, targets, [4, 3], [2, 1]).tolist()
    assert loss(x, targets, **lengths).tolist() == wanted


@every
def test_modules_can_hold_copy_and_change_it(module, function, options, positional, kind, rng):
    class Model(nn.Module):
        def __init__(self):
            self.loss = module(**options)

    model = copy.deepcopy(Model()).train().to("float32")
    assert list(model.parameters()) == [] and model.state_dict() == {}
    Y, targets = rng.uniform(size=(T, B, O)), targets_of(kind, rng)
    assert model.loss(Y, targets).tolist() == function(Y, targets, **options).tolist()
    model.loss.reduction = "sum"
    wanted = function(Y, targets, **options | {"reduction": "sum"}).item()
    assert model.loss(Y, targets).item() == wanted


@pytest.mark.parametrize("given", [list, np.array, mt.tensor], ids=["list", "array", "Tensor"])
@every
def test_weights_are_used_where_the_outputs_live_and_in_their_dtype(
    module, function, options, positional, kind, given, backend, rng
):
    weights = {name: w for name, w in options.items() if "weight" in name}
    with mt.use("numpy"):
        loss = module(**{name: given(w) for name, w in weights.items()})
    Y, targets = rng.uniform(size=(T, B, O)), targets_of(kind, rng)
    there = mt.tensor(Y, "float32", requires_grad=True)
    strict_cupy.synchronisations.reset()
    found = loss(there, targets)
    assert strict_cupy.synchronisations.causes == []
    assert found.backend == backend and found.dtype == np.float32
    with mt.use("numpy"):
        wanted = function(Y, targets, **weights).item()
    assert_allclose(found.item(), wanted, rtol=1e-5)  # float32


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
