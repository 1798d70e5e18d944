"""guard: what happens in one process of several must not leave the others waiting."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from minitorch_rnn import errors

__all__ = ["guard"]

_PATIENCE = 10.0  # seconds that rank 0 has to say itself what went wrong, or to save
_TOLD = tuple(kind for kind in vars(errors).values() if isinstance(kind, type))


@contextmanager
def guard(communicator: Any) -> Iterator[None]:
    """End all processes when this one fails in the block; and wait for all when it is done.

    An error of one process, its `sys.exit` with a status and Ctrl-C included, is told with the
    rank and ends all: by itself it would leave the others waiting for ever. What goes wrong in all
    of them is told by rank 0 alone. With `Alone` nothing happens.

    >>> from minitorch_rnn.training import distributed
    >>> with distributed.guard(distributed.Alone()):
    ...     print("trained")
    trained
    """
    if communicator.size == 1:
        yield
        return
    try:
        yield
    except BaseException as error:
        if status := _status(error):
            _let_rank_0_speak(communicator)
            communicator.abort(_message(communicator, error), status)
        communicator.finish()
        raise
    communicator.finish()


def _status(error: BaseException) -> int:
    """The exit status that an error means."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):
        code = error.code
        return code if isinstance(code, int) else int(code is not None)
    return 1


def _message(communicator: Any, error: BaseException) -> str:
    who, step = f"rank {communicator.rank} of {communicator.size}", communicator.step
    where = f"at step {step}" if step else "before the first step"
    if isinstance(error, SystemExit):
        return f"{who} has ended with status {error.code} {where}"
    if isinstance(error, KeyboardInterrupt):
        return f"{who} was interrupted {where}"
    said = f"{who} has failed {where}: {type(error).__name__}: {error}"
    if isinstance(error, _TOLD):
        return said
    return "".join(traceback.format_exception(error)) + said


def _let_rank_0_speak(communicator: Any) -> None:
    """Return when rank 0 waits for this process, is gone, or has had its time.

    Until then it may be about to say the same, or be saving what there is to save.
    """
    until = time.monotonic() + _PATIENCE
    while communicator.rank and time.monotonic() < until:
        rank_0 = communicator.watchdog.ask([0]).get(0)
        if rank_0 is None or rank_0.waiting:
            return
        time.sleep(0.1)
