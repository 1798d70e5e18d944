"""The two passes of a scan: how much they compute, and that nothing but the numbers counts."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose
from recurrent_layers import CELLS, as_state, flat, layer, leaf

import minitorch_rnn as mt
from minitorch_rnn.autograd import grad
from minitorch_rnn.nn import kernels, passes

every_cell = pytest.mark.parametrize("kind", CELLS)
T, B, I, H = 6, 3, 2, 4


class Counted:
    """NumPy, which counts the calls of its functions by name."""

    def __init__(self):
        self.calls = Counter()

    def __getattr__(self, name):
        function = getattr(np, name)

        def call(*args, **options):
            self.calls[name] += 1
            return function(*args, **options)

        return call


@pytest.fixture
def counted(monkeypatch):
    xp = Counted()
    monkeypatch.setattr(passes, "backend", SimpleNamespace(namespace=lambda *_: xp))
    monkeypatch.setattr(passes, "_blocks", passes.Blocks())  # none that were made with another xp
    return xp


def arguments(kind, T, B, rng):
    """What both passes take of a layer: its mode, x, states and weights, and a cotangent."""
    net = layer(kind, I, H, rng=rng)
    x, *states = [rng.normal(size=s) for s in [(T, B, I), *[(B, H)] * len(net.cell.states)]]
    gradients = [rng.normal(size=(T, B, H)), *[None] * len(states)]
    return net.mode, x, states, [p.data for p in net.weights(0)], gradients


def counts(xp, do):
    """What `do` calls, by name."""
    xp.calls.clear()
    do()
    return +xp.calls


# What a time step costs -------------------------------------------------------------------------

# Forward: the product with W_hh, what it is added to, and the formulas of the cell, where all gates
# that have the same function are one array. Backward: the gradients that come from above and from
# later are added, each is multiplied by all its slopes at once, and there is one product.
FORWARD = {
    "tanh": dict(dot=1, add=1, tanh=1),
    "relu": dict(dot=1, add=1, maximum=1),
    "LSTM": dict(matmul=1, subtract=2, exp=1, add=1, divide=1, tanh=2, multiply=2),
    "GRU": dict(matmul=1, subtract=3, exp=1, add=3, divide=1, tanh=1, multiply=2),
}
BACKWARD = {
    "tanh": dict(add=1, multiply=1, dot=1),
    "relu": dict(add=1, multiply=1, dot=1),
    "LSTM": dict(add=2, multiply=2, dot=1),
    "GRU": dict(add=2, multiply=2, dot=1),
}


def of_one_step(run):
    """What each of 20 steps adds to the calls of `run(T)`."""
    few, many = run(20), run(40)
    return {name: n / 20 for name, n in (many - few).items()}


@every_cell
@pytest.mark.parametrize("B", [1, 3])
def test_a_step_makes_no_more_calls_than_its_formulas_need(kind, B, counted, rng):
    def forward(T):
        mode, x, states, weights, _ = arguments(kind, T, B, rng)
        return counts(counted, lambda: passes.forward(mode, x, states, weights, None, True))

    def backward(T):
        mode, x, states, weights, gradients = arguments(kind, T, B, rng)
        kept, _ = passes.forward(mode, x, states, weights, None, True)
        wanted = [True] * (1 + len(states) + 4)
        back = (mode, x, kept, weights, None, gradients, wanted)
        return counts(counted, lambda: passes.backward(*back))

    expected = dict(FORWARD[kind])
    if B == 1 and "matmul" in expected:  # of a vector one product gives all gates in their order
        expected["dot"] = expected.pop("matmul")
    assert of_one_step(forward) == expected
    assert of_one_step(backward) == BACKWARD[kind]


@every_cell
@pytest.mark.parametrize("B", [1, 3])
def test_a_step_is_one_function_of_its_kernel(kind, B, rng):
    """Of relu two: it has no ufunc of its own."""

    def profiled(T):
        mode, x, states, weights, gradients = arguments(kind, T, B, rng)
        calls = []

        def watch(frame, event, _):
            if event == "call" and frame.f_globals["__name__"] == kernels.__name__:
                calls.append(frame.f_code.co_name)

        def run(both_ways):
            calls.clear()
            kept, _ = passes.forward(mode, x, states, weights, None, True)
            if both_ways:
                wanted = [True] * (1 + len(states) + 4)
                passes.backward(mode, x, kept, weights, None, gradients, wanted)
            return len(calls)

        run(True)  # the next find their blocks
        before = sys.getprofile()
        sys.setprofile(watch)
        try:
            forward, both = run(False), run(True)
        finally:
            sys.setprofile(before)
        return np.array([forward, both - forward])

    expected = [2 if kind == "relu" else 1, 1]
    assert ((profiled(40) - profiled(20)) / 20).tolist() == expected


@every_cell
def test_what_is_not_asked_for_is_not_computed(kind, counted, rng):
    mode, x, states, weights, gradients = arguments(kind, T, B, rng)
    kept, _ = passes.forward(mode, x, states, weights, None, True)
    # One product for x, and one for each weight; of the biases of a GRU one acts with W_hh.
    names = ["x", *[f"state {k}" for k in range(len(states))], "W_ih", "W_hh", "b_ih", "b_hh"]
    for asked, products in [("x", 1), ("W_ih", 1), ("W_hh", 1), ("b_ih", 0), ("b_hh", 0)]:
        wanted, found = [name == asked for name in names], []
        back = (mode, x, kept, weights, None, gradients, wanted)
        calls = counts(counted, lambda back=back, f=found: f.extend(passes.backward(*back)))
        assert calls["matmul"] == products and calls["dot"] == T
        given = {n for n, g in zip(names, found, strict=True) if g is not None}
        together = {"b_ih", "b_hh"} if asked[0] == "b" and kind != "GRU" else {asked}
        assert given == {n for n in names if "state" in n} | together


# What is kept -----------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("B", [1, 3])
def test_only_the_states_and_the_slopes_are_kept_until_backward(kind, B, rng):
    net, x = layer(kind, I, H, rng=rng), mt.tensor(rng.normal(size=(T, B, I)))
    output = flat(net(x))[0]
    _, saved = output._inputs[0]._attrs
    assert np.shares_memory(saved.x, x.data)
    assert saved.kept.h.shape == (T + 1, B, H)
    # Of a GRU those of a, r, z, n and h(t-1); of an LSTM those of c(t-1), i, f, g, o and c.
    slopes = {"tanh": 1, "relu": 1, "LSTM": 6, "GRU": 5}[kind]
    assert saved.kept.slopes.size == slopes * T * B * H
    whole = output._inputs[0]
    output.sum().backward()
    assert whole._attrs == () and whole._inputs is None


@every_cell
def test_without_gradients_there_are_no_slopes(kind, rng, monkeypatch):
    found, forward = [], passes.forward
    monkeypatch.setattr(passes, "forward", lambda *args: found.append(forward(*args)) or found[-1])
    net, x = layer(kind, I, H, rng=rng), rng.normal(size=(T, B, I))
    with mt.no_grad():
        net(x)
    for parameter in net.parameters():
        parameter.requires_grad = False
    net(x)
    assert [kept.slopes for kept, _ in found] == [None, None]


# On a device, in threads ------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("B", [1, 3])
def test_a_device_is_never_waited_for_and_gives_the_same(kind, B):
    def results(lengths):
        rng = np.random.default_rng(3)
        net = layer(kind, I, H, 2, bidirectional=True, rng=rng)
        x, *start = [rng.normal(size=s) for s in [(T, B, I), *[(4, B, H)] * len(net.cell.states)]]
        leaves = [leaf(x), *map(leaf, start)]
        strict_cupy.synchronisations.reset()
        found = flat(net(leaves[0], as_state(leaves[1:]), lengths=lengths))
        grads = grad(sum((y * y).sum() for y in found), [*leaves, *net.parameters()])
        assert strict_cupy.synchronisations.causes == []
        assert {t.backend for t in (*found, *grads)} == {mt.zeros(1).backend}
        return [t.tolist() for t in (*found, *grads)]

    for lengths in (None, [4, 6, 1][:B]):
        here = results(lengths)
        with mt.use("strict"):
            there = results(lengths)
        for mine, reference in zip(there, here, strict=True):
            assert_allclose(mine, reference, rtol=1e-12, atol=1e-14)


def trained(k):
    """The weights of a small layer, of a size and kind by number, after a few steps."""
    rng = np.random.default_rng(k)
    T, B, I, H = (int(n) for n in rng.integers([2, 1, 1, 1], [14, 6, 9, 9]))
    net = layer(CELLS[k % 4], I, H, 2, rng=rng, bidirectional=k % 3 == 0)
    x, lengths = rng.normal(size=(T, B, I)), rng.integers(1, T + 1, B).tolist()
    optimizer = mt.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(4):
        optimizer.zero_grad()
        (net(x, lengths=lengths)[0] ** 2).sum().backward()
        optimizer.step()
    return [p.data.tobytes() for p in net.parameters()]


def test_layers_of_equal_and_other_sizes_in_eight_threads_give_the_same_bits_as_alone(monkeypatch):
    monkeypatch.setattr(passes, "_buffers", passes.Buffers())
    monkeypatch.setattr("minitorch_rnn.nn.buffers._WORTH_IT", 1)
    numbers, before = [k for k in range(20) for _ in range(4)], sys.getswitchinterval()
    expected = [trained(k) for k in range(20)]
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(trained, numbers))
    finally:
        sys.setswitchinterval(before)
    assert found == [expected[k] for k in numbers]


# At the edge of the numbers ---------------------------------------------------------------------


def roads(kind, *sizes, **options):
    return [
        layer(kind, *sizes, road=road, rng=np.random.default_rng(0), **options)
        for road in ("scan", "graph")
    ]


@every_cell
@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("size", [40.0, 1000.0])
@pytest.mark.parametrize("lengths", [None, [2, 5, 5]], ids=["whole", "ragged"])
def test_closed_gates_and_flat_slopes_give_no_warning(kind, B, size, lengths, rng):
    x, found = rng.normal(size=(5, B, 3)), []
    signs = [rng.choice([-size, size], size=p.shape) for p in layer(kind, 3, 4).parameters()]
    for net in roads(kind, 3, 4):
        for parameter, values in zip(net.parameters(), signs, strict=True):
            parameter.update_(values)
        outputs = flat(net(x, lengths=lengths and lengths[:B]))
        grads = grad(outputs, list(net.parameters()), [np.ones(y.shape) for y in outputs])
        found.append([a.data for a in (*outputs, *grads)])
        assert all(np.isfinite(a).all() for a in found[-1])
    for mine, reference in zip(*found, strict=True):
        assert_allclose(mine, reference, rtol=1e-11, atol=1e-11 * abs(reference).max())


@every_cell
def test_a_nan_goes_as_far_as_step_by_step(kind, rng):
    x, found = rng.normal(size=(6, 3, 2)), []
    x[2, 1, 0] = np.nan
    for net in roads(kind, 2, 4, bidirectional=True):
        start = leaf(x)
        y = net(start)[0]
        found.append([a.data for a in (y, *grad(y.sum(), [start, *net.parameters()]))])
        lost = np.isnan(found[-1][0])
        assert lost[2:, 1, :4].all() and lost[:3, 1, 4:].all() and lost.sum() == 7 * 4
    for mine, reference in zip(*found, strict=True):
        assert_allclose(mine, reference, rtol=1e-11, atol=1e-13)
