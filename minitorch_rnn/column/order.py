"""In which order the nodes of a column are computed, and which of them only step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Component(NamedTuple):
    """Nodes that depend on each other, perhaps at another time: a strongly connected part.

    Attributes:
        nodes: their names, in an order in which they can be computed within one column.
        recurrent: whether they lie on a cycle, which always leads through time. If not, there is
            one node, and all its times can be computed at once.
        backward: whether time runs from T-1 to 0.

    >>> from minitorch_rnn.column import state_space
    >>> [(part.nodes, part.recurrent) for part in state_space(2, 3, 1).components]
    [(('h1',), True), (('Y',), False)]
    """

    nodes: tuple[str, ...]
    recurrent: bool
    backward: bool


def components(
    nodes: Sequence[str], edges: Iterable[tuple[str, str, int]], backward: set[str]
) -> tuple[Component, ...]:
    """The components of nodes that edges (source, target, delay) join, each after its sources."""
    edges = list(edges)
    before = sources({(s, n) for s, n, _ in edges})
    at_once = sources({(s, n) for s, n, delay in edges if delay == 0})
    found: dict[frozenset[str], Component] = {}
    # Whoever depends on a node depends on all its sources and itself: more sources come later.
    for n in sorted(nodes, key=lambda n: len(before.get(n, set()) | {n})):
        around = before.get(n, set())
        members = frozenset(m for m in around if n in before.get(m, ())) | {n}
        if members not in found:
            inside = [m for m in nodes if m in members]
            inside.sort(key=lambda m: len(at_once.get(m, ())))
            found[members] = Component(tuple(inside), n in around, n in backward)
    return tuple(found.values())


def sources(links: set[tuple[str, str]]) -> dict[str, set[str]]:
    """All nodes from which the links (source, target) lead to each node, over any path."""
    direct: dict[str, set[str]] = {}
    for source, target in links:
        direct.setdefault(target, set()).add(source)
    reached: dict[str, set[str]] = {}
    for target in direct:
        seen: set[str] = set()
        waiting = list(direct[target])
        while waiting:
            source = waiting.pop()
            if source not in seen:
                seen.add(source)
                waiting.extend(direct.get(source, ()))
        reached[target] = seen
    return reached


def cycle(links: set[tuple[str, str]]) -> list[str]:
    """The nodes of one cycle of the links, from a node back to it; empty if there is none."""
    before = sources(links)
    for start in sorted(before):
        if start not in before[start]:
            continue
        path = [start]
        while True:  # step to the first source that itself comes after the start
            options = sorted(s for s, n in links if n == path[0])
            step = next(s for s in options if s == start or start in before.get(s, ()))
            if step in path:
                return [step, *path[: path.index(step) + 1]]
            path.insert(0, step)
    return []
