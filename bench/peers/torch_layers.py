"""PyTorch: its own layers, and the loop that one writes by hand."""

from typing import Any

from bench.step import Problem, Step


def steps(problem: Problem) -> dict[str, Step]:
    """torch.nn's layer, and a loop of PyTorch's operations over the same parameters."""
    return {"PyTorch": _layer(problem), "PyTorch loop": _loop(problem)}


def _layer(problem: Problem) -> Step:
    import torch

    _, _, I, H = problem.sizes
    layer: Any = getattr(torch.nn, problem.kind)(I, H)
    layer.load_state_dict({f"{n}_l0": torch.tensor(w) for n, w in problem.weights.items()})
    x, g = torch.tensor(problem.x), torch.tensor(problem.g)

    def run() -> None:
        layer.zero_grad()
        output, _ = layer(x)
        output.backward(g)

    return Step(run, lambda _: {n: getattr(layer, f"{n}_l0").grad.numpy() for n in problem.weights})


def _loop(problem: Problem) -> Step:
    import torch
    from torch.nn.functional import linear

    x, g = torch.tensor(problem.x), torch.tensor(problem.g)
    W = {name: torch.tensor(w, requires_grad=True) for name, w in problem.weights.items()}
    weight_ih, weight_hh, bias_ih, bias_hh = W.values()

    def rnn(x: Any, h: Any) -> Any:
        return torch.tanh(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh))

    def lstm(x: Any, state: Any) -> Any:
        h, c = state
        z = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh)
        i, f, n, o = z.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(n)
        return torch.sigmoid(o) * torch.tanh(c), c

    def gru(x: Any, h: Any) -> Any:
        x_r, x_z, x_n = linear(x, weight_ih, bias_ih).chunk(3, dim=1)
        h_r, h_z, h_n = linear(h, weight_hh, bias_hh).chunk(3, dim=1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * h_n)
        return (1 - z) * n + z * h

    step = {"RNN": rnn, "LSTM": lstm, "GRU": gru}[problem.kind]
    _, B, _, H = problem.sizes
    zeros = torch.zeros(B, H)

    def run() -> None:
        for w in W.values():
            w.grad = None
        state: Any = (zeros, zeros) if problem.kind == "LSTM" else zeros
        outputs = []
        for t in range(len(x)):
            state = step(x[t], state)
            outputs.append(state[0] if problem.kind == "LSTM" else state)
        torch.stack(outputs).backward(g)

    return Step(run, lambda _: {name: w.grad.numpy() for name, w in W.items()})
