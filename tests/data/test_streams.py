"""Streams: long sequences in parallel, each batch continuing where the one before ended."""

import sys
import tracemalloc

import numpy as np
import pytest

from minitorch_rnn.data.streams import Streams
from minitorch_rnn.errors import DataError

SIZES = [(100, 3, 7), (23, 2, 5), (12, 1, 11), (64, 4, 3), (10, 2, 4), (11, 5, 1)]


def test_a_batch_holds_time_first_and_targets_are_the_next_characters():
    batch = Streams.of(np.arange(20), batch=2, steps=3)[0]
    assert batch.inputs.tolist() == [[0, 10], [1, 11], [2, 12]]
    assert batch.targets.tolist() == [[1, 11], [2, 12], [3, 13]]
    assert batch.lengths is None and batch.count == 6


@pytest.mark.parametrize("length, batch, steps", SIZES)
def test_every_batch_continues_where_the_one_before_ended(length, batch, steps):
    batches = list(Streams.of(np.arange(length), batch, steps))
    for one in batches:
        assert one.inputs.shape == one.targets.shape and one.size == batch
        np.testing.assert_array_equal(one.targets, one.inputs + 1)
    for before, after in zip(batches[:-1], batches[1:], strict=True):
        assert len(before.inputs) == steps
        np.testing.assert_array_equal(after.inputs[0], before.targets[-1])


@pytest.mark.parametrize("length, batch, steps", SIZES)
def test_every_character_but_the_first_of_a_stream_is_a_target_once(length, batch, steps):
    streams = Streams.of(np.arange(length), batch, steps)
    seen = np.concatenate([one.targets.ravel() for one in streams])
    left_out = length - length // batch * batch
    assert left_out < batch and len(set(seen)) == len(seen) == length - left_out - batch
    assert sum(one.count for one in streams) == streams.targets.size == len(seen)


def test_the_last_chunk_is_as_long_as_what_is_left():
    streams = Streams.of(np.arange(2 * 12), batch=2, steps=4)
    assert [len(one.inputs) for one in streams] == [4, 4, 3] and len(streams) == 3


def test_only_the_first_batch_starts_afresh():
    streams = Streams.of(np.arange(40), batch=2, steps=4)
    assert [one.fresh for one in streams] == [True] + [False] * (len(streams) - 1)
    assert streams[0].fresh and not streams[-1].fresh


def test_a_batch_is_the_same_whenever_and_in_whatever_order_it_is_asked_for():
    streams = Streams.of(np.arange(50), batch=3, steps=4)
    once = [one.inputs for one in streams]
    for i in reversed(range(len(streams))):
        np.testing.assert_array_equal(streams[i].inputs, once[i])
        np.testing.assert_array_equal(streams[i - len(streams)].inputs, once[i])
    with pytest.raises(IndexError, match=f"batch {len(once)} was asked for; there are {len(once)}"):
        streams[len(once)]


def test_the_shortest_text_that_fits_is_one_batch():
    assert len(Streams.of(np.arange(12), batch=2, steps=5)) == 1
    with pytest.raises(DataError, match="a.txt: has 11 characters here, .* need 12"):
        Streams.of(np.arange(11), batch=2, steps=5, source="a.txt")
    with pytest.raises(DataError, match="a.txt: has 11 bytes here"):
        Streams.of(np.arange(11), batch=2, steps=5, source="a.txt", unit="bytes")


def test_the_data_is_kept_once_and_batches_are_whole_numbers_that_hold_minus_100():
    numbers = np.arange(200, dtype=np.uint8)
    streams = Streams.of(numbers, batch=2, steps=4)
    assert np.shares_memory(streams.inputs, numbers)
    assert np.shares_memory(streams.targets, numbers)
    assert streams[3].inputs.dtype == streams[3].targets.dtype == np.int64


def test_a_million_characters_are_read_in_the_memory_of_a_batch():
    streams = Streams.of(np.zeros(10**6, np.uint8), batch=8, steps=50)
    tracemalloc.start()
    try:
        for one in streams:
            assert one.inputs.base is None  # a copy that holds on to nothing
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * 8 * 50 * 8 + 20 * sys.getsizeof(streams)


# Held out -----------------------------------------------------------------------------------------


def test_the_last_twentieth_is_held_out_and_nothing_of_it_is_trained_on():
    train, held_out = Streams.with_held_out(np.arange(4000), batch=4, steps=9)
    assert train.inputs.min() == 0 and train.targets.max() == 3799
    assert held_out.inputs.min() == 3800 and held_out.targets.max() == 3999


def test_at_most_60_000_characters_are_held_out():
    train, held_out = Streams.with_held_out(np.zeros(2_000_000, np.uint8), batch=1, steps=9)
    assert (train.inputs.size, held_out.inputs.size) == (1_939_999, 59_999)


def test_streams_to_be_judged_by_are_fewer_where_they_would_be_short():
    assert len(Streams.judging(np.arange(400), batch=50, steps=9).inputs) == 10
    assert len(Streams.judging(np.arange(12), batch=50, steps=9).inputs) == 1
    assert len(Streams.judging(np.arange(4000), batch=50, steps=9).inputs) == 50


def test_an_error_of_either_part_names_the_whole():
    reason = r"b.txt \(30 characters, 10 of them held out\): has 20 characters here, .* need 40"
    with pytest.raises(DataError, match=reason):
        Streams.with_held_out(np.arange(30), batch=4, steps=9, source="b.txt")


# Figures ------------------------------------------------------------------------------------------


def test_a_series_is_cut_into_streams_with_the_targets_of_the_same_steps():
    x, d = np.arange(22.0).reshape(11, 2), np.arange(11.0)[:, None]
    streams = Streams.of_series(x, d, batch=2, steps=3)
    assert [one.inputs.shape for one in streams] == [(3, 2, 2), (2, 2, 2)]
    assert streams[1].inputs.tolist() == [[[6, 7], [16, 17]], [[8, 9], [18, 19]]]
    assert streams[1].targets.tolist() == [[[3], [8]], [[4], [9]]]
    assert np.shares_memory(streams.inputs, x) and not np.shares_memory(streams[0].inputs, x)


def test_targets_of_a_series_that_are_nan_do_not_count():
    d = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, np.nan], [4.0, 5.0]])
    assert [one.count for one in Streams.of_series(d, d, batch=1, steps=2)] == [3, 2]


def test_a_series_is_refused_if_it_is_too_short_or_its_targets_are_others():
    x = np.zeros((9, 1))
    assert len(Streams.of_series(x, x, batch=3, steps=3)) == 1
    with pytest.raises(DataError, match="s.csv: has 9 steps here, but 5 streams .* of 2 need 10"):
        Streams.of_series(x, x, batch=5, steps=2, source="s.csv")
    with pytest.raises(DataError, match="s.csv: has 9 steps of inputs and 8 of targets"):
        Streams.of_series(x, x[1:], batch=1, steps=2, source="s.csv")
