"""What is aimed at, as data: ratios ours / theirs that are not to be exceeded."""

from typing import NamedTuple

from bench.record import Comparison

_KINDS = ("RNN", "LSTM", "GRU")
_SIZES = (
    "(20, 1, 10, 20)", "(64, 1, 64, 128)", "(64, 32, 64, 128)", "(128, 32, 128, 256)",
    "(64, 64, 256, 512)",
)  # fmt: skip
_ON_A_GPU = (
    "(64, 32, 64, 128)",
    "(100, 256, 128, 256)",
    "(128, 64, 256, 512)",
    "(256, 128, 512, 1024)",
)
_FLOOR = "products alone"


class Target(NamedTuple):
    """The median of ours, in one row of one comparison, is at most `at_most` times theirs; `goal`
    is what we would like beyond that.
    """

    comparison: str
    row: str
    theirs: str
    at_most: float
    goal: float | None = None

    def verdict(self, comparisons: list[Comparison]) -> tuple[float | None, bool]:
        """The ratio to three places, None if it was not measured; and whether the target is met."""
        for comparison in comparisons:
            if comparison.name == self.comparison:
                if (ratio := comparison.ratio(self.row, self.theirs)) is not None:
                    return round(ratio, 3), round(ratio, 3) <= self.at_most
        return None, False


def _layers() -> list[Target]:
    found = []
    of_the_rnn = {
        "PyTorch": (0.13, 0.14, 0.55, 0.90, 0.85),
        "JAX": (0.60, 0.95, 0.80, 0.90, 1.00),
        _FLOOR: (None, None, 1.35, 1.30, 1.12),
    }
    for theirs, limits in of_the_rnn.items():
        for size, limit in zip(_SIZES, limits, strict=True):
            if limit is not None:
                found.append(Target("RNN", size, theirs, limit))
    for kind in _KINDS[1:]:
        found += [Target(kind, size, "PyTorch", 1.0) for size in _SIZES]
        found += [Target(kind, size, "JAX", 0.9) for size in _SIZES]
        found.append(Target(kind, _SIZES[-1], _FLOOR, 1.5))
    return found


def _operations() -> list[Target]:
    names = (
        "a + b", "a * b", "a @ b", "a[1]", "tanh(a)", "sigmoid(a)", "exp(a)", "sum(a)",
        "stack([a, b])", "concatenate([a, b])", "linear(a, W, b)", "cross_entropy(a)",
    )  # fmt: skip
    limits = {"PyTorch": 0.7, "autograd": 0.25}
    return [
        Target("operations", name, theirs, limit)
        for theirs, limit in limits.items()
        for name in names
    ]


def _on_a_gpu() -> list[Target]:
    found = []
    for kind in _KINDS:
        found += [Target(f"device {kind}", size, "PyTorch", 1.5, goal=1.0) for size in _ON_A_GPU]
        found.append(Target(f"device {kind}", _ON_A_GPU[0], "ours, graph", 0.1))
    return found


TARGETS: dict[str, list[Target]] = {
    "A training step at (T, B, I, H)": _layers(),
    "One tiny operation": _operations(),
    "Growth, memory, whole jobs": [
        Target("chain growth", "ours", "10,000 operations", 1.3),
        *(Target("memory", kind, "PyTorch", 1.0) for kind in _KINDS),
        Target("memory growth", "ours, sqrt", "T = 1,000", 10.0),  # the square root of 100
        Target("train", "train", "PyTorch", 0.7),
    ],
}
TARGETS_ON_A_GPU = {"A training step on the GPU at (T, B, I, H)": _on_a_gpu()}
