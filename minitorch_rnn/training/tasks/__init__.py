"""The tasks of the command line: each its options, its data, its model and its figures."""

from __future__ import annotations

import difflib

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.tasks.forecast import ForecastTask
from minitorch_rnn.training.tasks.tagging import TaggingTask
from minitorch_rnn.training.tasks.text import CharacterTask

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (CharacterTask, ForecastTask, TaggingTask)
}


def task_of(name: str) -> type[Task]:
    """The task of this name.

    Raises:
        RunError: if there is none.

    >>> task_of("text").__name__
    'CharacterTask'
    """
    if name not in TASKS:
        close = difflib.get_close_matches(str(name), TASKS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(TASKS)}."
        raise RunError(f"task: there is no {str(name)[:60]!r}; {hint}")
    return TASKS[name]


__all__ = ["CharacterTask", "ForecastTask", "TASKS", "TaggingTask", "task_of"]
