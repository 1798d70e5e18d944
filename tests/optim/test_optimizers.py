"""The optimisers: trajectories against PyTorch and against plain loops, groups, and refusals."""

import math

import numpy as np
import pytest
import strict_cupy
from optimizer_cases import CASES, GROUPS, OPTIMIZERS, by_hand, gradients, ours, pytorchs, starts
from optimizer_cases import trajectory as run

import minitorch_rnn as mt
from minitorch_rnn import nn, optim
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

KINDS = pytest.mark.parametrize("kind", [getattr(optim, name) for name in OPTIMIZERS])


def assert_same_path(found, expected):
    # rtol as PyTorch's own sums allow; atol since values of order 1 pass near 0.
    for step, (mine, its) in enumerate(zip(found, expected, strict=True), 1):
        for i, (a, b) in enumerate(zip(mine, its, strict=True)):
            np.testing.assert_allclose(
                a, b, rtol=1e-12, atol=1e-14, err_msg=f"step {step}, parameter {i}"
            )


# Trajectories ------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("pattern", ["dense", "missing", "sparse"])
@pytest.mark.parametrize("kind, options", CASES)
def test_fifty_steps_are_pytorchs(kind, options, pattern, rng):
    import torch

    values, steps = starts(rng), gradients(rng, pattern)
    found = run(*ours(kind, values, options), steps, mt.tensor)
    assert_same_path(found, run(*pytorchs(kind, values, options), steps, torch.tensor))


@pytest.mark.torch
@pytest.mark.parametrize("kind, options, first", GROUPS)
def test_groups_have_options_of_their_own_as_in_pytorch(kind, options, first, rng):
    import torch

    values, steps = starts(rng), gradients(rng, "missing")
    _, mine = ours(kind, values, options)
    _, theirs = pytorchs(kind, values, options)
    paths = [
        run(
            getattr(module, kind)(
                [{"params": owners[:1], **first}, {"params": iter(owners[1:])}], **options
            ),
            owners,
            steps,
            convert,
        )
        for module, owners, convert in [
            (optim, mine, mt.tensor),
            (torch.optim, theirs, torch.tensor),
        ]
    ]
    assert_same_path(*paths)


@pytest.mark.parametrize("kind, options", CASES)
def test_fifty_steps_are_the_formulas_on_every_backend(kind, options, backend, rng):
    values, steps = starts(rng), gradients(rng, "missing")
    optimizer, owners = ours(kind, values, options)
    found = run(optimizer, owners, steps, mt.tensor)
    assert all(p.backend == backend for p in owners)
    for k, value in enumerate(values):
        for at in np.ndindex(value.shape):
            mine = [None if step[k] is None else step[k][at] for step in steps]
            expected = by_hand(kind, value[at], mine, options)
            np.testing.assert_allclose([step[k][at] for step in found], expected, rtol=1e-12)


@pytest.mark.parametrize("kind, options", CASES)
def test_a_step_keeps_float32_in_all_it_keeps_and_never_waits_for_the_device(
    kind, options, backend
):
    optimizer, (p,) = ours(kind, [[1.0, 2.0]], options, dtype="float32")
    (group,) = optimizer.param_groups
    group |= {k: np.float64(v) for k, v in group.items() if isinstance(v, float)}  # would widen
    group |= {"betas": tuple(map(np.float64, group["betas"]))} if "betas" in group else {}
    p.grad = mt.tensor([1.0, -1.0], dtype="float32")
    strict_cupy.synchronisations.reset()
    optimizer.step()
    optimizer.step()
    assert strict_cupy.synchronisations.causes == []
    arrays = [value for value in optimizer.state[p].values() if not isinstance(value, int)]
    assert p.dtype == np.float32 and all(a.dtype == np.float32 for a in arrays)
    assert arrays or kind == "SGD"


@KINDS
def test_float16_is_trained(kind, backend):
    p = nn.Parameter([1.0, -2.0], dtype="float16")
    optimizer = kind([p], lr=0.1)
    for _ in range(3):
        p.grad = mt.tensor([1.0, -1.0], dtype="float16")
        optimizer.step()
    first, second = p.tolist()
    assert p.dtype == np.float16 and first < 1.0 and second > -2.0


# One step ----------------------------------------------------------------------------------------


@KINDS
def test_a_parameter_without_a_gradient_stays(kind):
    used, unused = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = kind([used, unused], lr=0.5)
    (used * 2).sum().backward()
    optimizer.step()
    assert used.item() != 1.0 and unused.item() == 1.0


def test_adam_counts_the_steps_of_each_parameter():
    early, late = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = Adam([early, late], lr=0.1)
    early.grad = mt.tensor([3.0])
    optimizer.step()
    late.grad = mt.tensor([3.0])
    optimizer.step()
    assert late.item() == pytest.approx(1 - 0.1, rel=1e-8)  # its first step has size lr


@KINDS
def test_a_step_changes_neither_the_gradient_nor_an_array_read_before(kind):
    p = nn.Parameter([1.0, 2.0])
    read, optimizer = p.data, kind([p], lr=0.1)
    p.grad = mt.tensor([1.0, 1.0])
    optimizer.step()
    assert p.grad.tolist() == [1.0, 1.0] and read.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("kind, options", CASES)
def test_an_update_is_a_function_of_its_arguments_and_writes_into_none(kind, options, rng):
    optimizer, (p,) = ours(kind, [rng.normal(size=3)], options)
    p.grad = mt.tensor(rng.normal(size=3))
    optimizer.step()
    value, g, state = p.data, rng.normal(size=3), optimizer.state[p]
    for array in (g, *state.values()):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False  # as value is already
    group, before = optimizer.param_groups[0], dict(state)
    (once, kept), (twice, again) = (optimizer.update(value, g, state, group) for _ in range(2))
    assert state == before and (once == twice).all() and kept.keys() == again.keys()
    assert all(np.array_equal(kept[name], again[name]) for name in kept)


def test_a_parameter_given_twice_is_updated_once():
    p = nn.Parameter([1.0])
    p.grad = mt.tensor([1.0])
    SGD([p, p], lr=0.25).step()
    assert p.tolist() == [0.75]


def test_momentum_does_not_alias_the_gradient():
    p, array = nn.Parameter([0.0]), np.array([1.0])
    optimizer = SGD([p], lr=1.0, momentum=0.5)
    p.grad = mt.from_numpy(array)
    optimizer.step()
    array[0] = 100.0
    p.grad = mt.tensor([0.0])
    optimizer.step()
    assert p.tolist() == [-1.5]


def test_what_goes_wrong_on_the_way_changes_no_parameter(monkeypatch):
    owners = [nn.Parameter([1.0]), nn.Parameter([1.0])]
    optimizer = SGD(owners, lr=0.5, momentum=0.9)
    for p in owners:
        p.grad = mt.tensor([1.0])
    update, calls = SGD.update, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return update(*args)

    monkeypatch.setattr(optimizer, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        optimizer.step()
    assert [p.item() for p in owners] == [1.0, 1.0] and not optimizer.state


def test_a_closure_computes_the_loss_anew_and_step_returns_it():
    p = nn.Parameter([3.0])
    optimizer = SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with mt.no_grad():
        assert optimizer.step(closure).item() == 9.0
    assert p.item() == 0.0 and optimizer.step() is None


def test_zero_grad_leaves_none_or_zeros():
    p = nn.Parameter([1.0, 2.0])
    optimizer = SGD([p], lr=0.1)
    p.grad = mt.tensor([1.0, math.nan])
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


def test_a_gradient_of_another_dtype_takes_the_parameters():
    p = nn.Parameter([1.0], dtype="float32")
    p.grad = mt.tensor([1.0], dtype="float64")
    optimizer = SGD([p], lr=0.5, momentum=0.9)
    optimizer.step()
    assert optimizer.state[p]["momentum_buffer"].dtype == np.float32


@pytest.mark.parametrize("gradient", [mt.ones(3, 2), np.ones((3, 2)), [1.0]])
def test_a_gradient_of_another_shape_is_refused_before_anything_changes(gradient):
    first, p = nn.Parameter([1.0]), nn.Parameter([1.0, 2.0])
    first.grad, p.grad = mt.ones(1), gradient
    with pytest.raises(ShapeError, match=r"SGD: parameter 1 has shape \(2,\), its grad is a"):
        SGD([first, p], lr=0.1).step()
    assert first.item() == 1.0


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
    with pytest.raises(NotImplementedError, match="define update"):
        Optimizer([p], {"lr": 0.1}).step()


# Groups and rates --------------------------------------------------------------------------------


@KINDS
def test_the_rate_may_change_between_steps(kind):
    p = nn.Parameter([1.0])
    optimizer = kind([p], lr=0.1)
    optimizer.lr = 0.0
    p.grad = mt.tensor([1.0])
    optimizer.step()
    assert p.item() == 1.0


def test_the_rate_is_read_where_groups_share_one_and_written_to_all():
    optimizer = SGD([{"params": nn.Parameter([1.0]), "lr": 0.1}, {"params": nn.Parameter([1.0])}])
    with pytest.raises(ValueError, match=r"the groups have the rates \[0.1, 0.001\]"):
        optimizer.lr  # noqa: B018
    optimizer.lr = 0.5
    assert optimizer.lr == 0.5 and [g["lr"] for g in optimizer.param_groups] == [0.5, 0.5]


def test_a_group_that_is_added_later_is_trained_with_the_options_it_names():
    early, late = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = SGD([early], lr=0.5)
    given = {"params": [late], "lr": 0.25, "name": "late"}
    optimizer.add_param_group(given)
    early.grad = late.grad = mt.tensor([1.0])
    optimizer.step()
    assert (early.item(), late.item()) == (0.5, 0.75) and optimizer.params == [early, late]
    assert optimizer.param_groups[1]["name"] == "late" and "momentum" not in given


def test_a_rate_may_be_a_tensor():
    optimizer = SGD([nn.Parameter([1.0])], lr=mt.tensor(0.5))
    assert optimizer.lr == 0.5 and type(optimizer.lr) is float


def test_the_repr_tells_groups_and_options():
    p, q = nn.Parameter([1.0]), nn.Parameter([1.0])
    one = "lr=0.5, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False"
    assert repr(SGD([p, q], lr=0.5)) == f"SGD(2 parameters, {one})"
    two = SGD([{"params": p}, {"params": q, "lr": 1}], lr=0.5)
    assert repr(two).startswith(f"SGD(\n  (0): 1 parameter, {one}\n  (1): 1 parameter, lr=1, ")


WRONG_VALUES = [
    pytest.param(lambda p: SGD([], lr=0.1), "SGD: got 0 parameters", id="none"),
    pytest.param(lambda p: Adam(iter(())), "Adam: got 0 parameters", id="empty iterator"),
    pytest.param(lambda p: SGD([p, p * 2], 0.1), "parameter 1 is not a leaf", id="computed"),
    pytest.param(lambda p: Adam([mt.ones(2)]), "got 0 parameters to train", id="untracked"),
    pytest.param(lambda p: SGD([p], -0.5), "SGD: lr is -0.5; at least 0", id="lr"),
    pytest.param(lambda p: Adam([p], math.nan), "lr is nan", id="nan lr"),
    pytest.param(lambda p: SGD([p], momentum=-1.0), "momentum is -1.0", id="momentum"),
    pytest.param(lambda p: SGD([p], weight_decay=-1.0), "weight_decay is -1.0", id="decay"),
    pytest.param(lambda p: SGD([p], nesterov=True), "nesterov with momentum 0", id="nesterov"),
    pytest.param(
        lambda p: SGD([p], momentum=0.9, dampening=0.1, nesterov=True),
        "nesterov with momentum 0.9 and dampening 0.1",
        id="nesterov with dampening",
    ),
    pytest.param(lambda p: Adam([p], betas=(0.9, 1.0)), r"\(0.9, 1.0\)", id="beta 1"),
    pytest.param(lambda p: Adam([p], betas=(-0.1, 0.9)), r"\(-0.1, 0.9\)", id="beta < 0"),
    pytest.param(lambda p: AdamW([p], betas=(0.9,)), r"AdamW: betas are \(0.9,\)", id="one beta"),
    pytest.param(lambda p: Adam([p], betas=0.9), "Adam: betas are 0.9; two", id="betas"),
    pytest.param(lambda p: Adam([p], eps=-1e-8), "eps is -1e-08", id="eps"),
    pytest.param(lambda p: RMSprop([p], alpha=-0.1), "RMSprop: alpha is -0.1", id="alpha"),
    pytest.param(lambda p: Adagrad([p], lr_decay=-1), "Adagrad: lr_decay is -1", id="lr_decay"),
    pytest.param(
        lambda p: Adagrad([p], initial_accumulator_value=-1),
        "initial_accumulator_value is -1",
        id="accumulator",
    ),
    pytest.param(
        lambda p: SGD([{"params": [p], "lr": -1.0}], lr=0.1), "lr is -1.0", id="lr of a group"
    ),
    pytest.param(
        lambda p: SGD([{"params": [p]}, {"params": [p]}]),
        "parameter 0 of group 1 is in an earlier group too",
        id="two groups",
    ),
]


@pytest.mark.parametrize("make, message", WRONG_VALUES)
def test_a_constructor_refuses_what_it_cannot_use(make, message):
    with pytest.raises(ValueError, match=message):
        make(nn.Parameter([1.0, 2.0]))


WRONG_TYPES = [
    pytest.param(
        lambda p: Adam(nn.Linear(2, 2).named_parameters()), "entry 0 is a tuple", id="named"
    ),
    pytest.param(lambda p: SGD(p), r"params is a Parameter; .* \[p\]", id="one tensor"),
    pytest.param(lambda p: SGD(nn.Linear(2, 2)), "is a Linear; .*parameters()", id="module"),
    pytest.param(lambda p: SGD({p}), "a set of parameters has no order", id="set"),
    pytest.param(lambda p: SGD([{"params": [p]}, p]), "group 1 is a Parameter", id="mixture"),
    pytest.param(lambda p: SGD([{"lr": 0.1}]), "group 0 is a dict; .*'params'", id="no params"),
    pytest.param(lambda p: SGD([p], lr="0.1"), "lr is '0.1'; a number", id="string"),
    pytest.param(lambda p: SGD([p], momentum=None), "momentum is None", id="None"),
]


@pytest.mark.parametrize("make, message", WRONG_TYPES)
def test_what_is_of_another_type_is_named(make, message):
    with pytest.raises(TypeError, match=message):
        make(nn.Parameter([1.0, 2.0]))


def test_a_group_that_is_refused_is_not_added():
    p, q = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = SGD([p], lr=0.1)
    with pytest.raises(ValueError, match="momentum is -1"):
        optimizer.add_param_group({"params": [q], "momentum": -1})
    assert optimizer.params == [p]
