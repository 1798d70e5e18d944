"""What a worker process does: train one trial, from where it was left, and say why it failed."""

from __future__ import annotations

import pathlib
from typing import NamedTuple

from minitorch_rnn.errors import (
    BackendError,
    CheckpointError,
    DataError,
    NonFiniteError,
    RunError,
)
from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.config import Config
from minitorch_rnn.training.run import RECORD
from minitorch_rnn.training.session import resume, start
from minitorch_rnn.training.sweep.pools import GO, ordered
from minitorch_rnn.training.trainer import Trainer

__all__ = ["Job", "run_trial"]


class Job(NamedTuple):
    """What a worker needs to know: the folder of a trial, and its options.

    >>> Job("sweeps/rates/trial-0007", Config(lr=0.1)).config.rate
    0.1
    """

    folder: str
    config: Config


def run_trial(job: Job) -> str:
    """Train a trial, or go on with it; returns why it failed, or nothing.

    >>> import tempfile
    >>> from minitorch_rnn.training.tasks import TASKS
    >>> few = TASKS["text"].Config.of({"text": "/no/such/file"})
    >>> run_trial(Job(tempfile.mkdtemp(), few))
    '/no/such/file: cannot be read: No such file or directory.'
    """
    folder = pathlib.Path(job.folder)
    try:
        if (folder / RECORD).exists():
            resume(folder, callbacks=[_Obedient()])
        else:
            start(job.config, folder, [_Obedient()])
    except (BackendError, CheckpointError, DataError, NonFiniteError, RunError) as error:
        return str(error)
    except MemoryError as error:
        return f"out of memory: {error or 'use smaller sizes'}"
    except Exception as error:  # of a task, perhaps: the other trials are not to end by it
        return f"{type(error).__name__}: {error}"
    return ""


class _Obedient(Callback):
    """Ends a training when its sweep is interrupted."""

    def after_step(self, trainer: Trainer, step: Step) -> None:
        if ordered() != GO:
            trainer.stop("interrupt")
