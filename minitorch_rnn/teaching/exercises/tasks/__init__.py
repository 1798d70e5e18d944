"""The exercises, one room each: its entry, ``starter.py`` and ``solution.py``.

To add one, add a room and its name here, where it stands in the course.
"""

import difflib
import importlib

from minitorch_rnn.teaching.exercises.exercise import Exercise, ExerciseError

__all__ = ["NAMES", "exercise"]

NAMES = (
    "tanh-derivative",
    "unbroadcast",
    "topological-order",
    "softmax-jacobian",
    "linear-backward",
    "gradient-check",
    "slide-72",
    "slide-94",
    "initial-state",
    "two-layers",
    "cell-backward",
    "gradient-clipping",
    "bidirectional",
    "elman",
    "narx-closed-loop",
    "truncated-bptt",
    "lstm-backward",
    "faster-scan",
)


def exercise(name: str) -> Exercise:
    """The exercise of this name.

    Raises:
        ExerciseError: if there is none.

    >>> exercise("slide-94").name
    'slide-94'
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1)
        meant = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(NAMES)}."
        raise ExerciseError(f"there is no exercise {name!r}{meant}")
    room = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    found: Exercise = room.EXERCISE
    return found
