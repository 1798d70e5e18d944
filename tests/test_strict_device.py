"""The stand-in for a GPU is right itself: products, captures, counters, and what they refuse."""

import numpy as np
import pytest
import strict_cupy
import strict_device
import strict_watch
from numpy.testing import assert_array_equal
from sample_kernels import source

from minitorch_rnn import backend as backends

pytestmark = pytest.mark.compiler
xp, up = strict_cupy.xp, strict_cupy.xp.asarray


@pytest.fixture
def device():
    return strict_device.Device()


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
    with pytest.raises(strict_watch.CaptureError, match="capture"):
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
    strict_watch.synchronisations.reset()
    start = device.now()
    device.synchronize()
    assert 0 <= device.seconds(start, device.now()) < 60
    assert strict_watch.synchronisations.causes == ["synchronize()", "seconds()"]


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
