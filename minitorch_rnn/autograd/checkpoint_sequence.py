"""checkpoint_sequence: a long sequence in segments, each forgotten and computed again in backward.

Of T time steps in segments of n the graph keeps the T / n states at the borders, and backward holds
the values of one segment at a time: with n = sqrt(T) both grow as sqrt(T).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.autograd.checkpoint import alone, checkpoint
from minitorch_rnn.autograd.nested import leaves, replaced
from minitorch_rnn.engine import Tensor, constant
from minitorch_rnn.errors import ShapeError


def checkpoint_sequence(
    function: Callable[[Any, Any], tuple[Any, Any]],
    x: Any,
    state: Any = None,
    *,
    checkpoint_every: int | str = "sqrt",
) -> tuple[Any, Any]:
    """function(x, state), run over segments of x in time, of which only the states are kept.

        output(k), s(k+1) = function(x[k n : (k+1) n], s(k)),   s(0) = state,   k = 0 … ⌈T/n⌉ - 1

    What has time as its first axis is joined, a number is a sum over time and is added up: so the
    result is that of function(x, state), of any function that goes forward in time. A recurrent
    layer is one, and so is a layer with a loss behind it. Each segment is a `checkpoint`: backward
    runs the function once more on it, from the last segment to the first.

    Args:
        function: of a segment of x and of the state before it; returns the pair (output, state).
            The output, or each part of it, is a tensor (n, …) for n time steps, a number of shape
            () or None. It must not look back from the end of its segment, as `bidirectional` does,
            and a loss must be a sum over time, not a mean.
        x: (T, …), or tuples, lists and dictionaries of them, all cut alike; None stays None. What
            else a step depends on, such as a mask or the time t itself, goes here too.
        state: before the first step, in the form that the function takes; None if it begins with
            one of its own, as layers do.
        checkpoint_every: n, the time steps of a segment; "sqrt" is the square root of T, rounded
            up. The last segment may be shorter.

    Returns:
        (output, state): of all T steps, and after the last one.

    Raises:
        ShapeError: if the sequences differ in T, if T = 0, or if a part of the output is neither
            (n, …) nor a number.
        ValueError: if checkpoint_every is neither "sqrt" nor an integer of at least 1.
        TypeError: if x holds something else, or the function does not return such a pair.
        GraphError: as `checkpoint`.

    Memory grows as sqrt(T) if the outputs are numbers; outputs of every step cost what they are. A
    Tensor in x is not copied. Of an array, `from_numpy` included, a copy is kept, as a graph does.

    Source: Chen et al., "Training deep nets with sublinear memory cost", 2016; of recurrent
    networks Gruslys et al., "Memory-efficient backpropagation through time", NeurIPS 2016.

    >>> import minitorch_rnn as mt
    >>> lstm, head = mt.nn.LSTM(2, 3), mt.nn.Linear(3, 1)
    >>> def segment(part, state):
    ...     x, target = part
    ...     h, state = lstm(x, state)
    ...     return ((head(h) - target) ** 2).sum(), state
    >>> loss, _ = checkpoint_sequence(segment, (mt.ones(50, 4, 2), mt.zeros(50, 4, 1)))
    >>> loss.backward()
    >>> output, (h_n, c_n) = checkpoint_sequence(lstm, mt.ones(50, 4, 2), checkpoint_every=20)
    >>> output.shape
    (50, 4, 3)
    """
    T = _time(x)
    n = _segment(checkpoint_every, T)
    outputs: list[Any] = []
    for start in range(0, T, n):
        result = checkpoint(function, _cut(x, start, start + n), state)
        output, state = _pair(function, result)
        state = replaced(state, _alone)
        outputs.append(output)
        _check_output(function, outputs, min(n, T - start))
    return _joined(outputs), state


def _time(x: Any) -> int:
    """How many steps every sequence in x has."""
    lengths = []
    for one in leaves(x):
        if one is None:
            continue
        if not isinstance(one, Tensor | np.ndarray) and backend.backend_of(one) is None:
            raise TypeError(
                f"checkpoint_sequence: x holds a {type(one).__name__}; tensors or arrays with time "
                "as their first axis are needed."
            )
        if not one.ndim:
            raise ShapeError(
                "checkpoint_sequence: x holds a single number, of shape (); time is needed as the "
                "first axis. What is the same at all steps belongs to the function."
            )
        lengths.append(one.shape[0])
    if not lengths:
        raise ShapeError("checkpoint_sequence: x holds no sequence; at least one is needed.")
    if len(set(lengths)) > 1:
        raise ShapeError(
            f"checkpoint_sequence: the sequences in x have {', '.join(map(str, lengths))} time "
            "steps, and all are cut alike; the first axis of each must be the same."
        )
    if not lengths[0]:
        raise ShapeError(
            "checkpoint_sequence: x has 0 time steps; expected at least one time step."
        )
    return int(lengths[0])


def _segment(checkpoint_every: Any, T: int) -> int:
    """How many of T time steps are one segment."""
    if isinstance(checkpoint_every, str) and checkpoint_every == "sqrt":
        return math.isqrt(T - 1) + 1
    integer = isinstance(checkpoint_every, int | np.integer)
    if not integer or isinstance(checkpoint_every, bool) or checkpoint_every < 1:
        raise ValueError(
            f"checkpoint_sequence: checkpoint_every is {checkpoint_every!r}; a number of time "
            "steps, an integer of at least 1, or 'sqrt' is needed."
        )
    return int(checkpoint_every)


def _cut(x: Any, start: int, stop: int) -> Any:
    return replaced(x, lambda one: None if one is None else one[start:stop])


def _alone(state: Any) -> Any:
    """A state that was cut off, without the segment that it may be a part of."""
    if not isinstance(state, Tensor) or state.requires_grad:
        return state  # what `checkpoint` made anew
    array = alone(state._data)
    return state if array is state._data else constant(array)


def _pair(function: Any, result: Any) -> tuple[Any, Any]:
    if isinstance(result, tuple) and len(result) == 2:
        return result
    told = type(result).__name__
    told += f" of {len(result)}" if isinstance(result, tuple) else ""
    raise TypeError(
        f"checkpoint_sequence: {_name(function)} returned a {told}; the pair (output, state) is "
        "needed, as recurrent layers return it. None stands for what there is not."
    )


def _check_output(function: Any, outputs: list[Any], n: int) -> None:
    """Whether the last of `outputs`, of a segment of n steps, can be joined to those before."""
    first, last = leaves(outputs[0]), leaves(outputs[-1])
    if [_kind(y) for y in first] != [_kind(y) for y in last]:
        raise TypeError(
            f"checkpoint_sequence: the output of {_name(function)} has {_told(last)} in segment "
            f"{len(outputs) - 1}, and {_told(first)} in segment 0; all must have the same parts."
        )
    for y in last:
        if _kind(y) == "other":
            raise TypeError(
                f"checkpoint_sequence: the output of {_name(function)} holds a {type(y).__name__}; "
                "tensors with time as their first axis, numbers and None can be joined."
            )
        if _kind(y) == "sequence" and len(y) != n:
            raise ShapeError(
                f"checkpoint_sequence: {_name(function)} gave an output of shape {y.shape} for a "
                f"segment of {n} time steps; ({n}, …), which is joined in time, or (), a sum over "
                "time, is needed. Another sum over time can be carried in the state."
            )


def _kind(y: Any) -> str:
    if y is None:
        return "nothing"
    if isinstance(y, int | float | np.number):
        return "number"
    if isinstance(y, Tensor) or backend.backend_of(y) is not None:
        return "sequence" if y.ndim else "number"
    return "other"


def _told(parts: list[Any]) -> str:
    return ", ".join(map(_kind, parts)) or "no part"


def _joined(outputs: list[Any]) -> Any:
    """The outputs of all segments in the form of one: joined in time, or added up."""
    parts = iter(zip(*map(leaves, outputs), strict=True))

    def join(first: Any) -> Any:
        several = next(parts)
        if first is None or len(several) == 1:
            return first
        joins = _kind(first) == "sequence"
        return ops.concatenate(several) if joins else sum(several[1:], first)

    return replaced(outputs[0], join)


def _name(function: Any) -> str:
    return repr(getattr(function, "__name__", function))
