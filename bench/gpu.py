"""One training step of RNN, LSTM and GRU on a GPU, beside cuDNN and JAX there.

The same step as in `bench.layers`, and the same hand-written BPTT that all gradients are compared
with. A row is a size and a way to multiply: float32 throughout; tf32, where 10 bits of mantissa of
each factor are kept; or float16, where those of the forward pass are float16.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from bench import crossover, layers
from bench.clocks import OnDevice, on_device
from bench.record import Comparison, Timing
from bench.step import GATES, Problem
from bench.warming import by_hand, warmed

SIZES = [  # T, B, I, H; from the least work to the most
    (64, 32, 64, 128), (100, 256, 128, 256), (128, 64, 256, 512), (256, 128, 512, 1024),
]  # fmt: skip
PEERS = {"ours": "ours", "PyTorch": "torch_layers", "JAX": "jax_layers"}
# Of the largest element. Factors cut to 10 bits of mantissa, in NumPy, gave up to 1.4e-3.
TOLERANCES = {"float32": layers.TOLERANCE, "tf32": 1e-2, "float16": 1e-2}
SHORT = 2  # sizes that a run of less than `layers.LONG` rounds takes
SECONDS = 0.03  # of a turn


class Quantity(NamedTuple):
    """What is told of a step: a comparison for each cell."""

    name: str
    title: str
    unit: str
    note: str


QUANTITIES = {
    "device": Quantity(
        "device", "time of the device, by marks in its queue", "ms",
        "JAX has no such marks: it takes part in the time on the wall",
    ),
    "wall": Quantity(
        "wall", "time until the device has done many steps, for each of them", "ms",
        "this is the one time that all candidates tell in the same way",
    ),
    "host": Quantity(
        "host", "time until the call returns, with nothing queued before", "ms",
        "what the host waits for in its call, as for room in the queue, is in it",
    ),
    "peak": Quantity(
        "GPU memory", "by how much the first two steps make what is allocated grow", "MiB",
        "ours: CuPy's pool; PyTorch: its allocator, with cuDNN's workspace; JAX: results and what "
        "its compiler planned for one step",
    ),
}  # fmt: skip


def run(rounds: int) -> Iterator[Comparison]:
    """Time the three kinds at all sizes, once their gradients have been found equal; then where the
    GPU begins to be faster than the CPU.
    """
    for kind in GATES:
        yield from compared(kind, SIZES if rounds >= layers.LONG else SIZES[:SHORT], rounds)
    yield from crossover.run(rounds)


def compared(
    kind: str, sizes: list[tuple[int, int, int, int]], rounds: int
) -> Iterator[Comparison]:
    """The comparisons of one cell."""
    rows: dict[str, dict[str, dict[str, Timing]]] = {name: {} for name in QUANTITIES}
    notes: dict[str, dict[str, str]] = {products: {} for products in TOLERANCES}
    for size in sizes:
        problem = Problem.random(kind, *size)
        reference = by_hand(problem)
        for products, left_out in notes.items():
            row = str(size) if products == "float32" else f"{size}, {products}"
            found = candidates(problem, products, left_out)
            tolerance = TOLERANCES[products]
            peaks = warmed(found, str(size), left_out, reference, tolerance)
            ready = {name: found[name] for name in peaks}
            for what, times in on_device(ready, rounds, SECONDS, rounds * 0.1).items():
                rows[what][row] = times
            rows["peak"][row] = {name: Timing(peak, peak) for name, peak in peaks.items()}
    told = [note for left_out in notes.values() for note in left_out.values()]
    told += [layers.LEFT_OUT.format(size, layers.LONG) for size in SIZES if size not in sizes]
    for what, (name, title, unit, note) in QUANTITIES.items():
        title = f"a training step of nn.{kind} at (T, B, I, H), forward and backward: {title}"
        notes_here = tuple(dict.fromkeys([note, *told]))
        yield Comparison(f"{name} {kind}", title, unit, "ours", rows[what], notes_here)


def candidates(problem: Problem, products: str, notes: dict[str, str]) -> dict[str, OnDevice]:
    """What takes part, by name; who is missing is told to `notes`, and not asked again."""

    def of(peer: Any) -> dict[str, OnDevice]:
        found: dict[str, OnDevice] = peer.on_gpu(problem, products)
        return found

    return layers.gathered(PEERS, of, str(problem.sizes), notes)
