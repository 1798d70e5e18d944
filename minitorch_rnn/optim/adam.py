"""Adam."""

from collections.abc import Iterable
from typing import Any

from minitorch_rnn.engine import Tensor
from minitorch_rnn.optim.optimizer import Optimizer


class Adam(Optimizer):
    """Steps of about lr in every direction, whatever the scale of its gradient.

        m ← β1 m + (1-β1) g,  v ← β2 v + (1-β2) g²
        p ← p - lr (m / (1-β1^n)) / (sqrt(v / (1-β2^n)) + eps)     at the n-th step

    Source: Kingma and Ba, "Adam", ICLR 2015, algorithm 1.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, lr)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"Adam: betas are {betas}; each must be at least 0 and below 1.")
        self.betas, self.eps = betas, eps
        self._moments: dict[int, tuple[int, Any, Any]] = {}

    def _new_value(self, i: int, p: Any, g: Any) -> Any:
        beta1, beta2 = self.betas
        n, m, v = self._moments.get(i, (0, 0, 0))
        n, m, v = n + 1, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * (g * g)
        self._moments[i] = n, m, v
        scale = (v / (1 - beta2**n)) ** 0.5 + self.eps
        return p - self.lr / (1 - beta1**n) * (m / scale)
