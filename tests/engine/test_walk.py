"""The backward walk: order, accumulation, ownership, freeing, and what it refuses."""

import gc
import sys
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn.engine import REGISTRY
from minitorch_rnn.errors import GraphError


def leaf(*values):
    return mt.tensor(np.array(values), requires_grad=True)


@pytest.fixture
def calls(monkeypatch):
    """Counts how often each rule of a primitive runs."""
    count = {}

    def watch(name):
        op = REGISTRY[name]

        def counted(i, rule):
            def run(*args):
                count[name, i] = count.get((name, i), 0) + 1
                return rule(*args)

            return run

        rules = tuple(counted(i, rule) for i, rule in enumerate(op.rules))
        monkeypatch.setattr(op, "rules", rules)
        monkeypatch.setattr(op, "variants", {})
        return count

    return watch


def test_a_shared_tensor_adds_up_its_gradients():
    x = leaf(2.0)
    (x * x + x * 3 + x).sum().backward()
    assert_array_equal(x.grad.numpy(), [8.0])


def test_a_second_loss_adds_to_the_gradient_of_the_first():
    x = leaf(2.0)
    (x * 3).sum().backward()
    first = x.grad
    (x * 5).sum().backward()
    assert_array_equal(x.grad.numpy(), [8.0])
    assert_array_equal(first.numpy(), [3.0])  # who kept it keeps it


def test_backward_twice_with_a_kept_graph_gives_the_same_bits():
    x = leaf(0.3, 0.7)
    y = (x.tanh() * x.exp()).sum()
    y.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    x.grad = None
    y.backward()
    assert_array_equal(x.grad.numpy(), first)


def test_inner_gradients_live_in_one_walk_only():
    x = leaf(3.0)
    y = x * x
    z = (y * y).sum()
    z.backward(retain_graph=True)
    z.backward()
    assert_array_equal(x.grad.numpy(), [2 * 4 * 27.0])


def test_a_second_walk_over_a_freed_graph_is_refused():
    y = (leaf(1.0) * 2).sum()
    y.backward()
    with pytest.raises(GraphError, match=r"second time.*retain_graph=True"):
        y.backward()


def test_gradients_of_two_leaves_share_nothing():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    v = mt.tensor([1.0, 1.0])
    (a + b).backward(v)
    assert a.grad is not b.grad
    for one, other in ((a.grad, b.grad), (a.grad, v), (a.grad, a)):
        assert not np.shares_memory(one.data, other.data)


def test_the_callers_gradient_is_never_changed():
    a, v = leaf(1.0, 2.0), np.array([1.0, 1.0])
    y = a + a
    for _ in range(3):
        y.backward(v, retain_graph=True)
    assert_array_equal(v, [1.0, 1.0])
    assert_array_equal(a.grad.numpy(), [6.0, 6.0])


def test_a_ladder_of_diamonds_visits_each_node_once(calls):
    count = calls("add")
    x = y = leaf(1.0)
    for _ in range(60):  # 2**60 paths
        y = y + y
    y.sum().backward()
    assert x.grad.item() == 2.0**60
    assert count == {("add", 0): 60, ("add", 1): 60}


def test_only_paths_to_what_was_asked_for_are_followed(calls):
    count = calls("multiply")
    a, b = leaf(2.0), leaf(3.0)
    y = (a * b) * (b * b)
    (g,) = mt.autograd.grad(y, a, [[1.0]])
    assert g.item() == 27.0
    assert count == {("multiply", 0): 2}  # dy/d(a b), then d(a b)/da: nothing for b


def test_gradients_of_constants_are_not_computed(calls):
    count = calls("multiply")
    (leaf(2.0) * mt.tensor([3.0])).sum().backward()
    assert count == {("multiply", 0): 1}


def test_slices_of_one_sequence_meet_in_one_buffer(monkeypatch):
    op = REGISTRY["scatter"]
    made, forward = [], op.forward
    monkeypatch.setattr(op, "forward", lambda *args: made.append(len(args) - 3) or forward(*args))
    monkeypatch.setattr(op, "variants", {})
    x = mt.tensor(np.zeros((50, 4)), requires_grad=True)
    sum((x[t] * float(t) for t in range(50)), mt.zeros(4)).sum().backward()
    assert made == [50]  # one buffer for 50 slices, not 50 buffers
    assert_array_equal(x.grad.numpy(), np.arange(50.0)[:, None] * np.ones(4))


def test_slices_and_whole_uses_of_one_tensor_add_up_at_every_order(rng):
    x = mt.tensor(rng.normal(size=(4, 3)), requires_grad=True)

    def f(x):
        return (x[1] * x[1:3].sum(axis=0)).sum() + (x * x * x).sum() + x[[0, 0, 2], 1].sum()

    assert mt.autograd.gradcheck(f, [x])
    assert mt.autograd.gradcheck(f, [x], order=2)


def chain(x, n):
    for _ in range(n):
        x = x * 1.0000001
    return x


def test_two_hundred_thousand_operations_need_no_recursion():
    x = leaf(1.0)
    limit = sys.getrecursionlimit()
    frames = len(__import__("inspect").stack())
    sys.setrecursionlimit(frames + 60)
    try:
        y = chain(x, 200_000)
        y.sum().backward()
    finally:
        sys.setrecursionlimit(limit)
    assert_allclose(x.grad.numpy(), [1.0000001**200_000], rtol=1e-10)


def test_a_long_graph_is_freed_without_a_walk_too():
    y = chain(leaf(1.0), 200_000)
    del y  # deallocation recurses over the inputs if nobody stops it


def test_nothing_is_left_for_the_cycle_collector():
    x = mt.tensor(np.ones((3, 2)), requires_grad=True)
    rnn = mt.nn.RNN(2, 4, num_layers=2)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            output, h_n = rnn(mt.stack([x, x, x]))
            ((output * output).sum() + h_n.sum()).backward()
            chain(x, 1000).sum().backward()
        before = len(gc.get_objects())
        watched = weakref.ref(output)
        del output, h_n
        assert watched() is None, "the outputs wait for the collector"
        assert gc.collect() == 0
        assert before  # the graph itself went by reference counts alone
    finally:
        gc.enable()


def test_the_walk_frees_what_the_graph_held():
    x = leaf(1.0, 2.0)
    inner = x.exp()
    held = weakref.ref(inner)
    y = (inner * inner).sum()
    del inner
    assert held() is not None
    y.backward()
    assert held() is None and y.item() > 0


def test_a_kept_graph_holds_on(rng):
    inner = leaf(1.0).exp()
    held = weakref.ref(inner)
    y = (inner * inner).sum()
    del inner
    y.backward(retain_graph=True)
    assert held() is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.update_([5.0]),
        lambda x: setattr(x, "data", [5.0]),
        lambda x: mt.optim.SGD([x], lr=0.1).step(),
    ],
    ids=["update_", "data", "optimizer"],
)
def test_an_update_between_forward_and_backward_is_noticed(change):
    x = leaf(2.0)
    x.grad = mt.tensor([1.0])
    y = (x * x).sum()
    change(x)
    with pytest.raises(GraphError, match=r"input 0 of 'multiply' \(shape \(1,\)\) was changed"):
        y.backward()


def test_of_a_constant_the_graph_keeps_the_value_it_used():
    x, c = leaf(2.0), mt.tensor([3.0])
    y = (x * c).sum()
    c.update_([7.0])
    y.backward()
    assert x.grad.item() == 3.0


@pytest.mark.parametrize("kind", [np.array, list])
def test_operands_that_are_not_tensors_may_change_afterwards(kind):
    x, c = leaf(2.0, 1.0), kind([3.0, 4.0])
    y = (x * c).sum()
    c[0] = 100.0
    y.backward()
    assert_array_equal(x.grad.numpy(), [3.0, 4.0])


def test_an_index_array_may_change_afterwards():
    x, i = leaf(2.0, 1.0), np.array([0, 0])
    y = x[i].sum()
    i[:] = 1
    y.backward()
    assert_array_equal(x.grad.numpy(), [2.0, 0.0])


def test_what_a_tensor_shows_cannot_be_written():
    x = leaf(1.0)
    for shown in (x.data, x.detach().numpy(), np.asarray(mt.tensor([1.0]))):
        with pytest.raises(ValueError, match="read-only"):
            shown[0] = 5.0


def test_gradients_have_the_dtype_of_their_leaf():
    a = mt.tensor([1.0, 2.0], dtype="float32", requires_grad=True)
    b = mt.tensor([3.0, 4.0], dtype="float64", requires_grad=True)
    y = a * b
    assert y.dtype == np.float64
    y.sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_derivatives_of_every_order():
    x = leaf(0.4)
    y, t = x.tanh(), np.tanh(0.4)
    expected = [1 - t**2, -2 * t * (1 - t**2), (1 - t**2) * (6 * t**2 - 2)]
    for want in expected:
        (y,) = mt.autograd.grad(y, x, [[1.0]], create_graph=True)
        assert_allclose(y.detach().numpy(), [want], rtol=1e-12)


def test_create_graph_gives_two_leaves_two_gradients():
    a, b = leaf(1.0), leaf(2.0)
    (a + b).sum().backward(create_graph=True)
    assert a.grad is not b.grad
    assert not np.shares_memory(a.grad.data, b.grad.data)
    a.grad = b.grad = None  # a leaf and a differentiable gradient refer to each other


def test_a_recorded_walk_keeps_its_own_copy_of_the_seed():
    x, b = leaf(1.0), leaf(3.0)
    v = np.ones(1)
    (gx,) = mt.autograd.grad(x * b, x, v, create_graph=True)
    v[:] = 100.0
    gx.sum().backward()
    assert b.grad.item() == 1.0


def test_create_graph_records_under_no_grad_too():
    w = mt.tensor(2.0, requires_grad=True)
    y = w**3
    with mt.no_grad():
        (g,) = mt.autograd.grad(y, w, create_graph=True)
    (w + g * g).backward()
    assert w.grad.item() == 289.0  # 1 + 2 g 6 w with g = 12


def test_attributes_given_as_lists_may_change_afterwards():
    x, widths = leaf(1.0, 2.0), [1, 1]
    y = mt.pad(x, widths)
    widths[0] = 0
    y.backward([10.0, 20.0, 30.0, 40.0])
    assert x.grad.tolist() == [20.0, 30.0]


def test_a_rule_that_gives_the_wrong_shape_is_named(monkeypatch):
    monkeypatch.setattr(REGISTRY["multiply"], "rules", (lambda g, y, a, b: g * b, None))
    with pytest.raises(ValueError, match=r"'multiply'.*\(2, 2\).*\(2,\)"):
        (leaf(1.0, 2.0) * np.ones((2, 2))).sum().backward()


def test_complex_values_carry_no_gradient():
    with pytest.raises(TypeError, match="complex128"):
        leaf(1.0) * 1j


def test_the_gradient_of_a_gradient_with_respect_to_the_cotangent():
    x, v = leaf(0.5), leaf(2.0)
    (g,) = mt.autograd.grad(x * x, x, v, create_graph=True)
    (dv,) = mt.autograd.grad(g, v)
    assert_allclose(dv.numpy(), [1.0])  # d(2 x v)/dv
