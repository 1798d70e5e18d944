"""Which operations of a graph are drawn as one box: the middle of what repeats over time.

A fold may never close a cycle: where folded boxes would depend on each other in both directions,
as the nodes of a network with feedback do, they become one box.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from minitorch_rnn.errors import GraphError
from minitorch_rnn.teaching.pictures.graphs.nodes import Graph

__all__ = ["Group", "folded"]

ENDS = 2  # repetitions that stay in sight at either end
LEAST = 3  # repetitions in the middle that are worth a fold
PERIOD = 256  # operations in the longest repetition that is looked for
MOST = 250  # boxes that a drawing may have
SHOWN = 60  # boxes that stay in sight where there are more
ONE_BY_ONE = 2000  # operations that are drawn unfolded at most


@dataclass(frozen=True)
class Group:
    """Operations that are drawn as one box.

    Attributes:
        members: their places in the graph, rising.
        times: how often they repeat one pattern; 1 where there is none.
        modules: the modules or nodes of a column that they belong to, as far as it is known.
        steps: their first and last time step, as far as it is known.
    """

    members: tuple[int, ...]
    times: int = 1
    modules: tuple[str, ...] = ()
    steps: tuple[int, int] | None = None


def folded(graph: Graph, places: Any, fold: bool | str) -> tuple[list[Group], Counter[Any]]:
    """The boxes to draw, each after those it depends on, and the links among them.

    Args:
        graph: what to draw.
        places: None, or what knows the module and the time step of a tensor, by its `of`.
        fold: False for a box of each operation, "modules" for one of each module; True folds the
            middle of what repeats, and of what is still too much to look at.

    Returns:
        the boxes; and by (source, target), their places in that list, how many values go there.
    """
    n = len(graph.nodes)
    if fold not in (True, False, "modules"):
        raise ValueError(f"draw_graph: fold is {fold!r}; it is True, False or 'modules'.")
    if not fold and n > ONE_BY_ONE:
        raise GraphError(
            f"draw_graph: {n:,} operations came with fold=False; one by one it draws up to "
            f"{ONE_BY_ONE:,}, since nobody could read more. Leave fold=True, or draw fewer steps."
        )
    alone = [_group(i, None if places is None else places.of(y)) for i, y in enumerate(graph.nodes)]
    groups = alone
    if fold == "modules":
        groups = _merged(alone, _by_module(alone))
    elif fold:
        groups = _merged(alone, _by_step(alone))
        loose = [g.members[0] for g in groups if len(g.members) == 1 and g.steps is None]
        groups = _merged(groups, _repeated(graph, loose))
    groups, links = _in_order(graph, _without_cycles(graph, groups))
    if fold and len(groups) > MOST:
        first, last = SHOWN // 2, len(groups) - SHOWN // 2
        # What lies between two places of such an order closes no cycle.
        groups = [*groups[:first], _joined(groups[first:last], 1), *groups[last:]]
        groups, links = _in_order(graph, groups)
    return groups, links


def _group(i: int, place: Any) -> Group:
    if place is None:
        return Group((i,))
    names = [name for name in place.names if "->" not in name]  # the rest are edges
    # "encoder" is said by "encoder.rnn" too.
    told = [a for a, b in zip(names, [*names[1:], ""], strict=False) if not b.startswith(f"{a}.")]
    modules = (", ".join(told),) if told else ()
    return Group((i,), 1, modules, None if place.step is None else (place.step, place.step))


def _by_step(groups: Sequence[Group]) -> list[Group]:
    """For each module, the middle of each pass over the time steps."""
    passes: dict[tuple[str, ...], list[dict[int, list[Group]]]] = {}
    last: dict[tuple[str, ...], int] = {}
    for group in groups:
        if group.steps is None:
            continue
        key, t = group.modules, group.steps[0]
        runs = passes.setdefault(key, [{}])
        if t != last.get(key, t) and t in runs[-1]:
            runs.append({})  # a second layer of the module, or a second loop, begins
        last[key] = t
        runs[-1].setdefault(t, []).append(group)
    return [
        _joined([g for t in middle for g in run[t]], len(middle))
        for runs in passes.values()
        for run in runs
        if len(middle := list(run)[ENDS:-ENDS]) >= LEAST
    ]


def _by_module(groups: Sequence[Group]) -> list[Group]:
    modules: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        if group.modules:
            modules.setdefault(group.modules, []).append(group)
    return [
        _joined(some, len({g.steps for g in some})) for some in modules.values() if len(some) > 1
    ]


def _repeated(graph: Graph, loose: Sequence[int]) -> list[Group]:
    """The middle of each run of operations that repeats one pattern of names and shapes."""
    kinds: dict[Any, int] = {}
    nodes = [graph.nodes[i] for i in loose]
    codes = np.array([kinds.setdefault((y._op, y.shape), len(kinds)) for y in nodes], dtype=int)
    least = 2 * ENDS + LEAST
    runs = []
    for period in range(1, min(PERIOD, len(loose) // least) + 1):
        same = np.concatenate([[False], codes[period:] == codes[:-period], [False]])
        turns = np.flatnonzero(same[1:] != same[:-1])
        starts, lengths = turns[::2], turns[1::2] - turns[::2]
        for start, times in zip(starts, lengths // period + 1, strict=True):
            if times >= least:
                runs.append((-int(times) * period, period, int(start), int(times)))
    taken = np.zeros(len(loose), dtype=bool)
    found = []
    for negative, period, start, times in sorted(runs):  # the longest first
        stop = start - negative
        if not taken[start:stop].any():
            taken[start:stop] = True
            middle = loose[start + ENDS * period : stop - ENDS * period]
            found.append(Group(tuple(middle), times - 2 * ENDS))
    return found


def _joined(groups: Sequence[Group], times: int) -> Group:
    """One box in place of several."""
    groups = sorted(groups, key=lambda g: g.members)
    steps = [t for g in groups if g.steps for t in g.steps]
    return Group(
        tuple(sorted(i for g in groups for i in g.members)),
        times,
        tuple(dict.fromkeys(name for g in groups for name in g.modules)),
        (min(steps), max(steps)) if steps else None,
    )


def _merged(groups: Iterable[Group], joined: Sequence[Group]) -> list[Group]:
    """`groups`, of which those that are joined into others are left out."""
    inside = {i for g in joined for i in g.members}
    return [*(g for g in groups if g.members[0] not in inside), *joined]


def _links(graph: Graph, groups: Sequence[Group]) -> tuple[list[int], Counter[Any]]:
    """The group of each node, and how many values go from one group to another."""
    owner = [0] * len(graph.nodes)
    for k, group in enumerate(groups):
        for i in group.members:
            owner[i] = k
    links: Counter[Any] = Counter()
    for i, inputs in enumerate(graph.inputs):
        links.update((owner[j], owner[i]) for j in inputs if owner[j] != owner[i])
    return owner, links


def _in_order(graph: Graph, groups: Sequence[Group]) -> tuple[list[Group], Counter[Any]]:
    """Groups without cycles so that each comes after those it depends on, as old as can be."""
    groups = sorted(groups, key=lambda g: g.members)
    _, links = _links(graph, groups)
    users: list[list[int]] = [[] for _ in groups]
    missing = [0] * len(groups)
    for source, target in links:
        users[source].append(target)
        missing[target] += 1
    ready = [k for k, open_ in enumerate(missing) if not open_]
    heapify(ready)
    rank: dict[int, int] = {}
    while ready:
        k = heappop(ready)
        rank[k] = len(rank)
        for user in users[k]:
            missing[user] -= 1
            if not missing[user]:
                heappush(ready, user)
    assert len(rank) == len(groups), "a cycle is left"
    moved = Counter({(rank[s], rank[t]): count for (s, t), count in links.items()})
    return [groups[k] for k in rank], moved


def _without_cycles(graph: Graph, groups: Sequence[Group]) -> list[Group]:
    """One group in place of those that depend on each other: Tarjan's algorithm, with a stack."""
    _, links = _links(graph, groups)
    users: list[list[int]] = [[] for _ in groups]
    for source, target in links:
        users[source].append(target)
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    found: list[Group] = []
    for start in range(len(groups)):
        stack = [(start, iter(users[start]))] if start not in number else []
        while stack:
            k, rest = stack[-1]
            if k not in number:
                number[k] = low[k] = len(number)
                path.append(k)
                on_path.add(k)
            for user in rest:
                if user not in number:
                    stack.append((user, iter(users[user])))
                    break
                if user in on_path:
                    low[k] = min(low[k], number[user])
            else:
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[k])
                if low[k] == number[k]:
                    cut = path.index(k) if path[-1] != k else len(path) - 1
                    part = [groups[j] for j in path[cut:]]
                    on_path.difference_update(path[cut:])
                    del path[cut:]
                    times = {g.times for g in part}
                    found.append(_joined(part, times.pop() if len(times) == 1 else 1))
    return found
