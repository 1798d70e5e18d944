"""What `import minitorch_rnn` costs on top of `import numpy`, in fresh processes."""

import subprocess
import sys
from functools import partial

from bench.measure import interleaved, table


def run(rounds: int) -> str:
    """Time whole interpreters that import one or the other."""
    candidates = {
        name: partial(subprocess.run, [sys.executable, "-c", f"import {name}"], check=True)
        for name in ("minitorch_rnn", "numpy")
    }
    found = interleaved(candidates, rounds, seconds=0.0)
    return table(
        "import in a fresh process, ms, median (minimum)", 1e-3, {"import": found}, "minitorch_rnn"
    )
