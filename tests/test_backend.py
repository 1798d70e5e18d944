"""Backends: where new arrays are made, what never moves, and one seed for all."""

import gc
import importlib.resources
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import strict_cupy
import strict_watch
from numpy.testing import assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn.backend import cuda
from minitorch_rnn.errors import BackendError


def test_use_decides_where_new_arrays_are_made_and_gives_back(backend):
    assert mt.zeros(2).backend == mt.tensor([1.0]).backend == backend
    with mt.use("numpy"):
        assert mt.zeros(2).backend == "numpy"
    assert mt.zeros(2).backend == backend


def test_use_works_as_a_function_too():
    before = backends.current_backend().name
    mt.use("strict")
    try:
        assert mt.ones(1).backend == "strict"
    finally:
        mt.use(before)


def test_use_gives_back_after_an_exception():
    with pytest.raises(KeyError), mt.use("strict"):
        raise KeyError
    assert mt.ones(1).backend == "numpy"


def test_an_existing_array_stays_where_it_is():
    with mt.use("strict"):
        x = mt.tensor([1.0, 2.0])
    assert (x * 2).exp().backend == "strict"
    assert mt.tensor(x).backend == "strict"


def test_to_moves_values_and_not_graphs():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    there = x.to("strict")
    assert there.backend == "strict" and there.requires_grad
    assert_array_equal(there.to("numpy").detach().numpy(), [1.0, 2.0])
    assert x.to("numpy") is x
    with pytest.raises(BackendError, match="does not cross"):
        (x * 2).to("strict")
    assert (x * 2).to("float32").requires_grad  # a change of dtype is an operation


def test_one_seed_gives_one_model_on_every_backend(backend):
    mt.manual_seed(7)
    here = mt.nn.RecurrentNetwork(2, 3, 2).state_dict()
    with mt.use("numpy"):
        mt.manual_seed(7)
        reference = mt.nn.RecurrentNetwork(2, 3, 2).state_dict()
    for name in reference:
        assert_array_equal(here[name], reference[name])


def test_an_unknown_backend_lists_the_known_ones():
    with pytest.raises(BackendError, match="'tpu'.*'numpy', 'cupy'"):
        mt.use("tpu")


def test_the_environment_chooses_the_backend():
    program = "import minitorch_rnn as mt; print(mt.zeros(1).backend)"
    environment = {"MINITORCH_RNN_BACKEND": "numpy", "PATH": ""}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert answer.stdout.strip() == "numpy"
    environment["MINITORCH_RNN_BACKEND"] = "abacus"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert answer.returncode == 1 and "'abacus'" in answer.stderr


def test_namespace_follows_the_array_and_not_the_setting():
    with mt.use("strict"):
        x = mt.zeros(2)
    assert mt.namespace(np.zeros(2)) is np
    assert mt.namespace(2.0, x._data) is strict_cupy.xp


def test_indices_from_the_host_are_checked_before_a_device_wraps_them(backend):
    x = mt.arange(3.0)
    with pytest.raises(IndexError, match="3"):
        x[np.array([0, 3])]
    assert x[np.array([0, -1])].tolist() == [0.0, 2.0]


# What `cuda` makes of CuPy, with a GPU that is a few functions of the host.
def fault(kind, base, text):
    module, _, name = kind.rpartition(".")
    return type(name, (base,), {"__module__": module})(text)


ASKED = "Out of memory allocating 1,024 bytes (allocated so far: 8,192 bytes)."
FULL = fault("cupy.cuda.memory.OutOfMemoryError", MemoryError, ASKED)
ILLEGAL = fault("cupy_backends.CUDARuntimeError", RuntimeError, "cudaErrorIllegalAddress: it was")
APART = ValueError(
    "The device where the array resides (1) is different from the current device (0). "
    "Peer access is unavailable between these devices."
)
NO_CUBLAS = ImportError('Failure finding "libcublas.so.13 or libcublas.so.12": No such file')
LOOKED = 'Failure finding "libnvrtc.so.13 or libnvrtc.so.12": No such file'
NO_NVRTC = fault("cuda.pathfinder.DynamicLibNotFoundError", RuntimeError, LOOKED)


class Pool:
    """Memory of which the host makes every number."""

    def __init__(self):
        self.used, self.hooks = 4096, {}

    def used_bytes(self):
        return self.used

    def take(self, size):
        self.used += size
        for hook in self.hooks.values():
            hook.malloc_postprocess(device_id=0, size=size, mem_size=size, mem_ptr=1, pmem_id=1)


def hook_of(pool):
    class MemoryHook:
        def __enter__(self):
            assert self.name not in pool.hooks, "CuPy takes no two hooks of one name"
            pool.hooks[self.name] = self

        def __exit__(self, *error):
            del pool.hooks[self.name]

    return MemoryHook


@pytest.fixture
def gpu():
    """CuPy's GPU as `cuda` sees it."""
    gpu, pool = object.__new__(cuda._Gpu), Pool()
    runtime = SimpleNamespace(runtimeGetVersion=lambda: 12090, getDevice=lambda: 0)
    gpu._cupy = SimpleNamespace(
        get_default_memory_pool=lambda: pool,
        cuda=SimpleNamespace(runtime=runtime, MemoryHook=hook_of(pool)),
    )
    return gpu


@pytest.fixture
def device(gpu, strict, monkeypatch):
    """The stand-in, whose errors mean what CuPy's mean."""
    monkeypatch.setattr(strict.device, "explain", gpu.explain)


def fails(error):
    def fail(*args, **options):
        raise error

    return fail


FAULTS = [  # an error, and the words that it is told with
    pytest.param(FULL, "1,024 bytes|hold 4,096 bytes|smaller batches|checkpoint_sequence|del loss"),
    pytest.param(ILLEGAL, "cudaErrorIllegalAddress|Restart the process|CUDA_LAUNCH_BLOCKING=1"),
    pytest.param(APART, "two GPUs|(1)|(0)|CUDA_VISIBLE_DEVICES"),
    pytest.param(NO_CUBLAS, "library of CUDA|libcublas.so.12|pip install -e '.[cuda12]'|toolkit"),
    pytest.param(NO_NVRTC, "library of CUDA|libnvrtc.so.12|pip install -e '.[cuda12]'|toolkit"),
]


def told(error, parts, who, function):
    with pytest.raises(BackendError) as caught:
        function()
    message = str(caught.value)
    assert message.startswith(f"{who}: ") and "\n" not in message
    assert [part for part in parts.split("|") if part not in message] == [], message
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error, parts", FAULTS)
def test_a_fault_of_the_device_in_an_operation_is_told(error, parts, device, monkeypatch):
    x = mt.ones(3, requires_grad=True)
    monkeypatch.setattr(strict_cupy.xp, "exp", fails(error))
    told(error, parts, "exp", lambda: mt.exp(x))


@pytest.mark.parametrize("error, parts", FAULTS)
def test_a_fault_of_the_device_in_a_walk_is_told(error, parts, device, monkeypatch):
    x, w = mt.ones(3, requires_grad=True), mt.ones(3, requires_grad=True)
    loss = ((x * x).tanh() * w).sum()
    monkeypatch.setattr(strict_cupy.ndarray, "__rsub__", fails(error))  # 1 - y * y
    told(error, parts, "backward of 'tanh'", loss.backward)
    assert x.grad is None and w.grad is None


def test_a_fault_inside_a_part_that_is_computed_again_is_told_once(device, monkeypatch):
    x = mt.ones(3, requires_grad=True)
    y = mt.autograd.checkpoint(lambda x: mt.exp(x).sum(), x)
    monkeypatch.setattr(strict_cupy.xp, "exp", fails(NO_CUBLAS))
    told(NO_CUBLAS, "libcublas.so.12", "exp", y.backward)


def test_what_is_no_fault_of_the_device_passes_as_it_is(device, monkeypatch):
    for error in (MemoryError("of the host"), RuntimeError("of a hook"), KeyError("x")):
        x = mt.ones(3, requires_grad=True)
        y = mt.exp(x).sum()
        x.register_hook(fails(error))
        with pytest.raises(type(error)) as caught:
            y.backward()
        assert caught.value is error and error.__cause__ is None
        with monkeypatch.context() as patched, pytest.raises(type(error)) as caught:
            patched.setattr(strict_cupy.xp, "exp", fails(error))
            mt.exp(x)
        assert caught.value is error and error.__cause__ is None


def test_an_array_of_another_gpu_is_refused_where_it_comes_in(gpu, monkeypatch):
    array = SimpleNamespace(shape=(2, 3), data=SimpleNamespace(device_id=1))
    known = backends.Backend("cupy", np, SimpleNamespace, None, None, gpu)
    monkeypatch.setitem(backends.switch._by_type, SimpleNamespace, known)
    for use in (mt.tensor, mt.exp, mt.tensor([1.0]).__add__):
        with pytest.raises(BackendError) as caught:
            use(array)
        for part in "(2, 3)", "GPU 1", "GPU 0", "CUDA_VISIBLE_DEVICES=1", "cupy.cuda.Device(0)":
            assert part in str(caught.value)
    array.data.device_id = 0
    assert backends.backend_of(array) is known


def test_peak_bytes_are_the_most_that_were_held_at_one_time(gpu):
    pool = gpu._cupy.get_default_memory_pool()
    with gpu.watched() as outer:
        pool.take(100)
        pool.used -= 90
        with gpu.watched() as inner:
            pool.take(20)
        pool.take(30)
    pool.take(1000)
    assert (inner.peak, outer.peak) == (4096 + 30, 4096 + 100)
    assert pool.hooks == {} and gpu.allocated() == 5156


def test_the_package_uses_the_pool_of_cupy_as_it_is():
    folder = importlib.resources.files("minitorch_rnn")
    source = "".join(p.read_text("utf-8") for p in folder.rglob("*.py"))
    for name in "set_limit", "free_all_blocks", "set_allocator", "MemoryAsyncPool":
        assert name not in source


@pytest.mark.parametrize("layer", [mt.nn.RNN, mt.nn.LSTM, mt.nn.GRU, mt.nn.RNNCell])
def test_of_a_training_step_nothing_stays_on_the_device(layer):
    memory, held = strict_watch.memory, []
    gc.disable()  # nor does it wait for the collector of cycles
    try:
        with mt.use("strict"):
            model, x = layer(3, 4), mt.rand(5, 2, 3)[0 if layer is mt.nn.RNNCell else ...]
            optimizer = mt.optim.Adam(model.parameters())
            for _ in range(4):
                optimizer.zero_grad()
                before = memory.bytes
                with memory.watched() as found:
                    model(x)[0].sum().backward()
                left = memory.bytes - before - sum(8 * p.grad.size for p in model.parameters())
                optimizer.step()
                held.append((memory.bytes, found.peak > memory.bytes, left))
    finally:
        gc.enable()
    assert held[1] == held[2] == held[3] == (held[1][0], True, 0)
