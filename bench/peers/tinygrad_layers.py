"""tinygrad on the CPU: the loop that one writes by hand, captured whole by TinyJit.

It compiles the unrolled loop with clang, which it looks for under that name or under CC.
"""

import os
import shutil
from typing import Any

from bench.step import LeftOut, Problem, Step

_CLANG = ("clang", *(f"clang-{n}" for n in range(22, 13, -1)))


def steps(problem: Problem) -> dict[str, Step]:
    """One jitted function that returns the outputs and the gradients of the parameters."""
    os.environ.setdefault("DEV", "CPU")
    from tinygrad import Tensor, TinyJit

    T, B, _, H = problem.sizes
    if problem.kind != "RNN" or T * B > 32:
        raise LeftOut("compiling its unrolled loop takes minutes; small RNNs alone take part")
    if not (clang := os.environ.get("CC") or next(filter(shutil.which, _CLANG), None)):
        raise LeftOut("it needs clang, which is not on the PATH")
    os.environ["CC"] = clang
    x, g = Tensor(problem.x).realize(), Tensor(problem.g).realize()
    W = {name: Tensor(w).realize() for name, w in problem.weights.items()}

    def train() -> Any:
        projected = x @ W["weight_ih"].T + W["bias_ih"] + W["bias_hh"]
        h, outputs = Tensor.zeros(B, H), []
        for t in range(T):
            h = (projected[t] + h @ W["weight_hh"].T).tanh()
            outputs.append(h)
        output = Tensor.stack(*outputs)
        found = output.gradient(*W.values(), gradient=g)
        Tensor.realize(output, *found)
        return found

    jitted = TinyJit(train)
    for _ in range(2):  # it compiles in the first call and captures in the second
        jitted()

    def run() -> Any:
        found = jitted()
        found[-1].numpy()  # waits for all that was launched
        return found

    return {
        "tinygrad": Step(run, lambda found: {n: d.numpy() for n, d in zip(W, found, strict=True)})
    }
