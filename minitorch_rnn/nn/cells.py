"""One time step of each recurrent cell, as a pure function, and the modules that take one step.

A cell is a row of `CELLS`: its step, the rows of weights it needs per hidden unit and how many
tensors its state has. The cell modules below and the layers in `rnn` are made of these rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import constant, raw
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import init
from minitorch_rnn.nn.module import Module, as_input
from minitorch_rnn.ops import linear, relu, sigmoid, split, tanh


class Cell(NamedTuple):
    """All a layer needs to know: one time step, rows of weights per hidden unit, tensors of state.

    `step(x, state, weight_ih, weight_hh, bias_ih, bias_hh)` takes x (B, I) and the state at t-1, a
    tuple of (B, H) tensors, and returns the state at t; its first tensor is the output.
    """

    step: Callable[..., tuple[Any, ...]]
    gates: int
    states: tuple[str, ...]


def _simple_step(activation: Callable[[Any], Any]) -> Callable[..., tuple[Any, ...]]:
    def step(
        x: Any, state: tuple[Any], weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
    ) -> tuple[Any]:
        """h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh); the slides write b = b_ih + b_hh."""
        (h,) = state
        return (activation(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh)),)

    return step


def lstm_step(
    x: Any,
    state: tuple[Any, Any],
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any,
    bias_hh: Any,
    weight_hr: Any = None,
) -> tuple[Any, Any]:
    """(h, c) at t-1 and x at t to (h, c) at t; the rows of the weights are those of i, f, g, o.

    With `weight_hr` (P, H) what leaves the cell is its projection.
    """
    h, c = state
    z = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh)
    i, f, g, o = split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h if weight_hr is None else linear(h, weight_hr), c


def gru_step(
    x: Any, state: tuple[Any], weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
) -> tuple[Any]:
    """h at t-1 and x at t to h at t; the rows of the weights are those of r, z, n.

    The reset gate r acts on W_hn h(t-1) + b_hn, as in PyTorch and cuDNN, and not on h(t-1).
    """
    (h,) = state
    from_x, from_h = linear(x, weight_ih, bias_ih), linear(h, weight_hh, bias_hh)
    x_r, x_z, x_n = split(from_x, 3, axis=-1)
    h_r, h_z, h_n = split(from_h, 3, axis=-1)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,)


CELLS = {
    "gru": Cell(gru_step, gates=3, states=("h",)),
    "lstm": Cell(lstm_step, gates=4, states=("h", "c")),
    "relu": Cell(_simple_step(relu), gates=1, states=("h",)),
    "tanh": Cell(_simple_step(tanh), gates=1, states=("h",)),
}


class RNNCellBase(Module):
    """What the three cell modules share; use `RNNCell`, `LSTMCell` or `GRUCell`."""

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        bias: bool,
        dtype: Any,
        rng: np.random.Generator | None,
    ) -> None:
        if min(input_size, hidden_size) < 1:
            raise ShapeError(
                f"{type(self).__name__}: input_size and hidden_size are {input_size} and "
                f"{hidden_size}; each must be at least 1."
            )
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self.mode = kind
        rows, bound = self.cell.gates * hidden_size, 1 / math.sqrt(hidden_size)
        self.weight_ih = init.uniform(rows, input_size, bound=bound, dtype=dtype, rng=rng)
        self.weight_hh = init.uniform(rows, hidden_size, bound=bound, dtype=dtype, rng=rng)
        self.bias_ih = init.uniform(rows, bound=bound, dtype=dtype, rng=rng) if bias else None
        self.bias_hh = init.uniform(rows, bound=bound, dtype=dtype, rng=rng) if bias else None

    @property
    def cell(self) -> Cell:
        """The row of `CELLS` that it is made of."""
        return CELLS[self.mode]

    def forward(self, x: Any, hx: Any = None) -> Any:
        """The state at t from x(t), (B, I) or (I,), and the state at t-1; None is zeros."""
        x = as_input(self, "x", x, self.weight_ih)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{self!r}: x has shape {x.shape}; needed is (B, {self.input_size}), or "
                f"({self.input_size},) for a single sequence."
            )
        names = self.cell.states
        needed = (*x.shape[:-1], self.hidden_size)
        if hx is None:
            zeros = constant(backend.namespace(raw(x)).zeros(needed, x.dtype))
            hx = (zeros,) * len(names)
        elif len(names) == 1:
            if isinstance(hx, tuple):
                raise ShapeError(f"{self!r}: the state is a tuple of {len(hx)}; one h is needed.")
            hx = (hx,)
        if not isinstance(hx, tuple | list) or len(hx) != len(names):
            raise ShapeError(
                f"{self!r}: the state is a {type(hx).__name__}; the tuple ({', '.join(names)}) is "
                "needed."
            )
        state = []
        for name, value in zip(names, hx, strict=True):
            state.append(as_input(self, name, value, self.weight_ih))
            if state[-1].shape != needed:
                raise ShapeError(
                    f"{self!r}: {name} has shape {state[-1].shape}, but x of shape {x.shape} and "
                    f"hidden_size={self.hidden_size} need {needed}."
                )
        new = self.cell.step(x, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return new if len(new) > 1 else new[0]

    def __repr__(self) -> str:
        told = f"{type(self).__name__}(input_size={self.input_size}, hidden_size={self.hidden_size}"
        told += "" if self.bias else ", bias=False"
        return told + (", nonlinearity='relu')" if self.mode == "relu" else ")")


class RNNCell(RNNCellBase):
    """One step of an RNN: h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh).

    Args:
        input_size: I.
        hidden_size: H.
        bias: whether there are biases.
        nonlinearity: f, "tanh" or "relu".
        dtype: of the parameters; None is the default dtype.
        rng: draws the initial values; None is the default generator.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: (H, I), (H, H), (H,), (H,).

    Raises:
        ShapeError: if x is not (B, I) or (I,), or h not (B, H) or (H,).

    Source: slide 64.

    >>> import minitorch_rnn as mt
    >>> cell = mt.nn.RNNCell(3, 5)
    >>> h = cell(mt.ones(4, 3))
    >>> cell(mt.ones(4, 3), h).shape
    (4, 5)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(nonlinearity, input_size, hidden_size, bias, dtype, rng)


class LSTMCell(RNNCellBase):
    """One step of an LSTM; see `LSTM` for its equations. The state is a tuple (h, c).

    Args:
        input_size, hidden_size, bias, dtype, rng: as in `RNNCell`.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: (4H, I), (4H, H), (4H,), (4H,); rows i, f, g, o.

    Raises:
        ShapeError: if x is not (B, I) or (I,), or h or c not (B, H) or (H,).

    Source: Hochreiter and Schmidhuber, Neural Computation 9, 1997; forget gate: Gers et al., 2000.

    >>> import minitorch_rnn as mt
    >>> h, c = mt.nn.LSTMCell(3, 5)(mt.ones(4, 3))
    >>> h.shape, c.shape
    ((4, 5), (4, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__("lstm", input_size, hidden_size, bias, dtype, rng)


class GRUCell(RNNCellBase):
    """One step of a GRU; see `GRU` for its equations.

    Args:
        input_size, hidden_size, bias, dtype, rng: as in `RNNCell`.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: (3H, I), (3H, H), (3H,), (3H,); rows r, z, n.

    Raises:
        ShapeError: if x is not (B, I) or (I,), or h not (B, H) or (H,).

    Source: Cho et al., EMNLP 2014; the reset gate acts after the product, as in PyTorch.

    >>> import minitorch_rnn as mt
    >>> mt.nn.GRUCell(3, 5)(mt.ones(3)).shape
    (5,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__("gru", input_size, hidden_size, bias, dtype, rng)


def check_nonlinearity(name: str, nonlinearity: str) -> None:
    """Raise unless `nonlinearity` is one that `RNN` and `RNNCell` know."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{name}: nonlinearity is {nonlinearity!r}; known are 'tanh' and 'relu'.")
