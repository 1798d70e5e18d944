"""The stand-in for a GPU is right itself: kernels, products, captures, and what they refuse."""

import functools

import numpy as np
import pytest
import strict_cupy
import strict_device
from numpy.testing import assert_array_equal

from minitorch_rnn import backend as backends

pytestmark = pytest.mark.compiler
xp = strict_cupy.xp

# Several kernels for each of two types, as CUDA's own compiler would take them.
SOURCE = """
typedef REAL real;

#ifndef ON_HOST
__device__ inline unsigned short half_bits(float x) {
    unsigned short y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
__device__ inline int load_acquire(const int* p) {
    int x;
    asm volatile("ld.acquire.gpu.global.b32 %0, [%1];" : "=r"(x) : "l"(p) : "memory");
    return x;
}
#endif

extern __shared__ char memory[];

__device__ __forceinline__ real smaller(real a, real b) { return a < b ? a : b; }

extern "C" __global__ void saxpy(const real* __restrict__ x, real* __restrict__ y, int n, int a) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += a * __ldg(x + i);
}

extern "C" __global__ void halves(const float* x, unsigned short* y, int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = half_bits(x[i]);
}

// The sum of each block, and the smallest element of all in the words that the host gave it.
#define SUM(name, BARRIER)                                                                  \\
    extern "C" __global__ void __launch_bounds__(8 * 32) name(const real* x, real* sums) {  \\
        __shared__ real part[8 * 32];                                                       \\
        real* least = (real*)memory;                                                        \\
        const int i = threadIdx.x;                                                          \\
        part[i] = x[blockIdx.x * blockDim.x + i];                                           \\
        least[i] = part[i];                                                                 \\
        for (int n = blockDim.x / 2; n; n /= 2) {                                           \\
            BARRIER                                                                         \\
            if (i < n) {                                                                    \\
                part[i] += part[i + n];                                                     \\
                least[i] = smaller(least[i], least[i + n]);                                 \\
            }                                                                               \\
        }                                                                                   \\
        if (i == 0) sums[2 * blockIdx.x] = part[0], sums[2 * blockIdx.x + 1] = least[0];    \\
    }
SUM(sum, __syncthreads();)
SUM(torn_sum, )

// Each step takes from the neighbour what it had before; needs zeros in the counter.
#define RING(name, RELEASE, COUNT, ACQUIRE)                                                 \\
    extern "C" __global__ void name(real* x, int* counter, int steps) {                     \\
        const int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;    \\
        for (int t = 0; t < steps; ++t) {                                                   \\
            x[(t + 1) % 2 * n + i] = __ldcg(x + t % 2 * n + (i + 1) % n) + 1;               \\
            __syncthreads();                                                                \\
            if (threadIdx.x == 0) {                                                         \\
                RELEASE                                                                     \\
                atomicAdd(counter, 1);                                                      \\
                while (COUNT < (t + 1) * (int)gridDim.x) {}                                 \\
                ACQUIRE                                                                     \\
            }                                                                               \\
            __syncthreads();                                                                \\
        }                                                                                   \\
    }
RING(ring, __threadfence();, load_acquire(counter), )
RING(ring_by_fences, __threadfence();, atomicAdd(counter, 0), __threadfence();)
RING(ring_without_wait, __threadfence();, load_acquire(counter) + (1 << 20), )
RING(ring_without_release, , load_acquire(counter), )
RING(ring_without_acquire, __threadfence();, atomicAdd(counter, 0), )

// The block that comes last adds up what the others left.
extern "C" __global__ void last_block(const real* x, real* sums, unsigned* counter, real* total) {
    __shared__ bool last;
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = x[blockIdx.x];
        __threadfence();
        last = atomicAdd(counter, 1u) == gridDim.x - 1;
        __threadfence();
    }
    __syncthreads();
    if (last && threadIdx.x < 2) {
        for (int b = threadIdx.x; b < gridDim.x; b += 2) atomicAdd(total, sums[b]);
    }
}

struct Table { int t; const real* x; };
extern "C" __global__ void fill_table(Table* table, const real* x) { *table = Table{1, x}; }
extern "C" __global__ void read_table(const Table* table, real* y, int i) {
    y[threadIdx.x] = table->x[i + threadIdx.x];
}

extern "C" __global__ void early(int n) { if (threadIdx.x < n) __syncthreads(); }
extern "C" __global__ void apart() {
    if (threadIdx.x < 2)
        __syncthreads();
    else
        __syncthreads();
}
extern "C" __global__ void overrun(int bytes) { memory[bytes] = 1; }
extern "C" __global__ void wide(long long n) {}
extern "C" __global__ void by_value(float x) {}
"""
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@functools.cache
def source(dtype=np.float64):
    return SOURCE.replace("REAL", REALS[np.dtype(dtype)])


@pytest.fixture
def device():
    return strict_device.Device()


def up(x, dtype=None):
    return xp.asarray(np.asarray(x, dtype))


# Kernels.
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
    before = strict_device.load.cache_info().misses
    device.kernel(source(), "sum"), strict_device.Device().kernel(source(), "saxpy")
    assert strict_device.load.cache_info().misses == before


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


# Products.
LAYOUTS = {
    "dense": lambda m, n, rng, dtype: rng.normal(size=(m, n)).astype(dtype),
    "transposed": lambda m, n, rng, dtype: rng.normal(size=(n, m)).astype(dtype).T,
    "columns": lambda m, n, rng, dtype: rng.normal(size=(m, n + 3)).astype(dtype)[:, 2 : n + 2],
    "rows": lambda m, n, rng, dtype: rng.normal(size=(2 * m, n)).astype(dtype)[::2],
}


@pytest.mark.parametrize("shapes", [(3, 5, 4), (1, 5, 4), (3, 1, 4), (3, 5, 1), (2, 0, 3)])
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_a_product_is_that_of_numpy_in_every_layout(device, rng, left, right, shapes):
    m, k, n = shapes
    for dtype, kind, rtol in ((float, float, 1e-12), ("e", "f", 1e-5), ("f", "f", 1e-5)):
        a, b = LAYOUTS[left](m, k, rng, dtype), LAYOUTS[right](k, n, rng, dtype)
        out = xp.empty((m, n), kind)
        there = [strict_cupy.ndarray(x) for x in (a, b)]
        device.product(*there, out)  # rtol: sums in float32, of factors that are exact there
        expected = a.astype(float) @ b.astype(float)
        np.testing.assert_allclose(out.get(), expected, rtol=rtol, atol=rtol)


def test_tf32_rounds_factors_to_ten_bits_to_the_nearest_even():
    one = 2.0**-10  # the last bit
    x = np.float32([1 + one / 2, 1 + 3 * one / 2, 1 + one * 0.51, -1 - one / 4, np.inf, 3e38, 0])
    expected = np.float32([1, 1 + 2 * one, 1 + one, -1, np.inf, 3e38, 0])
    expected[5] = np.round(x[5] / 2.0**117) * 2.0**117
    assert_array_equal(strict_device.tf32_of(x), expected)
    assert np.isnan(strict_device.tf32_of(np.float32([np.nan]))).all()


def test_a_product_rounds_factors_of_float32_only_and_only_if_allowed(device):
    fine = 1 + 2.0**-12
    for dtype, tf32, expected in (("f", True, 1), ("f", False, fine), ("d", True, fine)):
        out = xp.empty((1, 1), dtype)
        device.product(up([[fine]], dtype), up([[1]], dtype), out, tf32=tf32)
        assert out.item() == expected


def test_sums_of_float16_are_float32(device):
    a, out = up(np.full((1, 4096), 16), np.float16), xp.empty((1, 1), np.float32)
    device.product(a, a.T, out)
    assert out.item() == 4096 * 256  # beyond float16


def test_a_product_refuses_what_the_library_of_a_gpu_cannot_read(device, rng):
    a, b, out = up(rng.normal(size=(3, 4))), up(rng.normal(size=(4, 5))), xp.empty((3, 5))
    wide = xp.empty((3, 10))
    for arguments, error in (
        ((np.ones((3, 4)), b, out), TypeError),
        ((a, b, np.ones((3, 5))), TypeError),
        ((a, b[:3], out), ValueError),
        ((a, b, xp.empty((5, 3)).T), ValueError),
        ((a, b, wide[:, :5]), ValueError),
        ((a, b, wide[:, ::2]), ValueError),
        ((up(np.ones((3, 8)))[:, ::2], b, out), ValueError),
        ((xp.broadcast_to(a[:1], (3, 4)), b, out), ValueError),
        ((a[::-1], b, out), ValueError),
        ((a, b[0], out), ValueError),
        ((a, b.astype(np.float32), out), TypeError),
        ((a, b, xp.empty((3, 5), np.float32)), TypeError),
        ((a.astype(int), b.astype(int), out.astype(int)), ValueError),
        ((wide[:, :3], up(np.ones((3, 10))), wide), ValueError),
    ):
        with pytest.raises(error, match="product"):
            device.product(*arguments)


# Captures.
ONES = xp.ones(2, int)


def test_a_capture_runs_nothing_and_its_replay_works_on_what_is_there_then(device):
    x, y, z = up([1.0, 2.0]), up([0.0, 0.0]), up([[0.0]])
    saxpy = device.kernel(source(), "saxpy")

    def work():
        saxpy(1, 2, (x, y, 2, 1))
        saxpy(1, 1, (x[1:], y, 1, 1))
        device.product(y.reshape(1, 2), y.reshape(2, 1), z)

    replay = device.capture(work)
    assert y.get().tolist() == [0, 0] and device.launches == {}
    x[...] = up([3.0, 4.0])
    replay()
    assert y.get().tolist() == [7, 4] and z.item() == 65
    y[...] = 1.0
    replay()
    assert y.get().tolist() == [8, 5] and z.item() == 89
    assert device.launches == {"saxpy": 4, "product": 2, "replay": 2}


def test_a_replay_keeps_no_array_alive_and_notices_one_that_is_gone(device):
    x, y = [up([1.0, 2.0])], up([0.0, 0.0])
    saxpy = device.kernel(source(), "saxpy")
    replay = device.capture(lambda: saxpy(1, 2, (x[0], y, 2, 1)))
    view = x.pop()[1:]
    replay()
    del view
    with pytest.raises(RuntimeError, match="saxpy used was freed"):
        replay()


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: x + 1,
        lambda x: xp.tanh(x, out=x),
        lambda x: xp.add.at(x, x.astype(int), 1.0),
        lambda x: x.copy(),
        lambda x: x.sum(),
        lambda x: xp.empty(3),
        lambda x: xp.asarray([1.0]),
        lambda x: x[[0, 1]],
        lambda x: x[ONES],
        lambda x: x.__setitem__(0, 1.0),
        lambda x: x.T.reshape(-1),
        lambda x: x.get(),
        lambda x: float(x[0, 0]),
        lambda x: repr(x),
        lambda x: xp.random.default_rng(0).random(3),
        lambda x: strict_device.Device().synchronize(),
        lambda x: strict_device.Device().now(),
    ],
)
def test_a_capture_refuses_every_other_operation(device, operation):
    x = up(np.ones((2, 3)))
    with pytest.raises(strict_cupy.CaptureError, match="capture"):
        device.capture(lambda: operation(x))
    x + 1  # the capture is over


def test_views_are_free_in_a_capture_and_nothing_nests(device):
    x = up(np.ones((2, 3)))
    device.capture(lambda: (x.T, x[1:], x[:, None], x.reshape(-1), xp.broadcast_to(x, (4, 2, 3))))
    replay = device.capture(lambda: None)
    for work in (replay, lambda: device.capture(lambda: None)):
        with pytest.raises(RuntimeError, match="capture"):
            device.capture(work)


# Counters.
def test_waiting_for_the_device_is_counted(device):
    strict_cupy.synchronisations.reset()
    start = device.now()
    device.synchronize()
    assert 0 <= device.seconds(start, device.now()) < 60
    assert strict_cupy.synchronisations.causes == ["synchronize()", "seconds()"]


def test_another_stream_is_another_stream(device):
    here = device.stream()
    with device.on_stream("other"):
        assert device.stream() == "other"
    assert device.stream() == here


def test_memory_counts_arrays_once_and_until_the_last_view_is_gone(device):
    before = device.allocated()
    x = xp.zeros(1000)
    view = x[10:].reshape(2, -1)
    assert device.allocated() - before == 8000
    with device.watched() as outer:
        y = x + 1
        del y
        with device.watched() as inner:
            x.sum()
    del x
    assert (outer.peak - before, inner.peak - before) == (16000, 8008)
    assert device.allocated() - before == 8000
    del view
    assert device.allocated() == before


def test_the_strict_backend_has_a_device():
    with backends.use("strict"):
        device = backends.device_of(xp.ones(2))
    assert device.name == "host" and backends.device_of(np.ones(2)) is None


# Sanitizers.
@pytest.fixture
def sanitizer(request):
    if strict_device.why_not(request.param):
        pytest.skip(strict_device.why_not(request.param))


thread_sanitizer = pytest.mark.parametrize("sanitizer", ["thread"], indirect=True)
address_sanitizer = pytest.mark.parametrize("sanitizer", ["address"], indirect=True)


def races(name, blocks=3, threads=4, shared=64):
    x, counter = up(np.ones((2, blocks * threads))), up([0], np.int32)
    args = {
        "sum": (x, xp.empty((blocks, 2))),
        "torn_sum": (x, xp.empty((blocks, 2))),
        "last_block": (x, xp.empty(blocks), up([0], np.uint32), up([0.0])),
    }
    passed = args.get(name, (x, counter, 3))
    return strict_device.races(source(), name, blocks, threads, passed, shared)


@thread_sanitizer
@pytest.mark.parametrize("name", ["ring", "ring_by_fences", "sum", "last_block"])
def test_thread_sanitizer_has_nothing_to_say_of_kernels_that_are_right(sanitizer, name):
    assert races(name) == ""


@thread_sanitizer
@pytest.mark.parametrize("missing", ["wait", "release", "acquire", "barrier"])
def test_thread_sanitizer_reports_what_is_missing(sanitizer, missing):
    name = "torn_sum" if missing == "barrier" else f"ring_without_{missing}"
    assert "data race" in races(name)


@address_sanitizer
def test_address_sanitizer_reports_what_leaves_an_array_or_the_shared_memory(sanitizer):
    x, y = up(np.ones(4)), up(np.ones(4))
    for n, found in ((4, ""), (5, "heap-buffer-overflow")):
        told = strict_device.strays(source(), "saxpy", 1, 5, (x, y, n, 1))
        assert bool(told) == bool(found) and found in told
    assert "poison" in strict_device.strays(source(), "overrun", 1, 1, (8,), 8)


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
