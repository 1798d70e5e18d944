"""What `cuda`, `blas` and the stand-in say of CuPy is so in the wheel, which imports without a
driver.

Skipped where CuPy is not installed: pip install -e '.[kernels]'. Every name that `cuda` and `blas`
ask CuPy for is found by reading their source, so that a new one cannot be forgotten here.
"""

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cublas_on_host
import numpy as np
import pytest
import strict_cupy
import strict_facts
from host_compiler import NEEDS_COMPILER

from minitorch_rnn import backend
from minitorch_rnn.backend import blas, cuda

cupy = pytest.importorskip("cupy", reason="CuPy is not installed (pip install -e '.[kernels]')")


def gpu_is_here():
    return cupy.is_available()


@pytest.fixture(scope="module")
def cublas():
    try:
        return cublas_on_host.cublas_of_cupy()
    except ImportError as missing:
        pytest.skip(f"cuBLAS is not here ({missing}), and {NEEDS_COMPILER}")


# What a call or a property of CuPy gives, where our source asks that for something further.
GIVES = {
    "cupy.get_default_memory_pool()": "cupy.cuda.MemoryPool",
    "cupy.cuda.get_current_stream()": "cupy.cuda.Stream.null",
    "cupy.cuda.Device().attributes": "builtins.dict",
    "cupy.RawKernel().kernel": "cupy.cuda.Function",
    "cupy.cuda.Stream().end_capture()": "cupy.cuda.Graph",
    "cupy.cuda.runtime.getDeviceProperties()": "builtins.dict",
    "cupy.ndarray().data": "cupy.cuda.MemoryPointer",
    "cupy.ndarray().flags": "cupy._core.flags.Flags",
    "cuda.pathfinder.load_nvidia_dynamic_lib()": "cuda.pathfinder.LoadedDL()",
}
STARTS = {"self._cupy": "cupy", "self._raw": "cupy.RawKernel()", "raw": "cupy.RawKernel()"}
STARTS |= {"cupy": "cupy", "event": "cupy.cuda.Event()", "end": "cupy.cuda.Event()"}
STARTS |= dict.fromkeys(("a", "array", "b", "out", "workspace", "x"), "cupy.ndarray()")
STARTS |= {"self._cuda": "cupy.cuda"}


def spelled(node, known):
    """`node` as a path that starts at cupy, with () for calls; None for anything else."""
    if isinstance(node, ast.Call):
        path = spelled(node.func, known)
        return path and GIVES.get(f"{path}()", f"{path}()")
    text = ast.unparse(node)
    if text in known:
        return known[text]
    if isinstance(node, ast.Attribute):
        path = spelled(node.value, known)
        return path and GIVES.get(f"{path}.{node.attr}", f"{path}.{node.attr}")
    return None


def asked_of_cupy():
    """Every path of attributes that our source asks for, with the calls that it makes of each."""
    trees = [ast.parse(inspect.getsource(module)) for module in (cuda, blas)]
    found = {}
    for function in [n for t in trees for n in ast.walk(t) if isinstance(n, ast.FunctionDef)]:
        known = dict(STARTS)
        for node in ast.walk(function):
            if isinstance(node, ast.ImportFrom) and node.module.startswith(("cuda", "cupy")):
                for alias in node.names:
                    known[alias.name] = f"{node.module}.{alias.name}"
            if isinstance(node, ast.Assign):
                target, value = node.targets[0], node.value
                pairs = [(target, value)]
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    pairs = zip(target.elts, value.elts, strict=True)
                known |= {ast.unparse(t): p for t, v in pairs if (p := spelled(v, known))}
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute | ast.Name | ast.Call) and (
                path := spelled(node, known)
            ):
                found.setdefault(path, [])
            if isinstance(node, ast.Call) and (path := spelled(node.func, known)):
                found.setdefault(path, []).append(node)
    return found


ASKED = asked_of_cupy()


def resolved(path, modules):
    """The object at the end of a path; an instance, (), is looked for on its class."""
    names = path.replace("()", "").split(".")
    start = next(i for i in range(len(names), 0, -1) if ".".join(names[:i]) in modules)
    found = modules[".".join(names[:start])]
    for name in names[start:]:
        fields = getattr(found, "__dataclass_fields__", {})
        found = fields[name] if name in fields else getattr(found, name)
    return found


def modules(cublas):
    import builtins

    import cupyx.scipy.special
    from cuda import pathfinder

    return {
        **{"cupy": cupy, "builtins": builtins, "cupyx.scipy.special": cupyx.scipy.special},
        "cuda.pathfinder": pathfinder,
        "cupy_backends.cuda.libs.cublas": cublas,
    }


def test_the_source_was_read():
    assert {
        "cupy.cuda.runtime.getDeviceCount",
        "cupy.cuda.Stream().begin_capture",
        "cupy.cuda.Stream.null.ptr",
        "cupy.cuda.Function.ptr",
        "cupy.RawKernel().max_dynamic_shared_size_bytes",
        "cupy_backends.cuda.libs.cublas.CUBLAS_GEMM_DEFAULT",
        "cupy.cuda.device.get_cublas_handle",
        "cupy.cuda.runtime.streamPerThread",
        "cuda.pathfinder.LoadedDL().abs_path",
        "cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor",
        "cupy.cuda.MemoryPool.used_bytes",
        "cupy.cuda.MemoryPointer.device_id",
        "cupy.cuda.Graph.launch",
    } <= set(ASKED)
    assert len(ASKED) > 40


@pytest.mark.parametrize("path", [path for path in ASKED if not path.endswith("()")])
def test_what_is_asked_of_cupy_is_there(path, cublas):
    assert resolved(path, modules(cublas)) is not None


def parameters(function):
    """How a function of CuPy may be called; of a compiled one its first line of documentation."""
    try:
        return inspect.signature(function)
    except ValueError:
        line = (function.__doc__ or "").split("\n")[0]
        named = re.search(r"\((.*)\)", line)
        if named is None:
            return None
    plain = re.sub(r"\b(bool|bint|object|str|tuple|\w+_t|int|long long) (?=\w)", "", named[1])
    scope = {}
    exec(f"def f({plain}): pass", scope)
    return inspect.signature(scope["f"])


@pytest.mark.parametrize("path", [path for path, calls in ASKED.items() if calls])
def test_what_is_called_takes_these_arguments(path, cublas):
    function = resolved(path, modules(cublas))
    if path.endswith("()"):
        function = function.__call__  # of an instance
    elif isinstance(function, type) and parameters(function) is None:
        function = function.__init__
    allowed = parameters(function)
    if allowed is None:
        pytest.fail(f"{path} does not say what it takes: {function.__doc__!r}")
    for call in ASKED[path]:
        given = [None] * (len(call.args) + ("self" in allowed.parameters))
        allowed.bind(*given, **{k.arg: None for k in call.keywords})


def test_of_the_libraries_of_cuda_cupy_gives_numbers_and_calls_nothing(cublas):
    """Its functions of cuBLAS raise an error while a stream is captured."""
    read = [path for path in ASKED if path.startswith("cupy_backends.")]
    assert len(read) == 5 and not any(path.endswith("()") or ASKED[path] for path in read)
    values = [resolved(path, modules(cublas)) for path in read]
    assert [type(value) for value in values if value is not cublas] == [int] * 4
    sources = Path(cuda.__file__).parents[1].rglob("*.py")
    named = [path.name for path in sources if "cupy_backends." in path.read_text("utf-8")]
    assert named == ["blas.py"]


def test_the_attributes_of_a_device_have_these_names():
    for name in ("MultiProcessorCount", "MaxSharedMemoryPerBlockOptin"):
        assert f'attributes["{name}"]' in inspect.getsource(cuda)
        assert hasattr(cupy.cuda.runtime, f"cudaDevAttr{name}")


def test_a_memory_hook_is_called_by_the_name_that_is_overridden():
    assert callable(cupy.cuda.MemoryHook.malloc_postprocess)
    kinds = [
        p.kind
        for p in inspect.signature(cupy.cuda.MemoryHook.malloc_postprocess).parameters.values()
    ]
    assert kinds == [inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_KEYWORD]


# Errors, as CuPy itself makes them.
@pytest.fixture
def gpu():
    """A `_Gpu` that holds 4096 bytes."""
    gpu = object.__new__(cuda._Gpu)
    pool = SimpleNamespace(used_bytes=lambda: 4096)
    gpu._cupy = SimpleNamespace(get_default_memory_pool=lambda: pool, cuda=cupy.cuda)
    return gpu


def raised_by(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


ERRORS = {
    "out of memory": (
        lambda: cupy.cuda.memory.OutOfMemoryError(1 << 20, 1 << 30),
        "1,048,576 bytes|1,073,741,824 bytes|hold 4,096 bytes|checkpoint_sequence|smaller batches",
    ),
    "out of memory, of the runtime": (
        lambda: cupy.cuda.runtime.CUDARuntimeError(2),
        "cudaErrorMemoryAllocation|checkpoint_sequence",
    ),
    "illegal address": (
        lambda: cupy.cuda.runtime.CUDARuntimeError(700),
        "cudaErrorIllegalAddress|Restart the process|CUDA_LAUNCH_BLOCKING=1",
    ),
    "a kernel that does not compile": (
        lambda: cupy.cuda.compiler.CompileException("kern.cu(1): error: x", "", "k", ()),
        "kern.cu(1): error: x|does not know this GPU",
    ),
}


@pytest.mark.parametrize("make, parts", ERRORS.values(), ids=ERRORS)
def test_an_error_of_cupy_is_told_as_ours(make, parts, gpu):
    told = str(gpu.explain("matmul", make()))
    assert told.startswith("matmul: ") and "\n" not in told
    assert [part for part in parts.split("|") if part not in told] == [], told


def test_other_errors_are_left_alone(gpu):
    import numpy.exceptions

    for error in (
        ValueError("operands could not be broadcast"), TypeError("Unsupported type"),
        MemoryError(), ImportError("no module named x"), numpy.linalg.LinAlgError("singular"),
        numpy.exceptions.AxisError(3, 2), RuntimeError("of somebody's hook"), IndexError("3"),
    ):  # fmt: skip
        assert gpu.explain("matmul", error) is None, error


@pytest.mark.skipif(gpu_is_here(), reason="a GPU and its libraries are here")
def test_a_missing_library_is_told_with_what_installs_it(gpu):
    code = "from cupy_backends.cuda.libs import cublas"
    environment = {**os.environ, "LD_LIBRARY_PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    if ran.returncode == 0:
        pytest.skip("cuBLAS is installed")
    told = str(gpu.explain("matmul", ImportError(ran.stderr.strip().splitlines()[-1])))
    assert "a library of CUDA is missing" in told and re.search("libcublas|libnvrtc", told)
    assert f"'.[cuda{cupy.cuda.runtime.runtimeGetVersion() // 1000}]'" in told


def test_a_missing_nvrtc_is_told_too(gpu):
    from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib

    try:
        load_nvidia_dynamic_lib("mathdx")  # nobody has it: what is raised is what counts
    except DynamicLibNotFoundError as error:
        kind = type(error)
    text = 'Failure finding "libnvrtc.so.13 or libnvrtc.so.12": No such file: libnvrtc.so.12'
    assert "a library of CUDA is missing" in str(gpu.explain("kernel 'f'", kind(text)))
    text = "Failed to find CUDA headers. Please install CUDA toolkit headers"
    assert "CUDA headers" in str(gpu.explain("kernel 'f'", RuntimeError(text)))


@pytest.mark.skipif(gpu_is_here(), reason="a GPU is here, so nothing is wrong")
@pytest.mark.parametrize("flags", [[], ["-W", "error"]], ids=["plain", "warnings are errors"])
def test_without_a_gpu_the_real_wheel_is_refused_and_nothing_falls_back(flags):
    program = """
import minitorch_rnn as mt
try:
    mt.use("cupy")
except mt.errors.BackendError as error:
    print(error, "|", type(error.__cause__).__name__, "|", mt.zeros(1).backend)
"""
    ran = subprocess.run([sys.executable, *flags, "-c", program], capture_output=True, text=True)
    told, cause, chosen = ran.stdout.strip().split(" | ")
    assert (cause, chosen) == ("CUDARuntimeError", "numpy") and ran.stderr == ""
    assert told.startswith(f"use('cupy'): CuPy {cupy.__version__} is installed, but ")
    assert "nvidia-smi" in told and told.endswith("or stay on the CPU with use('numpy').")
    environment = {**os.environ, "MINITORCH_RNN_BACKEND": "cupy"}
    program = "import minitorch_rnn as mt; mt.zeros(1)"
    ran = subprocess.run(
        [sys.executable, *flags, "-c", program], capture_output=True, text=True, env=environment
    )
    assert ran.returncode == 1 and "BackendError: use('cupy')" in ran.stderr


# The lists of the stand-in.
def lacking(host, device):
    return {n for n in dir(host) if n[0] != "_" and not hasattr(device, n)}


@pytest.mark.parametrize(
    "listed, host, device",
    [
        pytest.param(strict_facts.MISSING, np, cupy, id="numpy"),
        pytest.param(strict_facts.MISSING_LINALG, np.linalg, cupy.linalg, id="linalg"),
    ],
)
def test_the_stand_in_knows_what_cupy_lacks(listed, host, device):
    known = {name for name in listed if hasattr(host, name)}  # an older NumPy has fewer
    assert lacking(host, device) == known


def test_the_stand_in_has_no_method_that_cupy_lacks():
    ours = {"_host", "__slots__", "__weakref__"}
    here = [n for n in vars(strict_cupy.ndarray) if n not in ours]
    assert [name for name in here if not hasattr(cupy.ndarray, name)] == []
    generator = [n for n in vars(strict_cupy.Generator) if n[0] != "_"]
    assert [name for name in generator if not hasattr(cupy.random.Generator, name)] == []
    assert [n for n in vars(strict_cupy.ufunc) if n[0] != "_" and not hasattr(cupy.ufunc, n)] == []


@pytest.mark.parametrize("keyword", strict_facts.MISSING_KEYWORDS)
def test_the_stand_in_refuses_the_keywords_that_cupy_lacks(keyword):
    for name in strict_facts.MISSING_KEYWORDS[keyword].split():
        for owner in (cupy, cupy.ndarray):
            function = getattr(owner, name, None)
            allowed = None if function is None else parameters(function)
            if allowed is None or re.search(f"not support .*``{keyword}``", function.__doc__):
                continue  # not there, or there to be refused
            taken = [n for n, p in allowed.parameters.items() if p.kind is not p.VAR_POSITIONAL]
            assert keyword not in taken, name


@pytest.mark.parametrize(
    "names",
    ["SYNCHRONISING", "ON_DEVICE", "NEEDS_NO_ARRAY", "CALLBACKS", "OPERATORS", "COMPARISONS"],
)
def test_the_stand_in_lists_functions_that_cupy_has(names):
    assert [n for n in getattr(strict_facts, names) if not hasattr(cupy, n)] == []


def test_the_stand_in_takes_the_dtypes_that_cupy_takes():
    for char in strict_facts.DTYPES:
        cupy._core._scalar.get_typename(np.dtype(char))
    with pytest.raises(ValueError):
        cupy._core._scalar.get_typename(np.dtype("U1"))


def test_importing_cupy_does_not_import_it_with_us():
    program = "import minitorch_rnn, sys; print('cupy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "False\n"
    assert "cupy" in backend.names()
