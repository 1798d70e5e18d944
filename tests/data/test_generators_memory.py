"""Tasks of a long memory: targets worked out again from the inputs, and what a guess comes to."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minitorch_rnn.data.generators import (
    Adding,
    Adding1997,
    Copying,
    Latching,
    Parity,
    TemporalOrder,
    TwoSequences,
)

SEEDS = st.integers(0, 2**32)


def generator(seed):
    return np.random.default_rng(seed)


def sequences(batch):
    """Inputs and targets of each sequence alone, without padding."""
    for b in range(batch.size):
        n = len(batch.inputs) if batch.lengths is None else batch.lengths[b]
        yield batch.inputs[:n, b], batch.targets[:n, b]


def only_the_last(targets):
    """The answer, when nothing is asked before the last step."""
    before = targets[:-1]
    assert (np.isnan(before) if targets.dtype.kind == "f" else before == -100).all()
    return targets[-1].item()


@given(SEEDS, st.integers(2, 60))
def test_adding_asks_for_the_sum_of_one_number_in_either_half(seed, T):
    for x, y in sequences(Adding(T).draw(generator(seed), 4)):
        numbers, marks = x.T
        (i, j) = np.flatnonzero(marks)
        assert marks[i] == marks[j] == 1 and i < T // 2 <= j
        assert ((numbers >= 0) & (numbers < 1)).all()
        assert only_the_last(y) == numbers[i] + numbers[j]


def test_adding_marks_every_place_of_a_half_and_one_sixth_is_chance(rng):
    batch = Adding(7).draw(rng, 40_000)
    marked = batch.inputs[..., 1].mean(axis=1)
    np.testing.assert_allclose(marked, [1 / 3] * 3 + [1 / 4] * 4, atol=0.012)  # 5 deviations
    answers = batch.targets[-1, :, 0]
    assert ((answers - 1) ** 2).mean() == pytest.approx(Adding(7).chance, abs=0.005)
    assert Adding().chance == 1 / 6


@given(SEEDS, st.integers(24, 120))
def test_adding_of_1997_asks_for_half_and_a_quarter_of_the_sum(seed, T):
    for x, y in sequences(Adding1997(T).draw(generator(seed), 4)):
        numbers, marks = x.T
        assert T <= len(x) <= T + T // 10
        assert marks[0] == marks[-1] == -1 and set(marks[1:-1]) <= {0, 1}
        places = np.flatnonzero(marks == 1)
        assert 1 <= len(places) <= 2 and places.min() < T // 2 - 1 and places.max() < T // 2 - 1
        assert len(places) == 1 or places[0] < 10
        assert (abs(numbers) <= 1).all()
        assert only_the_last(y) == pytest.approx(0.5 + numbers[places].sum() / 4, rel=1e-12)


def test_adding_of_1997_has_the_chance_it_says(rng):
    task = Adding1997(24)
    batch = task.draw(rng, 60_000)
    asked = batch.targets[~np.isnan(batch.targets)]
    assert len(asked) == 60_000
    assert ((asked - 0.5) ** 2).mean() == pytest.approx(task.chance, rel=0.02)
    assert set(batch.lengths) == {24, 25, 26}
    lost = (batch.inputs[..., 1] == 1).sum(axis=0) == 1
    assert lost.mean() == pytest.approx(0.1 + 0.9 / 10, abs=0.005)  # the draw fell on the first


@given(SEEDS, st.integers(1, 40), st.integers(1, 12), st.integers(2, 9))
def test_copying_gives_back_at_the_end_what_came_first(seed, T, n, letters):
    task = Copying(T, n, letters)
    for x, y in sequences(task.draw(generator(seed), 3)):
        assert len(x) == T + 2 * n
        assert (x[:n] < letters).all() and (x[:n] >= 0).all()
        assert (x[n:] == letters + 1).nonzero()[0].tolist() == [T - 1]  # the delimiter
        assert (np.delete(x[n:], T - 1) == letters).all()
        assert (y[: T + n] == letters).all()
        np.testing.assert_array_equal(y[-n:], x[:n])
    assert (task.symbols, task.classes) == (letters + 2, letters + 1)


def test_copying_without_a_memory_costs_what_the_paper_says(rng):
    task = Copying(100)
    targets = task.draw(rng, 50).targets
    p = np.zeros((120, 9))
    p[:110, 8], p[110:, :8] = 1, 1 / 8
    loss = -np.log(p[np.arange(120)[:, None], targets]).mean()
    assert loss == pytest.approx(task.chance, rel=1e-12)
    assert task.chance == pytest.approx(10 * math.log(8) / 120, rel=1e-15)
    assert set(np.unique(targets[110:])) == set(range(8))


ORDERS = {
    2: ({"XX": 0, "XY": 1, "YX": 2, "YY": 3}, [(10, 20), (50, 60)]),
    3: (
        {"XXX": 0, "XXY": 1, "XYX": 2, "XYY": 3, "YXX": 4, "YXY": 5, "YYX": 6, "YYY": 7},
        [(10, 20), (33, 43), (66, 76)],
    ),
}


@pytest.mark.parametrize("symbols", [2, 3])
def test_temporal_order_is_the_paper_s_at_100_steps(symbols, rng):
    classes, windows = ORDERS[symbols]
    task = TemporalOrder(symbols)
    batch = task.draw(rng, 3000)
    seen, lengths = [set() for _ in windows], set()
    for b, (x, y) in enumerate(sequences(batch)):
        text = "".join("EBXYabcd"[i] for i in x)
        assert text == task.text(batch, b)
        assert text[0] == "E" and text[-1] == "B" and not set("EB") & set(text[1:-1])
        places = [i for i, c in enumerate(text) if c in "XY"]
        assert only_the_last(y) == classes["".join(text[i] for i in places)]
        for found, place in zip(seen, places, strict=True):
            found.add(place)
        lengths.add(len(text))
    assert lengths == set(range(100, 111))
    assert [sorted(found) for found in seen] == [list(range(a, b + 1)) for a, b in windows]


@given(SEEDS, st.integers(10, 300), st.sampled_from([2, 3]))
def test_temporal_order_never_loses_a_symbol_at_other_lengths(seed, T, symbols):
    task = TemporalOrder(symbols, T)
    for x, y in sequences(task.draw(generator(seed), 4)):
        order = [int(i == 3) for i in x if i in (2, 3)]
        assert len(order) == symbols and T <= len(x) <= T + T // 10
        assert only_the_last(y) == int("".join(map(str, order)), 2)
        assert x[0] == 0 and x[-1] == 1


@pytest.mark.parametrize("symbols, classes", [(2, 4), (3, 8)])
def test_the_orders_are_equally_likely(symbols, classes, rng):
    task = TemporalOrder(symbols, 10)
    targets = task.draw(rng, 16_000).targets
    share = np.bincount(targets[targets >= 0], minlength=classes) / 16_000
    assert task.classes == classes and task.chance == math.log(classes)
    np.testing.assert_allclose(share, 1 / classes, atol=0.02)  # 5 deviations


@given(SEEDS, st.integers(1, 30))
def test_parity_is_whether_the_ones_so_far_are_odd(seed, T):
    for x, y in sequences(Parity(T).draw(generator(seed), 4)):
        assert set(x) <= {0, 1}
        assert y.tolist() == [sum(x[: t + 1]) % 2 for t in range(T)]
    for x, y in sequences(Parity(T, running=False).draw(generator(seed), 4)):
        assert only_the_last(y) == sum(x) % 2


@given(SEEDS, st.integers(1, 9), st.integers(0, 20))
def test_latching_asks_for_the_bit_at_its_place(seed, place, more):
    for x, y in sequences(Latching(place + more, place).draw(generator(seed), 4)):
        assert set(x) <= {0, 1} and only_the_last(y) == x[place - 1]


@pytest.mark.parametrize("telling", [1, 3])
def test_two_sequences_are_told_apart_by_their_first_numbers(telling, rng):
    batch = TwoSequences(50, telling).draw(rng, 2000)
    noise, classes = [], []
    for x, y in sequences(batch):
        classes.append(only_the_last(y))
        assert (x[:telling] == (1 if classes[-1] else -1)).all()
        noise.append(x[telling:])
    assert set(batch.lengths) == set(range(50, 56))
    noise = np.concatenate(noise)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.var() == pytest.approx(0.2, abs=0.01)
    assert np.mean(classes) == pytest.approx(0.5, abs=0.06)


def test_two_sequences_may_have_noise_on_what_tells_as_well(rng):
    batch = TwoSequences(10, 3, noisy=True).draw(rng, 4000)
    answers = batch.targets.max(axis=0)
    first = batch.inputs[:3, :, 0] - np.where(answers == 1, 1, -1)
    assert first.mean() == pytest.approx(0, abs=0.02)
    assert first.var() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("task", [Parity(5, running=False), Latching(5), TwoSequences(5)], ids=repr)
def test_half_of_the_answers_are_one_so_a_guess_costs_ln_2(task, rng):
    targets = task.draw(rng, 10_000).targets
    assert targets[targets >= 0].mean() == pytest.approx(0.5, abs=0.025)
    assert task.chance == math.log(2)
