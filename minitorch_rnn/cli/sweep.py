"""`minitorch-rnn sweep`: many trainings with different options, and a table of their figures."""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import sys
from typing import Any

from minitorch_rnn.cli.options import count
from minitorch_rnn.cli.table import first_sentence, plain, room, table
from minitorch_rnn.training import sweep
from minitorch_rnn.training.session import PACKAGES, require
from minitorch_rnn.training.signals import STATUS
from minitorch_rnn.training.sweep.pools import ranks
from minitorch_rnn.training.tasks import task_of

_DESCRIPTION = """\
Run one training after another, several at once, with the options that a TOML file gives and with
every value, or drawn ones, of those that it varies. Each is a run in a folder of its own. The same
command again goes on where the last one was ended, by whatever, and prints the table again."""

_EXAMPLE = """\
a file:
  task = "text"                                what `train` takes, by its names
  text = "book.txt"
  steps = 500
  seeds = 3                                    everything with the seeds 0, 1 and 2

  [grid]                                       every combination
  cell = ["gru", "lstm"]

  [random]                                     each of 20 draws, in every place of the grid
  trials = 20
  lr = {low = 0.001, high = 0.1, log = true}
  hidden = {low = 16, high = 128, whole = true}
  layers = [1, 2]

on a cluster, one rank deals out and the others train:
  mpiexec -n 9 python -m mpi4py.futures -m minitorch_rnn sweep FILE.toml --mpi"""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = _DESCRIPTION
    command.epilog = _EXAMPLE
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_argument("file", metavar="FILE.toml", help="what to try")
    command.add_argument(
        "--out", metavar="FOLDER", help="where the runs go (sweeps/ and the file's name)"
    )
    command.add_argument(
        "--jobs", type=count, metavar="N", help="trainings at once (one for each core)"
    )
    command.add_argument("--mpi", action="store_true", help="use the ranks of an MPI job instead")
    command.add_argument(
        "--retry-failed", action="store_true", help="begin trials that failed anew"
    )
    command.add_argument(
        "--json", action="store_true", help="print the results as JSON, reasons in full"
    )
    command.set_defaults(run=run, wrong_usage=command.error)


def run(options: argparse.Namespace) -> int:
    """Run what is left to run, and print the table."""
    if options.mpi and options.jobs:
        options.wrong_usage("--jobs is for one machine; mpiexec -n says how many ranks there are")
    require(*PACKAGES)
    folder = options.out or pathlib.Path("sweeps") / pathlib.Path(options.file).stem
    jobs = options.jobs or sweep.cores()
    with ranks() if options.mpi else sweep.processes(jobs) as pool:
        if pool is None:  # a rank that trained for the first one
            return 0
        plan = sweep.read_plan(options.file, lambda task: task_of(task).Config)
        search = sweep.Sweep(plan, folder)
        with _Progress(search.results(), pool.size) as progress:
            results = search.run(pool, options.retry_failed, progress.told)
    if options.json:
        print(json.dumps(_answer(search, results), indent=1))
    else:
        _print(search, results)
    none = all(result.status != "finished" for result in results)
    return STATUS.get(search.ended or "", int(none))


def _answer(search: sweep.Sweep, results: list[sweep.Result]) -> dict[str, Any]:
    answer = {
        "folder": str(search.folder),
        "judged_by": search.judged_by,
        "ended": search.ended,
        "trials": [result._asdict() for result in results],
    }
    if "seed" in search.plan.varied:
        answer["settings"] = sweep.over_seeds(results, search.judged_by)
    found: dict[str, Any] = plain(answer)
    return found


def _print(search: sweep.Sweep, results: list[sweep.Result]) -> None:
    rows = [result.row(search.judged_by) for result in results]
    repeated = "seed" in search.plan.varied
    if repeated:
        rows = sweep.over_seeds(results, search.judged_by)
    print(table(rows, room(), ("seconds", "steps", "deviation")))
    for result in results:
        if result.reason:
            print(f"\n{result.trial} {result.status}: {first_sentence(result.reason)}")
    ended = [result for result in results if result.status == "finished"]
    print(f"\n{len(ended)} of {len(results)} trials finished; {search.folder}/table.csv has all.")
    if any(result.status in ("interrupted", "running", "waiting") for result in results):
        print("interrupted; the same command goes on.")
    elif ended and ended[0].figure is not None:
        print(_best_mean(search, rows, ended) if repeated else _best(search, ended[0]))


def _best(search: sweep.Sweep, result: sweep.Result) -> str:
    return f"best: {search.folder / result.trial}, {search.judged_by} {result.figure:.4g}"


def _best_mean(search: sweep.Sweep, rows: list[dict[str, Any]], ended: list[sweep.Result]) -> str:
    """The setting with the best mean: one lucky seed does not make a setting good."""
    row = next(row for row in rows if row[search.judged_by] is not None)
    setting = {name: row[name] for name in search.plan.varied if name != "seed"}
    told = ", ".join(f"{name} {value}" for name, value in setting.items()) or "the only setting"
    first = next(r for r in ended if setting.items() <= r.options.items())
    return (
        f"best mean: {told}: {search.judged_by} {row[search.judged_by]:.4g} over the seeds, "
        f"{row['finished']} finished\nits best seed: {search.folder / first.trial}, "
        f"{search.judged_by} {first.figure:.4g}"
    )


class _Progress:
    """A line for every trial that ends, and a bar on a terminal."""

    def __init__(self, results: list[sweep.Result], places: int) -> None:
        from tqdm import tqdm

        ended = sum(result.status in ("finished", "failed", "damaged") for result in results)
        if ended < len(results):
            self._say(f"{len(results)} trials, {ended} ended before; {places} at once")
        self._bar = tqdm(
            total=len(results), initial=ended, disable=not sys.stderr.isatty(), leave=False,
            unit=" trials", dynamic_ncols=True,
        )  # fmt: skip

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def told(self, result: sweep.Result, number: int, of: int) -> None:
        """Called with every trial that ends."""
        options = ", ".join(f"{name} {value}" for name, value in result.options.items())
        told = result.status if result.figure is None else f"{result.status}, {result.figure:.4g}"
        self._say(f"{number}/{of} {result.trial} ({options}): {told}")
        self._bar.n = number
        with contextlib.suppress(OSError):
            self._bar.refresh()

    def _say(self, line: str) -> None:
        from tqdm import tqdm

        with contextlib.suppress(OSError):  # whoever read this has gone; the sweep has not
            tqdm.write(line, file=sys.stderr)
