"""The slow road: a recurrent layer step by step, every state a node of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.engine import Tensor, raw, time_steps
from minitorch_rnn.nn.cells import Cell

States = tuple[Tensor, ...]


class Unrolled(NamedTuple):
    """Every state of a recurrent layer as a node of the graph.

    Attributes:
        output, last: what calling the layer returns.
        states: by name, "h" and for an LSTM "c": ``states["h"][k][t]`` is (B, H), the state at time
            t of layer k, or of layer and direction, k = 2 l + direction, as in h_n. Beyond the end
            of a short sequence it means nothing, and has no gradient.
    """

    output: Any
    last: Any
    states: dict[str, list[list[Tensor]]]

    def retain_grad(self) -> Unrolled:
        """Let every state keep its total gradient in `.grad` when a `backward` comes by."""
        for layers in self.states.values():
            for steps in layers:
                for state in steps:
                    if state.requires_grad:
                        state.retain_grad()
        return self


def stepped(
    cell: Cell,
    reverse: bool,
    lengths: np.ndarray | None,
    x: Tensor,
    state: Sequence[Tensor],
    weights: Sequence[Any],
) -> tuple[list[States], Tensor, States]:
    """Run one layer in one direction over x (T, B, I).

    A sequence that has ended, or of the reverse direction one that has not begun, keeps its state:
    so the reverse direction begins at the end of each sequence.

    Returns:
        the states by t; h(t) for all t, (T, B, H), 0 behind the end of a sequence; and the states
        after the last step of each sequence, each (1, B, H).
    """
    T, now = len(x), tuple(state)
    alive = _alive_at(x, lengths)
    run: list[States] = [now] * T
    for t in time_steps(range(T)[::-1] if reverse else range(T)):
        run[t] = new = cell.step(x[t], now, *weights)
        if alive[t] is not None:
            new = tuple([ops.where(alive[t], n, s) for n, s in zip(new, now, strict=True)])
        now = new
    heard = [
        states[0] if going is None else ops.where(going, states[0], 0.0)
        for states, going in zip(run, alive, strict=True)
    ]
    return run, ops.stack(heard), tuple([s.unsqueeze(0) for s in now])


def _alive_at(x: Tensor, lengths: np.ndarray | None) -> list[Any]:
    """By t, which sequences of x (T, B, ·) have not ended, (B, 1); None where all go on."""
    if lengths is None:
        return [None] * len(x)
    T, shortest = len(x), lengths.min(initial=len(x))
    # One array for all t: it may have to be brought to a device.
    alive = backend.namespace(raw(x)).asarray(lengths[:, None] > np.arange(T)[:, None, None])
    return [None if t < shortest else alive[t] for t in range(T)]
