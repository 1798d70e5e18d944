"""Hooks of modules: what is called before and after forward, and when gradients have passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from minitorch_rnn.autograd.whole import recorded
from minitorch_rnn.engine import Tensor, constant, is_grad_enabled, joint, raw
from minitorch_rnn.errors import GraphError

if TYPE_CHECKING:
    from minitorch_rnn.nn.module import Module


class ModuleHooks:
    """The hooks of one module, by kind and in the order of registration."""

    def __init__(self) -> None:
        self.before: dict[float, Callable[..., Any]] = {}
        self.after: dict[float, Callable[..., Any]] = {}
        self.backward: dict[float, Callable[..., Any]] = {}

    def call(self, module: Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """forward, with all hooks around it."""
        for hook in list(self.before.values()):
            new = hook(module, args)
            if new is not None:
                args = new if isinstance(new, tuple) else (new,)
        passing = _Passing(module, list(self.backward.values()))
        if self.backward and is_grad_enabled():
            args = passing.enter(args)
        output = module.forward(*args, **named)
        if self.backward and is_grad_enabled():
            output = passing.leave(output)
        for hook in list(self.after.values()):
            new = hook(module, args, output)
            output = output if new is None else new
        return output


class _Passing:
    """The gradients of one call: those of the outputs come by first, then those of the inputs."""

    def __init__(self, module: Module, hooks: list[Callable[..., Any]]) -> None:
        self.module, self.hooks, self.arguments = module, hooks, 0
        self.inputs: list[int] = []
        self.of_outputs: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those that require gradients behind a node at which theirs are seen."""
        found = list(args)
        self.arguments = len(found)
        self.inputs = [k for k, x in enumerate(found) if isinstance(x, Tensor) and x.requires_grad]
        if self.inputs:
            tensors = [found[k] for k in self.inputs]
            op = joint(f"inputs of {type(self.module).__name__}", self._at_inputs)
            for k, x in zip(self.inputs, recorded(op, [x._data for x in tensors], tensors),
                            strict=True):  # fmt: skip
                found[k] = x
        return tuple(found)

    def leave(self, output: Any) -> Any:
        """What forward returned, its tensors behind a node at which their gradients are seen."""
        tensors: list[Tensor] = []

        def met(y: Tensor) -> Tensor:
            tensors.append(y)
            return y

        _replaced(output, met)
        if not tensors:
            return output
        op = joint(f"outputs of {type(self.module).__name__}", self._at_outputs)
        made = iter(recorded(op, [y._data for y in tensors], tensors))
        return _replaced(output, lambda y: next(made))

    def _at_outputs(self, wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
        parts = rest[-1].parts(g)
        self.of_outputs = tuple(_seen(part) for part in parts)
        if not self.inputs:  # nothing further back is going to be seen
            for hook in self.hooks:
                hook(self.module, (None,) * self.arguments, self.of_outputs)
        return parts  # type: ignore[no-any-return]

    def _at_inputs(self, wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
        gradients: list[Any] = [None] * self.arguments
        for k, part in zip(self.inputs, rest[-1].parts(g), strict=True):
            gradients[k] = _seen(part)
        for hook in self.hooks:
            new = hook(self.module, tuple(gradients), self.of_outputs)
            if new is None:
                continue
            new = list(new) if isinstance(new, tuple | list) else [new]
            shapes = [None if x is None else x.shape for x in gradients]
            if [None if x is None else x.shape for x in new] != shapes:
                raise GraphError(
                    f"full_backward_hook of {self.module!r}: returned gradients of shapes "
                    f"{[getattr(x, 'shape', None) for x in new]}; needed are {shapes}."
                )
            gradients = new
        found = [gradients[k] for k in self.inputs]
        return found if isinstance(g, Tensor) else [raw(x) for x in found]


def _seen(gradient: Any) -> Tensor:
    return gradient if isinstance(gradient, Tensor) else constant(gradient)


def _replaced(value: Any, new: Callable[[Tensor], Tensor]) -> Any:
    """`value` with the tensors that require gradients in it replaced, in tuples and lists too."""
    if isinstance(value, Tensor):
        return new(value) if value.requires_grad else value
    if isinstance(value, tuple | list):
        parts = [_replaced(part, new) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
