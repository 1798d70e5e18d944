"""What of several processes can be tested in one: messages, buckets on a GPU, a missing MPI."""

import sys

import numpy as np
import pytest
import strict_watch

import minitorch_rnn as mt
from minitorch_rnn.errors import DataError, RunError
from minitorch_rnn.training import distributed
from minitorch_rnn.training.distributed import buckets, guarding, watchdog


def test_a_missing_mpi_is_said_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(RunError, match=r"mpi4py with an MPI is needed .*pip install -e '.\[mpi\]'"):
        distributed.create_communicator()


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_a_timeout_is_above_0(timeout):
    with pytest.raises(ValueError, match=r"create_communicator: timeout is .*; above 0 is needed"):
        distributed.create_communicator(timeout=timeout)


def three_of_them(array):
    """What MPI does where two others hold the same: it writes into the array."""
    array *= 3


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_gradients_of_a_gpu_are_added_up_on_the_host_or_there(strict, dtype, direct):
    p, q = (mt.nn.Parameter(mt.zeros(*shape, dtype=dtype)) for shape in ((2, 3), (4,)))
    p.grad = mt.tensor(np.arange(6.0).reshape(2, 3), dtype=dtype)
    bucket = buckets.Bucket([p, q], direct)
    summed = []

    def add_up(array):
        summed.append(type(array))
        assert array.size == 10
        three_of_them(array)

    strict_watch.synchronisations.reset()
    bucket.average([p, q], 0.25, add_up)
    assert summed == [strict.ndarray if direct else np.ndarray]
    assert strict_watch.synchronisations.causes == ["synchronize()" if direct else "get()"]
    for x, expected in ((p, np.arange(6.0).reshape(2, 3) * 0.75), (q, np.zeros(4))):
        assert (x.grad.backend, x.grad.dtype) == ("strict", np.dtype(dtype))
        np.testing.assert_array_equal(x.grad.data.get(), expected.astype(dtype))


def test_what_a_bucket_gave_is_not_written_by_the_next_step(rng):
    p = mt.nn.Parameter(np.zeros(3))
    bucket = buckets.Bucket([p], direct=False)
    p.grad = mt.tensor([1.0, 2.0, 3.0])
    bucket.average([p], 1.0, three_of_them)
    first = p.grad
    p.grad = mt.tensor([7.0, 7.0, 7.0])
    bucket.average([p], 1.0, three_of_them)
    assert first.tolist() == [3.0, 6.0, 9.0] and p.grad.tolist() == [21.0, 21.0, 21.0]


def test_half_precision_is_added_up_in_single():
    p = mt.nn.Parameter(np.zeros(1, dtype="float16"))
    p.grad = mt.tensor([60_000.0], dtype="float16")
    kept = []

    def add_up(array):
        kept.append(array.dtype)
        array += 30_000.0  # beyond what float16 holds, until the mean is taken
        array -= 60_000.0

    buckets.Bucket([p], direct=False).average([p], 1.0, add_up)
    assert kept == [np.float32] and p.grad.item() == 30_000.0


def test_a_message_names_no_more_than_eight_ranks():
    mine = watchdog.Activity("the average", 17, True, False, 61.0)
    others = list(range(1, 100))
    lines = watchdog.reproach(0, 100, mine, 60.0, others, {}).splitlines()
    assert len(lines) == 10 and lines[-1].strip() == "and 91 more"
    found = dict.fromkeys(others, mine)
    assert "the machines do not reach each other" in watchdog.reproach(
        0, 100, mine, 60.0, others, found
    )


class Talker:
    """A communicator that keeps what it is told to say, for the guard."""

    rank, size, step = 0, 2, 7

    def __init__(self):
        self.said, self.finished = [], 0

    def abort(self, message, status):
        self.said.append((message, status))

    def finish(self):
        self.finished += 1


@pytest.mark.parametrize(
    "error, message, status",
    [
        (DataError("a.txt: is empty."), "has failed at step 7: DataError: a.txt: is empty.", 1),
        (SystemExit(4), "has ended with status 4 at step 7", 4),
        (SystemExit("no"), "has ended with status no at step 7", 1),
        (KeyboardInterrupt(), "was interrupted at step 7", 130),
    ],
)
def test_the_guard_says_who_failed_and_with_what(error, message, status):
    talker = Talker()
    with pytest.raises(type(error)):
        with guarding.guard(talker):
            raise error
    assert talker.said == [(f"rank 0 of 2 {message}", status)]


@pytest.mark.parametrize("error", [None, SystemExit(0), SystemExit(None)])
def test_the_guard_waits_for_the_others_where_nothing_went_wrong(error):
    talker = Talker()
    try:
        with guarding.guard(talker):
            if error is not None:
                raise error
    except SystemExit as left:
        assert left is error
    assert (talker.said, talker.finished) == ([], 1)


def test_the_guard_of_one_process_lets_errors_through():
    with pytest.raises(KeyError), distributed.guard(distributed.Alone()):
        raise KeyError("x")
