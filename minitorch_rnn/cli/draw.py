"""`minitorch-rnn draw`: a network as a picture."""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

import numpy as np

from minitorch_rnn.autograd import record_places
from minitorch_rnn.cli.options import add_network, count, network_of
from minitorch_rnn.column import Column
from minitorch_rnn.nn import ColumnNetwork
from minitorch_rnn.teaching.draw import draw, draw_graph
from minitorch_rnn.teaching.pictures import Picture

_DESCRIPTION = """\
Draw a network: rolled, where a loop means recurrence, and unrolled over time. Without options both
pictures are written, as NETWORK-rolled.svg and NETWORK-unrolled.svg. No other program is needed;
PNG needs matplotlib, which comes with minitorch-rnn[app]."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options; defaults stand in parentheses."""
    command.description = _DESCRIPTION
    add_network(command)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--rolled", action="store_true", help="only the rolled picture")
    which.add_argument("--unrolled", action="store_true", help="only the unrolled picture")
    which.add_argument(
        "--graph", action="store_true", help="the graph that autograd records of its loss instead"
    )
    command.add_argument("--steps", type=count, default=5, metavar="T", help="time steps (5)")
    command.add_argument(
        "--whole", action="store_true", help="draw every step, also of a long sequence"
    )
    command.add_argument(
        "--out",
        metavar="FILE",
        help="an .svg or a .png; of two pictures, what their names begin with",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the pictures and print the names of their files."""
    if options.out and pathlib.Path(options.out).suffix.lower() not in (".svg", ".png"):
        options.wrong_usage(f"--out {options.out}: a name that ends in .svg or .png is needed")
    column = network_of(options)
    if options.graph:
        pictures = {"graph": _graph(column, options.steps, not options.whole)}
    else:
        pictures = {}
        if not options.unrolled:
            pictures["rolled"] = draw(column)
        if not options.rolled:
            pictures["unrolled"] = draw(column, options.steps, not options.whole)
    for kind, picture in pictures.items():
        path = pathlib.Path(options.out or f"{_file_name(column)}-{kind}.svg")
        if options.out and len(pictures) > 1:
            path = path.with_stem(f"{path.stem}-{kind}")
        print(picture.save(path))
    return 0


def _file_name(column: Column) -> str:
    """The name of a column, with - for what a file's name may not hold."""
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in column.name)[:80] or "column"


def _graph(column: Column, T: int, fold: bool) -> Picture:
    """The graph of the squared error of Y to 0, with gradients, of numbers drawn for one sequence.

    The network is unrolled, so that every activation a(t) is a node of its own.
    """
    rng = np.random.default_rng(0)
    network = ColumnNetwork(column, dtype="float64", rng=rng)
    inputs = {n: rng.normal(size=(T, 1, node.size)) for n, node in column.inputs.items()}
    given = {
        n.name: 0.0 for n in column.nodes if n.history == "given" and any(column.reach[n.name])
    }
    with record_places(network) as places:
        unrolled, x, histories, _ = network.prepared(inputs, given)
        outputs = network.unroll(x, histories, column=unrolled)[column.output]
        loss: Any = sum((outputs[t] * outputs[t]).sum() for t in range(T))
    loss.backward(retain_graph=True)
    return draw_graph(loss, network, places, fold)
