"""What one tiny operation costs, counted: calls of Python functions, objects kept, nodes, arrays.

The bounds are what was counted when the paths were last made shorter. A change that adds a call to
every operation, or an object to every node, fails here and is to be weighed.
"""

import gc
import sys

import numpy as np
import pytest

import minitorch_rnn as mt

TARGETS = np.array([0, 1, 2, 3])

OPERATIONS = [  # forward, and forward and backward together
    pytest.param(lambda a, b: a + b, 6, 22, id="add"),
    pytest.param(lambda a, b: a * b, 6, 22, id="multiply"),
    pytest.param(lambda a, b: a @ b, 6, 22, id="matmul"),
    pytest.param(lambda a, b: a.tanh(), 7, 18, id="tanh"),
    pytest.param(lambda a, b: a.sum(), 10, 23, id="sum"),
    pytest.param(lambda a, b: a.mean(), 10, 24, id="mean"),
    pytest.param(lambda a, b: a[1], 8, 36, id="getitem"),
    pytest.param(lambda a, b: a.log_softmax(-1), 11, 28, id="log_softmax"),
    pytest.param(lambda a, b: mt.linear(a, b), 8, 25, id="linear"),
    pytest.param(lambda a, b: mt.stack([a, b]), 18, 32, id="stack"),
    pytest.param(lambda a, b: mt.nn.cross_entropy(a, TARGETS), 31, 42, id="cross_entropy"),
]


@pytest.fixture(autouse=True)
def no_collection():
    """No pass of the garbage collector while something is counted: it may call functions."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    yield
    if enabled:
        gc.enable()


def calls(function):
    """How many Python functions run in a call of `function`, itself not counted."""
    count, before = [], sys.getprofile()
    sys.setprofile(lambda frame, event, arg: event == "call" and count.append(frame.f_code))
    try:
        function()
    finally:
        sys.setprofile(before)
    return len(count) - 1


def leaf(*shape):
    return mt.tensor(np.ones(shape), requires_grad=True)


@pytest.mark.parametrize("operation, forward, both", OPERATIONS)
def test_a_tiny_operation_runs_no_more_functions_than_it_did(operation, forward, both):
    a, b = leaf(4, 4), leaf(4, 4)
    g = mt.ones(*operation(a, b).shape)
    operation(a, b).backward(g)  # what is made at the first call
    a.grad = b.grad = None  # nothing to be added to
    assert calls(lambda: operation(a, b)) <= forward
    assert calls(lambda: operation(a, b).backward(g)) <= both


@pytest.mark.parametrize(
    "step, tuples",
    [
        pytest.param(lambda y: y.tanh(), 0, id="of one"),
        pytest.param(lambda y: y * 1.5, 0, id="and a number"),
        pytest.param(lambda y: y * y, 0, id="of two"),
        pytest.param(lambda y: mt.swapaxes(y, 0, 1), 1, id="with an attribute that is a tuple"),
        pytest.param(lambda y: mt.linear(y, y), 1, id="of three"),
    ],
)
def test_a_node_is_one_object_to_the_garbage_collector(step, tuples):
    # It passes over all objects it knows, again and again while a graph grows: in a chain of a
    # million operations a fifth of the time. Arrays and numbers are none of them.
    y, n = leaf(2, 2) * 0.5, 200
    step(y)
    before = len(gc.get_objects())
    for _ in range(n):
        y = step(y)
    known = len(gc.get_objects()) - before
    assert n <= known <= n * (1 + tuples) + 5


def test_an_argument_that_is_none_is_kept_as_any_other():
    @mt.primitive(None, lambda g, y, mask, x: g if mask is None else g * mask)
    def masked(mask, x):
        return x.copy() if mask is None else x * mask

    x = leaf(3)
    masked(None, x).backward(mt.ones(3))  # None is not what a freed node has
    assert x.grad.tolist() == [1.0, 1.0, 1.0]


def test_what_a_walk_keeps_does_not_grow_with_the_chain(monkeypatch):
    walk = sys.modules["minitorch_rnn.engine.walk"]
    sizes, send_on = [], walk._send_on

    def watch(waiting, *rest):
        send_on(waiting, *rest)
        sizes.append(len(waiting.heap) + len(waiting.reached) + len(waiting.pieces))

    monkeypatch.setattr(walk, "_send_on", watch)
    x = leaf(3)
    y = x
    for _ in range(300):
        y = y * 1.5 + x
    y.backward(mt.ones(3))
    assert len(sizes) == 600 and max(sizes) <= 6  # two tensors wait, each in two places, and g


@pytest.mark.parametrize("reduction", ["mean", "sum", "none", ("sum", "mean")])
def test_cross_entropy_keeps_one_array_as_large_as_the_logits(reduction):
    logits = leaf(5, 3, 7)
    y = mt.nn.cross_entropy(logits, np.zeros((5, 3), int), reduction=reduction)
    while y._op.name != "cross_entropy":  # what reduces it
        y = y._inputs[0]
    assert y._inputs == (logits,)
    sizes = [a.size for a in y._attrs if isinstance(a, np.ndarray)]
    assert sorted(sizes) == [15, 15, 105]


def test_linear_over_time_and_batch_is_one_product():
    class Counted(np.ndarray):  # what the array function computes with, by numbers of axes
        def __matmul__(self, other):
            products.append((self.ndim, other.ndim))
            return np.asarray(self) @ np.asarray(other)

    products = []
    x, weight = np.ones((5, 3, 4)).view(Counted), np.ones((2, 4))
    op = mt.engine.REGISTRY["linear"]
    y = op.forward(x, weight, np.zeros(2))
    assert y.shape == (5, 3, 2)
    g = np.ones(y.shape).view(Counted)
    gx, gw = (rule(g, y, x, weight, None) for rule in op.rules[:2])
    assert gx.shape == x.shape and gw.shape == weight.shape
    assert products == [(2, 2)] * 3
