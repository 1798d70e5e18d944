"""MyGrad: the loop that one writes by hand; its own gru() is another layer, of another equation."""

from typing import Any

from bench.step import Problem, Step


def steps(problem: Problem) -> dict[str, Step]:
    """A loop of MyGrad's operations."""
    import mygrad as mg
    from mygrad.nnet.activations import sigmoid

    T, B, _, H = problem.sizes
    W = {name: mg.tensor(w) for name, w in problem.weights.items()}
    weight_ih, weight_hh, bias_ih, bias_hh = W.values()
    zeros = mg.zeros((B, H), dtype="float32", constant=True)

    def rnn(x: Any, h: Any) -> Any:
        return mg.tanh(x @ weight_ih.T + h @ weight_hh.T + bias_ih + bias_hh)

    def lstm(x: Any, state: Any) -> Any:
        h, c = state
        z = x @ weight_ih.T + h @ weight_hh.T + bias_ih + bias_hh
        i, f, n, o = (z[:, k * H : (k + 1) * H] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * mg.tanh(n)
        return sigmoid(o) * mg.tanh(c), c

    def gru(x: Any, h: Any) -> Any:
        a, b = x @ weight_ih.T + bias_ih, h @ weight_hh.T + bias_hh
        rz = sigmoid(a[:, : 2 * H] + b[:, : 2 * H])
        r, z = rz[:, :H], rz[:, H:]
        n = mg.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
        return (1 - z) * n + z * h

    step = {"RNN": rnn, "LSTM": lstm, "GRU": gru}[problem.kind]

    def run() -> None:
        for w in W.values():
            w.null_grad()
        state: Any = (zeros, zeros) if problem.kind == "LSTM" else zeros
        outputs = []
        for t in range(T):
            state = step(problem.x[t], state)
            outputs.append(state[0] if problem.kind == "LSTM" else state)
        mg.stack(outputs).backward(problem.g)

    return {"MyGrad": Step(run, lambda _: {name: w.grad for name, w in W.items()})}
