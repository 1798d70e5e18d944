"""Schedules: PyTorch's rates at every step, also after a round trip and in turns."""

import functools
import json
import math

import numpy as np
import pytest
import strict_cupy
from schedules import MIDDLE, SCHEDULES, STEPS, WARM_UP, groups, make, rates, sequence, walked

import minitorch_rnn as mt
from minitorch_rnn import nn, optim
from minitorch_rnn.optim import SGD, lr_scheduler

EVERY = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
PLATEAUS = [
    {},
    {"patience": 2},
    {"patience": 0, "factor": 0.7},
    {"patience": 1, "cooldown": 4},
    {"patience": 1, "threshold": 0.1},
    {"patience": 1, "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 1, "mode": "max"},
    {"patience": 1, "mode": "max", "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 1, "min_lr": 0.004},
    {"patience": 1, "min_lr": [0.004, 0.01]},
    {"patience": 1, "eps": 0.005},
]


@pytest.mark.torch
@EVERY
def test_the_rates_are_pytorchs_at_every_step(schedule):
    import torch

    paths = []
    for package in (lr_scheduler, torch.optim.lr_scheduler):
        optimizer = groups(package)
        paths.append(walked(optimizer, [schedule(package, optimizer)], STEPS))
    np.testing.assert_allclose(*paths, rtol=1e-12)


@EVERY
def test_a_loaded_schedule_goes_on_bit_by_bit(schedule):
    optimizer = groups(lr_scheduler)
    mine = schedule(lr_scheduler, optimizer)
    walked(optimizer, [mine], MIDDLE)
    fresh = groups(lr_scheduler, rates=(0.7, 0.9))
    other = schedule(lr_scheduler, fresh)
    other.load_state_dict(json.loads(json.dumps(mine.state_dict(), allow_nan=False)))
    fresh.load_state_dict(optimizer.state_dict())
    assert other.last_epoch == MIDDLE and other.get_last_lr() == mine.get_last_lr()
    expected = walked(optimizer, [mine], STEPS - MIDDLE)
    np.testing.assert_array_equal(walked(fresh, [other], STEPS - MIDDLE), expected)


def metrics(rng):
    """A loss that falls, stalls, and falls a little again, with a nan."""
    values = np.concatenate([np.linspace(3, 1, 15), np.full(25, 1.0), np.linspace(0.9, 0.8, 20)])
    values += 0.02 * rng.normal(size=STEPS)
    values[30] = math.nan
    return values.tolist()


@pytest.mark.torch
@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_plateaus_are_pytorchs(options, rng):
    import torch

    values = metrics(rng)
    if options.get("mode") == "max":
        values = [-value for value in values]
    paths = []
    for package in (lr_scheduler, torch.optim.lr_scheduler):
        optimizer = groups(package)
        schedule = package.ReduceLROnPlateau(optimizer, **options)
        paths.append(walked(optimizer, [schedule], STEPS, values))
    np.testing.assert_allclose(*paths, rtol=1e-12)
    assert len(np.unique(paths[0][:, 0])) > 1


@pytest.mark.parametrize("at", [0, 1, MIDDLE])
@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_a_loaded_plateau_goes_on_bit_by_bit(options, at, rng):
    values, optimizer = metrics(rng), groups(lr_scheduler)
    mine = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    walked(optimizer, [mine], at, values)
    fresh = groups(lr_scheduler, rates=(0.7, 0.9))
    other = lr_scheduler.ReduceLROnPlateau(fresh)
    other.load_state_dict(json.loads(json.dumps(mine.state_dict(), allow_nan=False)))
    fresh.load_state_dict(optimizer.state_dict())
    expected = walked(optimizer, [mine], STEPS - at, values[at:])
    np.testing.assert_array_equal(walked(fresh, [other], STEPS - at, values[at:]), expected)


CHAINS = [
    (WARM_UP, make("ExponentialLR", gamma=0.95)),
    (WARM_UP, make("CosineAnnealingLR", T_max=40), make("MultiStepLR", milestones=[12])),
    (make("ConstantLR"), make("StepLR", step_size=6)),
]


@pytest.mark.torch
@pytest.mark.parametrize("chain", CHAINS)
def test_schedules_that_are_stepped_in_turn_multiply_as_in_pytorch(chain):
    import torch

    paths = []
    for package in (lr_scheduler, torch.optim.lr_scheduler):
        optimizer = groups(package)
        paths.append(walked(optimizer, [make(package, optimizer) for make in chain], STEPS))
    np.testing.assert_allclose(*paths, rtol=1e-12)


@pytest.mark.torch
def test_restarts_can_be_told_the_time_between_two_steps():
    import torch

    times, paths = [0.0, 0.5, 3.9, 4.0, 7.25, 12.0, 30.5, None, None], []
    for package in (lr_scheduler, torch.optim.lr_scheduler):
        optimizer = groups(package)
        schedule = package.CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=2)
        optimizer.step()
        path = []
        for time in times:
            schedule.step(time)
            path.append(schedule.get_last_lr())
        paths.append(path)
    np.testing.assert_allclose(*paths, rtol=1e-12)


@pytest.mark.parametrize("time", [0, 3, 8, 8.5, 23])
def test_without_growth_the_time_is_counted_from_the_last_restart(time):
    optimizer = groups(lr_scheduler, [1.0])
    schedule = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=4)
    schedule.step(time)
    assert optimizer.lr == pytest.approx((1 + math.cos(math.pi * (time % 4) / 4)) / 2, rel=1e-12)


class Resumed:
    """The package, its schedules made with the last_epoch of the middle."""

    def __getattr__(self, name):
        return functools.partial(getattr(lr_scheduler, name), last_epoch=MIDDLE - 1)


@EVERY
def test_last_epoch_goes_on_from_the_initial_rates(schedule):
    optimizer = groups(lr_scheduler)
    expected = walked(optimizer, [schedule(lr_scheduler, optimizer)], STEPS)[MIDDLE:]
    optimizer.lr = 7.0  # what is there now does not matter
    found = walked(optimizer, [schedule(Resumed(), optimizer)], STEPS - MIDDLE)
    np.testing.assert_array_equal(found, expected)


def test_a_rate_changed_by_hand_stays_changed():
    optimizer = groups(lr_scheduler, [1.0])
    schedule = lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    optimizer.lr = 0.3
    schedule.step()
    assert optimizer.lr == 0.3
    schedule.step()
    assert optimizer.lr == 0.15


def test_a_group_that_is_added_later_is_scheduled_from_then_on():
    optimizer = groups(lr_scheduler, [1.0])
    schedule = lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    schedule.step()
    optimizer.add_param_group({"params": [nn.Parameter([1.0])], "lr": 0.2})
    schedule.step()
    assert rates(optimizer) == [0.25, 0.1] and schedule.base_lrs == [1.0, 0.2]


def test_a_schedule_of_ones_own_may_define_get_lr_as_in_pytorch():
    class Halves(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base * 0.5**self.last_epoch for base in self.base_lrs]

    optimizer = groups(lr_scheduler, [1.0])
    np.testing.assert_array_equal(walked(optimizer, [Halves(optimizer)], 2), [[1], [0.5], [0.25]])
    with pytest.raises(NotImplementedError, match=r"define multiplier\(t\) or get_lr\(\)"):
        lr_scheduler.LRScheduler(optimizer)


def test_a_sequence_may_stand_in_a_sequence():
    def inner(package, optimizer):
        return sequence(WARM_UP, make("ExponentialLR", gamma=0.9), milestones=[4])(
            package, optimizer
        )

    alone = groups(lr_scheduler, [1.0])
    expected = walked(alone, [inner(lr_scheduler, alone)], 20)
    optimizer = groups(lr_scheduler, [1.0])
    outer = sequence(make("StepLR", step_size=2), inner, milestones=[5])
    found = walked(optimizer, [outer(lr_scheduler, optimizer)], 25)
    np.testing.assert_array_equal(found[5:], expected)


def test_numbers_of_numpy_become_pythons():
    optimizer = SGD([nn.Parameter([1.0])], lr=np.float32(0.5))
    schedule = lr_scheduler.LambdaLR(optimizer, lambda t: np.float32(0.5))
    step = lr_scheduler.StepLR(optimizer, np.int64(3), np.float32(0.5))
    assert type(optimizer.param_groups[0]["lr"]) is float
    json.dumps([schedule.state_dict(), step.state_dict(), optimizer.param_groups[0]["initial_lr"]])


def test_no_schedule_waits_for_the_device(backend):
    optimizer = groups(lr_scheduler)
    strict_cupy.synchronisations.reset()
    for schedule in SCHEDULES.values():
        walked(optimizer, [schedule(lr_scheduler, optimizer)], 3)
    assert strict_cupy.synchronisations.causes == []


def test_a_plateau_takes_a_tensor(backend):
    optimizer = groups(lr_scheduler, [1.0])
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    schedule.step(mt.tensor(1.0))
    schedule.step(mt.tensor(2.0))
    assert optimizer.lr == pytest.approx(0.1) and not schedule.in_cooldown


def test_a_schedule_trains(rng):
    p = nn.Parameter(rng.normal(size=3))
    optimizer = optim.SGD([p], lr=0.1)
    schedule = lr_scheduler.CosineAnnealingLR(optimizer, T_max=30)
    for _ in range(30):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
        schedule.step()
    assert optimizer.lr == 0.0 and float((p * p).sum()) < 1e-2


def test_what_is_told_and_saved_is_a_copy():
    optimizer = groups(lr_scheduler, [1.0])
    schedule = lr_scheduler.MultiStepLR(optimizer, [2, 4])
    schedule.get_last_lr().clear()
    schedule.state_dict()["milestones"].clear()
    state = schedule.state_dict()
    schedule.load_state_dict(state)
    state["milestones"].clear()
    assert schedule.milestones == [2, 4] and schedule.get_last_lr() == [1.0]


def test_the_repr_tells_the_options_and_the_step():
    schedule = lr_scheduler.StepLR(groups(lr_scheduler, [1.0]), step_size=2)
    assert repr(schedule) == "StepLR(step_size=2, gamma=0.1, base_lrs=[1.0], last_epoch=0)"
