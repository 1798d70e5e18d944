"""Tables on the terminal: as wide as they need to be; where it is too narrow, a list of values."""

import math
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["first_sentence", "plain", "room", "table"]

_GAP = "  "
_LEAST = 8  # characters that a text is shortened to, before the table becomes a list


def room() -> int | None:
    """The columns of the terminal; None where stdout is none, and nothing need be shortened."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def first_sentence(text: str) -> str:
    """A message without what it goes on to explain.

    >>> first_sentence("train: the loss of step 2 is nan. It begins here: 'log' gives nan.")
    'train: the loss of step 2 is nan.'
    """
    return re.split(r"(?<=\.)\s+(?=[A-Z`])", text, maxsplit=1)[0]


def table(
    rows: Sequence[Mapping[str, Any]], width: int | None = None, spare: Sequence[str] = ()
) -> str:
    """Rows under the names of their columns, which are those of the first row.

    Columns in which only numbers stand end at the right. Where they do not fit, columns are left
    out that can be spared, the first of `spare` first; where that is not enough, long texts are
    shortened; and where that is not, each row becomes lines of name and value.

    >>> print(table([{"name": "a", "loss": 0.51234, "steps": 1000}, {"name": "bc", "loss": None}]))
    name    loss  steps
    a     0.5123  1,000
    bc
    >>> print(table([{"name": "a", "loss": 0.51234, "steps": 1000}], width=12, spare=["steps"]))
    name    loss
    a     0.5123
    >>> print(table([{"name": "a", "loss": 0.51234, "steps": 1000}], width=13))
    name   a
    loss   0.5123
    steps  1,000
    """
    if not rows:
        return ""
    for number in range(len(spare) + 1):
        names = [name for name in rows[0] if name not in spare[:number]]
        texts = [any(isinstance(row.get(name), str) for row in rows) for name in names]
        cells = [[_cell(row.get(name)) for name in names] for row in rows]
        widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
        if width is None or _fit(widths, texts, width, shorten=number == len(spare)):
            return _aligned([names, *cells], widths, texts)
    return _listed(list(rows[0]), [[_cell(value) for value in row.values()] for row in rows], width)


def _fit(widths: list[int], texts: list[bool], width: int, shorten: bool) -> bool:
    """Whether columns of these widths fit; those of texts are made narrower, if they may be."""
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        long = [i for i, text in enumerate(texts) if text and widths[i] > _LEAST]
        if not shorten or not long:
            return False
        widths[max(long, key=lambda i: widths[i])] -= 1
    return True


def _aligned(rows: list[list[str]], widths: list[int], texts: list[bool]) -> str:
    lines = []
    for row in rows:
        fitted = [
            _short(cell, size).ljust(size) if text else cell.rjust(size)
            for cell, size, text in zip(row, widths, texts, strict=True)
        ]
        lines.append(_GAP.join(fitted).rstrip())
    return "\n".join(lines)


def plain(value: Any) -> Any:
    """Nested values as JSON has them: numbers that are not finite are null.

    >>> plain({"loss": float("nan"), "steps": [1, 2]})
    {'loss': None, 'steps': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    # Names of files may hold what moves a terminal's cursor.
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def _short(cell: str, width: int) -> str:
    return cell if len(cell) <= width else cell[: width - 1] + "…"


def _listed(names: list[str], cells: list[list[str]], width: int | None) -> str:
    """A block of lines for each row."""
    wide = max(map(len, names))
    left = max((width or 0) - wide - len(_GAP), _LEAST)
    blocks = [
        "\n".join(
            f"{name:{wide}}{_GAP}{_short(cell, left)}"
            for name, cell in zip(names, row, strict=True)
            if cell
        )
        for row in cells
    ]
    return "\n\n".join(blocks)
