"""Modules that hold modules: one after the other, in a list, or by name.

A container holds its modules as every module does, in attributes: under "0", "1", … or under their
names. So paths of parameters are PyTorch's, "0.weight", and nothing else needs to know containers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSequence
from typing import Any, Self, overload

from minitorch_rnn.nn.module import Module


class _Container(Module):
    """What containers share: their attributes that are modules, in order."""

    def _held(self) -> dict[str, Module]:
        return {name: held for name, held in vars(self).items() if isinstance(held, Module)}

    def _hold(self, name: str, module: Module) -> None:
        own = type(self).__name__
        if not isinstance(name, str):
            raise TypeError(f"{own}: the name {name!r} is no string.")
        self._check(name, module)
        if not name or "." in name or hasattr(type(self), name):
            raise ValueError(
                f"{own}: {name!r} cannot be the name of a module: it is empty, holds a '.', or "
                f"every {own} has such an attribute."
            )
        setattr(self, name, module)

    def _check(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            told = getattr(module, "__name__", type(module).__name__)
            raise TypeError(
                f"{type(self).__name__}: entry {name} is {told}, which is no module. Activations "
                "are modules too: nn.Tanh()."
            )

    def __len__(self) -> int:
        return len(self._held())


class _Numbered(_Container, MutableSequence[Module]):
    """A container that is a list of its modules. As in PyTorch, methods return the container."""

    def _name(self, index: int) -> str:
        names = list(self._held())
        try:
            return names[index]
        except IndexError as cause:
            raise IndexError(
                f"{type(self).__name__}: index {index} is out of range for {len(names)} modules."
            ) from cause

    def _renumber(self, modules: list[Module]) -> None:
        for i, module in enumerate(modules):
            self._check(str(i), module)
        for name in self._held():
            delattr(self, name)
        self.extend(modules)

    def _part(self, index: slice) -> Any:
        raise NotImplementedError

    # A part is a plain container: a kind of the user's own may be built otherwise.
    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._part(index)
        return self._held()[self._name(index)]

    def __setitem__(self, index: Any, module: Any) -> None:
        self._hold(self._name(index), module)

    def __delitem__(self, index: Any) -> None:
        modules = list(self)
        if not isinstance(index, slice):
            self._name(index)
        del modules[index]
        self._renumber(modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._held().values()))

    def __add__(self, modules: Iterable[Module]) -> Any:
        return self[:].extend(modules)

    def insert(self, index: int, module: Module) -> Self:  # type: ignore[override]
        """Put a module before the one at `index`; all are numbered anew."""
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def append(self, module: Module) -> Self:  # type: ignore[override]
        """Put a module at the end, under the next number."""
        held = self._held()
        number = len(held)
        while str(number) in held:
            number += 1
        self._hold(str(number), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:  # type: ignore[override]
        """Put several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self


class Sequential(_Numbered):
    """Modules that are called one after the other, each with what the one before gave.

    Args:
        modules: any number of modules, or one dictionary of them by name.

    Raises:
        TypeError: if something is no module.
        ValueError: if a name cannot be that of an attribute.

    Indices, slices, `append`, `insert`, `del` and `+` work as on a list; a slice keeps the names.

    >>> from minitorch_rnn import nn, ones
    >>> network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    >>> network(ones(4, 3)).shape, [name for name, _ in network[1:].named_parameters()]
    ((4, 2), ['2.weight', '2.bias'])
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self._hold(name, module)
        else:
            self.extend(modules)

    def _part(self, index: slice) -> Sequential:
        return Sequential(dict(list(self._held().items())[index]))

    def forward(self, x: Any) -> Any:
        """What the last module makes of what the others made of x."""
        for module in self:
            x = module(x)
        return x


class ModuleList(_Numbered):
    """A list of modules; who holds it calls them.

    Args:
        modules: an iterable of modules.

    Raises:
        TypeError: if something is no module.

    >>> from minitorch_rnn import nn
    >>> layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(2)])
    >>> len(layers.append(nn.Tanh())), [name for name, _ in layers.named_parameters()]
    (3, ['0.weight', '0.bias', '1.weight', '1.bias'])
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def _part(self, index: slice) -> ModuleList:
        return ModuleList(list(self)[index])


class ModuleDict(_Container, MutableMapping[str, Module]):
    """A dictionary of modules; who holds it calls them.

    Args:
        modules: a mapping of names to modules, or pairs of both.

    Raises:
        TypeError: if something is no module, or a name no string.
        ValueError: if a name cannot be that of an attribute.

    >>> from minitorch_rnn import nn
    >>> heads = nn.ModuleDict({"words": nn.Linear(3, 9), "tags": nn.Linear(3, 2, bias=False)})
    >>> heads["tags"].out_features, [name for name, _ in heads.named_parameters()]
    (2, ['words.weight', 'words.bias', 'tags.weight'])
    """

    # A mapping would be compared by what it holds, and be no member of a set, as modules are.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        self.update(modules)

    def __getitem__(self, name: str) -> Module:
        return self._held()[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._hold(name, module)

    def __delitem__(self, name: str) -> None:
        del self._held()[name]  # which knows if there is none
        delattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())
