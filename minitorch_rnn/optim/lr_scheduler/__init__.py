"""Schedules of the learning rate, with PyTorch's names and rates."""

from minitorch_rnn.optim.lr_scheduler.plateau import ReduceLROnPlateau
from minitorch_rnn.optim.lr_scheduler.scheduler import LRScheduler
from minitorch_rnn.optim.lr_scheduler.sequential import SequentialLR
from minitorch_rnn.optim.lr_scheduler.shapes import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    StepLR,
)
from minitorch_rnn.optim.lr_scheduler.warm_restarts import CosineAnnealingWarmRestarts

__all__ = [
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR",
    "LRScheduler", "LambdaLR", "LinearLR", "MultiStepLR", "ReduceLROnPlateau", "SequentialLR",
    "StepLR",
]  # fmt: skip
