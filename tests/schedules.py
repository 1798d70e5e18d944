"""Schedules of every kind, made for our optimisers or PyTorch's, and the rates they give."""

import math

import numpy as np

from minitorch_rnn import nn
from minitorch_rnn.optim import SGD, lr_scheduler

STEPS, MIDDLE = 60, 23


def make(name, **options):
    """What makes a schedule, out of a package with PyTorch's names, for an optimiser."""
    return lambda package, optimizer: getattr(package, name)(optimizer, **options)


def sequence(*parts, milestones):
    return lambda package, optimizer: package.SequentialLR(
        optimizer, [part(package, optimizer) for part in parts], milestones=milestones
    )


WARM_UP = make("LinearLR", start_factor=0.1, total_iters=10)
SCHEDULES = {
    "lambda": make("LambdaLR", lr_lambda=lambda t: 1 / (1 + t)),
    "lambdas": make("LambdaLR", lr_lambda=[lambda t: 0.9**t, lambda t: 1 + math.sin(t)]),
    "step": make("StepLR", step_size=7),
    "step-gamma": make("StepLR", step_size=1, gamma=0.8),
    "multi": make("MultiStepLR", milestones=[5, 17, 40]),
    "multi-twice": make("MultiStepLR", milestones=[40, 0, 5, 5], gamma=0.5),
    "constant": make("ConstantLR"),
    "constant-factor": make("ConstantLR", factor=0.25, total_iters=31),
    "linear": make("LinearLR"),
    "linear-down": make("LinearLR", start_factor=1.0, end_factor=0.2, total_iters=50),
    "linear-to-0": make("LinearLR", start_factor=0.5, end_factor=0.0, total_iters=20),
    "exponential": make("ExponentialLR", gamma=0.9),
    "exponential-up": make("ExponentialLR", gamma=1.05),
    "cosine": make("CosineAnnealingLR", T_max=50),
    "cosine-eta_min": make("CosineAnnealingLR", T_max=20, eta_min=0.003),
    "cosine-periods": make("CosineAnnealingLR", T_max=7, eta_min=0.001),
    "cosine-1": make("CosineAnnealingLR", T_max=1),
    "restarts": make("CosineAnnealingWarmRestarts", T_0=10),
    "restarts-longer": make("CosineAnnealingWarmRestarts", T_0=4, T_mult=2, eta_min=0.001),
    "warm-up, cosine": sequence(
        WARM_UP, make("CosineAnnealingLR", T_max=50, eta_min=1e-3), milestones=[10]
    ),
    "three": sequence(
        make("ConstantLR", factor=0.5),
        make("ExponentialLR", gamma=0.9),
        make("StepLR", step_size=4),
        milestones=[6, 30],
    ),
    "without the first": sequence(WARM_UP, make("MultiStepLR", milestones=[3, 9]), milestones=[0]),
    "restarts in a sequence": sequence(
        WARM_UP, make("CosineAnnealingWarmRestarts", T_0=6), milestones=[10]
    ),
}


def groups(package, rates=(0.1, 0.02)):
    """An SGD of ours or of PyTorch with a group for every rate, of one parameter each."""
    if package is lr_scheduler:
        return SGD([{"params": [nn.Parameter([1.0])], "lr": rate} for rate in rates])
    import torch

    return torch.optim.SGD(
        [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in rates]
    )


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def walked(optimizer, schedules, steps, metrics=None):
    """The rates of all groups, before and after every step."""
    path = [rates(optimizer)]
    for t in range(steps):
        optimizer.step()
        for schedule in schedules:
            schedule.step(*(() if metrics is None else (metrics[t],)))
        path.append(rates(optimizer))
    return np.array(path)
