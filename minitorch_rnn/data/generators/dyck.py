"""Dyck languages: brackets of several kinds, balanced and well nested."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import cast

import numpy as np

from minitorch_rnn.data.generators.drawn import needs
from minitorch_rnn.data.generators.grammar import Grammar

PAIRS = ("()", "[]", "{}", "<>", "\u27e6\u27e7", "\u27e8\u27e9", "\u2308\u2309", "\u230a\u230b")


class Dyck(Grammar):
    """Dyck-k of bounded depth: the words of k kinds of brackets in which every bracket is closed.

    A word has from `shortest` to `longest` brackets, at most `depth` of which are open at once.
    Its length is uniform among the even numbers between; among the words of one length all are
    equally likely: they are drawn by counting how many ways there are to finish each beginning.
    A dot stands before and after each word. So the inputs are the dot and the word, and the targets
    are the word and the dot.

    - Shapes: inputs and targets (T, B), whole numbers up to 2k: 0 for the dot, then the opening
      and the closing bracket of each kind. T is at most `longest` + 1.
    - Legal: any opening bracket below the depth, the closing one of the last that is open, and
      the dot where none is open. Bounds of the length do not count, since they are no part of
      the language.
    - Chance: a network that knows the depth and not the kinds closes the right one with 1/k.
    - Solved: `knows_the_legal` at every step, of words longer than those trained on as well.

    Papers draw from a probabilistic grammar or automaton instead and differ in it; the
    language is the same, the frequencies of lengths and depths are not.

    Args:
        kinds: k, from 1 to 8.
        depth: at least 1.
        shortest, longest: lengths of words, at least 2.

    >>> dyck = Dyck(kinds=2, depth=3, shortest=8, longest=8)
    >>> dyck.string(np.random.default_rng(0))
    '.[(())][].'
    >>> dyck.successors(".[("), dyck.successors(".()")
    ('([)', '([.')

    Sources: Suzgun, Gehrmann, Belinkov and Shieber, "Memory-augmented recurrent neural networks can
    learn generalized Dyck languages", 2019; Hewitt, Hahn, Ganguli, Liang and Manning, "RNNs can
    generate bounded hierarchical languages with optimal memory", EMNLP 2020, for the bound of the
    depth.
    """

    def __init__(
        self, kinds: int = 2, depth: int = 5, shortest: int = 2, longest: int = 40
    ) -> None:
        needs("Dyck", kinds=(kinds, 1), depth=(depth, 1), shortest=(shortest, 2))
        if kinds > len(PAIRS):
            raise ValueError(f"Dyck: kinds is {kinds}; there are {len(PAIRS)} kinds of brackets.")
        if longest // 2 < (shortest + 1) // 2:
            raise ValueError(
                f"Dyck: no even length is from shortest={shortest} to longest={longest}."
            )
        self.kinds = kinds
        self.depth = depth
        self.shortest = shortest
        self.longest = longest
        self.alphabet = "." + "".join(PAIRS[:kinds])
        self._opening = "".join(pair[0] for pair in PAIRS[:kinds])
        self._closing = {pair[0]: pair[1] for pair in PAIRS[:kinds]}

    def __repr__(self) -> str:
        return (
            f"Dyck(kinds={self.kinds}, depth={self.depth}, shortest={self.shortest}, "
            f"longest={self.longest})"
        )

    # A state is the brackets that are open; None before the first dot, and "." after the last.

    @property
    def start(self) -> None:
        """The state before the first dot."""

    def options(self, state: Hashable) -> str:
        """The symbols that may come next: see the class."""
        if state in (None, "."):
            return "" if state else "."
        open_ = cast(str, state)
        more = self._opening if len(open_) < self.depth else ""
        return more + (self._closing[open_[-1]] if open_ else ".")

    def step(self, state: Hashable, symbol: str) -> str:
        """The state after a symbol."""
        if symbol == ".":
            return "" if state is None else "."
        open_ = cast(str, state)
        return open_ + symbol if symbol in self._opening else open_[:-1]

    @cached_property
    def _ways(self) -> list[list[int]]:
        """[n][d]: how many rows of n steps up or down end at 0 from d, within the depth."""
        ways = [[1] + [0] * (self.depth + 1)]  # a depth beyond the bound, with no way from it
        for _ in range(self.longest):
            last = ways[-1]
            here = [last[d + 1] + (last[d - 1] if d else 0) for d in range(self.depth + 1)]
            ways.append([*here, 0])
        return ways

    def string(self, rng: np.random.Generator) -> str:
        """A word between dots."""
        length = 2 * int(rng.integers((self.shortest + 1) // 2, self.longest // 2 + 1))
        text, open_ = ".", ""
        for left in range(length, 0, -1):
            up, all_ = self._ways[left - 1][len(open_) + 1], self._ways[left][len(open_)]
            if rng.random() < up / all_:
                open_ += self._opening[int(rng.integers(self.kinds))]
                text += open_[-1]
            else:
                text += self._closing[open_[-1]]
                open_ = open_[:-1]
        return text + "."
