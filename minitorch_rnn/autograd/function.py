"""Function: an operation with the user's own backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch_rnn import ops
from minitorch_rnn.autograd.whole import recorded
from minitorch_rnn.engine import (
    Tensor,
    clone,
    constant,
    is_grad_enabled,
    joint,
    kept,
    no_grad,
    raw,
    set_grad_enabled,
)
from minitorch_rnn.errors import GraphError


class Context:
    """What a `Function` keeps between forward and backward; attributes are yours.

    Attributes:
        needs_input_grad: for every argument of forward, whether its gradient is asked for.

    >>> import minitorch_rnn as mt
    >>> class Scaled(mt.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x, factor):
    ...         ctx.factor = factor
    ...         return x * factor
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * ctx.factor, None
    >>> x = mt.tensor(3.0, requires_grad=True)
    >>> Scaled.apply(x, 0.5).backward()
    >>> x.grad
    tensor(0.5)
    """

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._kept: list[Any] = []
        self._saved: list[Any] | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward, where `saved_tensors` gives them back.

        Save inputs and outputs of forward: of anything else the second derivative is not known.
        """
        for x in tensors:
            if not isinstance(x, Tensor | None):
                raise TypeError(
                    f"save_for_backward: got a {type(x).__name__}; tensors are needed. Other "
                    "values may be set as attributes: ctx.n = n."
                )
        self._kept = list(tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved, as tensors of the graph."""
        return tuple(self._kept if self._saved is None else self._saved)


class Function:
    """An operation whose backward you write yourself: define `forward` and `backward`.

    `forward(ctx, *args)` computes, from tensors without history; what it returns, a tensor or a
    tuple of them, becomes one operation of the graph. `backward(ctx, *gradients)` takes the
    gradient of each output and returns that of each argument, None for those that have none; on
    Tensors, so that derivatives of every order follow from it. `gradcheck(F.apply, inputs)` says
    whether it is right.

    Raises:
        GraphError: if backward returns another number of gradients than forward has arguments.
        NotImplementedError: if a second derivative is asked for and backward has left the graph or
            uses a saved tensor that is neither input nor output.

    >>> import minitorch_rnn as mt
    >>> class Cube(mt.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = mt.tensor([2.0, -1.0], requires_grad=True)
    >>> Cube.apply(x)
    tensor([ 8., -1.], op=Cube)
    >>> bool(mt.autograd.gradcheck(Cube.apply, x, order=2))
    True
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """What the operation computes."""
        raise NotImplementedError("Function: define forward(ctx, *args).")

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradients of the arguments of forward, from those of its outputs."""
        raise NotImplementedError("Function: define backward(ctx, *gradients).")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute the operation, and record it if an argument requires a gradient."""
        name, ctx = cls.__name__, Context()
        given = [_own(x) for x in args]
        tracked = [isinstance(x, Tensor) and x.requires_grad for x in args]
        ctx.needs_input_grad = tuple(tracked)
        with no_grad():
            result = cls.forward(ctx, *given)
        several = isinstance(result, tuple | list)
        outputs = [
            y if isinstance(y, Tensor) else Tensor(y) for y in (result if several else [result])
        ]
        if any(tracked) and is_grad_enabled():
            call = _Call(ctx, given, outputs)
            inputs = [x if t else raw(y) for x, y, t in zip(args, given, tracked, strict=True)]
            floats = [outputs[k]._data for k in call.floats]
            made = recorded(joint(name, cls._rule), floats, inputs, call)
            for k, y in zip(call.floats, made, strict=True):
                outputs[k] = y
        return tuple(outputs) if several else outputs[0]

    @classmethod
    def _rule(cls, wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
        *inputs, layout, call = rest
        name, ctx, again = cls.__name__, call.ctx, isinstance(g, Tensor)
        if again and not g.requires_grad:
            # Backward is linear in g, so whatever it returns must depend on it: see `_checked`.
            g = clone(g).requires_grad_()
        g, y = (x if again else constant(x) for x in (g, y))
        gradients: list[Any] = [None] * call.outputs
        for k, part in zip(call.floats, layout.parts(g), strict=True):
            gradients[k] = part
        ctx.needs_input_grad = tuple(wanted)
        ctx._saved = call.saved(name, inputs, layout.parts(y), again)
        try:
            with set_grad_enabled(again):
                found = cls.backward(ctx, *gradients)
        finally:
            ctx._saved = None
        found = list(found) if isinstance(found, tuple | list) else [found]
        if len(found) != len(inputs):
            raise GraphError(
                f"{cls.__name__}: backward returned {len(found)} gradients, but forward took "
                f"{len(inputs)} arguments; one for each is needed, None where there is none."
            )
        return [_checked(cls.__name__, x, again) for x in found]


class _Call:
    """One call of a Function: which of its outputs carry gradients, and what was saved.

    Of a saved input or output only its place is kept, so that the graph does not hold itself.
    """

    def __init__(self, ctx: Context, inputs: list[Any], outputs: list[Tensor]) -> None:
        self.ctx, self.outputs = ctx, len(outputs)
        self.floats = [k for k, y in enumerate(outputs) if y.dtype.kind == "f"]
        carried = [outputs[k] for k in self.floats]
        self.saved_places = [(_index(x, inputs), _index(x, carried)) for x in ctx._kept]
        ctx._kept = [
            x if place == (None, None) else None
            for x, place in zip(ctx._kept, self.saved_places, strict=True)
        ]

    def saved(
        self, name: str, inputs: Sequence[Any], outputs: Sequence[Any], again: bool
    ) -> list[Any]:
        """What was saved as the walk knows it: in a second derivative it belongs to the graph."""
        found = []
        for (i, k), mine in zip(self.saved_places, self.ctx._kept, strict=True):
            x = inputs[i] if i is not None else outputs[k] if k is not None else mine
            if again and x is mine is not None:
                raise NotImplementedError(
                    f"second derivative of {name}: it saved a tensor that is neither an input nor "
                    "an output of forward, and how that depends on the inputs is not known."
                )
            found.append(x if x is None or isinstance(x, Tensor) else constant(x))
        return found


def _index(x: Any, known: Sequence[Any]) -> int | None:
    return next((k for k, y in enumerate(known) if x is y and isinstance(x, Tensor)), None)


def _own(x: Any) -> Any:
    """An argument as forward sees it: tensors without history, arrays that nobody else changes."""
    if isinstance(x, Tensor):
        return x.detach() if x.requires_grad else constant(kept(x, x._data))
    return kept(x, x)


def _checked(name: str, gradient: Any, again: bool) -> Any:
    if gradient is None:
        return None
    if again:
        if not isinstance(gradient, Tensor) or (
            not gradient.requires_grad and bool(ops.reduce_any(gradient != 0))
        ):
            raise NotImplementedError(
                f"second derivative of {name}: its backward left the graph, by .data, .numpy() or "
                "detach(). Compute it with tensors."
            )
        return gradient
    return raw(gradient) if isinstance(gradient, Tensor) else Tensor(gradient)._data
