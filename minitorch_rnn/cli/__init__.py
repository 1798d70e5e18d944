"""The command line: parses, calls, prints; what it calls lives on the floors below."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from minitorch_rnn import __version__
from minitorch_rnn.cli import (
    check,
    derive,
    draw,
    evaluate,
    exercise,
    explain,
    forecast,
    ledger,
    resume,
    runs,
    sample,
    sweep,
    train,
)
from minitorch_rnn.errors import (
    BackendError,
    CheckpointError,
    ColumnError,
    DataError,
    NonFiniteError,
    RunError,
)

__all__ = ["main", "parser"]

_DESCRIPTION = """\
Recurrent networks whose gradients you can check, see and derive: train one, compare its
gradients with backpropagation through time as the lecture defines it, step through them, and
learn to write them by exercises that name your mistake."""

_EXAMPLES = """\
examples:
  minitorch-rnn train                          a character model of Python's own source code
  minitorch-rnn train --text book.txt          the same of your text
  minitorch-rnn train --task forecast          a forecast of the sunspots, drawn
  minitorch-rnn resume                         go on after Ctrl-C or a crash, to the same bits
  minitorch-rnn sample --prompt 'def '         what the newest model writes
  minitorch-rnn forecast --steps 20            how the newest series goes on
  minitorch-rnn runs                           a table of past trainings
  minitorch-rnn sweep grid.toml                many trainings side by side
  minitorch-rnn check                          do graph, slides, differences and PyTorch agree?
  minitorch-rnn check --network elman jordan   of these networks of the lecture
  minitorch-rnn check --random 100             of 100 networks that nobody thought of
  minitorch-rnn draw elman                     a network of the lecture as pictures
  minitorch-rnn explain state-space            a page that steps through forward and backward
  minitorch-rnn ledger state-space --steps 50  which step contributes what; what vanishes
  minitorch-rnn derive narx                    its backpropagation through time as NumPy code
  minitorch-rnn exercise list                  write a backward pass; be told what is wrong

exit status: 0 done, 1 failed (the message says why), 2 wrong usage, 130 interrupted"""


# Errors whose message says all.
_TOLD = (BackendError, CheckpointError, ColumnError, DataError, NonFiniteError, RunError)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="minitorch-rnn",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for command in (
        train, resume, sample, forecast, evaluate, runs, sweep,
        check, draw, explain, ledger, derive, exercise,
    ):  # fmt: skip
        command.add_to(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    _open_streams()
    options = parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
        return status
    except _TOLD as error:
        print(f"minitorch-rnn: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"minitorch-rnn: out of memory: {error or 'use smaller sizes'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("minitorch-rnn: interrupted", file=sys.stderr)
        return 130
    except OSError as error:  # of stdout: every other file has an error of its own
        if not isinstance(error, BrokenPipeError):  # the reader, `head` say, has seen enough
            print(f"minitorch-rnn: the output cannot be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _open_streams() -> None:
    """Let a closed stream swallow all, and one that lacks a character write another for it."""
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
