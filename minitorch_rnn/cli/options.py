"""Option types that refuse a wrong value with one line, and colour for those who want it."""

import argparse
import math
import os
import sys
from typing import Any

Commands = Any  # argparse does not name the type of what add_subparsers returns


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
