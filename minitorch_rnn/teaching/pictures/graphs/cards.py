"""What is written in the boxes of a graph: operations, folds, and the leaves that enter them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Tensor
from minitorch_rnn.nn import Module
from minitorch_rnn.teaching.pictures.graphs.folding import Group
from minitorch_rnn.teaching.pictures.graphs.nodes import Graph, bytes_text

__all__ = ["Card", "Chip", "card_of", "chip_of", "names_of"]

FEW = 4  # numbers of a gradient that are written out, leaves that a fold shows one by one
WIDEST = 26  # letters in a line


class Chip(NamedTuple):
    """A leaf: its `kind` ("leaf" or "constant"), the lines in it and what a pointer shows."""

    kind: str
    lines: tuple[str, ...]
    title: str


class Card(NamedTuple):
    """A box: its kind ("operation", "fold" or "output"), headline, lines, and the leaves."""

    kind: str
    head: str
    lines: tuple[str, ...]
    chips: tuple[Chip, ...]
    title: str


def names_of(names: Any) -> dict[int, str]:
    """The names of tensors, by the identity of a tensor and of its array.

    Raises:
        TypeError: if `names` is no Module and no mapping of names to Tensors.
    """
    if isinstance(names, Module):
        names = dict(names.named_parameters())
    if names is None:
        names = {}
    if not isinstance(names, Mapping) or any(not isinstance(x, Tensor) for x in names.values()):
        raise TypeError(
            f"draw_graph: names is a {type(names).__name__}; it is a Module, whose parameters have "
            'names, or a mapping of names to Tensors, {"w": w}.'
        )
    found = {}
    for name, x in names.items():
        found[id(x)] = found[id(x._data)] = str(name)
    return found


def card_of(
    graph: Graph, group: Group, names: Mapping[int, str], shown: set[int], last: bool
) -> Card:
    """The card of one box. Of leaves in `shown` the details stand elsewhere; it is added to."""
    leaves = [x for i in group.members for x in graph.leaves[i]]
    chips = tuple(_chips(leaves, names, shown))
    saved = bytes_text(sum(graph.saved[i] for i in group.members))
    if len(group.members) > 1:
        head, lines = _of_fold(graph, group)
        title = f"{head}: {len(group.members):,} operations, {' '.join(lines)}; keeps {saved}"
        return Card("fold", head, (*lines, saved), chips, title)
    y = graph.nodes[group.members[0]]
    assert y._op is not None
    lines = [f"{y.shape} · {saved}"]
    where = [*group.modules, *([] if group.steps is None else [f"t = {group.steps[0]}"])]
    if where:
        lines.append(_cut(", ".join(where)))
    if id(y) in names:
        lines.append(_cut(names[id(y)]))
    lines += _gradient(y)
    keyed = y._op.name == "getitem"
    head = y._op.name + (f" {_key(y._attrs[0])}" if keyed else "")
    title = f"{head}{_attributes(y)}: result of shape {y.shape}, {y.dtype}; keeps {saved}"
    return Card("output" if last else "operation", head, tuple(lines), chips, title)


def chip_of(x: Any, names: Mapping[int, str], shown: set[int], uses: int = 1) -> Chip:
    """The chip of one leaf; its gradient stands at its first chip only."""
    if not hasattr(x, "shape"):
        return Chip("constant", (_cut(f"{x}"),), f"the number {x}")
    often = f", {uses} uses" if uses > 1 else ""
    requires = isinstance(x, Tensor) and x.requires_grad
    name = names.get(id(x)) or ("leaf" if requires else "constant")
    lines = [_cut(name), f"{tuple(x.shape)}{often}"]
    if isinstance(x, Tensor) and id(x) not in shown:
        lines += _gradient(x)
        shown.add(id(x))
    kind = "leaf" if requires else "constant"
    return Chip(kind, tuple(lines), f"{name}: shape {tuple(x.shape)}, {x.dtype}{often}")


def _chips(leaves: Sequence[Any], names: Mapping[int, str], shown: set[int]) -> list[Chip]:
    """A chip for each leaf, or one for all leaves of a kind where they are many."""
    uses = Counter(id(x) for x in leaves)
    once = list({id(x): x for x in leaves}.values())
    known = [x for x in once if isinstance(x, Tensor) and x.requires_grad or id(x) in names]
    chips = []
    for kind, some in (("leaf", known), ("constant", [x for x in once if x not in _Same(known)])):
        if len(some) <= FEW:
            chips += [chip_of(x, names, shown, uses[id(x)]) for x in some]
            continue
        what = "leaves" if kind == "leaf" else "constants"
        shapes = {tuple(np.shape(x)) if not isinstance(x, Tensor) else x.shape for x in some}
        lines = (f"{len(some):,} {what}", f"each {shapes.pop()}" if len(shapes) == 1 else "")
        chips.append(Chip(kind, tuple(line for line in lines if line), f"{len(some):,} {what}"))
    return chips


class _Same:
    """Membership by identity: arrays have no single truth value for `in`."""

    def __init__(self, some: Sequence[Any]) -> None:
        self._ids = {id(x) for x in some}

    def __contains__(self, x: object) -> bool:
        return id(x) in self._ids


def _of_fold(graph: Graph, group: Group) -> tuple[str, list[str]]:
    """The headline and the lines of a box that stands for many operations."""
    count: Counter[str] = Counter()
    for i in group.members:
        op = graph.nodes[i]._op
        assert op is not None
        count[op.name] += 1
    times = group.times if all(n % group.times == 0 for n in count.values()) else 1
    parts = [
        name if n == times else f"{n // times:,} {name}"
        for name, n in (count.items() if times > 1 else count.most_common())
    ]
    if len(parts) > 8:
        parts = [*parts[:7], "…"]
    told = ", ".join(parts)
    steps = ""
    if group.steps:
        first, last = group.steps
        steps = f"t = {first}" if first == last else f"t = {first} … {last}"
    few = group.modules if len(group.modules) <= FEW else (*group.modules[: FEW - 1], "…")
    heads = [_cut(", ".join(few), WIDEST - len(steps)), steps]
    lines = textwrap.wrap(f"{times:,} × ({told})" if times > 1 else told, WIDEST)
    return ", ".join(filter(None, heads)) or f"{len(group.members):,} operations", lines


def _gradient(x: Tensor) -> list[str]:
    """The line for `.grad`, if it is set: its numbers, or its norm where they are many."""
    if not isinstance(x.grad, Tensor):
        return []
    values = backend.to_numpy(x.grad._data)
    told = ", ".join(f"{v:.3g}" for v in values.ravel()[: FEW + 1])
    if values.size == 1:
        return [f"∇ {told}"]
    if values.size <= FEW and len(told) <= WIDEST:
        return [f"∇ [{told}]"]
    return [f"‖∇‖ {np.linalg.norm(values):.3g}"]


def _attributes(y: Tensor) -> str:
    """The other arguments of an operation, for the text that a pointer shows."""
    assert y._op is not None
    named = zip(y._op.parameters[y._op.arity :], y._attrs, strict=False)
    plain = (int, float, str, tuple, type(None))
    told = ", ".join(f"{name}={value}" for name, value in named if isinstance(value, plain))
    return f"({told})" if told and y._op.name != "getitem" else ""


def _key(key: Any) -> str:
    """What stood in the square brackets."""

    def one(part: Any) -> str:
        if part is Ellipsis:
            return "…"
        if isinstance(part, slice):
            ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
            return ":".join(ends) + (f":{part.step}" if part.step not in (None, 1) else "")
        return str(part) if isinstance(part, int) or part is None else "array"

    return _cut(f"[{', '.join(map(one, key if isinstance(key, tuple) else (key,)))}]")


def _cut(text: str, most: int = WIDEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
