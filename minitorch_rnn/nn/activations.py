"""Activations as functions beside those in `ops`, and all of them as modules.

The functions are made of operations: of a plain array they give a plain array, and no value that
is not chosen overflows, in the derivatives neither. A module is its function and that function's
options with their defaults, in PyTorch's order: what the module is built with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minitorch_rnn import ops
from minitorch_rnn.engine import Tensor
from minitorch_rnn.nn.configured import Configured, configured
from minitorch_rnn.nn.module import Module
from minitorch_rnn.ops.elementwise import floating

_floats: Callable[[Any], Any] = floating


def elu(x: Any, alpha: float = 1.0) -> Any:
    """y = x above 0, alpha (e**x - 1) below; the slope at 0 is alpha.

    Source: Clevert, Unterthiner and Hochreiter, ICLR (2016).

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.nn.activations import elu
    >>> elu(tensor([-1000.0, 0.0, 1000.0])).tolist()
    [-1.0, 0.0, 1000.0]
    """
    x = _floats(x)
    return ops.where(x > 0, x, alpha * ops.expm1(_below(x)))


def gelu(x: Any, approximate: str = "none") -> Any:
    """y = x Φ(x), where Φ is the distribution function of N(0, 1).

    Args:
        x: of any shape.
        approximate: "none", or "tanh" for Φ(x) ≈ (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) / 2.

    Raises:
        ValueError: if `approximate` is something else.

    Source: Hendrycks and Gimpel, arXiv:1606.08415 (2016).

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.nn.activations import gelu
    >>> gelu(tensor([-1000.0, 0.0, 1000.0])).tolist()
    [-0.0, 0.0, 1000.0]
    """
    _check_approximate("gelu", approximate)
    x = _floats(x)
    z = ops.clip(x, -25.0, 25.0)  # either Φ is exactly 0 or 1 there, and no power overflows
    if approximate == "none":
        return x * (0.5 * (1 + ops.erf(z / math.sqrt(2))))
    # (1 + tanh(s)) / 2 is sigmoid(2 s), which knows more digits where Φ is nearly 0.
    return x * ops.sigmoid(math.sqrt(8 / math.pi) * (z + 0.044715 * (z * z * z)))


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """y = x limited to min_val … max_val; the slope at the bounds is 0, that of `clip` is 1.

    Raises:
        ValueError: if min_val is not below max_val.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.nn.activations import hardtanh
    >>> hardtanh(tensor([-3.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    _check_bounds("hardtanh", min_val, max_val)
    x = _floats(x)
    return ops.where(x <= min_val, min_val, ops.where(x >= max_val, max_val, x))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """y = x above 0, negative_slope x below; the slope at 0 is negative_slope.

    Source: Maas, Hannun and Ng, ICML (2013).

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.nn.activations import leaky_relu
    >>> leaky_relu(tensor([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """
    x = _floats(x)
    return ops.where(x > 0, x, negative_slope * _below(x))


def silu(x: Any) -> Any:
    """y = x sigmoid(x), also called swish.

    Source: Elfwing, Uchibe and Doya, Neural Networks 107 (2018).

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.nn.activations import silu
    >>> silu(tensor([-1000.0, 0.0, 1000.0])).tolist()
    [-0.0, 0.0, 1000.0]
    """
    x = _floats(x)
    return x * ops.sigmoid(x)


def softplus(x: Any, beta: float = 1.0) -> Any:
    """y = ln(1 + e**(beta x)) / beta, a smooth relu; exact everywhere, and so without a threshold.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.nn.activations import softplus
    >>> softplus(tensor([0.0, 1000.0]), beta=2.0).tolist()
    [0.34657359027997264, 1000.0]
    """
    return ops.softplus(x) if beta == 1 else ops.softplus(beta * _floats(x)) / beta


class Activation(Configured):
    """A function of one tensor as a module: its fields are the options of its `function`.

    >>> from minitorch_rnn import nn
    >>> nn.LeakyReLU(0.2)
    LeakyReLU(negative_slope=0.2)
    """

    def forward(self, x: Any) -> Tensor:
        """y of the shape of x."""
        x = x if isinstance(x, Tensor) else Tensor(x)
        return self.function(x, **self.options())  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.options().items())
        return f"{type(self).__name__}({told})"


@configured
class ELU(Activation):
    """`elu` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.ELU(alpha=2.0)([-1000.0, 1.0]).tolist()
    [-2.0, 1.0]
    """

    function = staticmethod(elu)
    alpha: float = 1.0


@configured
class GELU(Activation):
    """`gelu` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.GELU(approximate="tanh")([0.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """

    function = staticmethod(gelu)
    approximate: str = "none"

    def __post_init__(self) -> None:
        _check_approximate("GELU", self.approximate)


@configured
class Hardtanh(Activation):
    """`hardtanh` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.Hardtanh(0.0, 6.0)([-1.0, 5.0, 7.0]).tolist()
    [0.0, 5.0, 6.0]
    """

    function = staticmethod(hardtanh)
    min_val: float = -1.0
    max_val: float = 1.0

    def __post_init__(self) -> None:
        _check_bounds("Hardtanh", self.min_val, self.max_val)


class Identity(Module):
    """y = x; takes any arguments to be built with, and ignores them.

    >>> from minitorch_rnn import nn
    >>> nn.Identity(3, any=True)("as it is")
    'as it is'
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        """x."""
        return x


@configured
class LeakyReLU(Activation):
    """`leaky_relu` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.LeakyReLU(0.5)([-2.0, 2.0]).tolist()
    [-1.0, 2.0]
    """

    function = staticmethod(leaky_relu)
    negative_slope: float = 0.01


@configured
class ReLU(Activation):
    """`relu` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.ReLU()([-2.0, 2.0]).tolist()
    [0.0, 2.0]
    """

    function = staticmethod(ops.relu)


@configured
class SiLU(Activation):
    """`silu` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.SiLU()([0.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """

    function = staticmethod(silu)


@configured
class Sigmoid(Activation):
    """`sigmoid` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.Sigmoid()([-1000.0, 0.0, 1000.0]).tolist()
    [0.0, 0.5, 1.0]
    """

    function = staticmethod(ops.sigmoid)


class _AlongAxis(Activation):
    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        self.axis = axis if dim is None else dim

    def options(self) -> dict[str, Any]:
        return {"axis": self.axis}


class LogSoftmax(_AlongAxis):
    """`log_softmax` along `axis`, PyTorch's `dim`, as a module; the last one if none is given.

    >>> from minitorch_rnn import nn
    >>> nn.LogSoftmax()([[0.0, -1000.0]]).tolist()
    [[0.0, -1000.0]]
    """

    function = staticmethod(ops.log_softmax)


class Softmax(_AlongAxis):
    """`softmax` along `axis`, PyTorch's `dim`, as a module; the last one if none is given.

    >>> from minitorch_rnn import nn
    >>> nn.Softmax(dim=0)([[1.0, 2.0], [1.0, 2.0]]).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    function = staticmethod(ops.softmax)


@configured
class Softplus(Activation):
    """`softplus` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.Softplus()([-1000.0, 1000.0]).tolist()
    [0.0, 1000.0]
    """

    function = staticmethod(softplus)
    beta: float = 1.0


@configured
class Tanh(Activation):
    """`tanh` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.Tanh()([-1000.0, 0.0, 1000.0]).tolist()
    [-1.0, 0.0, 1.0]
    """

    function = staticmethod(ops.tanh)


def _below(x: Any) -> Any:
    """x where it is not above 0, and 0 where a function of it would be computed for nothing."""
    return ops.where(x > 0, 0.0, x)


def _check_approximate(name: str, approximate: str) -> None:
    if approximate not in ("none", "tanh"):
        raise ValueError(f"{name}: approximate is {approximate!r}; known are 'none' and 'tanh'.")


def _check_bounds(name: str, min_val: float, max_val: float) -> None:
    if not min_val < max_val:
        raise ValueError(
            f"{name}: min_val is {min_val}, max_val is {max_val}; the first must be the smaller."
        )
