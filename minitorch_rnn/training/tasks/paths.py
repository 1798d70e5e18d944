"""Paths of data as options: kept in full, so that a run finds its data from any folder."""

from __future__ import annotations

import os
from typing import Any

from minitorch_rnn.data.shipped import SHIPPED
from minitorch_rnn.training.config import Kind, file

__all__ = ["DATA", "data_file", "series_file"]

# Several tasks have an option of this name, and one line of help for it.
DATA = (
    f"forecast: a CSV file, or one of {', '.join(SHIPPED)}; tag: Python code, a file or a folder, "
    "or a file with a line 'token TAB tag' for each token and a blank line between sequences, "
    "without it the standard library's code"
)


def _full(value: Any) -> str:
    path: str = file.of(value)
    return os.path.abspath(path)


def _full_or_shipped(value: Any) -> str:
    return value if value in SHIPPED else _full(value)


data_file = Kind(_full, "FILE")
series_file = Kind(_full_or_shipped, "FILE")
