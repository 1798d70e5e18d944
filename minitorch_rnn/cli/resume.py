"""`minitorch-rnn resume`: go on with a run that was stopped or killed."""

from __future__ import annotations

import argparse
import sys

from minitorch_rnn import training
from minitorch_rnn.cli.flags import add_flags, given_options
from minitorch_rnn.cli.train import add_output_options, processes, report, shown

_DESCRIPTION = """\
Go on with a training from its last checkpoint, as if it had not been stopped: the numbers are the
same to the last bit, with the same machine and options. The options below may be changed, for
example --steps to train longer; others would make it another training and are refused."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = _DESCRIPTION
    command.usage = "minitorch-rnn resume [RUN] [OPTION …]"
    command.add_argument(
        "folder", metavar="RUN", nargs="?", help="a folder that `train` wrote (the newest in runs/)"
    )
    add_output_options(command)
    add_flags(command, later=True)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Go on, report, save."""
    with processes(options) as told:
        folder = told.broadcast(options.folder or str(training.newest_run()))
        changes = given_options(options)
        run = training.Run.open(folder)
        if run.status == "finished" and not changes and not run.edited():
            if not told.rank:
                print(f"{folder} is finished, after {run.record['steps']:,} steps; --steps N, with")
                print("more of them, trains it longer")
            return 0
        chosen = run.changed(changes)
        outcome = training.resume(folder, changes, shown(options, told, chosen), told)
        for note in outcome.notes:
            print(f"minitorch-rnn: an older checkpoint was taken: {note}", file=sys.stderr)
        return report(outcome, told, training.Run.open(folder).config)
