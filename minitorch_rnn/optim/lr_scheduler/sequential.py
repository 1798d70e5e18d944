"""SequentialLR: one schedule after the other."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from minitorch_rnn.errors import StateError
from minitorch_rnn.optim.lr_scheduler.plateau import ReduceLROnPlateau
from minitorch_rnn.optim.lr_scheduler.scheduler import LRScheduler
from minitorch_rnn.optim.optimizer import Optimizer


class SequentialLR(LRScheduler):
    """One schedule until the first milestone, there the next from its step 0, and so on.

    Each of them starts from the initial rates.

    Args:
        optimizer: whose groups they write.
        schedulers: the schedules, made for the same optimiser.
        milestones: the steps at which the second and all further ones begin, in order.
        last_epoch: see `LRScheduler`.

    Raises:
        TypeError: if a schedule is none.
        ValueError: if a schedule wants a metric or belongs to another optimiser, or the milestones
            are not in order or not one fewer than the schedules.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> warm_up = mt.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> cosine = mt.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    >>> schedule = mt.optim.lr_scheduler.SequentialLR(optimizer, [warm_up, cosine], [2])
    >>> rates = [optimizer.lr]
    >>> for _ in range(6):
    ...     schedule.step()
    ...     rates.append(round(optimizer.lr, 3))
    >>> rates
    [0.5, 0.75, 1.0, 0.854, 0.5, 0.146, 0.0]
    """

    _unsaved = ("optimizer", "_schedulers")

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self._whole("last_epoch", last_epoch, -1)
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self._check()
        self._restart()
        for _ in range(last_epoch + 1):
            self.step()

    def _check(self) -> None:
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(
                    f"SequentialLR: entry {i} is a {type(scheduler).__name__}; give schedules."
                )
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"SequentialLR: schedule {i} is a ReduceLROnPlateau, which wants a metric at "
                    "every step. Step it beside this one."
                )
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(f"SequentialLR: schedule {i} belongs to another optimiser.")
        n, m = len(self._schedulers), len(self._milestones)
        if not n or m != n - 1:
            raise ValueError(
                f"SequentialLR: got {n} schedules and {m} milestones; at least one schedule is "
                "needed, and a milestone for each but the first."
            )
        self._milestones = [self._whole("a milestone", t, 0) for t in self._milestones]
        if self._milestones != sorted(self._milestones):
            raise ValueError(f"SequentialLR: the milestones {self._milestones} are not in order.")

    def _at(self, t: int) -> LRScheduler:
        return self._schedulers[bisect_right(self._milestones, t)]

    def _restart(self) -> None:
        self.last_epoch = 0
        self._at(0)._restart()
        self._last_lr = self._at(0).get_last_lr()

    def step(self) -> None:
        """Go on to the next step: of the current schedule, or to the first of the next one."""
        self.last_epoch += 1
        scheduler = self._at(self.last_epoch)
        if self.last_epoch in self._milestones:
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """As of every schedule, with the states of the single ones."""
        single = [scheduler.state_dict() for scheduler in self._schedulers]
        return super().state_dict() | {"_schedulers": single}

    def _judge(self, state: Mapping[str, Any]) -> None:
        single = state.get("_schedulers", [])
        super()._judge({k: v for k, v in state.items() if k != "_schedulers"})
        if len(single) != len(self._schedulers):
            raise StateError(
                f"SequentialLR: the state_dict is of {len(single)} schedules, "
                f"this one has {len(self._schedulers)}."
            )
        for scheduler, its in zip(self._schedulers, single, strict=True):
            scheduler._judge(its)

    def _take(self, state: Mapping[str, Any]) -> None:
        super()._take(state)
        for scheduler, its in zip(self._schedulers, state["_schedulers"], strict=True):
            scheduler._take(its)
