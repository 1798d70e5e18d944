"""Checkpoints: the whole state of a training in files, the last few and the best."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
from typing import Any

from minitorch_rnn.errors import CheckpointError, RunError, StateError
from minitorch_rnn.serialization import load, save
from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.trainer import Trainer

FOLDER, WEIGHTS = "checkpoints", "weights.safetensors"
_NAME = re.compile(r"step-(\d{8,})\.safetensors")


class Checkpoints(Callback):
    """Saves a trainer as it goes: FOLDER/checkpoints/step-00000500.safetensors.

    Each file holds all that the training needs to go on: model, optimiser, schedule, random
    numbers, place in the data; arrays in safetensors with their shapes and dtypes, the rest as
    JSON in its header, and a checksum of everything. Beside them FOLDER/weights.safetensors has
    the parameters that were judged best, alone, as other programs read them.

    Args:
        folder: of the run.
        every: steps between checkpoints; None: after each validation. The best is always saved, and
            the last.
        keep: so many of the last stay, and the best.

    >>> import tempfile
    >>> Checkpoints(tempfile.mkdtemp()).newest() is None  # nothing was saved there yet
    True
    """

    def __init__(
        self, folder: str | os.PathLike[str], every: int | None = None, keep: int = 2
    ) -> None:
        self.home = pathlib.Path(folder)
        self.every, self.keep = every, keep
        self.notes: list[str] = []  # of files that could not be used
        self._saved: int | None = None  # the step
        self._validated = False

    # Saving ---------------------------------------------------------------------------------------

    def at_start(self, trainer: Trainer) -> None:
        """Let the trainer come back here, from the first step on if that may be needed."""
        trainer.go_back = self.restore
        self._saved = trainer.step if trainer.step else None
        if trainer.on_nan == "restore" and not trainer.communicator.broadcast(bool(self.files())):
            self.save(trainer)

    def after_validation(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """Remember that there was one."""
        self._validated = True

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """Save, if it is time to or the model is better than ever."""
        best = trainer.best is not None and trainer.best.step == trainer.step
        due = trainer.step % self.every == 0 if self.every else self._validated
        if due or (best and self._validated):
            self.save(trainer)
        self._validated = False

    def at_end(self, trainer: Trainer) -> None:
        """Save the last step, unless it was."""
        if self._saved != trainer.step or self._validated:
            self.save(trainer)
        elif not trainer.communicator.rank:
            self._remove_old(trainer)  # if this one was killed after its last save

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint, and the weights if they are the best; of several processes the first.

        Raises:
            RunError: if the disk is full, or the folder cannot be written; older ones are intact.
        """
        for callback in trainer.callbacks:
            callback.before_checkpoint(trainer)
        state = trainer.state_dict()  # all processes give their parts
        self._saved = trainer.step
        if trainer.communicator.rank:
            return
        folder = self.home / FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if trainer.best is None or trainer.best.step == trainer.step:
                # Before the checkpoint: whoever goes on from an older one comes by here again.
                save(state["model"], self.home / WEIGHTS)
            save(state, folder / f"step-{trainer.step:08d}.safetensors")
        except OSError as cause:
            raise RunError(
                f"{cause.filename or folder}: the checkpoint of step {trainer.step} cannot be "
                f"written: {cause.strerror}. Those before it are intact; `minitorch-rnn resume` "
                "goes on from the last."
            ) from cause
        self._remove_old(trainer)

    def _remove_old(self, trainer: Trainer) -> None:
        # One of a later step is damaged, since a newer one was not gone on from; it does not count.
        so_far = [path for path in self.files() if _step(path) <= trainer.step]
        for path in so_far[: -self.keep]:
            if trainer.best is None or _step(path) != trainer.best.step:
                path.unlink(missing_ok=True)

    # Going on -------------------------------------------------------------------------------------

    def files(self) -> list[pathlib.Path]:
        """The checkpoints, the earliest first."""
        found = (self.home / FOLDER).glob("step-*.safetensors")
        return sorted((path for path in found if _NAME.fullmatch(path.name)), key=_step)

    def newest(self) -> Any:
        """What the newest checkpoint holds that is whole; None if there is none at all.

        Those that are not are told in `notes`.

        Raises:
            CheckpointError: if there are checkpoints, but none is whole.
        """
        files = self.files()
        self.notes = []
        for path in reversed(files):
            try:
                return load(path)
            except (CheckpointError, OSError) as error:
                self.notes.append(str(error))
        if files:
            raise CheckpointError(f"no checkpoint is whole. {' '.join(self.notes)}")
        return None

    def restore(self, trainer: Trainer) -> bool:
        """Set a trainer to the newest checkpoint; whether there was one.

        Raises:
            CheckpointError: if none is whole, or it is not of this training.
        """
        told = trainer.communicator
        saved = told.broadcast(self.newest() if told.rank == 0 else None)
        if saved is None:
            return False
        try:
            trainer.load_state_dict(saved)
            _check(saved, trainer)
        except (StateError, ValueError, OverflowError) as error:
            raise CheckpointError(f"{self.home / FOLDER}: {error}") from error
        return True


def is_temporary(path: pathlib.Path) -> bool:
    """Whether it is a file that `write_whole` has not finished, or never will.

    >>> is_temporary(pathlib.Path("run.json.tmp.123.456"))
    True
    """
    return re.fullmatch(r".+\.tmp\.\d+\.\d+", path.name) is not None


def tidy(folder: pathlib.Path) -> None:
    """Remove what a process left that was killed while it wrote; nobody else must write now.

    >>> import tempfile
    >>> tidy(pathlib.Path(tempfile.mkdtemp()))
    """
    for left in [*folder.glob("*.tmp.*"), *(folder / FOLDER).glob("*.tmp.*")]:
        if is_temporary(left):
            with contextlib.suppress(OSError):  # whoever writes there next says why
                left.unlink()


def _check(saved: Any, trainer: Trainer) -> None:
    """Refuse what can be loaded, but what no trainer of this task can have saved."""
    try:
        numbers, best, figures = saved["numbers"], saved["best"], saved["figures"]
        optimizer = trainer.optimizer
        right = {
            "numbers": all(
                _is_number(value)
                and 0 <= value < 1e12
                and (name == "seconds" or type(value) is int)
                for name, value in numbers.items()
            ),
            "best": best is None or (_is_whole(best[0]) and _is_figures({"": best[1], **best[2]})),
            "figures": _is_figures(figures),
            "optimizer": all(
                _is_number(value) and value >= 0
                for group in saved["optimizer"]["param_groups"]
                for name, value in group.items()
                if _is_number(optimizer.defaults.get(name))
            ),
            "optimizer's state": all(
                _is_whole(value)
                if name == "step"
                else value.shape == optimizer.params[int(i)].shape
                for i, state in saved["optimizer"]["state"].items()
                for name, value in state.items()
            ),
        }
        right["place in the data"] = all(right.values()) and numbers["index"] < len(
            trainer.task.batches(numbers["epoch"])
        )
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise CheckpointError(f"checkpoint: is not of this training: {error!r}.") from error
    if wrong := [name for name, is_right in right.items() if not is_right]:
        raise CheckpointError(f"checkpoint: is not of this training: wrong are {', '.join(wrong)}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int) and 0 < value < 10**12


def _is_figures(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _step(path: pathlib.Path) -> int:
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return int(found[1])
