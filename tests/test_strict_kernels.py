"""Kernels on the stand-in for a GPU compute what they say, and what no GPU takes is refused."""

import os
import tempfile
import time

import host_compiler
import numpy as np
import pytest
import strict_cupy
import strict_device
from numpy.testing import assert_array_equal
from sample_kernels import source

pytestmark = pytest.mark.compiler
xp, up = strict_cupy.xp, strict_cupy.xp.asarray
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def device():
    return strict_device.Device()


@dtypes
def test_a_kernel_computes_with_threads_blocks_and_integers(device, rng, dtype):
    x, y = rng.normal(size=(2, 70)).astype(dtype)
    there, result = up(x), up(y)
    device.kernel(source(dtype), "saxpy")(3, 32, (there, result, 70, -2))
    assert_array_equal(result.get(), y - 2 * x)


@dtypes
def test_threads_of_a_block_meet_at_barriers_and_share_memory(device, rng, dtype):
    x = rng.integers(-50, 50, (5, 64)).astype(dtype)
    sums = xp.empty((5, 2), dtype)
    device.kernel(source(dtype), "sum")(5, 64, (up(x), sums), shared=64 * x.itemsize)
    assert_array_equal(sums.get(), np.stack([x.sum(1), x.min(1)], 1))


@dtypes
def test_blocks_of_a_cooperative_kernel_wait_for_each_other_step_after_step(device, dtype):
    x, counter = up(np.arange(2 * 8 * 64).reshape(2, -1), dtype), up([0], np.int32)
    start = x.get()[0]
    device.kernel(source(dtype), "ring", cooperative=True)(8, 64, (x, counter, 20))
    assert_array_equal(x.get()[0], np.roll(start, -20) + 20)
    assert counter.item() == 8 * 20


def test_a_missing_barrier_changes_the_result(device, rng):
    x, sums = rng.integers(-50, 50, (4, 64)).astype(float), xp.empty((4, 2))
    device.kernel(source(), "torn_sum")(4, 64, (up(x), sums), shared=64 * 8)
    assert (sums.get()[:, 0] != x.sum(1)).any()


def test_atomics_give_the_block_that_comes_last_what_all_blocks_left(device, rng):
    x, sums, total = rng.integers(0, 9, 6).astype(float), xp.empty(6), up([0.0])
    device.kernel(source(), "last_block")(6, 4, (up(x), sums, up([0], np.uint32), total))
    assert total.item() == x.sum()


def test_half_bits_rounds_as_numpy_does(device, rng):
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[1:] + halves[:-1]) / 2
    beside = [np.nextafter(ties, np.float32(inf)) for inf in (np.inf, -np.inf)]
    edges = np.float32([0, 65504, 65519.99, 65520, 1e30, np.inf, 1e-45, 2.0**-25, 3e-8])
    x = np.concatenate([halves, ties, *beside, edges, rng.normal(size=1000).astype(np.float32)])
    x = np.concatenate([x, -x])
    y = xp.empty(x.size, np.float16)
    device.kernel(source(np.float32), "halves")(1, 32, (up(x), y, x.size))
    with np.errstate(over="ignore", under="ignore"):
        assert_array_equal(y.get().view(np.uint16), x.astype(np.float16).view(np.uint16))
    device.kernel(source(np.float32), "halves")(1, 1, (up(np.float32([np.nan])), y, 1))
    assert np.isnan(y.get()[0])


def test_what_a_kernel_reads_of_memory_that_nobody_wrote_is_nan(device):
    y, x = up([0.0]), xp.empty(3)
    device.kernel(source(), "saxpy")(1, 1, (x, y, 1, 1))
    assert np.isnan(y.item())
    assert np.isnan(xp.empty_like(x).get()).all() and xp.empty(1, np.int32).item() == 2**31 - 1


def test_a_source_is_compiled_once(device):
    x, y = device.kernel(source(), "saxpy"), device.kernel(source(), "saxpy")
    assert x is y
    before = host_compiler.load.cache_info().misses
    device.kernel(source(), "sum"), strict_device.Device().kernel(source(), "saxpy")
    assert host_compiler.load.cache_info().misses == before


def test_what_was_compiled_is_kept_until_no_test_has_used_it_for_a_week(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(host_compiler, "folder", host_compiler.folder.__wrapped__)
    files = [host_compiler.compiled(".so", text, "-shared") for text in ("int x;", "int y;", "")]
    left = host_compiler.folder() / "left"  # by a compiler that was killed
    left.mkdir()
    week = time.time() - 24 * 3600 * host_compiler.DAYS
    for path, after in zip([*files, left], (-60, 60, 60, -60), strict=True):
        os.utime(path, (week + after, week + after))
    assert host_compiler.compiled(".so", "", "-shared") == files[2]
    assert files[2].stat().st_mtime > week + 1000
    assert set(host_compiler.folder().iterdir()) == set(files[1:])


# What a launch refuses.
def launch(name, blocks, threads, args, shared=0, **how):
    device = strict_device.Device()
    device.patience = 0.2
    device.kernel(source(), name, **how)(blocks, threads, args, shared)


REFUSED = {
    "a NumPy array": (TypeError, "ndarray", lambda x: ("saxpy", 1, 1, (np.ones(3), x, 3, 1))),
    "another dtype": (
        TypeError,
        "array of float32",
        lambda x: ("saxpy", 1, 1, (x.astype(np.float32), x, 3, 1)),
    ),
    "too few arguments": (TypeError, "takes 4", lambda x: ("saxpy", 1, 1, (x, x, 3))),
    "an array as int": (TypeError, "array of", lambda x: ("saxpy", 1, 1, (x, x, x, 1))),
    "a float": (TypeError, "float", lambda x: ("by_value", 1, 1, (1.0,))),
    "an int for long": (TypeError, "as `int`", lambda x: ("wide", 1, 1, (1,))),
    "an int of NumPy": (TypeError, "int64", lambda x: ("early", 1, 1, (np.int64(1),))),
    "a large int": (OverflowError, "no `int`", lambda x: ("early", 1, 1, (2**31,))),
    "a broadcast array": (
        ValueError,
        "strides",
        lambda x: ("saxpy", 1, 1, (xp.broadcast_to(x[:1], 3), x, 3, 1)),
    ),
    "no block": (ValueError, "0 blocks", lambda x: ("early", 0, 1, (1,))),
    "many threads": (ValueError, "1025 threads", lambda x: ("early", 1, 1025, (1,))),
    "more threads than the bound": (ValueError, "257 threads", lambda x: ("sum", 1, 257, (x, x))),
    "much shared memory": (
        ValueError,
        "shared memory",
        lambda x: ("early", 1, 1, (1,), (99 << 10) + 1),
    ),
    "a barrier that some miss": (RuntimeError, "ends some", lambda x: ("early", 1, 4, (3,))),
    "two barriers at a time": (RuntimeError, "different", lambda x: ("apart", 1, 4, ())),
    "a write behind the shared memory": (
        RuntimeError,
        "beyond",
        lambda x: ("overrun", 1, 1, (8,), 8),
    ),
    "a wait without the others": (
        RuntimeError,
        "waits for ever.*cooperative=True",
        lambda x: ("ring", 2, 1, (x, up([0], np.int32), 1)),
    ),
    "an unknown kernel": (RuntimeError, "no kernel 'none'.*saxpy", lambda x: ("none", 1, 1, ())),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_launch_refuses(case):
    error, message, arguments = REFUSED[case]
    with pytest.raises(error, match=message):
        launch(*arguments(up(np.ones(8))))


def test_a_cooperative_kernel_has_no_more_blocks_than_run_at_once(device):
    kernel = device.kernel(source(), "ring", cooperative=True)
    assert device.resident(kernel, 64, 0) == device.processors * device.per_processor
    assert device.resident(kernel, 64, device.shared_memory) == device.processors
    assert device.resident(kernel, 1025, 0) == device.resident(kernel, 1, 1 << 20) == 0
    with pytest.raises(ValueError, match="9 blocks wait for each other; only 8"):
        kernel(9, 1, (up(np.ones(18)), up([0], np.int32), 1))


def test_what_the_compiler_refuses_is_shown(device):
    with pytest.raises(RuntimeError, match="undeclared_name"):
        device.kernel('extern "C" __global__ void f() { undeclared_name = 1; }', "f")


def test_none_is_a_null_pointer(device):
    with pytest.raises(TypeError, match="parameter 'i'"):
        device.kernel(source(), "early")(1, 1, (None,))
    device.kernel(source(), "saxpy")(1, 1, (None, None, 0, 1))
