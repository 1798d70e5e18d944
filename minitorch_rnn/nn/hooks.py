"""Hooks of modules: what is called before and after forward, and when gradients have passed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_rnn.autograd.nested import leaves, replaced
from minitorch_rnn.autograd.whole import recorded
from minitorch_rnn.engine import Tensor, clone, constant, is_grad_enabled, joint, raw, returned
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
        for hook in list(self.after.values()):
            new = hook(module, args, output)
            output = output if new is None else new
        if self.backward and is_grad_enabled():
            output = passing.leave(output)
        return output


class _Passing:
    """The gradients of one call: those of the outputs come by first, then those of the inputs.

    Seen are the tensors among the arguments, and those in the outputs wherever they are.
    """

    def __init__(self, module: Module, hooks: list[Callable[..., Any]]) -> None:
        self.module, self.hooks, self.arguments = module, hooks, 0
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.count = 0
        self.of_outputs: tuple[Any, ...] | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, those that require gradients behind a node at which theirs are seen."""
        self.arguments = len(args)
        found, self.inputs = self._behind_a_node("inputs", list(args), self._at_inputs)
        return tuple(found)

    def leave(self, output: Any) -> Any:
        """What forward returned, its tensors behind a node at which their gradients are seen."""
        flat = leaves(output)
        self.count = len(flat)
        found, self.outputs = self._behind_a_node("outputs", flat, self._at_outputs)
        made = iter(found)
        return replaced(output, lambda y: next(made))

    def _behind_a_node(
        self, which: str, found: list[Any], rule: Callable[..., Any]
    ) -> tuple[list[Any], list[int]]:
        places = [k for k, x in enumerate(found) if isinstance(x, Tensor) and x.requires_grad]
        if places:
            given = [found[k] for k in places]
            op = joint(f"{which} of {type(self.module).__name__}", rule)
            made = recorded(op, [x._data for x in given], given)
            for k, x in zip(places, made, strict=True):
                found[k] = x
        return found, places

    def _at_outputs(self, wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
        parts = rest[-1].parts(g)
        gradients: list[Any] = [None] * self.count
        for k, part in zip(self.outputs, parts, strict=True):
            gradients[k] = _seen(part)
        self.of_outputs = tuple(gradients)
        if not self.inputs:  # nothing further back is going to be seen
            for hook in self.hooks:
                hook(self.module, (None,) * self.arguments, self.of_outputs)
        return parts  # type: ignore[no-any-return]

    def _at_inputs(self, wanted: list[bool], g: Any, y: Any, *rest: Any) -> Sequence[Any]:
        gradients: list[Any] = [None] * self.arguments
        for k, part in zip(self.inputs, rest[-1].parts(g), strict=True):
            gradients[k] = _seen(part)
        passed, self.of_outputs = self.of_outputs, None
        # A gradient of a gradient may come to the inputs without having passed the outputs.
        for hook in self.hooks if passed is not None else ():
            new = hook(self.module, tuple(gradients), passed)
            if new is None:
                continue
            new = list(new) if isinstance(new, tuple | list) else [new]
            who = f"full_backward_hook of {self.module!r}"
            found, needed = (
                [None if x is None else np.shape(raw(x)) for x in several]
                for several in (new, gradients)
            )
            if found != needed:
                raise GraphError(
                    f"{who}: returned gradients of shapes {found}; needed are {needed}."
                )
            gradients = [
                None if x is None else returned(who, x, before)
                for x, before in zip(new, gradients, strict=True)
            ]
        found = [gradients[k] for k in self.inputs]
        return found if isinstance(g, Tensor) else [raw(x) for x in found]


def _seen(gradient: Any) -> Tensor:
    # A copy: the array may be the caller's own, or be added to later.
    return gradient if isinstance(gradient, Tensor) else constant(clone(gradient))
