"""Tables: the names and the cells of a CSV file, read line by line, each fault with its line."""

from __future__ import annotations

import contextlib
import csv
import difflib
import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from minitorch_rnn.errors import DataError

__all__ = ["NUMBER", "Table", "place"]

NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")

_LONGEST = 1 << 20  # bytes of a line, so that a file without line ends does not fill the memory
_MISSING = {"", "na", "n/a", "nan", "null", "none"}
_TIMES = {
    "date", "datetime", "day", "ds", "hour", "month", "time", "timestamp", "week", "year",
    "datum", "jahr", "monat", "stunde", "tag", "woche", "zeit", "zeitpunkt",
}  # fmt: skip


class Table:
    """A CSV file in UTF-8 whose columns are separated by commas, semicolons or tabs.

    The first row names the columns; where it holds numbers only, it is data, and the columns are
    called 1, 2, …. Lines in front that begin with # are skipped, as are empty ones at the end.

    Attributes:
        path: of the file.
        names: of the columns.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "harvest.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("# tons\\nyear;wheat\\n2001;3.5\\n")
    >>> with Table.opened(path) as table:
    ...     print(table.names, table.time(None), [row for row in table.rows()])
    ('year', 'wheat') 0 [['2001', '3.5']]
    """

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.path = path
        self._file, self._line = file, 0
        lines = self._lines()
        first = next((line for line in lines if line.strip() and line[0] != "#"), None)
        if first is None:
            raise DataError(f"{path}: is empty: it has no row of names or figures.")
        mark = max(",;\t", key=re.sub('"[^"]*"', "", first).count)
        self._start = self._line
        self._reader = csv.reader(
            _behind(first, lines), delimiter=mark, strict=True, skipinitialspace=True
        )
        self._first = self._parsed()
        cells = [cell.strip() for cell in self._first or []]
        headless = any(NUMBER.fullmatch(cell) for cell in cells) and all(
            NUMBER.fullmatch(cell) or cell.lower() in _MISSING for cell in cells
        )
        self.names = tuple(
            str(i) if headless or not cell else printed(cell) for i, cell in enumerate(cells, 1)
        )
        if not headless:
            self._first = None
        for i, name in enumerate(self.names):
            if name in self.names[:i]:
                raise DataError(f"{self.at}: two columns are called {name!r}; rename one of them.")

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: str | os.PathLike[str]) -> Iterator[Table]:
        """The table in a file, which is closed afterwards.

        Raises:
            DataError: if it cannot be read or holds no table.
        """
        try:
            with open(path, "rb") as file:
                yield cls(file, os.fspath(path))
        except DataError:
            raise
        except (OSError, ValueError) as cause:  # ValueError: a NUL in its name
            reason = getattr(cause, "strerror", None) or cause
            raise DataError(f"{path}: cannot be read: {reason}.") from cause

    @property
    def at(self) -> str:
        """The place that messages name: the file, and the line where the present row begins."""
        return f"{self.path}: line {self._start}"

    def time(self, name: str | None) -> int | None:
        """Where the column of times is: the one of this name, else the first if it is named so."""
        if name is not None:
            return place(name, self.names, self.path)
        return 0 if self.names[0].lower() in _TIMES and len(self.names) > 1 else None

    def rows(self) -> Iterator[list[str]]:
        """The cells of every row, as many as there are names.

        Raises:
            DataError: naming the line.
        """
        if self._first is not None:
            yield self._first
        empty: list[int] = []  # lines; at the end they are nothing, before a row they are rows
        while (row := self._next()) is not None:
            if len(row) <= 1 and not "".join(row).strip():
                empty.append(self._start)
                continue
            here = self._start
            for self._start in empty:
                yield self._whole([""])
            empty, self._start = [], here
            yield self._whole(row)

    def _whole(self, row: list[str]) -> list[str]:
        if len(row) != len(self.names):
            told = f"{len(row)} cell{'s' * (len(row) != 1)}" if any(row) else "no cells"
            raise DataError(f"{self.at} has {told}; the first row has {len(self.names)}.")
        return row

    def number(self, row: Sequence[str], column: int, missing: str) -> float:
        """The figure in a cell of the present row; nan where one is missing and that is kept.

        Raises:
            DataError: naming line and column, if it is no finite number.
        """
        cell, where = row[column].strip(), f"{self.at}, column {self.names[column]!r}"
        if NUMBER.fullmatch(cell):
            if math.isinf(value := float(cell)):
                raise DataError(f"{where}: {cell[:40]} is too large for float64.")
            return value
        if cell.lower() in _MISSING:
            if missing == "keep":
                return math.nan
            raise DataError(
                f"{where}: the value is missing ({cell or 'empty'}); fill it with --fill previous, "
                "linear or mean, in Python with missing='keep' and then filled; or leave the "
                "column out."
            )
        comma = re.fullmatch(r"[+-]?[0-9]+,[0-9]+", cell)
        if comma:
            hint = "write it with a decimal point"
        else:
            hint = "what is missing is an empty cell, NA, N/A, nan, null or none"
        told = repr(cell) if len(cell) <= 40 else f"{cell[:40]!r}…"
        raise DataError(f"{where}: {told} is not a finite number; {hint}.")

    def _next(self) -> list[str] | None:
        self._start = self._line + 1
        return self._parsed()

    def _parsed(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as cause:
            raise DataError(f"{self.at}: is no row of a CSV file: {cause}.") from cause

    def _lines(self) -> Iterator[str]:
        while raw := self._file.readline(_LONGEST + 1):
            self._line += 1
            where = f"{self.path}: line {self._line}"
            if len(raw) > _LONGEST:
                raise DataError(f"{where} is longer than {_LONGEST:,} bytes: not a CSV file.")
            try:
                line = raw.decode("utf-8-sig" if self._line == 1 else "utf-8")
            except UnicodeDecodeError as cause:
                raise DataError(
                    f"{where}: byte {cause.start + 1} is not UTF-8; convert the file first."
                ) from cause
            if "\0" in line:
                raise DataError(f"{where}: holds a NUL: not a text file.")
            yield line


def place(name: str, names: Sequence[str], source: str) -> int:
    """Where a column is among those of a table.

    Raises:
        DataError: naming the closest column if there is none of that name.

    >>> place("rain", ("wheat", "rain"), "harvest.csv")
    1
    """
    if name in names:
        return names.index(name)
    close = difflib.get_close_matches(name, names, n=1)
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    hint = f"did you mean {close[0]!r}?" if close else f"it has {shown}."
    raise DataError(f"{source}: has no column {name!r}; {hint}")


def _behind(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def printed(text: str) -> str:
    """Text on one line of a terminal."""
    return text if text.isprintable() else ascii(text)
