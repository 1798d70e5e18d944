"""`python -m bench [NAME …]`: run the comparisons, print them, and make the results page.

Nothing that loads NumPy is imported before the threads are pinned.
"""

import argparse
import importlib
import pathlib
import subprocess
import sys
import tempfile

from bench import surroundings
from bench.record import Comparison, Run, read, written

SUBJECTS = {
    "layers": "bench.layers", "operations": "bench.operations", "chain": "bench.chain",
    "training": "bench.training", "memory": "bench.memory", "gradcheck": "bench.gradcheck",
    "explicit": "bench.explicit", "import": "bench.importing", "safety": "bench.safety",
}  # fmt: skip
SHARED = ["layers", "training"]  # whose work several threads share; more is only run by name


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print, write."""
    options = _options(arguments)
    if options.figures:
        runs = read(options.figures.read_text("utf-8"))
    elif len(options.threads) == 1:
        runs = [_measured(options.names, options.rounds, options.threads[0])]
    else:
        runs = [_in_a_process_of_its_own(options, threads) for threads in options.threads]
    figures = written(runs)
    if options.json:
        options.json.write_text(figures, encoding="utf-8")
    if options.write:
        from bench import page  # needs matplotlib

        page.write(figures)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUBJECTS)}")
    parser.add_argument("--rounds", type=int, default=15, help="turns for each candidate (15)")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1], help="thread counts, one run for each (1)"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep the figures here")
    parser.add_argument(
        "--from", dest="figures", type=pathlib.Path, metavar="FILE",
        help="measure nothing; take the figures that --json or --write left",
    )  # fmt: skip
    parser.add_argument(
        "--write", action="store_true", help="write bench/RESULTS.md and all that belongs to it"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in SUBJECTS]:
        parser.error(f"{', '.join(unknown)}: known are {', '.join(SUBJECTS)}")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; at least 1 is needed")
    if not 1 <= min(options.threads) <= max(options.threads) <= surroundings.cores():
        parser.error(f"--threads {options.threads}: this process has {surroundings.cores()} cores")
    return options


def _measured(names: list[str], rounds: int, threads: int) -> Run:
    """Measure in this process, printing as it goes; without names, all that the threads share."""
    surroundings.pin(threads)
    machine = surroundings.described(threads)
    print("\n".join(f"{key}: {value}" for key, value in machine.items()), flush=True)
    comparisons: list[Comparison] = []
    for name in names or (SUBJECTS if threads == 1 else SHARED):
        found = importlib.import_module(SUBJECTS[name]).run(rounds)
        for comparison in [found] if isinstance(found, Comparison) else found:
            print(comparison, flush=True)
            comparisons.append(comparison)
    return Run(threads, machine, comparisons)


def _in_a_process_of_its_own(options: argparse.Namespace, threads: int) -> Run:
    """A library reads its number of threads once: each number needs a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        found = pathlib.Path(folder) / "found.json"
        command = [sys.executable, "-m", "bench", *options.names, "--rounds", str(options.rounds)]
        subprocess.run([*command, "--threads", str(threads), "--json", str(found)], check=True)
        return read(found.read_text("utf-8"))[0]


if __name__ == "__main__":
    main()
