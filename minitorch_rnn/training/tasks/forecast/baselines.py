"""Forecasts without a network, to be measured against: the last value, and linear autoregression.

Plain NumPy on figures in their own unit; nothing here knows a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Autoregression", "Naive", "arv", "rmse"]

_ENOUGH = 50_000


class Naive(NamedTuple):
    """y(t) is y(t - season): with season 1 the last value, with 12 that of a year of months ago.

    >>> past = np.array([1.0, 5.0, 2.0, 6.0])
    >>> Naive().one_step(past).tolist(), Naive(2).closed_loop(past, 3).tolist()
    ([nan, 1.0, 5.0, 2.0], [2.0, 6.0, 2.0])
    """

    season: int = 1

    @property
    def name(self) -> str:
        """What reports call it."""
        return "last value" if self.season == 1 else f"{self.season} rows ago"

    def one_step(self, values: np.ndarray) -> np.ndarray:
        """The forecast of every y(t) from what came before, (N,); nan where that is too little."""
        first = np.full(min(self.season, len(values)), np.nan)
        return np.concatenate([first, values[: len(values) - len(first)]])

    def closed_loop(self, past: np.ndarray, steps: int) -> np.ndarray:
        """What follows `past`, (…, N), with the forecasts fed back: (…, steps)."""
        last = past[..., past.shape[-1] - self.season :]
        return last[..., np.arange(steps) % self.season]


class Autoregression(NamedTuple):
    """AR(p), the linear forecast from the last p values.

        y(t) = c + a_1 y(t-1) + … + a_p y(t-p)

    Attributes:
        constant: c.
        weights: a_1 … a_p; none of them for p = 0, which is the mean.

    Source: Yule, Philosophical Transactions of the Royal Society A 226 (1927), who made it for
    sunspots.

    >>> y = [1.0, 1.0]
    >>> for t in range(30):
    ...     y.append(1.5 * y[-1] - 0.9 * y[-2] + 2)
    >>> fitted = Autoregression.of(np.array(y), 2)
    >>> np.round([fitted.constant, *fitted.weights], 10).tolist()
    [2.0, 1.5, -0.9]
    """

    constant: float
    weights: tuple[float, ...]

    @classmethod
    def of(
        cls, values: np.ndarray, p: int, first: int | None = None, targets: np.ndarray | None = None
    ) -> Autoregression:
        """The least squares over y(first) … y(N-1), where `first` is at least p.

        Args:
            values: the past, (N,), without gaps.
            p: the order.
            first: the first y(t) that counts; None is p.
            targets: what counts as y(t) to be forecast, nan where nothing; None is `values`.
        """
        first = p if first is None else first
        targets = (values if targets is None else targets)[first:]
        known = ~np.isnan(targets)
        centre = float(values.mean())  # large figures with a small spread lose no digits then
        past = _lags(values - centre, p)[first - p : len(values) - p][known]
        rows = np.column_stack([np.ones(len(past)), past])
        c, *weights = np.linalg.lstsq(rows, targets[known] - centre, rcond=None)[0].tolist()
        return cls(c + centre * (1 - sum(weights)), tuple(weights))

    @classmethod
    def chosen(
        cls, values: np.ndarray, targets: np.ndarray, training: int, largest: int = 20
    ) -> Autoregression:
        """Fitted on the training part, of the order that forecasts what follows it best.

        So it knows what a network knows whose weights are learned on the one part and chosen on the
        other. All orders are fitted to the same rows.

        Args:
            values: training and validation part, (N,), without gaps.
            targets: the same, nan where a forecast is not judged.
            training: how many rows are the training part.
            largest: the largest order; of a short training part, a quarter of it.

        Of a long series, the 50,000 rows before and after the end of the training part are enough.
        """
        near = slice(max(0, training - _ENOUGH), training + _ENOUGH)
        values, targets, training = values[near], targets[near], min(training, _ENOUGH)
        largest = min(largest, training // 4)
        found: list[tuple[float, int, Autoregression]] = []
        for p in range(largest + 1):
            fitted = cls.of(values[:training], p, largest, targets[:training])
            error = rmse(fitted.one_step(values)[training:], targets[training:])
            found.append((error, p, fitted))
        return min(found)[2]

    @property
    def order(self) -> int:
        """p."""
        return len(self.weights)

    def one_step(self, values: np.ndarray) -> np.ndarray:
        """The forecast of every y(t) from y(t-1) … y(t-p), (N,); nan where t < p."""
        p = self.order
        if len(values) <= p:
            return np.full(len(values), np.nan)
        known = self.constant + _lags(values, p)[: len(values) - p] @ np.array(self.weights)
        return np.concatenate([np.full(p, np.nan), known])

    def closed_loop(self, past: np.ndarray, steps: int) -> np.ndarray:
        """What follows `past`, (…, N) with N of at least p, its forecasts fed back: (…, steps)."""
        p, weights = self.order, np.array(self.weights[::-1])  # oldest first, as the values are
        line = np.concatenate(
            [past[..., past.shape[-1] - p :], np.zeros((*past.shape[:-1], steps))], axis=-1
        )
        with np.errstate(over="ignore", invalid="ignore"):  # an unstable one leaves every bound
            for t in range(p, p + steps):
                line[..., t] = self.constant + line[..., t - p : t] @ weights
        return line[..., p:]

    def facts(self) -> dict[str, Any]:
        """What `restored` makes it again of, for JSON."""
        return {"constant": self.constant, "weights": list(self.weights)}

    @classmethod
    def restored(cls, facts: Mapping[str, Any]) -> Autoregression:
        """What `facts` gave."""
        return cls(float(facts["constant"]), tuple(map(float, facts["weights"])))


def _lags(values: np.ndarray, p: int) -> np.ndarray:
    """Row i is y(p+i-1), y(p+i-2), …, y(i): what comes before y(p+i), newest first."""
    if not p:
        return np.empty((len(values) + 1, 0))
    return np.lib.stride_tricks.sliding_window_view(values, p)[:, ::-1]


def rmse(forecast: np.ndarray, truth: np.ndarray) -> float:
    """The root of the mean squared error over all places where the truth is known, not nan.

    >>> rmse(np.array([1.0, 2.0, 3.0]), np.array([1.0, np.nan, 5.0]))
    1.4142135623730951
    """
    known = ~np.isnan(truth)
    if not known.any():
        return float("nan")
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.mean(np.square(forecast[known] - truth[known]))))


def arv(forecast: np.ndarray, truth: np.ndarray) -> float:
    """Average relative variance: the mean squared error, over the variance of the truth judged.

        ARV = mean (forecast - truth)^2 / mean (truth - mean of truth)^2

    1 is as good as knowing the mean of exactly these values; nan where they do not vary.

    Source: Weigend, Huberman and Rumelhart, International Journal of Neural Systems 1 (1990), who
    divide by the variance of the whole series.

    >>> round(arv(np.array([1.0, 3.0]), np.array([1.0, 5.0])), 12)
    0.5
    """
    variance = float(np.nanvar(truth)) if np.isfinite(truth).any() else 0.0
    return rmse(forecast, truth) ** 2 / variance if variance else float("nan")
