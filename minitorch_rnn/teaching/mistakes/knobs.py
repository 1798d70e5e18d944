"""The changes that hypotheses are made of: each returns a function that turns knobs of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minitorch_rnn.bptt.trace import Array, Arrays
from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.mistakes.sweep import Rows, Sweep

__all__ = [
    "Change", "after", "assign", "bends", "both", "drop", "gain", "gate", "loss", "moved", "only",
    "opened", "reads", "scaled", "send", "send_da", "take_da", "through",
]  # fmt: skip

Change = Callable[[Sweep, Rows], None]
WHOLE = slice(None)


def both(*changes: Change) -> Change:
    """All of them, in order."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for one in changes:
            one(sweep, rows)

    return change


def drop(keys: Iterable[str], t: int) -> Change:
    """The terms of time t do not count in dW or db."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for key in keys:
            sweep.count[key][t, rows] = 0

    return change


def only(keys: Iterable[str], t: int | None = None, b: int | None = None) -> Change:
    """Only the terms of time t, of sequence b, count in dW or db."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for key in keys:
            kept = np.zeros_like(sweep.count[key][:, rows])
            where = (WHOLE if t is None else t, WHOLE, WHOLE if b is None else b)
            kept[where] = 1
            sweep.count[key][:, rows] *= kept

    return change


def reads(sources: Mapping[str, Array]) -> Change:
    """dW is gathered with these in place of a_s(t-d)."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for key, array in sources.items():
            sweep.source[key].pick(rows, array)

    return change


def take_da(keys: Iterable[str]) -> Change:
    """dW or db is gathered with da in place of dz."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for key in keys:
            sweep.undamped[key][rows] = True

    return change


def send(edges: Iterable[Edge], factor: float, t: Any = WHOLE) -> Change:
    """What goes back over the edges, at t or always, is multiplied."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for e in edges:
            sweep.send[str(e.name)][t, rows] *= factor

    return change


def send_da(edges: Iterable[Edge]) -> Change:
    """What goes back over the edges is made of da in place of dz."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for e in edges:
            sweep.unbent[str(e.name)][rows] = True

    return change


def opened(edges: Iterable[Edge]) -> Change:
    """What is blocked is sent back all the same."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for e in edges:
            sweep.send[str(e.name)][:, rows] = 1

    return change


def through(weights: Mapping[str, Array]) -> Change:
    """The error goes back through other matrices."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for name, W in weights.items():
            sweep.weight[name].pick(rows, W)

    return change


def gate(gates: Mapping[str, Array]) -> Change:
    """The error goes back through other factors of a product."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for name, array in gates.items():
            sweep.gates[name].pick(rows, array)

    return change


def assign(edges: Iterable[Edge]) -> Change:
    """What goes back over the edges overwrites what has been written."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for e in edges:
            sweep.keep[str(e.name)][:, rows] = 0

    return change


def moved(edges: Iterable[Edge], columns: int, clamped: bool = False) -> Change:
    """What goes back over the edges is written some columns too late (or, below 0, too early)."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for e in edges:
            sweep.shift[str(e.name)][rows] = columns
            sweep.clamped[str(e.name)][rows] = clamped

    return change


def bends(jacobians: Mapping[str, Array]) -> Change:
    """dz is made with other Jacobians."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for n, J in jacobians.items():
            sweep.jacobian[n].pick(rows, J)

    return change


def gain(nodes: Iterable[str], factor: float, t: Any = WHOLE) -> Change:
    """dz of the nodes is multiplied, at t or always."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for n in nodes:
            sweep.gain[n][t, rows] *= factor

    return change


def loss(made: Callable[[Array], Array]) -> Change:
    """dY, (T, B, O), is replaced by what is made of it."""

    def change(sweep: Sweep, rows: Rows) -> None:
        for r in range(rows.start, rows.stop):
            sweep.dY[:, r] = made(sweep.dY[:, r])

    return change


def after(made: Callable[[Arrays], Mapping[str, Any]]) -> Change:
    """Results are replaced by what is made of all of them; None of the arrays may be kept."""

    def change(sweep: Sweep, rows: Rows) -> None:
        def last(d: Arrays) -> None:
            new = {name: np.array(value) for name, value in made(d).items()}
            for name, value in new.items():
                d[name][...] = value

        sweep.after(rows, last)

    return change


def scaled(names: Iterable[str], factor: float) -> Change:
    """Results are multiplied."""
    names = tuple(names)
    return after(lambda d: {n: factor * d[n] for n in names})
