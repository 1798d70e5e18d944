"""Optimizer: what all of them share, a list of parameters and a step."""

from collections.abc import Iterable
from typing import Any

from minitorch_rnn.engine import Tensor


class Optimizer:
    """Base of the optimisers: define `_new_value(i, p, g)`, on plain arrays."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = list({id(p): p for p in params}.values())
        name = type(self).__name__
        if not self.params:
            raise ValueError(f"{name}: got 0 parameters; pass module.parameters().")
        for i, p in enumerate(self.params):
            if not (isinstance(p, Tensor) and p.is_leaf and p.requires_grad):
                raise ValueError(f"{name}: parameter {i} is not a leaf that requires a gradient.")
        if not lr >= 0:
            raise ValueError(f"{name}: lr is {lr}; a rate of at least 0 is needed.")
        self.lr = lr

    def zero_grad(self) -> None:
        """Set every parameter's `.grad` to None."""
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for i, p in enumerate(self.params):
            if p.grad is not None:
                p.update_(self._new_value(i, p.data, p.grad.data))

    def _new_value(self, i: int, p: Any, g: Any) -> Any:
        raise NotImplementedError
