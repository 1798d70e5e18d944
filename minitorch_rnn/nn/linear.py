"""Linear: the affine map."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import init
from minitorch_rnn.nn.module import Module, as_input


class Linear(Module):
    """y = x Wᵀ + b over the last axis.

    Args:
        in_features: I.
        out_features: O.
        bias: whether there is a b.
        dtype: of the parameters; None is the default dtype.
        rng: draws the initial values; None is the default generator.

    Attributes:
        weight: W, (O, I), from U(-1/sqrt(I), 1/sqrt(I)) as in PyTorch.
        bias: b, (O,), likewise; None without bias.

    Raises:
        ShapeError: if the last axis of x is not I.
        DTypeError: if x has another dtype than the parameters.

    >>> from minitorch_rnn import nn, ones
    >>> nn.Linear(3, 2)(ones(5, 3)).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(max(in_features, 1))
        self.weight = init.uniform(out_features, in_features, bound=bound, dtype=dtype, rng=rng)
        self.bias = init.uniform(out_features, bound=bound, dtype=dtype, rng=rng) if bias else None

    def forward(self, x: Any) -> Tensor:
        """x (…, I) to y (…, O)."""
        x = as_input(self, "x", x, self.weight)
        if x.shape[-1:] != (self.in_features,):
            last = x.shape[-1] if x.ndim else "no"
            raise ShapeError(
                f"{self!r}: x has shape {x.shape}, that is {last} features, "
                f"but the layer was built with in_features={self.in_features}."
            )
        return ops.linear(x, self.weight, self.bias)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return (
            f"Linear(in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None})"
        )
