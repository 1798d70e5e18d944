"""ReduceLROnPlateau: the only schedule that looks at how training goes."""

import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

from minitorch_rnn.optim.lr_scheduler.scheduler import LRScheduler
from minitorch_rnn.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rates by `factor` when the metric has not improved for `patience` steps.

    A metric m is better than the best b so far if m < b (1 - threshold), with threshold_mode "abs"
    if m < b - threshold; with mode "max" if m > b (1 + threshold) or m > b + threshold.

    Args:
        optimizer: whose groups it writes.
        mode: "min" or "max", which way is better.
        factor: below 1.
        patience: so many steps without improvement are allowed; the next one reduces.
        threshold: how much better counts as better.
        threshold_mode: "rel" or "abs".
        cooldown: for so many steps after a reduction none is counted.
        min_lr: the lowest rate, or a list of one for each group.
        eps: a reduction by not more than this is left out.

    Raises:
        TypeError: if `optimizer` is none.
        ValueError: if an option cannot be used, or the lowest rates are not as many as the groups.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> rates = []
    >>> for loss in [3.0, 2.0, 2.0, 2.0, 2.0]:
    ...     schedule.step(loss)
    ...     rates.append(optimizer.lr)
    >>> rates
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self._attach(optimizer)
        for option, value, known in [
            ("mode", mode, ("min", "max")),
            ("threshold_mode", threshold_mode, ("rel", "abs")),
        ]:
            if value not in known:
                raise ValueError(
                    f"ReduceLROnPlateau: {option} is {value!r}; known are {known[0]!r} and "
                    f"{known[1]!r}."
                )
        if not 0 <= factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}; from 0 to below 1 is needed.")
        self.mode, self.factor = mode, float(factor)
        self.patience = self._whole("patience", patience, 0)
        self.threshold, self.threshold_mode = float(threshold), threshold_mode
        self.cooldown = self._whole("cooldown", cooldown, 0)
        self.min_lr: float | list[float] = (
            [float(lr) for lr in min_lr] if isinstance(min_lr, list | tuple) else float(min_lr)
        )
        self.eps = float(eps)
        self._lowest()
        self.last_epoch = 0
        self.best = self._worst
        self.num_bad_epochs = self.cooldown_counter = 0
        self._write([group["lr"] for group in optimizer.param_groups])

    @property
    def _worst(self) -> float:
        return math.inf if self.mode == "min" else -math.inf

    @property
    def in_cooldown(self) -> bool:
        """Whether the last reduction is so recent that nothing is counted."""
        return self.cooldown_counter > 0

    def _lowest(self) -> list[float]:
        n = len(self.optimizer.param_groups)
        lowest = self.min_lr if isinstance(self.min_lr, list) else [self.min_lr] * n
        if len(lowest) != n:
            raise ValueError(
                f"ReduceLROnPlateau: min_lr has {len(lowest)} entries for {n} parameter groups."
            )
        return lowest

    def _better(self, metric: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            bound = self.best * (1 + sign * self.threshold)
        else:
            bound = self.best + sign * self.threshold
        return metric > bound if self.mode == "max" else metric < bound

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]
        """Look at the metric, such as a validation loss, and reduce the rates if it is time to.

        A metric on a device is waited for.
        """
        metric = float(metrics)
        self.last_epoch += 1
        if self._better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for i, lowest in enumerate(self._lowest()):
                reduced = max(rates[i] * self.factor, lowest)
                rates[i] = reduced if rates[i] - reduced > self.eps else rates[i]
        self._write(rates)

    def state_dict(self) -> dict[str, Any]:
        """As of every schedule; before the first metric "best" is None, JSON having no infinity."""
        state = super().state_dict()
        return state | {"best": None if self.best == self._worst else self.best}

    def _take(self, state: Mapping[str, Any]) -> None:
        super()._take(state)
        self.best = self._worst if state["best"] is None else state["best"]
