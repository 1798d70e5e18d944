"""Products by the C interface of cuBLAS: what is computed, and what its functions are given."""

import ctypes
import os
import re
from pathlib import Path

import cublas_on_host
import numpy as np
import pytest
from cublas_on_host import FUNCTIONS, HANDLE, STREAM, Stream, events, factors, gpu_on_host, seen
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minitorch_rnn.backend import blas, cuda
from minitorch_rnn.errors import BackendError


# The numbers.
@st.composite
def matrices(draw, rows, columns, kind):
    """A (rows, columns) view with one dense axis: a part of a larger array, perhaps turned."""
    turned = draw(st.booleans())
    shape = (columns, rows) if turned else (rows, columns)
    around = [draw(st.integers(0, 2)) for _ in range(3)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    whole = rng.normal(size=(shape[0] + around[0], around[1] + shape[1] + around[2])).astype(kind)
    view = whole[: shape[0], around[1] : around[1] + shape[1]]
    if shape[1] == 1 and draw(st.booleans()):  # rows of one element, a whole array apart
        view = rng.normal(size=(shape[0], 3)).astype(kind)[:, 1:2]
    if shape[0] > 1 and draw(st.booleans()):  # every second row
        view = rng.normal(size=(2 * shape[0], shape[1])).astype(kind)[::2]
    return view.T if turned else view


SIZE = st.integers(1, 4) | st.sampled_from([1, 7])


@pytest.mark.compiler
@given(data=st.data(), m=SIZE, k=SIZE | st.just(0), n=SIZE)
def test_a_product_reads_matrices_as_cublas_reads_them(data, m, k, n):
    kind, out_kind, rtol = data.draw(
        st.sampled_from([("d", "d", 1e-12), ("f", "f", 1e-5), ("e", "f", 1e-5), ("e", "e", 1e-2)])
    )
    a, b = data.draw(matrices(m, k, kind)), data.draw(matrices(k, n, kind))
    out = np.full((m, n), np.nan, out_kind)
    with gpu_on_host() as gpu:
        gpu.product(seen(a), seen(b), seen(out), tf32=data.draw(st.booleans()))
    expected = a.astype(float) @ b.astype(float)
    assert_allclose(out, expected, rtol=rtol, atol=rtol, err_msg=f"{a.strides} {b.strides}")


@given(data=st.data(), rows=SIZE, columns=SIZE)
def test_a_layout_finds_every_element(data, rows, columns):
    x = data.draw(matrices(rows, columns, "d"))
    turned, step = blas._layout(seen(x))
    for i, j in np.ndindex(x.shape):
        place = x.ctypes.data + 8 * (j * step + i if turned else i * step + j)
        assert ctypes.c_double.from_address(place).value == x[i, j]
    assert step >= (rows if turned else columns)


UNREADABLE = {
    "rows repeated": (0, 8), "rows overlap": (8, 8), "rows backwards": (-32, 8),
    "neither axis dense": (64, 16), "columns repeated": (8, 0),
}  # fmt: skip


@pytest.mark.parametrize("strides", UNREADABLE.values(), ids=UNREADABLE)
def test_a_product_refuses_what_cublas_cannot_read(strides):
    a = np.lib.stride_tricks.as_strided(np.arange(100.0)[40:], (3, 4), strides)
    with pytest.raises(AssertionError, match="strides of"):
        blas._layout(seen(a))
    with pytest.raises(AssertionError, match="overlap"):
        blas._layout(seen(np.broadcast_to(np.ones((1, 1)), (4, 1))))


def test_a_product_refuses_an_out_that_it_would_not_fill(gpu):
    a, b, _ = factors()
    for wrong in np.ones((5, 2)), np.ones((2, 4)), np.ones((5, 2)).T, np.ones((2, 10))[:, ::2]:
        with pytest.raises(AssertionError):
            gpu.product(a, b, seen(wrong))
    with pytest.raises(AssertionError):
        gpu.product(a, seen(np.ones((4, 5))), seen(np.ones((2, 5))))
    assert events(gpu) == []


# The interface.
def test_all_arguments_arrive_whole_and_in_their_order(gpu):
    def part(rows, columns, width, kind):
        return np.ones((rows, width), kind)[:, :columns]

    a, b, out = part(2, 3, 11, "e"), part(5, 3, 13, "e").T, np.ones((2, 5), "f")
    places = b.ctypes.data, a.ctypes.data, out.ctypes.data
    assert min(places) > 1 << 32
    gpu._cupy.status[2] = 99  # so that it computes nothing, whatever came
    with pytest.raises(BackendError), Stream(gpu._cupy, False):
        gpu.product(seen(a), seen(b), seen(out))
    ((_, _, stream),), (set_stream, gemm) = events(gpu, "stream"), events(gpu, *FUNCTIONS)
    assert set_stream == ("SetStream", HANDLE, stream) and stream >= STREAM > 1 << 32
    one, zero = gemm[7], gemm[14]
    assert gemm == (
        "GemmEx", HANDLE, 1, 0, 5, 2, 3, one, places[0], 2, 13, places[1], 2, 11,
        zero, places[2], 0, 5, 68, -1,
    )  # fmt: skip
    assert [ctypes.c_float.from_address(p).value for p in (one, zero)] == [1, 0]


@pytest.mark.parametrize(
    "kind, out, tf32, rounds, expected",
    [
        ("f", "f", False, True, 68), ("f", "f", True, True, 77), ("f", "f", True, False, 68),
        ("e", "e", True, True, 68), ("e", "f", True, True, 68), ("d", "d", True, True, 70),
    ],
)  # fmt: skip
def test_only_float32_is_rounded_and_only_where_it_is_allowed(
    kind, out, tf32, rounds, expected, gpu
):
    gpu._cupy.cuda.Device().compute_capability = "80" if rounds else "75"
    again = cuda._Gpu(gpu._cupy)
    again.product(*factors(kind, out), tf32=tf32)
    assert events(gpu, "GemmEx")[-1][-2:] == (expected, -1)


WORDS = {
    1: "could not be started", 3: "smaller batches", 8: "newer CUDA", 13: "restart the process",
    15: "report this",
}  # fmt: skip


@pytest.mark.parametrize("status", WORDS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_product_that_fails_says_what_to_do(function, status, gpu):
    failing = list(FUNCTIONS).index(function)
    gpu._cupy.status[failing] = status
    words = rf"product of \(2, 3\) and \(3, 5\): .*status {status}: .*{WORDS[status]}"
    with pytest.raises(BackendError, match=words):
        gpu.capture(lambda: gpu.product(*factors()))
    called = [name for name, *_ in events(gpu, *FUNCTIONS)]
    # Nothing after it, but that the handle has its stream again.
    assert called == [*list(FUNCTIONS)[: failing + 1], "SetStream"]
    assert [name for name, *_ in events(gpu)][-3:] == ["end", "leave", "SetStream"]


# The library of NVIDIA.
def test_products_call_the_library_that_cupy_has_loaded():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        cublas_on_host.cublas_of_cupy()
    except ImportError as missing:
        pytest.skip(str(missing))
    found = blas.Blas(cupy, rounds=True)
    library = ctypes.CDLL(cublas_on_host.soname_of_cublas(), mode=os.RTLD_NOLOAD)
    functions = found._set_stream, found._set_workspace, found._gemm
    for name, function in zip(blas._SIGNATURES, functions, strict=True):
        assert address(function) == address(library[name]), name
    numbers = found._kinds, found._plain, found._rounded, found._algorithm
    assert numbers == ({2: 2, 4: 0, 8: 1}, (68, 70), 77, -1)  # as in cublas_on_host.cpp


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def test_the_functions_take_what_the_header_says():
    pathfinder = pytest.importorskip("cuda.pathfinder", reason="CuPy is not installed")
    folder = pathfinder.find_nvidia_header_directory("cublas")
    if folder is None:
        pytest.skip("the header of cuBLAS is not here (pip install nvidia-cublas-cu12)")
    header = Path(folder, "cublas_api.h").read_text(encoding="utf-8")
    pointers = dict.fromkeys(("cublasHandle_t", "cudaStream_t"), ctypes.c_void_p)
    kinds = {"size_t": ctypes.c_size_t, **pointers}  # all others are int, or an enum
    for name, signature in blas._SIGNATURES.items():
        said = re.search(rf"\b{name}\(([^)]*)\);", header)[1]
        said = re.sub(r"/\*.*?\*/", "", said).split(",")
        assert list(signature) == [
            ctypes.c_void_p if "*" in one else kinds.get(one.split()[0], ctypes.c_int)
            for one in said
        ], name
