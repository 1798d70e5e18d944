"""The words of the generated source: how values, times, weights and histories are written."""

from __future__ import annotations

from minitorch_rnn.column import Column, Edge
from minitorch_rnn.teaching.derivation.flow import Flow
from minitorch_rnn.teaching.derivation.layout import number
from minitorch_rnn.teaching.derivation.names import Names


class Words:
    """Flow and names of a column, and the expressions that are made of both.

    >>> from minitorch_rnn.column import elman
    >>> words = Words(elman(2, 3, 1))
    >>> [words.term(e) for e in words.column.into["h"]]
    ['x[t] @ W_x_h.T', 'h[t - 1] @ W_h_h.T']
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        self.flow = Flow(column)
        self.names = Names(column)

    def value(self, n: str, offset: int = 0) -> str:
        """a_n(t + offset)."""
        name = self.names.node[n]
        stays = n in self.flow.held or self.column.node[n].kind == "input"
        return f"{name}[{at(offset)}]" if stays else name

    def source(self, e: Edge) -> str:
        """a_s(t-d) of an edge."""
        return self.value(e.source, self.column.offset(e))

    def term(self, e: Edge) -> str:
        """W a_s(t-d) of an edge."""
        weight = self.column.weight(e)
        if isinstance(weight, float):
            return scaled(weight, self.source(e))
        return f"{self.source(e)} @ {self.names.weight[str(e.name)]}.T"

    def factors(self, edges: list[Edge]) -> list[str]:
        """W a_s(t-d) of several edges, to be multiplied."""
        return [
            self.term(e) if isinstance(self.column.weight(e), float) else f"({self.term(e)})"
            for e in edges
        ]

    def error(self, n: str, offset: int = 0) -> str:
        """dDIV/da_n(t + offset)."""
        name = f"d{self.names.node[n]}"
        return f"{name}[{at(offset)}]" if n in self.flow.summed else name

    def link(self, e: Edge) -> str:
        """An edge as comments call it."""
        offset = self.column.offset(e)
        time = "(t)" if not offset else f"(t{offset:+d})"
        return f"{self.names.node[e.source]}{time} -> {self.names.node[e.target]}"

    def outside(self, n: str) -> str:
        """Where the columns outside 0 … T-1 of a node are: "h[-1] is h(-1)"."""
        name, (before, after) = self.names.node[n], self.column.reach[n]
        zero = " = 0" if self.column.node[n].history == "zeros" else ""
        return ", ".join(f"{name}[{t}] is {name}({t}){zero}" for t in edge_times(before, after))

    def rows(self, n: str) -> str:
        """How many columns a node has in all: "T + 1"."""
        extra = sum(self.column.reach[n])
        return f"T + {extra}" if extra else "T"


def at(offset: int) -> str:
    """t + offset as an index.

    >>> at(0), at(-1), at(2)
    ('t', 't - 1', 't + 2')
    """
    return "t" if not offset else f"t {'-' if offset < 0 else '+'} {abs(offset)}"


def edge_times(before: int, after: int) -> list[str]:
    """The first and the last of the times before t = 0, and of those from T on.

    >>> edge_times(1, 0), edge_times(4, 2)
    (['-1'], ['-4', '-1', 'T', 'T + 1'])
    """
    first = [f"-{k}" for k in sorted({before, 1}, reverse=True)] if before else []
    then = [f"T + {k}" if k else "T" for k in sorted({0, after - 1})] if after else []
    return first + then


def scaled(weight: float, value: str) -> str:
    """A fixed number times a value.

    >>> scaled(1.0, "h"), scaled(-1.0, "h"), scaled(0.5, "h")
    ('h', '-h', '0.5 * h')
    """
    if abs(weight) == 1:
        return value if weight > 0 else f"-{value}"
    return f"{number(weight)} * {value}"


def added(terms: list[str]) -> list[str]:
    """Terms as the pieces of a sum.

    >>> added(["x", "-y", "z"])
    ['x', '- y', '+ z']
    """
    return [terms[0], *(f"- {t[1:]}" if t.startswith("-") else f"+ {t}" for t in terms[1:])]


def multiplied(factors: list[str]) -> list[str]:
    """Factors as the pieces of a product.

    >>> multiplied(["x", "0.5 * y", "(z @ W)"])
    ['x', '* 0.5', '* y', '* (z @ W)']
    """
    single = [f for factor in factors for f in ([factor] if "@" in factor else factor.split(" * "))]
    return [single[0], *(f"* {factor}" for factor in single[1:])]


def split(term: str) -> list[str]:
    """A single term as pieces: the places where its line could be broken.

    >>> split("dz @ W")
    ['dz', '@ W']
    """
    left, times, right = term.partition(" @ ")
    return [left, f"@ {right}"] if times else [term]
