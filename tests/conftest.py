"""Fixtures and options shared by all tests: backends, random numbers, and no leaking of state."""

import gc
import importlib.metadata
import importlib.util
import math

import host_compiler
import hypothesis
import numpy as np
import pytest
import strict_cupy
import strict_device

from minitorch_rnn import backend as backends
from minitorch_rnn import is_grad_enabled
from minitorch_rnn.nn import gpu

hypothesis.settings.register_profile("here", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("here")

TORCH = importlib.util.find_spec("torch") is not None
NEEDS_TORCH = "PyTorch is not installed (pip install torch)"
MPI = importlib.util.find_spec("mpi4py") is not None
NEEDS_MPI = "mpi4py is not installed (pip install -e '.[mpi]')"


def installed(name):
    """Whether a package is; `find_spec` would take a folder of tests for the library it tests."""
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def _strict():
    erf = np.frompyfunc(math.erf, 1, 1)

    def on_device(x):
        return strict_cupy.ndarray(np.asarray(erf(x._host)).astype(x.dtype))

    device = strict_device.Device() if host_compiler.COMPILER else None
    return backends.Backend(
        "strict", strict_cupy.xp, strict_cupy.ndarray, strict_cupy.xp.asnumpy, on_device, device
    )


backends.register("strict", _strict)


def pytest_addoption(parser):
    parser.addoption(
        "--backend",
        choices=("numpy", "strict", "cupy"),
        help="run the tests that take a backend on this one; without it on numpy and on strict, "
        "a stand-in for CuPy that needs no GPU",
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "torch: compares with PyTorch; skipped where it is missing")
    config.addinivalue_line("markers", "mpi: starts several processes by mpiexec")
    config.addinivalue_line(
        "markers", "compiler: compiles kernels for the host, with g++ or clang++"
    )


def pytest_collection_modifyitems(items):
    for item in items:
        if "torch" in item.keywords and not TORCH:
            item.add_marker(pytest.mark.skip(reason=NEEDS_TORCH))
        if "mpi" in item.keywords and not MPI:
            item.add_marker(pytest.mark.skip(reason=NEEDS_MPI))
        if "compiler" in item.keywords and not host_compiler.COMPILER:
            item.add_marker(pytest.mark.skip(reason=host_compiler.NEEDS_COMPILER))


def pytest_terminal_summary(terminalreporter):
    skipped = terminalreporter.stats.get("skipped", [])
    for what, reason in (
        ("parity tests with PyTorch", NEEDS_TORCH),
        ("tests of several processes", NEEDS_MPI),
        ("tests that compile kernels", host_compiler.NEEDS_COMPILER),
    ):
        count = sum(reason in str(report.longrepr) for report in skipped)
        if count:
            terminalreporter.write_line(f"{count} {what} skipped: {reason}")


def pytest_generate_tests(metafunc):
    if "backend" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--backend")
        metafunc.parametrize("backend", [chosen] if chosen else ["numpy", "strict"], indirect=True)


@pytest.fixture
def backend(request):
    """The name of the backend on which new arrays are made during the test."""
    with backends.use(request.param):  # one that was asked for and is not there is an error
        yield request.param


@pytest.fixture
def strict():
    """The stand-in for CuPy with its device, chosen for new arrays."""
    if not host_compiler.COMPILER:
        pytest.skip(host_compiler.NEEDS_COMPILER)
    with backends.use("strict") as chosen:
        yield chosen


@pytest.fixture
def small_heap(monkeypatch):
    """What other tests have left is not looked through whenever garbage is collected."""
    thaw = gc.unfreeze
    gc.freeze()
    monkeypatch.setattr(gc, "unfreeze", lambda: None)  # the benchmark's own would undo it
    yield
    thaw()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_state_leaks():
    """Whatever a test switches it must switch back."""

    def state():
        return (
            backends.current_backend().name,
            backends.get_default_dtype(),
            is_grad_enabled(),
            gpu.options.options(np.dtype(np.float32)),
            np.geterr(),
            np.get_printoptions(),
        )

    before = state()
    yield
    assert state() == before
