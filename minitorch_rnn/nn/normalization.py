"""Layer normalisation: every sample made of mean 0 and variance 1 by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import init
from minitorch_rnn.nn.losses import as_floats
from minitorch_rnn.nn.module import Module, as_input


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:
    """y = w (x - mean x) / sqrt(var x + eps) + b, where mean and variance are over the last axes.

    Args:
        x: (…, \\*normalized_shape), such as (T, B, H).
        normalized_shape: the sizes of the last axes, those that are made alike; H is (H,).
        weight, bias: w and b, of that shape; None is 1 and 0.
        eps: keeps the slopes of constant samples finite.

    The variance is that of NumPy, divided by n. float16 is computed in float32.

    Raises:
        ShapeError: if the last axes of x, or weight or bias, have other sizes.

    Source: Ba, Kiros and Hinton, arXiv:1607.06450 (2016), equation 4.

    >>> from minitorch_rnn.nn.normalization import layer_norm
    >>> layer_norm([[1.0, 3.0], [5.0, 5.0]], 2, eps=0.0625).tolist()
    [[-0.9701425001453319, 0.9701425001453319], [0.0, 0.0]]
    """
    shape = _sizes("layer_norm", normalized_shape)
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and getattr(values, "shape", None) != shape:
            raise ShapeError(
                f"layer_norm: {name} has shape {getattr(values, 'shape', None)}, "
                f"normalized_shape is {shape}; they must be the same."
            )
    return _normalized("layer_norm", as_floats(x), shape, weight, bias, eps)


class LayerNorm(Module):
    """`layer_norm` as a module, with weights to learn.

        y = w (x - mean x) / sqrt(var x + eps) + b

    Args:
        normalized_shape: the sizes of the last axes; H is (H,).
        eps: keeps the slopes of constant samples finite.
        elementwise_affine: whether there are w and b.
        bias: whether there is a b.
        dtype: of the parameters; None is the default dtype.

    Attributes:
        weight: w, of normalized_shape, at first 1; None without elementwise_affine.
        bias: b, likewise, at first 0; None without.

    Raises:
        ShapeError: if the last axes of x have other sizes.
        DTypeError: if x has another dtype than the parameters.

    >>> from minitorch_rnn import nn, tensor
    >>> nn.LayerNorm(2, eps=0.0)(tensor([[1.0, 3.0], [7.0, 5.0]])).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.normalized_shape = shape = _sizes("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        affine, shifted = elementwise_affine, elementwise_affine and bias
        self.weight = init.ones_(init.parameter(*shape, dtype=dtype)) if affine else None
        self.bias = init.parameter(*shape, dtype=dtype) if shifted else None

    def forward(self, x: Any) -> Tensor:
        """x (…, *normalized_shape) to y of the same shape."""
        x = as_floats(x) if self.weight is None else as_input(self, "x", x, self.weight)
        return _normalized(self, x, self.normalized_shape, self.weight, self.bias, self.eps)

    def __repr__(self) -> str:
        return (
            f"LayerNorm({self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None})"
        )


def _normalized(
    name: Any, x: Tensor, shape: tuple[int, ...], weight: Any, bias: Any, eps: float
) -> Tensor:
    """`name` is told in errors: that of a function, or a module."""
    if x.shape[-len(shape) :] != shape:
        raise ShapeError(
            f"{name}: x has shape {x.shape}; its last axes must have the sizes "
            f"normalized_shape={shape}."
        )
    dtype, axes = x.dtype, tuple(range(-len(shape), 0))
    if dtype == np.float16:  # a square overflows at 256
        x = x.astype("float32")
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = (centred * centred).mean(axis=axes, keepdims=True)
    y: Tensor = centred / ops.sqrt(variance + eps)
    y = y if weight is None else y * weight
    y = y if bias is None else y + bias
    return y.astype("float16") if dtype == np.float16 else y


def _sizes(name: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    if not shape or min(shape) < 1:
        raise ShapeError(
            f"{name}: normalized_shape is {normalized_shape}; needed are one or more sizes, each "
            "at least 1."
        )
    return tuple(shape)
