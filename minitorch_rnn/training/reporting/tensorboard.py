"""TensorBoard: the same numbers as metrics.jsonl, in the event files that TensorBoard shows."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import socket
import time
from typing import TYPE_CHECKING, Any

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.reporting.readings import Reading, Readings
from minitorch_rnn.training.reporting.saying import say

if TYPE_CHECKING:
    from minitorch_rnn.training.trainer import Trainer

__all__ = ["TensorBoard"]

_PERIOD = 5.0  # seconds between flushes, each of which waits for the disk
_FILES = itertools.count()  # a second is not enough to tell files of one process apart


class TensorBoard(Callback):
    """Writes loss, norm, lr and the figures of validations for `tensorboard --logdir FOLDER`.

    The scalars are called train/loss, train/norm, train/lr and held_out/<figure>, those of
    validations. A training that goes on from a checkpoint writes another file beside the first; in
    it TensorBoard is told to forget the steps that were undone. If the file cannot be written, a
    line on stderr says so, and the training goes on without it.

    Args:
        folder: of the run; the files go into its folder ``tensorboard``.
        every: steps from scalar to scalar.

    Raises:
        RunError: if tensorboardX is not installed.

    >>> import tempfile
    >>> TensorBoard(tempfile.mkdtemp()).folder.name  # doctest: +SKIP
    'tensorboard'
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 1) -> None:
        try:
            # Its parts, and not its SummaryWriter: that writes in a thread, whose end on a full
            # disk would let the training wait for ever.
            from tensorboardX.proto import event_pb2, summary_pb2
            from tensorboardX.record_writer import RecordWriter
        except ImportError as cause:
            raise RunError(
                "TensorBoard: tensorboardX is needed; install it with: "
                "pip install -e '.[tensorboard]'"
            ) from cause
        self._new_file, self._events, self._summaries = RecordWriter, event_pb2, summary_pb2
        self.folder, self.every = pathlib.Path(folder) / "tensorboard", every
        self._readings = Readings()
        self._file: Any = None
        self._flushed = 0.0

    def at_start(self, trainer: Trainer) -> None:
        """Open a file, and let TensorBoard forget what stands behind the step it starts from."""
        place = f"{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}.{next(_FILES)}"
        try:
            self.folder.mkdir(exist_ok=True)
            self._file = self._new_file(os.fspath(self.folder / f"events.out.tfevents.{place}"))
        except OSError as error:
            self._give_up(error)
        self._add(0, file_version="brain.Event:2")
        if trainer.step:
            self._forget(trainer.step)

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """Write the scalars of the step, or keep them to be read with others."""
        if step.number % self.every == 0 or step.number == 1:
            self._write_readings(self._readings.add(step, trainer.seconds))
        if time.monotonic() - self._flushed > _PERIOD:
            self._flush()

    def after_validation(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """Write the figures."""
        self._write(trainer.step, {f"held_out/{name}": value for name, value in figures.items()})

    def before_checkpoint(self, trainer: Trainer) -> None:
        """Write what waits."""
        self._write_readings(self._readings.read())
        self._flush()

    def after_restore(self, trainer: Trainer) -> None:
        """Let TensorBoard forget what was undone."""
        self._write_readings(self._readings.read())
        self._forget(trainer.step)

    def at_end(self, trainer: Trainer) -> None:
        """Write what waits and close the file."""
        self._write_readings(self._readings.read())
        self._flush()
        self._close()

    def _write_readings(self, readings: list[Reading]) -> None:
        for step, loss, norm, _ in readings:
            self._write(step.number, {"train/loss": loss, "train/norm": norm, "train/lr": step.lr})

    def _write(self, step: int, scalars: dict[str, float]) -> None:
        values = [
            self._summaries.Summary.Value(tag=name, simple_value=float(value))
            for name, value in scalars.items()
        ]
        self._add(step, summary=self._summaries.Summary(value=values))

    def _forget(self, step: int) -> None:
        """TensorBoard shows nothing from step + 1 on that was written before."""
        start = self._events.SessionLog(status=self._events.SessionLog.START)
        self._add(step + 1, session_log=start)

    def _add(self, step: int, **content: Any) -> None:
        if self._file is None:
            return
        event = self._events.Event(step=step, wall_time=time.time(), **content)
        try:
            self._file.write(event.SerializeToString())
        except OSError as error:
            self._give_up(error)

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        try:
            if self._file is not None:
                self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        say(
            f"{self.folder}: cannot be written: {error.strerror or error}. The training goes on "
            "without TensorBoard."
        )
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
