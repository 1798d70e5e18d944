"""`minitorch-rnn check`: the agreement certificate."""

import argparse
import json
from typing import Any

from minitorch_rnn.agreement import certificate
from minitorch_rnn.cli.options import Commands, coloured, seed


def add_to(commands: Commands) -> None:
    """Declare the command and its options."""
    command = commands.add_parser(
        "check",
        help="compare the graph's gradients with every other road to them",
        description="Print, for RNNs of 1 to 3 layers, in how many digits the graph's gradients "
        "agree with the slides' BPTT, with differences, with the complex step and, where it is "
        "installed, with PyTorch. The exit status is 1 if any of them disagrees.",
    )
    command.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    command.add_argument("--seed", type=seed, default=0, help="draws networks and data (0)")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the certificate; 0 if everything agrees."""
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for agreement in certificate(options.seed):
        rows += agreement.rows()
        skipped |= agreement.skipped
        if not options.json:
            print(f"{agreement}\n", flush=True)
    agrees = all(row["agrees"] for row in rows)
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0 if agrees else 1
    roads = {road for row in rows for road in row["digits"]}
    networks = {(row["network"], row["divergence"]) for row in rows}
    print(f"{len(networks)} networks, {len(rows)} quantities; fewest digits of agreement:")
    for road in sorted(roads):
        print(f"  {road:<13}{min(row['digits'].get(road, 99) for row in rows):5.1f}")
    for road, reason in skipped.items():
        print(f"  {road:<13}skipped: {reason}")
    print(coloured("all agree", "green") if agrees else coloured("DISAGREEMENT", "red"))
    return 0 if agrees else 1
