"""Text as streams of characters: reading it, numbering its characters, cutting it into batches."""

from __future__ import annotations

import collections
import os
import pathlib
import sysconfig
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minitorch_rnn.errors import DataError

UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file.

    Raises:
        DataError: naming the file and the reason if it cannot be read, is not text, or is empty.
    """
    try:
        raw = pathlib.Path(path).read_bytes()
    except OSError as cause:
        raise DataError(f"{path}: cannot be read: {cause.strerror or cause}.") from cause
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise DataError(
            f"{path}: byte {cause.start} is not UTF-8; convert the file to UTF-8 first."
        ) from cause
    if "\0" in text:
        raise DataError(f"{path}: holds a NUL at character {text.index(chr(0))}: not a text file.")
    if not text.strip():
        raise DataError(f"{path}: is empty: it has {len(text)} characters, all of them blank.")
    return text


def standard_library_text(characters: int = 3_000_000) -> str:
    """Source code of Python's own standard library: text that every machine has.

    The modules in alphabetical order, about `characters` in all. The text differs between versions
    of Python, so no figure computed from it is the same everywhere.

    Raises:
        DataError: if this Python keeps its library without sources.
    """
    folder = pathlib.Path(sysconfig.get_paths()["stdlib"])
    parts: list[str] = []
    for path in sorted(folder.glob("*.py")):
        try:
            parts.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError as cause:
            raise DataError(f"{path}: cannot be read: {cause.strerror or cause}.") from cause
        if sum(map(len, parts)) >= characters:
            break
    if not parts:
        raise DataError(f"{folder}: holds no .py files; give a text with --text FILE.")
    return "".join(parts)[:characters]


class Vocabulary:
    """The characters a model knows, in code point order; every other one becomes U+FFFD.

    >>> vocabulary = Vocabulary("abc")
    >>> vocabulary.decode(vocabulary.encode("cab?"))
    'cab�'
    """

    def __init__(self, characters: str) -> None:
        self.characters = "".join(sorted(set(characters) | {UNKNOWN}))
        self._codes = np.array([ord(c) for c in self.characters], dtype=np.uint32)
        self._unknown = self.characters.index(UNKNOWN)

    @classmethod
    def of(cls, text: str, largest: int = 256) -> Vocabulary:
        """The `largest` - 1 most frequent characters of `text`."""
        counts = collections.Counter(text)
        return cls("".join(c for c, _ in counts.most_common(largest - 1)))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> np.ndarray:
        """Numbers of the characters, (len(text),) int64."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        found = np.searchsorted(self._codes, codes).clip(max=len(self) - 1)
        return np.where(self._codes[found] == codes, found, self._unknown)

    def decode(self, numbers: np.ndarray) -> str:
        """The characters of the numbers."""
        return "".join(self.characters[int(n)] for n in numbers)


def entropy_bits(numbers: np.ndarray) -> float:
    """Bits per character of a model that knows the frequencies of single characters, no more.

    H = -sum_c p(c) log2 p(c), with p the frequencies in `numbers` themselves.
    """
    counts = np.bincount(numbers)
    p = counts[counts > 0] / len(numbers)
    return float(-(p * np.log2(p)).sum())


class Streams(NamedTuple):
    """A long text as B parallel streams: batch t continues where batch t-1 ended.

    So the final state of one batch is the initial state of the next, which is truncated BPTT in
    chunks of T characters.
    """

    numbers: np.ndarray  # (B, length)
    steps: int  # T

    @classmethod
    def of(cls, numbers: np.ndarray, batch: int, steps: int, source: str = "text") -> Streams:
        """Cut `numbers` into `batch` streams of equal length, to be read `steps` at a time.

        Raises:
            DataError: if a stream would be shorter than one sequence and its last target.
        """
        length = len(numbers) // batch
        if length < steps + 1:
            raise DataError(
                f"{source}: has {len(numbers)} characters here, but {batch} streams of one "
                f"sequence of {steps} and its target need {batch * (steps + 1)}. "
                "Use a longer text, or fewer or shorter sequences."
            )
        return cls(numbers[: batch * length].reshape(batch, length), steps)

    @classmethod
    def with_held_out(
        cls, numbers: np.ndarray, batch: int, steps: int, source: str = "text"
    ) -> tuple[Streams, Streams]:
        """Streams to train on, and streams of the last twentieth of the text to be judged by.

        At most 60,000 characters are held out, and at least one sequence.

        Raises:
            DataError: as `of`, if either part is too short.
        """
        held = min(60_000, max(len(numbers) // 20, steps + 1), len(numbers))
        source = f"{source} ({len(numbers)} characters, {held} of them held out)"
        few = max(1, min(batch, held // (4 * (steps + 1))))  # streams that are worth their start
        return (
            cls.of(numbers[:-held], batch, steps, source),
            cls.of(numbers[-held:], few, steps, source),
        )

    def __len__(self) -> int:
        return int(self.numbers.shape[1] - 1) // self.steps

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Inputs and targets, the next characters, (T, B) each, from the beginning once."""
        for i in range(len(self)):
            a = i * self.steps
            part = self.numbers[:, a : a + self.steps + 1].T
            yield part[:-1], part[1:]
