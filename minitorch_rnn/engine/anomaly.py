"""Anomaly mode: the operation, line and time step where the first nan or infinity appears.

Off, it costs one look at a name per operation. On, every value and every gradient is inspected, and
each recorded operation is noted with the line of the program that made it.
"""

from __future__ import annotations

import linecache
import pathlib
import sys
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.errors import NonFiniteError

made: dict[int, str] | None = None  # where each tensor was made, by its index; None: mode is off
_step: ContextVar[int | None] = ContextVar("step", default=None)

_open = 0  # blocks, of all threads together
_counting = threading.Lock()

_PACKAGE = str(pathlib.Path(__file__).parents[1])
_ENGINE = tuple(str(pathlib.Path(_PACKAGE, room)) for room in ("engine", "ops", "autograd"))


class detect_anomaly:
    """Inside the block, raise where the first nan or infinity appears, forward or backward.

    The error names the operation, the element, the time step if a recurrent layer or
    `time_steps` ran it, and the line that made it. An infinity that comes from an infinite input
    is let pass (masks are made of them); a nan never is. Every operation is inspected, in all
    threads, so this is for finding a mistake and not for training.

    Raises:
        NonFiniteError: inside the block, from the operation or from `backward`.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 0.0], requires_grad=True)
    >>> with mt.autograd.detect_anomaly():
    ...     (x - 2).log()  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    NonFiniteError: anomaly: 'log' gives nan at index (0,) (2 of 2, shape (2,)), from finite inputs.
    """

    def __init__(self) -> None:
        self._before: list[Any] = []

    def __enter__(self) -> None:
        global made, _open
        quiet = np.errstate(all="ignore")  # NumPy's warnings would come first and say less
        quiet.__enter__()
        self._before.append((_step.get(), quiet))
        with _counting:
            _open += 1
            made = {} if made is None else made

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global made, _open
        with _counting:
            _open -= 1
            made = made if _open else None
        step, quiet = self._before.pop()
        _step.set(step)
        quiet.__exit__(kind, error, trace)


def detects_anomalies() -> bool:
    """Whether anomaly mode is on: what is computed now should be looked at step by step."""
    return made is not None


def time_steps(steps: Iterable[int]) -> Iterator[int]:
    """The numbers of `steps`; anomaly mode knows which one a loop over them is at.

    >>> from minitorch_rnn.autograd import time_steps
    >>> [t * t for t in time_steps(range(3))]
    [0, 1, 4]
    """
    if made is None:
        yield from steps
        return
    before = _step.get()
    try:
        for t in steps:
            _step.set(t)
            yield t
    finally:
        _step.set(before)


def check_value(name: str, inputs: tuple[Any, ...], value: Any) -> None:
    """Raise if `value`, what the operation `name` made of plain `inputs`, is where it goes wrong.

    Raises:
        NonFiniteError: if it holds a nan, or an infinity that no input has.
    """
    if _finite(value):
        return
    bad = [k for k, x in enumerate(inputs) if not _finite(x)]
    holds_nan = bool((value != value).any())
    if bad and not holds_nan:
        return
    origin = f"; input {bad[0]} is already {_place(inputs[bad[0]])}" if bad else ""
    raise NonFiniteError(
        f"anomaly: {name!r} gives {_place(value)}{origin or ', from finite inputs'}"
        f"{_at_step()}. Made at {_line()}."
    )


def note(index: int) -> None:
    """Remember the line that makes the tensor `index`."""
    if made is not None:
        made[index] = _line() + _at_step()


def check_gradient(name: str, index: int, k: int, incoming: Any, gradient: Any) -> None:
    """Raise if the gradient that a rule gives to input k is not finite.

    Raises:
        NonFiniteError: naming the operation and where it was made.
    """
    if _finite(gradient):
        return
    origin = "" if _finite(incoming) else f"; the gradient that came in is {_place(incoming)}"
    line = (made or {}).get(index, "a line that ran before anomaly mode was on")
    raise NonFiniteError(
        f"anomaly: the gradient that {name!r} gives its input {k} is {_place(gradient)}{origin}. "
        f"{name!r} was made at {line}."
    )


def _finite(x: Any) -> bool:
    if backend.backend_of(x) is None:
        return not isinstance(x, float) or abs(x) < float("inf")
    return x.dtype.kind not in "fc" or bool(backend.namespace(x).isfinite(x).all())


def _place(x: Any) -> str:
    """The first element that is not finite, and how many there are."""
    if backend.backend_of(x) is None:
        return str(x)
    bad = ~backend.to_numpy(backend.namespace(x).isfinite(x))
    first = tuple(int(i[0]) for i in bad.nonzero()) if bad.ndim else ()
    return f"{float(x[first])} at index {first} ({bad.sum()} of {bad.size}, shape {x.shape})"


def _at_step() -> str:
    step = _step.get()
    return "" if step is None else f", time step {step}"


def _line() -> str:
    """The caller's line outside this package, and where a module of ours ran it if one did."""
    frame: Any = sys._getframe(1)
    inside = ""
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        name = frame.f_code.co_filename
        if not inside and not name.startswith(_ENGINE):
            inside = f" (in {pathlib.Path(name).relative_to(_PACKAGE)}, line {frame.f_lineno})"
        frame = frame.f_back
    if frame is None:
        return f"an unknown line{inside}"
    name, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(name, number).strip()
    return f"{name}, line {number}{f': {text}' if text else ''}{inside}"
