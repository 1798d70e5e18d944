"""Inputs and targets of one sequence from a CSV file."""

from __future__ import annotations

import csv
import math
import os
from typing import Any

import numpy as np

from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.column import Column
from minitorch_rnn.data import read_text
from minitorch_rnn.errors import DataError

Cells = dict[str, list[tuple[int, str]]]


def read_series(
    path: str | os.PathLike[str], column: Column, divergence: Divergence
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The sequence in a CSV file: below a header, a line for each time step.

    The header names the columns: x1, x2, … for an input x of so many features, likewise for other
    inputs, and d1, d2, … for the targets. A divergence that takes labels needs d1 alone, which is
    empty where there are no more of them.

    Returns:
        x by node, (T, 1, I); and D, (T, 1, O), or labels (U, 1).

    Raises:
        DataError: naming the file, the line and what is needed.

    >>> import pathlib, tempfile
    >>> from minitorch_rnn.bptt.divergences import SQUARED
    >>> from minitorch_rnn.column import elman
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "sums.csv")
    ...     _ = file.write_text("x1,d1\\n1,1\\n2,3\\n")
    ...     x, D = read_series(file, elman(1, 2, 1), SQUARED)
    >>> x["x"].ravel(), D.ravel()
    (array([1., 2.]), array([1., 3.]))
    """
    target = "d" if "d" not in column.inputs else "target"
    O = column.node[column.output].size
    labels = divergence.takes == "labels"
    groups = {n: [f"{n}{k}" for k in range(1, node.size + 1)] for n, node in column.inputs.items()}
    targets = [f"{target}{k}" for k in range(1, 2 if labels else O + 1)]
    cells = _cells(path, [name for names in groups.values() for name in names] + targets)

    def joined(names: list[str]) -> np.ndarray:
        columns = [[_number(path, n, *cell) for cell in cells[n]] for n in names]
        return np.stack(columns, axis=-1)[:, None]

    x = {n: joined(names) for n, names in groups.items()}
    return x, _labels(path, targets[0], cells[targets[0]], O) if labels else joined(targets)


def _cells(path: Any, needed: list[str]) -> Cells:
    """Every column by its name: the number of the line, and what stands there."""
    try:
        rows = list(csv.reader(read_text(path).lstrip("\ufeff").splitlines()))
    except csv.Error as cause:
        raise DataError(f"{path}: is no CSV file: {cause}.") from cause
    header: list[str] = []
    body = []
    for line, row in enumerate(rows, 1):
        if not any(cell.strip() for cell in row):
            continue
        if not header:
            header = [name.strip() for name in row]
            if sorted(header) != sorted(needed):
                raise DataError(
                    f"{path}: line {line} names the columns {', '.join(header)}; needed are "
                    f"{', '.join(needed)}, in any order."
                )
        elif len(row) != len(header):
            raise DataError(
                f"{path}: line {line} has {len(row)} values; the header names {len(header)} "
                "columns."
            )
        else:
            body.append((line, row))
    if not body:
        raise DataError(f"{path}: has no line below its header; one for each time step is needed.")
    return {name: [(line, row[k].strip()) for line, row in body] for k, name in enumerate(header)}


def _number(path: Any, name: str, line: int, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{path}: line {line}, column {name}: {cell!r} is not a finite number.")
    return number


def _labels(path: Any, name: str, cells: list[tuple[int, str]], O: int) -> np.ndarray:
    for line, cell in cells:
        if cell and not (cell.isascii() and cell.isdecimal() and 1 <= int(cell) < O):
            raise DataError(
                f"{path}: line {line}, column {name}: {cell!r} is no label; needed is a whole "
                f"number from 1 to {O - 1}, or nothing after the last."
            )
    found = [int(cell) for _, cell in cells if cell]
    if not found or any(cell for _, cell in cells[len(found) :]):
        raise DataError(f"{path}: column {name} needs at least one label, and none after a gap.")
    return np.array(found)[:, None]
