"""Many reverse sweeps at once, each with a slip of its own; deliberately open to being wrong.

This is slide 94 as slide 95 generalises it, with a knob at every place where a program can go wrong
and one row for each hypothesis. It is no witness: the tests hold it against `bptt.column`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from minitorch_rnn.bptt.trace import Array, Arrays
from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.mistakes.network import Network

__all__ = ["Choice", "Rows", "Sweep"]

Rows = slice  # the rows of one hypothesis; nearly always one


class Choice:
    """Which of several arrays each row uses; number 0 is the right one.

    >>> weight = Choice(np.eye(2), rows=3)
    >>> wrong = -np.eye(2)
    >>> weight.pick(slice(1, 2), wrong)
    >>> [(rows.tolist(), array is wrong) for rows, array in weight.others()]
    [([1], True)]
    """

    def __init__(self, right: Array, rows: int) -> None:
        self.right = right
        self._arrays: dict[int, Array] = {}
        self._of = np.zeros(rows, np.int64)

    def pick(self, rows: Rows, array: Array) -> None:
        """Give `rows` another array."""
        self._arrays[id(array)] = array
        self._of[rows] = id(array)

    def others(self) -> list[tuple[Array, Array]]:
        """The rows that do not use the right array, and what they use."""
        found = ((np.flatnonzero(self._of == key), a) for key, a in self._arrays.items())
        return [(rows, a) for rows, a in found if rows.size]


class Sweep:
    """A sweep of many rows; time is the first axis of its arrays and the rows are the second.

    What runs in the directions that are `turned` is swept the wrong way.

    Attributes:
        dY: (T, R, B, O).
        send: by edge, what the error sent back over it is multiplied by, (T, R, 1, 1): 0 if
            it is blocked.
        keep: by edge, what has been written before is multiplied by it; 0 is an assignment.
        shift: by edge, how many columns later than a_s(t-d) the error is written, (R,).
        clamped: by edge, the rows in which what would be written beyond the first column is
            written there; it is lost in the others, (R,).
        weight: by edge, the matrix the error goes back through.
        gates: by edge into a product, the other factors.
        gain: by node, what dz is multiplied by, (T, R, 1, 1).
        jacobian: by node.
        count: by edge or bias, how often its term of dW or db counts, (T, R, B, 1).
        source: by edge, what stands in place of a_s(t-d) in dW.
        undamped: by edge or bias, the rows that take da for dz in dW or db, (R,).
        unbent: by edge, the rows that send da back in place of dz, (R,).
    """

    def __init__(
        self, net: Network, sizes: Sequence[int], turned: frozenset[str] = frozenset()
    ) -> None:
        T, B, R = net.T, net.B, sum(sizes)
        self.net, self.R, self._turned = net, R, turned
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._single = R == len(sizes)
        one = (T, R, 1, 1)
        self.dY = np.repeat(net.dY[:, None], R, axis=1)
        self.send = {n: np.full(one, float(e.gradient == "full")) for n, e in net.edge.items()}
        self.keep = {n: np.ones(one) for n in net.edge}
        self.shift = {n: np.zeros(R, int) for n in net.edge}
        self.clamped = {n: np.zeros(R, bool) for n in net.edge}
        self.weight = {n: Choice(W, R) for n, W in net.weight.items()}
        self.gates = {n: Choice(g, R) for n, g in net.gates.items() if g is not None}
        self.gain = {n: np.ones(one) for n in net.trace.z}
        self.jacobian = {n: Choice(J, R) for n, J in net.jacobian.items()}
        self.count = {key: np.ones((T, R, B, 1)) for key in net.past}
        self.source = {key: Choice(a, R) for key, a in net.past.items()}
        self.undamped = {key: np.zeros(R, bool) for key in net.past}
        self.unbent = {n: np.zeros(R, bool) for n in net.edge}
        self._after: list[tuple[int, Callable[[Arrays], None]]] = []

    def rows(self, k: int) -> Rows:
        """The rows of hypothesis number k."""
        stop = self._starts[k + 1] if k + 1 < len(self._starts) else self.R
        return slice(int(self._starts[k]), int(stop))

    def after(self, rows: Rows, change: Callable[[Arrays], None]) -> None:
        """When all is computed, let `change` write into the gradients of `rows`."""
        self._after.append((int(np.searchsorted(self._starts, rows.start)), change))

    def run(self) -> Arrays:
        """All gradients, by the names of a Problem's `true`; the first axis is the hypotheses."""
        net, R = self.net, self.R
        size = {n: node.size for n, node in net.column.node.items()}
        length = {n: net.T + sum(reach) for n, reach in net.column.reach.items()}
        da = {n: np.zeros((length[n], R, net.B, size[n])) for n in size}
        dz = {n: np.zeros((net.T, R, net.B, size[n])) for n in net.trace.z}
        self._du: Arrays = {n: np.zeros_like(dz[net.edge[n].target]) for n in self.gates}
        self._others = {n: w.others() for n, w in self.weight.items()}
        self._slopes = {n: j.others() for n, j in self.jacobian.items()}
        self._gates = {n: g.others() for n, g in self.gates.items()}
        self._plain = {n: bool((k == 1).all()) for n, k in self.keep.items()}
        self._moved = {n: np.unique(s[s != 0]) for n, s in self.shift.items()}
        start = net.column.reach[net.column.output][0]
        da[net.column.output][start : start + net.T] = self.dY
        for nodes, times, direction in net.order:
            for t in reversed(times) if direction in self._turned else times:
                for n in nodes:
                    here = da[n][net.column.reach[n][0] + t]
                    dz[n][t] = self._through(n, t, here)
                    for e in net.column.into[n]:
                        self._back(e, t, dz[n][t], here, da)
        return self._collected(da, dz)

    def _through(self, n: str, t: int, da: Array) -> Array:
        """dz = da J."""
        dz = _product(da, self.jacobian[n].right[t])
        for rows, J in self._slopes[n]:
            dz[rows] = _product(da[rows], J[t])
        return np.asarray(dz * self.gain[n][t])

    def _back(self, e: Edge, t: int, dz: Array, unbent: Array, da: Arrays) -> None:
        """da_s(t-d) += dz W."""
        name, net = str(e.name), self.net
        if self.unbent[name].any():
            dz = np.where(self.unbent[name][:, None, None], unbent, dz)
        if name in self.gates:
            du = dz * self.gates[name].right[t]
            for rows, gates in self._gates[name]:
                du[rows] = dz[rows] * gates[t]
            self._du[name][t] = dz = du
        term = dz @ net.weight[name]
        for rows, W in self._others[name]:
            term[rows] = dz[rows] @ W
        term *= self.send[name][t]
        at = net.column.reach[e.source][0] + t + net.column.offset(e)
        for moved in self._moved[name]:
            self._move(name, int(moved), at + int(moved), term, da[e.source])
        if self._plain[name]:
            da[e.source][at] += term
        else:
            da[e.source][at] = self.keep[name][t] * da[e.source][at] + term

    def _move(self, name: str, moved: int, at: int, term: Array, da: Array) -> None:
        """Write the rows that are shifted so far at another column."""
        rows = np.flatnonzero(self.shift[name] == moved)
        da_there = term[rows]
        term[rows] = 0
        if self._turned:
            at %= len(da)  # what a turned sweep carries out at its end is its dh(-1)
        elif not 0 <= at < len(da):
            da_there = da_there[self.clamped[name][rows]]
            rows = rows[self.clamped[name][rows]]
            at = min(max(at, 0), len(da) - 1)
        da[at, rows] += da_there

    def _collected(self, da: Arrays, dz: Arrays) -> Arrays:
        net, reach = self.net, self.net.column.reach
        found: Arrays = {}
        for name, keys in net.terms.items():
            terms = [self._gathered(key, net.node_of(name), da, dz) for key in keys]
            whole = reduce(np.add, terms)  # shared weights add up
            found[name] = whole[..., 0] if name.startswith("bias.") else whole
        for n, whole in da.items():
            kind = "input" if n in net.column.inputs else "da"
            found[f"{kind}.{n}"] = whole[reach[n][0] :][: net.T].swapaxes(0, 1)
            if sum(reach[n]):
                ends = [whole[: reach[n][0]], whole[reach[n][0] + net.T :]]
                found[f"history.{n}"] = np.concatenate(ends).swapaxes(0, 1)
        if not self._single:
            found = {n: np.add.reduceat(g, self._starts, axis=0) for n, g in found.items()}
        for k, change in self._after:
            change({n: g[k] for n, g in found.items()})
        return found

    def _gathered(self, key: str, target: str, da: Arrays, dz: Arrays) -> Array:
        """sum over t and b of outer(dz(t), a_s(t-d)), for every row: (R, n, m)."""
        du = dz[self.net.edge[key].target if key in self.net.edge else target]
        if key in self._du:
            du = self._du[key]
        elif self.undamped[key].any():
            rows, du = np.flatnonzero(self.undamped[key]), du.copy()
            before = self.net.column.reach[target][0]
            du[:, rows] = da[target][before : before + self.net.T, rows]
        counted = (du * self.count[key]).transpose(1, 3, 0, 2)  # (R, n, T, B)
        flat = counted.reshape(*counted.shape[:2], -1)
        right = self.source[key].right
        found = flat @ right.reshape(-1, right.shape[-1])
        for rows, source in self.source[key].others():
            found[rows] = flat[rows] @ source.reshape(-1, source.shape[-1])
        return np.asarray(found)


def _product(da: Array, J: Array) -> Array:
    """da J of one column; a Jacobian of two axes is diagonal."""
    return np.asarray(da * J if J.ndim == 2 else (da[..., None, :] @ J)[..., 0, :])
