"""`Tensor.backward_steps`: the backward walk, paused at every tensor that a gradient reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from minitorch_rnn import backend
from minitorch_rnn.engine.given import seed_of
from minitorch_rnn.engine.primitive import raw
from minitorch_rnn.engine.tensor import FREED, Tensor, constant
from minitorch_rnn.engine.walk import Contribution, steps, whole
from minitorch_rnn.errors import GraphError


class Step(NamedTuple):
    """The backward walk at one tensor.

    Attributes:
        tensor: where it is.
        gradient: dDIV/d(tensor), complete: all that used the tensor has contributed. The one node
            of a scan has a tuple: of each of its outputs, None where none came.
        contributions: what the tensor's operation sends to those of its inputs that need it; none
            from a leaf.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(0.0, requires_grad=True)
    >>> [(step.operation, step.gradient.item()) for step in x.exp().sum().backward_steps()]
    [('sum', 1.0), ('exp', 1.0), (None, 1.0)]
    """

    tensor: Tensor
    gradient: Any
    contributions: tuple[Contribution, ...]

    @property
    def operation(self) -> str | None:
        """The name of the operation that made the tensor; None for a leaf."""
        return None if self.tensor._op is None else self.tensor._op.name

    def jacobian(self, number: int) -> Tensor:
        """The local Jacobian of the operation for its input `number`, (tensor.size, input.size).

        Row i is what the rule makes of a gradient that is 1 at element i and else 0.

        Raises:
            IndexError: if the operation has no such input, or no derivative with respect to it.
            GraphError: once the walk has gone on and freed the operation, and of a scan, which is
                a whole sequence: unroll it (``road="graph"``).

        >>> import minitorch_rnn as mt
        >>> x = mt.tensor([3.0, 4.0], requires_grad=True)
        >>> for step in (x * x).backward_steps(mt.ones(2)):
        ...     if step.operation == "multiply":
        ...         print(step.jacobian(0))
        tensor([[3., 0.],
                [0., 4.]])
        """
        y = self.tensor
        if y._first is FREED:
            raise GraphError(
                f"jacobian of {self.operation!r}: the walk has gone on and freed it. Ask while the "
                "step is the current one, or pass retain_graph=True to backward_steps."
            )
        gradients = [self.gradient, *[c.gradient for c in self.contributions]]
        if any(isinstance(g, tuple) for g in gradients):
            raise GraphError(
                f"jacobian of {self.operation!r}: it is a whole sequence in one node. Make the "
                "layer with road='graph', where every step has its own."
            )
        inputs, attrs = y._arguments()
        x = inputs[number] if 0 <= number < len(inputs) else None
        if not (isinstance(x, Tensor) and x._tracked):
            sent = [c.number for c in self.contributions]
            raise IndexError(
                f"jacobian of {self.operation or 'a leaf'!r}: input {number} has none; "
                f"those that a gradient flows to are {sent}."
            )
        op, data = y._op, y._data
        assert op is not None
        xp = backend.namespace(data)
        rows, asked = [], [k == number for k in range(len(inputs))]
        values = [raw(v) for v in inputs]
        for unit in xp.eye(data.size, dtype=data.dtype):
            args = (unit.reshape(data.shape), data, *values, *attrs)
            given = op.rules[number](*args) if op.joint is None else op.joint(asked, *args)[number]
            if given is None:
                given = xp.zeros(x.shape, dtype=x.dtype)
            rows.append(whole(given, x)._data.reshape(-1))
        return constant(xp.stack(rows) if rows else xp.zeros((0, x.size), dtype=data.dtype))


def backward_steps(
    self: Tensor, gradient: Any = None, retain_graph: bool = False
) -> Iterator[Step]:
    """`backward`, one tensor at a time, newest first: every tensor that a gradient reaches.

    Args:
        gradient, retain_graph: as of `backward`.

    `.grad` of the leaves is set when the loop has come to its end, as `backward` does it. A loop
    that is left early sets none, and what it has passed is freed.

    Raises:
        GraphError, ShapeError: as `backward`, at the first step.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(3.0, requires_grad=True)
    >>> for step in (x * x).backward_steps():
    ...     for sent in step.contributions:
    ...         how = "+=" if sent.added else "="
    ...         print(step.operation, "sends to input", sent.number, how, sent.gradient.item())
    multiply sends to input 0 = 3.0
    multiply sends to input 1 += 3.0
    >>> x.grad
    tensor(6.)
    """
    sent: list[Contribution] = []
    seeds = [seed_of(self, gradient)]
    for tensor, total in steps([self], seeds, None, retain_graph, found={}, sent=sent):
        yield Step(tensor, whole(total, tensor), tuple(sent))
