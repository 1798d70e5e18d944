"""Anomaly mode: the operation, line and time step where the first nan or infinity appears.

Every value and every gradient is inspected, and each recorded operation is noted with the line of
the program that made it.
"""

from __future__ import annotations

import linecache
import pathlib
import sys
import threading
from types import TracebackType
from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import places
from minitorch_rnn.errors import NonFiniteError

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
        global _open
        quiet = np.errstate(all="ignore")  # NumPy's warnings would come first and say less
        quiet.__enter__()
        self._before.append((places.current_step(), quiet))
        with _counting:
            _open += 1
            if _open == 1:
                places.watch(_inspector)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _open
        with _counting:
            _open -= 1
            if not _open:
                places.unwatch(_inspector)
                _inspector.made.clear()
        step, quiet = self._before.pop()
        places.restore_step(step)
        quiet.__exit__(kind, error, trace)


def detects_anomalies() -> bool:
    """Whether anomaly mode is on: what is computed now should be looked at step by step."""
    return _open > 0


class _Inspector(places.Watcher):
    """Looks at everything while anomaly mode is on."""

    def __init__(self) -> None:
        self.made: dict[int, str] = {}  # where each tensor was made, by its index

    def computed(self, name: str, inputs: tuple[Any, ...], value: Any) -> None:
        """Raise if `value` is where it goes wrong: it holds a nan, or an infinity no input has."""
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

    def recorded(self, index: int) -> None:
        """Remember the line that makes the tensor `index`."""
        self.made[index] = _line() + _at_step()

    def sent(self, name: str, index: int, number: int, incoming: Any, gradient: Any) -> None:
        """Raise if the gradient that a rule gives to an input is not finite."""
        if _finite(gradient):
            return
        origin = "" if _finite(incoming) else f"; the gradient that came in is {_place(incoming)}"
        line = self.made.get(index, "a line that ran before anomaly mode was on")
        raise NonFiniteError(
            f"anomaly: the gradient that {name!r} gives its input {number} is {_place(gradient)}"
            f"{origin}. {name!r} was made at {line}."
        )

    def freed(self, index: int) -> None:
        """Forget its line."""
        self.made.pop(index, None)


_inspector = _Inspector()


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
    step = places.current_step()
    return "" if step is None else f", time step {step}"


def _line() -> str:
    """The caller's line outside this package, and where a module of ours ran it if one did."""
    frame: Any = sys._getframe(1)
    inside = ""
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        name = frame.f_code.co_filename
        if not inside and not name.startswith(_ENGINE):
            inside = f"{pathlib.Path(name).relative_to(_PACKAGE)}, line {frame.f_lineno}"
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith("<frozen "):  # of `python -m`
        return f"minitorch_rnn/{inside}" if inside else "an unknown line"
    name, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(name, number).strip()
    line = f"{name}, line {number}{f': {text}' if text else ''}"
    return f"{line} (in {inside})" if inside else line
