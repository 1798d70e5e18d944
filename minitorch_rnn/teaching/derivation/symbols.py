"""LaTeX symbols made from a column's names, of plain letters whatever the names are made of."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from minitorch_rnn.column import Column, Edge

_GREEK = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
          "sigma tau upsilon phi chi psi omega").split()  # fmt: skip


class Symbols:
    """What nodes and weights are called in equations.

    Attributes:
        node: by node, the symbol of a.
        weight: by edge, of its matrix.

    >>> from minitorch_rnn.column import state_space
    >>> symbols = Symbols(state_space(2, 3, 1))
    >>> print(symbols.node["h1"], symbols.weight["x->h1"])
    h_{1} W_{x \\to h_{1}}
    """

    def __init__(self, column: Column) -> None:
        self.node: dict[str, str] = {}
        for i, node in enumerate(column.nodes):
            symbol = _symbol(node.name)
            new = symbol not in self.node.values()
            self.node[node.name] = symbol if new else f"{{{symbol}}}^{{({i})}}"
        owners = [e for e in column.edges if e.shares is None]
        several = Counter((e.source, e.target) for e in owners)
        self.weight: dict[str, str] = {}
        for e in owners:
            kind = "W" if isinstance(e.weight, str) else "M"
            delay = f"^{{({e.delay})}}" if several[e.source, e.target] > 1 else ""
            pair = f"{self.node[e.source]} \\to {self.node[e.target]}"
            self.weight[str(e.name)] = f"{kind}_{{{pair}}}{delay}"
        self.weight |= {str(e.name): self.weight[e.shares] for e in column.edges if e.shares}

    def of(self, e: Edge) -> str:
        """The symbol of an edge's weight."""
        return self.weight[str(e.name)]


def _symbol(name: str) -> str:
    """One letter, or a word, and the rest as its index.

    >>> print(_symbol("h1"), _symbol("h_f"), _symbol("kept"), _symbol("μ"), _symbol("漢2"))
    h_{1} h_{f} \\mathrm{kept} \\mu n_{2}
    """
    plain = "".join(_letters(c) for c in unicodedata.normalize("NFKD", name))
    base, rest = re.fullmatch(r"_*((?:\\[A-Za-z]+ )|[A-Za-z]*)(.*)", plain).groups()  # type: ignore[union-attr]
    base = base.strip()
    if len(base) > 1 and not base.startswith("\\"):
        base = f"\\mathrm{{{base}}}"
    index = ",".join(part.strip() for part in rest.split("_") if part)
    return f"{base or 'n'}_{{{index}}}" if index else base or "n"


def _letters(c: str) -> str:
    """A character as LaTeX has it: nothing if it has none."""
    if c.isascii():
        return c
    of = unicodedata.name(c, "").removeprefix("GREEK ").partition(" LETTER ")
    greek = of[2].lower().replace("lamda", "lambda").replace("final ", "")
    if unicodedata.name(c, "").startswith("GREEK ") and greek in _GREEK:
        return {"omicron": "o"}.get(greek, f"\\{greek} ")
    return ""
