"""`minitorch-rnn check`: the agreement certificate."""

import argparse
import itertools
import json
from collections.abc import Iterator
from typing import Any

from minitorch_rnn import backend
from minitorch_rnn.agreement import (
    COLUMNS,
    Agreement,
    columns,
    layers,
    matrix,
    random_agreements,
)
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.cli.options import coloured, column_of, count, seed
from minitorch_rnn.column import VARIANTS

_DESCRIPTION = """\
Compare the graph's gradients with every other road to them: the slides' backpropagation through
time, differences, the complex step, real-time recurrent learning, PyTorch where it is installed,
and of recurrent layers the scan that trains them. Without options, for layers of every kind and for
every network of the lecture, divergence and variant. The exit status is 1 if any quantity of any of
them disagrees."""


def add_to(command: argparse.ArgumentParser) -> None:
    """Declare the command and its options."""
    command.description = _DESCRIPTION
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--network", nargs="+", choices=COLUMNS, metavar="NAME", help=f"of {', '.join(COLUMNS)}"
    )
    which.add_argument("--spec", metavar="FILE", help="a column of your own, as JSON")
    which.add_argument("--random", type=count, metavar="N", help="draw N columns at random")
    command.add_argument(
        "--divergence", choices=DIVERGENCES, metavar="NAME", help=f"of {', '.join(DIVERGENCES)}"
    )
    command.add_argument(
        "--variant", choices=VARIANTS, metavar="NAME", help=f"of {', '.join(VARIANTS)}"
    )
    command.add_argument(
        "--backend", choices=backend.names(), help="(MINITORCH_RNN_BACKEND, or numpy)"
    )
    command.add_argument("--tables", action="store_true", help="show every quantity")
    command.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    command.add_argument("--seed", type=seed, default=0, help="draws networks and data (0)")
    command.set_defaults(run=run, wrong_usage=command.error)


def run(options: argparse.Namespace) -> int:
    """Print what was found; 0 if everything agrees."""
    with backend.use(options.backend or backend.current_backend().name):
        return _compare(options)


def _compare(options: argparse.Namespace) -> int:
    found: list[Agreement] = []
    for agreements, summary in _groups(options):
        found += agreements
        if options.json:
            continue
        for agreement in agreements:
            if options.tables or not agreement:
                print(f"{agreement}\n", flush=True)
        if not options.tables:
            print(summary, flush=True)
    if options.json:
        print(json.dumps([row for agreement in found for row in agreement.rows()], indent=2))
    else:
        _conclude(found)
    return 0 if all(found) else 1


def _groups(options: argparse.Namespace) -> Iterator[tuple[list[Agreement], str]]:
    """Agreements that are shown together, and how they are summed up."""
    divergences = [options.divergence] if options.divergence else None
    variants = [options.variant] if options.variant else None
    chosen: list[Any] = [COLUMNS[name] for name in options.network or COLUMNS]
    if options.random:
        if divergences or variants:
            options.wrong_usage("--random draws divergences and variants too; leave them out")
        yield from _drawn(options)
        return
    if options.spec is not None:
        chosen = [column_of(options.spec)]
    elif not (options.network or divergences or variants):
        for agreement in layers(options.seed):
            yield [agreement], agreement.summary
    for column in chosen:
        agreements = list(columns(column, options.seed, divergences, variants))
        if not agreements:
            options.wrong_usage(f"{options.divergence} needs a network with a softmax output")
        yield agreements, f"\n{matrix(agreements)}"


def _drawn(options: argparse.Namespace) -> Iterator[tuple[list[Agreement], str]]:
    """Columns drawn at random, by the hundred; one that fails is printed, to be kept."""
    drawn = random_agreements(options.random, options.seed)
    total = 0
    while some := list(itertools.islice(drawn, 100)):
        for column, agreement in some:
            if not (agreement or options.json):
                print(f"{column}\n{column.to_json()}")
        agreements = [agreement for _, agreement in some]
        total += len(some)
        yield (
            agreements,
            f"{total} drawn, {sum(map(bool, agreements))} of the last {len(some)} agree",
        )


def _conclude(found: list[Agreement]) -> None:
    networks = len({agreement.network for agreement in found})
    quantities = sum(len(agreement.digits) for agreement in found)
    zero = sum(len(agreement.zero) for agreement in found)
    print(
        f"\nnetworks: {networks}, settings: {len(found)}, quantities: {quantities} "
        f"(0 everywhere: {zero})\nfewest digits of agreement:"
    )
    least = [agreement.fewest for agreement in found]
    for road in dict.fromkeys(road for digits in least for road in digits):
        print(f"  {road:<13}{min(digits.get(road, 99) for digits in least):5.1f}")
    if reason := next((a.skipped["torch"] for a in found if "torch" in a.skipped), None):
        print(f"  {'torch':<13}skipped: {reason}")
    wrong = sum(not agreement for agreement in found)
    if wrong:
        print(coloured(f"DISAGREEMENT in {wrong} of {len(found)}", "red"))
    else:
        print(coloured("all agree", "green"))
