"""LRScheduler: what all schedules share, which is to step, to tell the rates and to be saved."""

import copy
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from minitorch_rnn.errors import StateError
from minitorch_rnn.optim.optimizer import Optimizer


class LRScheduler:
    """Base of the schedules: define `multiplier(t)`, which is f(t), or `get_lr()`.

        lr(t) = eta_min + (lr(t-1) - eta_min) f(t) / f(t-1),   f(-1) = 1,

    hence lr(t) = eta_min + (initial_lr - eta_min) f(t), as long as nobody else changes the rate.
    A schedule moves the rate that it finds and not one that it remembers: several may be stepped
    in turn, and then multiply, and a rate that was changed by hand stays changed.

    The constructor takes step 0 and so may write rates; `step` is called after optimizer.step().

    Args:
        optimizer: whose groups it writes; each group's rate now is its "initial_lr", unless the
            group has one.
        last_epoch: t of the last step taken, -1 for none. From 0 on the rates become those of
            step last_epoch + 1, counted from "initial_lr".

    Attributes:
        last_epoch: t, the number of the current step.
        base_lrs: the "initial_lr" of every group.

    Raises:
        TypeError: if `optimizer` is none.
        ValueError: if an option cannot be used, or last_epoch is given and a group has no
            "initial_lr".

    >>> import minitorch_rnn as mt
    >>> class InverseRoot(mt.optim.lr_scheduler.LRScheduler):  # a schedule of one's own
    ...     def multiplier(self, t):
    ...         return (1 + t) ** -0.5
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=0.6)
    >>> schedule = InverseRoot(optimizer)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     schedule.step()
    >>> round(optimizer.lr, 12)
    0.3
    """

    eta_min: float = 0.0
    _unsaved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        self._whole("last_epoch", last_epoch, -1)
        if last_epoch >= 0:
            for i, group in enumerate(optimizer.param_groups):
                if "initial_lr" not in group:
                    raise ValueError(
                        f"{type(self).__name__}: last_epoch is {last_epoch}, but group {i} has no "
                        "'initial_lr' to count from. Load the optimiser's state_dict first."
                    )
                group["lr"] = group["initial_lr"]
        self.base_lrs: list[float] = []
        self.last_epoch = -1
        for _ in range(last_epoch + 2):
            self.step()

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: got a {type(optimizer).__name__}; an optimiser is needed."
            )
        self.optimizer = optimizer

    def _whole(self, option: str, value: Any, least: int) -> int:
        """An option as Python's int, refused if it is no whole number or too small."""
        if not isinstance(value, Integral) or value < least:
            raise ValueError(
                f"{type(self).__name__}: {option} is {value!r}; a whole number of at least {least} "
                "is needed."
            )
        return int(value)

    def _between(self, option: str, value: float, least: float, most: float) -> float:
        """An option as Python's float, refused if it is outside of least … most, or nan."""
        if not least <= value <= most:
            bound = f"at least {least}" if most == float("inf") else f"{least} … {most}"
            raise ValueError(f"{type(self).__name__}: {option} is {value}; {bound} is needed.")
        return float(value)

    def multiplier(self, t: int) -> float:
        """f(t): what step t makes of the initial rate."""
        raise NotImplementedError(f"{type(self).__name__}: define multiplier(t) or get_lr().")

    def get_lr(self) -> list[float]:
        """The rate of every group at step `last_epoch`, from the rate that it has now."""
        t = self.last_epoch
        before, now = (self.multiplier(t - 1) if t else 1.0), self.multiplier(t)
        rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        if now == before:
            return rates
        if before == 0:  # the rate has come down to eta_min and forgotten where from
            bases = zip(rates, self.base_lrs, strict=True)
            return [lr + (base - self.eta_min) * now for lr, base in bases]
        return [self.eta_min + (lr - self.eta_min) * (now / before) for lr in rates]

    def step(self) -> None:
        """Go on to the next step and write its rates into the groups."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:  # at first, all
            self.base_lrs.append(float(group.setdefault("initial_lr", group["lr"])))
        self.last_epoch += 1
        self._write(self.get_lr())

    def _write(self, rates: list[float]) -> None:
        self._last_lr = [float(rate) for rate in rates]  # JSON knows no NumPy scalar
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def _restart(self) -> None:
        """Take step 0 once more, from the initial rates."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base
        self.last_epoch = -1
        self.step()

    def get_last_lr(self) -> list[float]:
        """The rate of every group as the last step wrote it."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the next step depends on: numbers, strings and lists, fit for JSON.

        The rates themselves are the optimiser's, and in its state_dict.
        """
        return {k: copy.deepcopy(v) for k, v in vars(self).items() if k not in self._unsaved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another schedule of this kind stood; load the optimiser's state too.

        Raises:
            StateError: if it is that of another kind, or of another number of groups; nothing is
                changed.
        """
        self._judge(state_dict)
        self._take(state_dict)

    def _judge(self, state: Mapping[str, Any]) -> None:
        own = {k for k in vars(self) if k not in self._unsaved}
        if own != set(state):
            raise StateError(
                f"{type(self).__name__}: the state_dict does not fit. It has {sorted(state)}, "
                f"needed are {sorted(own)}."
            )
        n, groups = len(state["_last_lr"]), len(self.optimizer.param_groups)
        if n != groups:
            raise StateError(
                f"{type(self).__name__}: the state_dict is of {n} parameter groups, the optimiser "
                f"has {groups}."
            )

    def _take(self, state: Mapping[str, Any]) -> None:
        vars(self).update({k: copy.deepcopy(v) for k, v in state.items() if k not in self._unsaved})

    def __repr__(self) -> str:
        shown = {k: v for k, v in vars(self).items() if k[0] != "_" and k != "optimizer"}
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in shown.items())})"
