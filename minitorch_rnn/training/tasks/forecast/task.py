"""The task of forecasting a series: a network, its data, its error beside those of baselines."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.shipped import SHIPPED
from minitorch_rnn.data.times import unevenness
from minitorch_rnn.engine import Tensor, tensor
from minitorch_rnn.errors import DataError
from minitorch_rnn.serialization import write_whole
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.tasks.forecast.baselines import Naive, rmse
from minitorch_rnn.training.tasks.forecast.data import (
    ForecastData,
    Learned,
    read_forecast,
    seen_before,
    windows,
)
from minitorch_rnn.training.tasks.forecast.networks import (
    Forecaster,
    NarxForecaster,
    RecurrentForecaster,
)
from minitorch_rnn.training.tasks.forecast.options import ForecastConfig
from minitorch_rnn.training.tasks.forecast.picture import draw
from minitorch_rnn.training.tasks.forecast.scores import Forecast, forecast, judge

__all__ = ["ForecastConfig", "ForecastTask"]


class ForecastTask(Task):
    """Forecast a column one step ahead; judged by that on rows after those it learns from.

    A network that is fed the truth learns to forecast one step; then its own forecasts are fed back
    to it, step after step. The loss is the mean squared error one step ahead, of scaled figures.

    Args:
        model: forecasts.
        config: the options.
        learned: of the training part.
        data: the series; None: it is read later.

    >>> task = ForecastTask.prepare(ForecastConfig.of({"hidden": 2}))
    >>> sorted(task.evaluate())[:5]
    ['ar_closed_loop_rmse', 'ar_rmse', 'arv', 'closed_loop_rmse', 'loss']
    >>> task.forecast(steps=3).labels
    ('2009', '2010', '2011')
    """

    name = "forecast"
    Config = ForecastConfig
    next_command = "forecast"

    def __init__(
        self,
        model: Forecaster,
        config: ForecastConfig,
        learned: Learned,
        data: ForecastData | None = None,
    ) -> None:
        super().__init__(model, lambda epoch: windows(self.series, config, epoch), [])
        self.forecaster, self.config, self.learned, self.data = model, config, learned, data

    @classmethod
    def prepare(cls, config: ForecastConfig) -> ForecastTask:
        """Read the series, learn its scaling and the AR baseline, draw the weights.

        Raises:
            DataError: naming the file and the reason, if it cannot be used.
        """
        data = read_forecast(config)
        return cls(_model(config), config, data.learned, data)

    @classmethod
    def restore(cls, config: ForecastConfig, facts: Mapping[str, Any]) -> ForecastTask:
        """The network of these options and facts, and no series.

        Raises:
            DataError: if the facts are none of a forecast.
        """
        return cls(_model(config), config, Learned.restored(facts))

    def read(self, source: str | None = None) -> None:
        """Take the rows of another file to judge by; None: the file of the options.

        It is judged from where the network has seen enough rows; or if the file begins with those
        that the network learned from, only by what is new in it.

        Raises:
            DataError: naming the file and the reason, if it cannot be used.
        """
        self.data = read_forecast(self.config, self.learned, source)

    @property
    def series(self) -> ForecastData:
        """The data.

        Raises:
            DataError: if none was read.
        """
        if self.data is None:
            raise DataError("forecast: there is no series yet; read one first.")
        return self.data

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """The mean squared error one step ahead, over all targets that are not nan."""
        said, _ = self.model(batch.inputs)
        asked = ~np.isnan(batch.targets)
        truth, weight = (
            tensor(values, dtype=said.dtype, backend=said.backend)
            for values in (np.where(asked, batch.targets, 0.0), asked / max(batch.count, 1))
        )
        return ((said - truth) ** 2 * weight).sum(), None

    def evaluate(self) -> dict[str, float]:
        """The figures that `scores.judge` describes.

        Raises:
            DataError: if no series was read.
        """
        return judge(self.forecaster, self.series, self.config).figures

    def forecast(self, origin: int | None = None, steps: int | None = None) -> Forecast:
        """What follows the rows before `origin`, as if nothing after them were known.

        Args:
            origin: the row, from 0, of the first step; None: after the last row.
            steps: None: the horizon of the options.

        Raises:
            DataError: if there are too few rows before it, or further columns are to be known in
                advance and are not.
        """
        data, config = self.series, self.config
        origin = len(data) if origin is None else origin
        least = seen_before(config, self.learned)
        if not least <= origin <= len(data):
            labels = data.series.labels
            which = f"row {origin + 1}" + (f" ({labels[origin]})" if origin < len(data) else "")
            raise DataError(
                f"{data.series.source}: a forecast is to begin with {which}; the network and the "
                f"baselines see {_rows(least)} before it, so it can begin with row {least + 1}"
                + (f" ({labels[least]})" if least < len(data) else "")
                + f" to {len(data)} ({labels[-1]}), or after the last."
            )
        return forecast(self.forecaster, data, config, origin, steps or config.horizon)

    def facts(self) -> dict[str, Any]:
        """What was learned of the training part, as `Learned` has it."""
        return self.learned.facts()

    def sources(self) -> list[str]:
        """The file, unless the series comes along."""
        return [] if self.config.data in SHIPPED else [self.config.data]

    def baselines(self) -> dict[str, float]:
        """The loss of AR and of the naive rule on the rows that choose the weights."""
        data, linear, naive = self.series, self.learned.autoregression, self.naive
        a, b = data.validation, data.test
        scale = data.scaling.scale[0]
        return {
            name: (rmse(said[a:b], data.truth[a:b]) / scale) ** 2
            for name, said in (
                (f"AR({linear.order})", linear.one_step(data.past)),
                (naive.name, naive.one_step(data.past)),
            )
        }

    @property
    def naive(self) -> Naive:
        """The naive rule."""
        return Naive(self.config.season)

    def report(self, figures: Mapping[str, float]) -> str:
        """The errors of network, AR and naive rule side by side, and which is the smallest."""
        data, config = self.series, self.config
        labels, order = data.series.labels, self.learned.autoregression.order
        names = {config.network: "", f"AR({order})": "ar_", self.naive.name: "naive_"}
        wide = max(14, *(len(name) + 2 for name in names))
        lines = [
            f"{data.series.names[0]}, {labels[data.test]} to {labels[-1]}: "
            f"{_rows(len(data) - data.test)} {self._judged_by()}.\nRoot mean squared errors:",
            " " * 33 + "".join(f"{name:>{wide}}" for name in names),
        ]
        for told, figure in (
            ("one step ahead", "rmse"),
            (f"1 to {config.horizon} steps ahead, closed loop", "closed_loop_rmse"),
        ):
            values = [figures.get(f"{prefix}{figure}", float("nan")) for prefix in names.values()]
            lines.append(f"{told:33}" + "".join(f"{value:{wide}.4g}" for value in values))
        lines += [_verdict(names, figures)]
        if config.columns and config.future == "known":
            lines.append(
                f"{config.network} was given {', '.join(config.columns)} of the rows it forecast; "
                "the others know the target alone."
            )
        if constant := self.learned.scaling.constant:
            lines.append(f"{', '.join(constant)}: constant where it learned, so of no help")
        if uneven := unevenness(labels):
            lines.append(f"{uneven} To the network every row is one step.")
        return "\n".join(lines)

    def _judged_by(self) -> str:
        """What the rows are to the network that judge it."""
        data = self.series
        if data.validation < data.test:
            return "that it neither learned from nor was chosen by"
        if data.seen == data.test:
            return f"after the {data.seen} that it learned from or was chosen by"
        told = f"after {_rows(data.test)} that it sees first"
        if data.seen > data.test:
            told += f"; {data.seen - data.test} of them it learned from or was chosen by"
        return told

    def finish(self, folder: pathlib.Path) -> list[str]:
        """Draw the forecast of the test part and the errors by steps ahead."""
        data, config = self.series, self.config
        errors = judge(self.forecaster, data, config).errors
        steps = min(len(data) - data.test, 4 * config.horizon)
        shown = self.forecast(data.test, steps)
        files = ["forecast.png"] + ["forecast.svg"] * config.svg
        for name in files:
            picture = draw(self, shown, data.test, errors, name.rpartition(".")[2])
            write_whole(folder / name, picture)
        return files


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"


def _verdict(names: Mapping[str, str], figures: Mapping[str, float]) -> str:
    """Who errs least: honest where it is not the network."""
    network, *others = names
    told = []
    for what, figure in (("one step ahead", "rmse"), ("in closed loop", "closed_loop_rmse")):
        mine = figures.get(figure, float("inf"))
        rivals = {name: figures.get(f"{names[name]}{figure}", float("inf")) for name in others}
        best = min(rivals, key=lambda name: rivals[name])
        if rivals[best] == mine:
            told.append(f"{what} {network} and {best} are alike")
        elif mine < rivals[best]:
            told.append(f"{what} {network} errs {1 - mine / rivals[best]:.0%} less than {best}")
        else:
            told.append(f"{what} {best} is better: it errs {1 - rivals[best] / mine:.0%} less")
    sentence = "; ".join(told) + "."
    sentence = sentence[0].upper() + sentence[1:]
    if (share := figures.get("arv")) is not None:
        sentence += f"\nOne step ahead {share:.1%} of the variance is left (ARV {share:.3f})."
    return sentence


def _model(config: ForecastConfig) -> Forecaster:
    extra = len(config.columns or ())
    if config.network == "narx":
        return NarxForecaster(
            extra, config.hidden, config.input_delays, config.output_delays, config.dtype
        )
    return RecurrentForecaster(
        extra, config.hidden, config.network, num_layers=config.layers, dropout=config.dropout,
        dtype=config.dtype,
    )  # fmt: skip
