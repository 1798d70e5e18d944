"""`python -m bench [NAME …]`: run the comparisons, print them, and make the results page.

`python -m bench papers` runs the experiments of the papers, and has a `--help` of its own. Nothing
that loads NumPy is imported before the threads are pinned.
"""

import argparse
import importlib
import os
import pathlib
import subprocess
import sys
import tempfile

from bench import surroundings
from bench.papers import command as papers
from bench.record import Comparison, Run, read, written

SUBJECTS = {
    "layers": "bench.layers", "operations": "bench.operations", "chain": "bench.chain",
    "training": "bench.training", "memory": "bench.memory", "gradcheck": "bench.gradcheck",
    "explicit": "bench.explicit", "import": "bench.importing", "safety": "bench.safety",
    "distributed": "bench.distributed",
}  # fmt: skip
ON_A_GPU = {"gpu": "bench.gpu"}
BESIDE_A_GPU = 8  # threads of the host: peers launch from several, and the CPU is to do its best
SHARED = ["layers", "training"]  # whose work several threads share; more is only run by name


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, print, write."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["papers"]:
        papers.main(arguments[1:])
        return
    options = _options(arguments)
    if options.figures:
        runs = read(options.figures.read_text("utf-8"))
    elif len(options.threads) == 1:
        runs = [_measured(options)]
    else:
        runs = [_in_a_process_of_its_own(options, threads) for threads in options.threads]
    figures = written(runs)
    if options.json:
        options.json.write_text(figures, encoding="utf-8")
    if options.write:
        from bench import page  # needs matplotlib

        page.write(figures)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {_known()}")
    parser.add_argument(
        "--backend", default=os.environ.get("MINITORCH_RNN_BACKEND") or "numpy", 
        metavar="BACKEND",
        help="what ours runs on; with cupy all is measured on a GPU (MINITORCH_RNN_BACKEND, or "
        "numpy)",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=15, help="turns for each candidate (15)")
    parser.add_argument(
        "--threads", type=int, nargs="+", metavar="N",
        help=f"thread counts, one run for each (1; beside a GPU at most {BESIDE_A_GPU})",
    )  # fmt: skip
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep the figures here")
    parser.add_argument(
        "--from", dest="figures", type=pathlib.Path, metavar="FILE",
        help="measure nothing; take the figures that --json or --write left",
    )  # fmt: skip
    parser.add_argument(
        "--write", action="store_true", help="write bench/RESULTS.md and all that belongs to it"
    )
    options = parser.parse_args(arguments)
    options.subjects = SUBJECTS if options.backend == "numpy" else ON_A_GPU
    if unknown := [name for name in options.names if name not in options.subjects]:
        parser.error(f"{', '.join(unknown)}: known are {_known()}")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; at least 1 is needed")
    on_a_gpu = options.subjects is ON_A_GPU
    if options.threads is None:
        options.threads = [min(BESIDE_A_GPU, surroundings.cores()) if on_a_gpu else 1]
    elif on_a_gpu and len(options.threads) > 1:
        parser.error(f"--threads {options.threads}: a run on a GPU has one number of threads")
    if not 1 <= min(options.threads) <= max(options.threads) <= surroundings.cores():
        parser.error(f"--threads {options.threads}: this process has {surroundings.cores()} cores")
    return options


def _known() -> str:
    return f"{', '.join(SUBJECTS)}; with --backend cupy: {', '.join(ON_A_GPU)}"


def _measured(options: argparse.Namespace) -> Run:
    """Measure in this process, printing as it goes; without names, all that the threads share."""
    (threads,), subjects = options.threads, options.subjects
    surroundings.pin(threads)
    import minitorch_rnn as mt  # and NumPy with it
    from minitorch_rnn.errors import BackendError

    try:
        chosen = mt.use(options.backend)
    except BackendError as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        sys.exit(2)
    comparisons: list[Comparison] = []
    with chosen as backend:
        machine = surroundings.described(threads)
        if backend.device is not None:
            machine = surroundings.described_gpu(threads, backend.device.name, backend.xp)
        print("\n".join(f"{key}: {value}" for key, value in machine.items()), flush=True)
        for name in options.names or (SHARED if subjects is SUBJECTS and threads > 1 else subjects):
            found = importlib.import_module(subjects[name]).run(options.rounds)
            for comparison in [found] if isinstance(found, Comparison) else found:
                print(comparison, flush=True)
                comparisons.append(comparison)
    return Run(threads, machine, comparisons, backend.name)


def _in_a_process_of_its_own(options: argparse.Namespace, threads: int) -> Run:
    """A library reads its number of threads once: each number needs a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        found = pathlib.Path(folder) / "found.json"
        command = [sys.executable, "-m", "bench", *options.names, "--rounds", str(options.rounds)]
        subprocess.run([*command, "--threads", str(threads), "--json", str(found)], check=True)
        return read(found.read_text("utf-8"))[0]


if __name__ == "__main__":
    main()
