"""checkpoint: what a part of the graph computed is forgotten, and computed again in backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.autograd.whole import owned, recorded, replaced, tensors
from minitorch_rnn.engine import (
    Tensor,
    constant,
    enable_grad,
    is_grad_enabled,
    joint,
    raw,
    walk,
)
from minitorch_rnn.errors import GraphError
from minitorch_rnn.ops import where


def checkpoint(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """function(*args, **named), whose intermediate values are not kept but computed again.

    Memory for time: the graph holds the arguments and the outputs only, and `backward` runs the
    function a second time. A chain of n steps in sqrt(n) checkpoints keeps about 2 sqrt(n) values.

    Args:
        function: of tensors; may use parameters and other tensors of the graph that are not among
            its arguments. Returns a tensor, or tuples, lists and dictionaries of them.
        args, named: what it is called with; of arrays, also in lists, tuples and dictionaries, the
            values at the time of the call are used both times.

    Raises:
        GraphError: in backward, if the second run does not give the values of the first (on a
            device, where nobody waits to compare, the gradient is nan then). The default generator
            of random numbers is set back for it; others are the caller's. What the function reads
            besides its arguments must not change: a change that shows in no value is not seen.

    Source: Chen et al., "Training deep nets with sublinear memory cost", 2016.

    >>> import minitorch_rnn as mt
    >>> cell, h = mt.nn.RNNCell(2, 3), mt.zeros(4, 3)
    >>> for x in mt.ones(9, 4, 2):
    ...     h = mt.autograd.checkpoint(cell, x, h)
    >>> h.sum().backward()
    >>> cell.weight_hh.grad.shape
    (3, 3)
    """
    if not is_grad_enabled():
        return function(*args, **named)
    args, named = owned(args), owned(named)
    began, random_state = constant(np.zeros(()))._index, backend.generator().bit_generator.state
    result = function(*args, **named)
    carried = _carried(result)
    outside = _outside(carried, began)
    if not outside:
        return result
    part = _Part(function, args, named, random_state, outside)
    made = recorded(_CHECKPOINT, [y._data for y in carried], outside, part)
    new = {y._index: y_new for y, y_new in zip(carried, made, strict=True)}
    return replaced(
        result, lambda y: new[y._index] if isinstance(y, Tensor) and y.requires_grad else y
    )


class _Part(NamedTuple):
    """All it takes to run the function again, and the tensors at which its gradients end."""

    function: Callable[..., Any]
    args: Any
    named: Any
    random_state: Any
    outside: list[Tensor]

    def again(self) -> list[Tensor]:
        """The outputs that require gradients, computed once more."""
        bits = backend.generator().bit_generator
        now, bits.state = bits.state, self.random_state
        try:
            with enable_grad():
                return _carried(self.function(*self.args, **self.named))
        finally:
            bits.state = now


def _carried(result: Any) -> list[Tensor]:
    """The outputs that require gradients, each once."""
    return list({y._index: y for y in tensors(result) if y.requires_grad}.values())


def _rule(wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
    layout, part = rest[-2:]
    create_graph = isinstance(g, Tensor)
    outputs, gradients = part.again(), layout.parts(g)
    before = [raw(y_then) for y_then in layout.parts(y)]
    if [x.shape for x in outputs] != [x.shape for x in before]:
        raise _another(part.function)
    for k, (then, now) in enumerate(zip(before, outputs, strict=True)):
        same = (then == now._data) | ((then != then) & (now._data != now._data))
        if not isinstance(same, np.ndarray):
            # Nobody waits for a device to compare: the gradient becomes nan instead.
            gradients[k] = where(same, gradients[k], float("nan"))
        elif not same.all():
            raise _another(part.function)
    ends = {x._index: x for x in part.outside}
    found = walk(outputs, gradients, ends, create_graph=create_graph, stop=True)
    if not create_graph:
        return [found[x._index]._data if x._index in found else None for x in part.outside]
    return [found.get(x._index) for x in part.outside]


_CHECKPOINT = joint("checkpoint", _rule)


def _another(function: Callable[..., Any]) -> GraphError:
    return GraphError(
        f"checkpoint: {getattr(function, '__name__', function)!r} gave another value when it was "
        "computed again. It must give the same twice: draw random numbers from the default "
        "generator, and change nothing that it reads."
    )


def _outside(outputs: list[Tensor], began: int) -> list[Tensor]:
    """The tensors made before `began` from which the outputs were computed."""
    found: dict[int, Tensor] = {}
    seen, stack = set(), list(outputs)
    while stack:
        y = stack.pop()
        if y._index in seen:
            continue
        seen.add(y._index)
        if y._index < began:
            found[y._index] = y
        elif y.is_leaf:
            raise GraphError(
                f"checkpoint: the function made a leaf of shape {y.shape} that requires a "
                "gradient; it would be made anew in backward. Make it outside."
            )
        else:
            stack.extend(x for x in y._inputs or () if isinstance(x, Tensor) and x._tracked)
    return [found[i] for i in sorted(found)]
