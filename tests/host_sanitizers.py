"""What the sanitizers of the compiler say of a launch, which a program of its own runs for them."""

import ctypes
import functools
import os
import subprocess

import numpy as np
import strict_watch
from host_compiler import COMPILER, FAULTS, compiled, translated

# Without optimisation every access is there to be watched; it compiles twice as fast, too.
_PROGRAM = ("-O0", "-g1", "-pthread", "-DON_HOST_MAIN")
SANITIZERS = {
    "thread": (*_PROGRAM, "-fsanitize=thread"),
    "address": (*_PROGRAM, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"),
}


@functools.cache
def why_not(sanitizer):
    """Why a sanitizer cannot be had here; "" if it can."""
    if COMPILER is None:
        return "no C++ compiler is found"
    try:
        probe = compiled(f"-{sanitizer}", "int main() {}", *SANITIZERS[sanitizer])
        subprocess.run([probe], capture_output=True, check=True)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        return f"the {sanitizer} sanitizer does not run here: {error}"
    return ""


def report(sanitizer, source, name, blocks, threads, passed, shared):
    flags = SANITIZERS[sanitizer]
    program = compiled(f"-{sanitizer}", translated(source), *flags)
    environment = os.environ | {
        "TSAN_OPTIONS": "exitcode=66 history_size=4 atexit_sleep_ms=0",  # all threads have ended
        "ASAN_OPTIONS": "exitcode=66 detect_leaks=0 detect_stack_use_after_return=0",
        "UBSAN_OPTIONS": "exitcode=66",
    }
    given = _packed(blocks, threads, shared, passed)
    command = [program, name]
    done = subprocess.run(command, input=given, capture_output=True, check=False, env=environment)
    told = done.stderr.decode(errors="replace")
    if done.returncode not in (0, 66):
        fault = FAULTS.get(done.returncode, told[-2000:])
        raise RuntimeError(f"kernel {name!r} under a sanitizer ({done.returncode}): {fault}")
    return told if done.returncode else ""


def _bytes(x):
    return ctypes.string_at(x.ctypes.data, x.nbytes)  # in the order that they have in memory


def _packed(blocks, threads, shared, passed):
    """A launch as the program of a sanitizer reads it."""
    alive = [(x.ctypes.data, x) for x in strict_watch.memory.arrays() if x.size]
    taken, inside, args = [], [], []

    def place(address):
        """(array, offset) of an address in an array that is alive, which is taken along."""
        for start, x in alive:
            if start <= address < start + x.nbytes:
                index = next((i for i, y in enumerate(taken) if y is x), len(taken))
                if index == len(taken):
                    taken.append(x)
                    if x.dtype == np.uint8:
                        words = np.frombuffer(_bytes(x)[: x.nbytes // 8 * 8], np.uint64)
                        for i, word in enumerate(words.tolist()):
                            if (to := place(word)) is not None:
                                inside.append((index, 8 * i, *to))
                return index, address - start
        return None

    for x in passed:
        if isinstance(x, ctypes.c_int):
            args += -1, x.value
        elif x.value is None:
            args += -2, 0
        else:
            at = place(x.value)
            if at is None:
                raise RuntimeError(f"{x.value:#x} is in no array that is alive")
            args += at
    numbers = [blocks, threads, shared, len(taken), *[x.nbytes for x in taken], len(inside)]
    numbers += [n for pointer in inside for n in pointer]
    numbers += [len(passed), *args]
    return np.array(numbers, np.int64).tobytes() + b"".join(map(_bytes, taken))
