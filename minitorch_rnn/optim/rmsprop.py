"""RMSprop."""

from collections.abc import Mapping
from typing import Any

from minitorch_rnn.backend import namespace
from minitorch_rnn.optim.optimizer import Optimizer, Params


class RMSprop(Optimizer):
    """The gradient, divided by the root of a running mean of its square.

        g ← g + weight_decay p
        s ← α s + (1-α) g²,   centered:   a ← α a + (1-α) g   and   q = s - a², else q = s
        v ← momentum v + g / (sqrt(q) + eps)
        p ← p - lr v

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        alpha: α, how much of the running means stays at every step.
        eps: keeps the quotient finite.
        weight_decay: the weight of |p|²/2 in the loss.
        momentum: how much of v stays at every step.
        centered: divide by an estimate of the variance instead.
        maximize: go along the gradient instead.

    Raises:
        ValueError: if an option is below 0.

    Source: Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012;
    centered: Graves, "Generating sequences with recurrent neural networks", 2013, equations 38-45.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([1.0, 1.0])
    >>> (p * mt.tensor([1e-3, 1e3])).sum().backward()
    >>> mt.optim.RMSprop([p], lr=0.01).step()
    >>> p.data.round(3)
    array([0.9, 0.9])
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
            "momentum": momentum, "centered": centered, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    @staticmethod
    def update(p: Any, g: Any, state: dict[str, Any], group: Mapping[str, Any]) -> tuple[Any, Any]:
        """One step of one parameter; kept are s, a and v, by PyTorch's names."""
        xp, alpha = namespace(p), group["alpha"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        q = s = alpha * state.get("square_avg", 0.0) + (1 - alpha) * (g * g)
        new = {"step": state.get("step", 0) + 1, "square_avg": s}
        if group["centered"]:
            a = new["grad_avg"] = alpha * state.get("grad_avg", 0.0) + (1 - alpha) * g
            q = s - a * a
        v = g / (xp.sqrt(q) + group["eps"])
        if group["momentum"]:
            v = new["momentum_buffer"] = group["momentum"] * state.get("momentum_buffer", 0.0) + v
        return p - group["lr"] * v, new
