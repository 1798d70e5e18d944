"""What became of trainings, as their folders tell it: the runs of a folder, and each of them."""

from __future__ import annotations

import numbers
import os
import pathlib
from typing import Any, NamedTuple

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.checkpoints import Checkpoints
from minitorch_rnn.training.run import RECORD, Run

__all__ = ["PastRun", "look", "past_runs"]


class PastRun(NamedTuple):
    """A training, in a word each.

    Attributes:
        name: of its folder.
        task: what was trained.
        network: its cell, layers and hidden units.
        status: "running", "finished", "interrupted" (killed, too), "failed" or "damaged".
        steps: taken in all; of a run that has not ended, those up to its last checkpoint.
        seconds: spent in all; None before it ended for the first time.
        figures: of its best weights on the held-out data.
        started: date and time, as ISO 8601 has it.
        reason: why it failed, or what is damaged.

    >>> PastRun("first").status
    'damaged'
    """

    name: str
    task: str | None = None
    network: str | None = None
    status: str = "damaged"
    steps: int | None = None
    seconds: float | None = None
    figures: dict[str, float] = {}
    started: str | None = None
    reason: str | None = None


def past_runs(folder: str | os.PathLike[str] = "runs") -> list[PastRun]:
    """The runs below a folder, the earliest first; or the one that the folder itself is.

    Only each run's run.json is read, and the names of its checkpoints. What is no run is left out;
    a damaged one is not.

    Raises:
        RunError: if there is no such folder.

    >>> import tempfile
    >>> past_runs(tempfile.mkdtemp())
    []
    """
    home = pathlib.Path(folder)
    if (home / RECORD).is_file():
        return [look(home)]
    try:
        places = [pathlib.Path(entry.path) for entry in os.scandir(home) if entry.is_dir()]
    except OSError as cause:
        raise RunError(
            f"{home}: cannot be read: {cause.strerror or cause}. `minitorch-rnn train` makes a run."
        ) from cause
    found = [look(place) for place in places if (place / RECORD).exists()]
    return sorted(found, key=lambda run: (run.started or "", run.name))


def look(folder: str | os.PathLike[str]) -> PastRun:
    """What became of the run in a folder.

    >>> import tempfile
    >>> look(tempfile.mkdtemp()).status
    'damaged'
    """
    home = pathlib.Path(folder)
    try:
        run = Run.open(home)
    except RunError as error:
        return PastRun(home.name, reason=str(error))
    record = run.record
    figures, status = record["figures"], run.status
    right = isinstance(figures, dict) and all(map(_is_number, figures.values()))
    if not right or not all(_is_number(record.get(name) or 0) for name in ("steps", "seconds")):
        return PastRun(home.name, reason=f"{home / RECORD}: its figures are no numbers.")
    steps = record.get("steps")
    if status == "running":
        steps = _saved(home) or steps
        if not run.is_locked():
            status = "interrupted"  # killed, before it could say so
    return PastRun(
        home.name, record["task"], _network(run.config), status, steps,
        record.get("seconds"), figures, str(record["started"]), record.get("error"),
    )  # fmt: skip


def _saved(home: pathlib.Path) -> int | None:
    """The step of the newest checkpoint, by its name."""
    try:
        files = Checkpoints(home).files()
    except OSError:
        return None
    return int(files[-1].stem.removeprefix("step-")) if files else None


def _network(config: Any) -> str:
    """The network that the options ask for, such as "lstm 2x64"."""
    kind = getattr(config, "cell", None) or getattr(config, "network", None) or "network"
    return f"{kind} {config.layers}x{config.hidden}"


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real)
