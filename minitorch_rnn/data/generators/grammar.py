"""Grammar: strings of an automaton, to be predicted symbol by symbol, and what may follow each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.sequences import padded
from minitorch_rnn.errors import DataError


class Grammar(ABC):
    """A language whose strings are drawn at random, and read from left to right by an automaton.

    The task is to say the next symbol at every step. As several may follow, a network is judged by
    whether it knows which ones: see `legal` and `knows_the_legal`.

    Attributes:
        alphabet: the symbols; their places are their numbers.
    """

    alphabet: str

    @property
    @abstractmethod
    def start(self) -> Hashable:
        """The state of the automaton before the first symbol."""

    @abstractmethod
    def options(self, state: Hashable) -> str:
        """The symbols that may come next."""

    @abstractmethod
    def step(self, state: Hashable, symbol: str) -> Hashable:
        """The state after one of the symbols that may come next."""

    @abstractmethod
    def string(self, rng: np.random.Generator) -> str:
        """A whole string, from its first symbol to its last."""

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the symbols of a text, (len(text),).

        Raises:
            DataError: naming a symbol that is not of the alphabet.
        """
        for c in text:
            if c not in self.alphabet:
                raise DataError(f"{self!r}: {c!r} is no symbol; they are {self.alphabet!r}.")
        return np.array([self.alphabet.index(c) for c in text], dtype=np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of numbers."""
        return "".join(self.alphabet[int(n)] for n in numbers)

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B strings: inputs are all symbols but the last, targets all but the first."""
        numbers = [self.encode(self.string(rng)) for _ in range(batch)]
        return padded([x[:-1] for x in numbers], [x[1:] for x in numbers])

    def successors(self, text: str) -> str:
        """The symbols that may follow this beginning of a string.

        Raises:
            DataError: naming the place from which on it is no beginning of a string.
        """
        state = self.start
        for t, symbol in enumerate(text):
            if symbol not in self.options(state):
                raise DataError(
                    f"{self!r}: {text!r} has {symbol!r} at place {t}, where only "
                    f"{self.options(state) or 'nothing'!r} may stand."
                )
            state = self.step(state, symbol)
        return self.options(state)

    def legal(self, inputs: np.ndarray) -> np.ndarray:
        """Which symbols may follow each step of the strings, (T, B) to (T, B, V), true or false.

        After a symbol that may not stand where it stands, and after the end of a string, nothing
        is legal; so it is for what batches are padded with.
        """
        y = np.zeros((*inputs.shape, len(self.alphabet)), dtype=bool)
        for b, numbers in enumerate(inputs.T):
            state = self.start
            for t, symbol in enumerate(self.decode(numbers)):
                if symbol not in self.options(state):
                    break
                state = self.step(state, symbol)
                y[t, b, [self.alphabet.index(c) for c in self.options(state)]] = True
        return y


def knows_the_legal(scores: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """Where a network knows what may come next: all that is legal scores above all that is not.

    This is how the paper on the LSTM judges it: where two symbols are legal, they must be the
    two most active ones. No threshold is needed.

    Args:
        scores: (..., V), logits or probabilities of the next symbol.
        legal: (..., V), true or false, as from `Grammar.legal`.

    Returns:
        (...), true or false. Where nothing is legal, as after the end of a string, it is true.

    >>> legal = np.array([[True, True, False]])
    >>> [knows_the_legal(np.array([s]), legal).item() for s in ([3, 2, 1], [3, 1, 2])]
    [True, False]
    """
    worst = np.where(legal, scores, np.inf).min(axis=-1)
    best = np.where(legal, -np.inf, scores).max(axis=-1)
    return np.asarray(worst > best)
