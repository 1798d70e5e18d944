"""`python -m bench [NAME …]`: run the comparisons and print them."""

import argparse
import os

# Threads are pinned before NumPy is loaded, which reads these once.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from bench import chain, explicit, importing, operations, safety  # noqa: E402
from bench.measure import machine  # noqa: E402

SUBJECTS = {
    "operations": operations.run, "chain": chain.run, "explicit": explicit.run,
    "import": importing.run, "safety": safety.run,
}  # fmt: skip


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUBJECTS)}; all")
    parser.add_argument("--rounds", type=int, default=15, help="turns for each candidate (15)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SUBJECTS):
        parser.error(f"{', '.join(sorted(unknown))}: known are {', '.join(SUBJECTS)}")
    print(machine())
    for name in options.names or SUBJECTS:
        print(SUBJECTS[name](options.rounds), flush=True)


if __name__ == "__main__":
    main()
