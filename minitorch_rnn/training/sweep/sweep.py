"""Sweep: the folder in which the trials of a plan are run, each a run folder of its own.

What became of a trial stands in its own folder; sweep.json beside them has what was planned, and
the reasons of those that failed. So whatever ends a sweep, the next one of the same plan goes on.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any

from minitorch_rnn.errors import RunError
from minitorch_rnn.serialization import write_whole
from minitorch_rnn.training.lock import LOCK, locked
from minitorch_rnn.training.past import look
from minitorch_rnn.training.run import RECORD
from minitorch_rnn.training.signals import Caught, tell
from minitorch_rnn.training.sweep.plan import Plan, Trial
from minitorch_rnn.training.sweep.pools import LEAVE, STOP, TRIES, Pool, done
from minitorch_rnn.training.sweep.results import Result, best_first, csv_of
from minitorch_rnn.training.sweep.trials import Job, run_trial
from minitorch_rnn.training.tasks import task_of

__all__ = ["Sweep"]

BOOK, TABLE = "sweep.json", "table.csv"
_FORMAT = 1
_ORPHANS = 5.0  # seconds in which the workers of a sweep that was killed have ended


class Sweep:
    """The trials of a plan in a folder.

    Args:
        plan: what to try.
        folder: new, empty, or that of an earlier sweep, which goes on.

    Attributes:
        judged_by: the figure that says which trial is best; the smaller the better.
        ended: why the last `run` ended: "finished", "interrupt" or "terminated".

    Raises:
        RunError: if the folder holds something else, or trials that were run with other options.

    >>> import tempfile
    >>> from minitorch_rnn.training.sweep import Plan, Trial
    >>> from minitorch_rnn.training.tasks import task_of
    >>> trial = Trial("trial-0001", {"lr": 0.1}, task_of("forecast").Config.of({"lr": 0.1}))
    >>> sweep = Sweep(Plan("forecast", ("lr",), (trial,)), tempfile.mkdtemp())
    >>> [result.status for result in sweep.results()]
    ['waiting']
    """

    def __init__(self, plan: Plan, folder: str | os.PathLike[str]) -> None:
        self.plan, self.folder = plan, pathlib.Path(folder)
        self.judged_by = task_of(plan.task).judged_by
        self.ended: str | None = None
        self.failed: dict[str, str] = {}
        try:
            self._read()
        except OSError as cause:
            raise RunError(
                f"{cause.filename or folder}: cannot be read: {cause.strerror or cause}."
            ) from cause

    # What was done --------------------------------------------------------------------------------

    def results(self) -> list[Result]:
        """What became of every trial, the best first."""
        return best_first(self.result(trial) for trial in self.plan.trials)

    def result(self, trial: Trial) -> Result:
        """What became of one trial, as its folder tells it."""
        begun = (self.folder / trial.name / RECORD).exists()
        run = look(self.folder / trial.name) if begun else None
        status, reason = (run.status, run.reason) if run else ("waiting", None)
        if trial.name in self.failed and status != "finished":  # as by `resume` meanwhile
            status, reason = "failed", self.failed[trial.name]
        if run is None:
            return Result(trial.name, trial.varied, status=status, reason=reason)
        figure = run.figures.get(self.judged_by)
        return Result(trial.name, trial.varied, figure, run.steps, run.seconds, status, reason)

    # Doing the rest -------------------------------------------------------------------------------

    def run(
        self,
        pool: Pool,
        retry_failed: bool = False,
        told: Callable[[Result, int, int], None] = lambda result, number, of: None,
    ) -> list[Result]:
        """Run the trials that have not ended, and write table.csv.

        A first Ctrl-C lets the running trials finish their step and save, a second ends them at
        once; `ended` says so.

        Args:
            pool: where; see `processes` and `ranks`.
            retry_failed: whether those that failed begin anew; what they left is removed.
            told: called with each trial that ends, how many have, and how many there are.

        Raises:
            RunError: if the folder cannot be written, or somebody else is at work in it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise RunError(f"{cause.filename}: cannot be made: {cause.strerror}.") from cause
        with locked(self.folder):
            jobs = self._jobs(retry_failed)
            self._write()
            ended = len(self.plan.trials) - len(jobs)
            trials = {str(self.folder / trial.name): trial for trial in self.plan.trials}
            with _Interruption(pool) as interruption:
                for job, why in done(pool, run_trial, jobs, interruption.came):
                    trial = trials[job.folder]
                    if why != "":
                        self.failed[trial.name] = why or _DIED
                        self._write()
                    ended += 1
                    told(self.result(trial), ended, len(self.plan.trials))
            self.ended = interruption.reason or "finished"
            results = self.results()
            self._save(TABLE, csv_of(results, self.judged_by))
        return results

    def _jobs(self, retry_failed: bool) -> list[Job]:
        """What is to be done; what failed is cleared away for it, if that is asked for."""
        jobs = []
        for trial in self.plan.trials:
            folder, status = self.folder / trial.name, self.result(trial).status
            again = retry_failed and status in ("failed", "damaged")
            if status in ("running", "interrupted") or (again and folder.exists()):
                _wait_until_free(folder)
            if again:
                self.failed.pop(trial.name, None)
                _clear(folder)
            if again or status in ("waiting", "running", "interrupted"):
                jobs.append(Job(str(folder), trial.config))
        return jobs

    # The book -------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Take the reasons from an earlier sweep, if what it ran is what is planned now."""
        path = self.folder / BOOK
        if not path.exists():
            if self.folder.is_dir() and any(p.name != LOCK for p in self.folder.iterdir()):
                raise RunError(
                    f"{self.folder}: exists already and is no sweep; choose another --out."
                )
            return
        try:
            book = json.loads(path.read_text(encoding="utf-8"))
            if book["format"] != _FORMAT:
                raise ValueError(f"its format is {book['format']!r}, not {_FORMAT}")
            task, before = book["task"], {k: dict(v) for k, v in book["trials"].items()}
            self.failed = {str(name): str(why) for name, why in book["failed"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
            raise RunError(f"{path}: is damaged or not of this program: {cause!r}.") from cause
        begun = {name for name in before if (self.folder / name / RECORD).exists()}
        planned = {trial.name: trial for trial in self.plan.trials}
        for name in sorted(begun | self.failed.keys()):
            if task != self.plan.task:
                raise self._changed(name, "task", task, self.plan.task)
            if name not in planned:
                raise RunError(
                    f"{self.folder}: {name} was run, and is no longer among the "
                    f"{len(planned)} planned. Put the file back, or choose another --out."
                )
            self._compare(planned[name], before.get(name, {}))

    def _compare(self, trial: Trial, before: dict[str, Any]) -> None:
        # Through JSON, as those before went: tuples have become lists.
        now = json.loads(json.dumps(dataclasses.asdict(trial.config)))
        for option in sorted(before.keys() & now.keys()):
            if before[option] != now[option]:
                raise self._changed(trial.name, option, before[option], now[option])

    def _changed(self, name: str, option: str, before: Any, now: Any) -> RunError:
        return RunError(
            f"{self.folder}: {option}: {name} was run with {before!r}, now it is {now!r}. Put the "
            "file back, or choose another --out."
        )

    def _write(self) -> None:
        book = {
            "format": _FORMAT,
            "task": self.plan.task,
            "judged_by": self.judged_by,
            "varied": self.plan.varied,
            "trials": {t.name: dataclasses.asdict(t.config) for t in self.plan.trials},
            "failed": self.failed,
        }
        self._save(BOOK, json.dumps(book, indent=1).encode())

    def _save(self, name: str, content: bytes) -> None:
        try:
            write_whole(self.folder / name, content)
        except OSError as cause:
            raise RunError(f"{cause.filename}: cannot be written: {cause.strerror}.") from cause


_DIED = f"its process died {TRIES} times: it was killed, or the memory was full"


def _clear(folder: pathlib.Path) -> None:
    """Remove what a trial left that begins anew.

    Raises:
        RunError: naming what cannot be removed.
    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as cause:
        raise RunError(
            f"{cause.filename or folder}: cannot be removed: {cause.strerror or cause}."
        ) from cause


def _wait_until_free(folder: pathlib.Path) -> None:
    """Wait for a worker whose sweep was killed, and which is just about to end, too.

    Raises:
        RunError: if somebody else trains there.
    """
    until = time.monotonic() + _ORPHANS
    while True:
        try:
            with locked(folder):
                return
        except RunError:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


class _Interruption(Caught):
    """Inside the block, a signal is passed on to the workers as an order."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(self._order)
        self.reason: str | None = None
        self._pool = pool

    def came(self) -> bool:
        """Whether no more trials are to begin."""
        return self.reason is not None

    def _order(self, reason: str) -> None:
        self._pool.order(STOP if self.reason is None else LEAVE)
        if self.reason is None:
            tell("running trials finish their step and save; again ends at once")
        self.reason = self.reason or reason
