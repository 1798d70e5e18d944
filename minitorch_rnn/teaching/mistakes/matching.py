"""Which hypotheses, or pairs of them, give the student's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minitorch_rnn.bptt.trace import Array, Arrays
from minitorch_rnn.teaching.mistakes.hypothesis import Hypothesis
from minitorch_rnn.teaching.mistakes.network import Network
from minitorch_rnn.teaching.mistakes.sweep import Sweep

__all__ = ["Answer", "Explanation", "explanations", "gradients_of", "pairs", "predicted"]

Pair = tuple[Hypothesis, ...]
CHUNK = 768  # rows of one sweep: its arrays stay in the cache
WORK = 2e7  # numbers that the sweeps over pairs may touch: about half a second


class Explanation(NamedTuple):
    """One hypothesis or two, and their largest error relative to the scale of each array."""

    because: Pair
    error: float


class Answer:
    """The student's arrays in one row of numbers, with what is true and how close is close.

    Attributes:
        names: of the arrays given.
        parts: slices of the row, by array; of dx and dh(-1) each step is a part of its own.
        wrong: which parts are wrong.
        tolerance: by part, relative to the scale.
    """

    def __init__(
        self,
        true: Mapping[str, Array],
        given: Mapping[str, Array],
        tolerance: Mapping[str, float],
        summed: frozenset[str] = frozenset(),
    ) -> None:
        self.names, self.summed = tuple(given), summed
        self.starts, self.owner = [0], []
        scales, tolerances = [], []
        least = 1e-3 * max((np.abs(a).max(initial=0) for a in true.values()), default=0)
        for name, array in given.items():
            size = array.size // len(array) if self._by_step(name) else array.size
            count = array.size // max(size, 1)
            self.owner += [name] * count
            end = self.starts[-1]
            self.starts += [end + size * (k + 1) for k in range(count)]
            t = self._seen(name, true[name][None])
            scales.append(np.full(array.size, max(np.abs(t).max(initial=0), least) or 1.0))
            tolerances += [tolerance[name]] * count
        self._scale = np.concatenate(scales)
        self.tolerance = np.array(tolerances)
        self.true = self.row({n: true[n][None] for n in given})[0]
        self.student = np.concatenate([a.ravel() for a in given.values()]) / self._scale
        self.errors = self.by_part(self.student - self.true)
        self.tolerance = self.tolerance + self._noise(least)
        self.wrong = self.errors > self.tolerance

    def _noise(self, least: float) -> Array:
        """What differences or rounding leave in all arrays alike, by part, up to a limit.

        Beside large arrays the small ones have large relative errors then, and none is a mistake.
        """
        scale = self._scale[self.starts[:-1]]
        usual = float(np.median(self.errors * scale))
        return np.asarray(np.minimum(10 * usual, 100 * least * self.tolerance) / scale)

    @staticmethod
    def _by_step(name: str) -> bool:
        return name.startswith(("input.", "history."))

    def _seen(self, name: str, array: Array) -> Array:
        """An array as the student gives it: a learned history may be added up over sequences."""
        return array.sum(axis=2) if name in self.summed else array

    def row(self, gradients: Mapping[str, Array]) -> Array:
        """Gradients of many hypotheses as rows of numbers, each relative to its array's scale."""
        flat = [self._seen(n, gradients[n]) for n in self.names]
        rows = np.concatenate([a.reshape(len(a), -1) for a in flat], axis=1)
        return np.asarray(rows / self._scale)

    def by_part(self, rows: Array) -> Array:
        """The largest of each part."""
        return np.asarray(np.maximum.reduceat(np.abs(rows), self.starts[:-1], axis=-1))

    def misfit(self, rows: Array) -> Array:
        """How far predictions are from the student's numbers, which may be huge: by part."""
        size = np.maximum(self.by_part(self.student), 1)
        return np.asarray(self.by_part(rows - self.student) / size)

    def right(self, name: str, array: Array) -> bool:
        """Whether another array of a gradient is right, as close as this one has to be."""
        parts = [k for k, owner in enumerate(self.owner) if owner == name]
        start, stop = self.starts[parts[0]], self.starts[parts[-1] + 1]
        errors = np.abs(array.ravel() / self._scale[start:stop] - self.true[start:stop])
        close = np.repeat(self.tolerance[parts], (stop - start) // len(parts))
        return bool((errors <= close).all())

    def wrong_names(self) -> tuple[str, ...]:
        """The arrays with a wrong part."""
        bad = {n for n, w in zip(self.owner, self.wrong, strict=True) if w}
        return tuple(n for n in self.names if n in bad)

    def error(self, name: str) -> float:
        """The largest error of an array."""
        return float(max(e for n, e in zip(self.owner, self.errors, strict=True) if n == name))


def gradients_of(net: Network, causes: Sequence[Pair], names: Iterable[str]) -> Arrays:
    """What each of the causes makes of the gradients: arrays of one more axis, the causes."""
    found: dict[str, Array] = {}
    turned = [frozenset().union(*(h.turned for h in because)) for because in causes]
    for ways in dict.fromkeys(turned):
        for chunk in _chunks(causes, [k for k, w in enumerate(turned) if w == ways]):
            sweep = Sweep(net, [max(h.count for h in causes[k]) for k in chunk], ways)
            for row, k in enumerate(chunk):
                for h in causes[k]:
                    h.change(sweep, sweep.rows(row))
            made = sweep.run()
            for n in names:
                found.setdefault(n, np.empty((len(causes), *made[n].shape[1:])))[chunk] = made[n]
    return found


def predicted(net: Network, answer: Answer, causes: Sequence[Pair]) -> Array:
    """The same as rows of numbers beside the answer's: (causes, numbers)."""
    return answer.row(gradients_of(net, causes, answer.names))


def _chunks(causes: Sequence[Pair], numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    start = rows = 0
    for k, number in enumerate(numbers):
        more = max(h.count for h in causes[number])
        if rows and rows + more > CHUNK:
            yield numbers[start:k]
            start, rows = k, 0
        rows += more
    if rows:
        yield numbers[start:]


def explanations(
    net: Network, answer: Answer, causes: Sequence[Pair], rows: Array, strict: float = 1.0
) -> list[Explanation]:
    """The causes whose numbers are the student's; those that fit far worse than the best are out.

    Where several fit as well, all are returned in the order in which they came.
    """
    errors = answer.misfit(rows)
    fits = np.flatnonzero((errors <= strict * answer.tolerance).all(axis=1))
    if not fits.size:
        return []
    worst = errors[fits].max(axis=1)
    kept = worst <= max(100 * worst.min(), 1e-12)
    return [Explanation(causes[k], float(e)) for k, e in zip(fits[kept], worst[kept], strict=True)]


def pairs(net: Network, answer: Answer, singles: Sequence[Hypothesis], rows: Array) -> list[Pair]:
    """The pairs that may explain the answer, judged by what each alone would do.

    A part that only one of the two touches must be explained by that one, and one that neither
    touches must be right; what is left is tried. The first are returned if they are too many.
    """
    different = answer.by_part(rows - answer.true) > 1e-3 * answer.tolerance
    useful = np.flatnonzero(different.any(axis=1))
    _, first = np.unique(np.round(rows[useful], 10), axis=0, return_index=True)
    useful = useful[np.sort(first)]
    touches = different[useful]
    fits = answer.misfit(rows[useful]) <= answer.tolerance
    blamed = (touches & ~fits).astype(np.float32)
    spared = (~touches).astype(np.float32)
    against = blamed @ spared.T
    against += against.T + (spared * answer.wrong) @ spared.T
    i, j = np.nonzero(np.triu(against == 0, 1))
    order = np.argsort(useful[i] + useful[j], kind="stable")
    most = int(WORK / (net.T * net.B * sum(a[0, 0].size for a in net.past.values()) + 400))
    found: list[Pair] = []
    rows_so_far = 0
    for k in order:
        pair = singles[useful[i[k]]], singles[useful[j[k]]]
        if min(h.count for h in pair) == 1:
            rows_so_far += max(h.count for h in pair)
            if rows_so_far > most:
                break
            found.append(pair)
    return found
