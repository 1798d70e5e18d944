"""start and resume: a training from its options to its files, as the command line does it."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import math
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend, optim
from minitorch_rnn.errors import RunError
from minitorch_rnn.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau
from minitorch_rnn.serialization import load, needs_app
from minitorch_rnn.training import reporting
from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.checkpoints import WEIGHTS, Checkpoints, tidy
from minitorch_rnn.training.config import Config
from minitorch_rnn.training.distributed.alone import Alone
from minitorch_rnn.training.lock import locked
from minitorch_rnn.training.run import Run, new_folder
from minitorch_rnn.training.signals import STATUS, Signals
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.tasks import TASKS
from minitorch_rnn.training.trainer import Trainer

PACKAGES = ("tqdm", "matplotlib", "safetensors", "threadpoolctl", "filelock", "tomli_w")


class Outcome(NamedTuple):
    """What came of a training.

    Attributes:
        folder: of the run.
        ended: "steps", "epochs", "time", "early"; "interrupt" and "terminated" by a signal.
        steps, seconds: taken in all.
        figures: of the best weights on the held-out data.
        task: with the best weights.
        files: names of what was written into the folder.
        notes: what one should know, such as a damaged checkpoint that was passed over.
    """

    folder: pathlib.Path
    ended: str
    steps: int
    seconds: float
    figures: dict[str, float]
    task: Task
    files: list[str]
    notes: list[str]


def start(
    config: Config,
    folder: str | os.PathLike[str],
    callbacks: Sequence[Callback] = (),
    communicator: Any = None,
) -> Outcome:
    """Train from the beginning, in a folder that is new or empty.

    Args:
        config: the options, of a task's own class.
        folder: of the run; see `Run`.
        callbacks: hear of every step, besides those that write the files.
        communicator: of the processes that train together; the first of them writes.

    Raises:
        DataError: if the data cannot be used; nothing was made then.
        RunError: if the folder cannot be used, or a package is missing.
        NonFiniteError: if the loss or the gradients are not finite; the last checkpoint is good.

    >>> import tempfile
    >>> from minitorch_rnn.training.tasks import TASKS
    >>> options = {"hidden": 4, "steps": 3}
    >>> outcome = start(TASKS["forecast"].Config.of(options), tempfile.mkdtemp())
    >>> outcome.ended, outcome.steps
    ('steps', 3)
    """
    require(*PACKAGES)
    told = Alone() if communicator is None else communicator
    kind = next((task for task in TASKS.values() if task.Config is type(config)), None)
    if kind is None:
        raise TypeError(
            f"start: config is a {type(config).__name__}; the options of a task are needed, such "
            "as training.tasks.TASKS['text'].Config.of({'hidden': 32})."
        )
    with _machine(config):
        backend.manual_seed(config.seed)
        task = kind.prepare(config)
        home = pathlib.Path(folder)
        callbacks = [*_writers(home, config, told), *callbacks]
        if told.rank:
            return _train(Run(home, {}, config), task, callbacks, told, None)
        with locked(new_folder(home)):
            return _train(Run.create(home, task, config), task, callbacks, told, None)


def resume(
    folder: str | os.PathLike[str],
    changes: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
    communicator: Any = None,
) -> Outcome:
    """Go on with a run that was stopped or killed, as if it had not been.

    Args:
        folder: of the run.
        changes: options that are to be others from here on, such as `steps`.
        callbacks, communicator: as of `start`.

    Raises:
        RunError: if the folder holds no run or is in use, or an option would make it another
            training.
        DataError: if the data is gone or has changed.
        CheckpointError: if there are checkpoints, but none is whole.
    """
    require(*PACKAGES)
    told = Alone() if communicator is None else communicator
    run = Run.open(folder)  # every process reads it; the first alone writes
    with locked(run.folder) if told.rank == 0 else contextlib.nullcontext():
        run.config = run.changed(changes or {})
        files = _writers(run.folder, run.config, told)
        with _machine(run.config):
            backend.manual_seed(run.config.seed)
            task = TASKS[run.record["task"]].prepare(run.config)
            run.check_data(task)
            return _train(run, task, [*files, *callbacks], told, changes or {})


def _writers(folder: pathlib.Path, config: Config, told: Any) -> list[Callback]:
    """What writes metrics; made before anything is written, for a package may be missing."""
    if told.rank:
        return []
    files: list[Callback] = [reporting.Metrics(folder, config.log_every)]
    return [*files, reporting.TensorBoard(folder)] if config.tensorboard else files


def _train(
    run: Run,
    task: Task,
    callbacks: Sequence[Callback],
    told: Any,
    changes: Mapping[str, Any] | None,
) -> Outcome:
    """Train to the end; with `changes`, which may be none, from where it was ended."""
    config = run.config
    told.compare("several processes", dataclasses.asdict(config) | {"the data": task.facts()})
    if told.rank:  # what is dropped from its sequences is another thing than in those of rank 0
        own = np.random.SeedSequence([config.seed, told.rank]).generate_state(1)
        backend.manual_seed(int(own[0]))
    trainer = trainer_of(config, task, told)
    checkpoints = Checkpoints(run.folder, config.checkpoint_every, config.keep)
    if changes is not None:
        if not checkpoints.restore(trainer) and run.record.get("steps"):
            raise RunError(
                f"{run.folder}: has come to step {run.record['steps']:,}, but its checkpoints are "
                "gone; start a new run."
            )
        _check_bounds(run, trainer, changes)
        if told.rank == 0:
            tidy(run.folder)
            run.write(status="running", error=None, config=None)
    try:
        with Signals() as signals:
            trainer.run(
                config.steps, config.epochs,
                [*callbacks, checkpoints, _Limit(config.seconds), signals],
            )  # fmt: skip
    except BaseException as error:
        if told.rank == 0:
            with contextlib.suppress(RunError):
                run.write(status="failed", error=str(error) or type(error).__name__)
        raise
    return _finished(run, trainer, checkpoints.notes)


def _finished(run: Run, trainer: Trainer, notes: list[str]) -> Outcome:
    """Record how the training ended, and draw what it came to."""
    ended = trainer.ended or ""
    figures = trainer.figures if trainer.best is None else trainer.best.figures
    task, written = trainer.task, [WEIGHTS]
    if trainer.communicator.rank == 0:
        try:
            task.model.load_state_dict(load(run.folder / WEIGHTS))
            written += reporting.save_curves(run.folder, task, svg=run.config.svg)
            if ended not in STATUS:
                written += task.finish(run.folder)
        except OSError as cause:
            where = cause.filename or run.folder
            raise RunError(
                f"{where}: {cause.strerror or cause}. The training itself is saved; "
                f"`minitorch-rnn resume {run.folder}` finishes it."
            ) from cause
        run.write(  # at last: what is finished is not drawn again
            status="interrupted" if ended in STATUS else "finished",
            ended=ended,
            steps=trainer.step,
            seconds=round(trainer.seconds, 2),
            best=None if trainer.best is None else trainer.best.step,
            figures=figures,
            error=None,
        )
    return Outcome(run.folder, ended, trainer.step, trainer.seconds, figures, task, written, notes)


def trainer_of(config: Config, task: Task, communicator: Any = None) -> Trainer:
    """The trainer that the options ask for.

    >>> from minitorch_rnn.training.tasks import TASKS
    >>> config = TASKS["forecast"].Config.of({"hidden": 4, "lr": 0.6, "warmup": 5})
    >>> trainer = trainer_of(config, TASKS["forecast"].prepare(config))
    >>> round(trainer.optimizer.lr, 12)
    0.1
    """
    params, decay = task.model.parameters(), config.weight_decay
    optimizer: optim.Optimizer
    if config.optimizer == "sgd":
        optimizer = optim.SGD(params, config.rate, momentum=config.momentum, weight_decay=decay)
    else:
        kinds = {
            "adam": optim.Adam,
            "adamw": optim.AdamW,
            "rmsprop": optim.RMSprop,
            "adagrad": optim.Adagrad,
        }
        optimizer = kinds[config.optimizer](params, config.rate, weight_decay=decay)
    schedule: LRScheduler | None = None
    if config.schedule == "plateau":
        schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    elif config.schedule != "constant" or config.warmup:
        schedule = LambdaLR(optimizer, _shape(config.schedule, config.warmup, config.steps or 1))
    return Trainer(
        task, optimizer, schedule, max_norm=config.clip, validate_every=config.validate_every,
        patience=config.patience, on_nan=config.on_nan, communicator=communicator,
    )  # fmt: skip


def _shape(schedule: str, warmup: int, steps: int) -> Callable[[int], float]:
    """What becomes of the rate at step t: it rises over the warm-up, then falls to 1 % or 0."""
    fall: dict[str, Callable[[float], float]] = {
        "constant": lambda share: 1.0,
        "linear": lambda share: 1 - share,
        "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
        "exponential": lambda share: 0.01**share,
        "step": lambda share: 0.1 ** int(3 * share),  # a tenth after each third
    }

    def shape(t: int) -> float:
        if t < warmup:
            return (t + 1) / (warmup + 1)
        return fall[schedule](min(1.0, (t - warmup) / max(1, steps - warmup)))

    return shape


def _check_bounds(run: Run, trainer: Trainer, changes: Mapping[str, Any]) -> None:
    """Refuse bounds that a run has passed: it would end after a step, or say what is not so."""
    config, came = run.config, f"{run.folder}: has come to step {trainer.step:,}"
    if config.steps is not None and config.steps < trainer.step:
        raise RunError(f"{came}, and steps is {config.steps:,}; give --steps with more.")
    if config.epochs is not None and config.epochs < trainer.epoch:
        raise RunError(f"{came}, in epoch {trainer.epoch}, and epochs is {config.epochs}.")
    seconds = config.seconds if "seconds" in changes else None
    if seconds is not None and seconds < trainer.seconds:
        raise RunError(
            f"{came} in {trainer.seconds:.0f} s, and seconds is {seconds:g}; give --seconds "
            "with more, or --seconds none."
        )


class _Limit(Callback):
    """Ends a training when its time is over."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = math.inf if seconds is None else seconds

    def at_start(self, trainer: Trainer) -> None:
        if trainer.seconds > self.seconds:  # by the checkpoint, which all processes have
            trainer.stop("time", agreed=True)

    def after_step(self, trainer: Trainer, step: Step) -> None:
        if trainer.seconds > self.seconds:
            trainer.stop("time")


@contextlib.contextmanager
def _machine(config: Config) -> Iterator[None]:
    """Inside the block, new arrays are made where the options say, by as many threads."""
    from threadpoolctl import threadpool_limits

    with (
        backend.use(config.backend or backend.current_backend().name),
        threadpool_limits(limits=config.threads, user_api="blas"),
    ):
        yield


def require(*packages: str) -> None:
    """Fail before a training, not after it, if a package for its end is missing.

    Raises:
        RunError: naming the package and the line that installs it.

    >>> require("json")
    """
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as cause:
            raise RunError(str(needs_app(f"train: {package}"))) from cause
