"""Stochastic gradient descent."""

from collections.abc import Mapping
from typing import Any

from minitorch_rnn.optim.optimizer import Optimizer, Params


class SGD(Optimizer):
    """Against the gradient, with momentum if asked for, as in PyTorch.

        g ← g + weight_decay p
        v ← momentum v + (1 - dampening) g,   v = g at the first step
        p ← p - lr v,   or with nesterov   p ← p - lr (g + momentum v)

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        momentum: how much of the velocity v stays at every step; 0 keeps no v.
        dampening: how much of the gradient does not enter v.
        weight_decay: the weight of |p|²/2 in the loss.
        nesterov: look ahead along v; momentum is needed, and no dampening.
        maximize: go along the gradient instead.

    Raises:
        ValueError: if an option is below 0, or nesterov lacks its momentum.

    Source: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013,
    of which this form, lr outside of v, is a variant.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([1.0])
    >>> (p * p).sum().backward()
    >>> mt.optim.SGD([p], lr=0.25).step()
    >>> p.tolist()
    [0.5]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def check(self, group: Mapping[str, Any]) -> None:
        """Refuse numbers below 0, and nesterov without momentum or with dampening."""
        super().check(group)
        momentum, dampening = group["momentum"], group["dampening"]
        if group["nesterov"] and (not momentum or dampening):
            raise ValueError(
                f"SGD: nesterov with momentum {momentum} and dampening {dampening}; a momentum "
                "above 0 and a dampening of 0 are needed."
            )

    @staticmethod
    def update(p: Any, g: Any, state: dict[str, Any], group: Mapping[str, Any]) -> tuple[Any, Any]:
        """One step of one parameter; kept is v, as "momentum_buffer"."""
        lr, momentum = group["lr"], group["momentum"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        if not momentum:
            return p - lr * g, state
        v = state.get("momentum_buffer")
        v = g.copy() if v is None else momentum * v + (1 - group["dampening"]) * g
        return p - lr * (g + momentum * v if group["nesterov"] else v), {"momentum_buffer": v}
