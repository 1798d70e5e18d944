"""RNN: layers of a cell, unrolled over time into the graph."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.engine import Parameter, Tensor, constant, raw
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import init
from minitorch_rnn.nn.cells import CELLS
from minitorch_rnn.nn.module import Module, as_input


class RNN(Module):
    """A recurrent network of L layers over a whole sequence: slide 72 without the output layer.

        h(t,l) = f(W_ih(l) h(t,l-1) + b_ih(l) + W_hh(l) h(t-1,l) + b_hh(l)),   h(t,0) = x(t)

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: L.
        nonlinearity: f, "tanh" or "relu".
        bias: whether there are biases.
        batch_first: x and the output are (B, T, ·) instead of (T, B, ·).
        initial_state: "zeros", or "learned" for a parameter `h_0` (L, H) that all sequences share,
            h(-1) of slide 69; used when a call gives none.
        dtype: of the parameters; None is the default dtype.
        rng: draws the initial values; None is the default generator.

    Attributes:
        weight_ih_l0, …: (H, I) in the first layer, (H, H) above; weight_hh_l0, …: (H, H);
        bias_ih_l0, bias_hh_l0, …: (H,). All from U(-1/sqrt(H), 1/sqrt(H)) as in PyTorch.

    Raises:
        ShapeError: if x or h_0 has another shape than the layer was built for, or T = 0.
        DTypeError: if x or h_0 has another dtype than the parameters.

    >>> from minitorch_rnn import nn, ones
    >>> output, h_n = nn.RNN(3, 5, num_layers=2)(ones(7, 4, 3))
    >>> output.shape, h_n.shape
    ((7, 4, 5), (2, 4, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        *,
        initial_state: str = "zeros",
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        if nonlinearity not in CELLS:
            raise ValueError(f"RNN: nonlinearity is {nonlinearity!r}; known are 'tanh' and 'relu'.")
        if initial_state not in ("zeros", "learned"):
            raise ValueError(
                f"RNN: initial_state is {initial_state!r}; known are 'zeros' and 'learned'."
            )
        if min(input_size, hidden_size, num_layers) < 1:
            raise ShapeError(
                f"RNN: input_size, hidden_size and num_layers are {input_size}, {hidden_size}, "
                f"{num_layers}; each must be at least 1."
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.nonlinearity, self.batch_first = nonlinearity, batch_first
        self.has_bias, self.initial_state = bias, initial_state
        rows = CELLS[nonlinearity].gates * hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        for l in range(num_layers):
            shapes[f"weight_ih_l{l}"] = (rows, hidden_size if l else input_size)
            shapes[f"weight_hh_l{l}"] = (rows, hidden_size)
            if bias:
                shapes[f"bias_ih_l{l}"] = shapes[f"bias_hh_l{l}"] = (rows,)
        for name, shape in shapes.items():
            bound = 1 / math.sqrt(hidden_size)
            setattr(self, name, init.uniform(*shape, bound=bound, dtype=dtype, rng=rng))
        if initial_state == "learned":
            self.h_0 = Parameter(np.zeros((num_layers, hidden_size)), self._weight.dtype)

    def forward(self, x: Any, h_0: Any = None) -> tuple[Tensor, Tensor]:
        """Run the network over x.

        Args:
            x: (T, B, I); (B, T, I) if `batch_first`; (T, I) for a single sequence.
            h_0: h(-1,l) for all layers, (L, B, H), or (L, H) for a single sequence; None is zeros
                or the learned state.

        Returns:
            The top layer's h(t) for all t, (T, B, H) or as x is laid out; and the last state of
            every layer, (L, B, H) or (L, H).
        """
        x = self._checked_input(x)
        single = x.ndim == 2
        if single:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        states = self._initial_states(h_0, x.shape[1], single)
        steps = [x[t] for t in range(x.shape[0])]
        step = CELLS[self.nonlinearity].step
        for l in range(self.num_layers):
            weights = self.weights(l)
            for t, below in enumerate(steps):
                (states[l],) = step(below, (states[l],), *weights)
                steps[t] = states[l]
        output, h_n = ops.stack(steps), ops.stack(states)
        if single:
            return output.squeeze(1), h_n.squeeze(1)
        return output.swapaxes(0, 1) if self.batch_first else output, h_n

    def weights(self, layer: int) -> tuple[Any, ...]:
        """weight_ih, weight_hh, bias_ih, bias_hh of one layer, counted from 0; None for no bias."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return tuple(getattr(self, f"{name}_l{layer}", None) for name in names)

    @property
    def _weight(self) -> Any:
        return self.weights(0)[0]

    def _checked_input(self, values: Any) -> Tensor:
        x = as_input(self, "x", values, self._weight)
        layout = "(B, T, I)" if self.batch_first else "(T, B, I)"
        if x.ndim not in (2, 3):
            raise ShapeError(
                f"{self!r}: x has shape {x.shape}, that is {x.ndim} axes; needed are 3, {layout}, "
                "or 2, (T, I), for a single sequence."
            )
        if x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{self!r}: x has shape {x.shape}, that is {x.shape[-1]} features per time step, "
                f"but the layer was built with input_size={self.input_size}."
            )
        if x.shape[1 if self.batch_first and x.ndim == 3 else 0] == 0:
            raise ShapeError(
                f"{self!r}: x has shape {x.shape}, that is 0 time steps; "
                "expected at least one time step."
            )
        return x

    def _initial_states(self, h_0: Any, batch: int, single: bool) -> list[Tensor]:
        """h(-1,l) of every layer, (B, H) each."""
        shape = (self.num_layers, batch, self.hidden_size)
        if h_0 is not None:
            h_0 = as_input(self, "h_0", h_0, self._weight)
            needed = (shape[0], shape[2]) if single else shape
            if h_0.shape != needed:
                told = "a single sequence" if single else f"a batch of {batch}"
                raise ShapeError(
                    f"{self!r}: h_0 has shape {h_0.shape}, but {self.num_layers} layers, {told} "
                    f"and hidden_size={self.hidden_size} need {needed}."
                )
            h_0 = h_0.unsqueeze(1) if single else h_0
        elif self.initial_state == "learned":
            h_0 = ops.broadcast_to(self.h_0.unsqueeze(1), shape)
        else:
            h_0 = constant(backend.namespace(raw(self._weight)).zeros(shape, self._weight.dtype))
        return [h_0[l] for l in range(self.num_layers)]

    def __repr__(self) -> str:
        told = f"RNN(input_size={self.input_size}, hidden_size={self.hidden_size}"
        defaults = {"num_layers": 1, "nonlinearity": "tanh", "has_bias": True,
                    "batch_first": False, "initial_state": "zeros"}  # fmt: skip
        for name, default in defaults.items():
            if (value := getattr(self, name)) != default:
                told += f", {name.removeprefix('has_')}={value!r}"
        return told + ")"
