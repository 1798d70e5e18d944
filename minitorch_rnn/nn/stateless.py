"""functional_call: a module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from minitorch_rnn.autograd.checkpoint import run_within
from minitorch_rnn.engine import Parameter, Tensor
from minitorch_rnn.errors import StateError
from minitorch_rnn.nn.module import Module, as_input, every_path


def functional_call(
    module: Module, parameters: Mapping[str, Any], args: Any = (), kwargs: Any = None
) -> Any:
    """module(*args, **kwargs) with other tensors in the place of its parameters, for this call.

    So the derivative functions, which take functions, take derivatives in weights.

    Args:
        module: is left as it was, also after an exception. Not to be shared by threads meanwhile.
        parameters: tensors, or arrays, by path, as in `named_parameters`; the others are the
            module's own.
        args: a tuple of arguments, or one that is no tuple.
        kwargs: a dictionary of named ones.

    Raises:
        StateError: naming the paths that the module does not have, tensors of another shape, and
            paths to one shared parameter that were given two tensors.

    >>> import minitorch_rnn as mt
    >>> layer, x = mt.nn.Linear(2, 1, bias=False), mt.tensor([[3.0, 4.0]])
    >>> def of_weight(w):
    ...     return mt.nn.functional_call(layer, {"weight": w}, x)
    >>> mt.autograd.jacobian(of_weight, layer.weight).flatten()
    tensor([3., 4.])
    """
    own = dict(every_path(module))
    parameters = {
        name: new
        if isinstance(new, Tensor) or name not in own
        else as_input(module, name, new, own[name])
        for name, new in parameters.items()
    }
    wrong = [f"\n  unexpected: {name}" for name in parameters if name not in own]
    wrong += [
        f"\n  size mismatch: {name} has shape {new.shape}, the module needs {own[name].shape}"
        for name, new in parameters.items()
        if name in own and new.shape != own[name].shape
    ]
    new: dict[int, Tensor] = {}
    for name, tensor in parameters.items():
        if name in own and not _same(new.setdefault(id(own[name]), tensor), tensor):
            wrong.append(f"\n  {name} is shared with another path, and two tensors came for it")
    if wrong:
        raise StateError(f"{module!r}: functional_call does not fit.{''.join(wrong)}")
    # A part of the module that is checkpointed runs again later, and needs them again then.
    with run_within(lambda: _replaced(module, new)):
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether it makes no difference which of them is used."""
    constants = not (a.requires_grad or b.requires_grad)
    return a is b or (constants and a.shape == b.shape and bool((a == b).all()))


@contextmanager
def _replaced(module: Module, new: dict[int, Tensor]) -> Iterator[None]:
    """The module with the `new` tensors, by the parameters' identity, inside the block."""
    changed: list[tuple[Any, Any, Any]] = []
    try:
        _replace(module, new, changed, set())
        missed = new.keys() - {id(before) for _, _, before in changed}
        if missed:
            held = [n for n, p in module.named_parameters() if id(p) in missed]
            raise StateError(
                f"{module!r}: {', '.join(held)} sit in a tuple, which nothing can be put into; "
                "hold them in a list."
            )
        yield
    finally:
        for holder, key, before in reversed(changed):
            holder[key] = before


def _replace(held: Any, new: dict[int, Tensor], changed: list[Any], seen: set[int]) -> None:
    """Put the `new` tensors where the parameters are held, and note in `changed` what was there."""
    if id(held) in seen:
        return
    seen.add(id(held))
    holder = vars(held) if isinstance(held, Module) else held
    if isinstance(holder, dict | list):
        pairs = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
        for key, value in pairs:
            if isinstance(value, Parameter) and id(value) in new:
                changed.append((holder, key, value))
                holder[key] = new[id(value)]
            elif isinstance(value, Module | dict | list | tuple):
                _replace(value, new, changed, seen)
    elif isinstance(holder, tuple):
        for value in holder:
            if isinstance(value, Module | dict | list | tuple):
                _replace(value, new, changed, seen)
