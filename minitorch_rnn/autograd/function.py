"""Function: an operation with the user's own backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.autograd.nested import leaves, owned, tensors
from minitorch_rnn.autograd.whole import recorded
from minitorch_rnn.engine import (
    Tensor,
    clone,
    constant,
    enable_grad,
    is_grad_enabled,
    joint,
    kept,
    no_grad,
    raw,
    returned,
    staying,
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
        self._constants: set[str] = set()
        self._kept: list[Any] = []
        self._saved: list[Any] | None = None

    def save_for_backward(self, *saved: Any) -> None:
        """Keep tensors for backward, where `saved_tensors` gives them back.

        Save inputs and outputs of forward: of anything else the second derivative is not known.
        """
        for x in saved:
            if not isinstance(x, Tensor | None):
                raise TypeError(
                    f"save_for_backward: got a {type(x).__name__}; tensors are needed. Other "
                    "values may be set as attributes: ctx.n = n."
                )
        self._kept = list(saved)

    def mark_constant(self, *names: str) -> None:
        """Say that these attributes of ctx do not depend on the inputs, such as a mask.

        Numbers that forward kept as attributes are refused in a second derivative otherwise.
        """
        self._constants.update(names)

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
        NotImplementedError: if a second derivative is asked for, and backward has left the graph,
            uses a saved tensor that is neither input nor output, or numbers that forward kept on
            ctx without `ctx.mark_constant`.

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
        asked = [isinstance(x, Tensor) and x.requires_grad for x in args]
        ctx.needs_input_grad = tuple(asked)
        given = [_given(name, k, x) for k, x in enumerate(args)]
        with staying(""), no_grad():
            result = cls.forward(ctx, *given)
        several = isinstance(result, tuple | list)
        returned = list(result) if several and result else [result]
        outputs = [_output(name, y) for y in returned]
        call = _Call(ctx, given, returned, outputs)
        if any(asked) and is_grad_enabled() and call.floats:
            inputs = [x if t else raw(y) for x, y, t in zip(args, given, asked, strict=True)]
            values = [outputs[k]._data for k in call.floats]
            made = recorded(joint(name, cls._rule), values, inputs, call)
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
        if not again:
            g, y = constant(clone(g)), constant(y)  # g may be the caller's own array
        gradients: list[Any] = [None] * call.outputs
        for k, part in zip(call.floats, layout.parts(g), strict=True):
            gradients[k] = part
        ctx.needs_input_grad = tuple(wanted)
        ctx._saved = call.saved(name, inputs, layout.parts(y), again)
        try:
            with staying(name if again else ""), enable_grad() if again else no_grad():
                found = cls.backward(ctx, *gradients)
        finally:
            ctx._saved = None
        found = list(found) if isinstance(found, tuple | list) else [found]
        if len(found) != len(inputs):
            raise GraphError(
                f"{name}: backward returned {len(found)} gradients, but forward took "
                f"{len(inputs)} arguments; one for each is needed, None where there is none."
            )
        return [
            None if new is None or not asked else _checked(name, new, x, again)
            for new, x, asked in zip(found, inputs, wanted, strict=True)
        ]


class _Call:
    """One call of a Function: which of its outputs carry gradients, and what was saved.

    Of a saved input or output only its place is kept, so that the graph does not hold itself.
    """

    def __init__(
        self, ctx: Context, inputs: list[Any], returned: list[Any], outputs: list[Tensor]
    ) -> None:
        self.ctx, self.outputs = ctx, len(outputs)
        # Of the arguments those that carry no gradient: numbers and arrays may be kept on ctx.
        self.given = [x for x in leaves(inputs) if not isinstance(x, Tensor)]
        self.floats = [k for k, y in enumerate(outputs) if y.dtype.kind == "f"]
        carried = [returned[k] for k in self.floats]
        self.places = [(_index(x, inputs), _index(x, carried)) for x in ctx._kept]
        ctx._kept = [
            owned(x) if place == (None, None) else None
            for x, place in zip(ctx._kept, self.places, strict=True)
        ]

    def saved(
        self, name: str, inputs: Sequence[Any], outputs: Sequence[Any], again: bool
    ) -> list[Any]:
        """What was saved as the walk knows it: in a second derivative it belongs to the graph."""
        if again:
            self._check_constants(name)
        found = []
        for (i, k), mine in zip(self.places, self.ctx._kept, strict=True):
            x = inputs[i] if i is not None else outputs[k] if k is not None else mine
            found.append(x if x is None or isinstance(x, Tensor) else constant(x))
        return found

    def _check_constants(self, name: str) -> None:
        told = "and how it depends on the inputs is not known"
        if any(x is not None for x in self.ctx._kept):
            raise NotImplementedError(
                f"second derivative of {name}: it saved a tensor that is neither an input nor an "
                f"output of forward, {told}."
            )
        for attribute, value in vars(self.ctx).items():
            if attribute.startswith("_") or attribute in self.ctx._constants:
                continue
            if any(_may_depend(x) and not any(x is a for a in self.given) for x in leaves(value)):
                raise NotImplementedError(
                    f"second derivative of {name}: ctx.{attribute} holds numbers, {told}. Save "
                    "inputs and outputs with save_for_backward; if it is a constant indeed, say so "
                    f"in forward: ctx.mark_constant({attribute!r})."
                )


def _may_depend(x: Any) -> bool:
    """Whether x, an attribute of ctx, may have been computed from the inputs: a float is enough."""
    kind = getattr(getattr(x, "dtype", None), "kind", "f" if isinstance(x, float) else "")
    return bool(kind) and kind in "fc"


def _index(x: Any, known: Sequence[Any]) -> int | None:
    return next((k for k, y in enumerate(known) if x is y and isinstance(x, Tensor)), None)


def _given(name: str, k: int, x: Any) -> Any:
    """Argument k as forward sees it: tensors without history, arrays that nobody else changes."""
    if isinstance(x, Tensor):
        return constant(kept(x, x._data)) if not x.requires_grad else constant(x._data)
    if any(inner.requires_grad for inner in tensors(x)):
        raise GraphError(
            f"{name}: argument {k} is a {type(x).__name__} that holds a tensor which requires a "
            "gradient; no gradient reaches it there. Pass it as an argument of its own."
        )
    return owned(x)


def _output(name: str, y: Any) -> Tensor:
    if isinstance(y, Tensor):
        return constant(y._data if y.requires_grad else kept(y, y._data))
    if isinstance(y, int | float | np.generic) or backend.backend_of(y) is not None:
        return Tensor(y)
    raise TypeError(
        f"{name}: forward returned a {type(y).__name__}; a tensor, or a tuple of them, is needed."
    )


def _checked(name: str, gradient: Any, x: Any, again: bool) -> Any:
    """What backward returned for the input x, as the walk takes it."""
    left = again and not isinstance(gradient, Tensor)
    gradient = returned(f"{name}.backward", gradient, x)
    if again and (left or not gradient.requires_grad) and bool(ops.reduce_any(gradient != 0)):
        raise NotImplementedError(
            f"second derivative of {name}: its backward returned what does not depend on the "
            "gradient that came in: it left the graph. Compute with tensors."
        )
    return gradient if again else gradient._data
