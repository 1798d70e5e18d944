"""`minitorch-rnn runs`: a table of past trainings."""

import argparse
import json

from minitorch_rnn.cli.table import first_sentence, plain, room, table
from minitorch_rnn.training.past import PastRun, past_runs
from minitorch_rnn.training.tasks import task_of


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = (
        "List the runs in a folder, the newest last: what was trained, how it ended, "
        "and the figure that its weights were judged by, on data that they were not trained on. A "
        "run that was killed is interrupted, too; `resume` goes on with it."
    )
    command.add_argument(
        "folder", metavar="FOLDER", nargs="?", default="runs", help="where they are (runs/)"
    )
    command.add_argument(
        "--json", action="store_true", help="print a list as JSON, reasons in full"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table, and why runs failed or cannot be read."""
    runs = past_runs(options.folder)
    if options.json:
        print(json.dumps([plain(run._asdict()) for run in runs], indent=1))
        return 0
    if not runs:
        print(f"{options.folder}/: holds no run; `minitorch-rnn train` makes one.")
        return 0
    print(table([_row(run) for run in runs], room(), ("seconds", "network", "task")))
    judged = {run.task: task_of(run.task).judged_by for run in runs if run.task is not None}
    print("\nfigure: " + "; ".join(f"{task}: {name}" for task, name in judged.items()))
    for past in runs:
        if past.reason:
            print(f"\n{past.name} {past.status}: {first_sentence(past.reason)}")
    return 0


def _row(run: PastRun) -> dict[str, object]:
    figure = None if run.task is None else run.figures.get(task_of(run.task).judged_by)
    when = None if run.started is None else run.started[:16].replace("T", " ")
    return {
        "run": run.name, "task": run.task, "network": run.network, "status": run.status,
        "steps": run.steps, "figure": figure, "started": when, "seconds": run.seconds,
    }  # fmt: skip
