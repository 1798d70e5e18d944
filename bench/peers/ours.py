"""Our layers, as a user calls them: on the scan road, and unrolled into the graph."""

from typing import Any

import minitorch_rnn as mt
from bench.step import Problem, Step


def steps(problem: Problem) -> dict[str, Step]:
    """The layer's two roads."""
    return {"ours": _step(problem, "scan"), "ours, graph": _step(problem, "graph")}


def _step(problem: Problem, road: str) -> Step:
    _, _, I, H = problem.sizes
    layer: Any = getattr(mt.nn, problem.kind)(I, H, dtype="float32", road=road)
    layer.load_state_dict({f"{name}_l0": w for name, w in problem.weights.items()})
    x, g = mt.tensor(problem.x), mt.tensor(problem.g)

    def run() -> Any:
        layer.zero_grad()
        output, _ = layer(x)
        output.backward(g)
        return layer

    return Step(run, lambda _: {n: getattr(layer, f"{n}_l0").grad.numpy() for n in problem.weights})
