"""Truncated backpropagation through time for any column, on plain arrays.

The three definitions are lists of windows (`column.truncation`); each window is one sweep of the
general BPTT with the error of its own losses, cut off at its first column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_rnn.bptt import column as general
from minitorch_rnn.bptt.trace import Trace
from minitorch_rnn.column import Column, Truncation, Window
from minitorch_rnn.errors import ColumnError


def backward(
    column: Column, params: Mapping[str, Any], trace: Trace, dY: Any, truncation: Truncation
) -> general.Gradients:
    """What `truncation` keeps of the gradients; arguments and result as of `column.backward`.

        sum over windows of  backward(dY(t) for t in the window's losses, cut off at its `first`)

    A truncated gradient is the derivative of no function, so plain differences reject it; the
    frozen-memory differences of `value` do not.

    Raises:
        ColumnError: if a node runs backward in time: it has no past to be cut off.
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


def value(
    column: Column,
    params: Mapping[str, Any],
    trace: Trace,
    dY: Any,
    truncation: Truncation,
    inputs: Any,
    histories: Mapping[str, Any] | None = None,
    offsets: Mapping[str, Any] | None = None,
) -> Any:
    """The number whose derivative at `params` is the truncated gradient: frozen memory.

        sum over windows, over t in the window's losses, of <dY(t), Y(t)>

    where Y(t) of a window is computed again from the parameters, while every column before its
    first keeps the values of `trace`. Copies that run side by side give a number each.
    """
    total: Any = 0.0
    for window in windows(column, truncation, trace.T):
        live = general.forward(
            column, params, inputs, histories, frozen=trace, first=window.first,
            stop=window.losses.stop, offsets=offsets,
        )  # fmt: skip
        t = slice(window.losses.start, window.losses.stop)
        Y = np.moveaxis(live.Y[t], 0, -3)
        total = total + (Y * np.asarray(dY)[t]).sum(axis=(-1, -2, -3))
    return total


def windows(column: Column, truncation: Truncation, T: int) -> list[Window]:
    """The windows of a truncation for T columns of a network that runs forward."""
    for node in column.nodes:
        if node.direction == "backward":
            raise ColumnError(
                f"{column.name}: {truncation.name} needs a network that runs forward in time, and "
                f"node {node.name!r} runs backward."
            )
    return truncation.windows(T)


def of_losses(dY: Any, window: Window) -> Any:
    """dY(t) for the losses of a window, and 0 for the others."""
    t = slice(window.losses.start, window.losses.stop)
    own = np.zeros_like(dY)
    own[t] = dY[t]
    return own
