"""`minitorch-rnn derive`: the explicit BPTT of a network as source, equations and a test."""

import argparse
import sys

from minitorch_rnn.cli.options import add_network, network_of
from minitorch_rnn.teaching.derive import derive

_DESCRIPTION = """\
Write out the backpropagation through time of a network: NumPy source that can be read and run, its
equations as LaTeX, and a test that it agrees with the graph. Prints the source, or what is asked
for; with --out, writes all three."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = _DESCRIPTION
    add_network(command)
    what = command.add_mutually_exclusive_group()
    what.add_argument("--latex", action="store_true", help="print the equations instead")
    what.add_argument("--test", action="store_true", help="print the test instead")
    what.add_argument("--out", metavar="FOLDER", help="write source, equations and test there")
    command.add_argument(
        "--overwrite", action="store_true", help="with --out: replace files that are there"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print or write what was derived."""
    if options.overwrite and options.out is None:
        options.wrong_usage("--overwrite goes with --out FOLDER")
    derived = derive(network_of(options))
    if options.out is None:
        chosen = (
            (options.latex, derived.latex),
            (options.test, derived.test),
            (True, derived.source),
        )
        sys.stdout.write(next(text for asked, text in chosen if asked))
        return 0
    for path in derived.write(options.out, options.overwrite):
        print(path)
    return 0
