"""What a column's forward pass computed, and the data it started from, on plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.column import Column
from minitorch_rnn.errors import DTypeError, ShapeError

Array = np.ndarray
Arrays = dict[str, Array]


class Trace(NamedTuple):
    """All that the forward pass computed.

    Attributes:
        column: the network.
        a: activations by node, (K+T+F, B, n): K columns of history, T of the sequence and F that
            lie after it, where K and F are `column.reach`.
        z: what went into the activation, by node, (T, B, n).
        given: the nodes whose history the caller gave.
    """

    column: Column
    a: Arrays
    z: Arrays
    given: frozenset[str]

    @property
    def T(self) -> int:
        """Columns of the sequence."""
        return len(self.z[self.column.output])

    @property
    def Y(self) -> Array:
        """The outputs, (T, B, O)."""
        return self.at(self.column.output)

    def at(self, node: str, offset: int = 0) -> Array:
        """a(t + offset) for t = 0 … T-1, (T, B, n); a view."""
        return shifted(self.column, self.a, self.T, node, offset)

    def carried(self) -> Arrays:
        """The last columns, as `histories` of the sequence that goes on where this one ends."""
        reach = self.column.reach.items()
        return {
            n: self.a[n][self.T :].copy() for n, (before, after) in reach if before and not after
        }


def shifted(column: Column, arrays: Arrays, T: int, node: str, offset: int) -> Array:
    """The T columns from t = offset on of an array that holds the history of `node` too."""
    start = column.reach[node][0] + offset
    return arrays[node][start : start + T]


def beginning(
    column: Column,
    params: Mapping[str, Any],
    inputs: Any,
    histories: Mapping[str, Any] | None,
) -> Trace:
    """A trace in which nothing is computed yet: the data and the histories in their places.

    Raises:
        ShapeError: if they do not fit the column or each other.
        DTypeError: if they are no numbers.
    """
    x = _checked_inputs(column, inputs)
    T, *lead, B = next(iter(x.values())).shape[:-1]
    _check_parameters(column, params)
    given = _checked_histories(column, histories, B)
    everything = [*x.values(), *(np.asarray(params[name]) for name in column.shapes)]
    dtype = np.result_type(*everything, np.float32)
    a, z = {}, {}
    for node in column.nodes:
        n, (before, after) = node.name, column.reach[node.name]
        a[n] = np.zeros((before + T + after, *lead, B, node.size), dtype)
        history = given.get(n)
        if history is None and node.history == "learned":  # all sequences share what is learned
            history = np.moveaxis(params[f"history.{n}"], -2, 0)[..., None, :]
        if history is not None:
            a[n][:before] = history[:before]
            a[n][before + T :] = history[before:]
        if n in x:
            shifted(column, a, T, n, 0)[...] = x[n]
        else:
            z[n] = np.zeros((T, *lead, B, node.size), dtype)
    return Trace(column, a, z, frozenset(given))


def _checked_inputs(column: Column, inputs: Any) -> Arrays:
    who, names = f"{column.name}: forward", list(column.inputs)
    if not isinstance(inputs, Mapping):
        if len(names) > 1:
            raise ShapeError(
                f"{who}: one array came, but there are {len(names)} inputs; "
                f"give a dictionary of {', '.join(names)}."
            )
        inputs = {names[0]: inputs}
    if set(inputs) != set(names):
        raise ShapeError(f"{who}: inputs are {', '.join(inputs)}; needed are {', '.join(names)}.")
    x = {name: np.asarray(inputs[name]) for name in names}
    for name, values in x.items():
        if values.dtype.kind not in "biufc":
            raise DTypeError(f"{who}: {name} is {values.dtype}; numbers are needed.")
        size = column.node[name].size
        if values.ndim < 3 or values.shape[-1] != size:
            raise ShapeError(
                f"{who}: {name} has shape {values.shape}; needed is (T, B, {size}), "
                f"as the node {name!r} has {size} units."
            )
        if len(values) == 0:
            raise ShapeError(
                f"{who}: {name} has shape {values.shape}, that is 0 time steps; "
                "expected at least one time step."
            )
        if values.shape[:-1] != x[names[0]].shape[:-1]:
            raise ShapeError(
                f"{who}: {name} has shape {values.shape}, {names[0]} {x[names[0]].shape}; "
                "they must agree in T and B."
            )
    return x


def _check_parameters(column: Column, params: Mapping[str, Any]) -> None:
    for name, shape in column.shapes.items():
        if name not in params:
            raise ShapeError(f"{column.name}: forward: the parameter {name!r} {shape} is missing.")
        came = np.shape(params[name])
        if came[-len(shape) :] != shape:
            raise ShapeError(
                f"{column.name}: forward: {name!r} has shape {came}; the column needs {shape}."
            )


def _checked_histories(column: Column, histories: Mapping[str, Any] | None, B: int) -> Arrays:
    who, found = f"{column.name}: forward", {}
    known = {n: sum(ends) for n, ends in column.reach.items() if any(ends)}
    for name, values in (histories or {}).items():
        if name not in known:
            raise ShapeError(
                f"{who}: a history came for {name!r}; nodes that have one are "
                f"{', '.join(known) or 'none'}."
            )
        found[name] = np.asarray(values)
        needed = (known[name], B, column.node[name].size)
        came = found[name].shape
        if (came[:1] + came[-2:] if len(came) > 2 else came) != needed:
            raise ShapeError(
                f"{who}: the history of {name!r} has shape {came}; {known[name]} columns, a batch "
                f"of {B} and {column.node[name].size} units need {needed}."
            )
    for node in column.nodes:
        if node.history == "given" and node.name not in found:
            raise ShapeError(
                f"{who}: the history of {node.name!r} is to be given, in the shape "
                f"({known[node.name]}, {B}, {node.size}), and none came."
            )
    return found
