"""Optimizer: what all of them share, a list of parameters and a step."""

from collections.abc import Iterable
from typing import Any

from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import ShapeError


class Optimizer:
    """Base of the optimisers: define `_new_value(i, p, g)`, on plain arrays.

    Parameters are passed over while they require no gradient.
    """

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        name = type(self).__name__
        self.params: list[Tensor] = []
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: entry {i} is a {type(p).__name__}; tensors are needed.")
            if not p.is_leaf:
                raise ValueError(f"{name}: parameter {i} is not a leaf; it was computed.")
            if not any(p is q for q in self.params):
                self.params.append(p)
        if not any(p.requires_grad for p in self.params):
            raise ValueError(f"{name}: got 0 parameters to train; pass module.parameters().")
        if not lr >= 0:
            raise ValueError(f"{name}: lr is {lr}; a rate of at least 0 is needed.")
        self.lr = lr

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set every parameter's `.grad` to None, or to zeros."""
        for p in self.params:
            p.grad = None if set_to_none or p.grad is None else p.grad * 0.0

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for i, p in enumerate(self.params):
            if p.requires_grad and p.grad is not None:
                if not isinstance(p.grad, Tensor) or p.grad.shape != p.shape:
                    raise ShapeError(
                        f"{type(self).__name__}: parameter {i} has shape {p.shape}, its grad is a "
                        f"{type(p.grad).__name__} of shape {p.grad.shape}; a Tensor of the "
                        "parameter's shape is needed."
                    )
                p.update_(self._new_value(i, p.data, p.grad.data))

    def _new_value(self, i: int, p: Any, g: Any) -> Any:
        raise NotImplementedError
