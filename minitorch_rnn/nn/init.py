"""Initial values of parameters, drawn on the host so that one seed gives one model anywhere.

Functions with PyTorch's names, which end in an underscore, replace the values of a tensor and
return it. They draw in float64 and convert to the tensor's dtype; a graph that used the old values
notices (`Tensor.update_`). `parameter` and `uniform` make new parameters.

A weight (O, I, …) has fan_in = I · … inputs for each unit and fan_out = O · … outputs.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Parameter, Tensor
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn.module import Module

Leaf = TypeVar("Leaf", bound=Tensor)
AnyModule = TypeVar("AnyModule", bound=Module)
Generator = np.random.Generator


def parameter(*shape: int, dtype: Any = None) -> Parameter:
    """A parameter of zeros, in the default dtype unless one is given.

    >>> from minitorch_rnn.nn import init
    >>> init.ones_(init.parameter(2, dtype="float32"))
    tensor([1., 1.], dtype=float32, requires_grad=True)
    """
    return Parameter(np.zeros(shape), backend.get_default_dtype() if dtype is None else dtype)


def uniform(
    *shape: int, bound: float, dtype: Any = None, rng: Generator | None = None
) -> Parameter:
    """A parameter drawn from U(-bound, bound), in the default dtype unless one is given.

    >>> from minitorch_rnn.nn import init
    >>> bool(abs(init.uniform(3, 2, bound=0.5)).max() <= 0.5)
    True
    """
    return uniform_(parameter(*shape, dtype=dtype), -bound, bound, rng)


def uniform_(tensor: Leaf, a: float = 0.0, b: float = 1.0, rng: Generator | None = None) -> Leaf:
    """Draw from U(a, b), the uniform distribution.

    >>> from minitorch_rnn import nn
    >>> weight = nn.init.uniform_(nn.Linear(3, 2).weight, -0.1, 0.1)
    >>> bool(abs(weight).max() <= 0.1)
    True
    """
    return _filled("uniform_", tensor, lambda shape: backend.generator(rng).uniform(a, b, shape))


def normal_(
    tensor: Leaf, mean: float = 0.0, std: float = 1.0, rng: Generator | None = None
) -> Leaf:
    """Draw from N(mean, std²), the normal distribution.

    >>> from minitorch_rnn import nn
    >>> nn.init.normal_(nn.Linear(3, 2).weight, std=0.01).shape
    (2, 3)
    """
    return _filled("normal_", tensor, lambda shape: backend.generator(rng).normal(mean, std, shape))


def constant_(tensor: Leaf, val: float) -> Leaf:
    """Set every element to `val`.

    >>> from minitorch_rnn import nn
    >>> nn.init.constant_(nn.Linear(3, 2).bias, 0.5).tolist()
    [0.5, 0.5]
    """
    return _filled("constant_", tensor, lambda shape: np.full(shape, val))


def zeros_(tensor: Leaf) -> Leaf:
    """Set every element to 0.

    >>> from minitorch_rnn import nn
    >>> nn.init.zeros_(nn.Linear(3, 2).bias).tolist()
    [0.0, 0.0]
    """
    return _filled("zeros_", tensor, np.zeros)


def ones_(tensor: Leaf) -> Leaf:
    """Set every element to 1.

    >>> from minitorch_rnn import nn
    >>> nn.init.ones_(nn.Linear(3, 2).bias).tolist()
    [1.0, 1.0]
    """
    return _filled("ones_", tensor, np.ones)


def eye_(tensor: Leaf) -> Leaf:
    """Set a matrix to 1 on its diagonal and 0 elsewhere, square or not.

    For the recurrent weights of several gates, see `identity_`.

    Raises:
        ShapeError: if the tensor is no matrix.

    >>> from minitorch_rnn import nn
    >>> nn.init.eye_(nn.Linear(3, 2).weight).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    _check_matrix("eye_", tensor)
    return _filled("eye_", tensor, lambda shape: np.eye(*shape))


def identity_(tensor: Leaf, scale: float = 1.0) -> Leaf:
    """Set recurrent weights to the identity, times `scale`: at first the state stays as it is.

    Args:
        tensor: weight_hh, (g H, H), of g gates; each of the g blocks becomes scale · 1.
        scale: 1 for the IRNN, a net of relu units and biases of 0; 0.01 where little memory is
            needed.

    Raises:
        ShapeError: if the tensor is no stack of square matrices.

    Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified
    linear units", arXiv:1504.00941 (2015).

    >>> from minitorch_rnn import nn
    >>> nn.init.identity_(nn.RNN(3, 2, nonlinearity="relu").weight_hh_l0).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    _check_matrix("identity_", tensor)
    rows, columns = tensor.shape
    if not columns or rows % columns:
        raise ShapeError(
            f"identity_: the tensor has shape {tensor.shape}; square blocks are needed, one for "
            f"each gate, and {rows} rows are no multiple of {columns}."
        )
    gates = rows // columns
    return _filled("identity_", tensor, lambda _: scale * np.tile(np.eye(columns), (gates, 1)))


def xavier_uniform_(tensor: Leaf, gain: float = 1.0, rng: Generator | None = None) -> Leaf:
    """Draw from U(-a, a), a = gain · sqrt(6 / (fan_in + fan_out)).

    Raises:
        ShapeError: if the tensor has fewer than 2 axes.

    Source: Glorot and Bengio, AISTATS (2010), equation 16.

    >>> from minitorch_rnn import nn
    >>> weight = nn.init.xavier_uniform_(nn.Linear(3, 3).weight)
    >>> bool(abs(weight).max() <= 1)
    True
    """
    bound = math.sqrt(3) * gain * _xavier("xavier_uniform_", tensor)
    return uniform_(tensor, -bound, bound, rng)


def xavier_normal_(tensor: Leaf, gain: float = 1.0, rng: Generator | None = None) -> Leaf:
    """Draw from N(0, std²), std = gain · sqrt(2 / (fan_in + fan_out)).

    Raises:
        ShapeError: if the tensor has fewer than 2 axes.

    Source: Glorot and Bengio, AISTATS (2010), equation 12.

    >>> from minitorch_rnn import nn
    >>> nn.init.xavier_normal_(nn.Linear(3, 2).weight, gain=nn.init.calculate_gain("tanh")).shape
    (2, 3)
    """
    return normal_(tensor, 0.0, gain * _xavier("xavier_normal_", tensor), rng)


def kaiming_uniform_(
    tensor: Leaf,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Generator | None = None,
) -> Leaf:
    """Draw from U(-b, b), b = gain · sqrt(3 / fan).

    Args:
        tensor: a weight, (O, I, …).
        a: slope of the leaky relu below 0; 0 for the relu itself.
        mode: which fan: "fan_in" keeps the size of values on the way forward, "fan_out" that of
            gradients on the way back.
        nonlinearity: what follows; its `calculate_gain` is the gain.
        rng: draws the values; None is the default generator.

    Raises:
        ShapeError: if the tensor has fewer than 2 axes.
        ValueError: if `mode` or `nonlinearity` is unknown.

    Source: He et al., ICCV (2015), equation 14.

    >>> from minitorch_rnn import nn
    >>> weight = nn.init.kaiming_uniform_(nn.Linear(6, 2).weight)
    >>> bool(abs(weight).max() <= 1)
    True
    """
    bound = math.sqrt(3) * _kaiming("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, rng)


def kaiming_normal_(
    tensor: Leaf,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Generator | None = None,
) -> Leaf:
    """Draw from N(0, std²), std = gain / sqrt(fan); arguments and errors as `kaiming_uniform_`.

    >>> from minitorch_rnn import nn
    >>> nn.init.kaiming_normal_(nn.Linear(3, 2).weight, mode="fan_out", nonlinearity="relu").shape
    (2, 3)
    """
    return normal_(tensor, 0.0, _kaiming("kaiming_normal_", tensor, a, mode, nonlinearity), rng)


def orthogonal_(tensor: Leaf, gain: float = 1.0, rng: Generator | None = None) -> Leaf:
    """Draw an orthogonal matrix, all alike probable, times `gain`: gradients keep their length.

    Of a rectangular one the rows, or if there are more of them the columns, are orthonormal. More
    than 2 axes count as (O, I · …).

    Raises:
        ShapeError: if the tensor has fewer than 2 axes.

    Source: Saxe, McClelland and Ganguli, ICLR (2014); uniform over the orthogonal group by the
    signs of R: Mezzadri, Notices of the AMS 54 (2007).

    >>> from minitorch_rnn import nn
    >>> W = nn.init.orthogonal_(nn.RNN(3, 5).weight_hh_l0)
    >>> bool((abs(W @ W.T - nn.init.eye_(nn.Linear(5, 5).weight)) < 1e-12).all())
    True
    """
    _fans("orthogonal_", tensor)

    def drawn(shape: tuple[int, ...]) -> np.ndarray:
        rows, columns = shape[0], math.prod(shape[1:])
        if not rows or not columns:
            return np.zeros(shape)
        wide = rows < columns
        size = (columns, rows) if wide else (rows, columns)
        q, r = np.linalg.qr(backend.generator(rng).normal(size=size))
        q = np.where(np.diag(r) < 0, -q, q)  # QR leaves the signs to the algorithm: undo its choice
        return gain * (q.T if wide else q).reshape(shape)

    return _filled("orthogonal_", tensor, drawn)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights must be larger so that values keep their size through `nonlinearity`.

    Args:
        nonlinearity: "linear", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
        param: slope of the leaky relu below 0; None is 0.01.

    Raises:
        ValueError: if the nonlinearity is unknown, or its slope no number.

    >>> from minitorch_rnn.nn import init
    >>> init.calculate_gain("relu") ** 2, init.calculate_gain("leaky_relu", 1.0)
    (2.0000000000000004, 1.0)
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float | np.number):
            raise ValueError(f"calculate_gain: the slope of leaky_relu is {slope!r}, no number.")
        return math.sqrt(2 / (1 + float(slope) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join(map(repr, [*_GAINS, "leaky_relu"]))
        raise ValueError(f"calculate_gain: nonlinearity is {nonlinearity!r}; known are {known}.")
    return _GAINS[nonlinearity]


_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}


def forget_gate_bias_(module: AnyModule, value: float = 1.0) -> AnyModule:
    """Open the forget gates of an LSTM: what enters its memory stays there at first.

    The bias of the forget gates, b_ih + b_hh, becomes `value` in all layers and directions; the
    biases of the other gates stay as they are.

    Args:
        module: an `LSTM` or an `LSTMCell`.
        value: 1, or more for a longer memory; bias_hh becomes 0.

    Returns:
        The module.

    Raises:
        TypeError: if the module is no LSTM.
        ValueError: if it has no biases.

    Source: Jozefowicz, Zaremba and Sutskever, ICML (2015); Gers, Schmidhuber and Cummins (2000).

    >>> from minitorch_rnn import nn
    >>> cell = nn.init.forget_gate_bias_(nn.LSTMCell(3, 2))
    >>> (cell.bias_ih + cell.bias_hh)[2:4].tolist()
    [1.0, 1.0]
    """
    H = getattr(module, "hidden_size", None)
    named = dict(module.named_parameters()) if isinstance(module, Module) else {}
    recurrent = [p for name, p in named.items() if name.startswith("weight_hh")]
    if not isinstance(H, int) or not recurrent or any(len(p) != 4 * H for p in recurrent):
        raise TypeError(
            f"forget_gate_bias_: {module!r} is no LSTM, it has no forget gates. Of a model, pass "
            "the layer: forget_gate_bias_(model.lstm)."
        )
    biases = {name: p for name, p in named.items() if name.startswith("bias_")}
    if not biases:
        raise ValueError(f"forget_gate_bias_: {module!r} was built with bias=False.")
    for name, p in biases.items():  # rows i, f, g, o
        p.update_(p.detach().index_update(slice(H, 2 * H), value if "_ih" in name else 0.0))
    return module


def _filled(name: str, tensor: Leaf, values: Any) -> Leaf:
    """`tensor` with `values(shape)`, made on the host, in place of its own."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"{name}: got a {type(tensor).__name__}; needed is a Parameter or a Tensor, whose "
            "values it replaces."
        )
    tensor.update_(backend.asarray(values(tensor.shape), on=tensor.backend))
    return tensor


def _check_matrix(name: str, tensor: Tensor) -> None:
    if len(tensor.shape) != 2:
        raise ShapeError(
            f"{name}: the tensor has shape {tensor.shape}, that is {len(tensor.shape)} axes; "
            "needed is a matrix, with 2."
        )


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """fan_in and fan_out, at least 1 each."""
    shape = tensor.shape
    if len(shape) < 2:
        raise ShapeError(
            f"{name}: the tensor has shape {shape}, that is {len(shape)} axes; needed are at least "
            "2, (O, I). For a bias take zeros_ or uniform_."
        )
    field = math.prod(shape[2:])
    return max(1, shape[1] * field), max(1, shape[0] * field)


def _xavier(name: str, tensor: Tensor) -> float:
    return math.sqrt(2 / sum(_fans(name, tensor)))


def _kaiming(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(name, tensor), strict=True))
    if mode not in fans:
        raise ValueError(f"{name}: mode is {mode!r}; known are 'fan_in' and 'fan_out'.")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans[mode])
