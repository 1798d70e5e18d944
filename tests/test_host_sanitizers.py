"""The sanitizers find what is wrong in a kernel on the stand-in for a GPU, and nothing else."""

import numpy as np
import pytest
import strict_cupy
import strict_device
from host_sanitizers import why_not
from sample_kernels import source

pytestmark = pytest.mark.compiler
xp, up = strict_cupy.xp, strict_cupy.xp.asarray


@pytest.fixture
def device():
    return strict_device.Device()


@pytest.fixture
def sanitizer(request):
    if missing := why_not(request.param):
        pytest.skip(missing)
    return request.param


thread_sanitizer = pytest.mark.parametrize("sanitizer", ["thread"], indirect=True)
address_sanitizer = pytest.mark.parametrize("sanitizer", ["address"], indirect=True)


def report(sanitizer, name, *launch):
    return strict_device.Device().kernel(source(), name).report(sanitizer, *launch)


def races(name, blocks=3, threads=4, shared=64):
    x, counter = up(np.ones((2, blocks * threads))), up([0], np.int32)
    args = {
        "sum": (x, xp.empty((blocks, 2))),
        "torn_sum": (x, xp.empty((blocks, 2))),
        "last_block": (x, xp.empty(blocks), up([0], np.uint32), up([0.0])),
    }
    return report("thread", name, blocks, threads, args.get(name, (x, counter, 3)), shared)


@thread_sanitizer
@pytest.mark.parametrize("name", ["ring", "ring_by_fences", "sum", "last_block"])
def test_thread_sanitizer_has_nothing_to_say_of_kernels_that_are_right(sanitizer, name):
    assert races(name) == ""


@thread_sanitizer
@pytest.mark.parametrize("missing", ["release", "acquire", "barrier"])
def test_thread_sanitizer_reports_what_is_missing(sanitizer, missing):
    assert "data race" in races("torn_sum" if missing == "barrier" else f"ring_without_{missing}")


@thread_sanitizer
def test_thread_sanitizer_reports_a_wait_that_is_missing(sanitizer):
    # Blocks that happen to have their turns in step have waited: one launch in five, on one core.
    assert any("data race" in races("ring_without_wait") for _ in range(20))


@address_sanitizer
def test_address_sanitizer_reports_what_leaves_an_array_or_the_shared_memory(sanitizer):
    x, y = up(np.ones(4)), up(np.ones(4))
    for n, found in ((4, ""), (5, "heap-buffer-overflow")):
        told = report("address", "saxpy", 1, 5, (x, y, n, 1))
        assert bool(told) == bool(found) and found in told
    assert "poison" in report("address", "overrun", 1, 1, (8,), 8)


@address_sanitizer
def test_a_device_inspects_launches_that_find_arrays_through_a_table(sanitizer, device):
    x, y, table = up(np.arange(4.0)), xp.empty(4), xp.zeros(16, np.uint8)
    device.kernel(source(), "fill_table")(1, 1, (table, x))
    read = device.kernel(source(), "read_table")
    with device.inspected("address", only="read") as reports:
        read(1, 3, (table, y, 1))
        assert reports == [] and y.get()[:3].tolist() == [1, 2, 3]
        x = up(np.arange(3.0))
        device.kernel(source(), "fill_table")(1, 1, (table, x))
        read(1, 1, (table, y, 3))
    assert len(reports) == 1 and "heap-buffer-overflow" in reports[0]
