"""What a column's forward pass computed, and the data it started from, on plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.column import Column
from minitorch_rnn.column.data import (
    check_histories,
    check_history_names,
    check_inputs,
    named_inputs,
    whole_history,
)
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
        """The last columns, as `histories` of the sequence that goes on where this one ends.

        Empty for a column with nodes that run backward, which never goes on.
        """
        if self.column.backward:
            return {}
        return {
            n: self.a[n][self.T :].copy() for n, (before, _) in self.column.reach.items() if before
        }


def shifted(column: Column, arrays: Arrays, T: int, node: str, offset: int) -> Array:
    """The T columns from t = offset on of an array that holds the history of `node` too."""
    start = column.reach[node][0] + offset
    return arrays[node][start : start + T]


def beginning(
    column: Column,
    params: Arrays,
    inputs: Any,
    histories: Mapping[str, Any] | None,
    others: Iterable[Any] = (),
) -> Trace:
    """A trace in which nothing is computed yet: the data and the histories in their places.

    Its dtype can hold all of them, and the values of `others`.

    Raises:
        ShapeError: if they do not fit the column or each other.
        DTypeError: if they are no numbers.
    """
    x = _checked_inputs(column, inputs)
    T, *lead, B = next(iter(x.values())).shape[:-1]
    given = _checked_histories(column, histories, B)
    everything = [*x.values(), *given.values(), *(params[n] for n in column.shapes), *others]
    dtype = np.result_type(*map(np.asarray, everything), np.float32)
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
    who = f"{column.name}: forward"
    named = named_inputs(column, who, inputs)
    x = {name: _numbers(f"{who}: {name}", values) for name, values in named.items()}
    for name, values in x.items():
        if values.ndim < 3:
            raise ShapeError(
                f"{who}: {name} has shape {values.shape}, that is {values.ndim} axes; "
                "needed are 3, (T, B, I)."
            )
    check_inputs(column, who, {name: values.shape for name, values in x.items()})
    return x


def arrays_of(column: Column, params: Mapping[str, Any]) -> Arrays:
    """The column's parameters as arrays.

    Raises:
        ShapeError: naming one that is missing, or has another shape.
        DTypeError: naming one that holds no numbers.
    """
    found = {}
    for name, shape in column.shapes.items():
        who = f"{column.name}: the parameter {name!r}"
        if name not in params:
            raise ShapeError(f"{who} {shape} is missing.")
        found[name] = _numbers(who, params[name])
        came = found[name].shape
        if came[-len(shape) :] != shape:
            raise ShapeError(f"{who} has shape {came}; the column needs {shape}.")
    return found


def _numbers(who: str, values: Any) -> Array:
    array = np.asarray(values)
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"{who} is {array.dtype}; numbers are needed.")
    return array


def _checked_histories(column: Column, histories: Mapping[str, Any] | None, B: int) -> Arrays:
    who = f"{column.name}: forward"
    check_history_names(column, who, histories)
    found = {
        name: _numbers(f"{who}: the history of {name!r}", whole_history(column, name, values, B))
        for name, values in (histories or {}).items()
    }
    shapes = {  # without the axes of copies
        name: h.shape[:1] + h.shape[-2:] if h.ndim > 3 else h.shape for name, h in found.items()
    }
    check_histories(column, who, shapes, B)
    return found
