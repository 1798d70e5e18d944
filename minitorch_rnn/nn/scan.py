"""The fast road: a recurrent layer in one direction, over a whole sequence, as one node of a graph.

The node has several outputs, h(t) for all t and the last states: parts that lead to it. Its rule is
the backward pass of `passes`. Where the gradient is to be differentiated again, the layer is
unrolled step by step instead, into operations that know their own derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import (
    Piece,
    Tensor,
    constant,
    is_grad_enabled,
    joint,
    kept,
    raw,
    record,
    walk,
)
from minitorch_rnn.nn import gpu, passes
from minitorch_rnn.nn.kernels import KERNELS


class Run(NamedTuple):
    """One layer in one direction: what to scan, and how to do the same step by step.

    Attributes:
        mode: the cell, by its name in `KERNELS`.
        reverse: whether it runs from the end of each sequence to its beginning.
        lengths: of each sequence, (B,), on the host; None if all are as long as x. Behind them x
            must be finite.
        unrolled: (x, states, weights): outputs and last states, as `scan` gives them.
    """

    mode: str
    reverse: bool
    lengths: np.ndarray | None
    unrolled: Callable[..., tuple[Any, Sequence[Any]]]

    def turned(self, x: Any) -> Any:
        """x (T, B, ·), each sequence in the order in which it is run through; its own inverse."""
        if not self.reverse or x is None:
            return x
        if self.lengths is None:
            return x[::-1]
        xp, t = backend.namespace(x), np.arange(len(x))[:, None]
        order = np.where(t < self.lengths, self.lengths - 1 - t, t)
        return xp.take_along_axis(x, xp.asarray(order[:, :, None]), 0)


class _Saved:
    """What the node keeps for its rule; the sequences are turned.

    No tuple, into which a checkpoint would look for what must be the same in a second run.
    """

    __slots__ = ("kept", "states", "x")

    def __init__(self, x: Any, kept: Any, states: int) -> None:
        self.x, self.kept, self.states = x, kept, states


def scan(
    run: Run, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor | None]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a layer over x.

    Args:
        run: what to scan.
        x: (T, B, I), T and B at least 1.
        states: those before the first step, each (B, H).
        weights: weight_ih, weight_hh, bias_ih, bias_hh; both biases or none.

    Returns:
        h(t) for all t, (T, B, H), 0 behind the end of a sequence; and the states after the last
        step of each sequence, each (1, B, H).
    """
    given = [x, *states, *[w for w in weights if w is not None]]
    tracked = is_grad_enabled() and any([tensor._tracked for tensor in given])
    turned = run.turned(x._data)
    values = [None if w is None else w._data for w in weights]
    with backend.told(f"scan_{run.mode}"):
        found, last = _passes(turned).forward(
            run.mode, turned, [s._data for s in states], values, run.lengths, tracked
        )
    output = run.turned(found.h[1:])
    if not tracked:
        return constant(output), tuple([constant(s) for s in last])
    inputs = tuple([kept(tensor, tensor._data) for tensor in given])
    # Of memory that somebody else may write to the graph keeps a copy, and so must the rule.
    turned = turned if raw(inputs[0]) is x._data else run.turned(raw(inputs[0]))
    saved = _Saved(turned, found, len(states))
    y = record(_WHOLE[run.mode], output, inputs, (run, saved))
    first, *rest = [
        record(_PART[run.mode], part, (y,), (k,)) for k, part in enumerate([output, *last])
    ]
    return first, tuple(rest)


def _passes(x: Any) -> ModuleType:
    """What makes the two passes over an array like x."""
    return passes if backend.device_of(x) is None else gpu


def _part_rule(wanted: list[bool], g: Any, y: Any, whole: Any, k: int) -> list[Piece]:
    return [Piece(k, g, _gathered)]


def _gathered(pieces: list[Piece], whole: Tensor) -> list[Any]:
    """The gradients of the output and of the last states; None where none came."""
    found: list[Any] = [None] * (1 + whole._attrs[1].states)
    for k, g, _ in pieces:  # each part sends one, the sum of all that reached it
        found[k] = g
    return found


def _whole_rule(wanted: list[bool], gradients: list[Any], y: Any, *rest: Any) -> Sequence[Any]:
    *inputs, run, saved = rest
    if isinstance(y, Tensor):
        return _differentiable_rule(wanted, gradients, inputs, run, saved)
    weights = inputs[1 + saved.states :]
    gradients = [run.turned(gradients[0]), *gradients[1:]]
    dx, *others = _passes(saved.x).backward(
        run.mode, saved.x, saved.kept, weights, run.lengths, gradients, wanted
    )
    return [run.turned(dx), *others][: len(inputs)]


def _differentiable_rule(
    wanted: list[bool], gradients: list[Any], inputs: list[Any], run: Run, saved: _Saved
) -> Sequence[Any]:
    """The same gradients, in operations that can be differentiated again."""
    tensors = [x if isinstance(x, Tensor) else constant(x) for x in inputs]
    states, weights = tensors[1 : 1 + saved.states], [*tensors[1 + saved.states :], None, None][:4]
    output, last = run.unrolled(tensors[0], states, weights)
    asked = [(y, g) for y, g in zip([output, *last], gradients, strict=True) if g is not None]
    ends = {x._index: x for x, ask in zip(tensors, wanted, strict=True) if ask}
    found = walk([y for y, _ in asked], [g for _, g in asked], ends, create_graph=True, stop=True)
    return [found.pop(x._index, None) for x in tensors]  # once, also where a tensor is used twice


_WHOLE = {mode: joint(f"scan_{mode}", _whole_rule) for mode in KERNELS}
_PART = {mode: joint(f"scan_{mode}", _part_rule) for mode in KERNELS}
