"""Captures: what they bring for the products in them, and in which stream and thread they run."""

import threading

import pytest
from cublas_on_host import FUNCTIONS, HANDLE, STREAM, Stream, events, factors

from minitorch_rnn.backend import blas
from minitorch_rnn.errors import BackendError


def in_thread(work):
    """What it gives, when it is done in a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_a_capture_begins_with_all_that_its_products_need_and_is_launched_later(gpu):
    def work():
        for _ in range(2):
            gpu.product(*factors())

    launch = gpu.capture(work)
    found = events(gpu)
    (_, _, stream), *_ = events(gpu, "stream")
    (workspace,) = gpu._workspaces.values()
    product = [
        ("SetStream", HANDLE, stream),
        ("SetWorkspace", HANDLE, workspace.data.ptr, blas.WORKSPACE),
        "GemmEx",
    ]
    assert [event[0] if event[0] == "GemmEx" else event for event in found] == [
        ("handle",), ("empty", blas.WORKSPACE, "uint8"), ("stream", True, stream), ("enter",),
        ("begin",), *product, *product, ("end",), ("leave",),
        ("SetStream", HANDLE, gpu._cupy.default),
    ]  # fmt: skip
    assert {event[1] for event in events(gpu, "GemmEx")} == {HANDLE}
    launch()
    assert events(gpu)[-1] == ("launch",)


def test_outside_of_a_capture_products_work_where_cublas_likes(gpu):
    gpu._cupy.default = STREAM
    gpu.product(*factors())
    assert [event[:3] for event in events(gpu)] == [
        ("handle",), ("SetStream", HANDLE, STREAM), ("GemmEx", HANDLE, 0),
    ]  # fmt: skip
    gpu.capture(lambda: gpu.product(*factors()))
    before = len(events(gpu))
    gpu.product(*factors())  # the stream of the capture is not left in the handle, nor its memory
    assert [event[:3] for event in events(gpu)[before:]] == [
        ("SetStream", HANDLE, STREAM), ("GemmEx", HANDLE, 0),
    ]  # fmt: skip


def test_a_capture_that_is_broken_off_tells_what_broke_it_and_leaves_nothing(gpu):
    def work():
        gpu._cupy.note("failed")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        gpu.capture(work)
    back = ("SetStream", HANDLE, gpu._cupy.default)
    assert events(gpu)[-3:] == [("end",), ("leave",), back]
    gpu.product(*factors())
    assert events(gpu, "SetWorkspace") == []


def test_another_thread_does_not_work_in_the_workspace_of_a_capture(gpu):
    def work():
        in_thread(lambda: gpu.product(*factors()))
        del gpu._blas  # as if that thread had been the second one to make it
        gpu.product(*factors())

    gpu.capture(work)
    found = [event[:2] for event in events(gpu, *FUNCTIONS)]
    assert found == [
        *[("SetStream", HANDLE + 1), ("GemmEx", HANDLE + 1)],
        *[("SetStream", HANDLE), ("SetWorkspace", HANDLE), ("GemmEx", HANDLE)],
        ("SetStream", HANDLE),
    ]
    streams = [stream for _, _, stream in events(gpu, "SetStream")]
    assert streams == [0, events(gpu, "stream")[0][2], 0]


def test_the_graphs_of_one_stream_share_a_workspace_and_no_others_do(gpu):
    def capture():
        gpu.capture(lambda: gpu.product(*factors()))
        return events(gpu, "SetWorkspace")[-1][2]

    first, mine = capture(), Stream(gpu._cupy, True)
    with mine:
        second = capture()
        assert capture() == second != first
    assert capture() == in_thread(capture) == first
    assert len(events(gpu, "empty")) == 2


def test_of_two_threads_that_capture_first_one_brings_the_workspace(gpu):
    empty = gpu._cupy.empty

    def meanwhile(*how):
        gpu._cupy.empty = empty
        in_thread(lambda: gpu.capture(lambda: gpu.product(*factors())))
        return empty(*how)

    gpu._cupy.empty = meanwhile
    gpu.capture(lambda: gpu.product(*factors()))
    (kept,) = gpu._workspaces.values()  # a graph keeps nothing alive
    assert [event[2] for event in events(gpu, "SetWorkspace")] == [kept.data.ptr] * 2


# Where work goes.
def test_the_stream_of_every_thread_is_told_apart_where_each_has_its_own(gpu):
    assert gpu.stream() == in_thread(gpu.stream)  # the null stream is one for all
    with Stream(gpu._cupy, True):
        mine = gpu.stream()
    gpu._cupy.default = gpu._cupy.cuda.runtime.streamPerThread
    assert len({mine, gpu.stream(), in_thread(gpu.stream)}) == 3
    assert gpu.stream() == gpu.stream()


def test_another_gpu_than_that_of_the_kernels_is_refused(gpu):
    gpu._cupy.number = 1
    for work in gpu.stream, lambda: gpu.capture(lambda: None):
        with pytest.raises(BackendError, match="GPU 1 .*GPU 0.*CUDA_VISIBLE_DEVICES=1"):
            work()
    assert events(gpu) == []
