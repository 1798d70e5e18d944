"""Flags of the options of a training, made from where they are declared."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.config import NONE, Config, Kind
from minitorch_rnn.training.tasks import TASKS

_NAMES = "config_options"  # what is kept of the options in the parsed arguments


def add_flags(command: Any, later: bool = False) -> None:
    """Add a flag for every option of every task; those of one task in a group of its own.

    Args:
        command: the parser.
        later: show only what a run that is resumed may change; of the others it is told why not.
    """
    common = {field.name for field in dataclasses.fields(Config)}
    owners: dict[str, list[str]] = {}
    for task, kind in TASKS.items():
        for field in dataclasses.fields(kind.Config):
            owners.setdefault(field.name, []).append(task)
    groups: dict[str, Any] = {}
    for name, tasks in sorted(owners.items(), key=lambda entry: entry[0] in common):
        fields = {task: _field(task, name) for task in tasks}
        if later and not any(field.metadata["later"] for field in fields.values()):
            _add_flag(command, name, fields, hidden=True)
            continue
        title = "of every task" if name in common else f"of --task {' and '.join(tasks)}"
        if title not in groups:
            groups[title] = command.add_argument_group(f"options {title}")
        _add_flag(groups[title], name, fields)
    command.set_defaults(**{_NAMES: tuple(owners)}, wrong_usage=command.error)


def given_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options that came as flags."""
    came = vars(options)
    return {name: came[name] for name in came[_NAMES] if name in came}


def _field(task: str, name: str) -> dataclasses.Field[Any]:
    return next(f for f in dataclasses.fields(TASKS[task].Config) if f.name == name)


def _add_flag(
    group: Any, name: str, fields: dict[str, dataclasses.Field[Any]], hidden: bool = False
) -> None:
    general = {field.name: field for field in dataclasses.fields(Config)}
    first = general.get(name) or next(iter(fields.values()))
    kind: Kind = first.metadata["kind"]
    help = first.metadata["help"] + _defaults(fields)
    shown = argparse.SUPPRESS if hidden else help.replace("%", "%%")
    settings: dict[str, Any] = {"default": argparse.SUPPRESS, "help": shown}
    if not kind.metavar:
        settings["action"] = argparse.BooleanOptionalAction
    else:
        settings |= {
            "metavar": kind.metavar,
            "type": _type(list(fields.values())),
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


def _type(fields: list[dataclasses.Field[Any]]) -> Callable[[str], Any]:
    """A value that one of the tasks can take; which one it is, the task's own check says later."""

    def value(text: str) -> Any:
        problem = ""
        for field in fields:
            kind: Kind = field.metadata["kind"]
            if text == NONE and "None" in str(field.type):
                return None
            try:
                return kind.of([text])[0] if kind.many else kind.of(text)
            except ValueError as error:
                problem = str(error)
        raise argparse.ArgumentTypeError(problem)

    return value


def _of_others(name: str, task: str) -> str:
    """Which other tasks have an option of this name that this one has not."""
    owners = [
        t for t, kind in TASKS.items() if name in {f.name for f in dataclasses.fields(kind.Config)}
    ]
    if not owners or task in owners:
        return ""
    return f"is an option of --task {' and '.join(owners)}; this is --task {task}"


def config_of(task: str, options: argparse.Namespace, file: dict[str, Any], path: str) -> Config:
    """The options of a task, of the flags and of a file; flags win.

    Raises:
        RunError: naming the file, if one of its options cannot be.
    """
    kind, flags = TASKS[task].Config, given_options(options)
    for name in flags:
        if owners := _of_others(name, task):
            options.wrong_usage(f"--{name.replace('_', '-')} {owners}")
    if path:
        for name in file:
            if owners := _of_others(name, task):
                raise RunError(f"{path}: {name} {owners}.")
            if name in ("out", "config", "quiet", "distributed"):
                raise RunError(f"{path}: {name} is told by a flag only: --{name}.")
            if isinstance(file[name], dict):
                raise RunError(f"{path}: [{name}]: options stand without a table around them.")
        try:
            kind.of(file | {name: value for name, value in flags.items() if name in file})
        except RunError as error:
            raise RunError(f"{path}: {error}") from None
    try:
        return kind.of(file | flags)
    except RunError as error:
        options.wrong_usage(str(error))
        raise
