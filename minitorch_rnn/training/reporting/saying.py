"""Lines for whoever watches a training: what becomes of them does not stop it."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

__all__ = ["Steady", "say"]


class Steady:
    """A stream whose reader may go, or whose disk may be full: what cannot be written is dropped.

    Args:
        stream: a stream of text; None, as Python has it for a closed one, swallows all.

    >>> import io
    >>> file = io.StringIO()
    >>> Steady(file).write("seen")
    4
    >>> file.close()
    >>> Steady(file).write("not seen"), Steady(None).write("nor this")
    (8, 8)
    """

    def __init__(self, stream: Any) -> None:
        self._wrapped = stream  # tqdm compares streams by this name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._wrapped is getattr(other, "_wrapped", other))

    def __hash__(self) -> int:
        return id(self._wrapped)

    def write(self, text: str) -> int:
        """Write, or do not."""
        if self._wrapped is not None:
            with contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
                try:
                    self._wrapped.write(text)
                except UnicodeEncodeError:
                    encoding = self._wrapped.encoding
                    self._wrapped.write(text.encode(encoding, "replace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Flush, or do not."""
        if self._wrapped is not None:
            with contextlib.suppress(OSError, ValueError):
                self._wrapped.flush()

    def isatty(self) -> bool:
        """Whether a person watches; of a closed stream nobody does."""
        try:
            return self._wrapped is not None and bool(self._wrapped.isatty())
        except (OSError, ValueError):
            return False


def say(line: str, stream: Any = None) -> None:
    """Write a line, above the progress bar if there is one.

    Args:
        line: without its end.
        stream: stderr, if it is not given. Where it cannot be written nothing happens.

    >>> say("step 1: loss 2.30", sys.stdout)
    step 1: loss 2.30
    """
    to = sys.stderr if stream is None else stream
    steady = to if isinstance(to, Steady) else Steady(to)
    package = sys.modules.get("tqdm")
    if package is not None:  # else there is no bar
        package.tqdm.write(line, file=steady)
    else:
        steady.write(line + "\n")
    steady.flush()
