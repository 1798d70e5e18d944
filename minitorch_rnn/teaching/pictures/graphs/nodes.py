"""What the autograd graph of a tensor holds: operations, leaves and bytes; without recursion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import DTypeError, GraphError

__all__ = ["Graph", "bytes_text", "graph_of", "graph_table", "operations"]


@dataclass(frozen=True)
class Graph:
    """The recorded graph behind a tensor; operations go by their place in creation order.

    Attributes:
        nodes: the tensors that operations made, oldest first: every input before its users.
        inputs: of each node, the places of the nodes it was computed from, one for each argument.
        leaves: of each node, what it was computed from besides: leaf tensors, arrays and numbers.
        saved: of each node, the bytes that the graph keeps alive through it for the walk back: its
            value, constants, and what its rule kept. Memory that several nodes share counts at
            the first of them, that of leaf tensors nowhere.
    """

    nodes: list[Tensor]
    inputs: list[list[int]]
    leaves: list[list[Any]]
    saved: list[int]

    @property
    def leaf_tensors(self) -> list[Tensor]:
        """Every leaf tensor once, in the order of first use."""
        found = {id(x): x for some in self.leaves for x in some if isinstance(x, Tensor)}
        return list(found.values())


def graph_of(tensor: Any) -> Graph:
    """The graph behind `tensor`.

    Raises:
        GraphError: if a walk has freed it.
        DTypeError: if `tensor` is no Tensor.
    """
    if not isinstance(tensor, Tensor):
        raise DTypeError(
            f"draw_graph: got a {type(tensor).__name__}; a Tensor has a graph. Of what a recurrent "
            "layer returns, (output, h_n), take one."
        )
    nodes = operations(tensor, "draw_graph")
    place = {id(y): i for i, y in enumerate(nodes)}
    graph = Graph(nodes, [], [], [])
    seen: set[Any] = {id(_root(x._data)) for y in nodes for x in y._inputs or () if _is_leaf(x)}
    for y in nodes:
        given = y._inputs or ()
        graph.inputs.append([place[id(x)] for x in given if id(x) in place])
        graph.leaves.append([x for x in given if x is not None and id(x) not in place])
        graph.saved.append(_saved(y, seen))
    return graph


def operations(tensor: Tensor, who: str) -> list[Tensor]:
    """All tensors that operations made on the way to this one, oldest first: inputs before users.

    Raises:
        GraphError: if a walk has freed the graph; `who` complains.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(0.0, requires_grad=True)
    >>> operations(mt.exp(x) * 2.0, "me")
    [tensor(1., op=exp), tensor(2., op=multiply)]
    """
    found: dict[int, Tensor] = {}
    waiting = [tensor]
    while waiting:
        y = waiting.pop()
        if y._op is None or id(y) in found:
            continue
        found[id(y)] = y
        inputs = y._inputs
        if inputs is None:
            raise GraphError(
                f"{who}: {y._op.name!r} (shape {y.shape}) was freed by a backward walk, which "
                f"frees the graph as it goes. Call {who} before backward(), or keep the graph: "
                "loss.backward(retain_graph=True)."
            )
        waiting += [x for x in inputs if isinstance(x, Tensor)]
    return sorted(found.values(), key=lambda y: y._index)


def graph_table(tensor: Any) -> str:
    """The operations behind a tensor, how many of each, and the bytes that they keep; as a table.

    Raises:
        GraphError: if a walk has freed the graph.
        DTypeError: if `tensor` is no Tensor.

    >>> import minitorch_rnn as mt
    >>> h = w = mt.tensor([0.5, 0.5], requires_grad=True)
    >>> for t in range(100):
    ...     h = mt.tanh(w * h)
    >>> print(graph_table(h.sum()))
    operation  count    saved
    multiply     100   1.6 kB
    tanh         100   1.6 kB
    sum            1      8 B
    total        201   3.2 kB
    """
    graph = graph_of(tensor)
    count: Counter[str] = Counter()
    saved: Counter[str] = Counter()
    for y, size in zip(graph.nodes, graph.saved, strict=True):
        assert y._op is not None
        name = y._op.name
        count[name] += 1
        saved[name] += size
    rows = [(name, n, saved[name]) for name, n in count.items()]
    rows.append(("total", len(graph.nodes), sum(graph.saved)))
    width = max(len("operation"), *(len(name) for name, _, _ in rows))
    lines = [f"{'operation':<{width}}  {'count':>5}  {'saved':>7}"]
    lines += [f"{name:<{width}}  {n:>5}  {bytes_text(size):>7}" for name, n, size in rows]
    return "\n".join(lines)


def bytes_text(size: int) -> str:
    """A number of bytes with a unit of a thousand.

    >>> bytes_text(24), bytes_text(3_210), bytes_text(1_234_567)
    ('24 B', '3.2 kB', '1.2 MB')
    """
    if size < 1000:
        return f"{size} B"
    value, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.1f} {units[0]}"


def _is_leaf(x: Any) -> bool:
    return isinstance(x, Tensor) and x._op is None


def _saved(y: Tensor, seen: set[Any]) -> int:
    """The bytes that `y` keeps alive and nobody before it, which then are seen."""
    total = 0
    root = id(_root(y._data))
    if root not in seen:
        seen.add(root)
        total += y._data.nbytes
    for array in _arrays([x for x in y._inputs or () if not isinstance(x, Tensor)], y._attrs):
        # A slice of a long array counts alone: one step of a sequence is what one step keeps.
        whole = _root(array)
        key = (id(whole), array.shape, _address(array))
        if key not in seen and id(whole) not in seen:
            seen.add(key)
            total += min(array.nbytes, whole.nbytes)
    return total


def _root(array: Any) -> Any:
    """The array that owns the memory."""
    kind = type(array)
    while type(base := getattr(array, "base", None)) is kind:
        array = base
    return array


def _address(array: Any) -> int:
    if hasattr(array, "__array_interface__"):
        return int(array.__array_interface__["data"][0])
    return int(getattr(getattr(array, "data", None), "ptr", id(array)))


def _arrays(*kept: Any) -> Iterator[Any]:
    """Every array in tuples, lists, dictionaries and objects with slots; Tensors are none."""
    waiting, seen = list(kept), set()
    while waiting:
        x = waiting.pop()
        if isinstance(x, Tensor) or id(x) in seen:
            continue
        seen.add(id(x))
        if hasattr(x, "nbytes") and hasattr(x, "dtype"):
            yield x
        elif isinstance(x, tuple | list):
            waiting += x
        elif isinstance(x, Mapping):
            waiting += x.values()
        elif hasattr(type(x), "__slots__"):
            waiting += [getattr(x, name, None) for name in type(x).__slots__]
