"""Every CUDA source of the package compiles without a warning, for GPUs that need not be here.

By NVRTC in the way CuPy calls it, with the options that `cuda` gives it: pip install -e
'.[kernels]'. Where that is missing by nvcc, for one GPU; where both are, skipped. And what `cuda`
hands to CuPy with a kernel, seen by a few functions in its place.
"""

import ast
import functools
import importlib.util
import io
import pathlib
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from minitorch_rnn.backend import cuda
from minitorch_rnn.backend.cuda import OPTIONS
from minitorch_rnn.errors import BackendError
from minitorch_rnn.nn import gpu
from minitorch_rnn.nn.gpu.layouts import LAYOUTS

CAPABILITIES = ["70", "80", "90", "100"]  # Volta, Ampere, Hopper, Blackwell
NVCC_CAPABILITIES = ["80"]
ON_VOLTA = 16  # bytes beside the registers, in a kernel that runs a whole sequence: two numbers
AT_PEACE = ("Architectures prior to", "Support for offline compilation")  # with old GPUs, as yet


@functools.cache
def nvrtc():
    """CuPy's compiler and the GPUs that it knows; None where it or NVRTC is missing."""
    if importlib.util.find_spec("cupy") is None:
        return None
    from cupy.cuda import compiler
    from cupy_backends.cuda.libs import nvrtc

    try:
        return compiler, [str(number) for number in nvrtc.getSupportedArchs()]
    except RuntimeError:  # the library is not found
        return None


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """(source, capability): the machine code of a source, and what the compiler said."""
    if nvrtc() is None:
        return functools.partial(by_nvcc, tmp_path)
    from cupy._core.core import assemble_cupy_compiler_options

    compiler, known = nvrtc()
    options = (*assemble_cupy_compiler_options(OPTIONS), "-ftz=true", "--ptxas-options=-v")

    def by_nvrtc(source, capability):
        if capability not in known:
            pytest.skip(f"this NVRTC does not compile for {capability}")
        # CuPy asks the driver which GPU is here; all other options are its own.
        arch, log = (f"-arch=sm_{capability}", "cubin"), io.StringIO()
        monkeypatch.setattr(compiler, "_get_arch_for_options_for_nvrtc", lambda arch_=None: arch)
        code, _ = compiler.compile_using_nvrtc(source, options, capability, log_stream=log)
        return code, log.getvalue()

    return by_nvrtc


def by_nvcc(folder, source, capability):
    if shutil.which("nvcc") is None:
        pytest.skip("neither NVRTC nor nvcc is installed (pip install -e '.[kernels]')")
    if capability not in NVCC_CAPABILITIES:
        pytest.skip(f"nvcc compiles for {NVCC_CAPABILITIES} only (pip install -e '.[kernels]')")
    (folder / "kernels.cu").write_text(source, encoding="utf-8")
    command = ["nvcc", "-cubin", f"-arch=sm_{capability}", *OPTIONS, "-ftz=true", "-Xptxas", "-v"]
    command += ["-o", "kernels.cubin", "kernels.cu"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return (folder / "kernels.cubin").read_bytes(), ran.stderr


def complaints(log, capability):
    """Warnings and remarks, and what does not fit into the registers of a thread."""
    found, kernel, volta = [], "", capability == "70"
    for line in log.splitlines():
        kernel = line.partition("Function properties for ")[2] or kernel
        if re.search(r"warning|remark", line, re.IGNORECASE):
            found += [] if any(peace in line for peace in AT_PEACE) else [line]
        beside = re.search(r"(\d+) bytes stack frame.*", line)
        if beside and int(beside[1]) > (ON_VOLTA if volta and "_loop_" in kernel else 0):
            found.append(f"{kernel}: {beside[0]}")
    return found


def entries(code):
    """The kernels that a machine code holds."""
    return {name.decode() for name in re.findall(rb"\.text\.(\w+)", code)}


def asked_for():
    """The names by which the package asks a device for kernels, read in its source."""
    found = set()
    for path in pathlib.Path(gpu.__file__).parent.glob("*.py"):
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(statement, ast.Assign) and ".kernel(" in ast.unparse(statement):
                found |= names_in(statement)
    return found


def names_in(statement):
    texts = [n for n in ast.walk(statement) if isinstance(n, ast.JoinedStr)]
    inner = {id(part) for text in texts for part in ast.walk(text)} - {id(t) for t in texts}
    texts += [
        n
        for n in ast.walk(statement)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in inner
    ]
    cases = [{"way": w, "mode": m} for w in ("forward", "backward") for m in LAYOUTS]
    return {eval(ast.unparse(text), {}, case) for text in texts for case in cases}


def test_the_names_were_read():
    assert {"begin_forward", "forward_lstm", "backward_gru"} <= asked_for()
    assert len(asked_for()) > 10


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("dtype", gpu.sources())
def test_a_source_compiles_without_a_complaint(dtype, capability, compiled):
    code, log = compiled(gpu.sources()[dtype], capability)
    assert asked_for() - entries(code) == set()
    assert complaints(log, capability) == []
    assert log.count("spill stores") >= len(asked_for())  # the log was read


SLOW = """
extern "C" __global__ void slow(float* p) {
    int unused;
    float a[64];
    for (int i = 0; i < 64; i++) a[i] = p[i];
    for (int i = 0; i < 64; i++) p[i] = a[(int)p[i] & 63];
}
"""


def test_a_warning_and_the_use_of_local_memory_are_seen(compiled):
    code, log = compiled(SLOW, "80")
    found = " ".join(complaints(log, "80"))
    assert entries(code) == {"slow"} and '"unused"' in found and "256 bytes stack frame" in found


class Kernel:
    """As CuPy's RawKernel; `done` holds what happened."""

    def __init__(self, done, code, name, options, *, enable_cooperative_groups):
        self.__dict__.update(done=done, given=(code, name, options, enable_cooperative_groups))

    @property
    def kernel(self):
        self.done.append(("compile", *self.given))
        if self.given[0] == "wrong":
            text = "kern.cu(1): error: expected a declaration"
            raise type("CompileException", (Exception,), {"__module__": "cupy.cuda.compiler"})(text)
        return SimpleNamespace(ptr=7)

    def __setattr__(self, name, value):
        self.done.append((name, value))

    def __call__(self, grid, block, args, *, shared_mem):
        self.done.append((grid, block, args, shared_mem))


@pytest.fixture
def device():
    """A `_Gpu` of 2 processors, each of which runs 3 blocks, and what CuPy was asked to do."""
    gpu, done = object.__new__(cuda._Gpu), []
    gpu.processors = 2
    gpu._cupy = SimpleNamespace(
        RawKernel=functools.partial(Kernel, done),
        cuda=SimpleNamespace(
            driver=SimpleNamespace(
                occupancyMaxActiveBlocksPerMultiprocessor=lambda function, threads, shared: (
                    3 if (function, threads) == (7, 32) else 0
                )
            ),
        ),
    )
    return gpu, done


def test_a_kernel_is_compiled_when_it_is_asked_for_and_once(device):
    gpu, done = device
    assert gpu.kernel("code", "f") is gpu.kernel("code", "f")
    assert done == [("compile", "code", "f", OPTIONS, False)]
    gpu.kernel("code", "f", cooperative=True)
    assert done[1:] == [("compile", "code", "f", OPTIONS, True)]


def test_a_kernel_that_does_not_compile_is_told(device):
    with pytest.raises(BackendError, match="kernel 'f': .*expected a declaration"):
        device[0].kernel("wrong", "f")


def test_arguments_go_to_cupy_in_the_types_of_the_kernel(device):
    gpu, done = device
    array = np.zeros(3)  # in place of CuPy's
    gpu.kernel("code", "f")(5, 32, (array, 2, None), shared=1000)
    (grid, block, args, shared) = done[-1]
    assert (grid, block, shared, len(done)) == ((5,), (32,), 1000, 2)
    assert args[0] is array and args[2] is None  # CuPy passes a null pointer for None
    assert args[1] == 2 and type(args[1]) is np.int32
    with pytest.raises(OverflowError):
        gpu.kernel("code", "f")(5, 32, (2**31,))


def test_much_shared_memory_is_allowed_before_and_never_taken_back(device):
    gpu, done = device
    kernel = gpu.kernel("code", "f")
    for shared in (48 << 10, 60 << 10, 50 << 10, 70 << 10):
        kernel(1, 32, (), shared)
    told = [what for what in done if what[0] == "max_dynamic_shared_size_bytes"]
    assert [bytes_ for _, bytes_ in told] == [60 << 10, 70 << 10]
    assert done.index(told[0]) < done.index(((1,), (32,), (), 60 << 10))


def test_blocks_that_wait_for_each_other_must_all_fit(device):
    gpu, done = device
    kernel = gpu.kernel("code", "f", cooperative=True)
    assert gpu.resident(kernel, 32, 0) == 6
    kernel(6, 32, ())
    with pytest.raises(AssertionError, match="7 blocks.*6 fit"):
        kernel(7, 32, ())
    gpu.kernel("code", "g")(7, 32, ())
