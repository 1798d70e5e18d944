"""`minitorch-rnn sample`: let a trained model write."""

import argparse
import sys
from typing import Any

import numpy as np

from minitorch_rnn.cli.options import count, positive, seed
from minitorch_rnn.errors import RunError
from minitorch_rnn.training.run import Run, newest_run
from minitorch_rnn.training.tasks import CharacterTask


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = (
        "Write characters, each drawn from the model's distribution after all that came before it."
    )
    command.add_argument(
        "folder", metavar="RUN", nargs="?", help="a folder that `train` wrote (the newest in runs/)"
    )
    command.add_argument("--prompt", default="\n", help="what comes first (a new line)")
    command.add_argument("--length", type=count, default=500, help="characters to write (500)")
    command.add_argument(
        "--temperature", type=positive, default=0.7, help="below 1 safer, above 1 bolder (0.7)"
    )
    command.add_argument("--seed", type=seed, help="draws the characters; the same again")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the prompt and what follows it."""
    found = Run.open(options.folder or newest_run())
    if found.record["task"] != CharacterTask.name:
        raise RunError(
            f"{found.folder}: is a run of --task {found.record['task']}, which writes no text; "
            f"`minitorch-rnn evaluate {found.folder}` tells its figures."
        )
    model: Any = found.task().model
    unknown = "".join(dict.fromkeys(options.prompt.replace("\n", "")))
    unknown = "".join(c for c in unknown if model.vocabulary.unknown in model.vocabulary.encode(c))
    if unknown:
        print(
            f"minitorch-rnn: the model does not know {unknown!r} of the prompt; to it all unknown "
            "characters are one symbol.",
            file=sys.stderr,
        )
    rng = np.random.default_rng(options.seed)
    letters = model.sample(options.prompt, options.length, options.temperature, rng)
    sys.stdout.write(options.prompt)
    for letter in letters:
        sys.stdout.write(letter)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0
