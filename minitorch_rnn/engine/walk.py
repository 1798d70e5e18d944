"""The backward walk: gradients flow from outputs to leaves, newest node first.

One loop over a heap, no recursion. A node is visited once, when all its users have been, so the sum
of their contributions is complete; it is freed as the walk leaves it.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from minitorch_rnn import backend
from minitorch_rnn.engine import anomaly
from minitorch_rnn.engine.primitive import mixed, primitive, raw
from minitorch_rnn.engine.recording import enable_grad, is_grad_enabled
from minitorch_rnn.engine.staying import check_staying
from minitorch_rnn.engine.tensor import Tensor, constant
from minitorch_rnn.errors import BackendError, GraphError, ShapeError


class Piece(NamedTuple):
    """A gradient for part of an input: the rest is zero. `add` puts all pieces into one buffer.

    A rule that returns `g` scattered into zeros would cost the size of its input each time, and a
    sequence of T steps sliced T times would cost T². The walk collects the pieces instead.
    """

    key: Any
    gradient: Any
    add: Callable[..., Any]


def seed_of(output: Tensor, gradient: Any, create_graph: bool = False) -> Any:
    """The gradient that starts the walk at `output`; implied only for a scalar."""
    if not isinstance(output, Tensor) or not output._tracked:
        raise GraphError(
            "backward: the output does not require a gradient: nothing it was computed from has "
            "requires_grad=True, or it was computed under no_grad()."
        )
    data = output._data
    if gradient is None:
        if data.size != 1:
            raise GraphError(
                f"backward: the output has shape {data.shape}, and a gradient is implied only for "
                f"one element. Pass gradient= of shape {data.shape}, or reduce: y.sum().backward()."
            )
        gradient = backend.namespace(data).ones(data.shape, dtype=data.dtype)
    if create_graph and isinstance(gradient, Tensor):
        seed = gradient
    else:
        seed = backend.plain("backward", raw(gradient), data.dtype)
        if backend.backend_of(seed) is None:
            seed = backend.namespace(data).asarray(seed, dtype=data.dtype)
    if backend.backend_of(raw(seed)) is not backend.backend_of(data):
        raise BackendError(mixed("backward", (output, seed)))
    if seed.shape != data.shape:
        raise ShapeError(
            f"backward: gradient has shape {seed.shape}, but the output has shape {data.shape}."
        )
    return seed


@primitive(lambda g, y, x: g)
def clone(x: Any) -> Any:
    """A copy of x that shares no memory with it; gradients flow through.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 2.0], requires_grad=True)
    >>> x.clone().sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """
    return x.copy()


def backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add d(self)/d(leaf), times `gradient`, to `.grad` of every leaf that requires it.

    Args:
        gradient: gradient of some later scalar with respect to this tensor, of its shape.
            May be left out for a single element, where it is 1.
        retain_graph: keep the graph for a further walk; None means as `create_graph`.
        create_graph: record the walk itself, so that the gradients can be differentiated.
            Leaves and their `.grad` then refer to each other; prefer `autograd.grad`.

    Under `no_grad` too, `create_graph` records the walk.

    Raises:
        GraphError: without a graph, without a gradient for a non-scalar, over a graph that was
            walked and freed, or when an input was changed in place since it was used.
        ShapeError: if `gradient` has another shape than the tensor.
    """
    walk([self], [seed_of(self, gradient, create_graph)], None, retain_graph, create_graph)


def walk(
    outputs: Sequence[Tensor],
    seeds: Sequence[Any],
    wanted: dict[int, Tensor] | None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    stop: bool = False,
    fresh: bool = False,
) -> dict[int, Tensor]:
    """Send `seeds` back from `outputs`.

    With `wanted` (tensors by index) only the paths to those are followed and their gradients are
    returned by index; with None every leaf that requires a gradient adds it to its `.grad`. With
    `stop` the wanted ones are where the walk ends: it runs none of their hooks and follows no path
    through them. With `fresh` they were made for this walk, so that no older tensor depends on them
    and it does not matter what of those was freed.
    """
    if not create_graph:
        check_staying("gradients without create_graph")
    elif not is_grad_enabled():
        with enable_grad():
            return walk(outputs, seeds, wanted, retain_graph, create_graph, stop, fresh)
    retain = create_graph if retain_graph is None else retain_graph
    useful = None if wanted is None else _leading_to(wanted, outputs, stop, fresh)
    ends: dict[int, Tensor] = wanted if stop and wanted is not None else {}
    found: dict[int, Tensor] = {}
    leaves: list[tuple[Tensor, Tensor]] = []
    waiting = _Waiting()
    for y, seed in zip(outputs, seeds, strict=True):
        if create_graph and not isinstance(seed, Tensor):
            seed = constant(clone(seed))  # rules will record it; the caller keeps his own
        waiting.add(y, seed)
    while waiting.heap:
        i, y, total, owned = waiting.newest()
        if y._hooks and i not in ends:
            total, owned = _after_hooks(y, total, create_graph), False
        if (y._op is None) if wanted is None else (i in wanted):
            mine = total if owned else clone(total)
            mine = mine if isinstance(mine, Tensor) else constant(mine)
            if wanted is None:
                leaves.append((y, mine))
            else:
                found[i] = mine
        if y._op is not None and i not in ends:
            for x, g in _contributions(y, i, total, useful, create_graph):
                if g.__class__ is not Piece and g.shape != x._data.shape:
                    raise ShapeError(
                        f"backward: a rule of {y._op.name!r} gave a gradient of shape {g.shape} "
                        f"for an input of shape {x.shape}."
                    )
                waiting.add(x, g)
            if not retain:
                y._inputs = None
                y._attrs = ()
                if anomaly.made is not None:
                    anomaly.made.pop(i, None)
    for leaf, _ in leaves:  # at the end: what raises on the way leaves every `.grad` as it was
        leaf._check_grad()
    for leaf, mine in leaves:
        leaf._accumulate(mine)
    return found


class _Waiting:
    """Tensors that a gradient has reached, by index, until all their users have been visited."""

    __slots__ = ("heap", "nodes", "owned", "pieces", "totals")

    def __init__(self) -> None:
        self.nodes: dict[int, Tensor] = {}
        self.totals: dict[int, Any] = {}  # the sum of what has arrived so far
        self.pieces: dict[int, list[Piece]] = {}
        self.owned: set[int] = set()  # totals that were made here: they may be added to in place
        self.heap: list[int] = []

    def add(self, x: Tensor, g: Any) -> None:
        """A gradient `g` arrives at `x`: assign first, then add, then add in place."""
        i = x._index
        if i not in self.nodes:
            self.nodes[i] = x
            heappush(self.heap, -i)
        if g.__class__ is Piece:
            self.pieces.setdefault(i, []).append(g)
            return
        if g.dtype != x._data.dtype:
            g = g.astype(x._data.dtype)
        totals = self.totals
        if i not in totals:
            totals[i] = g
        elif i in self.owned:
            totals[i] += g
        else:
            totals[i] = totals[i] + g
            self.owned.add(i)

    def newest(self) -> tuple[int, Tensor, Any, bool]:
        """The newest tensor: its index, itself, its total, and whether nobody else has that."""
        i = -heappop(self.heap)
        y = self.nodes.pop(i)
        if i not in self.pieces:
            return i, y, self.totals.pop(i), i in self.owned
        pieces = self.pieces.pop(i)
        total = pieces[0].add(pieces, y)
        if i in self.totals:
            total = total + self.totals.pop(i)
        return i, y, total, True


def _contributions(
    y: Tensor, i: int, g: Any, useful: set[int] | None, create_graph: bool
) -> list[tuple[Tensor, Any]]:
    """What the gradient `g` of node `y` gives to each of its inputs."""
    op, inputs = y._op, y._inputs
    assert op is not None
    if inputs is None:
        raise _walked_before(y)
    args = [y] if create_graph else [y._data]
    for k, x in enumerate(inputs):
        if isinstance(x, Tensor):
            if x._index > i:
                raise GraphError(
                    f"backward: input {k} of {op.name!r} (shape {x.shape}) was changed in place "
                    f"after {op.name!r} used it. Call backward() before the optimizer step."
                )
            args.append(x if create_graph else x._data)
        else:
            args.append(x)
    args.extend(y._attrs)
    if op.joint is not None:
        wanted = [
            isinstance(x, Tensor) and x._tracked and (useful is None or x._index in useful)
            for x in inputs
        ]
        given = zip(inputs, wanted, op.joint(wanted, g, *args), strict=True)
        found = [(x, gx) for x, asked, gx in given if asked and gx is not None]
    else:
        found = [
            (x, rule(g, *args))
            for x, rule in zip(inputs, op.rules, strict=True)
            if rule is not None
            and isinstance(x, Tensor)
            and x._tracked
            and (useful is None or x._index in useful)
        ]
    if anomaly.made is not None:
        for x, gx in found:
            k = [x is given for given in inputs].index(True)
            gx = gx.gradient if gx.__class__ is Piece else gx
            anomaly.check_gradient(op.name, i, k, raw(g), raw(gx))
    return found


def _after_hooks(y: Tensor, total: Any, create_graph: bool) -> Any:
    for _, hook in sorted(y._hooks.items()):
        new = hook(clone(total) if create_graph else constant(clone(total)))
        if new is None:
            continue
        new = returned("hook", new, y)
        total = (new if create_graph else new._data).astype(y._data.dtype)
    return total


def returned(who: str, gradient: Any, like: Any) -> Tensor:
    """A gradient that a user's function gave for the tensor or array `like`, as a Tensor.

    Raises:
        GraphError: if it has another shape.
        DTypeError: if it is complex, or is masked, and `like` is not.
        BackendError: if it lives elsewhere.
    """
    array = raw(like)
    owner = backend.backend_of(array)
    assert owner is not None
    given = backend.plain(who, raw(gradient), array.dtype)
    if not isinstance(gradient, Tensor):
        gradient = Tensor(given, backend=owner.name)
    if gradient.shape != array.shape:
        raise GraphError(
            f"{who}: returned a gradient of shape {gradient.shape} for a tensor of shape "
            f"{array.shape}."
        )
    if backend.backend_of(gradient._data) is not owner:
        raise BackendError(mixed(who, (like, gradient)))
    return gradient  # type: ignore[no-any-return]


def _leading_to(
    wanted: dict[int, Tensor], outputs: Sequence[Tensor], stop: bool, fresh: bool
) -> set[int]:
    """Indices of the tensors through which a gradient reaches a wanted one."""
    reached = {y._index: y for y in outputs}
    stack, oldest = list(outputs), min(wanted, default=0)
    while stack:
        y = stack.pop()
        if stop and y._index in wanted:
            continue
        if y._inputs is None:
            if fresh and y._index < oldest:
                continue
            raise _walked_before(y)
        for x in y._inputs:
            if isinstance(x, Tensor) and x._tracked and x._index not in reached:
                reached[x._index] = x
                stack.append(x)
    useful: set[int] = set()
    for i in sorted(reached):  # inputs before their users
        inputs = reached[i]._inputs or ()
        if i in wanted or any(isinstance(x, Tensor) and x._index in useful for x in inputs):
            useful.add(i)
    return useful


def _walked_before(y: Tensor) -> GraphError:
    name = y._op.name if y._op else "leaf"
    return GraphError(
        f"backward: trying to go backward through the graph a second time: {name!r} (shape "
        f"{y.shape}) was freed by the first. Pass retain_graph=True to the first call, or, if this "
        "is a state that is carried on, cut it off: h = h.detach()."
    )
