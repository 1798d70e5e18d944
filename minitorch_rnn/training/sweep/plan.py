"""What a sweep tries: the options of a training, of some of which every value is tried, or a draw.

A grid holds every combination of the values of its options; a random search draws each option on
its own; of both, each drawn trial is run at each place of the grid. What is drawn for an option
depends on the seed, the option's name and its entry alone: more trials only add to those there are.
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.config import Config, natural, read, whole

__all__ = ["Plan", "Trial", "combinations", "draws", "read_plan"]

MOST = 9_999  # trials of one sweep: their numbers have four digits
_FOREVER = 1e9  # seconds: some tasks have a limit of less than a minute where none is given
_TABLES = ("grid", "random", "seeds")
_RANGE = {"low", "high", "log", "whole"}


class Trial(NamedTuple):
    """One training of a sweep.

    Attributes:
        name: of its run folder, such as trial-0007.
        varied: the values of the options that differ between trials.
        config: all its options.

    >>> Trial("trial-0007", {"lr": 0.1}, Config(lr=0.1)).config.rate
    0.1
    """

    name: str
    varied: dict[str, Any]
    config: Config


class Plan(NamedTuple):
    """All trials of a sweep.

    Attributes:
        task: the name of the task that every trial trains.
        varied: the names of the options that differ between trials.
        trials: in the order in which they are started.

    >>> Plan("text", ("lr",), ()).task
    'text'
    """

    task: str
    varied: tuple[str, ...]
    trials: tuple[Trial, ...]


def read_plan(path: str | os.PathLike[str], kind: Callable[[str], type[Config]]) -> Plan:
    """The plan in a TOML file: options of `train`, and what to vary.

    ``[grid]`` holds a list of values for each option; ``[random]`` the number of ``trials``, a
    ``seed``, and for each option a list to choose from or ``{low, high, log, whole}``. With
    ``seeds = 5`` every trial is run with five seeds, counted up from the option ``seed``.

    Args:
        path: of the file.
        kind: of the name of a task, the class of its options.

    Raises:
        RunError: naming the file, and the trial and option that cannot be run.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rates.toml"
    >>> _ = path.write_text("[grid]\\nlr = [0.01, 0.1]\\nhidden = [8, 16]")
    >>> [trial.varied for trial in read_plan(path, lambda task: Config).trials][:2]
    [{'lr': 0.01, 'hidden': 8}, {'lr': 0.01, 'hidden': 16}]
    """
    given = read(path)
    try:
        return _planned(given, kind)
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def _planned(given: Mapping[str, Any], kind: Callable[[str], type[Config]]) -> Plan:
    fixed = {name: value for name, value in given.items() if name not in _TABLES}
    _known_tables(fixed)
    task = fixed.pop("task", "text")
    if not isinstance(task, str):
        raise RunError(f"task: {task!r} is not the name of a task.")
    config = kind(task)
    grid, random = _table(given, "grid"), _table(given, "random")
    trials, seed = _taken(random, "trials", whole, 0), _taken(random, "seed", natural, 0)
    if bool(trials) != bool(random):
        needed = "trials = 20 is needed: how often to draw" if random else "there is no option"
        raise RunError(f"[random]: {needed}.")
    trials = trials or 1
    seeds = _taken(dict(given), "seeds", whole, 1)
    if not (grid or random or "seeds" in given):
        raise RunError("there is nothing to vary; give [grid], [random] or seeds.")
    _once(fixed, grid, random, {"seed": seeds} if "seeds" in given else {})
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise RunError(f"[grid] {name}: {values!r} is not a list of values to try.")
    count = math.prod(len(values) for values in grid.values()) * trials * seeds
    if count > MOST:
        raise RunError(f"these are {count:,} trials; a sweep has up to {MOST:,}.")
    first = config.of({"seed": fixed.get("seed", 0)}).seed
    repeated = [{"seed": first + i} for i in range(seeds)] if "seeds" in given else [{}]
    # What more seeds or more draws add comes last, so that the trials there are keep their numbers.
    varied = [
        place | drawn | again
        for again in repeated
        for drawn in draws(random, trials, seed)
        for place in combinations(grid)
    ]
    names = (*grid, *random, *(["seed"] if "seeds" in given else []))
    if "seconds" not in names:  # else the figures would depend on how busy the machine is
        fixed.setdefault("seconds", _FOREVER)
    numbered = enumerate(varied, 1)
    made = tuple(_trial(f"trial-{number:04}", fixed, some, config) for number, some in numbered)
    return Plan(task, names, made)


def _trial(name: str, fixed: dict[str, Any], varied: dict[str, Any], kind: type[Config]) -> Trial:
    try:
        return Trial(name, varied, kind.of(fixed | varied))
    except RunError as error:
        raise RunError(f"{name}: {error}") from None


def combinations(grid: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination of the values, the last option's changing fastest.

    >>> list(combinations({"layers": [1, 2], "cell": ["gru"]}))
    [{'layers': 1, 'cell': 'gru'}, {'layers': 2, 'cell': 'gru'}]
    """
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def draws(random: Mapping[str, Any], trials: int, seed: int) -> list[dict[str, Any]]:
    """Values for `trials` trials, drawn for each option on its own.

    Args:
        random: for each option a list to choose from, or a dictionary: ``low`` and ``high``, and
            whether to draw evenly by the logarithm (``log``) and whole numbers only (``whole``).
            Numbers that are not whole have four digits, so that a table shows all of them.
        trials: how many.
        seed: of the draws.

    Raises:
        RunError: naming the option whose entry is neither.

    >>> entries = {"lr": {"low": 1e-4, "high": 1, "log": True}, "cell": ["gru", "lstm"]}
    >>> draws(entries, 2, seed=0) == draws(entries, 9, seed=0)[:2]
    True
    """
    columns = {}
    for name, entry in random.items():
        rng = np.random.default_rng([seed, *name.encode()])
        one = _chosen(name, entry) if isinstance(entry, list) else _between(name, entry)
        columns[name] = [one(rng) for _ in range(trials)]
    return [{name: values[i] for name, values in columns.items()} for i in range(trials)]


def _chosen(name: str, values: list[Any]) -> Callable[[np.random.Generator], Any]:
    if not values:
        raise RunError(f"[random] {name}: the list to choose from is empty.")
    return lambda rng: values[rng.integers(len(values))]


def _between(name: str, entry: Any) -> Callable[[np.random.Generator], Any]:
    if not isinstance(entry, dict) or not {"low", "high"} <= entry.keys() <= _RANGE:
        raise RunError(
            f"[random] {name}: {entry!r} is neither a list to choose from nor a range, such as "
            "{low = 0.001, high = 0.1, log = true}; whole = true draws whole numbers."
        )
    low, high, log, integer = (entry.get(key, False) for key in ("low", "high", "log", "whole"))
    for key, value in {"log": log, "whole": integer}.items():
        if not isinstance(value, bool):
            raise RunError(f"[random] {name}: {key} = {value!r} is neither true nor false.")
    for key, value in {"low": low, "high": high}.items():
        kinds = int if integer else int | float
        if isinstance(value, bool) or not isinstance(value, kinds) or abs(value) > 1e300:
            number = "whole number" if integer else "number"
            raise RunError(f"[random] {name}: {key} = {value!r} is not a {number}.")
    if not low <= high or (log and low <= 0):
        needed = "above 0, for log = true, and " if log else ""
        raise RunError(
            f"[random] {name}: low = {low!r} and high = {high!r}; low must be {needed}at most high."
        )
    half = 0.5 if integer else 0.0  # each whole number owns the half before and after it

    def one(rng: np.random.Generator) -> int | float:
        below, above = float(low - half), float(high + half)
        drawn = math.exp(rng.uniform(math.log(below), math.log(above))) if log else (
            rng.uniform(below, above)
        )  # fmt: skip
        number = round(drawn) if integer else float(f"{drawn:.4g}")
        return type(number)(min(max(number, low), high))

    return one


def _taken(table: dict[str, Any], name: str, kind: Any, default: int) -> int:
    """Remove an entry that is no option from a table; its value."""
    if name not in table:
        return default
    try:
        return int(kind.of(table.pop(name)))
    except ValueError as error:
        raise RunError(f"{name}: {error}.") from None


def _table(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = given.get(name, {})
    if not isinstance(table, dict):
        raise RunError(f"{name}: {table!r} is not a table; write [{name}] above its options.")
    return dict(table)


def _known_tables(fixed: Mapping[str, Any]) -> None:
    for name, value in fixed.items():
        if isinstance(value, dict):  # which no option is
            close = difflib.get_close_matches(name, ("grid", "random"), n=1)
            hint = f"did you mean [{close[0]}]?" if close else "known are [grid] and [random]."
            raise RunError(f"[{name:.60}]: there is no such table; {hint}")


def _once(*tables: Mapping[str, Any]) -> None:
    """Refuse an option that stands in two places, of which one would win silently."""
    places = ("above the tables", "in [grid]", "in [random]", "in seeds")
    found: dict[str, str] = {}
    for place, table in zip(places, tables, strict=True):
        for name in table:
            both = name in found and (found[name], place) != (places[0], places[3])
            if both:
                raise RunError(f"{name}: stands {found[name]} and {place}; once is enough.")
            found[name] = place
