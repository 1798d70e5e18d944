"""What things cost, counted and not timed: nodes, rules, buffers."""

import numpy as np
import pytest
import strict_cupy

import minitorch_rnn as mt
from minitorch_rnn.engine import REGISTRY


def nodes(*outputs):
    """How many recorded operations lead to the outputs, by name."""
    count, seen, stack = {}, set(), list(outputs)
    while stack:
        y = stack.pop()
        if isinstance(y, mt.Tensor) and id(y) not in seen:
            seen.add(id(y))
            if y._op is not None:
                count[y._op.name] = count.get(y._op.name, 0) + 1
            stack.extend(y._inputs)
    return count


@pytest.mark.parametrize("T, L", [(1, 1), (10, 1), (10, 3)])
def test_one_step_of_an_rnn_is_four_operations_per_layer(T, L):
    rnn = mt.nn.RNN(3, 4, num_layers=L, road="graph")
    output, h_n = rnn(np.ones((T, 2, 3)))
    # A layer stacks what it gives, and the next takes it apart; the last states are put together.
    between = {"getitem": T * (L - 1), "concatenate": 1} if L > 1 else {}
    assert nodes(output, h_n) == between | {
        "linear": 2 * T * L, "add": T * L, "tanh": T * L, "stack": L, "unsqueeze": L,
    }  # fmt: skip


@pytest.mark.parametrize("kind, outputs", [("RNN", 2), ("LSTM", 3), ("GRU", 2)])
@pytest.mark.parametrize("layers, ways", [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_a_scan_records_as_much_for_a_long_sequence_as_for_a_short_one(kind, outputs, layers, ways):
    net = getattr(mt.nn, kind)(3, 4, layers, bidirectional=ways == 2, road="scan")
    parts = (1 + outputs) * layers * ways  # the whole; h(t) for all t, and each last state
    for T in (2, 50):
        output, last = net(np.ones((T, 2, 3)))
        found = nodes(output, *(last if isinstance(last, tuple) else [last]))
        assert sum(found.pop(n) for n in list(found) if n.startswith("scan_")) == parts
        # Both ways side by side, in each layer; and each last state of several layers or ways.
        joined = (layers if ways == 2 else 0) + (outputs - 1 if layers * ways > 1 else 0)
        assert found == ({"concatenate": joined} if joined else {})


def test_without_gradients_nothing_is_recorded():
    rnn = mt.nn.RNN(3, 4)
    with mt.no_grad():
        output, _ = rnn(np.ones((5, 2, 3)))
    assert nodes(output) == {} and output._inputs == ()


@pytest.mark.parametrize("n", [10, 1000])
def test_a_chain_runs_each_rule_once(n, monkeypatch):
    op, runs = REGISTRY["exp"], []
    rule = op.rules[0]
    monkeypatch.setattr(op, "rules", (lambda *args: runs.append(1) or rule(*args),))
    x = mt.tensor(0.0, requires_grad=True)
    y = x
    for _ in range(n):
        y = (y * 0.0).exp()
    y.backward()
    assert len(runs) == n


@pytest.mark.parametrize("T", [1, 6, 50])
def test_of_a_column_only_what_recurs_is_computed_step_by_step(T):
    network = mt.nn.ColumnNetwork(mt.column.elman(3, 4, 2))
    Y, _ = network(np.ones((T, 2, 3)))
    # W x + b for all t, and W h + b of Y. At each t: W h(t-1), which is added, and tanh.
    assert nodes(Y) == {
        "linear": T + 2, "getitem": T, "add": T, "tanh": T, "stack": 1,
    }  # fmt: skip


def test_every_column_of_unroll_is_what_its_equation_says():
    network = mt.nn.ColumnNetwork(mt.column.elman(3, 4, 2))
    T = 6
    a = network.unroll({"x": mt.ones(T, 2, 3)})
    # h: W x + W h + b, tanh; Y: W h + b; b comes with the first product.
    assert nodes(*a["Y"].values()) == {"linear": 3 * T, "add": T, "tanh": T}


def linears(column, T, **options):
    network = mt.nn.ColumnNetwork(column)
    sizes = {n: (T, 2, node.size) for n, node in column.inputs.items()}
    Y, _ = network({n: np.ones(size) for n, size in sizes.items()}, **options)
    return nodes(Y)["linear"]


PRODUCTS = [  # in all steps together, and in each step
    ("state-space", 2, 1), ("with-skips", 5, 2), ("cross-layer", 2, 5), ("delayed", 2, 3),
    ("bidirectional", 4, 2), ("narx", 3, 2), ("jordan", 1, 2), ("lstm", 5, 4), ("gru", 4, 3),
    ("encoder-decoder", 2, 4),
]  # fmt: skip


@pytest.mark.parametrize("name, at_once, each", PRODUCTS)
def test_a_column_multiplies_step_by_step_only_what_recurs(name, at_once, each):
    column = mt.column.NETWORKS[name](3, 4, 2)
    assert [linears(column, T) for T in (5, 9)] == [at_once + 5 * each, at_once + 9 * each]


def test_under_a_teacher_nothing_recurs_in_a_narx_network():
    column = mt.column.narx(3, 4, 2)
    assert [linears(column, T, teacher=np.ones((T, 2, 2))) for T in (5, 90)] == [5, 5]


WINDOWS = [  # and how many columns they have in all, for 20 columns
    pytest.param(mt.column.chunked(5), 20, id="chunked"),
    pytest.param(mt.column.per_loss_window(2), 1 + 2 + 18 * 3, id="per loss"),
    pytest.param(mt.column.williams_peng(6, 3), 3 + 5 * 6 + 5, id="Williams-Peng"),
]


@pytest.mark.parametrize("truncation, columns", WINDOWS)
def test_a_truncation_unrolls_no_column_that_it_does_not_need(truncation, columns, monkeypatch):
    op, runs = REGISTRY["tanh"], []
    forward = op.forward
    monkeypatch.setattr(op, "forward", lambda x: runs.append(1) or forward(x))
    T = 20
    network = mt.nn.ColumnNetwork(mt.column.state_space(2, 3, 1))
    mt.nn.truncated_backward(network, np.ones((T, 1, 2)), lambda Y: (Y * Y).sum(), truncation)
    windows = truncation.windows(T)
    needed = sum(losses.stop - max(first, 0) for losses, first in windows)
    assert len(runs) == T + needed  # one pass for the values, and the windows
    assert needed == columns


@pytest.mark.parametrize("delays", [1, 4])
def test_perturbed_networks_run_side_by_side_in_one_sweep(delays, monkeypatch):
    from minitorch_rnn import bptt

    sweeps = []
    forward = bptt.column.forward
    monkeypatch.setattr(
        bptt.column, "forward", lambda *a, **k: sweeps.append(1) or forward(*a, **k)
    )
    network = mt.nn.ColumnNetwork(mt.column.delayed(2, 3, 2, delays))
    x = np.ones((4, 1, 2))
    assert mt.verify(network, x, np.ones((4, 1, 2)), "squared error")
    assert len(sweeps) == 1 + 1 + 8  # the trace, the complex step, differences of order 8


def test_a_training_step_of_a_column_waits_for_the_device_nowhere():
    with mt.use("strict"):
        network = mt.nn.ColumnNetwork(mt.column.narx(2, 3, 1))
        x, D = mt.ones(5, 2, 2), mt.zeros(5, 2, 1)
        optimizer = mt.optim.SGD(network.parameters(), lr=0.1)
        strict_cupy.synchronisations.reset()
        Y, _ = network(x, teacher=D, variant=mt.column.many_to_one(5))
        mt.nn.DivergenceLoss("squared error")(Y, D).backward()
        optimizer.step()
    assert strict_cupy.synchronisations.causes == []
