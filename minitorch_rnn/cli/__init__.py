"""The command line: parses, calls, prints; what it calls lives on the floors below."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from minitorch_rnn import __version__
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


# The commands in the order of the help; each is a file of this room, which is read when it is run.
COMMANDS = {
    "train": "train a model of text, a forecast of a series, or a tagger",
    "resume": "go on with a training that was stopped or killed",
    "sample": "write text from a trained model",
    "forecast": "go on with a series, by a network trained on it",
    "evaluate": "judge a trained model, by its own data or by another file",
    "runs": "list past trainings with their figures",
    "sweep": "train with many options and compare",
    "check": "compare the graph's gradients with every other road to them",
    "draw": "draw a network, rolled and unrolled over time",
    "explain": "write a page that steps through a run, forward and backward",
    "ledger": "show what every time step adds to a gradient, and how far errors reach",
    "derive": "write out a network's backpropagation through time",
    "exercise": "exercises with hints, and a checker that names the mistake",
}


def parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line, with the options of the chosen command; of the others names.

    >>> parser("sample").parse_args(["sample", "--length", "7"]).length
    7
    """
    top = argparse.ArgumentParser(
        prog="minitorch-rnn",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, help in COMMANDS.items():
        command = commands.add_parser(name, help=help)
        if name == chosen:
            importlib.import_module(f"minitorch_rnn.cli.{name}").add_to(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    _open_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    try:
        options = parser(chosen).parse_args(arguments)
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
