"""`minitorch-rnn ledger`: what every time step adds to a gradient, and how far errors reach."""

import argparse

import numpy as np

from minitorch_rnn.cli.options import add_network, count, network_of, positive, seed
from minitorch_rnn.column import Column, chunked
from minitorch_rnn.teaching.ledger import check_length, ledger
from minitorch_rnn.teaching.recording.rounded import plain
from minitorch_rnn.teaching.recording.small_data import drawn_histories, drawn_inputs, drawn_network

_DESCRIPTION = """\
Keep account of a backward pass over one sequence of drawn data, under the squared error: for every
node, how much of a loss's error arrives how many time steps away, and whether it vanishes,
explodes, is blocked or truncated; for every weight, what each time step adds to its gradient. In
the table "cut" stands where only blocked or truncated links lead, nothing where none leads, and ρ
is the mean spectral radius of a state's steps. With --out, a heat map of loss and state time."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = _DESCRIPTION
    add_network(command)
    command.add_argument("--steps", type=count, default=20, metavar="T", help="time steps (20)")
    command.add_argument(
        "--truncate", type=count, metavar="K", help="cut errors off at every K-th time step"
    )
    command.add_argument(
        "--gain", type=positive, default=1.0, metavar="FACTOR",
        help="multiply the weights of links through time: errors vanish or, where no unit "
        "saturates (--set activation=identity), explode (1)",
    )  # fmt: skip
    command.add_argument("--seed", type=seed, default=0, help="draws parameters and data (0)")
    command.add_argument("--node", metavar="NAME", help="which node's heat map (the first state)")
    command.add_argument(
        "--of", choices=("reach", "jacobian"), default="reach",
        help="heat map of what reaches the node, or of its Jacobian products (reach)",
    )  # fmt: skip
    command.add_argument("--out", metavar="FILE", help="write the heat map, as .svg or .png")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table and write the picture."""
    out = options.out
    if out is not None and not out.lower().endswith((".svg", ".png")):
        options.wrong_usage(f"--out {out}: a file that ends in .svg or .png is needed")
    column = network_of(options)
    if options.node is not None and options.node not in column.node:
        options.wrong_usage(f"--node {options.node}: {column.name} has {', '.join(column.node)}")
    check_length(options.steps)  # before they are drawn
    rng = np.random.default_rng(options.seed)
    x = drawn_inputs(column, options.steps, rng)
    found = ledger(
        column, x, rng.normal(size=(options.steps, 1, column.node[column.output].size)),
        params=_parameters(column, options.seed, options.gain),
        histories=drawn_histories(column, x, rng),
        truncation=None if options.truncate is None else chunked(options.truncate),
    )  # fmt: skip
    print(found)
    if out is not None:
        try:
            picture = found.picture(options.node, options.of)
        except ValueError as error:  # no state, and so no Jacobian
            options.wrong_usage(str(error))
        print(f"\n{picture.save(out)}: {picture.title}")
    return 0


def _parameters(column: Column, seed: int, gain: float) -> dict[str, np.ndarray]:
    """The drawn parameters; those of links through time times the gain."""
    params = {n: plain(p) for n, p in drawn_network(column, seed).state_dict().items()}
    for name in {column.weight(e) for e in column.edges if e.delay} & params.keys():
        params[name] = gain * params[name]
    return params
