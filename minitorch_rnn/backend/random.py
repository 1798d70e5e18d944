"""Random numbers, drawn on the host by NumPy for every backend: one seed means one model."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

__all__ = ["drawing_again", "generator", "manual_seed"]

_generator: np.random.Generator | None = None
_again: ContextVar[np.random.Generator | None] = ContextVar("again", default=None)


class drawing_again:
    """Inside the block, here and in no other thread, the default generator starts from `state`.

    >>> import minitorch_rnn as mt
    >>> state = mt.manual_seed(0).bit_generator.state
    >>> first = mt.rand(3)
    >>> with drawing_again(state):
    ...     bool((mt.rand(3) == first).all())
    True
    """

    def __init__(self, state: Any) -> None:
        bits = getattr(np.random, state["bit_generator"])()
        bits.state = state
        self._generator = np.random.Generator(bits)

    def __enter__(self) -> None:
        self._before = _again.set(self._generator)

    def __exit__(self, *error: object) -> None:
        _again.reset(self._before)


def manual_seed(seed: int | None) -> np.random.Generator:
    """Restart the generator that draws initial weights; returns it. None takes a fresh seed.

    >>> import minitorch_rnn as mt
    >>> rng = mt.manual_seed(0)
    >>> first = mt.rand(3)
    >>> rng = mt.manual_seed(0)
    >>> bool((mt.rand(3) == first).all())
    True
    """
    global _generator
    fresh = np.random.default_rng(seed)
    if _again.get() is None:
        _generator = fresh
    else:
        _again.set(fresh)
    return fresh


def generator(rng: np.random.Generator | None = None) -> np.random.Generator:
    """`rng` itself, or the default generator of the host where None is given.

    Raises:
        TypeError: for anything else; a number would restart the stream at every parameter.

    >>> rng = np.random.default_rng(0)
    >>> generator(rng) is rng
    True
    """
    if rng is None:
        return _again.get() or _generator or manual_seed(None)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is {rng!r}; give a generator: np.random.default_rng({rng!r}).")
    return rng
