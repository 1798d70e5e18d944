"""`minitorch-rnn evaluate`: the figures of a trained model, on its own data or on other."""

import argparse
import json

from minitorch_rnn.cli.table import plain
from minitorch_rnn.errors import DataError
from minitorch_rnn.training.run import Run, newest_run
from minitorch_rnn.training.task import Task

_DESCRIPTION = """\
Judge the best weights of a run: on the part of its data that was held out from training, or on
another file, by the characters, tags or scaling of the training. A series is judged from where the
network has seen enough of it; if it begins with the rows of the training, by those after them."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = _DESCRIPTION
    command.add_argument(
        "folder", metavar="RUN", nargs="?", help="a folder that `train` wrote (the newest in runs/)"
    )
    command.add_argument(
        "--data", "--text", metavar="FILE", help="judge by this instead, of the same kind"
    )
    command.add_argument("--json", action="store_true", help="the figures as JSON")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the figures."""
    found = Run.open(options.folder or newest_run())
    task = judged(found, options.data)
    figures, step = task.evaluate(), found.record.get("best")
    if options.json:
        told = {"run": str(found.folder), "task": found.record["task"], "best_step": step}
        print(json.dumps(plain(told | {"data": options.data, "figures": figures}), indent=1))
        return 0
    weights = "the best weights" + (f", of step {step:,}" if isinstance(step, int) else "")
    print(f"{found.folder}: {weights}, on {options.data or 'what was held out'}")
    print(task.report(figures))
    return 0


def judged(found: Run, source: str | None) -> Task:
    """The task of a run with its best weights, and with the data to judge them by."""
    task = found.task()
    if source is not None:
        task.read(source)
        return task
    own = type(task).prepare(found.config)
    try:
        found.check_data(own)
    except DataError as error:
        raise DataError(f"{error} Or judge by the data as it is now, with --data FILE.") from error
    own.model.load_state_dict(task.model.state_dict())
    return own
