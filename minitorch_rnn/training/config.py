"""The options of a training: declared once, for flags, TOML files and the run folder alike."""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

from minitorch_rnn import backend
from minitorch_rnn.errors import RunError
from minitorch_rnn.serialization import needs_app

_RATES = {"adam": 0.004, "adamw": 0.004, "rmsprop": 0.002, "adagrad": 0.02, "sgd": 1.0}

NONE = "none"  # in a flag or a file: the option is not to have its default, but no value


class Kind(NamedTuple):
    """What values an option takes: of text, as flags bring it, or of a TOML file's values."""

    of: Callable[[Any], Any]  # the value, or a ValueError that says what it is not
    metavar: str
    choices: tuple[str, ...] = ()
    many: bool = False


def _told(value: Any) -> str:
    """A value as messages show it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _whole(value: Any, least: int, most: int = 10**9) -> int:
    try:
        number = int(value) if isinstance(value, int | str) and value is not True else -1
    except ValueError:
        number = -1
    if value is False or not least <= number <= most:
        raise ValueError(f"{_told(value)} is not a whole number from {least} to {most:,}")
    return number


def _number(value: Any, fits: Callable[[float], bool], what: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (ValueError, TypeError, OverflowError):
        number = math.nan
    if not fits(number):
        raise ValueError(f"{_told(value)} is not a number {what}")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{_told(value)} is not a text of at least one character")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{_told(value)} is neither true nor false")
    return value


def _names(value: Any) -> tuple[str, ...]:
    values = value.split(",") if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not values:
        raise ValueError(f"{_told(value)} is not a list of names")
    return tuple(_text(entry) for entry in values)


whole = Kind(lambda value: _whole(value, 1), "N")
few = Kind(lambda value: _whole(value, 1, 1000), "N")
natural = Kind(lambda value: _whole(value, 0), "N")
number = Kind(lambda value: _number(value, lambda x: 0 < x < math.inf, "above 0"), "X")
level = Kind(lambda value: _number(value, lambda x: 0 <= x < math.inf, "of at least 0"), "X")
fraction = Kind(lambda value: _number(value, lambda x: 0 <= x < 1, "from 0 to below 1"), "X")
text = Kind(_text, "TEXT")
file = Kind(_text, "FILE")
flag = Kind(_flag, "")
names = Kind(_names, "NAME", many=True)


def one_of(*choices: str) -> Kind:
    """A name out of a few.

    >>> one_of("adam", "sgd").of("lbfgs")
    Traceback (most recent call last):
    ValueError: 'lbfgs' is none of adam, sgd
    """

    def of(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{_told(value)} is none of {', '.join(choices)}")
        return value

    return Kind(of, "{" + ",".join(choices) + "}", choices)


def option(default: Any, help: str, kind: Kind, later: bool = False) -> Any:
    """A field of a `Config`.

    Args:
        default: where the option is not given; None: none.
        help: one line, without the default.
        kind: what values it takes.
        later: whether a run that is resumed may change it.
    """
    return dataclasses.field(default=default, metadata={"help": help, "kind": kind, "later": later})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The options that every task has; each task adds its own in a subclass.

    With `epochs` given there is no bound of steps, and with either none of seconds, unless they are
    given too.

    >>> config = Config.of({"hidden": "32", "lr": 0.01})
    >>> config.hidden, config.rate, config.optimizer
    (32, 0.01, 'adam')
    >>> Config.of({"hiden": 32})
    Traceback (most recent call last):
    minitorch_rnn.errors.RunError: hiden: there is no such option; did you mean hidden?
    """

    hidden: int = option(64, "hidden units per layer", whole)
    layers: int = option(1, "recurrent layers", few)
    dropout: float = option(0.0, "share of values dropped between layers", fraction)
    batch: int = option(32, "sequences, or parallel streams, of one step", whole)
    sequence: int = option(48, "steps that gradients reach back", whole)
    steps: int | None = option(1000, "parameter updates", whole, later=True)
    epochs: int | None = option(None, "times through the data, for --steps", whole, later=True)
    seconds: float | None = option(
        None, "stop after so long, unless --steps or --epochs is given; or none", number, later=True
    )
    optimizer: str = option("adam", "how parameters are updated", one_of(*_RATES))
    lr: float | None = option(
        None, f"learning rate; {', '.join(f'{k} {v:g}' for k, v in _RATES.items())}", number
    )
    momentum: float = option(0.9, "of sgd", fraction)
    weight_decay: float = option(0.0, "pulls parameters to 0", level)
    clip: float = option(1.0, "largest norm of the gradients", number)
    schedule: str = option(
        "constant",
        "of the learning rate, over all steps; plateau: after validations",
        one_of("constant", "linear", "cosine", "exponential", "step", "plateau"),
    )
    warmup: int = option(0, "steps in which the learning rate rises", natural)
    validate_every: int | None = option(None, "steps between validations; each epoch", whole)
    patience: int | None = option(
        None, "validations without a better figure before it stops", whole, later=True
    )
    on_nan: str = option(
        "stop",
        "where a loss or gradient is not finite: skip the step, or restore the last checkpoint and "
        "halve the rate",
        one_of("stop", "skip", "restore"),
        later=True,
    )
    checkpoint_every: int | None = option(
        None, "steps between checkpoints; each validation", whole, later=True
    )
    keep: int = option(2, "checkpoints kept beside the best", whole, later=True)
    log_every: int = option(1, "steps between lines of metrics.jsonl", whole, later=True)
    tensorboard: bool = option(False, "write files for TensorBoard too", flag, later=True)
    svg: bool = option(False, "draw curves as SVG too", flag, later=True)
    seed: int = option(0, "draws weights and the order of data", natural)
    backend: str | None = option(
        None, "MINITORCH_RNN_BACKEND, or numpy", one_of(*backend.names()), later=True
    )
    dtype: str = option("float32", "of parameters and states", one_of("float32", "float64"))
    threads: int = option(1, "for matrix products; more rarely help", whole, later=True)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The options, each checked; those that are not given have their defaults.

        Raises:
            RunError: naming the option, and the closest one where it is not known.
        """
        known = {field.name: field for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known:
                close = difflib.get_close_matches(str(name), known, n=1)
                hint = f"; did you mean {close[0]}?" if close else "."
                raise RunError(f"{str(name):.60}: there is no such option{hint}")
            none = (value is None or value == NONE) and "None" in str(known[name].type)
            try:
                values[name] = None if none else known[name].metadata["kind"].of(value)
            except ValueError as error:
                raise RunError(f"{name}: {error}.") from None
        if values.get("epochs") is not None:
            values.setdefault("steps", None)
        if values.get("epochs") is not None or values.get("steps") is not None:
            values.setdefault("seconds", None)
        config = cls(**values)
        config.check()
        return config

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            RunError: naming them.
        """
        if self.steps is None and self.epochs is None and self.seconds is None:
            raise RunError("steps, epochs, seconds: none is given; the training would not end.")
        if self.schedule == "plateau" and self.warmup:
            raise RunError("warmup: a rate that follows the figures (plateau) has no warm-up.")
        if self.schedule in ("linear", "cosine", "exponential", "step") and self.steps is None:
            raise RunError(f"schedule: {self.schedule} is over all steps; give --steps.")
        if self.dropout and self.layers == 1:
            raise RunError("dropout: acts between layers, and there is 1; give --layers 2.")

    @property
    def rate(self) -> float:
        """The learning rate: the one given, or that of the optimiser."""
        return self.lr or _RATES[self.optimizer]

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """These options with some of them changed, as a run that goes on may.

        Raises:
            RunError: naming an option that differs and may not.
        """
        new = type(self).of(dataclasses.asdict(self) | dict(changes))
        for field in dataclasses.fields(self):
            before, after = getattr(self, field.name), getattr(new, field.name)
            if before != after and not field.metadata["later"]:
                was = "without it" if before is None else f"with {_told(before)}"
                raise RunError(
                    f"{field.name}: the run was started {was}, now it is {_told(after)}. The rest "
                    "would be another training; start a new run for it."
                )
        return new

    def written(self) -> str:
        """The options as TOML, which `read` takes; "none" for those without a value."""
        try:
            from tomli_w import dumps
        except ImportError as cause:
            raise RunError(str(needs_app("tomli-w"))) from cause
        values = {
            field.name: NONE if getattr(self, field.name) is None else getattr(self, field.name)
            for field in dataclasses.fields(self)
        }
        toml: str = dumps(values)
        return toml


def read(path: Any) -> dict[str, Any]:
    """The options in a TOML file, unchecked; of tables in it, dictionaries.

    Raises:
        RunError: naming the file, if it is none.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "mine.toml")
    >>> with open(path, "w") as file:
    ...     _ = file.write('hidden = 32\\noptimizer = "sgd"')
    >>> read(path)
    {'hidden': 32, 'optimizer': 'sgd'}
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as cause:
        raise RunError(f"{path}: cannot be read: {cause.strerror or cause}.") from cause
    except (ValueError, RecursionError) as cause:  # not UTF-8, or not TOML
        raise RunError(f"{path}: is no TOML file: {cause or 'too deeply nested'}.") from cause


__all__ = [
    "Config", "Kind", "few", "file", "flag", "fraction", "level", "names", "natural", "number",
    "one_of", "option", "read", "text", "whole",
]  # fmt: skip
