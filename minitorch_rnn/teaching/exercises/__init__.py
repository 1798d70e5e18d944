"""Exercises for students: a starter file, hints, a solution, and a checker that names the mistake.

The student's file runs in a process of its own (`process`), which only calls its functions; what
they return is judged here (`verdict`, `judge`). A room of `tasks` holds an exercise.
"""

from pathlib import Path
from typing import Any

from minitorch_rnn.teaching.exercises import child
from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise, ExerciseError
from minitorch_rnn.teaching.exercises.tasks import NAMES, exercise
from minitorch_rnn.teaching.exercises.verdict import Verdict, check

__all__ = [
    "Call", "Case", "Exercise", "ExerciseError", "NAMES", "Verdict", "arguments", "check",
    "exercise", "start",
]  # fmt: skip


def arguments(name: str, case: int) -> tuple[Any, ...]:
    """What the checker gives to the student's function in a case, to repeat it.

    Raises:
        ExerciseError: if there is no such exercise, or no such case.

    >>> [argument.shape for argument in arguments("tanh-derivative", 1)]
    [(3,), (3,)]
    """
    cases = exercise(name).cases()
    if not 0 <= case < len(cases):
        raise ExerciseError(f"{name} has the cases 0 to {len(cases) - 1}, and no {case}.")
    return tuple(map(child.as_argument, cases[case].call.arguments.values()))


def start(name: str, path: str | Path | None = None) -> Path:
    """Write the starter file of an exercise, by default NAME.py with underscores, and tell where.

    Raises:
        ExerciseError: if there is no such exercise, or the file exists or cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     print(start("slide-94", Path(folder) / "mine.py").read_text().splitlines()[0])
    # minitorch-rnn exercise: slide-94
    """
    text = exercise(name).starter
    path = Path(f"{name.replace('-', '_')}.py" if path is None else path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ExerciseError(f"{path} exists already and stays as it is; use --out FILE.") from None
    except OSError as error:
        raise ExerciseError(f"{path} cannot be written: {error.strerror}.") from None
    return path
