"""One recurrence for every architecture (slide 95): a column's forward pass and its BPTT.

    forward    z_n(t) = b_n + sum_e W_e a_s(t-d),   a_n(t) = f_n(z_n(t))
    backward   dz_n(t) = da_n(t) J_n(t),   da_s(t-d) += dz_n(t) W_e   unless e is blocked,
               dW_e = sum_t outer(dz_n(t), a_s(t-d)),   db_n = sum_t dz_n(t)

The columns before t = 0 (and, for nets that run backward in time, those from T on) are kept in the
same arrays as the others, so a history needs no rule of its own: its gradient is what has been
added to its columns. What does not recur is computed for all t at once, by the same lines.

Leading axes of the parameters, if any, are copies of the network that run side by side: the arrays
of the forward pass, inputs and histories among them, are then (T, …, B, n). Differences evaluate
hundreds of perturbed networks in one sweep that way; the backward pass is of one network.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.bptt.activations import functions_of
from minitorch_rnn.bptt.trace import Array, Arrays, Trace, arrays_of, beginning, shifted
from minitorch_rnn.column import Column, Component
from minitorch_rnn.errors import ShapeError


def forward(
    column: Column,
    params: Mapping[str, Any],
    inputs: Any,
    histories: Mapping[str, Any] | None = None,
    *,
    frozen: Trace | None = None,
    first: int = -1,
    stop: int | None = None,
    offsets: Mapping[str, Any] | None = None,
) -> Trace:
    """The forward pass of any column over a batch of sequences.

    Args:
        column: the network.
        params: arrays by the names of `column.shapes`: ``weight.x->h`` (n, m), ``bias.h`` (n,) and
            ``history.h`` (columns, n) for those that are learned.
        inputs: x, (T, B, I); a dictionary by node if the column has several inputs.
        histories: a(-K) … a(-1), then a(T) … a(T+F-1), by node, (K+F, B, n), so that ``[-1]`` is
            a(-1) where F = 0; or a number for all of it. Needed where the history is "given";
            elsewhere it takes the place of what is learned, or of zeros.
        frozen: a trace whose values stand in for all that comes over blocked links, and for every
            column before `first`: the memory of frozen-memory differences.
        first, stop: with `frozen`, compute the columns from `first` up to `stop` only.
        offsets: added to z, by node, (T, B, n): their gradient is dz.

    Raises:
        ShapeError: if the data do not fit the column or each other.
        DTypeError: if they are no numbers.

    >>> from minitorch_rnn.column import Column, Edge, Input, Layer
    >>> sums = Column("sums", (Input("x", 1), Layer("y", 1, "identity", bias=False)),
    ...               (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0)), "y")
    >>> forward(sums, {}, np.ones((3, 1, 1))).Y.ravel()
    array([1., 2., 3.])
    """
    params = arrays_of(column, params)
    trace = beginning(column, params, inputs, histories, (offsets or {}).values())
    T, a, z = trace.T, trace.a, trace.z
    for n, offset in (offsets or {}).items():
        if n not in z or np.shape(offset) != z[n].shape:
            needed = z[n].shape if n in z else f"a node of {', '.join(z)}"
            raise ShapeError(
                f"{column.name}: forward: the offset of {n!r} has shape {np.shape(offset)}; "
                f"needed is {needed}."
            )
    memory = a if frozen is None else {n: _beside(v, a[n]) for n, v in frozen.a.items()}
    for n, (before, _) in column.reach.items():
        if first >= 0:
            a[n][: before + first] = memory[n][: before + first]

    f, into = functions_of(column), column.into
    now = {n: trace.at(n) for n in a}
    W = {e.name: _transposed(_weight(column, params, e)) for e in column.edges}
    past = {
        e.name: shifted(
            column, memory if e.gradient == "blocked" else a, T, e.source, column.offset(e)
        )
        for e in column.edges
    }
    live = slice(max(first, 0), T if stop is None else stop)
    for n in z:
        if column.node[n].bias:
            z[n][live] += params[f"bias.{n}"][..., None, :]
        if offsets and n in offsets:
            z[n][live] += offsets[n][live]

    for part in column.components:
        for t in _times(part, live):
            for n in part.nodes:
                terms = [_times_weight(past[e.name][t], W[e.name]) for e in into[n]]
                if column.node[n].kind == "product":
                    z[n][t] += reduce(np.multiply, terms)
                else:
                    for term in terms:
                        z[n][t] += term
                now[n][t] = f[n].f(z[n][t])
    return trace


class Gradients(NamedTuple):
    """All that the reverse sweep computed.

    Attributes:
        parameters: by the names of `column.shapes`, in the parameters' shapes.
        histories: by node, in the shape of `histories`, for every node that has one.
        dz, da: dDIV/dz_n(t) and dDIV/da_n(t) by node, (T, B, n); da of an input is dDIV/dx(t).

    >>> from minitorch_rnn.column import elman
    >>> net = elman(1, 2, 1)
    >>> params = {name: np.zeros(shape) for name, shape in net.shapes.items()}
    >>> d = backward(net, params, forward(net, params, np.ones((3, 1, 1))), np.ones((3, 1, 1)))
    >>> d.parameters["bias.Y"], d.dz["h"].shape
    (array([3.]), (3, 1, 2))
    """

    parameters: Arrays
    histories: Arrays
    dz: Arrays
    da: Arrays


def backward(
    column: Column,
    params: Mapping[str, Any],
    trace: Trace,
    dY: Any,
    *,
    first: int = -1,
    stop: int | None = None,
) -> Gradients:
    """Backpropagation through time for any column: slide 94 as slide 95 generalises it.

        dz_n(t)    = da_n(t) J_n(t)
        da_s(t-d) += dz_n(t) W_e          where e = (s -> n, d) is not blocked
        dW_e      += outer(dz_n(t), a_s(t-d)),   db_n += dz_n(t)

    for t = T-1 … 0, later components first, and for t = 0 … T-1 where a component runs backward.

    Args:
        column, params: as given to `forward`.
        trace: what `forward` returned.
        dY: dDIV/dY(t) for all t, (T, B, O). DIV may be any function of the series of outputs.
        first, stop: sweep the columns from `stop` - 1 down to `first` only, and cut the error off
            there; -1 includes the history. `truncated.backward` is made of such sweeps.

    Raises:
        ShapeError: if `dY` and the outputs differ in shape.

    Nothing here uses the autograd engine; the tests rely on that.

    Source: slides 94 and 95; 100 for nets that run backward.

    >>> from minitorch_rnn.column import Column, Edge, Input, Layer
    >>> sums = Column("sums", (Input("x", 1), Layer("y", 1, "identity", bias=False)),
    ...               (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0)), "y")
    >>> trace = forward(sums, {}, np.ones((3, 1, 1)))
    >>> backward(sums, {}, trace, np.ones((3, 1, 1))).da["x"].ravel()
    array([3., 2., 1.])
    """
    T, a, z = trace.T, trace.a, trace.z
    if np.shape(dY) != trace.Y.shape or trace.Y.ndim != 3:
        raise ShapeError(
            f"backward: dY has shape {np.shape(dY)}, the outputs {trace.Y.shape}; "
            "they must be the same, (T, B, O), of a single network."
        )
    params = arrays_of(column, params)
    f, into = functions_of(column), column.into
    W = {e.name: _weight(column, params, e) for e in column.edges}
    da, dz = ({n: np.zeros_like(v) for n, v in arrays.items()} for arrays in (a, z))
    y, dy = ({n: shifted(column, arrays, T, n, 0) for n in a} for arrays in (a, da))
    past, back = (
        {e.name: shifted(column, arrays, T, e.source, column.offset(e)) for e in column.edges}
        for arrays in (a, da)
    )
    # du is what reaches W_e a_s: dz of a layer; in a product, dz times the other factors.
    products = {n for n in z if column.node[n].kind == "product"}
    du = {
        e.name: np.zeros_like(z[e.target]) if e.target in products else dz[e.target]
        for e in column.edges
    }

    dy[column.output][...] = dY
    swept = slice(max(first, 0), T if stop is None else stop)
    for part in reversed(column.components):
        for t in reversed(_times(part, swept)):
            for n in reversed(part.nodes):
                dz[n][t] = f[n].jacobian_product(dy[n][t], y[n][t], z[n][t])
                for e in into[n]:
                    if n in products:
                        du[e.name][t] = dz[n][t]
                        for other in (o for o in into[n] if o is not e):
                            factor = _transposed(W[other.name])
                            du[e.name][t] *= _times_weight(past[other.name][t], factor)
                    if e.gradient == "full":  # note the addition: a_s(t-d) may have other users
                        back[e.name][t] += _times_weight(du[e.name][t], W[e.name])

    for n, (before, _) in column.reach.items():
        if first >= 0:
            da[n][: before + first] = 0  # what would have been sent on beyond the cut
    histories = {
        n: np.concatenate([da[n][:before], da[n][before + T :]])
        for n, (before, after) in column.reach.items()
        if before + after
    }
    return Gradients(_of_parameters(trace, du, past, dz, histories), histories, dz, dy)


def _of_parameters(
    trace: Trace, du: Mapping[Any, Array], past: Mapping[Any, Array], dz: Arrays, histories: Arrays
) -> Arrays:
    """dW_e = sum_t outer(du_e(t), a_s(t-d)), db_n = sum_t dz_n(t), and the learned histories'."""
    column = trace.column
    d = {name: np.zeros(shape, trace.Y.dtype) for name, shape in column.shapes.items()}
    for e in column.edges:
        if isinstance(name := column.weight(e), str):  # shared weights add up
            d[name] += _rows(du[e.name]).T @ _rows(past[e.name])
    for node in column.nodes:
        if node.bias:
            d[f"bias.{node.name}"] += dz[node.name].sum(axis=(0, 1))
        if node.history == "learned" and node.name not in trace.given:
            d[f"history.{node.name}"] += histories[node.name].sum(axis=1)
    return d


def _times(part: Component, when: slice) -> list[Any]:
    """The times of a component in the order of the forward pass: all at once if nothing recurs."""
    if not part.recurrent:
        return [when]
    times = range(when.start, when.stop)
    return list(reversed(times) if part.backward else times)


def _weight(column: Column, params: Mapping[str, Any], edge: Any) -> Any:
    """The weight of an edge: a number or a matrix."""
    weight = column.weight(edge)
    if isinstance(weight, str):
        return params[weight]
    return weight if isinstance(weight, float) else np.array(weight)


def _transposed(weight: Any) -> Any:
    return weight if isinstance(weight, float) else weight.swapaxes(-1, -2)


def _times_weight(rows: Array, weight: Any) -> Any:
    return rows * weight if isinstance(weight, float) else rows @ weight


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _beside(frozen: Array, live: Array) -> Array:
    """Frozen values with the axes of the copies that run side by side."""
    return frozen.reshape(len(frozen), *(1,) * (live.ndim - frozen.ndim), *frozen.shape[1:])
