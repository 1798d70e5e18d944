"""The picture of a forecast: truth, network and baselines, and their errors by steps ahead."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_rnn.errors import RunError
from minitorch_rnn.serialization import needs_app
from minitorch_rnn.training.tasks.forecast.scores import Errors, Forecast

if TYPE_CHECKING:
    from minitorch_rnn.training.tasks.forecast.task import ForecastTask

__all__ = ["draw"]

# Lines differ in dashes, width and lightness, so that they can be told apart in grey.
_STYLES: dict[str, dict[str, Any]] = {
    "truth": {"color": "0.0", "linewidth": 1.2, "marker": ".", "markersize": 4},
    "network": {"color": "tab:red", "linewidth": 2.2},
    "autoregression": {"color": "tab:blue", "linewidth": 1.6, "linestyle": (0, (5, 1.5))},
    "naive": {"color": "0.35", "linewidth": 2.0, "linestyle": (0, (1, 1.2))},
}


def draw(
    task: ForecastTask, shown: Forecast, origin: int, errors: Errors | None, kind: str
) -> bytes:
    """The forecast beside what is known, and below it the errors by steps ahead.

    Args:
        task: what forecasts.
        shown: the forecast.
        origin: the row, from 0, of its first step.
        errors: by steps ahead; None leaves that part out.
        kind: "png" or "svg".

    Raises:
        RunError: if matplotlib is missing.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise RunError(str(needs_app("matplotlib"))) from cause
    order = task.learned.autoregression.order
    names = {
        "network": task.config.network,
        "autoregression": f"AR({order})",
        "naive": task.naive.name,
    }
    settings = {"font.size": 11, "svg.hashsalt": "minitorch_rnn", "svg.fonttype": "none"}
    with rc_context(settings):
        figure = Figure(figsize=(7, 5.4 if errors else 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        if errors:
            above, below = figure.subplots(2, 1, height_ratios=(3, 2))
            _draw_errors(below, errors, names)
        else:
            above = figure.subplots()
        _draw_forecast(above, task, shown, origin, names)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()
        figure.savefig(
            picture, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else {}
        )
    return picture.getvalue()


def _draw_forecast(
    axes: Any, task: ForecastTask, shown: Forecast, origin: int, names: dict[str, str]
) -> None:
    data, steps = task.series, len(shown.labels)
    begin = max(0, origin - max(steps, 20))
    labels = [*data.series.labels[begin:origin], *shown.labels]
    truth = np.concatenate([data.truth[begin:origin], shown.truth])
    at = np.arange(len(labels))
    axes.plot(at, truth, label="truth", **_STYLES["truth"])
    for key, name in names.items():
        said = getattr(shown, key)
        error = shown.errors[key]
        told = name if np.isnan(error) else f"{name}: {error:.3g}"
        axes.plot(at[origin - begin :], said, label=told, zorder=3, **_STYLES[key])
    axes.axvline(origin - begin - 0.5, color="0.7", linewidth=0.8, zorder=0)
    axes.set_ylim(*_limits(truth, shown))
    _label_rows(axes, labels)
    axes.set_ylabel(data.series.names[0][:40])
    title = "in closed loop, each fed its own forecasts"
    if not np.isnan(shown.errors["network"]):
        title += "; numbers: RMSE of this one forecast"
    axes.set_title(title, fontsize=10, loc="left")
    _legend(axes)


def _limits(truth: np.ndarray, shown: Forecast) -> tuple[float, float]:
    """An axis that holds all lines; of a baseline that runs away, so much as leaves them legible.

    A network's line is always held: it is what the picture is about.
    """
    drawn = np.concatenate([truth, shown.network])
    drawn = drawn[np.isfinite(drawn)]
    low, high = drawn.min(), drawn.max()
    most = 0.5 * (high - low)
    others = np.concatenate([shown.autoregression, shown.naive])
    others = others[np.isfinite(others)].clip(low - most, high + most)
    low, high = min(low, *others), max(high, *others)
    room = 0.08 * ((high - low) or 1.0)
    return low - room, high + room


def _label_rows(axes: Any, labels: list[str]) -> None:
    """Ticks at even distances, and at rows that are there."""
    from matplotlib.ticker import MaxNLocator

    places = MaxNLocator(7 if len(labels[0]) < 7 else 4, integer=True)
    at = [int(i) for i in places.tick_values(0, len(labels) - 1) if 0 <= i < len(labels)]
    if re.fullmatch("-?[0-9]{1,9}", labels[0]) and labels == _counting(labels):
        first = int(labels[0])  # years are told at round numbers
        marks = places.tick_values(first, first + len(labels) - 1)
        at = [int(i) - first for i in marks if 0 <= i - first < len(labels)]
    axes.set_xticks(at, [labels[i][:16] for i in at])


def _counting(labels: list[str]) -> list[str]:
    return [str(int(labels[0]) + k) for k in range(len(labels))]


def _draw_errors(axes: Any, errors: Errors, names: dict[str, str]) -> None:
    at = np.arange(1, len(errors.network) + 1)
    for key, name in names.items():
        axes.plot(at, getattr(errors, key), label=name, **_STYLES[key])
    highest = max(np.nanmax(errors.network), np.nanmax(errors.naive))
    if np.isfinite(highest):
        axes.set_ylim(0, 1.1 * highest or 1.0)
    axes.set_xlabel("steps ahead")
    axes.set_ylabel("RMSE")
    axes.set_title(f"over {errors.origins} forecasts of the test rows", fontsize=10, loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _legend(axes: Any) -> None:
    axes.legend(
        frameon=False, fontsize=9.5, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.1),
        handlelength=3, columnspacing=1.5,
    )  # fmt: skip
