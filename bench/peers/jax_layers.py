"""JAX: lax.scan under jit, its gradients by vjp, with the input projection of all steps hoisted.

`UNROLL`, 1, 2, 4 and 8 steps in each turn of the loop, and weights transposed beforehand have been
tried: none is faster throughout, and what is a little faster at one size loses more at the next.
"""

from typing import Any

from bench.step import Problem, Step

UNROLL = 1


def steps(problem: Problem) -> dict[str, Step]:
    """One compiled function of the parameters, x and g that returns outputs and gradients."""
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

    W = {name: jnp.asarray(w) for name, w in problem.weights.items()}
    x, g = jnp.asarray(problem.x), jnp.asarray(problem.g)
    jitted = jax.jit(train)
    return {"JAX": Step(lambda: jax.block_until_ready(jitted(W, x, g)), lambda found: found[1])}
