"""How good a forecast is, beside those without a network: one step ahead, and in closed loop."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minitorch_rnn.data.times import labels_after
from minitorch_rnn.errors import DataError
from minitorch_rnn.training.tasks.forecast.baselines import Naive, arv, rmse
from minitorch_rnn.training.tasks.forecast.data import ForecastData
from minitorch_rnn.training.tasks.forecast.networks import Forecaster, forecasts, open_loop
from minitorch_rnn.training.tasks.forecast.options import ForecastConfig

__all__ = ["Errors", "Forecast", "Judgement", "forecast", "judge"]

_ORIGINS = 200  # forecasts in closed loop that are judged, spread over the test


class Forecast(NamedTuple):
    """What follows a row: by network, AR and naive rule, and the truth where it is known.

    Attributes:
        labels: of the rows.
        network, autoregression, naive: (steps,), in the unit of the series.
        truth: (steps,), nan where it is not known.

    >>> one = np.ones(2)
    >>> Forecast(("2009", "2010"), one, one, one, np.array([1.5, np.nan])).errors["network"]
    0.5
    """

    labels: tuple[str, ...]
    network: np.ndarray
    autoregression: np.ndarray
    naive: np.ndarray
    truth: np.ndarray

    @property
    def errors(self) -> dict[str, float]:
        """RMSE by forecast, over the rows whose truth is known; nan if there is none."""
        names = ("network", "autoregression", "naive")
        return {name: rmse(getattr(self, name), self.truth) for name in names}


class Errors(NamedTuple):
    """The error k = 1 … horizon steps ahead in closed loop, over forecasts from many rows.

    Attributes:
        network, autoregression, naive: RMSE by k, (horizon,).
        whole: RMSE of these three over all k together.
        origins: how many forecasts these are.

    >>> Errors(np.array([1.0, 7.0]), np.ones(2), np.ones(2), (5.0, 1.0, 1.0), 35).whole[0]
    5.0
    """

    network: np.ndarray
    autoregression: np.ndarray
    naive: np.ndarray
    whole: tuple[float, float, float]
    origins: int


class Judgement(NamedTuple):
    """What `judge` found: figures by name, and the errors by steps ahead."""

    figures: dict[str, float]
    errors: Errors


def judge(model: Forecaster, data: ForecastData, config: ForecastConfig) -> Judgement:
    """The figures of a network and of the baselines.

    ``loss`` is of the rows that choose the weights: the mean squared error one step ahead of scaled
    figures. All others are of the test, in the unit of the series: ``rmse`` and ``arv`` (see
    `baselines.arv`) one step ahead; ``closed_loop_rmse`` over forecasts of `config.horizon` steps
    from up to 200 rows; and those of AR and of the naive rule. What is no number is left out.

    Raises:
        DataError: if fewer rows test than a forecast has.
    """
    a, b, last = data.validation, data.test, len(data) - config.horizon
    if last < b or np.isnan(data.truth[b:]).all():
        raise DataError(
            f"{data.series.source}: of {len(data)} rows, the last {len(data) - b} can test a "
            f"forecast of {config.horizon} steps, which needs as many and a known value among them."
        )
    origins = np.unique(np.linspace(b, last, min(last - b + 1, _ORIGINS)).astype(int))
    scaled = open_loop(model, data.rows, a, config.sequence)
    chosen_by = slice(0, b - a or None)  # a series that was read later tests as a whole
    said, truth, past = data.own(scaled)[b - a :], data.truth[b:], data.past
    linear, naive = data.learned.autoregression, Naive(config.season)
    errors = _errors(data, config, origins, _closed_loop(model, data, config, origins))
    figures = {
        "loss": rmse(scaled[chosen_by], data.targets[a:][chosen_by]) ** 2,
        "rmse": rmse(said, truth),
        "arv": arv(said, truth),
        "ar_rmse": rmse(linear.one_step(past)[b:], truth),
        "naive_rmse": rmse(naive.one_step(past)[b:], truth),
        "closed_loop_rmse": errors.whole[0],
        "ar_closed_loop_rmse": errors.whole[1],
        "naive_closed_loop_rmse": errors.whole[2],
    }
    # The loss decides which weights are best, so it stays, whatever it is.
    kept = {name: x for name, x in figures.items() if name == "loss" or np.isfinite(x)}
    return Judgement(kept, errors)


def _closed_loop(
    model: Forecaster,
    data: ForecastData,
    config: ForecastConfig,
    origins: np.ndarray,
    steps: int | None = None,
) -> np.ndarray:
    """Of the network, in the unit of the series, (origins, steps)."""
    h, known = steps or config.horizon, config.future == "known"
    extra = np.stack([data.extra(s, h, known) for s in origins.tolist()], axis=1)
    return data.own(forecasts(model, data.rows, origins, extra, config.sequence)).T


def _errors(
    data: ForecastData, config: ForecastConfig, origins: np.ndarray, network: np.ndarray
) -> Errors:
    """Of forecasts (origins, horizon)."""
    linear, naive, h = data.learned.autoregression, Naive(config.season), config.horizon
    truth = data.truth[origins[:, None] + np.arange(h)]
    longest = max(linear.order, naive.season)
    past = data.past[origins[:, None] + np.arange(-longest, 0)]
    said = (network, linear.closed_loop(past, h), naive.closed_loop(past, h))
    first, second, third = (
        np.array([rmse(one[:, k], truth[:, k]) for k in range(h)]) for one in said
    )
    whole = (rmse(said[0], truth), rmse(said[1], truth), rmse(said[2], truth))
    return Errors(first, second, third, whole, len(origins))


def forecast(
    model: Forecaster, data: ForecastData, config: ForecastConfig, origin: int, steps: int
) -> Forecast:
    """What follows the rows before `origin`, of which alone anything is known.

    Raises:
        DataError: if further columns are to be known in advance, and are not.
    """
    past, linear, naive = data.past[:origin], data.learned.autoregression, Naive(config.season)
    network = _closed_loop(model, data, config, np.array([origin]), steps)[0]
    truth = np.full(steps, np.nan)
    seen = data.truth[origin : origin + steps]
    truth[: len(seen)] = seen
    after = labels_after(data.series.labels, max(0, origin + steps - len(data)))
    return Forecast(
        (*data.series.labels[origin : origin + steps], *after),
        network,
        linear.closed_loop(past, steps),
        naive.closed_loop(past, steps),
        truth,
    )
