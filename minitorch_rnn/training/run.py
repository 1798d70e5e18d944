"""Run: the folder of a training, with its options, its record, its weights and its lock."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from minitorch_rnn import __version__
from minitorch_rnn.errors import CheckpointError, DataError, RunError, StateError
from minitorch_rnn.serialization import load, write_whole
from minitorch_rnn.training.checkpoints import WEIGHTS, is_temporary, tidy
from minitorch_rnn.training.config import Config, read
from minitorch_rnn.training.lock import LOCK, locked
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.tasks import task_of

RECORD, CONFIG = "run.json", "config.toml"
_FORMAT = 1
_ENTRIES: dict[str, Any] = {
    "format": int, "task": str, "status": str, "started": str, "config": dict, "facts": dict,
    "sources": dict, "figures": dict, "steps": int | None, "seconds": int | float | None,
    "best": int | None,
}  # fmt: skip


class Run:
    """A training as its folder tells it.

        run.json               task, options, facts about the data, figures, how it ended
        config.toml            the options once more, for `--config`
        weights.safetensors    the best parameters
        checkpoints/           what `resume` goes on from
        metrics.jsonl          losses and figures, step by step
        loss.png               their curves

    Attributes:
        folder: its path.
        record: what run.json holds.
        config: the options, of the task's own class.

    >>> import tempfile
    >>> from minitorch_rnn.training.tasks import TASKS
    >>> config = TASKS["forecast"].Config.of({"hidden": 8})
    >>> run = Run.create(tempfile.mkdtemp(), TASKS["forecast"].prepare(config), config)
    >>> Run.open(run.folder).config == config, run.status
    (True, 'running')
    """

    def __init__(self, folder: pathlib.Path, record: dict[str, Any], config: Any) -> None:
        self.folder, self.record, self.config = folder, record, config

    @classmethod
    def create(cls, folder: str | os.PathLike[str], task: Task, config: Config) -> Run:
        """A new run in a folder that is new or empty, or was left by one that never began.

        Args:
            folder: its path.
            task: what is trained; what it knows of its data is recorded, and what its files hold.
            config: the options it was made of.

        Raises:
            RunError: if the folder holds anything, or cannot be made or written.
            DataError: if a file of the data cannot be read.
        """
        home = new_folder(folder)
        tidy(home)
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        record = {
            "format": _FORMAT,
            "version": __version__,
            "task": task.name,
            "status": "running",
            "started": now,
            "config": dataclasses.asdict(config),
            "facts": task.facts(),
            "sources": _fingerprints(task.sources()),
            "figures": {},
        }
        run = cls(home, record, config)
        run.write()
        return run

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """The run in a folder.

        Raises:
            RunError: naming the file that is missing or damaged.
        """
        home = pathlib.Path(folder)
        path = home / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            _check(record)
            config = task_of(record["task"]).Config.of(record["config"])
        except FileNotFoundError as cause:
            raise RunError(f"{home}: holds no run: there is no {RECORD} in it.") from cause
        except OSError as cause:
            raise RunError(f"{path}: cannot be read: {cause.strerror or cause}.") from cause
        except RunError as cause:
            raise RunError(f"{path}: {cause}") from cause
        except (ValueError, RecursionError) as cause:
            raise RunError(f"{path}: is damaged or not of this program: {cause!s:.200}.") from cause
        return cls(home, record, config)

    @property
    def status(self) -> str:
        """How it is with the training: "running", "finished", "interrupted" or "failed".

        What was killed is "running" by its record, and locked by nobody.
        """
        return str(self.record["status"])

    def write(self, **changes: Any) -> None:
        """Record what changed, and the options.

        Raises:
            RunError: if the folder cannot be written.
        """
        self.record |= changes
        self.record["config"] = dataclasses.asdict(self.config)
        try:
            files = {RECORD: json.dumps(self.record, indent=1)}
            if "config" in changes or not (self.folder / CONFIG).exists():
                options = f'task = "{self.record["task"]}"\n{self.config.written()}'
                # The record first, without which a folder is no run; later the options, which
                # count as edited until the record has them too.
                begun = (self.folder / RECORD).exists()
                files = {CONFIG: options} | files if begun else files | {CONFIG: options}
            for name, content in files.items():
                write_whole(self.folder / name, content.encode())
        except OSError as cause:
            raise RunError(
                f"{cause.filename or self.folder}: cannot be written: {cause.strerror}."
            ) from cause

    def edited(self) -> dict[str, Any]:
        """The options that somebody changed in config.toml since it was written.

        Raises:
            RunError: if the file is damaged.
        """
        path = self.folder / CONFIG
        if not path.exists():
            return {}
        given = read(path)
        if given.pop("task", self.record["task"]) != self.record["task"]:
            raise RunError(f"{path}: the task was {self.record['task']!r}; start a new run.")
        # What is not in the file is as it was, whatever has become of its default.
        before = dataclasses.asdict(self.config)
        after = dataclasses.asdict(type(self.config).of(before | given))
        return {name: after[name] for name in after if after[name] != before[name]}

    def changed(self, changes: Mapping[str, Any]) -> Any:
        """The options to go on with, of what was edited and of `changes`.

        Steps or epochs among the changes are the only bound, unless they name others.

        Raises:
            RunError: naming an option that may not be another.
        """
        said = {name for name in ("steps", "epochs") if changes.get(name) is not None}
        bounds = {"steps", "epochs", "seconds"} - said if said else set()
        return self.config.changed(self.edited() | dict.fromkeys(bounds) | dict(changes))

    def is_locked(self) -> bool:
        """Whether a process trains here now."""
        if not (self.folder / LOCK).exists():
            return False
        try:
            with locked(self.folder, wait=0):
                return False
        except RunError as error:
            return isinstance(error.__cause__, TimeoutError)

    # What was learned of the data -----------------------------------------------------------------

    def check_data(self, task: Task) -> None:
        """Refuse to go on with data that is not what it was.

        Raises:
            DataError: naming the file that changed.
        """
        now = _fingerprints(task.sources())
        for name, print_before in self.record["sources"].items():
            if now.get(name) != print_before:
                raise DataError(
                    f"{name}: has changed since this run was started; a run goes on with the same "
                    "data only. Bring the file back, or start a new run."
                )
        if set(now) != set(self.record["sources"]):
            new = ", ".join(sorted(set(now) - set(self.record["sources"])))
            raise DataError(f"{new}: was not there when this run was started; start a new one.")
        if json.loads(json.dumps(task.facts())) != self.record["facts"]:
            raise DataError(
                f"{self.folder}: the data is no longer what this run was started with, for example "
                "because Python's own library has changed; start a new run."
            )

    def task(self) -> Task:
        """The task with the best weights, and without its data.

        Raises:
            RunError: naming the file that is missing or damaged.
        """
        path = self.folder / WEIGHTS
        try:
            task = task_of(self.record["task"]).restore(self.config, self.record["facts"])
            task.model.load_state_dict(load(path))
        except FileNotFoundError as cause:
            raise RunError(
                f"{self.folder}: has no {WEIGHTS} yet: it was ended before its first checkpoint. "
                f"`minitorch-rnn resume {self.folder}` goes on."
            ) from cause
        except OSError as cause:
            raise RunError(f"{path}: cannot be read: {cause.strerror or cause}.") from cause
        except ImportError as cause:
            raise RunError(str(cause)) from cause
        except (CheckpointError, StateError) as cause:
            raise RunError(f"{path}: is damaged or not of this run: {cause}") from cause
        except (ValueError, KeyError, TypeError, AttributeError, MemoryError) as cause:
            raise RunError(
                f"{self.folder / RECORD}: is damaged or not of this program: {cause!r}."
            ) from cause
        return task


def _check(record: Any) -> None:
    """Refuse what is no record, or not one of this version."""
    if not isinstance(record, dict):
        raise ValueError(f"it holds {record!r:.60}")
    for name, kind in _ENTRIES.items():
        if not isinstance(record.get(name), kind):
            raise ValueError(f"its {name} is {record.get(name)!r:.60}")
    if record["format"] != _FORMAT:
        raise ValueError(f"its format is {record['format']}, not {_FORMAT}")
    if record["status"] == "finished" and record.get("steps") is None:
        raise ValueError("it is finished, but names no steps")
    if not isinstance(record.get("error"), str | None):
        raise ValueError(f"its error is {record['error']!r:.60}")
    for name, figure in record["figures"].items():
        if not isinstance(figure, int | float):
            raise ValueError(f"its figure {name} is {figure!r:.60}")


def _fingerprints(sources: Sequence[str]) -> Mapping[str, Any]:
    found = {}
    for name in sources:
        try:
            with open(name, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as cause:
            raise DataError(f"{name}: cannot be read: {cause.strerror or cause}.") from cause
        found[name] = digest
    return found


def new_folder(name: str | os.PathLike[str]) -> pathlib.Path:
    """Make the folder of a new run, or take an empty one, before there is anything to lose.

    Raises:
        RunError: if it holds anything, or cannot be made.

    >>> import tempfile
    >>> new_folder(pathlib.Path(tempfile.mkdtemp()) / "runs" / "first").name
    'first'
    """
    home = pathlib.Path(name)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        # A lock, or a file that was never finished, is of a run that was killed as it began.
        empty = home.is_dir() and all(
            path.name == LOCK or is_temporary(path) for path in home.iterdir()
        )
        home.mkdir(exist_ok=empty)
    except FileExistsError as cause:
        raise RunError(f"{home}: exists already; choose another --out.") from cause
    except OSError as cause:
        raise RunError(f"{cause.filename or home}: cannot be made: {cause.strerror}.") from cause
    return home


def newest_run(folder: str | os.PathLike[str] = "runs") -> pathlib.Path:
    """The run below `folder` that was saved last.

    Raises:
        RunError: if there is none.
    """
    runs = sorted(pathlib.Path(folder).glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise RunError(f"{folder}/: holds no run; `minitorch-rnn train` makes one, or name yours.")
    return runs[-1].parent
