"""`minitorch-rnn train`: a character model, a forecast, or tags, from options to a run folder."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import sys
from collections.abc import Iterator
from typing import Any

from minitorch_rnn import training
from minitorch_rnn.cli.flags import add_flags, config_of
from minitorch_rnn.cli.options import positive
from minitorch_rnn.training import config, distributed, reporting, session
from minitorch_rnn.training.signals import STATUS
from minitorch_rnn.training.tasks import TASKS, task_of
from minitorch_rnn.training.tasks.text import TextConfig

_DESCRIPTION = """\
Train a recurrent network: to predict the next character of a text (--task text), the next values of
a time series (forecast), or a tag for every symbol of a sequence (tagging). Without options: text,
the source code of Python's standard library, for less than a minute. Options, weights, checkpoints,
metrics and pictures go into a run folder. Ctrl-C saves and ends; `resume` goes on, also after a
crash, as if nothing had been."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options; defaults stand in parentheses."""
    command.description = _DESCRIPTION
    command.usage = "minitorch-rnn train [OPTION …]"  # of which there are some sixty
    option = command.add_argument
    option("--task", choices=tuple(TASKS), help="what is learned (text)")
    option("--config", metavar="FILE", help="a TOML file of options; flags win over it")
    option("--out", metavar="RUN", help="the run folder (runs/ and the time)")
    add_output_options(command)
    add_flags(command)
    command.set_defaults(run=run)


def add_output_options(command: Any) -> None:
    """The options of `train` and `resume` that are not of the training itself."""
    option = command.add_argument
    option("--quiet", action="store_true", help="no samples and no progress")
    option(
        "--distributed", action="store_true",
        help="train with the other processes that mpiexec started; needs minitorch-rnn[mpi]",
    )  # fmt: skip
    option(
        "--rank-timeout", type=positive, default=60.0, metavar="S",
        help="seconds to wait for another process before all are ended (60)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Train, report, save."""
    session.require(*session.PACKAGES)
    given = {} if options.config is None else config.read(options.config)
    task = options.task or task_of(str(given.get("task", "text"))).name
    given.pop("task", None)
    chosen = config_of(task, options, given, options.config or "")
    now = f"{datetime.datetime.now():%Y%m%d-%H%M%S-%f}"[:-4]
    with processes(options) as told:
        folder = told.broadcast(f"runs/{now}" if options.out is None else options.out)
        outcome = training.start(chosen, folder, shown(options, told, chosen), told)
        return report(outcome, told, chosen)


@contextlib.contextmanager
def processes(options: argparse.Namespace) -> Iterator[Any]:
    """Inside the block, what connects this process with those that it trains with."""
    if not options.distributed:
        yield distributed.Alone()
        return
    told = distributed.create_communicator(timeout=options.rank_timeout)
    with distributed.guard(told):
        yield told


def shown(
    options: argparse.Namespace, told: Any, chosen: training.Config
) -> list[training.Callback]:
    """What shows the training on the terminal: of several processes, the first."""
    if told.size > 1:
        places = told.places()
        if not told.rank:
            print(places, file=sys.stderr, flush=True)
    if options.quiet or told.rank:
        return []
    found: list[training.Callback] = [reporting.Progress(chosen.seconds)]
    if isinstance(chosen, TextConfig):
        found.append(reporting.Samples(None, chosen.sample_every, chosen.seed))
    return found


def report(outcome: training.Outcome, told: Any, chosen: training.Config) -> int:
    """Say what came of a training; the exit status."""
    status = STATUS.get(outcome.ended, 0)
    if told.rank:
        return status
    folder, steps = outcome.folder, f"{outcome.steps:,}"
    why = {
        "interrupt": "Ctrl-C",
        "terminated": "SIGTERM",
        "terminal closed": "SIGHUP",
        "time": f"--seconds {chosen.seconds or 0:g}",
        "early": f"--patience {chosen.patience}: no better figure",
    }.get(outcome.ended)
    if why is not None:
        asked = "" if chosen.steps is None else f" of {chosen.steps:,}"
        print(f"stopped by {why} after {steps}{asked} steps")
    judged = outcome.task.report(outcome.figures) if outcome.figures else "It was not judged yet."
    print(f"{steps} steps in {outcome.seconds:.0f} s. {judged}")
    print(f"wrote {folder}: {', '.join(outcome.files)}")
    if status:
        print(f"next: minitorch-rnn resume {folder}")
    else:
        print(f"next: minitorch-rnn {outcome.task.next_command} {folder}")
    return status
