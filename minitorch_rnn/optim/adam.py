"""Adam, and AdamW, whose weight decay keeps out of the moments."""

from collections.abc import Mapping
from typing import Any

from minitorch_rnn.backend import namespace
from minitorch_rnn.optim.optimizer import Optimizer, Params


class Adam(Optimizer):
    """Steps of about lr in every direction, whatever the scale of its gradient.

        g ← g + weight_decay p,   or decoupled   p ← p - lr weight_decay p
        m ← β1 m + (1-β1) g,   v ← β2 v + (1-β2) g²,   with amsgrad   u ← max(u, v), else u = v
        p ← p - lr (m / (1-β1^n)) / (sqrt(u / (1-β2^n)) + eps)     at the n-th step

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        betas: β1 and β2, how much of the moments m and v stays at every step.
        eps: keeps the quotient finite.
        weight_decay: the weight of |p|²/2 in the loss, or the rate of the decoupled decay.
        amsgrad: divide by the largest v so far.
        maximize: go along the gradient instead.
        decoupled_weight_decay: what makes an AdamW of it.

    Raises:
        ValueError: if an option is below 0, or one of the betas not below 1.

    Source: Kingma and Ba, "Adam", ICLR 2015, algorithm 1; amsgrad: Reddi, Kale and Kumar, "On the
    convergence of Adam and beyond", ICLR 2018, with the bias correction that PyTorch keeps.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([1.0, 1.0])
    >>> (p * mt.tensor([1e-3, 1e3])).sum().backward()
    >>> mt.optim.Adam([p], lr=0.1).step()
    >>> p.data.round(3)
    array([0.9, 0.9])
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, defaults)

    def check(self, group: Mapping[str, Any]) -> None:
        """Refuse numbers below 0, and betas that are not two numbers below 1."""
        super().check(group)
        betas = group["betas"]
        if not (isinstance(betas, tuple) and len(betas) == 2 and max(betas) < 1):
            name = type(self).__name__
            raise ValueError(
                f"{name}: betas are {betas}; two numbers from 0 to below 1 are needed."
            )

    @staticmethod
    def update(p: Any, g: Any, state: dict[str, Any], group: Mapping[str, Any]) -> tuple[Any, Any]:
        """One step of one parameter; kept are n, m, v and with amsgrad u, by PyTorch's names."""
        xp, lr, (beta1, beta2) = namespace(p), group["lr"], group["betas"]
        if group["weight_decay"]:
            if group["decoupled_weight_decay"]:
                p = p * (1 - lr * group["weight_decay"])
            else:
                g = g + group["weight_decay"] * p
        n = state.get("step", 0) + 1
        m = beta1 * state.get("exp_avg", 0.0) + (1 - beta1) * g
        u = v = beta2 * state.get("exp_avg_sq", 0.0) + (1 - beta2) * (g * g)
        new = {"step": n, "exp_avg": m, "exp_avg_sq": v}
        if group["amsgrad"]:
            u = new["max_exp_avg_sq"] = xp.maximum(state.get("max_exp_avg_sq", 0.0), v)
        scale = xp.sqrt(u) / (1 - beta2**n) ** 0.5 + group["eps"]
        return p - lr / (1 - beta1**n) * (m / scale), new


class AdamW(Adam):
    """Adam with decoupled weight decay: p shrinks by lr weight_decay, whatever its gradients were.

    The equations and the options are those of `Adam`; weight_decay is 0.01 unless given.

    Source: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([1.0])
    >>> p.grad = mt.zeros(1)
    >>> mt.optim.AdamW([p], lr=0.5, weight_decay=0.1).step()
    >>> p.tolist()
    [0.95]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad,
            maximize=maximize, decoupled_weight_decay=True,
        )  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As of every optimiser; what Adam saved, too, goes on with a decoupled decay."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
