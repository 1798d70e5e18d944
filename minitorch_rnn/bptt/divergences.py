"""Divergences: scalar functions of the whole series of outputs Y(t) and targets D(t).

Each is given twice, on plain arrays: its value, and dDIV/dY(t) for all t, derived by hand. Some are
sums over time of local divergences (slide 78), the others do not separate (slides 75–77); BPTT
needs no more than dDIV/dY(t). Divergences that first align the two series live in `alignment`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.bptt import alignment
from minitorch_rnn.column import Variant
from minitorch_rnn.errors import ShapeError


class Divergence(NamedTuple):
    """A divergence of the series Y and D, and its gradient with respect to Y.

    Attributes:
        name: what tables call it.
        values: ``values(xp, Y, D)``, one number for each sequence of the batch, (B,). It uses
            operators and the namespace it is handed (NumPy, or this package for the graph), so that
            the same line runs on arrays, on complex arrays and on Tensors.
        slopes: ``slopes(Y, D)``, dDIV/dY(t) for all t, (T, B, O), on arrays.
        takes: what D is: "series" (T, B, O), "distributions" (T, B, O), which need outputs that are
            distributions too, or "labels" (U, B), integers from 1, which need them as well.
        aligned: whether D(t) belongs to Y(t), so that D has as many columns as Y.
        of_steps: ``of_steps(kept, T)`` gives the divergence of some of T columns, for one that
            weighs them; None where it does not matter which they are.
        piece: ``piece(Y, D)`` tells on which of its smooth pieces a divergence with corners is, so
            that differences can keep to one of them; None where it is smooth.

    >>> total = Divergence("total", lambda xp, Y, D: Y.sum(axis=(0, 2)), lambda Y, D: Y * 0 + 1)
    >>> float(total.value(np, np.ones((3, 1, 2)), np.zeros((3, 1, 2))))
    6.0
    """

    name: str
    values: Callable[[Any, Any, Any], Any]
    slopes: Callable[[Any, Any], Any]
    takes: str = "series"
    aligned: bool = True
    of_steps: Callable[[list[int], int], Any] | None = None
    piece: Callable[[Any, Any], Any] | None = None

    def __reduce__(self) -> Any:
        # One of the table is pickled by its name: its functions cannot be.
        if DIVERGENCES.get(self.name) is self:
            return named, ("pickle", self.name)
        return Divergence, tuple(self)

    def value(self, xp: Any, Y: Any, D: Any) -> Any:
        """DIV of the whole batch: the sum over its sequences.

        Raises:
            ShapeError: if Y has other axes than T, B and O, or D(t) belongs to Y(t) and their
                shapes differ: nothing is broadcast.

        >>> float(SQUARED.value(np, np.ones((3, 2, 1)), np.zeros((3, 2, 1))))
        3.0
        """
        self._check(Y, D)
        return self.values(xp, Y, D).sum()

    def gradient(self, Y: Any, D: Any) -> Any:
        """dDIV/dY(t) for all t, (T, B, O), on arrays; errors as of `value`."""
        self._check(Y, D)
        return self.slopes(Y, D)

    def _check(self, Y: Any, D: Any) -> None:
        if len(Y.shape) != 3:
            raise ShapeError(f"{self.name}: the outputs have shape {Y.shape}; needed is (T, B, O).")
        if self.aligned and Y.shape != D.shape:
            raise ShapeError(
                f"{self.name}: the outputs have shape {Y.shape}, the targets {D.shape}; "
                "they must be the same."
            )


def named(who: str, divergence: Divergence | str) -> Divergence:
    """The divergence itself, or the one of this name.

    Raises:
        ValueError: if there is none; the message begins with `who`.

    >>> named("loss", "soft-DTW").aligned
    False
    """
    if isinstance(divergence, Divergence):
        return divergence
    if not isinstance(divergence, str) or divergence not in DIVERGENCES:
        known = ", ".join(map(repr, DIVERGENCES))
        raise ValueError(f"{who}: divergence is {divergence!r}; known are {known}.")
    return DIVERGENCES[divergence]


def summed(
    name: str,
    local: Callable[[Any, Any, Any], Any],
    slope: Callable[[Any, Any], Any],
    weights: Sequence[float] | Callable[[int], float] | None = None,
    takes: str = "series",
) -> Divergence:
    """DIV = sum_t w_t Div(t), the special case of slide 78.

    Args:
        name: of the divergence.
        local: ``local(xp, Y, D)`` gives Div(t), (T, B).
        slope: ``slope(Y, D)`` gives dDiv(t)/dY(t), (T, B, O).
        weights: w_t for every t, as a sequence or a function of t; None is 1.
        takes: as in `Divergence`.

    Raises:
        ShapeError: when it is used or masked, if there are not as many weights as columns.

    >>> last = summed("last", lambda xp, Y, D: ((Y - D) ** 2).sum(axis=-1),
    ...               lambda Y, D: 2 * (Y - D), weights=[0, 0, 1])
    >>> float(last.value(np, np.ones((3, 1, 2)), np.zeros((3, 1, 2))))
    2.0
    """

    def listed(T: int) -> list[float]:
        assert weights is not None
        w = [weights(t) for t in range(T)] if callable(weights) else list(weights)
        if len(w) != T:
            raise ShapeError(f"{name}: there are {len(w)} weights w_t, the outputs have T = {T}.")
        return w

    def weigh(T: int) -> np.ndarray | None:
        return None if weights is None else np.array(listed(T), float)[:, None]

    def values(xp: Any, Y: Any, D: Any) -> Any:
        w, steps = weigh(len(Y)), local(xp, Y, D)
        if w is not None:
            steps = steps * (w if xp is np else xp.tensor(w, steps.dtype, backend=steps.backend))
        return steps.sum(axis=0)

    def gradient(Y: Any, D: Any) -> Any:
        w = weigh(len(Y))
        return slope(Y, D) if w is None else w[:, :, None] * slope(Y, D)

    def of_steps(kept: list[int], T: int) -> Divergence:  # each keeps the weight of its own t
        w = listed(T)
        return summed(name, local, slope, [w[t] for t in kept], takes)

    return Divergence(name, values, gradient, takes, of_steps=None if weights is None else of_steps)


def masked(divergence: Divergence | str, steps: Sequence[bool] | Variant) -> Divergence:
    """`divergence` of the columns where `steps` is True; the others contribute exactly 0.

    They are left out, not multiplied by 0: even nan in them changes neither value nor gradient.
    Those that are left keep their weights w_t. Of a `column.Variant`, its outputs count.

    Raises:
        ShapeError: if no step is left, or, when it is used, if the steps are not as many as Y's.

    >>> div = masked(SQUARED, [False, True])
    >>> Y = np.array([[[np.nan]], [[3.0]]])
    >>> float(div.value(np, Y, np.ones((2, 1, 1)))), div.gradient(Y, np.ones((2, 1, 1))).ravel()
    (2.0, array([0., 2.]))
    """
    divergence = named("masked", divergence)
    steps = list(steps.outputs if isinstance(steps, Variant) else steps)
    kept = [t for t, step in enumerate(steps) if step]
    if not kept:
        raise ShapeError(f"masked: no step of {len(steps)} is left to compute {divergence.name}.")
    inner = divergence.of_steps(kept, len(steps)) if divergence.of_steps else divergence

    def targets(Y: Any, D: Any) -> Any:
        if len(Y) != len(steps):
            raise ShapeError(f"masked: {len(steps)} steps are masked, the outputs have {len(Y)}.")
        return D[kept] if inner.aligned else D

    def values(xp: Any, Y: Any, D: Any) -> Any:
        return inner.values(xp, Y[kept], targets(Y, D))

    def slopes(Y: Any, D: Any) -> Any:
        dY = alignment.zeros_like(Y)
        dY[kept] = inner.slopes(Y[kept], targets(Y, D))
        return dY

    def of_steps(chosen: list[int], T: int) -> Divergence:  # of these columns, by both masks
        whole = divergence.of_steps(chosen, T) if divergence.of_steps else divergence
        return masked(whole, [steps[t] for t in chosen])

    piece = inner.piece
    of_kept = None if piece is None else lambda Y, D: piece(Y[kept], targets(Y, D))
    return inner._replace(values=values, slopes=slopes, of_steps=of_steps, piece=of_kept)


def _log(xp: Any, D: Any, Y: Any) -> Any:
    """D ln Y, and 0 where D is 0, whatever Y is there."""
    return xp.where(D > 0, D * xp.log(xp.where(D > 0, Y, 1.0)), 0.0)


def _squares(xp: Any, Y: Any, D: Any) -> Any:
    return ((Y - D) ** 2).sum(axis=-1)


def _softest_gradient(Y: Any, D: Any) -> Any:
    steps = _squares(np, Y, D)
    weights = np.exp(steps - steps.max(axis=0))
    return (weights / weights.sum(axis=0))[..., None] * 2 * (Y - D)


def _last_gradient(Y: Any, D: Any) -> Any:
    dY = alignment.zeros_like(Y)
    dY[-1] = Y[-1] - D[-1]
    return dY


def _worst_gradient(Y: Any, D: Any) -> Any:
    steps = _squares(np, Y, D)
    worst = steps == steps.max(axis=0)
    return (worst / worst.sum(axis=0))[..., None] * 2 * (Y - D)  # ties share it evenly


def _variance(xp: Any, Y: Any, D: Any) -> Any:
    E = Y - D
    return ((E - E.mean(axis=0, keepdims=True)) ** 2).mean(axis=0).sum(axis=-1)


SQUARED = summed(
    "squared error",
    lambda xp, Y, D: 0.5 * _squares(xp, Y, D),
    lambda Y, D: Y - D,
)
CROSS_ENTROPY = summed(
    "cross-entropy",
    lambda xp, Y, D: -_log(xp, D, Y).sum(axis=-1),
    lambda Y, D: np.where(D > 0, -D / np.where(D > 0, Y, 1.0), 0.0),
    takes="distributions",
)
DISCOUNTED = summed(
    "discounted error",  # sum_t w_t Div(t) with w_t = 0.8^t: early errors weigh most
    lambda xp, Y, D: 0.5 * _squares(xp, Y, D),
    lambda Y, D: Y - D,
    weights=lambda t: 0.8**t,
)
LAST = Divergence(
    "last output",  # 1/2 ||Y(T-1) - D(T-1)||^2
    lambda xp, Y, D: 0.5 * _squares(xp, Y[-1], D[-1]),
    _last_gradient,
)
WORST_STEP = Divergence(
    "worst step",  # max_t ||Y(t) - D(t)||^2
    lambda xp, Y, D: xp.max(_squares(xp, Y, D), axis=0),
    _worst_gradient,
    piece=lambda Y, D: _squares(np, Y, D).argmax(axis=0),
)
SOFT_WORST_STEP = Divergence(
    "soft worst step",  # ln sum_t exp ||Y(t) - D(t)||^2: nearly the largest error of any step
    lambda xp, Y, D: alignment.log_sum_exp(xp, _squares(xp, Y, D)),
    _softest_gradient,
)
SQUARED_TOTAL = Divergence(
    "squared total",  # 1/2 ||sum_t (Y(t) - D(t))||^2: early errors may be made good later
    lambda xp, Y, D: 0.5 * ((Y - D).sum(axis=0) ** 2).sum(axis=-1),
    lambda Y, D: np.broadcast_to((Y - D).sum(axis=0), Y.shape),
)
VARIANCE = Divergence(
    "variance over time",  # of the error, around its own mean: a constant error costs nothing
    _variance,
    lambda Y, D: 2 / len(Y) * ((Y - D) - (Y - D).mean(axis=0)),
)
SOFT_DTW = Divergence("soft-DTW", alignment.soft_dtw, alignment.soft_dtw_gradient, aligned=False)
CTC = Divergence("CTC", alignment.ctc, alignment.ctc_gradient, takes="labels", aligned=False)

DIVERGENCES = {
    d.name: d
    for d in (
        SQUARED, CROSS_ENTROPY, DISCOUNTED, LAST, WORST_STEP, SOFT_WORST_STEP, SQUARED_TOTAL,
        VARIANCE, SOFT_DTW, CTC,
    )
}  # fmt: skip
