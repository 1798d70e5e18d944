"""checkpoint: what a part of the graph computed is forgotten, and computed again in backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.autograd.whole import recorded
from minitorch_rnn.engine import (
    Tensor,
    constant,
    enable_grad,
    is_grad_enabled,
    joint,
    kept,
    walk,
)
from minitorch_rnn.errors import GraphError


def checkpoint(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """function(*args, **named), whose intermediate values are not kept but computed again.

    Memory for time: the graph holds the arguments and the outputs only, and `backward` runs the
    function a second time. A chain of n steps in sqrt(n) checkpoints keeps about 2 sqrt(n) values.

    Args:
        function: of tensors; may use parameters and other tensors of the graph that are not among
            its arguments. Returns a tensor or a tuple or list of them.
        args, named: what it is called with; of arrays, also in lists, tuples and dictionaries, the
            values at the time of the call are used both times.

    Raises:
        GraphError: in backward, if the second run does not give the values of the first. The
            default generator of random numbers is set back for it; others are the caller's.

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
    args, named = _owned(args), _owned(named)
    began, random_state = constant(np.zeros(()))._index, backend.generator().bit_generator.state
    result = function(*args, **named)
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    carried = [k for k, y in enumerate(outputs) if isinstance(y, Tensor) and y.requires_grad]
    outside = _outside([outputs[k] for k in carried], began)
    if not outside:
        return result
    part = _Part(function, args, named, random_state, carried, outside)
    values = [outputs[k]._data for k in carried]
    for k, y in zip(carried, recorded(_CHECKPOINT, values, outside, part), strict=True):
        outputs[k] = y
    return type(result)(outputs) if isinstance(result, tuple | list) else outputs[0]


class _Part(NamedTuple):
    """All it takes to run the function again, and the tensors at which its gradients end."""

    function: Callable[..., Any]
    args: Any
    named: Any
    random_state: Any
    carried: list[int]
    outside: list[Tensor]

    def again(self) -> list[Tensor]:
        """The outputs that require gradients, computed once more."""
        bits = backend.generator().bit_generator
        now, bits.state = bits.state, self.random_state
        try:
            with enable_grad():
                result = self.function(*self.args, **self.named)
        finally:
            bits.state = now
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        return [outputs[k] for k in self.carried]


def _rule(wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
    layout, part = rest[-2:]
    create_graph = isinstance(g, Tensor)
    outputs = part.again()
    for y_then, y_now in zip(layout.parts(y), outputs, strict=True):
        then, now = (x._data if isinstance(x, Tensor) else x for x in (y_then, y_now))
        if isinstance(now, np.ndarray) and not np.array_equal(then, now, equal_nan=True):
            raise GraphError(
                f"checkpoint: {getattr(part.function, '__name__', part.function)!r} gave another "
                "value when it was computed again. It must give the same twice: draw random "
                "numbers from the default generator, and change nothing that it reads."
            )
    ends = {x._index: x for x in part.outside}
    found = walk(outputs, layout.parts(g), ends, create_graph=create_graph, stop=True)
    if not create_graph:
        return [found[x._index]._data if x._index in found else None for x in part.outside]
    return [found.get(x._index) for x in part.outside]


_CHECKPOINT = joint("checkpoint", _rule)


def _owned(x: Any) -> Any:
    """Arguments whose values nobody else changes between forward and backward."""
    if isinstance(x, tuple | list):
        parts = [_owned(part) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {key: _owned(part) for key, part in x.items()}
    if isinstance(x, Tensor):
        return x if x.requires_grad else constant(kept(x, x._data))
    return kept(x, x)


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
