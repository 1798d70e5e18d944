"""The peers of the benchmark on a GPU, whose roads are walked on the CPU; what a GPU is called."""

import math
import re
from types import SimpleNamespace

import pytest
from conftest import installed

from bench import gpu, surroundings, warming
from bench.peers import jax_layers, torch_layers
from bench.step import GATES, Problem

others_may_warn = pytest.mark.filterwarnings("default")  # what peers warn of is not our matter


needs_jax = pytest.mark.skipif(not installed("jax"), reason="JAX is not installed")


@pytest.mark.torch
def test_pytorch_without_a_gpu_is_told_and_not_measured_on_the_cpu(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu, "PEERS", {"PyTorch": "torch_layers"})
    notes = {}
    assert gpu.candidates(Problem.random("RNN", 3, 2, 4, 5), "float32", notes) == {}
    assert re.match(
        r"PyTorch is left out from \(3, 2, 4, 5\) on: PyTorch .* no GPU", notes["PyTorch"]
    )


class Cuda:
    """As much of torch.cuda as is called."""

    def __init__(self):
        self.waited, self.time, self.most = 0, 0.0, 300

    def is_available(self):
        return True

    def synchronize(self):
        self.waited += 1

    def Event(self, enable_timing):
        assert enable_timing
        event, cuda = SimpleNamespace(), self

        def record():
            cuda.time += 2.0  # milliseconds
            event.at = cuda.time

        event.record, event.elapsed_time = record, lambda end: end.at - event.at
        return event

    def reset_peak_memory_stats(self):
        self.most = 100

    def memory_allocated(self):
        return 100

    def max_memory_allocated(self):
        return self.most


@others_may_warn
@pytest.mark.torch
@pytest.mark.parametrize("products", ["float32", "tf32"])
@pytest.mark.parametrize("kind", GATES)
def test_pytorch_takes_the_same_step_with_the_precision_of_the_row(kind, products, monkeypatch):
    import torch

    matmul, before = torch.backends.cuda.matmul, torch.backends.cuda.matmul.allow_tf32
    monkeypatch.setattr(torch_layers, "GPU", "cpu")
    monkeypatch.setattr(torch, "cuda", Cuda())
    problem, notes = Problem.random(kind, 3, 2, 4, 5), {}
    (candidate,) = torch_layers.on_gpu(problem, products).values()
    try:
        warming.warmed({"PyTorch": candidate}, "row", notes, warming.by_hand(problem), 1e-5)
        assert notes == {}
        assert torch.backends.cudnn.allow_tf32 == matmul.allow_tf32 == (products == "tf32")
    finally:
        matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before, True
    assert torch_layers.on_gpu(problem, "float16") == {}


@pytest.mark.torch
def test_the_clock_of_pytorch_counts_seconds_and_bytes():
    cuda = Cuda()
    clock = torch_layers._Cuda(cuda)
    start, end = clock.now(), clock.now()
    clock.wait(None)
    assert cuda.waited == 1 and clock.seconds(start, end) == 2e-3

    def run():
        cuda.most += 20

    assert clock.peak(run) == 40


@needs_jax
@others_may_warn
@pytest.mark.parametrize("kind", GATES)
def test_jax_takes_the_same_step_with_factors_that_are_not_rounded(kind, monkeypatch):
    monkeypatch.setattr(jax_layers, "GPU", "cpu")
    problem, notes = Problem.random(kind, 3, 2, 4, 5), {}
    (candidate,) = jax_layers.on_gpu(problem, "float32").values()
    peaks = warming.warmed({"JAX": candidate}, "row", notes, warming.by_hand(problem), 1e-5)
    gradients = sum(w.nbytes for w in problem.weights.values())
    assert notes == {} and peaks["JAX"] >= gradients + problem.g.nbytes
    assert jax_layers.on_gpu(problem, "tf32") == {}


@needs_jax
@others_may_warn
def test_jax_without_a_gpu_is_told_and_not_measured_on_the_cpu(monkeypatch):
    monkeypatch.setattr(jax_layers, "GPU", "nothing")
    monkeypatch.setattr(gpu, "PEERS", {"JAX": "jax_layers"})
    notes = {}
    assert gpu.candidates(Problem.random("RNN", 3, 2, 4, 5), "float32", notes) == {}
    assert "JAX is left out from (3, 2, 4, 5) on: RuntimeError: Unknown backend" in notes["JAX"]


@needs_jax
@others_may_warn
def test_jax_is_asked_for_factors_that_are_not_rounded(monkeypatch):
    import jax

    asked, precision = [], jax.default_matmul_precision
    monkeypatch.setattr(jax_layers, "GPU", "cpu")
    monkeypatch.setattr(
        jax, "default_matmul_precision", lambda name: asked.append(name) or precision(name)
    )
    (candidate,) = jax_layers.on_gpu(Problem.random("RNN", 3, 2, 4, 5), "float32").values()
    assert asked == ["highest"]
    assert math.isnan(candidate.clock.seconds(candidate.clock.now(), candidate.clock.now()))


# The machine.
def test_a_gpu_is_described_with_its_driver_and_all_versions_that_count(monkeypatch):
    def run(command, **options):
        assert command[0] == "nvidia-smi"
        return SimpleNamespace(stdout="570.86.15\n")

    monkeypatch.setattr(surroundings.subprocess, "run", run)
    runtime = SimpleNamespace(driverGetVersion=lambda: 12080, runtimeGetVersion=lambda: 13000)
    xp = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    told = surroundings.described_gpu(8, "NVIDIA H100", xp)
    assert list(told.items())[:4] == [
        ("GPU", "NVIDIA H100"), ("driver", "570.86.15"), ("CUDA of the driver", "12.8"),
        ("CUDA of CuPy", "13.0"),
    ]  # fmt: skip
    assert "numpy" in told and "tinygrad" not in told and "not installed" not in told.values()


def test_a_driver_that_cannot_be_asked_is_unknown(monkeypatch):
    def run(command, **options):
        raise FileNotFoundError(command[0])

    monkeypatch.setattr(surroundings.subprocess, "run", run)
    assert surroundings._driver() == "unknown"
