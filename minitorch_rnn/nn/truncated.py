"""Truncated backpropagation through time on the graph, by the windows of `column.truncation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from minitorch_rnn import backend, ops
from minitorch_rnn.autograd import grad
from minitorch_rnn.column import Truncation
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import ColumnError
from minitorch_rnn.nn.unroll import ColumnNetwork


def truncated_backward(
    network: ColumnNetwork,
    x: Any,
    loss: Callable[[Tensor], Tensor],
    truncation: Truncation,
    histories: Mapping[str, Any] | None = None,
    teacher: Any = None,
) -> Tensor:
    """Add to every parameter's `.grad` what `truncation` keeps of the gradient of a loss.

    Args:
        network: whose forward pass is not changed by the truncation.
        x, histories, teacher: as the network takes them.
        loss: a function of the outputs Y (T, B, O) that gives a single number.
        truncation: `column.chunked`, `column.per_loss_window` or `column.williams_peng`.

    Returns:
        The loss, without a graph.

    Raises:
        ColumnError: if a node runs backward in time: it has no past to be cut off.

    The network is unrolled once for each window. To train on long streams in chunks, pass the state
    on instead: ``Y, last = network(chunk, {n: h.detach() for n, h in last.items()})``.

    >>> import minitorch_rnn as mt
    >>> network = mt.nn.ColumnNetwork(mt.column.state_space(2, 3, 1))
    >>> loss = mt.nn.truncated_backward(
    ...     network, mt.ones(6, 1, 2), lambda Y: (Y**2).sum(), mt.column.chunked(2))
    >>> network.weight["x->h1"].grad.shape
    (3, 2)
    """
    column, inputs, given, single = network.prepared(x, histories, teacher)
    T = len(next(iter(inputs.values())))
    for node in column.nodes:
        if node.direction == "backward":
            raise ColumnError(
                f"{network!r}: {truncation.name} needs a network that runs forward in time, and "
                f"node {node.name!r} runs backward."
            )

    def outputs(first: int) -> Tensor:
        a = network.unroll(inputs, given, column=column, first=first)
        Y: Tensor = ops.stack([a[column.output][t] for t in range(T)])
        return Y.squeeze(1) if single else Y

    Y = outputs(-1)
    value = loss(Y)
    for cut, dY in sweeps(outputs, Y, value, truncation):
        cut.backward(dY, retain_graph=True)  # what made x is walked once for each window
    return value.detach()


def sweeps(
    outputs: Callable[[int], Tensor], Y: Tensor, value: Tensor, truncation: Truncation
) -> Iterator[tuple[Tensor, Tensor]]:
    """For every window the outputs of a graph that is cut off there, and the errors to send back.

    `outputs(first)` unrolls the network with its graph cut off before column `first`.
    """
    (whole,) = grad(value, Y)
    assert whole is not None
    for losses, first in truncation.windows(len(Y)):
        dY = backend.namespace(whole.data).zeros(Y.shape, Y.dtype)
        dY[losses.start : losses.stop] = whole.data[losses.start : losses.stop]
        yield outputs(first), Tensor(dY, backend=Y.backend)
