"""`minitorch-rnn exercise`: exercises for students, and what their answers are worth."""

import argparse
import shlex
import sys
import textwrap
from typing import Any

from minitorch_rnn.cli.options import coloured, positive
from minitorch_rnn.teaching import exercises

_DESCRIPTION = """\
Exercises on how gradients flow through recurrent networks. `start` writes a file that poses the
task; fill it in, and `check` says whether it is right, or which mistake it is."""

_EPILOG = """\
The file runs in a process of its own, in an empty folder, with a time limit and, except on Windows,
a memory limit of 1 GiB. Only run files that you would run yourself: this is no prison.

exit status: 0 right, 1 not yet, 2 wrong usage (no such file or exercise)"""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and what it can do."""
    command.description = _DESCRIPTION
    command.epilog = _EPILOG
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = command.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="all exercises, in the order of the course")
    listing.set_defaults(run=run, action=_list)
    start = _named(actions, "start", "write the file to start from", _start)
    start.add_argument("--out", metavar="FILE", help="where to (NAME.py)")
    check = actions.add_parser("check", help="judge a file")
    check.add_argument("file", metavar="FILE")
    check.add_argument("--seconds", type=positive, default=10.0, help="time limit (10)")
    check.set_defaults(run=run, action=_check)
    hint = _named(actions, "hint", "one of three hints, from a nudge to nearly the line", _hint)
    hint.add_argument("--step", type=int, choices=(1, 2, 3), default=1, help="which (1)")
    _named(actions, "solution", "print a solution", _solution)


def _named(actions: Any, action: str, text: str, function: object) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(action, help=text)
    parser.add_argument("name", metavar="NAME", help="as `list` has it")
    parser.set_defaults(run=run, action=function)
    return parser


def run(options: argparse.Namespace) -> int:
    """Do what was asked for; 2 if there is no such exercise or file."""
    try:
        return int(options.action(options))
    except exercises.ExerciseError as error:
        print(f"minitorch-rnn: {error}", file=sys.stderr)
        return 2


def _list(options: argparse.Namespace) -> int:
    width = max(map(len, exercises.NAMES))
    for name in exercises.NAMES:
        task = exercises.exercise(name)
        print(f"{name:<{width}}  {'*' * task.level:<4}  {task.title}")
    print("\n* a first step … **** for the ambitious")
    print(f"begin: minitorch-rnn exercise start {exercises.NAMES[0]}")
    return 0


def _start(options: argparse.Namespace) -> int:
    path = exercises.start(options.name, options.out)
    task = exercises.exercise(options.name)
    print(f"{path}: {task.title} (slides: {task.slides})")
    print("Read its docstring, fill it in, then:")
    print(f"  minitorch-rnn exercise check {shlex.quote(str(path))}")
    return 0


def _check(options: argparse.Namespace) -> int:
    verdict = exercises.check(options.file, options.seconds)
    first, _, rest = str(verdict).partition("\n")
    print(coloured(first, "green" if verdict else "red"))
    if rest:
        print(rest)
    return 0 if verdict else 1


def _hint(options: argparse.Namespace) -> int:
    task = exercises.exercise(options.name)
    hint = task.hints[options.step - 1]
    print(f"hint {options.step} of {len(task.hints)}:")
    print(textwrap.fill(hint, 76, initial_indent="  ", subsequent_indent="  "))
    if options.step < len(task.hints):
        print(f"more: minitorch-rnn exercise hint {task.name} --step {options.step + 1}")
    else:
        print(f"the solution: minitorch-rnn exercise solution {task.name}")
    return 0


def _solution(options: argparse.Namespace) -> int:
    print(exercises.exercise(options.name).solution, end="")
    return 0
