"""What the experiments found, as it is kept: one file of JSON, from which the page is made."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple


class Kept(NamedTuple):
    """All seeds of an experiment.

    Attributes:
        machine: what it ran on, with the versions.
        processes: how many seeds ran at the same time.
        wall: seconds from the first seed to the last.
        seconds: of processor time, for each seed.
        found: what the script found, for each seed.
    """

    machine: dict[str, str]
    processes: int
    wall: float
    seconds: list[float]
    found: list[dict[str, Any]]


def written(kept: Mapping[str, Kept]) -> str:
    """As text; a line for each seed, so that a change is seen."""
    parts = []
    for name, one in kept.items():
        entries = [f'  "{key}": {_line(value)}' for key, value in one._asdict().items()][:-1]
        seeds = ",\n".join(f"   {_line(found)}" for found in one.found)
        parts.append(f'"{name}": {{\n' + ",\n".join(entries) + f',\n  "found": [\n{seeds}\n  ]\n}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write(kept: Mapping[str, Kept], path: pathlib.Path) -> None:
    """Write the file whole or not at all: whoever interrupts this has the old one still."""
    beside = path.with_suffix(".part")
    try:
        beside.write_text(written(kept), encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _line(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def read(path: pathlib.Path) -> dict[str, Kept]:
    """What the file holds; nothing if there is none.

    Raises:
        ValueError: naming the file, if it is damaged.
    """
    if not path.exists():
        return {}
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {name: Kept(**entry) for name, entry in held.items()}
    except (ValueError, TypeError, AttributeError) as cause:
        raise ValueError(f"{path}: is damaged ({cause}); remove it to begin anew.") from cause


def same(one: Kept, other: Kept) -> bool:
    """Whether two runs found the same, bit by bit: JSON keeps every bit of a float."""
    return [_line(found) for found in one.found] == [_line(found) for found in other.found]
