"""Which error reaches which state: one backward sweep for each loss, all of them side by side.

BPTT is linear in the errors dY(t) that enter it. Copies of the trace, one for each loss time and
with the error of that time alone, say what each loss sends where; their sum is the gradient.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.bptt import column as general
from minitorch_rnn.bptt import truncated
from minitorch_rnn.bptt.column import Gradients
from minitorch_rnn.bptt.trace import Array, Trace
from minitorch_rnn.column import Column, Edge, Truncation, Window

__all__ = ["Sweep", "contributions", "jacobians", "of_each_loss", "times_reached", "ways"]

_TOGETHER = 4_000_000  # numbers in the arrays of copies that are swept at once


class Sweep(NamedTuple):
    """What the errors of some losses give, each alone.

    Attributes:
        losses: their times.
        first: the earliest column that they reach; -1 is the history.
        dz, da: dDiv(t)/dz_n(t') and dDiv(t)/da_n(t') by node, (T, losses, B, n), t' first.
    """

    losses: range
    first: int
    dz: dict[str, Array]
    da: dict[str, Array]


def of_each_loss(
    params: Mapping[str, Any], trace: Trace, dY: Array, truncation: Truncation | None = None
) -> Iterator[Sweep]:
    """The backward pass of every loss alone, many at once; arguments as of `truncated.backward`.

    >>> from minitorch_rnn.column import Column, Edge, Input, Layer
    >>> sums = Column("sums", (Input("x", 1), Layer("y", 1, "identity", bias=False)),
    ...               (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=0.5)), "y")
    >>> trace = general.forward(sums, {}, np.ones((3, 1, 1)))
    >>> (sweep,) = of_each_loss({}, trace, np.ones((3, 1, 1)))
    >>> sweep.da["x"][:, 2].ravel()  # of the loss at t = 2
    array([0.25, 0.5 , 1.  ])
    """
    column, T = trace.column, trace.T
    some = max(1, _TOGETHER // _numbers(trace))
    whole = [Window(range(T), -1)]
    windows = whole if truncation is None else truncated.windows(column, truncation, T)
    for window in windows:
        for start in range(window.losses.start, window.losses.stop, some):
            losses = range(start, min(start + some, window.losses.stop))
            errors = np.zeros((T, len(losses), *dY.shape[1:]), dY.dtype)
            for i, t in enumerate(losses):
                errors[t, i] = dY[t]
            found = _swept(params, trace, errors, window.first, losses.stop)
            yield Sweep(losses, window.first, found.dz, found.da)


def jacobians(params: Mapping[str, Any], trace: Trace, node: str) -> Iterator[tuple[range, Array]]:
    """∂a(t)/∂a(t') of a node, all that follows from a(t') included, as the backward pass sees it.

    Yields some times t, and (times, K+T+F, B, n, n): for every t' of the trace's columns, histories
    among them, the matrix of ∂a_i(t)/∂a_j(t'). What comes over blocked links does not count.
    """
    column, T, n = trace.column, trace.T, trace.column.node[node].size
    seen = trace._replace(column=dataclasses.replace(column, output=node))
    some, B = max(1, _TOGETHER // (n * _numbers(trace))), trace.Y.shape[1]
    for start in range(0, T, some):
        times = range(start, min(start + some, T))
        errors = np.zeros((T, len(times), n, B, n))
        for i, t in enumerate(times):
            errors[t, i] = np.eye(n)[:, None, :]
        found = _swept(params, seen, errors.reshape(T, -1, B, n), -1, times.stop)
        # Back among the other columns: those before t = 0 first, those from T on last.
        before = column.reach[node][0]
        outside = found.histories.get(node, np.zeros((0, *found.da[node].shape[1:])))
        rows = np.concatenate([outside[:before], found.da[node], outside[before:]])
        yield times, np.moveaxis(rows.reshape(-1, len(times), n, B, n), (1, 2), (0, 3))


def _numbers(trace: Trace) -> int:
    """How many numbers the arrays of one copy hold."""
    return sum(a.size for a in trace.a.values()) + 4 * sum(z.size for z in trace.z.values())


def _swept(
    params: Mapping[str, Any], trace: Trace, errors: Array, first: int, stop: int
) -> Gradients:
    """The backward pass of errors (T, copies, B, O) at once; its arrays are split in the same way.

    Where all nodes run forward in time nothing behind the last error has a gradient.
    """
    T, copies, B, O = errors.shape
    a, z = ({n: np.tile(v, (1, copies, 1)) for n, v in group.items()} for group in trace[1:3])
    many = trace._replace(a=a, z=z)
    end = None if trace.column.backward else stop
    found = general.backward(
        trace.column, params, many, errors.reshape(T, copies * B, O), first=first, stop=end
    )
    parts = (
        {n: v.reshape(len(v), copies, B, v.shape[-1]) for n, v in group.items()}
        for group in found[1:]
    )
    return Gradients(found.parameters, *parts)


def contributions(
    params: Mapping[str, Any], trace: Trace, sweep: Sweep
) -> Iterator[tuple[str, Array, Array]]:
    """What a sweep adds to every parameter.

    Yields a name; by the time step at which it is added, for all losses together, (T, *shape); and
    by loss, (losses, *shape). A learned history gets its part when it is read.
    """
    column, T = trace.column, trace.T
    for node in column.nodes:
        if node.bias:
            dz = sweep.dz[node.name].sum(axis=2)
            yield f"bias.{node.name}", dz.sum(axis=1), dz.sum(axis=0)
    for e in column.edges:
        weight, past = column.weight(e), trace.at(e.source, column.offset(e))
        begins = column.node[e.source].history == "learned" and e.source not in trace.given
        begins = begins and e.gradient == "full" and sweep.first < 0
        if not isinstance(weight, str) and not begins:
            continue
        du = _before_weight(params, trace, e, sweep)
        if isinstance(weight, str):
            by_time = np.einsum("tbn,tbm->tnm", du.sum(axis=1), past)
            yield weight, by_time, np.einsum("tlbn,tbm->lnm", du, past)
        if begins:
            before, after = column.reach[e.source]
            back = _through(du, _value(column, params, e)).sum(axis=2)
            by_time = np.zeros((T, before + after, back.shape[-1]))
            by_loss = np.zeros((back.shape[1], before + after, back.shape[-1]))
            for t in range(T):
                at = t + column.offset(e)
                if not 0 <= at < T:
                    row = at + before if at < 0 else at - T + before
                    by_time[t, row] = back[t].sum(axis=0)
                    by_loss[:, row] += back[t]
            yield f"history.{e.source}", by_time, by_loss


def _before_weight(params: Mapping[str, Any], trace: Trace, e: Edge, sweep: Sweep) -> Array:
    """What reaches W_e a_s: dz of the target; in a product, dz times the other factors."""
    column = trace.column
    du = sweep.dz[e.target]
    if column.node[e.target].kind == "product":
        for other in column.into[e.target]:
            if other is not e:
                factor = trace.at(other.source, column.offset(other))
                W = _value(column, params, other)
                du = du * _through(factor, W if isinstance(W, float) else W.T)[:, None]
    return du


def _value(column: Column, params: Mapping[str, Any], e: Edge) -> Any:
    """The weight of an edge: a number or a matrix."""
    weight = column.weight(e)
    if isinstance(weight, float):
        return weight
    return np.asarray(params[weight] if isinstance(weight, str) else weight)


def _through(rows: Array, weight: Any) -> Array:
    return rows * weight if isinstance(weight, float) else rows @ weight


def ways(column: Column, T: int, open_only: bool = False) -> dict[str, Array]:
    """Whether links lead from a node at t' to the output at t: (T, T), by node, rows t, columns t'.

    Args:
        column, T: the network, and how many columns of it.
        open_only: leave blocked links out.

    >>> from minitorch_rnn.column import elman
    >>> ways(elman(1, 1, 1), 2)["h"].astype(int), ways(elman(1, 1, 1), 2, True)["h"].astype(int)
    (array([[1, 0],
           [1, 1]]), array([[1, 0],
           [0, 1]]))
    """
    lead = {node.name: np.zeros((T, T), bool) for node in column.nodes}  # columns t' first
    lead[column.output] |= np.eye(T, dtype=bool)
    for part in reversed(column.components):  # in the order of the backward pass
        edges = [e for n in reversed(part.nodes) for e in column.into[n]]
        for t in range(T) if part.backward else reversed(range(T)):
            for e in edges:
                at = t + column.offset(e)
                if 0 <= at < T and (e.gradient == "full" or not open_only):
                    lead[e.source][at] |= lead[e.target][t]
    return {n: array.T for n, array in lead.items()}


def times_reached(column: Column, T: int, truncation: Truncation | None = None) -> dict[str, Array]:
    """Whether the error of a loss gets to a state: `ways` without what is blocked or cut off.

    >>> from minitorch_rnn.column import chunked, state_space
    >>> times_reached(state_space(1, 1, 1), 3, chunked(2))["h1"].astype(int)
    array([[1, 0, 0],
           [1, 1, 0],
           [0, 0, 1]])
    """
    found = ways(column, T, open_only=True)
    if truncation is None:
        return found
    kept = np.array(truncation.reaches(T))[:, 1:]
    return {n: array & kept for n, array in found.items()}
