"""Two ways to go backward that look right, beside the engine's, which waits for all users.

A value that is used twice gets two gradients, and what goes on to its inputs is their sum. A
recursion that follows every path sends both on, one by one: right, and exponential where values
are used twice again and again. One that visits each tensor once sends on whatever came first:
fast, and wrong. The engine visits a tensor when all its users have been visited.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.autograd import grad
from minitorch_rnn.engine import Tensor, constant, raw, seed_of
from minitorch_rnn.engine.walk import whole
from minitorch_rnn.errors import GraphError
from minitorch_rnn.teaching.pictures.graphs.nodes import operations

__all__ = ["Comparison", "Walk", "by_paths", "compare_walks", "first_come", "newest_first"]

SPARE = 60  # calls that a walk leaves to whatever else runs


class Walk(NamedTuple):
    """What a walk found.

    Attributes:
        name: of the walk.
        gradients: by leaf. No `.grad` was touched.
        visits: how often it came to a tensor, leaves included.
        seconds: how long it took.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(2.0, requires_grad=True)
    >>> found = newest_first(x * x)
    >>> found.name, found.gradients[x], found.visits
    ('newest_first', tensor(4.), 2)
    """

    name: str
    gradients: dict[Tensor, Tensor]
    visits: int
    seconds: float


def by_paths(output: Tensor, gradient: Any = None, most: int = 1_000_000) -> Walk:
    """Follow every path from the output to a leaf, by recursion: right, and slow.

        dx = sum over all paths from y to x of the product of the local derivatives on it

    Args:
        output: where to begin; its graph stays as it is.
        gradient: of some later scalar with respect to it; 1 for a single element.
        most: visits that it may take. How many it would take is counted before it begins.

    Raises:
        GraphError: if it would take more visits or a deeper recursion than there may be.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(1.0, requires_grad=True)
    >>> y = x
    >>> for _ in range(10):
    ...     y = y + y
    >>> found = by_paths(y)
    >>> found.gradients[x], found.visits, newest_first(y).visits
    (tensor(1024.), 2047, 11)
    """
    seed, size = seed_of(output, gradient), _size(output, "by_paths")
    if size.visits > most:
        raise GraphError(
            f"by_paths: {size.tensors:,} tensors, but {_many(size.visits)} paths from the output "
            f"into the graph, and it follows each; {most:,} visits are allowed (most=). A value "
            "that is used twice doubles the paths behind it. A walk that waits for all users "
            f"of a tensor makes {size.tensors:,} visits."
        )
    _check_depth("by_paths", size)
    found = _Found("by_paths")

    def send(x: Tensor, g: Any) -> None:
        found.visits += 1
        if x.is_leaf:
            found.add(x, g)
        for source, part in _parts(x, g):
            send(source, part)

    return found.timed(lambda: send(output, seed))


def first_come(output: Tensor, gradient: Any = None) -> Walk:
    """Visit each tensor once, when the first gradient comes, and send that on: fast, and wrong.

    What comes to a computed tensor later is lost, since it has sent on already. Leaves add up all
    that comes. So it is right where every computed tensor has one user, as in a tree, and wrong
    wherever paths meet again.

    Args:
        output, gradient: as in `by_paths`.

    Raises:
        GraphError: if it would take a deeper recursion than there may be.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(3.0, requires_grad=True)
    >>> y = 2.0 * x
    >>> loss = y * y + y
    >>> first_come(loss).gradients[x], newest_first(loss).gradients[x]
    (tensor(12.), tensor(26.))
    """
    seed, size = seed_of(output, gradient), _size(output, "first_come")
    _check_depth("first_come", size)
    found, been = _Found("first_come"), set()

    def send(x: Tensor, g: Any) -> None:
        if x.is_leaf:
            found.add(x, g)
        if id(x) in been:
            return
        been.add(id(x))
        found.visits += 1
        for source, part in _parts(x, g):
            send(source, part)

    return found.timed(lambda: send(output, seed))


def newest_first(output: Tensor, gradient: Any = None) -> Walk:
    """The engine's own walk: each tensor once, after all its users, without recursion.

    Creation order is a topological order: whoever used a tensor was made after it.

    Args:
        output, gradient: as in `by_paths`.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(3.0, requires_grad=True)
    >>> newest_first(x * x).gradients
    {tensor(3., requires_grad=True): tensor(6.)}
    """
    size, leaves = _size(output, "newest_first"), _leaves(output)
    start = time.perf_counter()
    given = grad([output], leaves, [gradient], retain_graph=True, allow_unused=True)
    seconds = time.perf_counter() - start
    found = {x: g for x, g in zip(leaves, given, strict=True) if g is not None}
    return Walk("newest_first", found, size.tensors, seconds)


class Row(NamedTuple):
    """One walk in a comparison.

    Attributes:
        name: of the walk.
        visits: how many it made, or would have made.
        seconds: how long it took; None where it was not run.
        error: largest difference of an element of a gradient from the engine's; None likewise.
        reason: why it was not run, else "".
    """

    name: str
    visits: int
    seconds: float | None
    error: float | None
    reason: str


class Comparison(NamedTuple):
    """Walks over one graph, a row for each; printing it gives the table.

    >>> import minitorch_rnn as mt
    >>> y = mt.tensor(1.0, requires_grad=True)
    >>> for _ in range(40):
    ...     y = y + y
    >>> print(compare_walks(y))  # doctest: +ELLIPSIS
    walk                visits    seconds  largest error
    newest_first            41  ...  0
    by_paths           2.2e+12          -  not run
    first_come              41  ...  1.1e+12
    by_paths: 41 tensors, but 2.2e+12 paths from the output into the graph, ...
    """

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        lines = [f"{'walk':<12}  {'visits':>12}  {'seconds':>9}  largest error"]
        for row in self.rows:
            if row.seconds is None or row.error is None:
                told = f"{'-':>9}  not run"
            else:
                told = f"{row.seconds:>9.2g}  {row.error:.2g}"
            lines.append(f"{row.name:<12}  {_many(row.visits):>12}  {told}")
        return "\n".join(lines + [f"{row.name}: {row.reason}" for row in self.rows if row.reason])


def compare_walks(output: Tensor, gradient: Any = None, most: int = 1_000_000) -> Comparison:
    """All three walks over one graph: visits, seconds, and the error beside the engine's.

    A walk that would explode or recurse too deep is not run; the comparison says why.

    Args:
        output, gradient, most: as in `by_paths`.

    Raises:
        GraphError: if a walk has freed the graph, or `output` requires no gradient.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(0.5, requires_grad=True)
    >>> y = mt.exp(x)
    >>> found = compare_walks(y * y + y)
    >>> [(row.name, row.visits, round(row.error, 3)) for row in found.rows]
    [('newest_first', 4, 0.0), ('by_paths', 8, 0.0), ('first_come', 4, 4.367)]
    """
    real, size = newest_first(output, gradient), _size(output, "compare_walks")
    rows = [Row(real.name, real.visits, real.seconds, 0.0, "")]
    walks: list[tuple[int, Callable[[], Walk]]] = [
        (size.visits, lambda: by_paths(output, gradient, most)),
        (size.tensors, lambda: first_come(output, gradient)),
    ]
    for (visits, run), name in zip(walks, ("by_paths", "first_come"), strict=True):
        try:
            found = run()
        except GraphError as refused:
            rows.append(Row(name, visits, None, None, str(refused).removeprefix(f"{name}: ")))
            continue
        error = max((_apart(found.gradients[x], g) for x, g in real.gradients.items()), default=0.0)
        rows.append(Row(name, found.visits, found.seconds, error, ""))
    return Comparison(tuple(rows))


class _Found:
    """What a walk has found so far."""

    def __init__(self, name: str) -> None:
        self.name, self.visits = name, 0
        self.gradients: dict[Tensor, Any] = {}

    def add(self, x: Tensor, g: Any) -> None:
        self.gradients[x] = self.gradients[x] + g if x in self.gradients else g

    def timed(self, run: Callable[[], None]) -> Walk:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        found = {x: constant(g.copy()) for x, g in self.gradients.items()}
        return Walk(self.name, found, self.visits, seconds)


def _parts(y: Tensor, g: Any) -> Iterator[tuple[Tensor, Any]]:
    """What the operation of `y` sends to its inputs, given the gradient `g` at y; () of a leaf."""
    op, (inputs, attrs) = y._op, y._arguments()
    asked = [isinstance(x, Tensor) and x.requires_grad for x in inputs]
    args = (g, y._data, *map(raw, inputs), *attrs)
    if op is None:
        return
    given = op.joint(asked, *args) if op.joint else op.rules
    for x, ask, rule in zip(inputs, asked, given, strict=False):
        if ask and rule is not None:
            part = whole(rule if op.joint else rule(*args), x)
            if isinstance(part, tuple):
                raise GraphError(
                    f"{op.name}: a whole sequence in one node, which only the engine's walk knows. "
                    "Make the layer with road='graph', where every step has its own."
                )
            yield x, part._data


class _Size(NamedTuple):
    """How many tensors there are, how many paths lead into them, and how long the longest is."""

    tensors: int
    visits: int
    depth: int


def _size(output: Tensor, who: str) -> _Size:
    """Counted in one pass, inputs before users: also where nobody could walk all paths."""
    visits: dict[int, int] = {}
    depth: dict[int, int] = {}
    leaves = set()
    for y in operations(output, who):
        given = [x for x in y._inputs or () if isinstance(x, Tensor) and x.requires_grad]
        leaves |= {id(x) for x in given if x.is_leaf}
        visits[id(y)] = 1 + sum(visits.get(id(x), 1) for x in given)
        depth[id(y)] = 1 + max([depth.get(id(x), 1) for x in given], default=0)
    if not visits:
        return _Size(1, 1, 1)
    return _Size(len(visits) + len(leaves), visits[id(output)], depth[id(output)])


def _leaves(output: Tensor) -> list[Tensor]:
    """Every leaf that requires a gradient, once."""
    given = [x for y in operations(output, "newest_first") for x in y._inputs or ()]
    some = [x for x in given if isinstance(x, Tensor) and x.is_leaf and x.requires_grad]
    return list({id(x): x for x in some or [output]}.values())


def _check_depth(who: str, size: _Size) -> None:
    frame, used = sys._getframe(), SPARE
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    if size.depth + used > sys.getrecursionlimit():
        raise GraphError(
            f"{who}: the longest path is {size.depth:,} tensors, and the recursion takes a call "
            f"for each; Python allows {sys.getrecursionlimit():,} (sys.setrecursionlimit). A loop "
            "over a list of what waits, as in the engine, has no such end."
        )


def _apart(a: Tensor, b: Tensor) -> float:
    found, right = (backend.to_numpy(x._data) for x in (a, b))
    return float(np.abs(found - right).max(initial=0.0))


def _many(count: int) -> str:
    return (
        f"{count:,}" if count < 10**9 else f"{float(count):.1e}" if count < 10**300 else "> 1e300"
    )
