"""From which size on a training step is faster on the GPU than on the CPU of the same machine."""

from collections.abc import Iterator
from dataclasses import replace

from bench import layers
from bench.clocks import on_device
from bench.peers import ours
from bench.record import Comparison, Timing
from bench.step import GATES, Problem
from bench.warming import by_hand, warmed

LADDER = [  # T, B, I, H; from the least work to the most
    (64, 1, 16, 16), (64, 4, 32, 32), (64, 8, 64, 64), (64, 16, 64, 128), (64, 32, 128, 256),
    (64, 64, 256, 512),
]  # fmt: skip
SECONDS = 0.02  # of a turn


def run(rounds: int) -> Iterator[Comparison]:
    """Time our scan on both, up the ladder; a short run leaves the last rung out."""
    ladder = LADDER if rounds >= layers.LONG else LADDER[:-1]
    for kind in GATES:
        rows: dict[str, dict[str, Timing]] = {}
        notes: dict[str, str] = {}
        for size in ladder:
            problem, row = Problem.random(kind, *size), str(size)
            both = {
                "ours": ours.on_gpu(problem, "float32")["ours"], "NumPy": ours.on_host(problem),
            }  # fmt: skip
            ready = warmed(both, row, notes, by_hand(problem))
            timed = {name: both[name] for name in ready}
            rows[row] = on_device(timed, rounds, SECONDS, rounds * 0.1)["wall"]
        if ladder != LADDER:
            notes["largest"] = layers.LEFT_OUT.format(LADDER[-1], layers.LONG)
        title = f"a training step of nn.{kind} at (T, B, I, H), ours: on the GPU and on the CPU"
        found = Comparison(f"crossover {kind}", title, "ms", "ours", rows)
        yield replace(found, notes=(crossing(found), *notes.values()))


def crossing(comparison: Comparison) -> str:
    """Where the GPU begins to be faster and stays it, in words.

    >>> from bench.record import Timing
    >>> def row(gpu, cpu):
    ...     return {"ours": Timing(gpu, gpu), "NumPy": Timing(cpu, cpu)}
    >>> rows = {"small": row(2, 1), "middle": row(2, 3), "large": row(3, 9)}
    >>> crossing(Comparison("crossover RNN", "", "ms", "ours", rows))
    'the GPU is faster from middle on'
    """
    first = None
    for row in comparison.rows:
        ratio = comparison.ratio(row, "NumPy")
        if ratio is None or ratio >= 1:
            first = None
        elif first is None:
            first = row
    if first is None:
        return "the GPU is not faster at the largest of these sizes"
    return f"the GPU is faster from {first} on"
