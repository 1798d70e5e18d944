"""Truncated backpropagation through time on the graph, by the windows of `column.truncation`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minitorch_rnn.autograd import grad
from minitorch_rnn.column import Column, Truncation, Variant, Window
from minitorch_rnn.column.data import check_forward
from minitorch_rnn.engine import Tensor, constant, no_grad
from minitorch_rnn.errors import GraphError
from minitorch_rnn.nn.column_network import ColumnNetwork


def truncated_backward(
    network: ColumnNetwork,
    x: Any,
    loss: Callable[[Tensor], Tensor],
    truncation: Truncation,
    histories: Mapping[str, Any] | None = None,
    teacher: Any = None,
    variant: Variant | str | None = None,
) -> Tensor:
    """Add to every parameter's `.grad` what `truncation` keeps of the gradient of a loss.

    Args:
        network: whose forward pass is not changed by the truncation.
        x, histories, teacher, variant: as the network takes them.
        loss: a function of the outputs Y (T, B, O) that gives a single number. What it depends on
            besides, such as a penalty on the weights, gets no gradient here.
        truncation: `column.chunked`, `column.per_loss_window` or `column.williams_peng`.

    Returns:
        The loss, without a graph.

    Raises:
        TypeError: if truncation or what the loss gives is of another kind.
        ColumnError: if a node runs backward in time: it has no past to be cut off.
        GraphError: if no gradient reaches the outputs.

    A first pass computes the values and no graph. Then each window is computed again, from its
    first column to its last, and its graph is given up before the next: under `chunked(k)`, k
    columns of it are alive at a time. To train on long streams in chunks, pass the state on:
    ``Y, last = network(chunk, {n: h.detach() for n, h in last.items()})``.

    >>> import minitorch_rnn as mt
    >>> network = mt.nn.ColumnNetwork(mt.column.state_space(2, 3, 1))
    >>> loss = mt.nn.truncated_backward(
    ...     network, mt.ones(6, 1, 2), lambda Y: (Y**2).sum(), mt.column.chunked(2))
    >>> network.weight["x->h1"].grad.shape
    (3, 2)
    """
    if not isinstance(truncation, Truncation):
        raise TypeError(
            f"truncated_backward: truncation is {truncation!r}; column.chunked(k) and others make "
            "one."
        )
    check_forward(network.column, f"{network!r}: {truncation.name}")
    column, inputs, given, single = network.prepared(x, histories, teacher, variant)

    def of_outputs(Y: Tensor) -> Tensor:
        value = loss(Y.squeeze(1) if single else Y)
        if not isinstance(value, Tensor):
            raise TypeError(
                f"truncated_backward: loss gave {type(value).__name__}; a Tensor of the outputs is "
                "needed."
            )
        return value

    def send(outputs: Tensor, errors: Tensor) -> None:
        outputs.backward(errors, retain_graph=True)  # what made x is walked once for each window

    return sweeps(network, column, inputs, given, of_outputs, truncation, send)


def sweeps(
    network: ColumnNetwork,
    column: Column,
    inputs: Mapping[str, Tensor],
    histories: Mapping[str, Tensor],
    loss: Callable[[Tensor], Tensor],
    truncation: Truncation,
    send: Callable[[Tensor, Tensor], object],
    offsets: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Send the errors of a loss back window by window, each over a graph that is cut off there.

    Args:
        network, column, inputs, histories, offsets: as in `ColumnNetwork.timelines`.
        loss: of the outputs, (T, B, O).
        truncation: whose windows are wanted.
        send: called for every window with the outputs of its losses, and the errors to send back.

    Returns:
        The loss, without a graph.

    Raises:
        GraphError: if no gradient reaches the outputs.
    """
    T = len(next(iter(inputs.values())))
    before = {n: K for n, (K, _) in column.reach.items() if K}
    with no_grad():
        lines = network.timelines(inputs, histories, column=column, offsets=offsets)
        Y = lines[column.output].rows(0, T).detach().requires_grad_()
        memory = {n: lines[n].rows(-K, T) for n, K in before.items()}
    del lines  # of the values only those that outputs and windows begin with are needed
    value = loss(Y)
    slope = grad(value, Y, allow_unused=True)[0] if value.requires_grad else None
    errors: Any = None if slope is None else slope.data

    def sweep(window: Window) -> bool:
        losses, first = window
        start, stop = max(first, 0), losses.stop
        past = histories
        if first >= 0:
            past = {network.owner(n): memory[n][start : start + K] for n, K in before.items()}
        x, moved = ({n: v[start:stop] for n, v in of.items()} for of in (inputs, offsets or {}))
        lines = network.timelines(x, past, column=column, offsets=moved)
        outputs = lines[column.output].rows(losses.start - start, stop - start)
        if outputs.requires_grad:
            send(outputs, constant(errors[losses.start : stop]))
        return outputs.requires_grad

    if errors is None or not any([sweep(window) for window in truncation.windows(T)]):
        raise GraphError(
            "truncation: no gradient reaches the outputs: the loss does not depend on them, or "
            "nothing in the network requires a gradient, or recording is off."
        )
    return value.detach()
