"""Errors in the middle, threads, copies, other processes, shared memory: nothing is half done."""

import copy
import gc
import multiprocessing
import pickle
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import Function
from minitorch_rnn.errors import GraphError


def leaf(values):
    return mt.tensor(np.array(values, float), requires_grad=True)


# Errors in the middle ----------------------------------------------------------------------------


class Fragile(Function):
    """2 x, whose backward raises as often as it is told."""

    raises: list = []

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        if Fragile.raises:
            raise Fragile.raises.pop()
        return g * 2


@pytest.mark.parametrize(
    "error", [ValueError("rule"), KeyboardInterrupt(), MemoryError()], ids=repr
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_after_an_error_in_a_rule_nothing_is_half_done(error, create_graph):
    a = leaf(1.0)
    y = Fragile.apply(a)
    b = leaf(3.0)  # younger than y, so that its gradient is complete before the error
    z = y * b
    Fragile.raises = [error]
    with pytest.raises(type(error)):
        z.backward(retain_graph=True, create_graph=create_graph)
    assert a.grad is None and b.grad is None and mt.is_grad_enabled()
    z.backward()
    assert (a.grad.item(), b.grad.item()) == (6.0, 2.0)


def test_after_an_error_a_second_walk_over_a_freed_graph_says_so():
    y = (Fragile.apply(leaf(1.0)) * 3).sum()
    Fragile.raises = [ValueError()]
    with pytest.raises(ValueError):
        y.backward()
    with pytest.raises(GraphError, match="second time"):
        y.backward()


def test_an_error_in_a_hook_leaves_no_gradient_behind():
    a, b = leaf(1.0), leaf(2.0)
    handle = a.register_hook(lambda g: 1 / 0)
    y = a * b
    with pytest.raises(ZeroDivisionError):
        y.backward(retain_graph=True)
    assert a.grad is None and b.grad is None
    handle.remove()
    y.backward()
    assert (a.grad.item(), b.grad.item()) == (2.0, 1.0)


def test_an_error_in_a_forward_pass_leaves_no_switch_turned():
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            raise KeyboardInterrupt

    for fail in (lambda: Fails.apply(leaf(1.0)), lambda: mt.no_grad()(lambda: 1 / 0)()):
        with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
            fail()
        assert mt.is_grad_enabled()


def test_a_generator_that_is_dropped_under_no_grad_turns_no_switch():
    def steps():
        with mt.no_grad():
            yield 1
            yield 2

    running = mt.no_grad()(lambda: (yield from [1, 2]))()
    next(running)
    assert mt.is_grad_enabled()
    running.close()
    plain = steps()
    next(plain)
    plain.close()
    assert mt.is_grad_enabled()


# Threads, copies, processes ----------------------------------------------------------------------


def test_four_threads_on_shared_parameters_add_up_exactly():
    network = nn.Linear(3, 2)
    network.load_state_dict({"weight": np.ones((2, 3)), "bias": np.zeros(2)})
    x, start, errors = np.arange(12.0).reshape(4, 3), threading.Barrier(4), []

    def work():
        start.wait()
        try:
            for _ in range(50):
                network(x).sum().backward()
                with mt.no_grad():
                    assert not network(x).requires_grad
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert network.weight.grad.tolist() == [(200 * x.sum(axis=0)).tolist()] * 2
    assert network.bias.grad.tolist() == [800.0, 800.0]


BUILT = {
    "RNN": lambda: nn.RNN(2, 3),
    "LSTM": lambda: nn.LSTM(2, 3, 2, bidirectional=True),
    "GRUCell": lambda: nn.GRUCell(2, 3),
    "RecurrentNetwork": lambda: nn.RecurrentNetwork(2, 3, 2),
    "ColumnNetwork": lambda: nn.ColumnNetwork(mt.column.jordan(2, 3, 1)),
    "DivergenceLoss": lambda: nn.DivergenceLoss("squared error"),
    "CrossEntropyLoss": lambda: nn.CrossEntropyLoss(),
}


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
                         ids=["deepcopy", "pickle"])  # fmt: skip
@pytest.mark.parametrize("build", BUILT.values(), ids=BUILT)
def test_a_module_has_twins_of_its_own(build, twin):
    one = build()
    other = twin(one)
    assert repr(other) == repr(one)
    before = other.state_dict()
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        assert p is not q and q.requires_grad and p.tolist() == q.tolist()
        p.update_(np.zeros(p.shape))
    assert all((before[n] == a).all() for n, a in other.state_dict().items())


def test_a_twin_keeps_what_was_shared():
    one = nn.Linear(2, 2)
    pair = copy.deepcopy([one, one, one.weight])
    assert pair[0] is pair[1] and pair[2] is pair[0].weight is not one.weight


def test_a_parameter_travels_to_another_process_and_back():
    p = nn.Parameter([1.0, 2.0])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        back = pool.apply(copy.copy, (p,))
    assert type(back) is nn.Parameter and back.requires_grad and back.tolist() == [1.0, 2.0]


DEEP = """
import sys
import minitorch_rnn as mt, minitorch_rnn.autograd
sys.setrecursionlimit(120)
x = y = mt.tensor(1.0, requires_grad=True)
for _ in range(100_000):
    y = y * 1.0
y.backward(retain_graph=True)
mt.autograd.grad(y, x)
del y
print(x.grad.item())
"""


def test_a_chain_of_100000_operations_fits_into_a_recursion_limit_of_120():
    done = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("1.0", "")


def test_training_without_the_cycle_collector_needs_no_more_memory_each_time():
    rnn, x = nn.GRU(4, 16), np.ones((5, 200, 4))

    def once():
        output, h_n = rnn(x)
        (output.sum() + h_n.sum()).backward()
        for p in rnn.parameters():
            p.update_(p.detach() - 1e-3 * p.grad)
            p.grad = None

    gc.collect()
    gc.disable()
    try:
        once()
        tracemalloc.start()
        once()
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            once()
        assert tracemalloc.get_traced_memory()[0] - first < 500_000  # a graph holds 2.5 million
    finally:
        tracemalloc.stop()
        gc.enable()


# Gradients belong to their tensors ---------------------------------------------------------------


def test_gradients_share_no_memory_with_each_other_or_with_what_was_given():
    v = np.ones((2, 2))
    for f in (
        lambda a, b: a + b,
        lambda a, b: (a - b).reshape(2, 2),
        lambda a, b: mt.where(v > 0, a, b) + b,
        lambda a, b: mt.stack([a, b])[0] + b.T.T,
        lambda a, b: mt.autograd.checkpoint(mt.add, a, b),
    ):
        for given in (v, mt.from_numpy(v), mt.tensor(v)):
            a, b = leaf(np.ones((2, 2))), leaf(np.ones((2, 2)))
            y = f(a, b)
            y.retain_grad()
            y.backward(given, retain_graph=True)
            returned = mt.autograd.grad(y, [a, b, y], given)
            shown = [x.grad.data for x in (a, b, y)] + [g.data for g in returned]
            others = [v, a.data, b.data, y.data, getattr(given, "data", v)]
            for i, g in enumerate(shown):
                assert not any(np.shares_memory(g, other) for other in shown[:i] + others[:4])
            assert a.grad is not b.grad and (v == 1.0).all()
