"""Adagrad."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_rnn.backend import namespace
from minitorch_rnn.optim.optimizer import Optimizer, Params


class Adagrad(Optimizer):
    """The gradient, divided by the root of the sum of all its squares: rare features learn faster.

        g ← g + weight_decay p
        s ← s + g²,   s = initial_accumulator_value before the first step
        p ← p - lr / (1 + (n-1) lr_decay) · g / (sqrt(s) + eps)     at the n-th step

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        lr_decay: how fast the rate decays with the number of steps.
        weight_decay: the weight of |p|²/2 in the loss.
        initial_accumulator_value: where the sum starts.
        eps: keeps the quotient finite.
        maximize: go along the gradient instead.

    Raises:
        ValueError: if an option is below 0.

    Source: Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and
    stochastic optimization", JMLR 12, 2011.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([1.0, 1.0])
    >>> (p * mt.tensor([1e-3, 1e3])).sum().backward()
    >>> mt.optim.Adagrad([p], lr=0.1).step()
    >>> p.data.round(3)
    array([0.9, 0.9])
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "eps": eps,
            "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    @staticmethod
    def update(p: Any, g: Any, state: dict[str, Any], group: Mapping[str, Any]) -> tuple[Any, Any]:
        """One step of one parameter; kept are n and s, by PyTorch's names."""
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        n = state.get("step", 0) + 1
        s = state.get("sum", group["initial_accumulator_value"]) + g * g
        rate = group["lr"] / (1 + (n - 1) * group["lr_decay"])
        return p - rate * (g / (namespace(p).sqrt(s) + group["eps"])), {"step": n, "sum": s}

    def state_dict(self) -> dict[str, Any]:
        """As of every optimiser, with the sums that no step has changed yet: PyTorch needs them."""
        found = super().state_dict()
        groups = [group for group in self.param_groups for _ in group["params"]]
        for i, (p, group) in enumerate(zip(self.params, groups, strict=True)):
            start = np.full(p.shape, group["initial_accumulator_value"], p.dtype)
            found["state"].setdefault(i, {"step": 0, "sum": start})
        found["state"] = dict(sorted(found["state"].items()))
        return found
