"""What everything is called in the generated source: identifiers made from the column's names."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from minitorch_rnn.column import Column
from minitorch_rnn.teaching.derivation.layout import width

_LONGEST = 14  # of a node's name; a line holds several
_OURS = {
    "B", "T", "_", "backward", "forward", "histories", "np", "params", "sigmoid", "softmax", "t",
    "trace",
}  # fmt: skip
_UNLIKE = {"I", "O", "l"}  # look like 1 and 0
_RESERVED = {*keyword.kwlist, *dir(builtins), *_OURS, *_UNLIKE}


class Names:
    """Identifiers, none of them used twice, and none that Python or the source needs.

    Attributes:
        node: by node, of a(t); with d, z_, dz_, b_ and db_ in front, of what belongs to it.
        weight: by edge, of its matrix: W where it is learned, M where it is fixed.
        factor: by edge, of the error at W a(t-d), a factor of a product.

    >>> from minitorch_rnn.column import delayed
    >>> list(Names(delayed(2, 3, 1, delays=2)).weight.values())
    ['W_x_h1', 'W_h1_h1_1', 'W_h1_Y', 'W_h1_h1_2']
    """

    def __init__(self, column: Column) -> None:
        self._used: set[str] = set(_RESERVED)
        self.node: dict[str, str] = {}
        for node in column.nodes:
            prefixes = ("", "d", "z_", "dz_", "b_", "db_")
            self.node[node.name] = self._free(_cut(node.name), prefixes)
        self.weight: dict[str, str] = {}
        self.factor: dict[str, str] = {}
        owners = [e for e in column.edges if e.shares is None and not isinstance(e.weight, float)]
        several = Counter((e.source, e.target) for e in owners)
        for e in column.edges:
            pair = f"{self.node[e.source]}_{self.node[e.target]}"
            if column.node[e.target].kind == "product":
                delay = f"_{e.delay}" if e.delay else ""
                self.factor[str(e.name)] = self._free(f"du_{pair}{delay}", ("",))
            if e in owners:
                delay = f"_{e.delay}" if several[e.source, e.target] > 1 else ""
                kind = "W" if isinstance(e.weight, str) else "M"
                self.weight[str(e.name)] = self._free(f"{kind}_{pair}{delay}", ("", "d"))
        for e in column.edges:
            if e.shares is not None:
                self.weight[str(e.name)] = self.weight[e.shares]

    def _free(self, wish: str, prefixes: Iterable[str]) -> str:
        """`wish`, with as many _ behind it as it takes to be new under every prefix."""
        while not self._used.isdisjoint(taken := {prefix + wish for prefix in prefixes}):
            wish += "_"
        self._used |= taken
        return wish


def _cut(name: str) -> str:
    """A node's name as Python reads it, and not too long."""
    name = unicodedata.normalize("NFKC", name)
    while width(name) > _LONGEST:
        name = name[:-1]
    return name


def module_name(column: Column) -> str:
    """The name of the file: that of the column, as far as a file can have it.

    >>> from minitorch_rnn.column import state_space
    >>> module_name(state_space(2, 3, 1, layers=2))
    'state_space_2_bptt'
    """
    stem = re.sub(r"[^a-z0-9]+", "_", column.name.lower()).strip("_")[:60].strip("_")
    if not stem or stem[0].isdigit():
        stem = f"column_{stem}".rstrip("_")
    return f"{stem}_bptt"
