"""state_dicts of optimisers: they go on bit by bit, to PyTorch and back, and refuse misfits."""

import copy
import json
import pickle

import numpy as np
import pytest
import strict_cupy
from optimizer_cases import CASES, OPTIMIZERS, gradients, ours, pytorchs, starts, trajectory

import minitorch_rnn as mt
from minitorch_rnn import nn, optim
from minitorch_rnn.errors import BackendError, StateError
from minitorch_rnn.optim import SGD, Adam, AdamW

MIDDLE = 23
TORCH_NAMES = {
    "SGD": {"momentum_buffer"},
    "Adam": {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
    "AdamW": {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
    "RMSprop": {"step", "square_avg", "momentum_buffer", "grad_avg"},
    "Adagrad": {"step", "sum"},
}
ALL_KEPT = {  # the options with which everything is kept
    "SGD": {"momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Adagrad": {},
}


def through_json(state):
    """A state_dict as it comes back from a file: places are strings, arrays and tuples lists."""
    return json.loads(json.dumps(state, default=lambda array: array.tolist(), allow_nan=False))


def converted(state, convert):
    """A state_dict whose arrays have become something else."""
    kept = {
        place: {k: convert(v) if isinstance(v, np.ndarray) else v for k, v in entries.items()}
        for place, entries in state["state"].items()
    }
    return {"state": kept, "param_groups": state["param_groups"]}


def arrays_in(state):
    return [v for kept in state["state"].values() for v in kept.values() if hasattr(v, "shape")]


def stepped(kind, rng, **options):
    """An optimiser after a step, with everything kept that it can keep."""
    optimizer, owners = ours(kind, starts(rng), ALL_KEPT[kind] | options)
    trajectory(optimizer, owners, gradients(rng)[:1], mt.tensor)
    return optimizer, owners


# Going on ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [lambda state: state, through_json], ids=["memory", "json"])
@pytest.mark.parametrize("kind, options", CASES)
def test_a_loaded_optimizer_goes_on_bit_by_bit(kind, options, file, backend, rng):
    steps = gradients(rng, "missing")
    optimizer, owners = ours(kind, starts(rng), options)
    trajectory(optimizer, owners, steps[:MIDDLE], mt.tensor)
    fresh, others = ours(kind, [p.tolist() for p in owners], {"lr": 0.7})  # all is in the state
    fresh.load_state_dict(file(optimizer.state_dict()))
    expected = trajectory(optimizer, owners, steps[MIDDLE:], mt.tensor)
    found = trajectory(fresh, others, steps[MIDDLE:], mt.tensor)
    for mine, reference in zip(found, expected, strict=True):
        for a, b in zip(mine, reference, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_copied_optimizer_has_parameters_and_a_state_of_its_own(kind, twin, rng):
    optimizer, owners = stepped(kind, rng)
    other = twin(optimizer)
    steps = gradients(rng)[:3]
    expected = trajectory(optimizer, owners, steps, mt.tensor)
    assert not any(p is q for p, q in zip(owners, other.params, strict=True))
    found = trajectory(other, other.params, steps, mt.tensor)
    for mine, reference in zip(found, expected, strict=True):
        for a, b in zip(mine, reference, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.torch
@pytest.mark.parametrize("kind, options", CASES)
def test_pytorchs_state_is_gone_on_with(kind, options, rng):
    import torch

    steps = gradients(rng, "missing")
    theirs, tensors = pytorchs(kind, starts(rng), options)
    trajectory(theirs, tensors, steps[:MIDDLE], torch.tensor)
    optimizer, owners = ours(kind, [t.tolist() for t in tensors], {})
    optimizer.load_state_dict(theirs.state_dict())
    expected = trajectory(theirs, tensors, steps[MIDDLE:], torch.tensor)
    found = trajectory(optimizer, owners, steps[MIDDLE:], mt.tensor)
    for mine, reference in zip(found, expected, strict=True):
        for a, b in zip(mine, reference, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("kind, options", CASES)
def test_pytorch_goes_on_with_our_state(kind, options, rng):
    import torch

    steps = gradients(rng, "missing")
    optimizer, owners = ours(kind, starts(rng), options)
    trajectory(optimizer, owners, steps[:MIDDLE], mt.tensor)
    theirs, tensors = pytorchs(kind, [np.array(p.tolist()) for p in owners], {})
    theirs.load_state_dict(converted(optimizer.state_dict(), torch.from_numpy))
    expected = trajectory(optimizer, owners, steps[MIDDLE:], mt.tensor)
    found = trajectory(theirs, tensors, steps[MIDDLE:], torch.tensor)
    for its, reference in zip(found, expected, strict=True):
        for a, b in zip(its, reference, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("kind, options", CASES)
def test_pytorch_starts_with_our_options_before_the_first_step(kind, options, rng):
    import torch

    steps = gradients(rng)[:5]
    optimizer, owners = ours(kind, starts(rng), options)
    theirs, tensors = pytorchs(kind, [np.array(p.tolist()) for p in owners], {})
    theirs.load_state_dict(converted(optimizer.state_dict(), torch.from_numpy))
    expected = trajectory(optimizer, owners, steps, mt.tensor)
    found = trajectory(theirs, tensors, steps, torch.tensor)
    for its, reference in zip(found, expected, strict=True):
        for a, b in zip(its, reference, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


# What it holds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_state_has_pytorchs_names_and_arrays_of_the_host(kind, backend, rng):
    optimizer, owners = stepped(kind, rng)
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"] and list(state["state"]) == [0, 1, 2]
    for p, kept in zip(owners, state["state"].values(), strict=True):
        assert set(kept) == TORCH_NAMES[kind]
        assert kept.pop("step", 1) == 1
        assert all(type(array) is np.ndarray and array.shape == p.shape for array in kept.values())
    (group,) = state["param_groups"]
    assert group["params"] == [0, 1, 2] and set(optimizer.defaults) < set(group)
    plain = {k: v for k, v in group.items() if k != "params"}.values()
    assert all(type(v) in (bool, int, float, tuple) for v in plain)


@pytest.mark.torch
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_what_is_kept_has_the_names_that_pytorch_gives_it(kind, rng):
    import torch

    theirs, tensors = pytorchs(kind, starts(rng), ALL_KEPT[kind])
    trajectory(theirs, tensors, gradients(rng)[:1], torch.tensor)
    state = theirs.state_dict()
    optimizer, _ = stepped(kind, rng)
    assert set(state["state"][0]) == set(optimizer.state_dict()["state"][0]) == TORCH_NAMES[kind]
    assert set(optimizer.defaults) <= set(state["param_groups"][0])
    for name, value in optimizer.defaults.items():
        assert state["param_groups"][0][name] == value, name


def test_a_group_is_written_with_numbers_of_python():
    optimizer = SGD([nn.Parameter([1.0])], lr=np.float32(0.5))
    optimizer.param_groups[0]["momentum"] = np.float64(0.25)
    (group,) = optimizer.state_dict()["param_groups"]
    assert type(group["lr"]) is float and type(group["momentum"]) is float


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_nothing_is_shared_with_the_caller(kind, rng):
    optimizer, owners = stepped(kind, rng)
    first = optimizer.state_dict()
    untouched = copy.deepcopy(first)
    for array in arrays_in(first):
        array[...] = 7.0
    first["param_groups"][0]["lr"] = 7.0
    second = optimizer.state_dict()
    optimizer.load_state_dict(second)
    for array in arrays_in(second):
        array[...] = 7.0
    for state in (optimizer.state_dict(), untouched):
        assert all((array != 7.0).all() for array in arrays_in(state))
        assert state["param_groups"][0]["lr"] != 7.0


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_what_is_loaded_takes_the_dtype_and_the_backend_of_the_parameters(kind, backend, rng):
    with mt.use("numpy"):
        state = stepped(kind, rng)[0].state_dict()
    optimizer, owners = ours(kind, starts(rng), {}, dtype="float32")
    strict_cupy.synchronisations.reset()
    optimizer.load_state_dict(state)
    assert strict_cupy.synchronisations.causes == []
    for p in owners:
        arrays = [mt.tensor(v) for k, v in optimizer.state[p].items() if k != "step"]
        assert arrays and all(a.dtype == np.float32 and a.backend == backend for a in arrays)


def test_what_is_kept_of_a_model_that_moved_stays_behind_and_how_to_mend_it_is_said():
    with mt.use("numpy"):
        layer = nn.Linear(2, 1, bias=False)
    optimizer = Adam(layer.parameters(), lr=0.5)
    layer.weight.grad = mt.tensor([[1.0, 1.0]], backend="numpy")
    optimizer.step()
    layer.to("strict")
    start = np.array(layer.weight.tolist())
    layer.weight.grad = mt.tensor([[1.0, 1.0]], backend="strict")
    with pytest.raises(BackendError, match=r"parameter 0 is on 'strict', its exp_avg on 'numpy'"):
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    np.testing.assert_allclose(layer.weight.tolist(), start - 0.5, rtol=1e-6)  # but for eps


# Misfits -----------------------------------------------------------------------------------------


def without(state, *path):
    *way, last = path
    holder = state
    for key in way:
        holder = holder[key]
    del holder[last]
    return state


def changed(state, *path_and_value):
    *way, last, value = path_and_value
    holder = state
    for key in way:
        holder = holder[key]
    holder[last] = value
    return state


MISFITS = [
    pytest.param(
        lambda s: changed(s, "param_groups", s["param_groups"] * 2),
        "it has 2 parameter groups, the optimiser 1",
        id="groups",
    ),
    pytest.param(
        lambda s: changed(s, "param_groups", 0, "params", [0, 1]),
        "its group 0 has 2 parameters, the optimiser's 3",
        id="parameters",
    ),
    pytest.param(
        lambda s: changed(s, "state", 1, "exp_avg", np.zeros((2, 2))),
        r"exp_avg of parameter 1 has shape \(2, 2\), the parameter \(4,\)",
        id="shape",
    ),
    pytest.param(
        lambda s: changed(s, "state", 2, "exp_avg", np.array("x")),
        "exp_avg of parameter 2 is <U1, the parameter float64",
        id="dtype",
    ),
    pytest.param(
        lambda s: changed(s, "state", 7, {"step": 1}),
        "it keeps something of parameter 7, which is in none",
        id="place",
    ),
    pytest.param(
        lambda s: without(s, "param_groups", 0, "betas"), "group 0 has no betas", id="option"
    ),
    pytest.param(
        lambda s: changed(s, "param_groups", 0, "lr", -1.0),
        "its group 0: Adam: lr is -1.0; at least 0",
        id="value",
    ),
    pytest.param(lambda s: changed(s, "param_groups", 0, "lr", "fast"), "lr is 'fast'", id="type"),
    pytest.param(lambda s: without(s, "state"), r"entries are \['param_groups'\]", id="entries"),
]


@pytest.mark.parametrize("spoil, message", MISFITS)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(spoil, message, rng):
    optimizer, owners = stepped("Adam", rng)
    before = optimizer.state_dict()
    with pytest.raises(StateError, match=f"(?s)Adam: the state_dict does not fit.*{message}"):
        optimizer.load_state_dict(spoil(optimizer.state_dict()))
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for place, kept in before["state"].items():
        for name, value in kept.items():
            np.testing.assert_array_equal(after["state"][place][name], value)


def test_all_that_does_not_fit_is_said_at_once(rng):
    optimizer, _ = stepped("Adam", rng)
    state = optimizer.state_dict()
    changed(state, "state", 0, "exp_avg", np.zeros(9))
    changed(state, "state", 1, "exp_avg_sq", np.zeros(9))
    with pytest.raises(StateError, match=r"(?s)exp_avg of parameter 0.*exp_avg_sq of parameter 1"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("other", ["SGD", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.parametrize("one", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_only_the_state_of_the_same_kind_is_taken(one, other, rng):
    state = stepped(one, rng)[0].state_dict()
    optimizer, _ = ours(other, starts(rng), {})
    if one == other or (one, other) == ("Adam", "AdamW"):
        optimizer.load_state_dict(state)
    else:
        with pytest.raises(StateError, match=f"{other}: the state_dict does not fit.*\n.*has no "):
            optimizer.load_state_dict(state)


def test_adamw_stays_adamw_with_what_adam_saved(rng):
    optimizer, _ = stepped("Adam", rng, weight_decay=0.1)
    fresh, _ = ours("AdamW", starts(rng), {})
    fresh.load_state_dict(optimizer.state_dict())
    assert fresh.param_groups[0]["decoupled_weight_decay"] is True
    assert fresh.param_groups[0]["weight_decay"] == 0.1


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_options_that_older_files_lack_stay_as_they_are(kind):
    optimizer = kind([nn.Parameter([1.0])], lr=0.5, maximize=True)
    state = optimizer.state_dict()
    del state["param_groups"][0]["maximize"], state["param_groups"][0]["decoupled_weight_decay"]
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["maximize"] is True
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is (kind is AdamW)


def test_groups_come_back_with_their_options_and_whatever_else_they_hold():
    p, q = nn.Parameter([1.0]), nn.Parameter([1.0, 2.0])
    optimizer = SGD([{"params": p, "lr": 0.5, "name": "first"}, {"params": q}], momentum=0.9)
    fresh = optim.SGD([{"params": [p]}, {"params": [q]}])
    held = fresh.param_groups[0]
    fresh.load_state_dict(optimizer.state_dict())
    assert held is fresh.param_groups[0]  # who holds a group sees what is loaded
    assert (held["lr"], held["name"], held["momentum"]) == (0.5, "first", 0.9)
    assert fresh.param_groups[1]["lr"] == 1e-3 and fresh.params == [p, q]
