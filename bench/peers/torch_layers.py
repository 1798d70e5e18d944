"""PyTorch: its own layers, and the loop that one writes by hand."""

from collections.abc import Callable
from typing import Any

from bench.clocks import OnDevice
from bench.step import LeftOut, Problem, Step

GPU = "cuda"


def steps(problem: Problem) -> dict[str, Step]:
    """torch.nn's layer, and a loop of PyTorch's operations over the same parameters."""
    return {"PyTorch": _layer(problem, "cpu"), "PyTorch loop": _loop(problem)}


def on_gpu(problem: Problem, products: str) -> dict[str, OnDevice]:
    """torch.nn's layer, which is cuDNN's there; it has no float16 products of float32 arrays."""
    import torch

    if not torch.cuda.is_available():
        built = f"was built for CUDA {torch.version.cuda}" if torch.version.cuda else "has no CUDA"
        raise LeftOut(f"PyTorch {torch.__version__} finds no GPU (it {built})")
    if products not in ("float32", "tf32"):
        return {}
    step = _layer(problem, GPU)

    def run() -> Any:
        # The switches are of the whole process, and the other candidate wants them otherwise.
        tf32 = products == "tf32"
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        return step.run()

    return {"PyTorch": OnDevice(Step(run, step.gradients), _Cuda(torch.cuda))}


class _Cuda:
    """The clock of PyTorch. Memory: of its tensors, the workspace of cuDNN among them."""

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda

    def wait(self, found: Any) -> None:
        self._cuda.synchronize()

    def now(self) -> Any:
        event = self._cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end)) / 1e3

    def peak(self, run: Callable[[], Any]) -> int:
        self._cuda.reset_peak_memory_stats()
        before = int(self._cuda.memory_allocated())
        for _ in range(2):
            run()
        return int(self._cuda.max_memory_allocated()) - before


def _layer(problem: Problem, device: str) -> Step:
    import torch

    _, _, I, H = problem.sizes
    layer: Any = getattr(torch.nn, problem.kind)(I, H, device=device)
    layer.load_state_dict({f"{n}_l0": torch.tensor(w) for n, w in problem.weights.items()})
    x, g = torch.tensor(problem.x, device=device), torch.tensor(problem.g, device=device)

    def run() -> None:
        layer.zero_grad()
        output, _ = layer(x)
        output.backward(g)

    def gradients(_: Any) -> dict[str, Any]:
        return {n: getattr(layer, f"{n}_l0").grad.cpu().numpy() for n in problem.weights}

    return Step(run, gradients)


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
