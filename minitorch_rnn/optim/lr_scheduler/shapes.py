"""Schedules that are one formula: steps, lines, exponentials, half a cosine, or the user's own."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable

from minitorch_rnn.optim.lr_scheduler.scheduler import LRScheduler
from minitorch_rnn.optim.optimizer import Optimizer


class LambdaLR(LRScheduler):
    """lr(t) = initial_lr f(t), with f any function, such as the warm-up of a transformer.

    Args:
        optimizer: whose groups it writes.
        lr_lambda: f, or a list of one for each group. Functions are not saved with the state.
        last_epoch: see `LRScheduler`.

    Raises:
        ValueError: if there are more or fewer functions than groups.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=0.5)
    >>> schedule = mt.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    _unsaved = ("optimizer", "lr_lambdas")

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        n = len(optimizer.param_groups)
        self.lr_lambdas = (
            list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * n
        )
        if len(self.lr_lambdas) != n:
            raise ValueError(
                f"LambdaLR: got {len(self.lr_lambdas)} functions for {n} parameter groups."
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The initial rates times f(t), whatever the rates are now."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * f(self.last_epoch) for base, f in pairs]


class StepLR(LRScheduler):
    """f(t) = gamma^⌊t / step_size⌋: the rate falls by gamma every `step_size` steps.

    Args:
        optimizer: whose groups it writes.
        step_size: how many steps a rate stays.
        gamma: what it is multiplied with then.
        last_epoch: see `LRScheduler`.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> rates = [optimizer.lr]
    >>> for _ in range(4):
    ...     schedule.step()
    ...     rates.append(optimizer.lr)
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = self._whole("step_size", step_size, 1)
        self.gamma = self._between("gamma", gamma, 0, math.inf)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, t: int) -> float:
        """gamma^⌊t / step_size⌋."""
        return self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """f(t) = gamma^(number of milestones ≤ t): the rate falls by gamma at every milestone.

    Args:
        optimizer: whose groups it writes.
        milestones: steps, in any order; one that is there twice counts twice.
        gamma: what the rate is multiplied with.
        last_epoch: see `LRScheduler`.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3], gamma=0.5)
    >>> rates = [optimizer.lr]
    >>> for _ in range(4):
    ...     schedule.step()
    ...     rates.append(optimizer.lr)
    >>> rates
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(self._whole("a milestone", t, 0) for t in milestones)
        self.gamma = self._between("gamma", gamma, 0, math.inf)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, t: int) -> float:
        """gamma^(number of milestones ≤ t)."""
        return self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(LRScheduler):
    """f(t) = factor before step `total_iters`, and 1 from there on.

    Args:
        optimizer: whose groups it writes.
        factor: from 0 to 1.
        total_iters: how many steps it holds.
        last_epoch: see `LRScheduler`.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> rates = [optimizer.lr]
    >>> for _ in range(3):
    ...     schedule.step()
    ...     rates.append(optimizer.lr)
    >>> rates
    [0.5, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.factor = self._between("factor", factor, 0, 1)
        self.total_iters = self._whole("total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, t: int) -> float:
        """Factor, or 1."""
        return self.factor if t < self.total_iters else 1.0


class LinearLR(LRScheduler):
    """f(t) goes in a straight line from start_factor to end_factor, and stays: a warm-up.

        f(t) = start_factor + (end_factor - start_factor) min(t / total_iters, 1)

    Args:
        optimizer: whose groups it writes.
        start_factor: above 0, up to 1.
        end_factor: from 0 to 1.
        total_iters: how many steps the way takes.
        last_epoch: see `LRScheduler`.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> rates = [optimizer.lr]
    >>> for _ in range(4):
    ...     schedule.step()
    ...     rates.append(optimizer.lr)
    >>> rates
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor is {start_factor}; above 0 and at most 1 is needed."
            )
        self.start_factor = float(start_factor)
        self.end_factor = self._between("end_factor", end_factor, 0, 1)
        self.total_iters = self._whole("total_iters", total_iters, 1)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, t: int) -> float:
        """The point of the line at t."""
        way = min(t, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * way


class ExponentialLR(LRScheduler):
    """f(t) = gamma^t.

    Args:
        optimizer: whose groups it writes.
        gamma: what the rate is multiplied with at every step.
        last_epoch: see `LRScheduler`.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule.step()
    >>> schedule.step()
    >>> optimizer.lr
    0.25
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = self._between("gamma", gamma, 0, math.inf)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, t: int) -> float:
        """gamma^t."""
        return self.gamma**t


class CosineAnnealingLR(LRScheduler):
    """f(t) = (1 + cos(π t / T_max)) / 2: down to eta_min in `T_max` steps, and up again.

    Args:
        optimizer: whose groups it writes.
        T_max: how many steps the way down takes.
        eta_min: the lowest rate.
        last_epoch: see `LRScheduler`.

    Source: Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts", ICLR
    2017, without the restarts.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4, eta_min=0.2)
    >>> rates = [optimizer.lr]
    >>> for _ in range(5):
    ...     schedule.step()
    ...     rates.append(round(optimizer.lr, 3))
    >>> rates
    [1.0, 0.883, 0.6, 0.317, 0.2, 0.317]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = self._whole("T_max", T_max, 1)
        self.eta_min = self._between("eta_min", eta_min, 0, math.inf)
        super().__init__(optimizer, last_epoch)

    def multiplier(self, t: int) -> float:
        """(1 + cos(π t / T_max)) / 2."""
        return (1 + math.cos(math.pi * t / self.T_max)) / 2
