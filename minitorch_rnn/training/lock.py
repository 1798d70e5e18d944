"""locked: one process at a time trains in a folder."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

from minitorch_rnn.errors import RunError
from minitorch_rnn.serialization import needs_app

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: pathlib.Path, wait: float = 1.0) -> Iterator[None]:
    """Inside the block, no other process trains in this folder.

    The lock is the operating system's and ends with the process, whatever ends it.

    Args:
        folder: of the run.
        wait: seconds; whoever only asks whether it is locked holds it for a moment.

    Raises:
        RunError: if another process holds it, or the folder cannot be written.

    >>> import tempfile
    >>> with locked(pathlib.Path(tempfile.mkdtemp())):
    ...     pass
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as cause:
        raise RunError(str(needs_app("filelock"))) from cause
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=wait)
    except Timeout as cause:
        raise RunError(
            f"{folder}: another process trains here at this moment. Let it end, or choose another "
            "--out."
        ) from cause
    except OSError as cause:
        raise RunError(f"{folder}: cannot be written: {cause.strerror or cause}.") from cause
    try:
        yield
    finally:
        lock.release()
