"""Where in a program operations are made, and who looks on: time steps, names of modules, watchers.

While nobody watches, this costs one look at a name per operation and nothing is noted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from minitorch_rnn.engine.tensor import Tensor

_step: ContextVar[int | None] = ContextVar("step", default=None)
_within: ContextVar[tuple[Any, ...]] = ContextVar("within", default=())
_NOWHERE: AbstractContextManager[None] = nullcontext()
_changing = threading.Lock()


class Watcher:
    """Is told of every operation while it is among the `watchers`; of all threads."""

    def computed(self, name: str, inputs: tuple[Any, ...], value: Any) -> None:
        """The operation `name` made `value` of plain `inputs`."""

    def recorded(self, index: int) -> None:
        """What was computed last is a node of the graph, and has this index."""

    def sent(self, name: str, index: int, number: int, incoming: Any, gradient: Any) -> None:
        """A walk gives the input `number` of the node `index` this gradient."""

    def freed(self, index: int) -> None:
        """A walk has left the node for good."""


watchers: tuple[Watcher, ...] = ()


def watch(watcher: Watcher) -> None:
    """Tell `watcher` of every operation from now on."""
    global watchers
    with _changing:
        watchers = (*watchers, watcher)


def unwatch(watcher: Watcher) -> None:
    """Tell it no more."""
    global watchers
    with _changing:
        watchers = tuple(w for w in watchers if w is not watcher)


def time_steps(steps: Iterable[int]) -> Iterator[int]:
    """The numbers of `steps`; who watches knows which one a loop over them is at.

    Anomaly mode names it in its errors, and `record_places` notes it.

    >>> from minitorch_rnn.autograd import time_steps
    >>> [t * t for t in time_steps(range(3))]
    [0, 1, 4]
    """
    if not watchers:
        yield from steps
        return
    before = _step.get()
    try:
        for t in steps:
            _step.set(t)
            yield t
    finally:
        _step.set(before)


def current_step() -> int | None:
    """Which time step is being computed here and now, if that is known."""
    return _step.get()


def restore_step(step: int | None) -> None:
    """Go back to a time step, where a loop over them was left by an error."""
    _step.set(step)


def scope(label: Any) -> AbstractContextManager[None]:
    """Inside the block, operations belong to `label`: a module, or a name.

    >>> import minitorch_rnn as mt
    >>> with mt.autograd.record_places() as places, scope("outer"), scope("inner"):
    ...     y = mt.ones(2, requires_grad=True) * 2
    >>> places.of(y)
    Place(step=None, names=('outer', 'inner'))
    """
    return _scope(label) if watchers else _NOWHERE


@contextmanager
def _scope(label: Any) -> Iterator[None]:
    token = _within.set((*_within.get(), label))
    try:
        yield
    finally:
        _within.reset(token)


class Place(NamedTuple):
    """Where an operation was made.

    Attributes:
        step: the time step, or None outside of any.
        names: of the modules it was made in, from the outermost inwards; within a `ColumnNetwork`
            the node, and then the edge.

    >>> Place(3, ("rnn", "l0")).names
    ('rnn', 'l0')
    """

    step: int | None
    names: tuple[str, ...]


class record_places(Watcher):
    """Inside the block, note where every recorded operation is made: in which module, at which t.

    Args:
        model: a Module, whose parts are then called by their paths in it; by their class without.

    >>> import minitorch_rnn as mt
    >>> rnn = mt.nn.RNN(1, 2, road="graph")
    >>> with mt.autograd.record_places() as places:
    ...     output, h_n = rnn(mt.ones(3, 1, 1))
    >>> loss = output.sum()  # outside
    >>> places.of(loss), sorted({place.step for place in places if place.step is not None})
    (None, [0, 1, 2])
    """

    def __init__(self, model: Any = None) -> None:
        self._paths = {} if model is None else {id(m): name for name, m in model.named_modules()}
        self._model = model  # alive, so that no other object has the id of one of its parts
        self._found: dict[int, Place] = {}
        self._before: list[int | None] = []  # of each time it was entered

    def __enter__(self) -> record_places:
        if not self._before:
            watch(self)
        self._before.append(current_step())
        return self

    def __exit__(self, *error: object) -> None:
        restore_step(self._before.pop())
        if not self._before:
            unwatch(self)

    def recorded(self, index: int) -> None:
        """Note the place of what was just made."""
        labels = [x if isinstance(x, str) else self._name(x) for x in _within.get()]
        self._found[index] = Place(_step.get(), tuple(label for label in labels if label))

    def _name(self, module: Any) -> str:
        return str(self._paths.get(id(module), type(module).__name__))

    def of(self, tensor: Tensor) -> Place | None:
        """Where `tensor` was made; None if it was made outside the block, or is a leaf."""
        return self._found.get(tensor._index)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._found.values())
