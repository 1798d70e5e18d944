"""Slips in the loop over time and in dY: reversed, cut short, shifted, or one step alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minitorch_rnn.bptt.trace import Array, Arrays
from minitorch_rnn.teaching.mistakes.hypothesis import LINES, Hypothesis
from minitorch_rnn.teaching.mistakes.knobs import (
    Change,
    after,
    both,
    gain,
    loss,
    moved,
    reads,
    send,
)
from minitorch_rnn.teaching.mistakes.network import Network, listed, one
from minitorch_rnn.teaching.mistakes.sweep import Rows, Sweep

__all__ = [
    "column_skipped", "last_step_only", "loss_of_one_sequence", "loss_shifted", "reversed_time",
    "swept_forward", "truncated", "turned_sweep", "wrong_way",
]  # fmt: skip


def column_skipped(net: Network) -> Iterator[Hypothesis]:
    """The loop leaves out one column, or one dY(t)."""
    nodes = tuple(net.trace.z)
    for t in range(net.T):
        yield Hypothesis(
            "missing time step",
            f"the sweep leaves out column t = {t}: nothing is gathered or sent back there",
            LINES["loop"],
            "the first and the last t of the loop",
            gain(nodes, 0.0, t),
        )
    for t in range(net.T):
        yield Hypothesis(
            "missing time step",
            f"dY({t}) is left out: column t = {t} has no error of its own",
            LINES["dY"],
            f"which dY(t) are added, and at which t; all outputs count, that of t = {t} too",
            loss(lambda dY, t=t: _without(dY, t)),  # type: ignore[misc]
        )


def _without(dY: Array, t: int) -> Array:
    left = dY.copy()
    left[t] = 0
    return left


def _alone(dY: Array, t: int) -> Array:
    return np.asarray(dY - _without(dY, t))


def last_step_only(net: Network) -> Iterator[Hypothesis]:
    """The divergence of one t alone."""
    for t in (net.T - 1, *range(net.T - 1)):
        yield Hypothesis(
            "last step only",
            f"only dY({t}) is used: the outputs of all other steps send no error",
            LINES["dY"],
            "where dY(t) enters: in the loop over t, once for every column",
            loss(lambda dY, t=t: _alone(dY, t)),  # type: ignore[misc]
        )
    yield from _passed_down_once(net)


def _passed_down_once(net: Network) -> Iterator[Hypothesis]:
    """The output's error enters the last column alone."""
    down = [e for e in net.links if e.target == net.readout and not e.delay]
    down = [e for e in down if e.source not in net.column.inputs]
    if down and net.T > 1:
        yield Hypothesis(
            "last step only",
            f"the output's error goes down at t = {net.T - 1} alone: at other t "
            f"{listed([f'd{e.source}(t)' for e in down])} has what t+1 sends and no more",
            LINES["output"],
            "where dz_o(t) W_o is added: in the loop over t, once for every column",
            send(down, 0.0, slice(0, -1)),
        )


def loss_of_one_sequence(net: Network) -> Iterator[Hypothesis]:
    """The divergence of one sequence alone."""
    for b in range(net.B):
        mask = (np.arange(net.B) == b)[:, None]
        yield Hypothesis(
            "one sequence only",
            f"only sequence {b} of the {net.B} sends an error",
            LINES["dY"],
            "the axis of the batch: every sequence has its own error, and dW adds them up",
            loss(lambda dY, mask=mask: dY * mask),  # type: ignore[misc]
        )


def loss_shifted(net: Network) -> Iterator[Hypothesis]:
    """DY of another time."""
    for shift in (1, -1):
        for around in (False, True):

            def made(dY: Array, shift: int = shift, around: bool = around) -> Array:
                turned = np.roll(dY, -shift, axis=0)
                if not around:
                    turned[-shift:] = 0 if shift > 0 else turned[-shift:]
                    turned[: -shift if shift < 0 else 0] = 0
                return turned

            yield Hypothesis(
                "wrong time step",
                f"column t gets dY(t{shift:+d}) in place of dY(t)",
                LINES["dY"],
                "the index of dY in the loop",
                loss(made),
            )


def reversed_time(net: Network) -> Iterator[Hypothesis]:
    """What runs forward in time is read backward."""
    yield Hypothesis(
        "time reversed",
        "dY is read in reverse: column t gets dY(T-1-t)",
        LINES["dY"],
        "the order of dY: the sweep runs from T-1 to 0, but dY(t) belongs to column t",
        loss(lambda dY: dY[::-1]),
    )
    for n in net.column.inputs:
        name = f"input.{n}"
        yield Hypothesis(
            "time reversed",
            f"{net.d(name)} is in reverse: its row t is that of T-1-t",
            LINES["input"],
            f"the order in which the rows of {net.d(name)} are collected: the sweep makes the "
            "last first",
            after(lambda d, name=name: {name: d[name][::-1]}),  # type: ignore[misc]
        )
    edges = [e for e in net.column.edges if isinstance(net.column.weight(e), str)]
    groups = [*([e] for e in edges), [e for e in edges if e.source in net.column.inputs], edges]
    for some in groups:
        names = tuple(dict.fromkeys(str(net.column.weight(e)) for e in some))
        if some:
            yield Hypothesis(
                "time reversed",
                f"{net.ds(names)} {one(names, 'is', 'are')} gathered with "
                f"{listed(list(dict.fromkeys(e.source for e in some)))} in reverse: dz(t) meets "
                "what belongs to T-1-t",
                LINES["dW"],
                "the order of the two factors of the outer product in time",
                reads({str(e.name): net.past[str(e.name)][::-1] for e in some}),
            )


def turned_sweep(net: Network) -> Iterator[Hypothesis]:
    """The sweep carries its errors the wrong way in time."""
    directions = {"forward", *(net.column.node[n].direction for n in net.trace.z)}
    for turned in [*({d} for d in sorted(directions)), directions]:
        late = [e for e in net.links if e.delay and net.column.node[e.target].direction in turned]
        if not late:
            continue
        way = "t = 0 to T-1" if "forward" in turned else "T-1 to t = 0"
        yield Hypothesis(
            "time reversed",
            f"the sweep over {listed(list(dict.fromkeys(e.target for e in late)))} runs from {way} "
            "and carries its error in that direction, against the links through time",
            LINES["loop" if "forward" in turned else "backward"],
            "the direction of the loop: the sweep runs against the forward pass",
            both(*(moved([e], -2 * net.column.offset(e)) for e in late)),
            turned=frozenset(turned),
        )


def swept_forward(net: Network) -> Iterator[Hypothesis]:
    """The sweep runs in the order of the forward pass: what t+1 sends comes too late."""
    late = [e for e in net.links if e.delay and net.column.node[e.target].direction == "forward"]
    if late and net.T > 1:
        into = [f"d{n}(t)" for n in dict.fromkeys(e.source for e in late)]
        yield Hypothesis(
            "time reversed",
            "the loop runs from t = 0 upwards, so that nothing has come from t+1 when "
            f"{listed(into)} {one(into, 'is', 'are')} used",
            LINES["loop"],
            "the direction of the loop: column t needs what t+1 sends",
            send(late, 0.0, slice(1, None)),
        )


def wrong_way(net: Network) -> Iterator[Hypothesis]:
    """A net that runs backward in time is taken for one that runs forward."""
    edges = [e for e in net.links if e.delay and net.column.node[e.target].direction == "backward"]
    for some in [*([e] for e in edges), edges] if edges else ():
        turned = {str(e.name): net.state(e.source, -net.column.offset(e)) for e in some}
        sends: list[Change] = [moved([e], -2 * e.delay) for e in some]
        what = listed([e.target for e in some])
        for says, change in (
            ("errors are sent to t-1 and states are read there", both(reads(turned), *sends)),
            ("its weight's gradient is gathered with the state at t-1", reads(turned)),
            ("its errors are sent to t-1", both(*sends)),
        ):
            yield Hypothesis(
                "time reversed",
                f"{what}, which runs backward in time, is treated as if it ran forward: {says}",
                LINES["backward"],
                "the direction of the loop for that net: its first column is T-1",
                change,
            )


def truncated(net: Network) -> Iterator[Hypothesis]:
    """The error through time is cut."""
    late = [e for e in net.links if e.delay]
    nodes = tuple(net.trace.z)
    if not late:
        return
    for k in range(1, net.T):
        last = list(range(net.T - k))
        kinds = (
            (
                f"the sweep visits the last {k} columns alone and stops at t = {net.T - k}",
                gain(nodes, 0.0, last),
            ),
            (
                f"the error goes back through time {k} times and stops at t = {net.T - 1 - k}",
                send(late, 0.0, last),
            ),
            (
                f"the error is cut every {k} steps, counted from t = 0",
                send(late, 0.0, [t for t in range(net.T) if t % k == 0]),
            ),
            (
                f"the error is cut every {k} steps, counted from the end",
                send(late, 0.0, [t for t in range(net.T) if (net.T - t) % k == 0]),
            ),
        )
        for says, change in kinds:
            yield _cut(says, change)
        stopped = gain(nodes, 0.0, last)
        start = after(lambda d, t=net.T - k - 1: _carried(net, d, t))  # type: ignore[misc]
        says = f"the sweep stops at t = {net.T - k}, and what it carries there is taken for dh(-1)"
        yield _cut(says, both(stopped, start))
    for k in range(net.T - 1):
        says = f"the error of each output goes back {k} step{'s' * (k != 1)} and no further"
        yield _cut(says, _window(net, k), net.T)


def _carried(net: Network, d: Arrays, t: int) -> Arrays:
    """The error of the column at which a sweep has stopped, as that of the history."""
    return {
        f"history.{n}": d[f"da.{n}"][t][None]
        for n, reach in net.column.reach.items()
        if reach == (1, 0) and n not in net.column.inputs
    }


def _cut(says: str, change: Change, count: int = 1) -> Hypothesis:
    return Hypothesis(
        "truncated",
        f"{says}: the gradient is truncated",
        LINES["time"],
        "how far the loop follows dh(t-1): the full gradient reaches h(-1)",
        change,
        count,
    )


def _window(net: Network, k: int) -> Change:
    """Row i has the error of dY(i) alone, which reaches k states back."""
    late = [str(e.name) for e in net.links if e.delay]

    def change(sweep: Sweep, rows: Rows) -> None:
        for i, r in enumerate(range(rows.start, rows.stop)):
            sweep.dY[:, r] = _alone(sweep.dY[:, r], i)
            for name in late:
                sweep.send[name][: max(i - k + 1, 0), r] = 0

    return change
