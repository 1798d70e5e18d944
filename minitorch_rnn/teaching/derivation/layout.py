"""Lines of source, broken as a formatter would break them, and text that can stand in them."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence

from minitorch_rnn.teaching.printable import printable

WIDTH = 100
STEP = "    "


def width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none.

    >>> width("h"), width("漢")
    (1, 2)
    """
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def quoted(text: str) -> str:
    """A string literal, with the quotes that need fewer escapes.

    >>> print(quoted("weight.x->h"), quoted('say "h"'))
    "weight.x->h" 'say "h"'
    """
    mark = "'" if text.count('"') > text.count("'") else '"'
    body = (f"\\{c}" if c == mark else c if c in "\"'" else repr(c)[1:-1] for c in text)
    return f"{mark}{''.join(body)}{mark}"


def told(text: str) -> str:
    """A name as comments and docstrings show it: what could end them or break a line is replaced.

    >>> told("a\\nb")
    'a�b'
    """
    return printable(text, but='\\"') or "(no name)"


def wrapped(text: str, first: str = "", later: str = "") -> list[str]:
    """Prose in lines that are short enough, whatever words it is made of."""
    most = WIDTH if width(text) == len(text) else WIDTH // 2
    return textwrap.wrap(
        text, most, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    )


def commented(lines: list[str], comment: str) -> list[str]:
    """Code with a comment: behind a single line if it fits there, else above."""
    if not comment:
        return lines
    if len(lines) == 1 and width(beside := f"{lines[0]}  # {comment}") <= WIDTH:
        return [beside]
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return [*remark(indent, comment), *lines]


def remark(indent: str, comment: str) -> list[str]:
    """A comment on lines of its own."""
    return wrapped(comment, f"{indent}# ", f"{indent}# ")


def statement(indent: str, left: str, pieces: Sequence[str], comment: str = "") -> list[str]:
    """``left piece piece …``, in parentheses over several lines if one is too short.

    >>> statement("", "z =", ["x @ W.T", "+ b"])
    ['z = x @ W.T + b']
    >>> print(*statement("", "z =", [f"+ x[t - {k}] @ W_{k}.T" for k in range(6)]), sep="\\n")
    z = (
        + x[t - 0] @ W_0.T
        + x[t - 1] @ W_1.T
        + x[t - 2] @ W_2.T
        + x[t - 3] @ W_3.T
        + x[t - 4] @ W_4.T
        + x[t - 5] @ W_5.T
    )
    """
    whole = " ".join(pieces)
    if width(line := f"{indent}{left} {whole}") <= WIDTH:
        return commented([line], comment)
    inner = indent + STEP
    if width(inner + whole) <= WIDTH:
        pieces = [whole]
    return commented(
        [f"{indent}{left} (", *(inner + piece for piece in pieces), f"{indent})"], comment
    )


def collection(left: str, brackets: str, items: Sequence[str], right: str = "") -> list[str]:
    """``left (item, item)right``: one item a line if one line is too short.

    >>> collection("trace = ", "()", ["x"])
    ['trace = (x,)']
    """
    comma = "," if brackets == "()" and len(items) == 1 else ""
    flat = f"{left}{brackets[0]}{', '.join(items)}{comma}{brackets[1]}{right}"
    if width(flat) <= WIDTH:
        return [flat]
    indent = left[: len(left) - len(left.lstrip())]
    inner = (f"{indent}{STEP}{item}," for item in items)
    return [f"{left}{brackets[0]}", *inner, f"{indent}{brackets[1]}{right}"]


def arguments(left: str, items: Sequence[str], right: str) -> list[str]:
    """``left(item, item)right`` of a definition or a call, which may go on in one indented line."""
    flat = f"{left}({', '.join(items)}){right}"
    if width(flat) <= WIDTH:
        return [flat]
    indent = left[: len(left) - len(left.lstrip())]
    if width(inner := f"{indent}{STEP}{', '.join(items)}") <= WIDTH:
        return [f"{left}(", inner, f"{indent}){right}"]
    return [f"{left}(", *(f"{indent}{STEP}{item}," for item in items), f"{indent}){right}"]


def subscript(indent: str, left: str, key: str) -> list[str]:
    """``left["key"]`` as a statement."""
    line = f"{indent}{left}[{quoted(key)}]"
    if width(line) <= WIDTH:
        return [line]
    inner = f"{indent}{STEP}{quoted(key)}"
    long = "  # noqa: E501" if width(inner) > WIDTH and any(map(str.isspace, inner.strip())) else ""
    return [f"{indent}{left}[", inner + long, f"{indent}]"]


def number(value: float) -> str:
    """A number as a literal."""
    return repr(float(value))


def matrix(left: str, rows: Sequence[Sequence[float]]) -> list[str]:
    """``left np.array([[…], …])``.

    >>> matrix("M =", [[1.0, 0.0]])
    ['M = np.array([[1.0, 0.0]])']
    """
    lists = [[number(w) for w in row] for row in rows]
    flat = [f"[{', '.join(row)}]" for row in lists]
    whole = f"[{', '.join(flat)}]"
    if width(line := f"{left} np.array({whole})") <= WIDTH:
        return [line]
    if width(STEP + whole) <= WIDTH:
        return [f"{left} np.array(", STEP + whole, ")"]
    found = [f"{left} np.array(", f"{STEP}["]
    for row, text in zip(lists, flat, strict=True):
        found += collection(2 * STEP, "[]", row, ",") if len(text) > 91 else [f"{2 * STEP}{text},"]
    return [*found, f"{STEP}]", ")"]
