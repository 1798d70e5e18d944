"""Reading what `Metrics` wrote: metrics.jsonl as arrays."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.reporting.metrics import METRICS

__all__ = ["Curves", "read_metrics"]


class Curves(NamedTuple):
    """The numbers of a training, N of its steps; nan where a number was not finite.

    Attributes:
        step: that have a line, ascending; (N,).
        numbers: by name, of each of these steps: epoch, loss, norm, lr, count, seconds; (N,) each.
        figures: of the validations, by name: the steps they followed, and the values.
        skipped: the steps that were not taken.

    >>> curves = Curves.of([1, 2], loss=[2.5, 2.0], figures={"loss": ([2], [2.2])})
    >>> curves.numbers["loss"], curves.figures["loss"]
    (array([2.5, 2. ]), (array([2]), array([2.2])))
    """

    step: np.ndarray
    numbers: dict[str, np.ndarray]
    figures: dict[str, tuple[np.ndarray, np.ndarray]]
    skipped: np.ndarray

    @classmethod
    def of(
        cls,
        step: Any,
        *,
        figures: dict[str, tuple[Any, Any]] | None = None,
        skipped: Any = (),
        **numbers: Any,
    ) -> Curves:
        """Curves of plain lists."""
        return cls(
            np.array(step, np.int64),
            {name: np.array(values) for name, values in numbers.items()},
            {
                name: (np.array(steps, np.int64), np.array(values, float))
                for name, (steps, values) in (figures or {}).items()
            },
            np.array(skipped, np.int64),
        )


def read_metrics(path: str | os.PathLike[str]) -> Curves:
    """The curves in a metrics.jsonl; steps that were undone by a restored checkpoint are left out.

    Args:
        path: of the file, or of the folder of a run, such as `run.folder`.

    A last line that is not whole, as of a training that was killed or still runs, is passed over.

    Raises:
        RunError: naming the file, and the line that is damaged.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "metrics.jsonl")
    >>> line = '"epoch": 0, "loss": 2.5, "norm": 1, "lr": 0.1, "count": 8, "seconds": 1}\\n'
    >>> _ = file.write_text(f'{{"step": 1, {line}{{"step": 2, {line}{{"step": 3, "ep')
    >>> read_metrics(file).step, read_metrics(file.parent).numbers["loss"]
    (array([1, 2]), array([2.5, 2.5]))
    """
    if os.path.isdir(path):
        path = os.path.join(path, METRICS)
    log = _Log()
    try:
        with open(path, "rb") as file:
            for number, content, last in _lines(file):
                try:
                    log.add(_DECODER.decode(content.decode()))
                except _WRONG as cause:
                    if last:
                        break
                    raise RunError(
                        f"{path}: line {number} is damaged: {_reason(cause)}. Remove it to use the "
                        "others."
                    ) from cause
    except OSError as cause:
        raise RunError(f"{path}: cannot be read: {cause.strerror}.") from cause
    return log.curves()


def _lines(file: Any) -> Iterator[tuple[int, bytes, bool]]:
    """Each line with its number and whether it is the last; empty ones are passed over."""
    before: tuple[int, bytes] | None = None
    for number, line in enumerate(file, 1):
        if not line.isspace():
            if before:
                yield *before, False
            before = number, line
    if before:
        yield *before, True


Column: TypeAlias = "array[Any]"


class _Log:
    """Lines as they are added up; in arrays of numbers, for there may be millions."""

    def __init__(self) -> None:
        self.step: Column = array("q")
        self.numbers: dict[str, Column] = {
            name: array(kind) for name, (kind, _) in _NUMBERS.items()
        }
        self.figures: dict[str, tuple[Column, Column]] = {}
        self.skipped: Column = array("q")

    def add(self, line: Any) -> None:
        """Take a line, whole or not at all.

        Raises:
            ValueError, KeyError, TypeError, AttributeError, OverflowError: if `Metrics` does not
                write such lines.
        """
        step = _whole(line["step"])
        if "restored" in line:
            self._back_to(step)
        elif "figures" in line:
            found = {name: _number(value) for name, value in line["figures"].items()}
            for name, value in found.items():
                steps, values = self.figures.setdefault(name, (array("q"), array("d")))
                steps.append(step)
                values.append(value)
        else:
            if self.step and step <= self.step[-1]:
                raise ValueError(f"step {step} follows step {self.step[-1]}")
            row = [of(line[name]) for name, (_, of) in _NUMBERS.items()]
            self.step.append(step)
            for column, value in zip(self.numbers.values(), row, strict=True):
                column.append(value)
            if line.get("skipped"):
                self.skipped.append(step)

    def _back_to(self, step: int) -> None:
        series: list[tuple[Column, list[Column]]]
        series = [(self.step, list(self.numbers.values())), (self.skipped, [])]
        series += [(steps, [values]) for steps, values in self.figures.values()]
        for steps, columns in series:
            while steps and steps[-1] > step:
                for column in (steps, *columns):
                    column.pop()

    def curves(self) -> Curves:
        """All of it."""
        return Curves(
            _array(self.step),
            {name: _array(column) for name, column in self.numbers.items()},
            {name: (_array(steps), _array(ys)) for name, (steps, ys) in self.figures.items()},
            _array(self.skipped),
        )


def _array(column: Column) -> np.ndarray:
    return np.array(column, np.int64 if column.typecode == "q" else float)


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_WRONG = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_DECODER = json.JSONDecoder(parse_constant=_refuse)  # made once: it takes longer than a line


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r:.40} is not a whole number")
    return value


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if value is None:
        return float("nan")
    if type(value) is not int:
        raise ValueError(f"{value!r:.40} is not a number")
    return float(value)


_NUMBERS: dict[str, tuple[str, Callable[[Any], float]]] = {
    "epoch": ("q", _whole), "loss": ("d", _number), "norm": ("d", _number), "lr": ("d", _number),
    "count": ("q", _whole), "seconds": ("d", _number),
}  # fmt: skip


def _reason(cause: Exception) -> str:
    if isinstance(cause, KeyError):
        return f"it has no {cause}"
    return str(cause) or type(cause).__name__
