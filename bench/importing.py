"""What `import minitorch_rnn` costs on top of `import numpy`, in fresh processes."""

import subprocess
import sys
from functools import partial

from bench.measure import interleaved
from bench.record import Comparison


def run(rounds: int) -> Comparison:
    """Time whole interpreters that import one or the other."""
    candidates = {
        name: partial(subprocess.run, [sys.executable, "-c", f"import {name}"], check=True)
        for name in ("minitorch_rnn", "numpy")
    }
    found = interleaved(candidates, rounds, seconds=0.0)
    return Comparison(
        "import", "a fresh process that imports", "ms", "minitorch_rnn", {"import": found}
    )
