"""RNNBase: layers of a cell over a whole sequence; RNN, LSTM and GRU are its kinds."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.engine import Parameter, Tensor, constant, detects_anomalies, raw, scope
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import init
from minitorch_rnn.nn.cells import CELLS, Cell
from minitorch_rnn.nn.dropout import dropout
from minitorch_rnn.nn.module import Module, as_input
from minitorch_rnn.nn.scan import Run, scan
from minitorch_rnn.nn.sequences import (
    checked_lengths,
    is_list_of_sequences,
    pad_sequence,
    unpad_sequence,
)
from minitorch_rnn.nn.steps import Unrolled, stepped

_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


@cache
def _names(k: int, directions: int, projects: bool) -> tuple[str, ...]:
    """The names of the parameters of layer, or of layer and direction, k."""
    layer, reverse = divmod(k, directions)
    suffix = f"_l{layer}{'_reverse' if reverse else ''}"
    return tuple([name + suffix for name in (_WEIGHTS if projects else _WEIGHTS[:4])])


class RNNBase(Module):
    """L layers of a cell over a whole sequence; use `RNN`, `LSTM` or `GRU`."""

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        initial_state: str,
        road: str,
        dtype: Any,
        rng: np.random.Generator | None,
    ) -> None:
        name = type(self).__name__
        if initial_state not in ("zeros", "learned"):
            raise ValueError(
                f"{name}: initial_state is {initial_state!r}; known are 'zeros' and 'learned'."
            )
        if road not in ("scan", "graph"):
            raise ValueError(f"{name}: road is {road!r}; known are 'scan' and 'graph'.")
        sizes = (input_size, hidden_size, num_layers, proj_size)
        if not all(isinstance(n, int | np.integer) for n in sizes):
            raise TypeError(f"{name}: sizes are {sizes}; integers are needed.")
        if min(input_size, hidden_size, num_layers) < 1:
            raise ShapeError(
                f"{name}: input_size, hidden_size and num_layers are {input_size}, {hidden_size}, "
                f"{num_layers}; each must be at least 1."
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout is {dropout}; a probability, 0 to 1, is needed.")
        if not 0 <= proj_size < hidden_size:
            raise ShapeError(
                f"{name}: proj_size is {proj_size}; at least 0 and below hidden_size="
                f"{hidden_size} is needed."
            )
        self.mode = kind
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self.initial_state, self.road, self.rng = initial_state, road, rng
        bound = 1 / math.sqrt(hidden_size)
        for k in range(self.num_states):
            shapes = self._shapes(k // self.num_directions)
            for name in _names(k, self.num_directions, proj_size > 0):
                if shape := shapes.get(name.partition("_l")[0]):
                    parameter = init.uniform(*shape, bound=bound, dtype=dtype, rng=rng)
                    setattr(self, name, parameter)
        if initial_state == "learned":
            for state in self.cell.states:
                shape = (self.num_states, self._size_of(state))
                setattr(self, f"{state}_0", Parameter(np.zeros(shape), self._like.dtype))

    @property
    def cell(self) -> Cell:
        """The row of `cells.CELLS` that it is made of."""
        return CELLS[self.mode]

    @property
    def num_directions(self) -> int:
        """2 if `bidirectional`, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def num_states(self) -> int:
        """How many layers, times directions, have a state: the first size of h_n."""
        return self.num_layers * self.num_directions

    @property
    def output_size(self) -> int:
        """The last size of the output: H, or P with a projection, for every direction."""
        return self.num_directions * self._size_of("h")

    def _size_of(self, state: str) -> int:
        return self.proj_size if state == "h" and self.proj_size else self.hidden_size

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        rows, below = self.cell.gates * self.hidden_size, self.output_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, below if layer else self.input_size),
            "weight_hh": (rows, self._size_of("h")),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        return shapes

    def weights(self, k: int) -> tuple[Any, ...]:
        """What the cell's step takes after the state, of layer (or layer and direction) k.

        weight_ih, weight_hh, bias_ih and bias_hh, None for no bias, and weight_hr if there is one.
        """
        names = _names(k, self.num_directions, self.proj_size > 0)
        return tuple([getattr(self, name, None) for name in names])

    @property
    def _like(self) -> Any:
        return getattr(self, "weight_ih_l0")  # noqa: B009

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """Run the layers over x.

        Args:
            x: (T, B, I); (B, T, I) if `batch_first`; (T, I) for a single sequence; or a list of
                arrays (T_i, I), one sequence each.
            hx: the initial state of all layers, (L, B, H) or (L, H) for a single sequence; of an
                LSTM the tuple (h_0, c_0). Both directions of a layer follow each other. None is
                zeros or the learned state.
            lengths: of every sequence, B integers from 1 to T, for a padded x. What is beyond them
                has no influence, whatever it holds, and no gradient; the output there is 0.

        Returns:
            The top layer's h(t) for all t, (T, B, H) or as x is laid out, with both directions side
            by side; for a list of sequences a list. And the state of every layer at its last step,
            laid out like hx.
        """
        x, state, counts, layout = self._prepared(x, hx, lengths)
        direction = self._scanned if self.scans(x) else self._stepped
        return self._laid_out(*self._layers(x, state, counts, direction), layout)

    def unroll(self, x: Any, hx: Any = None, lengths: Any = None) -> Unrolled:
        """As calling the layer, step by step, with every state of every layer beside it.

        >>> import minitorch_rnn as mt
        >>> run = mt.nn.LSTM(3, 5, num_layers=2).unroll(mt.ones(7, 4, 3)).retain_grad()
        >>> run.output.sum().backward()
        >>> run.states["c"][0][6].grad.shape  # of the first layer's c at t = 6
        (4, 5)
        """
        x, state, counts, layout = self._prepared(x, hx, lengths)
        runs: list[list[tuple[Tensor, ...]]] = []
        found = self._layers(x, state, counts, partial(self._stepped, runs=runs))
        states = {
            name: [[s[i] for s in run] for run in runs] for i, name in enumerate(self.cell.states)
        }
        return Unrolled(*self._laid_out(*found, layout), states)

    def scans(self, x: Tensor) -> bool:
        """Whether x, (T, B, I), takes the fast road now.

        >>> import minitorch_rnn as mt
        >>> rnn = mt.nn.RNN(2, 3)
        >>> rnn.scans(mt.ones(5, 1, 2)), rnn.scans(mt.ones(1, 1, 2))  # one step is no loop
        (True, False)
        """
        T, B = x.shape[:2]
        return (
            self.road == "scan" and T > 1 and B > 0 and not self.proj_size
            and x.dtype.kind == "f" and x.dtype.itemsize >= 4 and not detects_anomalies()
        )  # fmt: skip

    def _layers(
        self,
        x: Tensor,
        state: list[tuple[Tensor, ...]],
        counts: np.ndarray | None,
        direction: Callable[..., tuple[Tensor, tuple[Tensor, ...]]],
    ) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """h(t) of the top layer for all t, and the last states by k, each (1, B, H)."""
        last = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = dropout(x, self.dropout, rng=self.rng)
            outputs = []
            for k in range(layer * self.num_directions, (layer + 1) * self.num_directions):
                with scope(f"l{layer}{'_reverse' * (k % self.num_directions)}"):
                    output, ending = direction(k, x, state[k], counts)
                outputs.append(output)
                last.append(ending)
            x = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)
        return x, last

    def _scanned(
        self, k: int, x: Tensor, state: tuple[Tensor, ...], counts: np.ndarray | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        reverse, weights = k % self.num_directions > 0, self.weights(k)
        if not self._as_built(x, state, weights):  # the operations promote, or say what is wrong
            return self._stepped(k, x, state, counts)
        run = Run(self.mode, reverse, counts, partial(_unrolled, self.cell, reverse, counts))
        return scan(run, x, state, weights)

    def _as_built(self, x: Tensor, state: tuple[Tensor, ...], weights: tuple[Any, ...]) -> bool:
        """Whether nobody has replaced parameters by others of another shape or dtype."""
        weight_ih, weight_hh, bias_ih, bias_hh = weights
        rows = self.cell.gates * self.hidden_size
        return (
            weight_ih.shape == (rows, x.shape[2])
            and weight_hh.shape == (rows, self.hidden_size)
            and (bias_ih is None) == (bias_hh is None)
            and all([b is None or b.shape == (rows,) for b in (bias_ih, bias_hh)])
            and all([p is None or p.dtype == x.dtype for p in (*weights, *state)])
        )

    def _stepped(
        self,
        k: int,
        x: Tensor,
        state: tuple[Tensor, ...],
        counts: np.ndarray | None,
        runs: list[Any] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        reverse = k % self.num_directions > 0
        run, output, last = stepped(self.cell, reverse, counts, x, state, self.weights(k))
        if runs is not None:
            runs.append(run)
        return output, last

    def _prepared(
        self, x: Any, hx: Any, lengths: Any
    ) -> tuple[Tensor, list[tuple[Tensor, ...]], np.ndarray | None, Any]:
        """x as (T, B, I), the states by k, lengths as they count; and how x was laid out."""
        sequences = is_list_of_sequences(x)
        if sequences:
            if lengths is not None:
                raise ShapeError(f"{self!r}: a list of sequences has its lengths; lengths= came.")
            found = [as_input(self, f"x[{i}]", s, self._like) for i, s in enumerate(x)]
            for i, one in enumerate(found):
                if one.ndim != 2:
                    raise ShapeError(
                        f"{self!r}: sequence {i} has shape {one.shape}; "
                        f"(T, {self.input_size}) is needed."
                    )
            lengths, x = [len(one) for one in found], pad_sequence(found)
        x = as_input(self, "x", x, self._like)
        x, single = self._time_first(x, self.batch_first and not sequences)
        T, B = x.shape[:2]
        state = self._initial_states(hx, B, single)
        layout = lengths if sequences else "T" if single else "BT" if self.batch_first else "TB"
        if lengths is None:
            return x, state, None, layout
        counts = checked_lengths(repr(self), lengths, T, B)
        if (counts == T).all():
            return x, state, None, layout
        xp = backend.namespace(raw(self._like))
        going = xp.asarray(np.arange(T)[:, None, None] < counts[:, None])
        return ops.where(going, x, 0.0), state, counts, layout  # behind the end 0, whatever it held

    def _laid_out(
        self, output: Any, last: list[tuple[Tensor, ...]], layout: Any
    ) -> tuple[Any, Any]:
        states = [
            several[0] if len(several) == 1 else ops.concatenate(several)
            for several in zip(*last, strict=True)
        ]
        if layout == "T":
            output, states = output.squeeze(1), [s.squeeze(1) for s in states]
        elif layout == "BT":
            output = output.swapaxes(0, 1)
        elif layout != "TB":
            output = unpad_sequence(output, layout)
        return output, tuple(states) if len(states) > 1 else states[0]

    def _time_first(self, x: Tensor, batch_first: bool) -> tuple[Tensor, bool]:
        """x as (T, B, I), and whether there was no B."""
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
        if x.shape[1 if batch_first and x.ndim == 3 else 0] == 0:
            raise ShapeError(
                f"{self!r}: x has shape {x.shape}, that is 0 time steps; "
                "expected at least one time step."
            )
        if x.ndim == 2:
            return x.unsqueeze(1), True
        return x.swapaxes(0, 1) if batch_first else x, False

    def _initial_states(self, hx: Any, batch: int, single: bool) -> list[tuple[Tensor, ...]]:
        """The state before the first step, by k; one (B, H) tensor for each name."""
        names = self.cell.states
        if hx is None and self.initial_state == "zeros":
            return [tuple([self._zeros((batch, self._size_of(n))) for n in names])] * (
                self.num_states
            )
        if isinstance(hx, list | tuple) and hx and all(isinstance(n, int) for n in hx):
            raise ShapeError(f"{self!r}: hx is {hx}; lengths go by their name: lengths={hx}.")
        if len(names) == 1 and isinstance(hx, tuple):
            raise ShapeError(f"{self!r}: hx is a tuple of {len(hx)}; one tensor h_0 is needed.")
        given = [None] * len(names) if hx is None else [hx] if len(names) == 1 else hx
        if not isinstance(given, list | tuple) or len(given) != len(names):
            told = type(given).__name__
            told += f" of shape {given.shape}" if hasattr(given, "shape") else f" of {len(given)}"
            raise ShapeError(
                f"{self!r}: the initial state is a {told}; the tuple "
                f"({', '.join(f'{name}_0' for name in names)}) is needed."
            )
        found = [
            self._initial(f"{name}_0", value, (self.num_states, batch, self._size_of(name)), single)
            for name, value in zip(names, given, strict=True)
        ]
        return [tuple([state[k] for state in found]) for k in range(self.num_states)]

    def _zeros(self, shape: tuple[int, ...]) -> Tensor:
        return constant(backend.namespace(raw(self._like)).zeros(shape, self._like.dtype))

    def _initial(self, name: str, value: Any, shape: tuple[int, ...], single: bool) -> Tensor:
        if value is None:
            learned: Tensor = ops.broadcast_to(getattr(self, name).unsqueeze(1), shape)
            return learned
        state = as_input(self, name, value, self._like)
        needed = (shape[0], shape[2]) if single else shape
        if state.shape != needed:
            layers = f"{self.num_layers} layers"
            layers += " of 2 directions" if self.bidirectional else ""
            told = "a single sequence" if single else f"a batch of {shape[1]}"
            size = "proj_size" if shape[2] != self.hidden_size else "hidden_size"
            raise ShapeError(
                f"{self!r}: {name} has shape {state.shape}, but {layers}, {told} and "
                f"{size}={shape[2]} need {needed}."
            )
        return state.unsqueeze(1) if single else state

    def __repr__(self) -> str:
        told = f"{type(self).__name__}(input_size={self.input_size}, hidden_size={self.hidden_size}"
        defaults = {"num_layers": 1, "nonlinearity": "tanh", "bias": True, "batch_first": False,
                    "dropout": 0.0, "bidirectional": False, "proj_size": 0,
                    "initial_state": "zeros", "road": "scan"}  # fmt: skip
        for name, default in defaults.items():
            if (value := getattr(self, name, default)) != default:
                told += f", {name}={value!r}"
        return told + ")"


def _unrolled(cell: Cell, reverse: bool, counts: Any, *given: Any) -> tuple[Any, Any]:
    return stepped(cell, reverse, counts, *given)[1:]
