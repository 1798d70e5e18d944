"""Signals: Ctrl-C and SIGTERM end a training between two steps, a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.trainer import Trainer

STATUS = {"interrupt": 130, "terminated": 143}  # exit status by why a training ended
_REASONS = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated"}


class Signals(Callback):
    """Inside the block, a signal lets the step be finished; then the training is saved and ends.

    In another thread than the main one signals cannot be caught, and nothing is changed.

    >>> with Signals() as signals:
    ...     signals.received is None
    True
    """

    def __init__(self) -> None:
        self.received: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in _REASONS:
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        reason = _REASONS[signal.Signals(number)]
        if self.received == reason == "interrupt":
            os._exit(STATUS["interrupt"])  # whatever is being written stays as it was before
        self.received = reason
        if reason == "interrupt":
            _tell(b"\nfinishing this step, then saving; Ctrl-C again ends at once\n")

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """End the training, if a signal came."""
        if self.received is not None:
            trainer.stop(self.received)


def _tell(line: bytes) -> None:
    """Write to stderr without its buffer, which the interrupted code may be writing to."""
    try:
        os.write(2, line)
    except OSError:
        pass
