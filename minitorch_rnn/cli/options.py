"""Option types that refuse a wrong value with one line, networks by name, and colour."""

import argparse
import difflib
import inspect
import json
import math
import os
import sys
from typing import Any

from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.column import Column
from minitorch_rnn.data import read_text
from minitorch_rnn.errors import ColumnError


def count(text: str) -> int:
    """A whole number from 1 to 10^9."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 10**9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1,000,000,000")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def seed(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def coloured(text: str, colour: str) -> str:
    """`text` in "green" or "red" on a terminal, plain elsewhere and under NO_COLOR."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\x1b[{ {'green': 32, 'red': 31}[colour] }m{text}\x1b[0m"


def add_network(command: Any) -> None:
    """The options that choose a network: by name with its sizes, or a file."""
    command.add_argument("network", metavar="NETWORK", nargs="?", help=f"of {', '.join(COLUMNS)}")
    command.add_argument("--spec", metavar="FILE", help="a column of your own, as JSON, instead")
    command.add_argument("--inputs", type=count, metavar="I", help="size of x (2)")
    command.add_argument("--hidden", type=count, metavar="H", help="size of hidden layers (3)")
    command.add_argument("--outputs", type=count, metavar="O", help="size of Y (2)")
    command.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", dest="set",
        help="options of the network, such as layers=2, mu=0.4, output_activation=softmax",
    )  # fmt: skip
    command.set_defaults(wrong_usage=command.error)


def network_of(options: argparse.Namespace) -> Column:
    """The column that `add_network`'s options choose.

    Raises:
        ColumnError: if the file holds no column, or the network refuses its options.
        DataError: if the file cannot be read.
    """
    if (options.network is None) == (options.spec is None):
        came = "neither came" if options.spec is None else "both came"
        options.wrong_usage(f"a NETWORK is needed or --spec FILE; {came}")
    sizes = [options.inputs, options.hidden, options.outputs]
    if options.spec is not None:
        if options.set or any(sizes):
            options.wrong_usage("--spec brings its own sizes; leave out --inputs … and --set")
        return column_of(options.spec)
    if options.network not in COLUMNS:
        close = difflib.get_close_matches(options.network.lower(), COLUMNS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(COLUMNS)}"
        options.wrong_usage(f"there is no network {options.network!r}; {hint}")
    make = COLUMNS[options.network]
    given = dict(_setting(text, make, options) for text in options.set)
    return make(*(size or usual for size, usual in zip(sizes, (2, 3, 2), strict=True)), **given)


def column_of(path: str) -> Column:
    """The column in a JSON file.

    Raises:
        ColumnError, DataError: naming the file.
    """
    text = read_text(path)
    try:
        return Column.from_json(text)
    except ColumnError as error:
        raise ColumnError(f"{path}: {error}") from None


def _setting(text: str, make: Any, options: argparse.Namespace) -> tuple[str, Any]:
    """NAME=VALUE; the value as JSON where it is JSON, else as it stands."""
    name, equals, value = text.partition("=")
    known = list(inspect.signature(make).parameters)[3:]  # behind the sizes
    if not equals or name not in known:
        options.wrong_usage(
            f"--set {text}: {options.network} has the options {', '.join(known)}, as NAME=VALUE"
        )
    try:
        return name, json.loads(value.lower() if value in ("True", "False") else value)
    except ValueError:
        return name, value
