"""Where the boxes of a graph stand and how its lines run: layer by layer, without crossing a box.

Every box stands in the layer just above its first user, lines that pass a layer have a place of
their own in it, the order within a layer is chosen for few crossings, and boxes move as close to
the middle of their neighbours as their order lets them.

Source: Sugiyama, Tagawa and Toda, IEEE Trans. Systems, Man, and Cybernetics 11 (1981).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Layout", "Size", "laid_out"]

GAP = 26.0  # between boxes of one layer
LANE = 7.0  # on either side of a line that passes a layer
BETWEEN = 44.0  # from layer to layer, where the lines bend
UPRIGHT = 12.0  # of that, where they no longer do
SWEEPS = 8

Point = tuple[float, float]
Link = tuple[int, int]
Slot = tuple[int, int]  # a box, and how many layers below it: 0 is the box, others its line


class Size(NamedTuple):
    """Space that a box takes up: left and right of the line through its middle, and down."""

    left: float
    right: float
    height: float


class Layout(NamedTuple):
    """Where things are.

    Attributes:
        centres: of each box: the middle of its layer, on the line through the box.
        lines: the pieces of each link, cubic curves (3n+1 points); the trunk that links of one
            source share is among the pieces of one of them alone.
    """

    centres: list[Point]
    lines: dict[Link, list[Point]]


def laid_out(sizes: Sequence[Size], links: Sequence[Link], ports: Mapping[Link, float]) -> Layout:
    """A place for each box and a line for each link, from top to bottom.

    Args:
        sizes: of the boxes, each after those it depends on.
        links: (source, target).
        ports: how wide the end of a link is at its target.
    """
    depth = _depths(len(sizes), links)
    layers, above = _slots(depth, links)
    _reorder(layers, above)
    x = _across(layers, above, sizes)
    y = _down(layers, sizes)
    entries = _entries(links, ports, depth, x)
    lines: dict[Link, list[Point]] = {}
    drawn: set[Slot] = set()
    for link in sorted(links, key=lambda link: depth[link[1]]):
        lines[link] = _line(link, depth, sizes, x, y, entries[link], drawn)
    return Layout([(x[k, 0], sum(y[depth[k]]) / 2) for k in range(len(sizes))], lines)


def _depths(n: int, links: Sequence[Link]) -> list[int]:
    """The layer of each box, counted from the top: one above its first user."""
    users: list[list[int]] = [[] for _ in range(n)]
    for source, target in links:
        users[source].append(target)
    from_end = [0] * n
    for k in reversed(range(n)):
        from_end[k] = max([from_end[user] + 1 for user in users[k]], default=0)
    longest = max(from_end, default=0)
    return [longest - d for d in from_end]


def _slots(
    depth: Sequence[int], links: Sequence[Link]
) -> tuple[list[list[Slot]], dict[Slot, list[Slot]]]:
    """What stands in each layer, and what of the layer above each slot continues."""
    layers: list[list[Slot]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for k, d in enumerate(depth):
        layers[d].append((k, 0))
    above: dict[Slot, list[Slot]] = defaultdict(list)
    for source, target in links:
        span = depth[target] - depth[source]
        for i in range(1, span):
            if (source, i) not in above:
                above[source, i].append((source, i - 1))
                layers[depth[source] + i].append((source, i))
        above[target, 0].append((source, span - 1))
    return layers, above


def _below(above: Mapping[Slot, Sequence[Slot]]) -> dict[Slot, list[Slot]]:
    below: dict[Slot, list[Slot]] = defaultdict(list)
    for slot, sources in above.items():
        for source in sources:
            below[source].append(slot)
    return below


def _reorder(layers: list[list[Slot]], above: Mapping[Slot, list[Slot]]) -> None:
    """Order each layer by the middle of its neighbours, as often as it makes crossings fewer."""
    below = _below(above)
    best, fewest = [list(layer) for layer in layers], _crossings(layers, above)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        near, order = (above, layers) if down else (below, layers[::-1])
        for before, layer in zip(order, order[1:], strict=False):
            place = {slot: i for i, slot in enumerate(before)}
            here = {slot: float(i) for i, slot in enumerate(layer)}
            for slot in layer:
                if neighbours := near.get(slot):
                    # Among equals the order stays: `sort` is stable.
                    here[slot] = sum(place[other] for other in neighbours) / len(neighbours)
            layer.sort(key=here.__getitem__)
        crossings = _crossings(layers, above)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _crossings(layers: Sequence[Sequence[Slot]], above: Mapping[Slot, Sequence[Slot]]) -> int:
    total = 0
    for before, layer in zip(layers, layers[1:], strict=False):
        place = {slot: i for i, slot in enumerate(before)}
        seen: list[int] = []
        for slot in layer:
            ends = [place[other] for other in above.get(slot, ())]
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _across(
    layers: Sequence[Sequence[Slot]], above: Mapping[Slot, Sequence[Slot]], sizes: Sequence[Size]
) -> dict[Slot, float]:
    """The x of every slot: near its neighbours, in the order of its layer, without overlaps."""
    below = _below(above)
    rows = [(layer, _side_by_side(layer, sizes)) for layer in layers]
    x = {slot: at for layer, row in rows for slot, at in zip(layer, row, strict=True)}
    pull = _pulls(layers, above, below)
    for sweep in range(2 * SWEEPS):
        near, order = (above, rows) if sweep % 2 == 0 else (below, rows[::-1])
        for layer, row in order:
            wanted, weights = [], []
            for slot in layer:
                neighbours = near.get(slot, ())
                total = sum(pull[other] for other in neighbours)
                middle = sum(pull[other] * x[other] for other in neighbours)
                wanted.append(middle / total if neighbours else x[slot])
                weights.append(pull[slot] if neighbours else 0.01)
            for slot, at in zip(layer, _kept_apart(wanted, weights, row), strict=True):
                x[slot] = at
    return x


def _pulls(
    layers: Sequence[Sequence[Slot]],
    above: Mapping[Slot, Sequence[Slot]],
    below: Mapping[Slot, Sequence[Slot]],
) -> dict[Slot, float]:
    """How much each slot counts: the longest chain most, so that it runs straight down."""
    to, onward = _lengths(layers, above), _lengths(layers[::-1], below)
    longest = max([to[slot] + onward[slot] for slot in to], default=0)
    return {slot: 1 / (1 + longest - to[slot] - onward[slot]) ** 2 for slot in to}


def _side_by_side(layer: Sequence[Slot], sizes: Sequence[Size]) -> list[float]:
    """How far each slot is from the first of its layer, where they stand as close as they may."""
    at, row = 0.0, []
    for i, (k, line) in enumerate(layer):
        size = Size(LANE, LANE, 0.0) if line else sizes[k]
        at += size.left if i else 0.0
        row.append(at)
        at += size.right + (LANE if line else GAP)
    return row


def _lengths(
    layers: Sequence[Sequence[Slot]], near: Mapping[Slot, Sequence[Slot]]
) -> dict[Slot, int]:
    """How many boxes the longest chain to each slot has, from the first of these layers on."""
    length: dict[Slot, int] = {}
    for layer in layers:
        for slot in layer:
            before = max([length[other] for other in near.get(slot, ())], default=0)
            length[slot] = before + (slot[1] == 0)
    return length


def _kept_apart(
    wanted: Sequence[float], weights: Sequence[float], offsets: Sequence[float]
) -> list[float]:
    """The places closest to the wanted ones that are at least as far apart as the offsets.

    Least squares under an order: neighbours that come too close move as one block.
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, n = want - offset, 1
        while blocks and blocks[-1][0] >= mean:
            other, heavy, more = blocks.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, n = weight + heavy, n + more
        blocks.append((mean, weight, n))
    means = [mean for mean, _, n in blocks for _ in range(n)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _down(layers: Sequence[Sequence[Slot]], sizes: Sequence[Size]) -> list[Point]:
    """Top and bottom of each layer."""
    found, top = [], 0.0
    for layer in layers:
        height = max([sizes[k].height for k, i in layer if not i], default=0.0)
        found.append((top, top + height))
        top += height + BETWEEN
    return found


def _entries(
    links: Sequence[Link],
    ports: Mapping[Link, float],
    depth: Sequence[int],
    x: Mapping[Slot, float],
) -> dict[Link, float]:
    """Where each link enters its target: side by side, in the order in which they come."""
    into: dict[int, list[tuple[float, Link]]] = defaultdict(list)
    for source, target in links:
        from_x = x[source, depth[target] - depth[source] - 1]
        into[target].append((from_x, (source, target)))
    found = {}
    for target, ends in into.items():
        at = x[target, 0] - sum(ports[link] for _, link in ends) / 2
        for _, link in sorted(ends):
            found[link] = at + ports[link] / 2
            at += ports[link]
    return found


def _line(
    link: Link,
    depth: Sequence[int],
    sizes: Sequence[Size],
    x: Mapping[Slot, float],
    y: Sequence[Point],
    entry: float,
    drawn: set[Slot],
) -> list[Point]:
    """The curve of a link, from where its trunk is drawn already."""
    source, target = link
    span = depth[target] - depth[source]
    first = max([i for i in range(span) if i == 0 or (source, i) in drawn])
    drawn.update((source, i) for i in range(1, span))

    def box(k: int) -> tuple[float, float]:
        middle, half = sum(y[depth[k]]) / 2, sizes[k].height / 2
        return middle - half, middle + half

    def bottom(i: int) -> float:
        return y[depth[source] + i][1]

    at = (x[source, first], bottom(first) if first else box(source)[1])
    points = [at]
    stops = [(x[source, i], y[depth[source] + i][0], bottom(i)) for i in range(first + 1, span)]
    stops.append((entry, y[depth[target]][0], box(target)[0]))
    leave = bottom(first)
    for to, top, end in stops:
        points += _straight(points[-1], (points[-1][0], leave))
        points += _bend(points[-1], (to, top - UPRIGHT))
        points += _straight(points[-1], (to, end))
        leave = end
    return points


def _straight(a: Point, b: Point) -> list[Point]:
    if a == b:
        return []
    third = [(a[0] + (b[0] - a[0]) * s, a[1] + (b[1] - a[1]) * s) for s in (1 / 3, 2 / 3)]
    return [*third, b]


def _bend(a: Point, b: Point) -> list[Point]:
    middle = (a[1] + b[1]) / 2
    return [(a[0], middle), (b[0], middle), b]
