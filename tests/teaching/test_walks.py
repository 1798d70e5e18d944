"""Naive backward walks: which are right, which are slow, and what they say before they explode."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import numeric
from minitorch_rnn.errors import GraphError
from minitorch_rnn.teaching.walks import by_paths, compare_walks, first_come, newest_first

ARRAYS = {
    "w": np.array([[0.3, -0.2], [0.5, 0.7]]),
    "u": np.array([[0.1, 0.4], [-0.6, 0.2]]),
    "x": np.array([0.9, -1.1]),
}


def recurrent(a, tanh):
    """Three steps of one small network: its weights are shared, its states used twice."""
    h, total = a["x"] * 0.0, 0.0
    for t in range(3):
        h = tanh(a["w"] @ h + a["u"] @ a["x"] * (t + 1.0))
        total = total + (h * h).sum()
    return total


def chain(a, tanh):
    """A tree: every computed value has one user."""
    return (tanh(a["w"] @ (a["u"] @ tanh(a["x"])))).sum()


def graph_of(function):
    leaves = {name: mt.tensor(x, requires_grad=True) for name, x in ARRAYS.items()}
    return function(leaves, mt.tanh), leaves


def doubled(n):
    x = mt.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(n):
        y = y + y
    return x, y


@pytest.mark.parametrize("walk", [by_paths, newest_first])
@pytest.mark.parametrize("function", [recurrent, chain])
def test_every_path_and_newest_first_are_right(walk, function):
    loss, leaves = graph_of(function)
    right = numeric.complex_step(lambda a: function(a, np.tanh), ARRAYS)
    found = walk(loss)
    assert len(found.gradients) == 3
    for name, x in leaves.items():
        assert_allclose(found.gradients[x].numpy(), right[name], rtol=1e-10, atol=1e-14)


def test_first_come_is_right_on_a_tree():
    loss, leaves = graph_of(chain)
    right = numeric.complex_step(lambda a: chain(a, np.tanh), ARRAYS)
    for name, x in leaves.items():
        assert_allclose(first_come(loss).gradients[x].numpy(), right[name], rtol=1e-10)


def test_first_come_is_wrong_where_paths_meet():
    loss, leaves = graph_of(recurrent)
    found, real = first_come(loss), newest_first(loss)
    for x in leaves.values():
        a, b = found.gradients[x].numpy(), real.gradients[x].numpy()
        assert np.abs(a - b).max() > 0.01


def test_first_come_sends_what_came_first_and_loses_the_rest():
    x = mt.tensor(3.0, requires_grad=True)
    y = 2.0 * x
    assert first_come(y + y * 5.0).gradients[x].item() == 2.0  # of 12
    assert first_come(y * 5.0 + y).gradients[x].item() == 10.0


def test_a_leaf_adds_up_all_that_comes_even_first_come():
    x = mt.tensor(3.0, requires_grad=True)
    assert first_come(x * x).gradients[x].item() == 6.0


@pytest.mark.parametrize("n", [1, 5, 12])
def test_visits_are_exponential_by_paths_and_linear_else(n):
    x, y = doubled(n)
    assert by_paths(y).visits == 2 ** (n + 1) - 1
    assert first_come(y).visits == newest_first(y).visits == n + 1
    assert by_paths(y).gradients[x].item() == 2.0**n


def test_the_counted_visits_are_those_that_are_made():
    loss, _ = graph_of(recurrent)
    visits = by_paths(loss).visits
    assert by_paths(loss, most=visits).visits == visits
    with pytest.raises(GraphError, match=f"{visits} paths"):
        by_paths(loss, most=visits - 1)


def test_an_exponential_walk_is_refused_before_it_begins():
    _, y = doubled(100)
    with pytest.raises(GraphError, match=r"101 tensors, but 2\.5e\+30 paths .* makes 101 visits"):
        by_paths(y)


@pytest.mark.parametrize("walk", [by_paths, first_come])
def test_a_recursion_that_is_too_deep_is_refused_before_it_begins(walk):
    y = mt.tensor(1.0, requires_grad=True)
    for _ in range(20_000):
        y = y + 1.0
    with pytest.raises(GraphError, match="longest path is 20,001 tensors, and the recursion takes"):
        walk(y)


@pytest.mark.parametrize("walk", [by_paths, first_come])
def test_a_recursion_that_just_fits_does_run(walk):
    def runs(depth):
        y = x = mt.tensor(1.0, requires_grad=True)
        for _ in range(depth):
            y = y + 1.0
        try:
            return walk(y).gradients[x].item() == 1.0
        except GraphError:
            return False

    fits, refused = 1, sys.getrecursionlimit()
    assert runs(fits) and not runs(refused)
    while refused - fits > 1:  # ends beside the longest path that fits
        middle = (fits + refused) // 2
        fits, refused = (middle, refused) if runs(middle) else (fits, middle)
    assert fits > 500


def test_no_grad_is_touched_and_the_graph_stays():
    loss, leaves = graph_of(recurrent)
    for walk in (by_paths, first_come, newest_first, compare_walks):
        walk(loss)
    assert all(x.grad is None for x in leaves.values())
    loss.backward()
    assert all(x.grad is not None for x in leaves.values())


def test_gradients_found_share_no_memory_with_the_graph():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    seed = mt.tensor([1.0, 1.0])
    found = by_paths(x + 1.0, seed).gradients[x]
    assert found is not seed and not np.shares_memory(found.numpy(), seed.numpy())


@pytest.mark.parametrize("walk", [by_paths, first_come, newest_first])
def test_a_gradient_of_a_later_scalar_can_be_given(walk):
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    assert walk(x * x, [1.0, 10.0]).gradients[x].tolist() == [2.0, 40.0]


@pytest.mark.parametrize("walk", [by_paths, first_come, newest_first])
def test_slices_joints_and_constants_are_followed_too(walk):
    x = mt.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    y = mt.stack([x[t] * mt.tensor([1.0, 2.0]) for t in range(3)])  # only the leaf is used twice
    assert walk(y.sum()).gradients[x].tolist() == [[1.0, 2.0]] * 3


@pytest.mark.parametrize("walk", [by_paths, first_come, newest_first])
def test_a_leaf_is_its_own_graph(walk):
    x = mt.tensor(2.0, requires_grad=True)
    found = walk(x)
    assert found.gradients[x].item() == 1.0 and found.visits == 1


@pytest.mark.parametrize("walk", [by_paths, first_come, newest_first, compare_walks])
def test_a_freed_graph_is_told(walk):
    loss, _ = graph_of(recurrent)
    loss.backward()
    with pytest.raises(GraphError, match=r"freed by a backward walk.*before backward\(\)"):
        walk(loss)


def test_a_scan_is_told():
    output, _ = mt.nn.RNN(2, 3)(mt.randn(4, 1, 2))
    with pytest.raises(GraphError, match="road='graph'"):
        by_paths(output.sum())


def test_the_comparison_has_errors_visits_and_reasons():
    loss, _ = graph_of(recurrent)
    real, paths, first = compare_walks(loss).rows
    assert real.error == 0 and paths.error < 1e-14 and first.error > 0.01
    assert paths.visits > real.visits == first.visits
    text = str(compare_walks(doubled(100)[1]))
    rows = [line.split() for line in text.splitlines()]
    assert rows[1][:2] == ["newest_first", "101"]
    assert rows[2] == ["by_paths", "2.5e+30", "-", "not", "run"]
    assert rows[3][:2] == ["first_come", "101"] and float(rows[3][3]) > 1e30
    assert rows[4][:3] == ["by_paths:", "101", "tensors,"]
