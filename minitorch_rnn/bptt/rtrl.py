"""Real-time recurrent learning: the same gradients forward in time, for small networks.

Every state carries its derivative with respect to every parameter along with it, so that nothing
has to be remembered and no sweep back is needed, at a cost that grows with the fourth power of the
state's size. As a witness it shares with BPTT the forward pass and the Jacobian products of the
activations, and neither sweep nor accumulation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_rnn.bptt.activations import functions_of
from minitorch_rnn.bptt.trace import Array, Arrays, Trace
from minitorch_rnn.column import Column, Edge
from minitorch_rnn.column.data import check_forward
from minitorch_rnn.errors import ShapeError


def gradients(column: Column, params: Mapping[str, Any], trace: Trace, dY: Any) -> Arrays:
    """dDIV/dtheta for every parameter, by the names of `column.shapes`.

        P_n(t) = J_n(t) sum_e [ W_e P_s(t-d)  (unless e is blocked)  +  dW_e/dtheta a_s(t-d) ] + …
        dDIV/dtheta = sum_t dY(t) P_Y(t),   where P_n(t) = da_n(t)/dtheta

    Args:
        column, params: as given to `column.forward`.
        trace: what that returned.
        dY: dDIV/dY(t) for all t, (T, B, O).

    Raises:
        ColumnError: if a node runs backward in time, for which there is no "real time".
        ShapeError: if `dY` and the outputs differ in shape.

    Source: Williams and Zipser, Neural Computation 1 (1989).

    >>> from minitorch_rnn.bptt.column import forward
    >>> from minitorch_rnn.column import Input, Layer
    >>> sums = Column("sums", (Input("x", 1), Layer("y", 1, "identity")),
    ...               (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0)), "y")
    >>> params = {"bias.y": np.zeros(1)}
    >>> trace = forward(sums, params, np.ones((3, 1, 1)))
    >>> gradients(sums, params, trace, np.ones((3, 1, 1)))  # 3 + 2 + 1 times b is in the sum of Y
    {'bias.y': array([6.])}
    """
    if np.shape(dY) != trace.Y.shape:
        raise ShapeError(f"rtrl: dY has shape {np.shape(dY)}, the outputs {trace.Y.shape}.")
    check_forward(column, f"{column.name}: real-time recurrent learning")
    B = trace.Y.shape[1]
    starts = np.cumsum([0, *(np.prod(shape, dtype=int) for shape in column.shapes.values())])
    own = {
        name: slice(int(a), int(b))
        for name, a, b in zip(column.shapes, starts[:-1], starts[1:], strict=True)
    }
    total = np.zeros((starts[-1],))
    # P[n] holds P_n of the last K columns, and then of this one, (B, n, number of parameters);
    # inputs depend on none of them.
    P = {
        node.name: [np.zeros((B, node.size, len(total))) for _ in range(column.reach[node.name][0])]
        for node in column.nodes
    }
    for node in column.nodes:
        if node.history == "learned" and node.name not in trace.given:
            eye = np.eye(len(total))[own[f"history.{node.name}"]]
            for k, rows in enumerate(eye.reshape(-1, node.size, len(total))):
                P[node.name][k] += rows
    for t in range(trace.T):
        for n in column.inputs:
            P[n].append(np.zeros((B, column.node[n].size, len(total))))
        for n in (n for part in column.components for n in part.nodes):
            P[n].append(_next(column, params, trace, P, own, n, t))
        total += np.einsum("bo,bop->p", dY[t], P[column.output][-1])
        for n, (before, _) in column.reach.items():  # nothing older will be read again
            P[n] = P[n][len(P[n]) - before :]
    return {name: total[own[name]].reshape(shape) for name, shape in column.shapes.items()}


def _next(
    column: Column,
    params: Mapping[str, Any],
    trace: Trace,
    P: dict[str, list[Array]],
    own: dict[str, slice],
    n: str,
    t: int,
) -> Array:
    """P_n(t) from the P of the nodes that n reads."""
    size, B = column.node[n].size, trace.Y.shape[1]
    past = {e.name: trace.at(e.source, -e.delay)[t] for e in column.into[n]}
    W = {e.name: _matrix(column, params, e) for e in column.into[n]}
    term = {e.name: past[e.name] @ W[e.name].T for e in column.into[n]}
    dz = np.zeros((B, size, sum(s.stop - s.start for s in own.values())))
    for e in column.into[n]:
        moved = np.zeros_like(dz)  # the derivative of W_e a_s(t-d)
        if e.gradient == "full":
            k = column.reach[e.source][0] - e.delay
            moved += np.einsum("ij,bjp->bip", W[e.name], P[e.source][k])
        if isinstance(name := column.weight(e), str):
            m = past[e.name].shape[-1]
            for i in range(size):
                moved[:, i, own[name].start + i * m : own[name].start + (i + 1) * m] += past[e.name]
        if column.node[n].kind == "product":
            for other in column.into[n]:
                if other is not e:
                    moved *= term[other.name][:, :, None]
        dz += moved
    if column.node[n].bias:
        dz[:, :, own[f"bias.{n}"]] += np.eye(size)
    y, z = trace.at(n)[t], trace.z[n][t]
    product = functions_of(column)[n].jacobian_product
    J = np.stack([product(np.tile(row, (B, 1)), y, z) for row in np.eye(size)], axis=1)
    return np.asarray(np.einsum("bij,bjp->bip", J, dz))


def _matrix(column: Column, params: Mapping[str, Any], edge: Edge) -> Array:
    weight = column.weight(edge)
    if isinstance(weight, str):
        return np.asarray(params[weight])
    if isinstance(weight, float):
        return weight * np.eye(column.node[edge.target].size)
    return np.array(weight)
