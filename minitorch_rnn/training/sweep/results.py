"""The results of a sweep: one row a trial, the best first; and for repeated seeds their means."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Result", "best_first", "csv_of", "over_seeds"]


class Result(NamedTuple):
    """What became of a trial.

    Attributes:
        trial: its name, which is that of its folder.
        options: the values of what differs between trials.
        figure: of its best weights, by the figure it is judged by; None before it has one.
        steps, seconds: of training.
        status: "finished", "failed", "interrupted", "running", "waiting" or "damaged".
        reason: why it failed.

    >>> Result("trial-0007", {"lr": 0.1}, 0.5).row("loss")["loss"]
    0.5
    """

    trial: str
    options: dict[str, Any]
    figure: float | None = None
    steps: int | None = None
    seconds: float | None = None
    status: str = "waiting"
    reason: str | None = None

    def row(self, judged_by: str) -> dict[str, Any]:
        """As a row of the table, without the reason."""
        return {
            "trial": self.trial, **self.options, judged_by: self.figure,
            "steps": self.steps, "seconds": self.seconds, "status": self.status,
        }  # fmt: skip


def best_first(results: Iterable[Result]) -> list[Result]:
    """Sorted by the figure; those that finished before those that did not.

    >>> [r.trial for r in best_first([Result("a", {}, 0.3), Result("b", {}), Result("c", {}, 0.1)])]
    ['c', 'a', 'b']
    """
    return sorted(results, key=lambda r: (r.status != "finished", *_rank(r.figure), r.trial))


def _rank(figure: float | None) -> tuple[bool, float]:
    missing = figure is None or math.isnan(figure)
    return missing, 0.0 if figure is None or missing else figure


def over_seeds(results: Sequence[Result], judged_by: str) -> list[dict[str, Any]]:
    """Rows of the mean figure over the seeds that finished, and its standard deviation.

    Settings of which every seed finished come first: a mean of those that did not fail flatters.

    >>> trials = [Result(f"t{seed}", {"lr": 0.1, "seed": seed}, 0.5 + seed, 9, 1.0, "finished")
    ...           for seed in (0, 1)]
    >>> (row,) = over_seeds(trials, "loss")
    >>> row["lr"], row["loss"], row["finished"]
    (0.1, 1.0, '2 of 2')
    """
    groups: dict[str, list[Result]] = {}
    for result in results:
        rest = {name: value for name, value in result.options.items() if name != "seed"}
        groups.setdefault(repr(rest), []).append(result)
    rows = []
    for group in groups.values():
        ended = [result for result in group if result.status == "finished"]
        figures = [result.figure for result in ended if result.figure is not None]
        mean = statistics.fmean(figures) if figures else None
        options = {name: value for name, value in group[0].options.items() if name != "seed"}
        row = {
            **options,
            judged_by: mean,
            "deviation": statistics.stdev(figures) if len(figures) > 1 else None,
            "finished": f"{len(ended)} of {len(group)}",
            "seconds": sum(result.seconds or 0.0 for result in group),
        }
        rows.append(((len(ended) < len(group), *_rank(mean), group[0].trial), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def csv_of(results: Sequence[Result], judged_by: str) -> bytes:
    """The table as a CSV file, every digit of the figures, and the reasons.

    >>> csv_of([Result("trial-0001", {"lr": 0.1}, 0.5, 3, 1.0, "finished")], "loss").split()
    [b'trial,lr,loss,steps,seconds,status,reason', b'trial-0001,0.1,0.5,3,1.0,finished,']
    """
    file = io.StringIO()
    rows = [result.row(judged_by) | {"reason": result.reason} for result in results]
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()
