"""Modules that are a function and its options: activations and divergences.

The options are the fields of a dataclass, with their defaults in PyTorch's order: what the module
is built with. None has parameters; options may be changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from minitorch_rnn.nn.module import Module

configured = dataclass(eq=False, repr=False)


class Configured(Module):
    """Base of the modules whose fields are the options of their `function`."""

    function: ClassVar[Callable[..., Any]]

    def options(self) -> dict[str, Any]:
        """The options by name, as `function` takes them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        defaults = {field.name: repr(field.default) for field in fields(self)}  # type: ignore[arg-type]
        told = [
            f"{name}={value!r}"
            for name, value in self.options().items()
            if repr(value) != defaults[name]
        ]
        return f"{type(self).__name__}({', '.join(told)})"
