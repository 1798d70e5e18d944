"""What an operation costs in a long chain: linear in its length, and how much."""

from functools import partial
from typing import Any

import numpy as np

import minitorch_rnn as mt
from bench.measure import Timing, interleaved, table


def chain(x: Any, n: int) -> None:
    """n multiplications forward, and all the way back."""
    y = x
    for _ in range(n):
        y = y * 1.0000001
    y.sum().backward()


def run(rounds: int) -> str:
    """Time chains of 1,000 to 200,000 operations."""
    results: dict[str, dict[str, Timing]] = {}
    for n in (1_000, 20_000, 200_000):
        x = mt.tensor(np.ones(4), requires_grad=True)
        candidates = {"ours": partial(chain, x, n)}
        try:
            import torch
        except ImportError:
            pass
        else:
            tx = torch.ones(4, dtype=torch.float64, requires_grad=True)
            candidates["torch"] = partial(chain, tx, n)
        found = interleaved(candidates, max(3, rounds // 5))
        results[f"{n:,} operations"] = {
            name: Timing(t.minimum / n, t.median / n) for name, t in found.items()
        }
    return table(
        "a chain, µs per operation forward + backward, median (minimum)", 1e-6, results, "ours"
    )
