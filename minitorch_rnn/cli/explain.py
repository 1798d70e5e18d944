"""`minitorch-rnn explain`: one page that steps through a run, forward and backward."""

import argparse

from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.cli.options import add_network, count, network_of, seed
from minitorch_rnn.teaching.explain import explain
from minitorch_rnn.teaching.recording.series_file import read_series

_DESCRIPTION = """\
Write one HTML page that steps through a run of a network, one operation at a time, forward and
backward, with the numbers of the engine and those of backpropagation through time beside them. It
works from the file, without a server or a network. Without --data, small numbers are drawn.

The CSV file has a line for each time step below a header that names its columns: x1, x2, … for the
inputs and d1, d2, … for the targets, as many as the network has (--inputs, --outputs)."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = _DESCRIPTION
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    add_network(command)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--steps", type=count, default=4, metavar="T", help="time steps (4)")
    which.add_argument("--data", metavar="FILE.csv", help="inputs and targets of one sequence")
    command.add_argument(
        "--divergence", choices=DIVERGENCES, default="squared error", metavar="NAME",
        help=f"of {', '.join(DIVERGENCES)} (squared error)",
    )  # fmt: skip
    command.add_argument("--seed", type=seed, default=0, help="draws parameters and data (0)")
    command.add_argument("--out", default="explain.html", metavar="FILE", help="(explain.html)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the page and say where it is."""
    if not options.out.lower().endswith((".html", ".htm")):
        options.wrong_usage(f"--out {options.out}: a name that ends in .html is needed")
    column = network_of(options)
    x = D = None
    if options.data is not None:
        x, D = read_series(options.data, column, DIVERGENCES[options.divergence])
    page = explain(column, x, D, options.divergence, steps=options.steps, seed=options.seed)
    file, recording = page.write(options.out), page.recording
    print(
        f"{file}: {len(recording.steps)} steps, {len(page.html.encode()) / 1e6:.1f} MB; graph and "
        f"BPTT agree to {recording.digits:.1f} digits. Open it in a browser."
    )
    return 0
