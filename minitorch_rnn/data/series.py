"""Series: figures over time by column, read from CSV files, with their gaps refused or filled.

What is unclear in a file is an error that names its line, never a guess that goes on silently.
"""

from __future__ import annotations

import array
import dataclasses
import os
import re
from collections.abc import Mapping, Sequence

import numpy as np

from minitorch_rnn.data.table import Table, place, printed
from minitorch_rnn.data.times import check_order
from minitorch_rnn.errors import DataError

__all__ = ["FILLS", "Series", "read_names", "read_series"]

FILLS = ("refuse", "previous", "linear", "mean")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Series:
    """Columns of figures over time, one row for each time step.

    Attributes:
        names: of the columns.
        values: (N, columns) float64, nan where a value is missing.
        labels: what the rows are called, such as years; their numbers from 1 where nothing is.
        source: what messages call it.

    >>> series = Series(("y",), np.array([[1.0], [np.nan], [3.0]]), ("2001", "2002", "2003"))
    >>> series, series.column("y").tolist(), series.row("2003")
    (Series('series': 3 rows, 2001 to 2003, of y), [1.0, nan, 3.0], 2)
    >>> series.filled("linear", training=3).column("y").tolist()
    [1.0, 2.0, 3.0]
    """

    names: tuple[str, ...]
    values: np.ndarray
    labels: tuple[str, ...]
    source: str = "series"

    def __repr__(self) -> str:
        ends = f", {self.labels[0]} to {self.labels[-1]}," if self.labels else ""
        return f"Series({self.source!r}: {len(self)} rows{ends} of {', '.join(self.names)})"

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> Series:
        """Some of the rows."""
        return dataclasses.replace(self, values=self.values[rows], labels=self.labels[rows])

    def column(self, name: str) -> np.ndarray:
        """The values of one column, (N,).

        Raises:
            DataError: naming the closest column if there is none of that name.
        """
        return self.values[:, place(name, self.names, self.source)]

    def row(self, label: str) -> int:
        """The number, from 0, of the row with this label, or else with this number from 1.

        Raises:
            DataError: if no row is meant, or several have the label.
        """
        found = [i for i, known in enumerate(self.labels) if known == label]
        if len(found) > 1:
            raise DataError(
                f"{self.source}: {len(found)} rows are called {label}; give a row by its number "
                f"from 1 to {len(self)} and leave out the time column."
            )
        if not found and re.fullmatch("[0-9]{1,9}", label) and 1 <= int(label) <= len(self):
            return int(label) - 1
        if not found:
            raise DataError(
                f"{self.source}: has no row {label}; they go from {self.labels[0]} to "
                f"{self.labels[-1]}, numbered from 1 to {len(self)}."
            )
        return found[0]

    def filled(
        self, how: str, training: int | None = None, means: Mapping[str, float] | None = None
    ) -> Series:
        """The series without gaps; no value is filled by means of a later part.

        Args:
            how: "previous": the last value before the gap. "linear": a straight line over the gap
                in the training part; "previous" after it, where what follows is not known yet.
                "mean": the mean of the training part. "refuse": a gap is an error.
            training: how many rows from the beginning are the training part; None is all of them.
            means: by column, in place of those of the training part.

        Raises:
            ValueError: if `how` is none of these.
            DataError: naming the row and the column of a gap that cannot be filled so.
        """
        if how not in FILLS:
            raise ValueError(f"fill is {how!r}; known are {', '.join(FILLS)}.")
        training = len(self) if training is None else training
        values = self.values.copy()
        for j, name in enumerate(self.names):
            column = values[:, j]
            gaps = np.isnan(column)
            if not gaps.any():
                continue
            where = f"{self.source}: row {self.labels[int(gaps.argmax())]}, column {name!r}"
            if how == "refuse":
                raise DataError(
                    f"{where}: is missing; fill gaps with previous, linear or mean (--fill)."
                )
            if how == "mean":
                column[gaps] = self._mean(name, training, means)
            elif gaps[0]:
                raise DataError(
                    f"{where}: the first value is missing, so none is before it to fill the gap "
                    "from; fill with mean, or begin the file later."
                )
            else:
                _fill(column, gaps, training if how == "linear" else 0)
        return dataclasses.replace(self, values=values)

    def _mean(self, name: str, training: int, means: Mapping[str, float] | None) -> float:
        if means is not None:
            return means[name]
        known = self.column(name)[:training]
        known = known[~np.isnan(known)]
        if not len(known):
            raise DataError(
                f"{self.source}: column {name!r} has no value in the {training} rows to learn "
                "from, so it has no mean there."
            )
        return float(np.mean(known))


def _fill(column: np.ndarray, gaps: np.ndarray, linear: int) -> None:
    """Fill in place: over straight lines in the first `linear` rows, after them from before."""
    rows = np.arange(len(column))
    front = rows[:linear]
    known = front[~gaps[:linear]]
    if len(known):
        column[:linear] = np.interp(front, known, column[known])  # the last value goes on
        gaps = gaps & (rows >= linear)
    column[:] = column[np.maximum.accumulate(np.where(gaps, 0, rows))]


def read_series(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    time: str | None = None,
    missing: str = "refuse",
) -> Series:
    """A series from a CSV file in UTF-8: columns separated by commas, semicolons or tabs.

    The first row names the columns; where it holds numbers only, there is no such row, and columns
    are called 1, 2, …. Numbers have a decimal point. Lines in front that begin with # are skipped.

    Args:
        path: of the file.
        columns: which to read, by name; None is all but the column of times.
        time: the column whose text labels the rows; None is the first if it is called date, year,
            time or the like.
        missing: "refuse" a cell that is empty, NA, N/A, nan, null or none; or "keep" it as nan,
            which `Series.filled` fills.

    Raises:
        ValueError: if `missing` is neither.
        DataError: naming the file and the line: if the file cannot be read or is not UTF-8, a row
            has too few or too many cells, a cell is no finite number, a column is not known or
            is there twice, fewer than two rows come, or time goes back or stands still.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "harvest.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("year;wheat;rain\\n2001;3.5;610\\n2002;NA;720\\n")
    >>> series = read_series(path, ["wheat"], missing="keep")
    >>> series.names, series.values.tolist(), series.labels
    (('wheat',), [[3.5], [nan]], ('2001', '2002'))
    """
    if missing not in ("refuse", "keep"):
        raise ValueError(
            f"missing is {missing!r}; known are refuse and keep. To fill gaps, keep them and call "
            "filled of the series with previous, linear or mean."
        )
    with Table.opened(path) as table:
        return _read(table, columns, time, missing)


def read_names(path: str | os.PathLike[str], time: str | None = None) -> tuple[str, ...]:
    """The columns of a CSV file, without the one of times, as `read_series` finds them.

    Raises:
        DataError: as `read_series`.
    """
    with Table.opened(path) as table:
        when = table.time(time)
        return tuple(name for i, name in enumerate(table.names) if i != when)


def _read(table: Table, columns: Sequence[str] | None, time: str | None, missing: str) -> Series:
    when = table.time(time)
    if columns is None:
        columns = [name for i, name in enumerate(table.names) if i != when]
    places = [place(name, table.names, table.path) for name in columns]
    if not places or len(set(places)) < len(places):
        told = ", ".join(columns) or "none"
        raise DataError(f"{table.path}: the columns to read are {told}; each is needed once.")
    labels: list[str] = []
    figures = [array.array("d") for _ in places]
    for row in table.rows():
        for kept, i in zip(figures, places, strict=True):
            kept.append(table.number(row, i, missing))
        labels.append(str(len(labels) + 1) if when is None else printed(row[when].strip()))
    if len(labels) < 2:
        raise DataError(
            f"{table.path}: has {len(labels)} row{'s' * (len(labels) != 1)} of figures; a series "
            "needs at least 2."
        )
    if when is not None:
        check_order(labels, table.names[when], table.path)
    values = np.column_stack([np.frombuffer(kept) for kept in figures])
    return Series(tuple(columns), values, tuple(labels), table.path)
