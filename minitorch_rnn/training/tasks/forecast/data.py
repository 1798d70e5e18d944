"""The data of a forecast: a series in three parts, filled and scaled by the first of them alone."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.data.batch import Batch, Batches
from minitorch_rnn.data.scaling import Scaling
from minitorch_rnn.data.series import Series, read_names, read_series
from minitorch_rnn.data.shipped import SHIPPED, shipped_path
from minitorch_rnn.errors import DataError
from minitorch_rnn.training.tasks.forecast.baselines import Autoregression
from minitorch_rnn.training.tasks.forecast.options import ForecastConfig

__all__ = ["ForecastData", "Learned", "read_forecast", "seen_before", "windows"]

_FEW = 5  # rows that are alike in two files: the same series


class Learned(NamedTuple):
    """What a forecast must know of the series that was learned from.

    Attributes:
        names: the target, and the columns that help.
        scaling: of these columns.
        means: of these columns in the training part.
        autoregression: the linear forecast that a network is measured against.
        validation, test: the first rows of these parts.
        last: the label of the last row before the test, and a hash of the figures up to it, by
            which it is found again in another file.

    >>> scaling = Scaling.of(np.eye(2)[:, :1], ["y"])
    >>> Learned(("y",), scaling, (0.5,), Autoregression(0.5, ()), 20, 30).facts()["means"]
    [0.5]
    """

    names: tuple[str, ...]
    scaling: Scaling
    means: tuple[float, ...]
    autoregression: Autoregression
    validation: int
    test: int
    last: tuple[str, str] = ("", "")

    def facts(self) -> dict[str, Any]:
        """For JSON; `restored` makes it again."""
        return {
            "names": list(self.names),
            "scaling": self.scaling.facts(),
            "means": list(self.means),
            "autoregression": self.autoregression.facts(),
            "validation": self.validation,
            "test": self.test,
            "last": list(self.last),
        }

    @classmethod
    def restored(cls, facts: Mapping[str, Any]) -> Learned:
        """What `facts` gave.

        Raises:
            DataError: if these are no such facts.
        """
        try:
            names = tuple(map(str, facts["names"]))
            means = tuple(map(float, facts["means"]))
            scaling = Scaling.restored(facts["scaling"])
            linear = Autoregression.restored(facts["autoregression"])
            validation, test = int(facts["validation"]), int(facts["test"])
            label, figures = map(str, facts["last"])
        except (KeyError, TypeError, ValueError, OverflowError) as cause:
            raise DataError(f"forecast: these are no facts of a forecast: {cause}.") from cause
        if not names or scaling.names != names or len(means) != len(names):
            raise DataError("forecast: the columns of the facts do not agree.")
        if not 0 < validation < test:
            raise DataError(f"forecast: the facts have parts from {validation} and {test} on.")
        return cls(names, scaling, means, linear, validation, test, (label, figures))


@dataclasses.dataclass(frozen=True, eq=False)
class ForecastData:
    """A series ready to be forecast.

    Attributes:
        series: the target first, then the columns that help; nan where a value is missing.
        filled: its values without gaps, (N, 1+E).
        rows: what a network takes, [y(t), e(t)], scaled, (N, 1+E). e(t) are the further columns of
            the same row where they are known in advance, else those of the row before.
        validation, test: the first rows of these parts.
        learned: of the training part.
        seen: the rows up to here are those that were learned from, and that chose the weights.
    """

    series: Series
    filled: np.ndarray
    rows: np.ndarray
    validation: int
    test: int
    learned: Learned
    seen: int

    def __len__(self) -> int:
        return len(self.series)

    @property
    def truth(self) -> np.ndarray:
        """The target in its own unit, (N,), nan where it is missing."""
        return self.series.values[:, 0]

    @property
    def past(self) -> np.ndarray:
        """The target in its own unit without gaps, (N,)."""
        return self.filled[:, 0]

    @property
    def scaling(self) -> Scaling:
        """Of the target."""
        return self.learned.scaling.only(self.learned.names[0])

    def own(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled values of the target, of any shape, in its own unit."""
        return self.scaling.invert(scaled[..., None])[..., 0]

    @property
    def targets(self) -> np.ndarray:
        """The target scaled, (N,), nan where it is missing."""
        return self.scaling.apply(self.truth[:, None])[:, 0]

    def extra(self, origin: int, steps: int, known: bool) -> np.ndarray:
        """e(t) of a forecast whose first step is row `origin`, (steps, E).

        Raises:
            DataError: if they are to be known and are not.
        """
        if not self.rows.shape[1] - 1:
            return np.empty((steps, 0))
        if not known:
            last = self.learned.scaling.apply(self.filled[origin - 1])
            return np.repeat(last[None, 1:], steps, axis=0)
        if origin + steps > len(self):
            raise DataError(
                f"{self.series.source}: a forecast of {steps} steps from row {origin + 1} on takes "
                f"{', '.join(self.series.names[1:])} to be known up to row {origin + steps}; "
                f"there are {len(self)} rows. Forecast fewer steps, or train with --future held."
            )
        return self.rows[origin : origin + steps, 1:]


def read_forecast(
    config: ForecastConfig, learned: Learned | None = None, source: str | None = None
) -> ForecastData:
    """The series that the options name, in its parts.

    Args:
        config: the options.
        learned: what is known of an earlier series; None learns it from the training part.
        source: a file, in place of the one in the options. All of it tests then that the network
            need not see first; or if it begins with the rows that were learned from, what is new.

    Raises:
        DataError: naming the file and the reason, if it cannot be used.
    """
    name, seen = config.data if source is None else source, 0
    path = shipped_path(name) if name in SHIPPED else name
    if learned is None:
        names = (_target(path, config), *(config.columns or ()))
    else:
        names = learned.names
    series = read_series(path, names, config.time, "refuse" if config.fill == "refuse" else "keep")
    series = dataclasses.replace(series, source=name)
    if learned is None:
        validation, test = _parts(series, config)
    elif source is None:
        validation, test = learned.validation, learned.test
        if test >= len(series):
            raise DataError(
                f"{name}: has {len(series)} rows; when the network learned from it, it had "
                f"more than {test}."
            )
    else:
        least, seen = seen_before(config, learned), _seen(series, learned)
        if len(series) < least:
            raise DataError(
                f"{name}: has {len(series)} rows; the network and the baselines see {least} before "
                "they forecast."
            )
        validation = test = max(min(config.sequence, len(series) - config.horizon), least)
        if seen + config.horizon <= len(series):
            validation = test = max(test, seen)
    means = None if learned is None else dict(zip(names, learned.means, strict=True))
    filled = series.filled(config.fill, validation, means).values
    learned = learned or _learned(series, filled[:test, 0], validation, config)
    scaled = learned.scaling.apply(filled)
    if config.future == "held":
        scaled[1:, 1:], scaled[:1, 1:] = scaled[:-1, 1:].copy(), 0.0
    seen = test if source is None else seen
    return ForecastData(series, filled, scaled, validation, test, learned, seen)


def _print_of(series: Series, end: int) -> tuple[str, str]:
    """The label of the last row before `end`, and a hash of the figures of the last few."""
    few = np.ascontiguousarray(series.values[max(0, end - _FEW) : end])
    return series.labels[end - 1], hashlib.sha256(few.tobytes()).hexdigest()[:16]


def _seen(series: Series, learned: Learned) -> int:
    """Up to which row another series is what was learned from, or chose the weights."""
    ends = [i for i, label in enumerate(series.labels, 1) if label == learned.last[0]]
    return next((end for end in ends if _print_of(series, end) == learned.last), 0)


def seen_before(config: ForecastConfig, learned: Learned) -> int:
    """How many rows come before the first that network and baselines can forecast."""
    return max(config.unasked, config.season, learned.autoregression.order, 1)


def _target(path: str | os.PathLike[str], config: ForecastConfig) -> str:
    if config.target is not None:
        return config.target
    names = [n for n in read_names(path, config.time) if n not in (config.columns or ())]
    if len(names) != 1:
        raise DataError(
            f"{config.data}: has the columns {', '.join(names[:20]) or 'that help, and no other'}; "
            "say which one to forecast with --target."
        )
    return names[0]


def _parts(series: Series, config: ForecastConfig) -> tuple[int, int]:
    """The first rows of validation and test."""
    N = len(series)
    test, validation = (
        series.row(first) if isinstance(first, str) else None
        for first in (config.test, config.validation)
    )
    if test is None:
        test = N - round(N * float(config.test))
    if validation is None:
        validation = test - round(N * float(config.validation))
    told = f"{series.source}: of {N} rows"
    if validation >= test:
        raise DataError(
            f"{told}, those to choose the weights by begin with row {validation + 1} and those to "
            f"test by with row {test + 1}; rows are needed in between. Change --validation or "
            "--test."
        )
    if N - test < config.horizon:
        raise DataError(
            f"{told}, the last {N - test} test; a forecast of {config.horizon} steps needs as "
            "many. Use a smaller --horizon or a larger --test."
        )
    least = max(config.unasked + 1, config.season)
    if validation < least or validation < 2:
        raise DataError(
            f"{told}, the first {max(validation, 0)} are left to learn from; at least "
            f"{max(least, 2)} are needed. Use a smaller --validation or --test, or fewer delays."
        )
    for begin, end, what in (
        (config.unasked, validation, "learn from"),
        (validation, test, "choose the weights by"),
        (test, N, "test by"),
    ):
        if np.isnan(series.values[begin:end, 0]).all():
            raise DataError(
                f"{told}, {begin + 1} to {end} are to {what}, and {series.names[0]!r} is missing "
                "in all of them."
            )
    return validation, test


def _learned(series: Series, past: np.ndarray, training: int, config: ForecastConfig) -> Learned:
    part = series.values[:training]
    try:
        scaling = Scaling.of(part, series.names, config.scaling)
    except DataError as error:
        raise DataError(f"{series.source}: {error}") from None
    if series.names[0] in scaling.constant:
        raise DataError(
            f"{series.source}: {series.names[0]!r} is {part[~np.isnan(part[:, 0]), 0][0]:g} in all "
            f"of the first {training} rows: there is nothing to learn from them."
        )
    linear = Autoregression.chosen(past, series.values[: len(past), 0], training)
    means = tuple(np.nanmean(part, axis=0).tolist())
    last = _print_of(series, len(past))
    return Learned(series.names, scaling, means, linear, training, len(past), last)


def windows(data: ForecastData, config: ForecastConfig, epoch: int) -> Batches:
    """The batches of an epoch: windows of the training part, side by side, in a drawn order.

    They overlap by as many rows as nothing is asked of, so that an epoch asks for every row about
    once; where they begin is drawn anew for each epoch.
    """
    N, unasked, targets = data.validation, config.unasked, data.targets
    T = min(config.sequence, N)
    rng = np.random.default_rng([config.seed, epoch])
    step = T - unasked
    begin = int(rng.integers(min(step, N - T + 1)))
    starts = np.unique(np.append(np.arange(begin, N - T + 1, step), N - T))
    known = np.concatenate([[0], np.cumsum(~np.isnan(targets[:N]))])
    asking = starts[known[starts + T] > known[starts + unasked]]
    if not len(asking):  # nearly all targets are missing: the last one that is there
        last = int(np.flatnonzero(~np.isnan(targets[unasked:N]))[-1])
        asking = np.array([min(last, N - T)])
    order = rng.permutation(asking)

    def batch(i: int) -> Batch:
        index = np.arange(T)[:, None] + order[i * config.batch : (i + 1) * config.batch]
        asked = targets[index][:, :, None]
        asked[:unasked] = np.nan
        return Batch(data.rows[index], asked)

    return Batches(-(-len(order) // config.batch), batch)
