"""Truncated backpropagation through time on the graph, by the windows of `column.truncation`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from minitorch_rnn import ops
from minitorch_rnn.autograd import grad
from minitorch_rnn.column import Truncation, Variant
from minitorch_rnn.column.data import check_forward
from minitorch_rnn.engine import Tensor, constant
from minitorch_rnn.errors import GraphError
from minitorch_rnn.nn.unroll import ColumnNetwork

Unrolled = dict[str, dict[int, Tensor]]


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

    Each window is unrolled again, from its first column to its last. To train on long streams in
    chunks, pass the state on:
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

    def unroll(**window: Any) -> Unrolled:
        return network.unroll(inputs, given, column=column, **window)

    whole = unroll()
    T = len(next(iter(inputs.values())))
    Y = ops.stack([whole[column.output][t] for t in range(T)])
    value = loss(Y.squeeze(1) if single else Y)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"truncated_backward: loss gave {type(value).__name__}; a Tensor of the outputs is "
            "needed."
        )
    for cut, dY in sweeps(unroll, column.output, whole, value, Y, truncation):
        if cut.requires_grad:
            cut.backward(dY, retain_graph=True)  # what made x is walked once for each window
    return value.detach()


def sweeps(
    unroll: Callable[..., Unrolled],
    output: str,
    whole: Unrolled,
    value: Tensor,
    Y: Tensor,
    truncation: Truncation,
) -> Iterator[tuple[Tensor, Tensor]]:
    """For every window the outputs of a graph that is cut off there, and the errors to send back.

    Args:
        unroll: takes `memory`, `first` and `stop` of `ColumnNetwork.unroll`.
        output: the output node.
        whole: the network unrolled without a cut; its values are the memory.
        value, Y: DIV of the outputs, and the outputs, of `whole`.
        truncation: whose windows are wanted.
    """
    slope = grad(value, Y, allow_unused=True)[0] if Y.requires_grad else None
    if slope is None:
        raise GraphError(
            "truncation: no gradient reaches the outputs: the loss does not depend on them, or "
            "nothing in the network requires a gradient, or recording is off."
        )
    for losses, first in truncation.windows(len(Y)):
        a = unroll(memory=whole, first=first, stop=losses.stop)
        dY = constant(slope.data[losses.start : losses.stop])
        yield ops.stack([a[output][t] for t in losses]), dY
