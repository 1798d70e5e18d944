"""checkpoint: what a part of the graph computed is forgotten, and computed again in backward."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.autograd.nested import owned, replaced, tensors
from minitorch_rnn.autograd.whole import recorded
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

_around: ContextVar[tuple[Callable[[], Any], ...]] = ContextVar("around", default=())


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
            device, where nobody waits to compare, the gradient is nan then), or takes another way
            to it: other operations, options or constants. The default generator of random numbers
            is set back for it; others are the caller's.

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
    outside, signature = _origin(carried, began)
    if not outside:
        return result
    part = _Part(function, args, named, random_state, _around.get(), outside, signature)
    made = recorded(_CHECKPOINT, [alone(y._data) for y in carried], outside, part)
    new = {y._index: y_new for y, y_new in zip(carried, made, strict=True)}
    return replaced(
        result, lambda y: new[y._index] if isinstance(y, Tensor) and y.requires_grad else y
    )


@contextmanager
def run_within(entered: Callable[[], Any]) -> Iterator[None]:
    """Let what is checkpointed inside the block be computed again within `entered()` too.

    >>> with run_within(lambda: enable_grad()):
    ...     len(_around.get())
    1
    """
    before = _around.set((*_around.get(), entered))
    try:
        with entered():
            yield
    finally:
        _around.reset(before)


def alone(array: Any) -> Any:
    """`array`, copied if it is a part of a larger one, which it would keep alive.

    >>> whole = np.ones((9, 2))
    >>> alone(whole[-1]).base is None, alone(whole) is whole
    (True, True)
    """
    whole = getattr(array, "base", None)
    return array.copy() if getattr(whole, "nbytes", 0) > array.nbytes else array


class _Part(NamedTuple):
    """All it takes to run the function again, and the tensors at which its gradients end."""

    function: Callable[..., Any]
    args: Any
    named: Any
    random_state: Any
    around: tuple[Callable[[], Any], ...]
    outside: list[Tensor]
    signature: bytes

    def again(self) -> list[Tensor]:
        """The outputs that require gradients, computed once more, from the same and in one way."""
        began = constant(np.zeros(()))._index
        with ExitStack() as stack:
            for entered in self.around:
                stack.enter_context(entered())
            stack.enter_context(backend.drawing_again(self.random_state))
            stack.enter_context(enable_grad())
            outputs = _carried(self.function(*self.args, **self.named))
        outside, signature = _origin(outputs, began)
        if signature != self.signature or [x._index for x in outside] != [
            x._index for x in self.outside
        ]:
            raise _another(self.function)
        return outputs


def _carried(result: Any) -> list[Tensor]:
    """The outputs that require gradients, each once."""
    return list({y._index: y for y in tensors(result) if y.requires_grad}.values())


def _rule(wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
    layout, part = rest[-2:]
    create_graph = isinstance(g, Tensor)
    outputs, gradients = part.again(), layout.parts(g)
    for k, (y_then, now) in enumerate(zip(layout.parts(y), outputs, strict=True)):
        then = raw(y_then)
        same = (then == now._data) | ((then != then) & (now._data != now._data))
        if not isinstance(same, np.ndarray):
            # Nobody waits for a device to compare: the gradient becomes nan instead.
            gradients[k] = where(same, gradients[k], float("nan"))
        elif not same.all():
            raise _another(part.function)
    ends = {x._index: x for x in part.outside}
    found = walk(outputs, gradients, ends, create_graph=create_graph, stop=True)
    # What requires no gradient by now has none; all others were reached, as the ways are equal.
    reached = [found.get(x._index) for x in part.outside]
    return reached if create_graph else [None if x is None else x._data for x in reached]


_CHECKPOINT = joint("checkpoint", _rule)


def _another(function: Callable[..., Any]) -> GraphError:
    return GraphError(
        f"checkpoint: {getattr(function, '__name__', function)!r} gave another value when it was "
        "computed again, or took another way to it. It must do the same twice: draw random "
        "numbers from the default generator, and change nothing that it reads."
    )


def _origin(outputs: list[Tensor], began: int) -> tuple[list[Tensor], bytes]:
    """The tensors made before `began` from which the outputs were computed, and the way there.

    The way is a fingerprint of the operations, their options and the constants on the host: of what
    must be the same when it is gone again.
    """
    found: dict[int, Tensor] = {}
    way = hashlib.blake2b(digest_size=16)
    number: dict[int, int] = {}
    stack: list[Any] = list(reversed(outputs))
    while stack:
        y = stack.pop()
        if not (isinstance(y, Tensor) and y._tracked):
            way.update(_print(y))
        elif y._index in number:
            way.update(b"again %d" % number[y._index])
        elif y._index < began:
            number[y._index] = len(number)
            found[y._index] = y
            way.update(b"outside %d" % y._index)
        elif y.is_leaf:
            raise GraphError(
                f"checkpoint: the function made a leaf of shape {y.shape} that requires a "
                "gradient; it would be made anew in backward. Make it outside."
            )
        else:
            assert y._op is not None
            number[y._index] = len(number)
            way.update(f"{y._op.name}{y._data.shape}{y._data.dtype.str}".encode())
            stack.extend(reversed((*(y._inputs or ()), *y._attrs)))
    return [found[i] for i in sorted(found)], way.digest()


def _print(x: Any) -> bytes:
    """A constant or an option as bytes; of an array on a device, which is not read, its shape."""
    x = raw(x)
    if isinstance(x, np.ndarray | np.generic):
        content = x.data if x.flags.c_contiguous else x.tobytes()
        return f"{x.dtype.str}{x.shape}{zlib.crc32(content)}".encode()
    if backend.backend_of(x) is not None:
        return f"device {x.dtype}{x.shape}".encode()
    if isinstance(x, tuple | list):
        return b"(" + b",".join(_print(part) for part in x) + b")"
    if isinstance(x, int | float | str | slice | type(None) | type(Ellipsis)):
        return repr(x).encode()
    return type(x).__name__.encode()
