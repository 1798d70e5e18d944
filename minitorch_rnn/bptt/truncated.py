"""Truncated backpropagation through time for any column, on plain arrays.

The three definitions are lists of windows (`column.truncation`); each window is one sweep of the
general BPTT with the error of its own losses, cut off at its first column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minitorch_rnn.bptt import column as general
from minitorch_rnn.bptt.trace import Trace
from minitorch_rnn.column import Column, Truncation, Window
from minitorch_rnn.column.data import check_forward


def backward(
    column: Column, params: Mapping[str, Any], trace: Trace, dY: Any, truncation: Truncation
) -> general.Gradients:
    """What `truncation` keeps of the gradients; arguments and result as of `column.backward`.

        sum over windows of  backward(dY(t) for t in the window's losses, cut off at its `first`)

    A truncated gradient is the derivative of no function, so plain differences reject it; the
    frozen-memory differences of `replays` do not.

    Raises:
        ColumnError: if a node runs backward in time: it has no past to be cut off.

    >>> from minitorch_rnn.column import Edge, Input, Layer, chunked
    >>> sums = Column("sums", (Input("x", 1), Layer("y", 1, "identity", bias=False)),
    ...               (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0)), "y")
    >>> trace = general.forward(sums, {}, np.ones((3, 1, 1)))
    >>> backward(sums, {}, trace, np.ones((3, 1, 1)), chunked(2)).da["x"].ravel()
    array([2., 1., 1.])
    """
    total: general.Gradients | None = None
    for window in windows(column, truncation, trace.T):
        found = general.backward(
            column,
            params,
            trace,
            of_losses(dY, window),
            first=window.first,
            stop=window.losses.stop,
        )
        if total is None:
            total = found
        else:
            for so_far, more in zip(total, found, strict=True):
                for name in so_far:
                    so_far[name] += more[name]
    assert total is not None
    return total


def replays(
    column: Column,
    params: Mapping[str, Any],
    trace: Trace,
    truncation: Truncation,
    inputs: Any,
    histories: Mapping[str, Any] | None = None,
    offsets: Mapping[str, Any] | None = None,
) -> Iterator[tuple[slice, Trace]]:
    """The forward pass of every window again, on the frozen memory of `trace`.

    Yields the times of a window's losses, and a trace that is computed from the parameters where
    the window's errors reach and holds the old values before that. The number

        sum over windows, over t in the window's losses, of <dY(t), Y(t)>

    made of them has the truncated gradient for its derivative at the parameters of `trace`.

    >>> from minitorch_rnn.column import chunked, elman
    >>> net, x = elman(1, 2, 1), np.ones((3, 1, 1))
    >>> params = {name: np.zeros(shape) for name, shape in net.shapes.items()}
    >>> trace = general.forward(net, params, x)
    >>> [times for times, _ in replays(net, params, trace, chunked(2), x)]
    [slice(0, 2, None), slice(2, 3, None)]
    """
    for window in windows(column, truncation, trace.T):
        live = general.forward(
            column, params, inputs, histories, frozen=trace, first=window.first,
            stop=window.losses.stop, offsets=offsets,
        )  # fmt: skip
        yield slice(window.losses.start, window.losses.stop), live


def windows(column: Column, truncation: Truncation, T: int) -> list[Window]:
    """The windows of a truncation for T columns of a network that runs forward.

    >>> from minitorch_rnn.column import chunked, elman
    >>> windows(elman(1, 2, 1), chunked(2), T=3)
    [Window(losses=range(0, 2), first=-1), Window(losses=range(2, 3), first=2)]
    """
    check_forward(column, f"{column.name}: {truncation.name}")
    return truncation.windows(T)


def of_losses(dY: Any, window: Window) -> Any:
    """dY(t) for the losses of a window, and 0 for the others.

    >>> of_losses(np.ones(4), Window(range(2, 4), first=2))
    array([0., 0., 1., 1.])
    """
    t = slice(window.losses.start, window.losses.stop)
    own = np.zeros_like(dY)
    own[t] = dY[t]
    return own
