"""Tagged sequences: a tag for every symbol, from a file or by the syntax of Python code."""

from __future__ import annotations

import collections
import io
import keyword
import os
import pathlib
import re
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.data.text import UNKNOWN, files_below, read_text
from minitorch_rnn.errors import DataError

# Of a character of Python code, in the order of their numbers; "other" is blank space.
SYNTAX = ("other", "comment", "string", "number", "operator", "keyword", "name")
_OF_TOKEN = {
    tokenize.COMMENT: "comment",
    tokenize.STRING: "string",
    tokenize.NUMBER: "number",
    tokenize.OP: "operator",
}


_NUMBERED = re.compile(r"[0-9]+([-.][0-9]+)?")


class Tagged(NamedTuple):
    """A sequence of symbols and their tags.

    Attributes:
        symbols: a list of words, or the characters of a text.
        tags: one for each symbol.
    """

    symbols: Any
    tags: list[str]


class TaggedCorpus(NamedTuple):
    """Tagged sequences, and where they come from.

    Attributes:
        groups: sequences that belong together, such as those of one file.
        tags: all tags there are, by number.
        source: the file or folder, or what else to call it.
        files: those that were read.
        skipped: those that are no Python, each with the reason.
    """

    groups: list[list[Tagged]]
    tags: tuple[str, ...]
    source: str
    files: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    @property
    def sequences(self) -> list[Tagged]:
        """The sequences of all groups."""
        return [sequence for group in self.groups for sequence in group]

    def split(self) -> tuple[TaggedCorpus, TaggedCorpus]:
        """What to train on, and the last tenth of the groups, at least one, to be judged by.

        Raises:
            DataError: if there is one group only.
        """
        if len(self.groups) < 2:
            raise DataError(
                f"{self.source}: holds 1 sequence; one to train on and one to be judged by are "
                "needed."
            )
        held = max(1, len(self.groups) // 10)
        return self._replace(groups=self.groups[:-held]), self._replace(groups=self.groups[-held:])


class NotPythonError(DataError):
    """A text that `tokenize` does not read."""


class Symbols:
    """The symbols a model knows, such as words; every other one becomes U+FFFD, number 0.

    >>> symbols = Symbols.of([["a", "b"], ["b", "a", "b", "c"]])
    >>> symbols.encode(["b", "a", "z"]).tolist(), symbols.decode([1, 0])
    ([1, 2, 0], ['b', '�'])
    """

    def __init__(self, known: Iterable[str]) -> None:
        self.known = (UNKNOWN, *dict.fromkeys(symbol for symbol in known if symbol != UNKNOWN))
        self._numbers = {symbol: i for i, symbol in enumerate(self.known)}

    @classmethod
    def of(cls, sequences: Iterable[Iterable[str]], largest: int = 20_000) -> Symbols:
        """The `largest` - 1 most frequent symbols, the most frequent first.

        A symbol that occurs once is left out: it shows the model what an unknown one is like.
        """
        counts = collections.Counter(symbol for sequence in sequences for symbol in sequence)
        ranked = sorted((-n, symbol) for symbol, n in counts.items() if n > 1)
        return cls(symbol for _, symbol in ranked[: largest - 1])

    def __len__(self) -> int:
        return len(self.known)

    def encode(self, sequence: Iterable[str]) -> np.ndarray:
        """Numbers of the symbols, (T,) int64."""
        return np.array([self._numbers.get(symbol, 0) for symbol in sequence], dtype=np.int64)

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The symbols of the numbers."""
        return [self.known[int(n)] for n in numbers]


def tagged_corpus(source: str | None = None, files: int = 60, length: int = 200) -> TaggedCorpus:
    """Python code with its syntax, or the sequences of a tagged file.

    Args:
        source: a .py file or a folder of them; None: the standard library; any other file is read
            by `read_tagged`.
        files: of a folder or the library take so many .py files, evenly spread over the alphabet.
        length: code is cut into pieces of at most so many characters, at the ends of lines.

    Raises:
        DataError: naming file and reason, if something cannot be read or nothing is left.

    >>> corpus = tagged_corpus(files=2)
    >>> len(corpus.groups), corpus.tags[1:4]
    (2, ('comment', 'string', 'number'))
    """
    if source is None:
        library = pathlib.Path(sysconfig.get_paths()["stdlib"])
        found = [str(path) for path in sorted(library.glob("*.py"))]
        return _of_files("the standard library", found, files, length)
    if os.path.isdir(source):
        return _of_files(source, files_below(source, ["*.py"]), files, length)
    if source.endswith(".py"):
        pieces = _pieces(*_tagged_code(source), length)
        if not pieces:
            raise DataError(f"{source}: is empty: it holds no code.")
        return TaggedCorpus([[piece] for piece in pieces], SYNTAX, source, (source,))
    sequences = read_tagged(source)
    tags = tuple(sorted({tag for sequence in sequences for tag in sequence.tags}))
    return TaggedCorpus([[one] for one in sequences], tags, source, (source,))


def read_tagged(path: str | os.PathLike[str]) -> list[Tagged]:
    """The sequences of a file with a line for each symbol and a blank line behind each sequence.

    The first column is the symbol, the last one its tag; columns between them are left out. They
    are parted by TABs, or by blanks if the first line has no TAB. In CoNLL-U, which has 10 columns
    and numbers its lines, the symbol is FORM and the tag UPOS. With TABs, a line without one that
    begins with # is a comment.

    Raises:
        DataError: naming the file and the line, if a line has other columns than the first.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "few.tsv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("the\\tD\\ncat\\tN\\n\\nsat\\tV\\n")
    >>> read_tagged(path)
    [Tagged(symbols=['the', 'cat'], tags=['D', 'N']), Tagged(symbols=['sat'], tags=['V'])]
    """
    lines = read_text(path).removeprefix("\ufeff").replace("\r", "\n").split("\n")
    separator = _separator(lines)
    found, needed = [Tagged([], [])], (0, 0)
    for n, line in enumerate(lines, 1):
        if not line.strip():
            found.append(Tagged([], []))
            continue
        if _is_comment(line, separator):
            continue
        columns = line.split("\t") if separator == "\t" else line.split()
        if len(columns) < 2:
            raise DataError(
                f"{path}: line {n} has 1 column, {line[:40]!r}; a symbol, a TAB and its tag are "
                "needed."
            )
        needed = needed if needed[0] else (n, len(columns))
        if len(columns) != needed[1]:
            raise DataError(
                f"{path}: line {n} has {len(columns)} columns, line {needed[0]} has {needed[1]}; "
                "all need the same."
            )
        symbol, tag = columns[0], columns[-1].strip()
        if len(columns) == 10 and (numbered := _NUMBERED.fullmatch(symbol)):
            if numbered[1]:  # what several lines, or none of the text, stand for
                continue
            symbol, tag = columns[1], columns[3].strip()
        if not symbol or not tag:
            missing = "tag" if symbol else "symbol"
            raise DataError(f"{path}: line {n}, {line[:40]!r}, has an empty {missing}.")
        found[-1].symbols.append(symbol)
        found[-1].tags.append(tag)
    if not any(sequence.symbols for sequence in found):
        raise DataError(f"{path}: is empty: it has no line with a symbol and a tag.")
    return [sequence for sequence in found if sequence.symbols]


def _separator(lines: Iterable[str]) -> str:
    """A TAB if the first line that is no comment has one."""
    filled = [line for line in lines if line.strip()]
    first = next((line for line in filled if line[0] != "#" or "\t" in line), "")
    return "\t" if "\t" in first else " "


def _is_comment(line: str, separator: str) -> bool:
    return separator == "\t" and line[0] == "#" and "\t" not in line


def syntax_tags(code: str) -> list[str]:
    """What each character of Python code belongs to, one of `SYNTAX`.

    By the standard library's `tokenize`, and so exact. A string is one with its prefix and quotes;
    a formatted string is one string in every version of Python, with what is computed in it. Words
    that are keywords in some places only, such as `match`, are names.

    Raises:
        NotPythonError: naming the line, if the code does not tokenize.

    >>> " ".join(syntax_tags("if x2:"))
    'keyword keyword other name name operator'
    """
    starts = [0]
    for line in code.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    tags = ["other"] * len(code)
    for kind, start, end in _spans(code):
        a, b = (starts[row - 1] + column for row, column in (start, end))
        tags[a:b] = [kind] * (b - a)
    return tags


def _spans(code: str) -> Iterator[tuple[str, tuple[int, int], tuple[int, int]]]:
    """Kinds of tokens, and where they begin and end: (row, column)."""
    opened: list[tuple[int, int]] = []  # formatted strings, which may hold others
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            name = tokenize.tok_name[token.type]
            if name.endswith("STRING_START"):
                opened.append(token.start)
            elif name.endswith("STRING_END"):
                yield "string", opened.pop(), token.end
            elif opened:
                continue
            elif token.type == tokenize.NAME:
                word = "keyword" if keyword.iskeyword(token.string) else "name"
                yield word, token.start, token.end
            elif token.type == tokenize.ERRORTOKEN and token.string.isspace():
                continue  # before the one that is wrong
            elif token.type == tokenize.ERRORTOKEN or token.exact_type == tokenize.OP:
                raise NotPythonError(f"line {token.start[0]} is no Python: {token.string[:20]!r}.")
            elif token.type in _OF_TOKEN:
                yield _OF_TOKEN[token.type], token.start, token.end
    except tokenize.TokenError as cause:
        message, (row, _) = cause.args
        raise NotPythonError(f"line {row} is no Python: {message}.") from cause
    except SyntaxError as cause:  # of indentation
        raise NotPythonError(f"line {cause.lineno} is no Python: {cause.msg}.") from cause


def _tagged_code(path: str) -> tuple[str, list[str]]:
    """The code in a file and the tags of its characters."""
    try:
        with tokenize.open(path) as file:  # in the encoding that it declares
            code = file.read()
        return code, syntax_tags(code)
    except OSError as cause:
        raise DataError(f"{path}: cannot be read: {cause.strerror or cause}.") from cause
    except (SyntaxError, UnicodeDecodeError) as cause:  # of what it says its encoding is
        raise NotPythonError(f"{path}: is no Python: {cause}.") from cause
    except NotPythonError as cause:
        raise NotPythonError(f"{path}: {cause}") from None


def _pieces(code: str, tags: list[str], length: int) -> list[Tagged]:
    """Code cut at the ends of lines; a longer line within."""
    pieces, a = [], 0
    while a < len(code):
        b = min(a + length, len(code))
        if b < len(code):
            b = code.rfind("\n", a, b) + 1 or b
        pieces.append(Tagged(code[a:b], tags[a:b]))
        a = b
    return pieces


def _of_files(source: str, found: list[str], files: int, length: int) -> TaggedCorpus:
    chosen = [found[i * len(found) // files] for i in range(files)] if files < len(found) else found
    groups: dict[str, list[Tagged]] = {}
    skipped: list[str] = []
    for path in chosen:
        try:
            groups[path] = _pieces(*_tagged_code(path), length)
        except NotPythonError as reason:
            skipped.append(str(reason))
    full = [pieces for pieces in groups.values() if pieces]
    if not full:
        first = f", such as {skipped[0]}" if skipped else "."
        raise DataError(
            f"{source}: holds no Python code: of {len(chosen)} .py files {len(skipped)} do not "
            f"tokenize{first}"
        )
    if len(full) == 1:
        full = [[piece] for piece in full[0]]
    return TaggedCorpus(full, SYNTAX, source, tuple(groups), tuple(skipped))
