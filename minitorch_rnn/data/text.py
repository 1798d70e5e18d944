"""Text of files and folders, and the numbers of its characters or bytes."""

from __future__ import annotations

import codecs
import collections
import fnmatch
import os
import pathlib
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.errors import DataError

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
PATTERNS = ("*.txt", "*.md", "*.py")
_BLOCK = 1 << 20  # characters that are numbered at a time


class NotTextError(DataError):
    """Bytes that are no text in UTF-8."""


def read_text(path: str | os.PathLike[str]) -> str:
    r"""The text of a UTF-8 file, with the line ends of Windows, `\r\n`, as `\n`.

    Raises:
        DataError: naming the file and the reason if it cannot be read, is not text, or is empty.

    >>> read_text("/nowhere/book.txt")
    Traceback (most recent call last):
    minitorch_rnn.errors.DataError: /nowhere/book.txt: cannot be read: No such file or directory.
    """
    text = _decoded(path, _bytes_of(path))
    if not text.strip():
        raise DataError(f"{path}: is empty: it has {len(text)} characters, all of them blank.")
    return text


class Corpus(NamedTuple):
    """A text, and where it comes from.

    Attributes:
        text: all files one after the other: str, or bytes if those were asked for.
        source: the file or folder, or what else to call it.
        files: those that were read.
        skipped: those of a folder that are no text, each with the reason.
    """

    text: Any
    source: str
    files: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def read_corpus(
    source: str | os.PathLike[str],
    patterns: Sequence[str] = PATTERNS,
    as_bytes: bool = False,
) -> Corpus:
    """The text of a file, or of all files below a folder, in the order of their paths.

    Args:
        source: a file, or a folder.
        patterns: of a folder, what the names of the files look like.
        as_bytes: take the bytes of the files, whatever they hold; otherwise they are UTF-8, and
            what is not in a folder is skipped.

    Raises:
        DataError: naming the file and the reason if something cannot be read, or no text is left.

    >>> import os, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for name, content in {"b.txt": b"two", "a.txt": b"one ", "c.txt": b"GIF89a\\xff"}.items():
    ...     with open(os.path.join(folder, name), "wb") as file:
    ...         _ = file.write(content)
    >>> corpus = read_corpus(folder)
    >>> corpus.text, len(corpus.files), [told.split("c.txt")[1] for told in corpus.skipped]
    ('one two', 2, [': byte 6 is not UTF-8; convert the file to UTF-8 first.'])
    """
    if not os.path.isdir(source):
        text = _filled(source, _bytes_of(source)) if as_bytes else read_text(source)
        return Corpus(text, str(source), (str(source),))
    found = files_below(source, patterns)
    raw: dict[str, bytes] = {}
    parts: dict[str, str] = {}
    skipped: list[str] = []
    for path in found:
        content = _bytes_of(path)
        if as_bytes:
            raw[path] = content
            continue
        try:
            parts[path] = _decoded(path, content)
        except NotTextError as reason:
            skipped.append(str(reason))
    text = b"".join(raw.values()) if as_bytes else "".join(parts.values())
    if not text.strip():
        first = f", such as {skipped[0]}" if skipped else "."
        raise DataError(
            f"{source}: holds no text: there are {len(found)} files named {' or '.join(patterns)}, "
            f"{len(found) - len(skipped)} of them blank and {len(skipped)} no text{first}"
        )
    return Corpus(text, str(source), tuple(raw or parts), tuple(skipped))


def files_below(folder: str | os.PathLike[str], patterns: Sequence[str]) -> list[str]:
    """The files below a folder whose names match a pattern, by sorted path.

    Raises:
        DataError: naming a folder that cannot be read.

    >>> files_below(".", ["*.no-such-ending"])
    []
    """

    def refuse(cause: OSError) -> None:
        raise DataError(f"{cause.filename}: cannot be read: {cause.strerror}.") from cause

    return sorted(
        path
        for home, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        and os.path.isfile(path := os.path.join(home, name))
    )


def standard_library(characters: int = 3_000_000) -> Corpus:
    """Source code of Python's own standard library: text that every machine has.

    The modules in alphabetical order, about `characters` in all. The text differs between versions
    of Python, so no figure computed from it is the same everywhere.

    Raises:
        DataError: if this Python keeps its library without sources.

    >>> standard_library(1000).source
    'the standard library'
    """
    folder = pathlib.Path(sysconfig.get_paths()["stdlib"])
    parts: dict[str, str] = {}
    for path in sorted(folder.glob("*.py")):
        parts[str(path)] = _bytes_of(path).decode("utf-8", errors="replace")
        if sum(map(len, parts.values())) >= characters:
            break
    if not parts:
        raise DataError(f"{folder}: holds no .py files; give a text with --text FILE.")
    return Corpus("".join(parts.values())[:characters], "the standard library", tuple(parts))


def standard_library_text(characters: int = 3_000_000) -> str:
    """The text of `standard_library`.

    >>> len(standard_library_text(1000))
    1000
    """
    return str(standard_library(characters).text)


class Vocabulary:
    """The characters a model knows, in code point order; every other one becomes U+FFFD.

    Attributes:
        characters: all of them.
        unknown: the number of U+FFFD.

    >>> vocabulary = Vocabulary("abc")
    >>> vocabulary.decode(vocabulary.encode("cab?"))
    'cab�'
    """

    unit = "characters"

    def __init__(self, characters: str) -> None:
        self.characters = "".join(sorted(set(characters) | {UNKNOWN}))
        self._codes = np.array([ord(c) for c in self.characters], dtype=np.uint32)
        self.unknown = self.characters.index(UNKNOWN)

    @classmethod
    def of(cls, text: str, largest: int = 256) -> Vocabulary:
        """The `largest` - 1 most frequent characters of `text`."""
        counts = collections.Counter(text)
        return cls("".join(c for c, _ in counts.most_common(largest - 1)))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Numbers of the characters, (len(text),), in the smallest dtype that holds them."""
        numbers = np.empty(len(text), dtype=np.min_scalar_type(len(self) - 1))
        for a in range(0, len(text), _BLOCK):
            block = text[a : a + _BLOCK].encode("utf-32-le", "surrogatepass")
            codes = np.frombuffer(block, dtype=np.uint32)
            found = np.searchsorted(self._codes, codes).clip(max=len(self) - 1)
            numbers[a : a + _BLOCK] = np.where(self._codes[found] == codes, found, self.unknown)
        return numbers

    def decode(self, numbers: Iterable[int]) -> str:
        """The characters of the numbers."""
        return "".join(self.spelled(numbers))

    def spelled(self, numbers: Iterable[int]) -> Iterator[str]:
        """The characters of the numbers, each as soon as it is known."""
        return (self.characters[int(n)] for n in numbers)

    def written(self) -> dict[str, str]:
        """What `vocabulary_of` makes an equal one of, for JSON."""
        return {"symbols": self.unit, "characters": self.characters}


class ByteVocabulary:
    """The 256 bytes, for a model of text in any language, or of no text at all.

    It has what `Vocabulary` has. A text is its UTF-8; bytes that are none become U+FFFD when they
    are decoded.

    >>> vocabulary = ByteVocabulary()
    >>> vocabulary.encode("hé").tolist(), vocabulary.decode([104, 195, 169, 255])
    ([104, 195, 169], 'hé�')
    """

    unit = "bytes"
    unknown = -1  # no number is that of an unknown one

    def __len__(self) -> int:
        return 256

    def encode(self, text: str | bytes) -> np.ndarray:
        """Numbers of the bytes, uint8."""
        raw = text.encode("utf-8", "replace") if isinstance(text, str) else text
        return np.frombuffer(raw, dtype=np.uint8)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of the bytes."""
        return "".join(self.spelled(numbers))

    def spelled(self, numbers: Iterable[int]) -> Iterator[str]:
        """The characters of the bytes, each as soon as its last byte is known."""
        return codecs.iterdecode((bytes([int(n)]) for n in numbers), "utf-8", errors="replace")

    def written(self) -> dict[str, str]:
        """What `vocabulary_of` makes an equal one of, for JSON."""
        return {"symbols": self.unit}


def vocabulary_of(written: Mapping[str, Any]) -> Vocabulary | ByteVocabulary:
    """The vocabulary that `written` describes.

    Raises:
        DataError: if it describes none.

    >>> vocabulary_of(Vocabulary("abc").written()).decode([0, 2])
    'ac'
    """
    symbols = written.get("symbols") if isinstance(written, Mapping) else None
    if symbols == ByteVocabulary.unit:
        return ByteVocabulary()
    characters = written.get("characters") if symbols == Vocabulary.unit else None
    if not isinstance(characters, str):
        raise DataError(
            f"vocabulary: {str(written):.60} came; needed is symbols, 'characters' or 'bytes', and "
            "of characters the text of all of them."
        )
    return Vocabulary(characters)


def entropy_bits(numbers: np.ndarray) -> float:
    """Bits per character of a model that knows the frequencies of single characters, no more.

    H = -sum_c p(c) log2 p(c), with p the frequencies in `numbers` themselves.

    >>> entropy_bits(np.array([0, 1, 1, 0]))
    1.0
    """
    counts = np.bincount(numbers)
    p = counts[counts > 0] / len(numbers)
    return float(-(p * np.log2(p)).sum())


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    if pathlib.Path(path).is_char_device():  # /dev/zero has no end
        raise DataError(f"{path}: is a device; a file is needed.")
    try:
        return pathlib.Path(path).read_bytes()
    except (OSError, ValueError) as cause:  # a NUL in the name is a ValueError
        reason = getattr(cause, "strerror", None) or cause
        raise DataError(f"{path}: cannot be read: {reason}.") from cause


def _filled(path: str | os.PathLike[str], raw: bytes) -> bytes:
    if not raw:
        raise DataError(f"{path}: is empty: it has 0 bytes.")
    return raw


def _decoded(path: str | os.PathLike[str], raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise NotTextError(
            f"{path}: byte {cause.start} is not UTF-8; convert the file to UTF-8 first."
        ) from cause
    if "\0" in text:
        raise NotTextError(
            f"{path}: holds a NUL at character {text.index(chr(0))}: not a text file."
        )
    return text.replace("\r\n", "\n")
