"""ColumnNetwork: any column of the lecture as a module; `unroll` says how it runs over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.column import Column, Edge, Node, Variant
from minitorch_rnn.column.data import (
    check_forward,
    check_histories,
    check_history_names,
    check_inputs,
    named_inputs,
    whole_history,
)
from minitorch_rnn.column.validation import whole
from minitorch_rnn.column.variants import variant_of
from minitorch_rnn.engine import Parameter, Tensor, constant, raw
from minitorch_rnn.errors import ColumnError, ShapeError
from minitorch_rnn.nn import init
from minitorch_rnn.nn.module import Module, as_input
from minitorch_rnn.nn.unroll import Timeline, unroll


class ColumnNetwork(Module):
    """A network that is declared as a `Column`, made of Tensor operations.

        z_n(t) = b_n + sum_e W_e a_s(t-d),   a_n(t) = f_n(z_n(t)),   Y(t) = a_output(t)

    What lies on no cycle through time is computed for all t at once, the rest step by step.

    Args:
        column: the network: `column.narx(…)`, `column.elman(…)`, or one of your own.
        dtype: of the parameters; None is the default dtype.
        rng: draws the initial values; None is the default generator.

    Attributes:
        weight: by edge, W_e (target's size, source's size), such as ``weight["h(t-1)->h"]``.
        bias: by node, b_n (n,).
        history: by node, a(-K) … a(-1), then a(T) … a(T+F-1), (K+F, n), where it is learned; starts
            at 0.
        All others from U(-1/sqrt(m), 1/sqrt(m)), where m values in all enter the node.

    Raises:
        TypeError: if column is not a Column.
        ShapeError: if x, a history or a target has another shape than the column needs, or T = 0.
        DTypeError: if one has another dtype than the parameters.

    >>> import minitorch_rnn as mt
    >>> network = mt.nn.ColumnNetwork(mt.column.elman(3, 5, 2))
    >>> Y, last = network(mt.ones(7, 4, 3))
    >>> Y.shape, {node: h.shape for node, h in last.items()}
    ((7, 4, 2), {'h': (1, 4, 5)})
    >>> sorted(network.state_dict())[:3]
    ['bias.Y', 'bias.h', 'weight.h(t-1)->h']
    """

    def __init__(
        self, column: Column, dtype: Any = None, rng: np.random.Generator | None = None
    ) -> None:
        if not isinstance(column, Column):
            raise TypeError(f"ColumnNetwork: got {column!r:.80}; a Column is needed.")
        self.column = column
        self.weight: dict[str, Parameter] = {}
        self.bias: dict[str, Parameter] = {}
        self.history: dict[str, Parameter] = {}
        entering = {
            node.name: sum(column.node[e.source].size for e in column.into[node.name])
            for node in column.nodes
        }
        target = {e.name: e.target for e in column.edges}
        for name, shape in column.shapes.items():
            kind, _, of = name.partition(".")
            if kind == "history":
                kept = backend.get_default_dtype() if dtype is None else dtype
                self.history[of] = Parameter(np.zeros(shape), dtype=kept)
            else:
                bound = 1 / math.sqrt(entering[target[of] if kind == "weight" else of])
                getattr(self, kind)[of] = init.uniform(*shape, bound=bound, dtype=dtype, rng=rng)

    def forward(
        self,
        x: Any,
        histories: Mapping[str, Any] | None = None,
        teacher: Any = None,
        variant: Variant | str | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the network over x.

        Args:
            x: (T, B, I), or (T, I) for a single sequence; a dictionary by node if the column has
                several inputs.
            histories: a(-K) … a(-1), then a(T) … a(T+F-1) for nets that run backward, by node,
                (K+F, B, n) or (K+F, n), or a number for all of it, in place of what the column
                says. Those that an earlier call returned carry its states on.
            teacher: D, (T, B, O): the target D(t-d) is fed back in place of Y(t-d).
            variant: a name in `column.VARIANTS`, or a `Variant` of T columns: x(t) is 0 where it
                has no input; of several inputs the first. Which outputs count, the divergence says
                (`DivergenceLoss`).

        Returns:
            Y(t) for all t, (T, B, O) or (T, O); and the last columns of every node that is read
            later, to be passed on as `histories` (none if a node runs backward: it never goes on).
        """
        column, inputs, given, single = self.prepared(x, histories, teacher, variant)
        T = len(next(iter(inputs.values())))
        lines = self.timelines(inputs, given, column=column)
        outputs = lines[column.output].rows(0, T)
        last = {
            self.owner(n): lines[n].rows(T - before, T).clone()  # not a view that keeps all T
            for n, (before, _) in column.reach.items()
            if before and not column.backward
        }
        if single:
            return outputs.squeeze(1), {n: rows.squeeze(1) for n, rows in last.items()}
        return outputs, last

    def activations(
        self,
        x: Any,
        histories: Mapping[str, Any] | None = None,
        teacher: Any = None,
        variant: Variant | str | None = None,
    ) -> dict[str, Tensor]:
        """Run the network over x, and show all of it: a_n(t) of every node, by name.

        Args:
            x, histories, teacher, variant: as in `forward`.

        Returns:
            (T, B, n) or (T, n) for each node, inputs and output included.

        >>> import minitorch_rnn as mt
        >>> network = mt.nn.ColumnNetwork(mt.column.jordan(3, 5, 2))
        >>> {name: a.shape for name, a in network.activations(mt.ones(7, 4, 3)).items()}
        {'x': (7, 4, 3), 'm': (7, 4, 2), 'h': (7, 4, 5), 'Y': (7, 4, 2)}
        """
        column, inputs, given, single = self.prepared(x, histories, teacher, variant)
        T = len(next(iter(inputs.values())))
        lines = self.timelines(inputs, given, column=column)
        found = {name: line.rows(0, T) for name, line in lines.items()}
        return {name: a.squeeze(1) for name, a in found.items()} if single else found

    def prepared(
        self,
        x: Any,
        histories: Mapping[str, Any] | None = None,
        teacher: Any = None,
        variant: Variant | str | None = None,
    ) -> tuple[Column, dict[str, Tensor], dict[str, Tensor], bool]:
        """What `timelines` takes, made of what `forward` takes, and whether there was no B."""
        inputs, single = self._inputs(x)
        first = next(iter(inputs))
        T, B = inputs[first].shape[:2]
        given = self._histories(histories, B, single)
        if variant is not None:
            kept = np.array(variant_of(variant, T).inputs)[:, None, None]
            mask = Tensor(kept, backend=self.like.backend)
            inputs[first] = ops.where(mask, inputs[first], 0.0)  # nan behind it leaves no trace
        if teacher is None:
            return self.column, inputs, given, single
        column = self._forced
        shape = (T, B, column.node[column.output].size)
        inputs[self._teacher_node] = self._teacher(teacher, shape, single)
        return column, inputs, given, single

    @property
    def _teacher_node(self) -> str:
        """The input that stands in for the output where the target is fed back."""
        name = "teacher"
        while name in self.column.node:
            name += "_"
        return name

    @cached_property
    def _forced(self) -> Column:
        """The column in which the target is fed back."""
        if not self.column.feedback:
            raise ColumnError(
                f"{self!r}: a teacher came, but no edge with a delay leads out of the output "
                f"{self.column.output!r}: there is nothing to feed back."
            )
        return self.column.teacher_forced(self._teacher_node)

    def free_run(
        self,
        n_steps: int,
        x: Any,
        teacher: Any = None,
        histories: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """Forecast: see the past, then go on for `n_steps` on what the network itself gave out.

        Args:
            n_steps: how many outputs to forecast.
            x: inputs of the past and of the forecast, (T + n_steps, B, I) or without B, or a
                dictionary as in `forward`.
            teacher: the targets of the past, (T, B, O), which are fed back there; None lets the
                network run on its own outputs from the start.
            histories: as in `forward`, before the past.

        Returns:
            The forecast, (n_steps, B, O) or (n_steps, O).

        Raises:
            ColumnError: if a node runs backward in time: it would have to know the future.
            ShapeError: if x is shorter than the forecast, or the targets do not fit the past.
        """
        check_forward(self.column, f"{self!r}: free_run")
        n_steps = whole(f"{self!r}: free_run", "n_steps", n_steps, 1)
        named = named_inputs(self.column, repr(self), x)
        T = len(next(iter(self._inputs(x)[0].values()))) - n_steps
        if T < 0:
            raise ShapeError(
                f"{self!r}: free_run of {n_steps} steps, but x has {T + n_steps} columns; "
                "they hold the past and the forecast."
            )
        if T:
            past = {name: values[:T] for name, values in named.items()}
            check_history_names(self.column, repr(self), histories)
            histories = dict(histories or {}) | self(past, histories, teacher)[1]
        elif teacher is not None and len(teacher):
            raise ShapeError(
                f"{self!r}: free_run has a teacher of {len(teacher)} steps, x of none."
            )
        outputs: Tensor = self({n: values[T:] for n, values in named.items()}, histories)[0]
        return outputs

    def timelines(
        self,
        inputs: Mapping[str, Tensor],
        histories: Mapping[str, Tensor] | None = None,
        *,
        column: Column | None = None,
        offsets: Mapping[str, Tensor] | None = None,
        by_step: bool = False,
    ) -> dict[str, Timeline]:
        """Every node over time: what does not recur is computed for all t at once.

        Args:
            inputs: x by input node, (T, B, I).
            histories: as in `forward`, (K+F, B, n).
            column: another column with the same parameters, such as `column.unblocked()`.
            offsets: added to z, by node, (T, B, n): their gradients are those of z.
            by_step: compute every node column by column.
        """
        column = self.column if column is None else column
        T, B = next(iter(inputs.values())).shape[:2]
        lines = {}
        for node in column.nodes:
            n, (before, after) = node.name, column.reach[node.name]
            shape = (before + after, B, node.size)
            outside = self._beginning(node, histories or {}, shape)
            lines[n] = Timeline(T, before, outside, inputs.get(n))
        weights = {e.name: self._weight(column, e) for e in column.edges}
        unroll(column, lines, weights, self.bias, offsets or {}, by_step)
        return lines

    def unroll(
        self,
        inputs: Mapping[str, Tensor],
        histories: Mapping[str, Tensor] | None = None,
        *,
        column: Column | None = None,
        offsets: Mapping[str, Tensor] | None = None,
    ) -> dict[str, dict[int, Tensor]]:
        """Every activation as a node of the graph: T identical columns, computed one by one.

        Arguments are those of `timelines`, whose values these are. A gradient that flows back
        passes through them: `autograd.grad` of a loss has one for each.

        Returns:
            a(t), (B, n), by node and t; histories are at negative t and from T on.
        """
        lines = self.timelines(inputs, histories, column=column, offsets=offsets, by_step=True)
        return {n: {t: line.at(t) for t in line.times} for n, line in lines.items()}

    def owner(self, node: str) -> str:
        """Whose history the one of `node` is: a target that is fed back has the output's."""
        return node if node in self.column.node else self.column.output

    def _weight(self, column: Column, edge: Edge) -> Any:
        """The weight of an edge: a number, or a Tensor."""
        weight = column.weight(edge)
        if isinstance(weight, str):
            return self.weight[weight.removeprefix("weight.")]
        if isinstance(weight, float):
            return weight
        return Tensor(weight, self.like.dtype, backend=self.like.backend)

    @property
    def like(self) -> Tensor:
        """Any parameter: the others have its dtype and its backend."""
        held = [*self.weight.values(), *self.bias.values(), *self.history.values()]
        return held[0] if held else ops.zeros(0)

    def _beginning(
        self, node: Node, histories: Mapping[str, Tensor], shape: tuple[int, ...]
    ) -> Any:
        """The columns of a node outside 0 … T-1, (K+F, B, n)."""
        owner = self.owner(node.name)
        if owner in histories:
            return histories[owner]
        if node.history == "given":
            raise ShapeError(
                f"{self!r}: the history of {owner!r} is to be given, in the shape {shape}, and "
                "none came."
            )
        if node.history == "learned":
            return ops.broadcast_to(self.history[owner].unsqueeze(1), shape)
        like = self.like
        return constant(backend.namespace(raw(like)).zeros(shape, like.dtype))

    def _inputs(self, x: Any) -> tuple[dict[str, Tensor], bool]:
        """Every input as (T, B, I), and whether there was no B."""
        named = named_inputs(self.column, repr(self), x)
        found = {name: as_input(self, name, v, self.like) for name, v in named.items()}
        for name, values in found.items():
            if values.ndim not in (2, 3):
                raise ShapeError(
                    f"{self!r}: {name} has shape {values.shape}, that is {values.ndim} axes; "
                    "needed are 3, (T, B, I), or 2, (T, I), for a single sequence."
                )
        check_inputs(self.column, repr(self), {name: v.shape for name, v in found.items()})
        single = next(iter(found.values())).ndim == 2
        return {name: v.unsqueeze(1) if single else v for name, v in found.items()}, single

    def _histories(
        self, histories: Mapping[str, Any] | None, batch: int, single: bool
    ) -> dict[str, Tensor]:
        check_history_names(self.column, repr(self), histories)
        B = None if single else batch
        found = {}
        for name, values in (histories or {}).items():
            rows = whole_history(self.column, name, values, B)
            found[name] = as_input(self, f"the history of {name!r}", rows, self.like)
        shapes = {name: rows.shape for name, rows in found.items()}
        check_histories(self.column, repr(self), shapes, B)
        return {name: rows.unsqueeze(1) if single else rows for name, rows in found.items()}

    def _teacher(self, values: Any, shape: tuple[int, ...], single: bool) -> Tensor:
        D = as_input(self, "teacher", values, self.like)
        needed = (shape[0], shape[2]) if single else shape
        if D.shape != needed:
            raise ShapeError(
                f"{self!r}: teacher has shape {D.shape}; the outputs that it stands in for have "
                f"{needed}."
            )
        return D.unsqueeze(1) if single else D

    def __repr__(self) -> str:
        sizes = ", ".join(f"{node.name}={node.size}" for node in self.column.nodes)
        return f"ColumnNetwork({self.column.name!r}: {sizes})"
