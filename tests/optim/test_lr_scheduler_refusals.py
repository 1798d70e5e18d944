"""What schedules refuse: options, optimisers, and states that are not theirs."""

import math

import pytest
from schedules import SCHEDULES, groups, make, rates

from minitorch_rnn import nn
from minitorch_rnn.errors import StateError
from minitorch_rnn.optim import lr_scheduler

REFUSED = [
    pytest.param("StepLR", {"step_size": 0}, "StepLR: step_size is 0; a whole", id="step_size"),
    pytest.param("StepLR", {"step_size": 2.5}, "step_size is 2.5; a whole", id="fraction"),
    pytest.param("StepLR", {"step_size": 2, "gamma": -1}, "gamma is -1; at least 0", id="gamma"),
    pytest.param("ExponentialLR", {"gamma": math.nan}, "gamma is nan", id="nan"),
    pytest.param("MultiStepLR", {"milestones": [3, -1]}, "milestone is -1", id="milestone"),
    pytest.param("ConstantLR", {"factor": 1.5}, r"factor is 1.5; 0 … 1 is needed", id="factor"),
    pytest.param("ConstantLR", {"total_iters": 0}, "total_iters is 0", id="constant iters"),
    pytest.param("LinearLR", {"start_factor": 0}, "start_factor is 0; above 0", id="start"),
    pytest.param("LinearLR", {"end_factor": 2}, "end_factor is 2", id="end"),
    pytest.param("LinearLR", {"total_iters": 0}, "total_iters is 0", id="linear iters"),
    pytest.param("CosineAnnealingLR", {"T_max": 0}, "T_max is 0", id="T_max"),
    pytest.param("CosineAnnealingLR", {"T_max": 2, "eta_min": -1}, "eta_min is -1", id="eta_min"),
    pytest.param("CosineAnnealingWarmRestarts", {"T_0": 0}, "T_0 is 0", id="T_0"),
    pytest.param("CosineAnnealingWarmRestarts", {"T_0": 1, "T_mult": 0}, "T_mult is 0", id="mult"),
    pytest.param("ExponentialLR", {"gamma": 0.5, "last_epoch": -2}, "last_epoch is -2", id="past"),
    pytest.param(
        "ExponentialLR", {"gamma": 0.5, "last_epoch": 3}, "group 0 has no 'initial_lr'", id="fresh"
    ),
    pytest.param(
        "LambdaLR", {"lr_lambda": [math.cos]}, "got 1 functions for 2 parameter groups", id="lambda"
    ),
    pytest.param("ReduceLROnPlateau", {"mode": "least"}, "mode is 'least'; known", id="mode"),
    pytest.param("ReduceLROnPlateau", {"threshold_mode": "x"}, "threshold_mode is 'x'", id="rel"),
    pytest.param("ReduceLROnPlateau", {"factor": 1.0}, "factor is 1.0; .*below 1", id="no change"),
    pytest.param("ReduceLROnPlateau", {"patience": -1}, "patience is -1", id="patience"),
    pytest.param("ReduceLROnPlateau", {"cooldown": -1}, "cooldown is -1", id="cooldown"),
    pytest.param("ReduceLROnPlateau", {"min_lr": [0.1]}, "min_lr has 1 entries for 2", id="min_lr"),
    pytest.param(
        "SequentialLR", {"schedulers": [], "milestones": []}, "0 schedules and 0", id="empty"
    ),
]


@pytest.mark.parametrize("name, options, message", REFUSED)
def test_what_a_schedule_cannot_use_is_refused_before_a_rate_changes(name, options, message):
    optimizer = groups(lr_scheduler)
    with pytest.raises(ValueError, match=message):
        getattr(lr_scheduler, name)(optimizer, **options)
    assert rates(optimizer) == [0.1, 0.02]


def test_a_time_before_the_start_is_refused():
    schedule = lr_scheduler.CosineAnnealingWarmRestarts(groups(lr_scheduler), T_0=3)
    with pytest.raises(ValueError, match="epoch is -1; at least 0"):
        schedule.step(-1)


@pytest.mark.parametrize("name, options", [("StepLR", {"step_size": 1}), ("ReduceLROnPlateau", {})])
def test_only_an_optimizer_is_scheduled(name, options):
    with pytest.raises(TypeError, match=f"{name}: got a Linear; an optimiser is needed"):
        getattr(lr_scheduler, name)(nn.Linear(2, 2), **options)


def test_a_sequence_refuses_what_it_cannot_step():
    optimizer, other = groups(lr_scheduler), groups(lr_scheduler)
    step = lr_scheduler.StepLR(optimizer, step_size=2)
    for schedules, milestones, message in [
        ([step, lr_scheduler.ReduceLROnPlateau(optimizer)], [2], "schedule 1 is a Reduce"),
        ([step, lr_scheduler.StepLR(other, step_size=2)], [2], "1 belongs to another optimiser"),
        ([step, step], [], "got 2 schedules and 0 milestones"),
        ([step, step, step], [5, 2], r"milestones \[5, 2\] are not in order"),
        ([step, step], [-1], "a milestone is -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            lr_scheduler.SequentialLR(optimizer, schedules, milestones)
    with pytest.raises(TypeError, match="entry 1 is a SGD; give schedules"):
        lr_scheduler.SequentialLR(optimizer, [step, optimizer], [2])


@pytest.mark.parametrize(
    "mine, state, message",
    [
        pytest.param(
            make("StepLR", step_size=2), {"gamma": 0.5}, r"has \['gamma'\], needed are", id="names"
        ),
        pytest.param(
            make("StepLR", step_size=2),
            SCHEDULES["cosine"],
            "StepLR: the state_dict does not fit",
            id="kind",
        ),
        pytest.param(
            make("ExponentialLR", gamma=0.5),
            lambda package, _: package.ExponentialLR(groups(package, [1.0]), gamma=0.5),
            "is of 1 parameter groups, the optimiser has 2",
            id="groups",
        ),
        pytest.param(
            SCHEDULES["three"], SCHEDULES["warm-up, cosine"], "2 schedules, this one has 3", id="n"
        ),
        pytest.param(
            SCHEDULES["restarts in a sequence"],
            SCHEDULES["warm-up, cosine"],
            "CosineAnnealingWarmRestarts: the state_dict does not fit",
            id="part",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(mine, state, message):
    optimizer = groups(lr_scheduler)
    schedule = mine(lr_scheduler, optimizer)
    schedule.step()
    if callable(state):
        state = state(lr_scheduler, groups(lr_scheduler)).state_dict()
    before = schedule.state_dict()
    with pytest.raises(StateError, match=message):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before
