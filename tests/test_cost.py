"""What things cost, counted and not timed: nodes, rules, buffers."""

import numpy as np
import pytest

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
