"""What an exercise is: a task with hints, and cases that a right solution answers rightly."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["Call", "Case", "Exercise", "ExerciseError", "seeded"]

_ROOMS = "minitorch_rnn.teaching.exercises.tasks"


class ExerciseError(ValueError):
    """An exercise or a file cannot be used at all; the message says what to do.

    >>> from minitorch_rnn.teaching import exercises
    >>> try:
    ...     exercises.exercise("slide-95")
    ... except exercises.ExerciseError as error:
    ...     print("slide-94" in str(error))
    True
    """


class Call(NamedTuple):
    """A call of a student's function.

    Attributes:
        function: its name.
        arguments: values by the names that the starter gives them; they are passed by position.
            A text that begins with "lambda" becomes that function.
        counted: whether the operations on the arguments' arrays are counted.

    >>> Call("tanh_backward", {"dy": 1.0, "y": 0.5}).counted
    False
    """

    function: str
    arguments: Mapping[str, Any]
    counted: bool = False


@dataclass(frozen=True)
class Case:
    """One call and what is right for it.

    Attributes:
        call: the call.
        about: its sizes, such as "T = 1, B = 1".
        expected: the right answer: an array, or a dictionary, list or tuple of them.
        explain: ``explain(answer)`` gives the sentences that name the mistake, of an answer with
            the expected names and shapes; None if it does not know.
        judge: ``judge(answer, operations)`` gives a complaint or None, where there is more to
            judge, or else, than the numbers of `expected`.
        labels: how the parts of a tuple are called.

    >>> Case(Call("double", {"x": 2.0}), "x = 2", 4.0).expected
    4.0
    """

    call: Call
    about: str
    expected: Any = None
    explain: Callable[[Any], str | None] = field(default_factory=lambda: lambda answer: None)
    judge: Callable[[Any, int], str | None] = field(
        default_factory=lambda: lambda answer, operations: None
    )
    labels: tuple[str, ...] = ()


def seeded(case: Callable[..., Case], sizes: Iterable[tuple[int, ...]]) -> list[Case]:
    """``case(*size, seed)`` for each of the sizes, with the seeds 0, 1, …

    >>> [case.about for case in seeded(lambda n, seed: Case(None, f"{n}, {seed}"), [(5,), (7,)])]
    ['5, 0', '7, 1']
    """
    return [case(*size, seed) for seed, size in enumerate(sizes)]


@dataclass(frozen=True)
class Exercise:
    """A task: a room in `tasks` holds it, with ``starter.py`` and ``solution.py`` beside it.

    Attributes:
        name: as the command line has it.
        title: one line.
        slides: of the lecture, such as "94" or "96-100".
        level: from 1, a first step, to 4.
        hints: three, from a nudge to nearly the line.
        cases: draws the cases anew, the smallest first; their seeds are fixed.
        afterwards: what to try with a right solution.

    >>> from minitorch_rnn.teaching.exercises import exercise
    >>> exercise("tanh-derivative").slides
    '79'
    """

    name: str
    title: str
    slides: str
    level: int
    hints: tuple[str, str, str]
    afterwards: str
    cases: Callable[[], list[Case]] = field(repr=False)

    @property
    def starter(self) -> str:
        """The file that a student starts from."""
        return self._file("starter.py")

    @property
    def solution(self) -> str:
        """A file that solves it."""
        return self._file("solution.py")

    def _file(self, name: str) -> str:
        room = importlib.resources.files(f"{_ROOMS}.{self.name.replace('-', '_')}")
        return (room / name).read_text(encoding="utf-8")
