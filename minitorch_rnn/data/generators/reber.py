"""The Reber grammar, and the same embedded in itself, which asks for a long memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import cast

import numpy as np

from minitorch_rnn.data.generators.grammar import Grammar

Table = tuple[dict[str, int], ...]

# State by state, the symbols that may come and the state that each leads to. The last is the end.
REBER: Table = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
    {},
)


def _embedded() -> Table:
    """B, then T or P, then a string of REBER, then the T or P from before, then E."""
    n = len(REBER)
    upper, lower, closing = 2, 2 + n, 2 + 2 * n

    def inner(offset: int, symbol: str) -> Table:
        moved = [{c: state + offset for c, state in row.items()} for row in REBER[:-1]]
        return (*moved, {symbol: closing})

    outer: Table = ({"B": 1}, {"T": upper, "P": lower})
    return (*outer, *inner(upper, "T"), *inner(lower, "P"), {"E": closing + 1}, {})


class Reber(Grammar):
    """The Reber grammar: an automaton that emits one of two symbols in most of its states.

    Both symbols are equally likely where there are two. Every string begins with B and ends with
    E. Embedded, the second symbol and the last but one are the same, T or P, and between them
    is a whole string of the plain grammar: what is to be remembered says nothing about what comes
    meanwhile.

    - Shapes: inputs and targets (T, B), whole numbers below 7, for B T S X P V E.
    - Best possible loss: at a step with n legal successors, ln n nats; `legal` counts them.
    - Chance: without a memory of the second symbol, a guess at the last but one is wrong half the
      time, and nothing else need be.
    - Solved: `knows_the_legal` at every step of every string; in the paper on the LSTM there are
      256 strings to train on and 256 others to be judged by.

    Args:
        embedded: the grammar embedded in itself.

    >>> plain, embedded = Reber(), Reber(embedded=True)
    >>> rng = np.random.default_rng(0)
    >>> plain.string(rng), embedded.string(rng)
    ('BPVVE', 'BTBTSSSSXSETE')
    >>> plain.successors("BT"), embedded.successors("BPBPVVE")
    ('SX', 'P')
    >>> batch = plain.draw(rng, 1)
    >>> plain.decode(batch.inputs[:, 0]), plain.decode(batch.targets[:, 0])
    ('BPVV', 'PVVE')

    Sources: Reber, "Implicit learning of artificial grammars", Journal of Verbal Learning and
    Verbal Behavior 6, 1967; Cleeremans, Servan-Schreiber and McClelland, "Finite state automata
    and simple recurrent networks", Neural Computation 1, 1989; embedded: Fahlman, "The recurrent
    cascade-correlation architecture", NIPS 3, 1991, and Hochreiter and Schmidhuber, "Long
    short-term memory", Neural Computation 9, 1997, section 5.1.
    """

    alphabet = "BTSXPVE"

    def __init__(self, embedded: bool = False) -> None:
        self.embedded = embedded
        self.table = _embedded() if embedded else REBER

    def __repr__(self) -> str:
        return f"Reber(embedded={self.embedded})"

    @property
    def start(self) -> int:
        """The number of the state before the first symbol."""
        return 0

    def options(self, state: Hashable) -> str:
        """The symbols that may come next in this state."""
        return "".join(self.table[cast(int, state)])

    def step(self, state: Hashable, symbol: str) -> int:
        """The state that a symbol leads to."""
        return self.table[cast(int, state)][symbol]

    def string(self, rng: np.random.Generator) -> str:
        """A whole string; there is no longest one."""
        state, text = 0, ""
        while choices := self.options(state):
            text += choices[int(rng.integers(len(choices)))]
            state = self.step(state, text[-1])
        return text
