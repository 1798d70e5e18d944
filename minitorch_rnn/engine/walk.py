"""The backward walk: gradients flow from outputs to leaves, newest node first.

One loop over a heap, no recursion. A node is visited once, when all its users have been, so the sum
of their contributions is complete; it is freed as the walk leaves it.
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, NamedTuple

from minitorch_rnn import backend
from minitorch_rnn.engine import places
from minitorch_rnn.engine.given import returned, seed_of
from minitorch_rnn.engine.primitive import primitive, raw
from minitorch_rnn.engine.recording import enable_grad, is_grad_enabled
from minitorch_rnn.engine.staying import check_staying
from minitorch_rnn.engine.tensor import FREED, Tensor, accumulate, constant, node
from minitorch_rnn.errors import GraphError, ShapeError


class Piece(NamedTuple):
    """A gradient for part of an input: the rest is zero. `add` puts all pieces into one buffer.

    A rule that returns `g` scattered into zeros would cost the size of its input each time, and a
    sequence of T steps sliced T times would cost T². The walk collects the pieces instead.
    """

    key: Any
    gradient: Any
    add: Callable[..., Any]


class Contribution(NamedTuple):
    """What an operation sends to one of its inputs.

    Attributes:
        number: of the input among the operation's arguments.
        tensor: that input.
        gradient: what is sent, in its shape; where the input stands for all outputs of a scan, a
            tuple of one for each, None where nothing is sent.
        added: whether something had come there before: "+=", and else "=".

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(3.0, requires_grad=True)
    >>> (step, _) = (x + x).backward_steps()
    >>> [(sent.number, sent.gradient.item(), sent.added) for sent in step.contributions]
    [(0, 1.0, False), (1, 1.0, True)]
    """

    number: int
    tensor: Tensor
    gradient: Any
    added: bool


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
    found: dict[int, Tensor] = {}
    for _ in steps(outputs, seeds, wanted, retain_graph, create_graph, stop, fresh, found=found):
        pass
    return found


def steps(
    outputs: Sequence[Tensor],
    seeds: Sequence[Any],
    wanted: dict[int, Tensor] | None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    stop: bool = False,
    fresh: bool = False,
    *,
    found: dict[int, Tensor],
    sent: list[Contribution] | None = None,
) -> Iterator[tuple[Tensor, Any]]:
    """The walk itself, which puts what is wanted into `found`.

    With a list `sent`, it pauses at every tensor, newest first, with the gradient that has come
    there, and the list holds what the tensor's operation has just sent to its inputs. Without, it
    never pauses.
    """
    if not create_graph:
        check_staying("gradients without create_graph")
    elif not is_grad_enabled():
        with enable_grad():
            yield from steps(
                outputs, seeds, wanted, retain_graph, True, stop, fresh, found=found, sent=sent
            )
        return
    retain = create_graph if retain_graph is None else retain_graph
    useful = None if wanted is None else _leading_to(wanted, outputs, stop, fresh)
    ends: dict[int, Tensor] = wanted if stop and wanted is not None else {}
    leaves: list[tuple[Tensor, Tensor]] = []
    waiting = _Waiting(outputs, seeds, create_graph)
    heap, reached = waiting.heap, waiting.reached
    try:
        while heap:
            i = -heappop(heap)
            y, total, owned = waiting.whole(i) if waiting.pieces else reached.pop(i)
            leaf = y._op is None
            if y._hooks and i not in ends:
                total, owned = _after_hooks(y, total, create_graph), False
            if leaf if wanted is None else (i in wanted):
                mine = total
                if not owned:
                    mine = clone(total) if isinstance(total, Tensor) else total.copy()
                mine = mine if isinstance(mine, Tensor) else node(mine, None, None, ())
                if wanted is None:
                    leaves.append((y, mine))
                else:
                    found[i] = mine
            on = not leaf and i not in ends
            if on:
                _send_on(waiting, y, i, total, useful, create_graph, sent)
            if sent is not None:
                yield y, total
                sent.clear()
            if on and not retain:
                y._first, y._rest = FREED, ()
                for watcher in places.watchers:
                    watcher.freed(i)
        accumulate(leaves)  # at the end: what raises on the way leaves every `.grad` as it was
    except Exception as cause:
        backend.raise_if_of_device(f"backward of {y._op.name!r}" if y._op else "backward", cause)
        raise


class _Waiting:
    """Tensors that a gradient has reached, by index, until all their users have been visited."""

    __slots__ = ("heap", "pieces", "reached")

    def __init__(self, outputs: Sequence[Tensor], seeds: Sequence[Any], create_graph: bool) -> None:
        # With the sum of what has arrived, and whether that was made here: it may be added to.
        self.reached: dict[int, tuple[Tensor, Any, bool]] = {}
        self.pieces: dict[int, list[Piece]] = {}
        self.heap: list[int] = []
        for y, seed in zip(outputs, seeds, strict=True):
            if create_graph and not isinstance(seed, Tensor):
                seed = constant(clone(seed))  # rules will record it; the caller keeps his own
            if y._index in self.reached:
                self.add(y, seed)
            else:
                self.reached[y._index] = y, seed, False
                heappush(self.heap, -y._index)

    def add(self, x: Tensor, g: Any) -> None:
        """A gradient `g` arrives at `x`: assign first, then add, then add in place."""
        i = x._index
        if g.__class__ is Piece:
            self.pieces.setdefault(i, []).append(g)
            g = None
        elif g.dtype != x._data.dtype:
            g = g.astype(x._data.dtype)
        reached = self.reached
        if i not in reached:
            heappush(self.heap, -i)
            reached[i] = x, g, False
        elif g is not None:
            _, total, owned = reached[i]
            if total is None:
                total = g
            elif owned:
                total += g
            else:
                total, owned = total + g, True
            reached[i] = x, total, owned

    def whole(self, i: int) -> tuple[Tensor, Any, bool]:
        """The tensor with the index i, its total with all pieces, and if it was made here."""
        y, total, owned = self.reached.pop(i)
        if i not in self.pieces:
            return y, total, owned
        pieces = self.pieces.pop(i)
        joined = pieces[0].add(pieces, y)
        return y, joined if total is None else joined + total, True


def _send_on(
    waiting: _Waiting,
    y: Tensor,
    i: int,
    g: Any,
    useful: set[int] | None,
    create_graph: bool,
    sent: list[Contribution] | None,
) -> None:
    """Give every input of node `y` its share of the gradient `g`; note it in `sent` if there is."""
    op, first, rest = y._op, y._first, y._rest
    assert op is not None
    if first is FREED:
        raise _walked_before(y)
    if op.joint is not None:
        inputs = first
    else:  # and attributes: these are never tensors
        inputs = (first, rest) if op.pair else (first, *rest)
    args, asked = [g, y if create_graph else y._data], []
    for x in inputs:
        ask = False
        if isinstance(x, Tensor):
            if x._index > i:
                raise _changed_since(y, x)
            ask = x._tracked and (useful is None or x._index in useful)
            if not create_graph:
                x = x._data
        asked.append(ask)
        args.append(x)
    given = op.rules if op.joint is None else op.joint(asked, *args, *rest)
    for k, ask in enumerate(asked):
        if not ask or given[k] is None:
            continue
        x, gx = inputs[k], given[k](*args) if op.joint is None else given[k]
        if places.watchers:
            part = gx.gradient if gx.__class__ is Piece else gx
            for watcher in places.watchers:
                watcher.sent(op.name, i, k, raw(g), raw(part))
        if gx.__class__ is not Piece and gx.shape != x._data.shape:
            raise ShapeError(
                f"backward: a rule of {op.name!r} gave a gradient of shape {gx.shape} "
                f"for an input of shape {x.shape}."
            )
        if sent is not None:
            sent.append(Contribution(k, x, whole(gx, x), x._index in waiting.reached))
        waiting.add(x, gx)


def whole(g: Any, x: Tensor) -> Any:
    """What a rule gave for the input `x` as a tensor of its shape.

    A tuple, one for each or None, where `x` stands for several outputs of a scan.
    """
    if g.__class__ is Piece:
        g = g.add([g], x)
    if g.__class__ is list:
        return tuple([None if part is None else constant(part) for part in g])
    return g if isinstance(g, Tensor) else constant(g)


def _after_hooks(y: Tensor, total: Any, create_graph: bool) -> Any:
    for _, hook in sorted(y._hooks.items()):
        new = hook(clone(total) if create_graph else constant(clone(total)))
        if new is None:
            continue
        new = returned("hook", new, y)
        total = (new if create_graph else new._data).astype(y._data.dtype)
    return total


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
        inputs = y._inputs
        if inputs is None:
            if fresh and y._index < oldest:
                continue
            raise _walked_before(y)
        for x in inputs:
            if isinstance(x, Tensor) and x._tracked and x._index not in reached:
                reached[x._index] = x
                stack.append(x)
    useful: set[int] = set()
    for i in sorted(reached):  # inputs before their users
        inputs = reached[i]._inputs or ()
        if i in wanted or any(isinstance(x, Tensor) and x._index in useful for x in inputs):
            useful.add(i)
    return useful


def _changed_since(y: Tensor, x: Tensor) -> GraphError:
    assert y._op is not None and y._inputs is not None
    k, name = [x is given for given in y._inputs].index(True), y._op.name
    return GraphError(
        f"backward: input {k} of {name!r} (shape {x.shape}) was changed in place "
        f"after {name!r} used it. Call backward() before the optimizer step."
    )


def _walked_before(y: Tensor) -> GraphError:
    name = y._op.name if y._op else "leaf"
    return GraphError(
        f"backward: trying to go backward through the graph a second time: {name!r} (shape "
        f"{y.shape}) was freed by the first. Pass retain_graph=True to the first call, or, if this "
        "is a state that is carried on, cut it off: h = h.detach()."
    )
