"""A fault of the device in what is no operation: the step of an optimiser, a scan, DLPack."""

from types import SimpleNamespace

import numpy as np
import pytest
import strict_cupy

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn.backend import cuda
from minitorch_rnn.errors import BackendError

FULL = type("OutOfMemoryError", (MemoryError,), {"__module__": "cupy.cuda.memory"})(
    "Out of memory allocating 1,024 bytes (allocated so far: 8,192 bytes)."
)


@pytest.fixture(autouse=True)
def errors_of_cupy(strict, monkeypatch):
    """On the stand-in they mean what they mean on CuPy."""
    gpu, pool = object.__new__(cuda._Gpu), SimpleNamespace(used_bytes=lambda: 4096)
    gpu._cupy = SimpleNamespace(get_default_memory_pool=lambda: pool)
    monkeypatch.setattr(strict.device, "explain", gpu.explain)


def fail(*args, **options):
    raise FULL


def told(who, function):
    with pytest.raises(BackendError, match="1,024 bytes.*hold 4,096 bytes") as caught:
        function()
    assert str(caught.value).startswith(f"{who}: ") and caught.value.__cause__ is FULL


def test_a_fault_in_the_step_of_an_optimiser_is_told(strict, monkeypatch):
    p = mt.nn.Parameter([1.0, 2.0])
    (p * p).sum().backward()
    optimizer = mt.optim.Adam([p])
    monkeypatch.setattr(strict_cupy.ndarray, "__mul__", fail)
    monkeypatch.setattr(strict_cupy.ndarray, "__rmul__", fail)
    told("Adam.step", optimizer.step)
    assert p.tolist() == [1.0, 2.0] and not optimizer.state


MADE = {
    "asarray": [
        lambda: mt.tensor([1.0, 2.0]), lambda: mt.rand(3), lambda: mt.nn.Linear(2, 3),
        lambda: mt.Tensor(np.ones(3), backend="numpy").to("strict"),
        lambda: mt.nn.Linear(2, 3, rng=np.random.default_rng(0)),
    ],
    "zeros": [lambda: mt.zeros(2, 3)], "ones": [lambda: mt.ones(3)], "eye": [lambda: mt.eye(3)],
    "full": [lambda: mt.full(3, 7)],
}  # fmt: skip


@pytest.mark.parametrize("name, make", [(n, f) for n, some in MADE.items() for f in some])
def test_no_memory_for_a_new_array_is_told(name, make, strict, monkeypatch):
    monkeypatch.setattr(strict_cupy.xp, name, fail)
    with pytest.raises(BackendError, match=r"shape .*: the GPU is out of memory .*1,024 bytes"):
        make()


def test_no_memory_for_loaded_weights_is_told(strict, monkeypatch):
    model, copied = mt.nn.Linear(2, 3), mt.tensor([1.0, 2.0])
    state = model.state_dict()
    monkeypatch.setattr(strict_cupy.xp, "asarray", fail)
    with pytest.raises(BackendError, match="out of memory"):
        model.load_state_dict(state)
    monkeypatch.setattr(strict_cupy.xp, "array", fail)
    with pytest.raises(BackendError, match="a copy: the GPU is out of memory"):
        mt.tensor(copied.data)


@pytest.mark.compiler
@pytest.mark.parametrize("layer, name", [(mt.nn.LSTM, "lstm"), (mt.nn.GRU, "gru")])
def test_a_fault_in_a_scan_is_told_both_ways(layer, name, strict, monkeypatch):
    model, x = layer(3, 4), mt.rand(5, 2, 3)
    loss = model(x)[0].sum()
    monkeypatch.setattr(type(strict.device), "product", fail)
    told(f"scan_{name}", lambda: model(x))
    told(f"backward of 'scan_{name}'", loss.backward)
    assert all(p.grad is None for p in model.parameters())


class Exported:
    def __dlpack_device__(self):
        return 2, 1


def test_an_array_of_another_gpu_is_not_moved_by_dlpack(strict, monkeypatch):
    gpu = object.__new__(cuda._Gpu)
    runtime = SimpleNamespace(getDevice=lambda: 0)
    gpu._cupy = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    array = SimpleNamespace(shape=(2,), data=SimpleNamespace(device_id=1), copy=np.zeros)
    xp = SimpleNamespace(from_dlpack=lambda x: array)
    known = backends.Backend("cupy", xp, SimpleNamespace, None, None, gpu)
    monkeypatch.setitem(backends.switch._by_type, SimpleNamespace, known)
    monkeypatch.setitem(backends.switch._loaded, "cupy", known)
    with pytest.raises(BackendError, match="GPU 1, and GPU 0"):
        mt.from_dlpack(Exported())


def test_dlpack_of_a_gpu_says_that_cupy_is_missing(monkeypatch):
    def missing():
        raise BackendError("use('cupy'): CuPy is not installed.")

    monkeypatch.setitem(backends.switch._loaders, "cupy", missing)
    monkeypatch.delitem(backends.switch._loaded, "cupy", raising=False)
    with pytest.raises(BackendError, match="not installed"):
        mt.from_dlpack(Exported())
