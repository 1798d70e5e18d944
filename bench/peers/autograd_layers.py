"""HIPS autograd: the loop that one writes by hand."""

from typing import Any

from bench.step import Problem, Step


def steps(problem: Problem) -> dict[str, Step]:
    """A loop of autograd's operations, differentiated with make_vjp."""
    import autograd.numpy as anp
    from autograd import make_vjp

    T, B, _, H = problem.sizes
    zeros = anp.zeros((B, H), "float32")

    def sigmoid(z: Any) -> Any:
        return 0.5 * (anp.tanh(0.5 * z) + 1.0)

    def rnn(x: Any, h: Any, W: Any) -> Any:
        z = anp.dot(x, W["weight_ih"].T) + anp.dot(h, W["weight_hh"].T)
        return anp.tanh(z + W["bias_ih"] + W["bias_hh"])

    def lstm(x: Any, state: Any, W: Any) -> Any:
        h, c = state
        z = anp.dot(x, W["weight_ih"].T) + anp.dot(h, W["weight_hh"].T)
        z = z + W["bias_ih"] + W["bias_hh"]
        i, f, n, o = (z[:, k * H : (k + 1) * H] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * anp.tanh(n)
        return sigmoid(o) * anp.tanh(c), c

    def gru(x: Any, h: Any, W: Any) -> Any:
        a = anp.dot(x, W["weight_ih"].T) + W["bias_ih"]
        b = anp.dot(h, W["weight_hh"].T) + W["bias_hh"]
        rz = sigmoid(a[:, : 2 * H] + b[:, : 2 * H])
        r, z = rz[:, :H], rz[:, H:]
        n = anp.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
        return (1.0 - z) * n + z * h

    step = {"RNN": rnn, "LSTM": lstm, "GRU": gru}[problem.kind]

    def forward(W: Any) -> Any:
        state: Any = (zeros, zeros) if problem.kind == "LSTM" else zeros
        outputs = []
        for t in range(T):
            state = step(problem.x[t], state, W)
            outputs.append(state[0] if problem.kind == "LSTM" else state)
        return anp.stack(outputs)

    return {"autograd": Step(lambda: make_vjp(forward)(problem.weights)[0](problem.g), dict)}
