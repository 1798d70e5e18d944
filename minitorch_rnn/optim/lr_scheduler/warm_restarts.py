"""CosineAnnealingWarmRestarts: cosines, one after the other, each perhaps longer."""

import math

from minitorch_rnn.optim.lr_scheduler.scheduler import LRScheduler
from minitorch_rnn.optim.optimizer import Optimizer


class CosineAnnealingWarmRestarts(LRScheduler):
    """Down to eta_min along half a cosine, and again from the initial rate.

        lr = eta_min + (initial_lr - eta_min) (1 + cos(π T_cur / T_i)) / 2

    with T_cur the steps since the last restart, and T_i those of this round: T_0, then T_mult
    times as many in every round. The rates now do not enter.

    Args:
        optimizer: whose groups it writes.
        T_0: steps of the first round.
        T_mult: how much longer every round is.
        eta_min: the lowest rate.
        last_epoch: see `LRScheduler`.

    Source: Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts", ICLR
    2017, equation 5.

    >>> import minitorch_rnn as mt
    >>> optimizer = mt.optim.SGD([mt.nn.Parameter([1.0])], lr=1.0)
    >>> schedule = mt.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
    >>> rates = [optimizer.lr]
    >>> for _ in range(6):
    ...     schedule.step()
    ...     rates.append(round(optimizer.lr, 3))
    >>> rates
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self.T_0 = self.T_i = self._whole("T_0", T_0, 1)
        self.T_mult = self._whole("T_mult", T_mult, 1)
        self.eta_min = self._between("eta_min", eta_min, 0, math.inf)
        self.T_cur: float = -1
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at T_cur, from the initial ones."""
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next step, or to the time `epoch`, which may lie between two of them.

        Raises:
            ValueError: if `epoch` is below 0.
        """
        if epoch is None:
            self.T_cur = self.T_cur + 1 if self.last_epoch >= 0 else 0
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
        else:
            self.T_cur, self.T_i = self._between("epoch", epoch, 0, math.inf), self.T_0
            if self.T_mult == 1:
                self.T_cur %= self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
            self.last_epoch = math.floor(epoch) - 1
        super().step()
