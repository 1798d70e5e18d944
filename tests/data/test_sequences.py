"""Sequences of several lengths as batches: each one once, little padding, the same every time."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minitorch_rnn.data.batch import Batch, Batches
from minitorch_rnn.data.sequences import Sequences, padded
from minitorch_rnn.errors import DataError

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def numbered(lengths):
    """Sequences of which every step is a number of its own, so that each can be told apart."""
    ends = np.cumsum(lengths)
    return [np.arange(end - n, end) + 1 for n, end in zip(lengths, ends, strict=True)]


def pieces(batch):
    """The sequences of a batch, without their padding."""
    lengths = [len(batch.inputs)] * batch.size if batch.lengths is None else batch.lengths
    return [tuple(batch.inputs[:n, b]) for b, n in enumerate(lengths)]


@given(LENGTHS, st.integers(1, 9), st.integers(1, 4), st.integers(0, 99), st.booleans())
def test_every_sequence_is_in_an_epoch_once_and_whole(lengths, batch, pool, epoch, shuffle):
    lines = numbered(lengths)
    sequences = Sequences(lines, lines, batch, pool=pool, shuffle=shuffle)
    batches = sequences(epoch)
    seen = [piece for b in batches for piece in pieces(b)]
    assert sorted(seen) == sorted(map(tuple, lines))
    whole, rest = divmod(len(lines), batch)
    assert sorted(b.size for b in batches) == [rest] * (rest > 0) + [batch] * whole


@given(LENGTHS, st.integers(1, 9), st.integers(0, 9))
def test_padding_is_zero_and_is_never_asked_for(lengths, batch, epoch):
    lines = numbered(lengths)
    for b in Sequences(lines, [x + 1 for x in lines], batch)(epoch):
        filling = b.inputs == 0
        np.testing.assert_array_equal(b.targets, np.where(filling, -100, b.inputs + 1))
        assert b.count == sum(map(len, pieces(b)))
        n = (~filling).sum(0)
        assert n.max() == len(b.inputs)
        np.testing.assert_array_equal(n, len(b.inputs) if b.lengths is None else b.lengths)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 3))
def test_padding_is_the_share_of_steps_that_are_filling(lengths, batch, pool):
    lines = numbered(lengths)
    sequences = Sequences(lines, lines, batch, pool=pool)
    cells = [b.inputs for b in sequences(0)]
    share = sum((x == 0).sum() for x in cells) / sum(x.size for x in cells)
    assert sequences.padding == pytest.approx(share, abs=1e-12)


def test_sorting_leaves_little_padding(rng):
    lines = numbered(rng.integers(1, 200, 2000))
    alone = Sequences(lines, lines, 20, pool=1).padding
    assert 0.4 < alone < 0.55  # the longest of 20 is nearly 200, the mean 100
    assert Sequences(lines, lines, 20, pool=50).padding < 0.02
    assert Sequences(lines, lines, 20, shuffle=False).padding < 0.01


def test_a_batch_depends_on_seed_epoch_and_index_alone():
    lines = numbered(np.random.default_rng(1).integers(1, 20, 100))
    first, again = Sequences(lines, lines, 8, seed=3), Sequences(lines, lines, 8, seed=3)
    first(0)[5], first(7)[0]  # what was asked for before makes no difference
    backward = [first(2)[i] for i in reversed(range(len(first(2))))]
    for a, b in zip(again(2), reversed(backward), strict=True):
        np.testing.assert_array_equal(a.inputs, b.inputs)


def test_epochs_and_seeds_differ_in_their_order():
    lines = numbered([5] * 64)
    orders = {
        tuple(b.inputs[0, 0] for b in Sequences(lines, lines, 4, seed=seed)(epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def test_batches_of_short_sequences_do_not_all_come_first():
    lines = numbered(range(1, 101))
    lengths = [len(b.inputs) for b in Sequences(lines, lines, 5)(0)]
    assert lengths != sorted(lengths)


def test_without_shuffling_every_epoch_is_alike_and_sorted_by_length():
    lines = numbered([3, 1, 2, 9, 1])
    sequences = Sequences(lines, lines, 2, shuffle=False)
    assert [m.tolist() for m in sequences.members(0)] == [[1, 4], [2, 0], [3]]
    assert [m.tolist() for m in sequences.members(8)] == [[1, 4], [2, 0], [3]]


def test_members_say_which_sequences_a_batch_holds():
    lines = numbered([3, 1, 2, 9, 1, 7, 7])
    sequences = Sequences(lines, lines, 3, seed=5)
    for batch, members in zip(sequences(4), sequences.members(4), strict=True):
        assert pieces(batch) == [tuple(lines[i]) for i in members]


def test_figures_are_padded_with_nan_as_targets():
    x = [np.ones((2, 3)), np.ones((4, 3), np.float32)]
    y = [np.full((2, 1), 5.0), np.full((4, 1), 7.0)]
    (batch,) = Sequences(x, y, 2)(0)
    assert batch.inputs.shape == (4, 2, 3) and batch.targets.shape == (4, 2, 1)
    short = batch.lengths.tolist().index(2)
    assert (batch.inputs[2:, short] == 0).all() and np.isnan(batch.targets[2:, short]).all()
    assert batch.count == 6


def test_float32_stays_float32():
    x = [np.ones((n, 2), np.float32) for n in (2, 3)]
    (batch,) = Sequences(x, x, 2)(0)
    assert batch.inputs.dtype == batch.targets.dtype == np.float32


def test_lengths_are_left_out_where_all_are_alike():
    assert padded([np.ones(2, int)] * 3, [np.ones(2, int)] * 3).lengths is None


def test_a_split_parts_the_sequences_and_holds_out_the_share():
    lines = numbered([4] * 50)
    train, held = Sequences(lines, lines, 4, seed=1).split(0.3)
    parts = [{tuple(x) for x in part.inputs} for part in (train, held)]
    assert not parts[0] & parts[1] and parts[0] | parts[1] == set(map(tuple, lines))
    assert (len(train), len(held)) == (35, 15)
    assert train.shuffle and not held.shuffle


def test_a_split_depends_on_its_seed():
    lines = numbered([4] * 50)
    sequences = Sequences(lines, lines, 4)

    def held(seed):
        return [x[0] for x in sequences.split(0.2, seed)[1].inputs]

    assert held(1) == held(1) != held(2)


@pytest.mark.parametrize("share, held", [(0.001, 1), (0.999, 9), (0.5, 5)])
def test_a_split_leaves_something_on_either_side(share, held):
    lines = numbered([2] * 10)
    train, kept = Sequences(lines, lines, 4).split(share)
    assert (len(train), len(kept)) == (10 - held, held)


def test_a_split_says_what_it_cannot_do():
    with pytest.raises(DataError, match="has 1 sequence"):
        Sequences([[1]], [[1]], 1).split()
    for share in (0, 1, -0.5, float("nan")):
        with pytest.raises(ValueError, match="held_out is .*; a share between 0 and 1"):
            Sequences([[1]] * 2, [[1]] * 2, 1).split(share)


@pytest.mark.parametrize(
    "inputs, targets, message",
    [
        pytest.param([], [], "a.txt: is empty", id="nothing"),
        pytest.param([[1], []], [[1], []], "a.txt: sequence 1 has no steps", id="no steps"),
        pytest.param([[1]], [[1], [2]], "a.txt: 1 inputs and 2 targets", id="a target too many"),
        pytest.param(
            [[1], [1, 2]], [[1], [2]], "sequence 1 has 2 steps and 1 targets", id="ragged"
        ),
        pytest.param([[[1.0]], [[1.0, 2.0]]], [[1], [1]], "input 1 has shape", id="features"),
        pytest.param([[1], [[1.0]]], [[1], [1]], "input 1 has shape", id="mixed"),
        pytest.param([[1.5]], [[1]], "input 0: has shape .* float64; whole", id="figures in a row"),
        pytest.param(["ab"], [[1]], "input 0: has shape", id="text"),
        pytest.param([[1]], [3], "target 0: has shape", id="one number"),
        pytest.param([[[1], [1, 2]]], [[1, 2]], "input 0: its steps differ", id="ragged steps"),
    ],
)
def test_what_cannot_be_a_batch_is_named(inputs, targets, message):
    with pytest.raises(DataError, match=message):
        Sequences(inputs, targets, 2, source="a.txt")


@pytest.mark.parametrize("name", ["batch", "pool"])
def test_a_size_below_one_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        Sequences([[1]], [[1]], **{"batch": 1, name: 0})


def test_batches_are_a_list_that_makes_what_is_asked_for():
    made = []

    def make(i):
        made.append(i)
        return Batch(np.array([[i]]), np.array([[i]]))

    batches = Batches(4, make)
    assert len(batches) == 4 and made == []
    assert batches[2].inputs == 2 and batches[-1].inputs == 3 and made == [2, 3]
    assert [b.inputs.item() for b in batches] == [0, 1, 2, 3]
    assert [b.inputs.item() for b in batches[::2]] == [0, 2]
    for i in (4, -5):
        with pytest.raises(IndexError, match=f"batch {i} was asked for; there are 4"):
            batches[i]
