"""Values nested in tuples, lists and dictionaries: what functions and modules take and return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitorch_rnn.engine import Tensor, constant, kept, raw


def replaced(value: Any, new: Callable[[Any], Any]) -> Any:
    """`value` with `new` of everything in it, through tuples, lists and dictionaries."""
    if isinstance(value, tuple | list):
        parts = [replaced(part, new) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return {key: replaced(part, new) for key, part in value.items()}
    return new(value)


def owned(x: Any) -> Any:
    """`x` with values that nobody else changes: arrays, also inside others, are copied."""

    def own(x: Any) -> Any:
        value = kept(x, raw(x))
        if isinstance(x, Tensor):
            return x if value is x or value is x._data else constant(value)
        return value

    return replaced(x, own)


def leaves(value: Any) -> list[Any]:
    """Everything in `value` that is no tuple, list or dictionary, in order."""
    found: list[Any] = []
    replaced(value, found.append)
    return found


def tensors(value: Any) -> list[Tensor]:
    """The tensors in `value`, wherever they are in it."""
    return [x for x in leaves(value) if isinstance(x, Tensor)]
