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
    rnn = mt.nn.RNN(3, 4, num_layers=L)
    output, h_n = rnn(np.ones((T, 2, 3)))
    assert nodes(output, h_n) == {"linear": 2 * T * L, "add": T * L, "tanh": T * L, "stack": 2}


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


def test_one_step_of_a_column_is_what_its_equation_says():
    network = mt.nn.ColumnNetwork(mt.column.elman(3, 4, 2))
    T = 6
    Y, _ = network(np.ones((T, 2, 3)))
    # h: W x + W h + b, tanh; Y: W h + b; of the blocked link only its own product is recorded.
    assert {k: n for k, n in nodes(Y).items() if k not in ("getitem", "broadcast_to")} == {
        "linear": 3 * T, "add": 3 * T, "tanh": T, "stack": 1,
    }  # fmt: skip


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
