"""Drawn batches: the same ones whenever they are asked for, of the shapes that are promised."""

import numpy as np
import pytest

from minitorch_rnn.data import generators
from minitorch_rnn.data.generators import (
    Adding,
    Adding1997,
    Copying,
    Drawn,
    Dyck,
    Latching,
    Letters,
    MackeyGlass,
    Narma10,
    Parity,
    Reber,
    Sentences,
    TemporalOrder,
    TwoSequences,
    WeightedWindow,
    XorStream,
)

TASKS = [
    Adding(20),
    Adding1997(30),
    Copying(5),
    Dyck(),
    Latching(8),
    Letters(20),
    MackeyGlass(10, skipped=5, substeps=2),
    Narma10(30),
    Parity(6),
    Parity(6, running=False),
    Reber(),
    Reber(embedded=True),
    Sentences(8),
    TemporalOrder(2, 20),
    TemporalOrder(3, 20),
    TwoSequences(10),
    WeightedWindow(40),
    XorStream(12),
]


def same(a, b):
    np.testing.assert_array_equal(a.inputs, b.inputs)
    np.testing.assert_array_equal(a.targets, b.targets)
    np.testing.assert_array_equal(a.lengths, b.lengths)


def different(a, b):
    return a.inputs.shape != b.inputs.shape or (a.inputs != b.inputs).any()


def test_every_task_is_tried():
    names = {type(task).__name__ for task in TASKS} | {"Drawn", "knows_the_legal", "mackey_glass"}
    assert names == set(generators.__all__)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_a_batch_depends_on_seed_epoch_and_index_alone(task):
    asked = Drawn(task.draw, 3, batches=4, seed=5)
    forward = [asked(1)[i] for i in range(4)]
    again = Drawn(task.draw, 3, batches=4, seed=5)
    again(0)[2]
    for i in (3, 1, 0, 2):
        same(again(1)[i], forward[i])
    assert different(forward[0], forward[1])
    assert different(asked(2)[0], forward[0])
    assert different(Drawn(task.draw, 3, batches=4, seed=6)(1)[0], forward[0])


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_a_batch_has_the_shapes_of_the_contract(task, rng):
    batch = task.draw(rng, 5)
    T = len(batch.inputs)
    assert batch.inputs.shape[:2] == batch.targets.shape[:2] == (T, 5) and batch.count > 0
    for array in (batch.inputs, batch.targets):
        assert array.dtype == (float if array.ndim == 3 else np.int64)
    assert np.isfinite(batch.inputs).all()
    asked = batch.targets != -100 if batch.targets.ndim == 2 else ~np.isnan(batch.targets[..., 0])
    lengths = np.full(5, T) if batch.lengths is None else batch.lengths
    assert lengths.max() == T and lengths.min() >= 1
    padding = np.arange(T)[:, None] >= lengths
    assert not asked[padding].any() and not batch.inputs[padding].any()


def test_a_training_set_drawn_once_is_alike_in_every_epoch():
    drawn = Drawn(Parity(9).draw, 3, batches=2, anew=False)
    same(drawn(7)[1], drawn(0)[1])
    same(drawn(0)[1], Drawn(Parity(9).draw, 3, batches=2)(0)[1])


def test_nothing_is_drawn_before_it_is_asked_for():
    drawn = []

    def draw(rng, batch):
        drawn.append(batch)
        return Parity(2).draw(rng, batch)

    batches = Drawn(draw, 3, batches=1000)(0)
    assert len(batches) == 1000 and not drawn
    batches[-1]
    assert drawn == [3]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Drawn(Parity().draw, 0, 1), "Drawn: batch is 0; at least 1"),
        (lambda: Drawn(Parity().draw, 1, 0), "Drawn: batches is 0; at least 1"),
        (lambda: Adding(1), "Adding: steps is 1; at least 2"),
        (lambda: Adding1997(23), "Adding1997: steps is 23; at least 24"),
        (lambda: Copying(0), "Copying: steps is 0"),
        (lambda: Copying(1, letters=1), "Copying: letters is 1; at least 2"),
        (lambda: Dyck(0), "Dyck: kinds is 0"),
        (lambda: Dyck(9), "Dyck: kinds is 9; there are 8"),
        (lambda: Dyck(shortest=5, longest=5), "no even length is from shortest=5 to longest=5"),
        (lambda: Dyck(shortest=8, longest=6), "no even length"),
        (lambda: Latching(2), "Latching: steps is 2; at least 3"),
        (lambda: Letters(0), "Letters: consonants is 0"),
        (lambda: MackeyGlass(0), "MackeyGlass: steps is 0"),
        (lambda: MackeyGlass(ahead=0), "MackeyGlass: ahead is 0"),
        (lambda: Narma10(100_001), "Narma10: steps is 100001; at most"),
        (lambda: Parity(0), "Parity: steps is 0"),
        (lambda: Sentences(0), "Sentences: sentences is 0"),
        (lambda: TemporalOrder(4), "TemporalOrder: symbols is 4; 2 or 3"),
        (lambda: TemporalOrder(2, 9), "TemporalOrder: steps is 9; at least 10"),
        (lambda: TwoSequences(2), "TwoSequences: steps is 2; at least 3"),
        (lambda: WeightedWindow(28), "WeightedWindow: steps is 28; at least 29"),
        (lambda: XorStream(2), "XorStream: bits is 2; at least 3"),
    ],
)
def test_sizes_that_are_too_small_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
