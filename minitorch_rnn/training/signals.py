"""Signals: Ctrl-C and SIGTERM end a training between two steps, a second Ctrl-C ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.trainer import Trainer

# Exit status by why a training ended.
STATUS = {"interrupt": 130, "terminated": 143, "terminal closed": 129}
_REASONS = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminated"}
if hasattr(signal, "SIGHUP"):  # not on Windows
    _REASONS[signal.SIGHUP] = "terminal closed"


class Caught:
    """Inside the block, signals to end are told to `heard`, each by the reason that it is.

    They are Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed.

    In another thread than the main one signals cannot be caught, and nothing is changed.

    >>> with Caught(print):
    ...     signal.raise_signal(signal.SIGTERM)
    terminated
    """

    def __init__(self, heard: Callable[[str], object]) -> None:
        self._heard = heard
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, reason in _REASONS.items():
                if reason == "terminal closed" and signal.getsignal(number) == signal.SIG_IGN:
                    continue  # as under nohup
                self._before[number] = signal.signal(number, self._came)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _came(self, number: int, frame: FrameType | None) -> None:
        self._heard(_REASONS[signal.Signals(number)])


class Signals(Caught, Callback):
    """Inside the block, a signal lets the step be finished; then the training is saved and ends.

    >>> with Signals() as signals:
    ...     signals.received is None
    True
    """

    def __init__(self) -> None:
        super().__init__(self._receive)
        self.received: str | None = None

    def _receive(self, reason: str) -> None:
        if self.received == reason == "interrupt":
            os._exit(STATUS["interrupt"])  # whatever is being written stays as it was before
        self.received = reason
        if reason == "interrupt":
            tell("finishing this step, then saving; Ctrl-C again ends at once")

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """End the training, if a signal came."""
        if self.received is not None:
            trainer.stop(self.received)


def tell(line: str) -> None:
    """Write to stderr without its buffer, which the interrupted code may be writing to.

    >>> tell("saving")
    """
    with contextlib.suppress(OSError):
        os.write(2, f"\n{line}\n".encode())
