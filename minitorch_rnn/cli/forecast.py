"""`minitorch-rnn forecast`: what a trained network says comes next, beside simpler forecasts."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import pathlib
from typing import Any

from minitorch_rnn.cli.options import count
from minitorch_rnn.cli.table import plain, room, table
from minitorch_rnn.errors import DataError, RunError
from minitorch_rnn.serialization import write_whole
from minitorch_rnn.training.run import Run, newest_run
from minitorch_rnn.training.tasks.forecast import ForecastTask
from minitorch_rnn.training.tasks.forecast.picture import draw
from minitorch_rnn.training.tasks.forecast.scores import Forecast

_MOST = 100_000  # steps
_DESCRIPTION = """\
Forecast a series in closed loop: the network goes on from what is known, and each of its forecasts
is fed back to it. The linear AR forecast and the naive one stand beside it, and the errors of all
three where the truth is known, as with --from a row in the past."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options; defaults stand in parentheses."""
    command.description = _DESCRIPTION
    command.add_argument(
        "folder", metavar="RUN", nargs="?", help="a folder that `train` wrote (the newest in runs/)"
    )
    command.add_argument(
        "--steps", type=count, metavar="N", help="rows to forecast (the horizon of the run)"
    )
    command.add_argument(
        "--from", dest="origin", metavar="ROW",
        help="the first row to forecast, by its label, or else its number from 1, as if it and all "
        "that follow were not known; a label comes before a number (the one after the last)",
    )  # fmt: skip
    command.add_argument(
        "--data", metavar="FILE", help="a newer or another series, of the same columns"
    )
    command.add_argument("--out", metavar="FILE", help="a .csv, .png or .svg to write it to")
    command.add_argument("--json", action="store_true", help="the forecast as JSON")
    command.set_defaults(run=run, wrong_usage=command.error)


def run(options: argparse.Namespace) -> int:
    """Print the forecast; write or draw it."""
    kind = pathlib.Path("x.csv" if options.out is None else options.out).suffix.lower()[1:]
    if kind not in ("csv", "png", "svg"):
        options.wrong_usage(
            f"--out {options.out}: a name that ends in .csv, .png or .svg is needed"
        )
    if options.steps is not None and options.steps > _MOST:
        options.wrong_usage(f"--steps {options.steps}: at most {_MOST:,} can be forecast")
    found = Run.open(options.folder or newest_run())
    task = found.task()
    if not isinstance(task, ForecastTask):
        raise RunError(
            f"{found.folder}: is a run of --task {found.record['task']}, which forecasts no "
            f"series; `minitorch-rnn evaluate {found.folder}` tells its figures."
        )
    task.read(options.data)
    if options.data is None:
        _check_data(found, task)
    data = task.series
    origin = len(data) if options.origin is None else data.series.row(options.origin)
    shown = task.forecast(origin, options.steps)
    rows = _rows(task, shown)
    if options.json:
        told = {
            "run": str(found.folder),
            "series": data.series.source,
            "target": data.series.names[0],
            "first_row": origin + 1,
            "forecast": rows,
            "rmse": dict(zip(_names(task), shown.errors.values(), strict=True)),
        }
        print(json.dumps(plain(told), indent=1))
    else:
        print(f"{data.series.source}: {_sentence(task, origin)}")
        print(table(rows, room()))
        print(_errors(task, shown, found))
    if options.out:
        content = _csv(rows) if kind == "csv" else draw(task, shown, origin, None, kind)
        try:
            write_whole(options.out, content)
        except OSError as error:
            raise DataError(f"{options.out}: cannot be written: {error.strerror}.") from None
        if not options.json:
            print(f"wrote {options.out}")
    return 0


def _names(task: ForecastTask) -> tuple[str, str, str]:
    order = task.learned.autoregression.order
    return task.config.network, f"AR({order})", task.naive.name


def _rows(task: ForecastTask, shown: Forecast) -> list[dict[str, Any]]:
    """A row of the table for each step; the truth where any of it is known."""
    columns = {
        name: values.tolist()
        for name, values in zip(_names(task), (shown.network, shown.autoregression, shown.naive),
                                strict=True)
    }  # fmt: skip
    truth = [None if math.isnan(value) else value for value in shown.truth.tolist()]
    if any(value is not None for value in truth):
        columns["truth"] = truth
    return [
        {"row": label} | {name: values[k] for name, values in columns.items()}
        for k, label in enumerate(shown.labels)
    ]


def _check_data(found: Run, task: ForecastTask) -> None:
    try:
        found.check_data(task)
    except DataError as error:
        raise DataError(
            f"{error} Or forecast the rows that are there now, with --data {task.config.data}."
        ) from error


def _sentence(task: ForecastTask, origin: int) -> str:
    """What is forecast from what; and what the network knew of it already."""
    data = task.series
    validation = data.seen - (task.learned.test - task.learned.validation)
    told = f"{data.series.names[0]} as it goes on after {_label(task, origin)}, in closed loop"
    if origin >= data.seen:
        return told
    if origin < validation:
        return f"{told}; the network has learned from rows up to {_label(task, validation)}"
    return f"{told}; its weights were chosen by rows up to {_label(task, data.seen)}"


def _label(task: ForecastTask, end: int) -> str:
    return task.series.series.labels[end - 1]


def _errors(task: ForecastTask, shown: Forecast, found: Run) -> str:
    """The errors where the truth is known; else those of the test."""
    named = list(zip(_names(task), shown.errors.values(), strict=True))
    known = sum(not math.isnan(value) for value in shown.truth.tolist())
    if known:
        which = f"over the {known} rows" if known < len(shown.truth) else "over all rows"
        told = ", ".join(f"{name} {error:.4g}" for name, error in named)
        return f"root mean squared error {which} whose truth is known: {told}"
    figures = found.record["figures"]
    keys = ("closed_loop_rmse", "ar_closed_loop_rmse", "naive_closed_loop_rmse")
    tested = [(name, figures[key]) for (name, _), key in zip(named, keys, strict=True)
              if isinstance(figures.get(key), float)]  # fmt: skip
    if not tested:
        return "nothing is known of these rows yet, so neither are the errors"
    told = ", ".join(f"{name} {error:.4g}" for name, error in tested)
    return f"root mean squared error in the test, 1 to {task.config.horizon} steps ahead: {told}"


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
