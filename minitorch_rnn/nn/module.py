"""Module: a tree of parameters that is called like a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Handle, Parameter, Tensor, scope
from minitorch_rnn.engine.names import unknown
from minitorch_rnn.errors import BackendError, DTypeError, StateError
from minitorch_rnn.nn.hooks import ModuleHooks


class Module:
    """Base of all layers: define `__init__` and `forward`.

    Parameters and modules are found where they are: in attributes, and in lists, tuples and
    dictionaries among them, in the order of assignment. There is no registration, and a misspelled
    attribute is an AttributeError as everywhere in Python.

    >>> from minitorch_rnn import nn
    >>> class Twice(nn.Module):
    ...     def __init__(self):
    ...         self.layers = [nn.Linear(2, 2), nn.Linear(2, 1)]
    >>> [name for name, _ in Twice().named_parameters()]
    ['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias']
    """

    training = True
    _hooks: ModuleHooks | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(vars(self).get(name), Parameter) and not isinstance(value, Parameter | None):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Parameter; a {type(value).__name__} in its "
                f"place would not be trained or saved. Use {name}.update_(values)."
            )
        super().__setattr__(name, value)

    def forward(self, *args: Any, **named: Any) -> Any:
        """What the module computes; call the module itself."""
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, …).")

    def __call__(self, *args: Any, **named: Any) -> Any:
        """`forward`, and the hooks around it."""
        with scope(self):
            if self._hooks is not None:
                return self._hooks.call(self, args, named)
            return self.forward(*args, **named)

    def _own_hooks(self) -> ModuleHooks:
        if self._hooks is None:
            self._hooks = ModuleHooks()
        return self._hooks

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, args)` before forward; what it returns, if anything, are new args."""
        return Handle(self._own_hooks().before, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, args, output)` after forward; it may return another output."""
        return Handle(self._own_hooks().after, hook)

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when gradients have passed the module.

        Both are tuples, one entry for each positional argument, None where that has no gradient,
        and one for each output. The hook may return another grad_input.
        """
        return Handle(self._own_hooks().backward, hook)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with their paths."""
        return ((name, found) for name, found in _walk(self) if isinstance(found, Module))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right below this one, each once, also those in its lists and dictionaries."""
        below: set[int] = set()
        for name, module in self.named_modules():
            if module is not self and id(module) not in below:
                yield name, module
                below.update(id(inner) for inner in module.modules())

    def children(self) -> Iterator[Module]:
        """The modules right below this one."""
        return (module for _, module in self.named_children())

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call `function` with every module below and at last with this one; returns the module."""
        for module in _from_below(self, set()):
            function(module)
        return self

    def requires_grad_(self, required: bool = True) -> Self:
        """Freeze every parameter, or train it again; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad = required
        return self

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter once, under the first path that leads to it."""
        return ((name, found) for name, found in _walk(self) if isinstance(found, Parameter))

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter once."""
        return (parameter for _, parameter in self.named_parameters())

    def zero_grad(self) -> None:
        """Set every parameter's `.grad` to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below; returns the module."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode is {mode!r}; True or False is needed.")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def to(self, *targets: Any, dtype: Any = None, device: Any = None) -> Self:
        """Move every parameter to a backend or a dtype, in place; gradients are dropped.

        Raises:
            DTypeError: if the dtype is not a float's; nothing is changed.
        """
        moved = [
            (parameter, parameter.detach().to(*targets, dtype=dtype, device=device))
            for parameter in self.parameters()
        ]
        for _, tensor in moved:
            if tensor.dtype.kind != "f":
                raise DTypeError(
                    f"to: parameters require gradients, which {tensor.dtype} cannot carry; they "
                    "need a floating-point type, such as 'float32'."
                )
        for parameter, tensor in moved:
            parameter._rebind(tensor._data)
            parameter.grad = None
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter as a NumPy array, by path; a shared one by every path to it."""
        found = list(every_path(self))
        state = {name: np.array(backend.to_numpy(p._data)) for name, p in found}
        if len(state) < len(found):
            twice = [name for name, _ in found if [n for n, _ in found].count(name) > 1]
            raise StateError(f"{self!r}: two parameters have the path {twice[0]!r}.")
        return state

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Self:
        """Set the parameters from arrays or tensors by path; returns the module.

        Args:
            state: as `state_dict` returns it; tensors of other libraries that convert to NumPy
                are welcome. Values are converted to the parameters' dtypes.
            strict: False ignores paths that only one side has.

        Raises:
            StateError: naming every missing, unexpected and misshapen entry, and those that are not
                real numbers; nothing is changed.
        """
        own, tied = dict(self.named_parameters()), dict(every_path(self))
        arrays = _by_first_path(self, {name: _array(value) for name, value in state.items()})
        problems = []
        if strict:
            problems += [f"missing: {name}" for name in own if name not in arrays]
            problems += [f"unexpected: {name}" for name in arrays if name not in tied]
        problems += [
            f"{name} is shared with another path in this module, and the two have other values"
            for name in arrays
            if name in tied and name not in own
        ]
        problems += [
            f"size mismatch: {name} has shape {array.shape}, the module needs {own[name].shape}"
            for name, array in arrays.items()
            if name in own and array.shape != own[name].shape
        ]
        problems += [
            f"dtype mismatch: {name} is {array.dtype}, the module needs {own[name].dtype}"
            for name, array in arrays.items()
            if name in own and array.dtype.kind not in "biuf"
        ]
        if problems:
            listed = "".join(f"\n  {problem}" for problem in problems)
            raise StateError(f"{self!r}: the state_dict does not fit.{listed}")
        for name, array in arrays.items():
            if name in own:
                parameter = own[name]
                parameter.update_(backend.asarray(array, on=parameter.backend))
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name):  # called for what is not there
            raise unknown(type(self).__name__, name)

    def __repr__(self) -> str:
        children = [(name, value) for name, value in vars(self).items() if _holds_modules(value)]
        if not children:
            return f"{type(self).__name__}()"
        lines = "".join(f"\n  ({name}): {_indented(value)}" for name, value in children)
        return f"{type(self).__name__}({lines}\n)"


def as_input(module: Module, name: str, values: Any, like: Tensor) -> Tensor:
    """`values` as a Tensor on the backend and of the dtype of the parameter `like`.

    Numbers and arrays of the host become a Tensor; a Tensor must fit as it is.

    Raises:
        BackendError, DTypeError: naming both sides and what to do.
    """
    if isinstance(values, list | tuple):
        values = Tensor(values, like.dtype, backend=like.backend)
    tensor = values if isinstance(values, Tensor) else Tensor(values)
    if tensor.backend != like.backend:
        raise BackendError(
            f"{module!r}: {name} is on {tensor.backend!r}, the parameters on {like.backend!r}. "
            f"Move one of them: {name}.to({like.backend!r}), or the module with "
            f".to({tensor.backend!r})."
        )
    if tensor.dtype != like.dtype:
        other = f", or the module with .to('{tensor.dtype}')" if tensor.dtype.kind == "f" else ""
        raise DTypeError(
            f"{module!r}: {name} is {tensor.dtype}, the parameters are {like.dtype}. "
            f"Convert: {name}.astype('{like.dtype}'){other}."
        )
    return tensor


def _array(value: Any) -> np.ndarray:
    backend.plain("load_state_dict", value)
    if isinstance(value, Tensor):
        value = value._data
    elif hasattr(value, "detach"):
        value = value.detach()
    return backend.to_numpy(value)


def _from_below(module: Module, seen: set[int]) -> Iterator[Module]:
    seen.add(id(module))
    for child in module.children():
        if id(child) not in seen:
            yield from _from_below(child, seen)
    yield module


def _by_first_path(module: Module, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays without further paths to a parameter that is shared, where they say the same.

    Other libraries save a shared parameter under every path that leads to it.
    """
    first: dict[int, str] = {}
    for path, parameter in every_path(module):
        name = first.setdefault(id(parameter), path)
        if name != path and path in arrays:
            same = name not in arrays or np.array_equal(arrays[name], arrays[path], equal_nan=True)
            if same:
                arrays[name] = arrays.pop(path)
    return arrays


def every_path(
    value: Any, path: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Parameter]]:
    """Every parameter under every path that leads to it."""
    above = (*above, id(value))
    for held, name in _parts(value):
        inner = f"{path}.{name}" if path else name
        if isinstance(held, Parameter):
            yield inner, held
        elif id(held) not in above:
            yield from every_path(held, inner, above)


def _indented(value: Any) -> str:
    return repr(value).replace("\n", "\n  ")


def _holds_modules(value: Any) -> bool:
    return isinstance(value, Module) or (
        isinstance(value, list | tuple | dict) and any(_holds_modules(v) for v, _ in _parts(value))
    )


def _parts(value: Any) -> list[tuple[Any, str]]:
    """What a module, list, tuple or dictionary holds, with the names that lead there."""
    if isinstance(value, Module):
        return [(held, name) for name, held in vars(value).items()]
    if isinstance(value, list | tuple):
        return [(held, str(i)) for i, held in enumerate(value)]
    if isinstance(value, dict):
        return [(held, str(name)) for name, held in value.items()]
    return []


_HOLDERS = (Parameter, Module, list, tuple, dict)  # what a walk over a module stops at


def _walk(root: Module) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    stack: list[tuple[Any, str]] = [(root, "")]
    while stack:
        value, path = stack.pop()
        parts = _parts(value)
        if (parts or isinstance(value, Parameter | Module)) and id(value) not in seen:
            seen.add(id(value))
            yield path, value
            prefix = f"{path}." if path else ""
            stack.extend(
                [
                    (held, prefix + name)
                    for held, name in reversed(parts)
                    if isinstance(held, _HOLDERS)
                ]
            )
