"""JAX: lax.scan under jit, its gradients by vjp, with the input projection of all steps hoisted.

`UNROLL`, 1, 2, 4 and 8 steps in each turn of the loop, and weights transposed beforehand have been
tried: none is faster throughout, and what is a little faster at one size loses more at the next.
"""

import math
import os
from collections.abc import Callable
from typing import Any

from bench.clocks import OnDevice
from bench.step import Problem, Step

UNROLL = 1
GPU = "gpu"


def steps(problem: Problem) -> dict[str, Step]:
    """One compiled function of the parameters, x and g that returns outputs and gradients."""
    import jax
    import jax.numpy as jnp

    train = _train(problem)
    W = {name: jnp.asarray(w) for name, w in problem.weights.items()}
    x, g = jnp.asarray(problem.x), jnp.asarray(problem.g)
    jitted = jax.jit(train)
    return {"JAX": Step(lambda: jax.block_until_ready(jitted(W, x, g)), lambda found: found[1])}


def on_gpu(problem: Problem, products: str) -> dict[str, OnDevice]:
    """The same function, compiled for the GPU, with products whose factors are not rounded."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others need memory, too
    import jax

    device = jax.devices(GPU)[0]  # RuntimeError: there is none
    if products != "float32":
        return {}
    given = jax.device_put((problem.weights, problem.x, problem.g), device)
    with jax.default_matmul_precision("highest"), jax.default_device(device):
        compiled = jax.jit(_train(problem)).lower(*given).compile()
    step = Step(lambda: compiled(*given), lambda found: found[1])
    return {"JAX": OnDevice(step, _Compiled(compiled))}


class _Compiled:
    """The clock of JAX, which has no marks. Memory: what the compiler planned for one call.

    The peak that a device of JAX tells is that of the whole process, over all that ran before.
    """

    def __init__(self, compiled: Any) -> None:
        self._plan = compiled.memory_analysis()

    def wait(self, found: Any) -> None:
        import jax

        jax.block_until_ready(found)

    def now(self) -> None:
        return None

    def seconds(self, start: None, end: None) -> float:
        return math.nan

    def peak(self, run: Callable[[], Any]) -> int:
        for _ in range(2):
            found = run()
        self.wait(found)
        return int(self._plan.output_size_in_bytes + self._plan.temp_size_in_bytes)


def _train(problem: Problem) -> Callable[[Any, Any, Any], Any]:
    """From parameters, x and g to outputs and gradients."""
    import jax
    import jax.numpy as jnp
    from jax.nn import sigmoid

    _, B, _, H = problem.sizes
    zeros = jnp.zeros((B, H), "float32")
    initial = (zeros, zeros) if problem.kind == "LSTM" else zeros

    def forward(W: dict[str, Any], x: Any) -> Any:
        across, bias_hh = W["weight_hh"].T, W["bias_hh"]

        def rnn(h: Any, z: Any) -> Any:
            h = jnp.tanh(z + h @ across)
            return h, h

        def lstm(state: Any, z: Any) -> Any:
            h, c = state
            i, f, n, o = jnp.split(z + h @ across, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(n)
            h = sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        def gru(h: Any, a: Any) -> Any:
            b = h @ across + bias_hh
            rz = sigmoid(a[:, : 2 * H] + b[:, : 2 * H])
            r, z = rz[:, :H], rz[:, H:]
            n = jnp.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
            h = (1 - z) * n + z * h
            return h, h

        bias = W["bias_ih"] if problem.kind == "GRU" else W["bias_ih"] + bias_hh
        step = {"RNN": rnn, "LSTM": lstm, "GRU": gru}[problem.kind]
        return jax.lax.scan(step, initial, x @ W["weight_ih"].T + bias, unroll=UNROLL)[1]

    def train(W: dict[str, Any], x: Any, g: Any) -> Any:
        output, pull = jax.vjp(lambda W: forward(W, x), W)
        return output, pull(g)[0]

    return train
