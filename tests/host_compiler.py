"""CUDA C++ as programs of the host: translated, compiled behind `cuda_on_host.h`, and kept."""

import ctypes
import functools
import getpass
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

SHIM = Path(__file__).with_name("cuda_on_host.h")
HEADERS = sorted(SHIM.parent.glob("*_on_host.h"))
# The header needs Linux: stacks of its own, and libraries that are found by their path.
COMPILERS = ("c++", "g++", "clang++") if sys.platform == "linux" else ()
COMPILER = next(filter(None, map(shutil.which, COMPILERS)), None)
NEEDS_COMPILER = "kernels run on the host of Linux alone, with a C++ compiler (apt install g++)"
STANDARD = ("-std=c++17", "-x", "c++", "-DON_HOST")
FAULTS = {
    1: "waits for ever: nobody makes the write for which its threads wait in load_acquire(). "
    "Blocks that wait for each other need cooperative=True",
    2: "ends some threads of a block before a __syncthreads() at which the others wait",
    3: "has threads of one block at different __syncthreads()",
    4: "writes beyond the dynamic shared memory that it was given",
}
DAYS = 7  # what no test has used for so long is removed


def compiled(name, text, *flags):
    """The file of `text` compiled by `flags`; made once for all runs of the tests."""
    headers = [header.read_text() for header in HEADERS]
    key = hashlib.sha256("\0".join([COMPILER, *flags, *headers, text]).encode())
    built = folder() / f"{key.hexdigest()[:32]}{name}"
    if built.exists():
        os.utime(built)  # it is used, and stays
    else:
        with tempfile.TemporaryDirectory(dir=folder()) as here:
            new = Path(here, "built")
            _run(COMPILER, *STANDARD, *flags, "-", "-o", new, text=text)
            os.replace(new, built)
    return built


@functools.cache
def folder():
    """Where compiled files are kept, without those that were not used for long."""
    found = Path(tempfile.gettempdir(), f"minitorch_rnn-kernels-{getpass.getuser()}")
    found.mkdir(mode=0o700, exist_ok=True)
    for old in found.iterdir():
        with suppress(FileNotFoundError):  # other tests run at the same time
            if old.stat().st_mtime < time.time() - DAYS * 24 * 3600:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    return found


def _run(*command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the compiler refuses a kernel:\n{done.stderr[:4000]}")
    return done.stdout


_KERNEL = re.compile(
    r"\b__global__\s+(?:__launch_bounds__\s*\((?P<a>[^()]*)\)\s*)?void\s+"
    r"(?:__launch_bounds__\s*\((?P<b>[^()]*)\)\s*)?(?P<name>\w+)\s*\("
)
_DYNAMIC = re.compile(r"\bextern\s+__shared__\s+(\w+)\s+(\w+)\s*\[\s*\]\s*;")


@functools.cache
def translated(source):
    """C++ of CUDA C++: what the compiler of the host needs before and after it."""
    plain = _run(COMPILER, *STANDARD, "-E", "-P", "-", text=source)  # macros may make kernels
    dynamic = set(_DYNAMIC.findall(plain))
    if len(dynamic) > 1:
        raise RuntimeError(f"one dynamic shared array for a source: {sorted(dynamic)}")
    kind, shared = dynamic.pop() if dynamic else ("char", "")
    size = f"[({227 << 10} + on_host::canary) / sizeof({kind})]"
    kernels = [(m["name"], m["a"] or m["b"] or "0") for m in _KERNEL.finditer(plain)]
    return "\n".join(
        [
            f'#include "{SHIM}"',
            '#line 1 "kernels"',
            source,
            f"alignas(128) thread_local {kind} {shared}{size};" if shared else "",
            f"char* on_host::dynamic_shared() {{ return (char*){shared or 0}; }}",
            *[f'static on_host::Kernel on_host_kernel_{n}{{"{n}", {b}, {n}}};' for n, b in kernels],
            "",
        ]
    )


@functools.cache
def load(source):
    """The library of a source; each of its kernels can be found in it."""
    if COMPILER is None:
        raise RuntimeError("kernel: no C++ compiler is found")
    flags = ("-O1", "-shared", "-fPIC", "-pthread")
    library = ctypes.CDLL(str(compiled(".so", translated(source), *flags)))
    pointer, text, c_int = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, *arguments in (
        ("find", pointer, text),
        ("signature", text, pointer),
        ("bound", c_int, pointer),
        ("launch", c_int, pointer, *[c_int] * 3, ctypes.c_bool, ctypes.c_double, pointer),
    ):
        function = getattr(library, f"on_host_{name}")
        function.restype, function.argtypes = result, arguments
    return library
