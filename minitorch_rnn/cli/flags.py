"""Flags of the options of a training, made from where they are declared."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.config import Config, Kind
from minitorch_rnn.training.tasks import TASKS

_NAMES = "config_options"  # what is kept of the options in the parsed arguments


def add_flags(command: Any, later: bool = False) -> None:
    """Add a flag for every option of every task; those of one task in a group of its own.

    Args:
        command: the parser.
        later: only what a run that is resumed may change.
    """
    common = {field.name for field in dataclasses.fields(Config)}
    owners: dict[str, list[str]] = {}
    for task, kind in TASKS.items():
        for field in dataclasses.fields(kind.Config):
            if field.metadata["later"] or not later:
                owners.setdefault(field.name, []).append(task)
    groups: dict[str, Any] = {}
    for name, tasks in sorted(owners.items(), key=lambda entry: entry[0] in common):
        title = "of every task" if name in common else f"of --task {' and '.join(tasks)}"
        if title not in groups:
            groups[title] = command.add_argument_group(f"options {title}")
        _add_flag(groups[title], name, {task: _field(task, name) for task in tasks})
    command.set_defaults(**{_NAMES: tuple(owners)}, wrong_usage=command.error)


def given_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options that came as flags."""
    came = vars(options)
    return {name: came[name] for name in came[_NAMES] if name in came}


def _field(task: str, name: str) -> dataclasses.Field[Any]:
    return next(f for f in dataclasses.fields(TASKS[task].Config) if f.name == name)


def _add_flag(group: Any, name: str, fields: dict[str, dataclasses.Field[Any]]) -> None:
    general = {field.name: field for field in dataclasses.fields(Config)}
    first = general.get(name) or next(iter(fields.values()))
    kind: Kind = first.metadata["kind"]
    help = first.metadata["help"] + _defaults(fields)
    settings: dict[str, Any] = {"default": argparse.SUPPRESS, "help": help.replace("%", "%%")}
    if not kind.metavar:
        settings["action"] = argparse.BooleanOptionalAction
    else:
        settings |= {
            "metavar": kind.metavar,
            "type": _type([f.metadata["kind"] for f in fields.values()]),
        }
        if kind.many:
            settings["nargs"] = "+"
    group.add_argument(f"--{name.replace('_', '-')}", **settings)


def _defaults(fields: dict[str, dataclasses.Field[Any]]) -> str:
    """The default in parentheses, or those of the tasks where they differ."""
    tasks: dict[str, list[str]] = {}
    for task, field in fields.items():
        tasks.setdefault(_shown(field.default), []).append(task)
    if len(tasks) == 1:
        (default,) = tasks
        return f" ({default})" if default else ""
    shown = [f"{default} for {', '.join(of)}" for default, of in tasks.items() if default]
    return f" ({'; '.join(shown)})"


def _shown(default: Any) -> str:
    if default is None or isinstance(default, bool):
        return ""
    if isinstance(default, tuple):
        return " ".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def _type(kinds: list[Kind]) -> Callable[[str], Any]:
    """A value that one of the tasks can take; which one it is, the task's own check says later."""

    def value(text: str) -> Any:
        problem = ""
        for kind in kinds:
            try:
                found = kind.of(text)
                return found[0] if kind.many else found
            except ValueError as error:
                problem = str(error)
        raise argparse.ArgumentTypeError(problem)

    return value


def config_of(task: str, options: argparse.Namespace, file: dict[str, Any], path: str) -> Config:
    """The options of a task, of the flags and of a file; flags win.

    Raises:
        RunError: naming the file, if one of its options cannot be.
    """
    kind, flags = TASKS[task].Config, given_options(options)
    known = {field.name for field in dataclasses.fields(kind)}
    for name in flags:
        if name not in known:
            owners = [
                t for t in TASKS if name in {f.name for f in dataclasses.fields(TASKS[t].Config)}
            ]
            options.wrong_usage(
                f"--{name.replace('_', '-')} is an option of --task {' and '.join(owners)}; "
                f"this is --task {task}"
            )
    if path:
        try:
            kind.of(file | {name: value for name, value in flags.items() if name in file})
        except RunError as error:
            raise RunError(f"{path}: {error}") from None
    try:
        return kind.of(file | flags)
    except RunError as error:
        options.wrong_usage(str(error))
        raise
