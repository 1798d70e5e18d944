"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from minitorch_rnn.engine import Tensor
from minitorch_rnn.optim.optimizer import Optimizer


class SGD(Optimizer):
    """p ← p - lr v, with v ← momentum v + g (and v = g at the first step), as in PyTorch.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([1.0])
    >>> (p * p).sum().backward()
    >>> mt.optim.SGD([p], lr=0.25).step()
    >>> p.tolist()
    [0.5]
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.0) -> None:
        super().__init__(params, lr)
        if not 0 <= momentum < 1:
            raise ValueError(f"SGD: momentum is {momentum}; at least 0 and below 1 is needed.")
        self.momentum = momentum
        self._velocity: dict[int, Any] = {}

    def _new_value(self, i: int, p: Any, g: Any) -> Any:
        if self.momentum:
            g = self._velocity[i] = (
                self.momentum * self._velocity[i] if i in self._velocity else 0
            ) + g
        return p - self.lr * g
