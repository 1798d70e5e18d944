"""unroll: every state of every layer at every time, and the total gradient that reaches each.

The total gradient of h(t,l) is dh(t,l) of slides 79 to 93: what the divergence, the layer above and
the next step send back, all added.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from recurrent_layers import KINDS, as_state, flat, layer, started

import minitorch_rnn as mt
from minitorch_rnn import bptt, column, nn
from minitorch_rnn.nn.steps import Unrolled

T, B, I, H, L = 4, 3, 2, 5, 3
LENGTHS = [2, 4, 1]

every_kind = pytest.mark.parametrize("kind", KINDS)
either_way = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])


def backward(run, cotangents):
    """Walk back from a random loss of the output and of the last states."""
    outputs = flat(run.output, run.last)
    sum((y * v).sum() for y, v in zip(outputs, cotangents, strict=True)).backward()


def drawn(net, rng):
    """x, the initial states, and a cotangent for the output and for each last state."""
    x = rng.normal(size=(T, B, I))
    shapes = [y.shape for y in flat(net(x))]
    start = [rng.normal(size=shape) for shape in shapes[1:]]
    return x, start, [rng.normal(size=shape) for shape in shapes]


def retained(run, name):
    """The gradients that the states of a run kept, (layers, T, B, H)."""
    return np.array([[state.grad.data for state in steps] for steps in run.states[name]])


@every_kind
@either_way
def test_each_state_is_the_last_one_of_a_single_layer_that_runs_so_far(kind, bidirectional, rng):
    net = layer(kind, I, H, L, bidirectional=bidirectional, rng=rng)
    x, start, _ = drawn(net, rng)
    run, directions = net.unroll(x, as_state(start)), 1 + bidirectional
    assert [len(layers) for layers in run.states.values()] == [L * directions] * len(start)
    below = x
    for k in range(L * directions):
        reverse = k % directions
        suffix = f"_l{k // directions}" + ("_reverse" if reverse else "")
        weights = {n: a for n, a in net.state_dict().items() if n.endswith(suffix)}
        one = layer(kind, below.shape[-1], H)
        one.load_state_dict({n.removesuffix(suffix) + "_l0": a for n, a in weights.items()})
        for t in range(T):
            part = below[: t - 1 if t else None : -1] if reverse else below[: t + 1]
            _, last = one(part, as_state([s[k : k + 1] for s in start]))
            for name, expected in zip(run.states, flat(last), strict=True):
                found = run.states[name][k][t].data
                assert_allclose(found, expected.data[0], rtol=1e-12, err_msg=f"{name} {k} {t}")
        if k % directions == directions - 1:
            level = run.states["h"][k + 1 - directions : k + 1]
            below = np.concatenate([[h.data for h in steps] for steps in level], axis=-1)
    assert_allclose(run.output.data, below, rtol=1e-12)


@every_kind
@either_way
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
def test_output_and_last_are_what_the_call_returns(kind, bidirectional, lengths, rng):
    net = started(kind, I, H, L, bidirectional=bidirectional, road="graph", rng=rng)
    x = rng.normal(size=(T, B, I))
    run = net.unroll(x, lengths=lengths)
    found, expected = flat(run.output, run.last), flat(net(x, lengths=lengths))
    assert [y.tolist() for y in found] == [y.tolist() for y in expected]
    ends = np.array(lengths or [T] * B) - 1
    for name, last in zip(run.states, flat(run.last), strict=True):
        for k, steps in enumerate(run.states[name]):
            assert len(steps) == T
            at = np.zeros(B, int) if bidirectional and k % 2 else ends
            own = [steps[t].data[b].tolist() for b, t in enumerate(at)]
            assert own == last[k].tolist()


def test_a_single_sequence_and_a_list_have_states_too(rng):
    net = nn.LSTM(I, H, 2, rng=rng)
    single = net.unroll(rng.normal(size=(T, I)))
    assert single.output.shape == (T, H)
    assert {s.shape for steps in single.states["c"] for s in steps} == {(1, H)}
    rows = [rng.normal(size=(n, I)) for n in LENGTHS]
    several = net.unroll(rows)
    assert [y.shape[0] for y in several.output] == LENGTHS
    assert {s.shape for steps in several.states["h"] for s in steps} == {(B, H)}


# Total gradients --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_of_an_rnn_they_are_those_of_the_slides(activation, layers, rng):
    """dh(t,l) of bptt.column, on a column whose output is its top layer."""
    net = nn.RNN(I, H, layers, activation, rng=rng)
    like = column.state_space(I, H, H, layers=layers, activation=activation)
    params = {name: np.zeros(shape) for name, shape in like.shapes.items()}
    params[f"weight.h{layers}->Y"] = np.eye(H)
    for l in range(layers):
        below, own = f"h{l}" if l else "x", f"h{l + 1}"
        W_ih, W_hh, b_ih, b_hh = (p.data for p in net.weights(l))
        params |= {f"weight.{below}->{own}": W_ih, f"weight.{own}(t-1)->{own}": W_hh}
        params[f"bias.{own}"] = b_ih + b_hh
    x, v = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    start = {f"h{l + 1}": rng.normal(size=(1, B, H)) for l in range(layers)}

    run = net.unroll(x, np.concatenate(list(start.values()))).retain_grad()
    (run.output * v).sum().backward()
    slides = bptt.column.backward(like, params, bptt.column.forward(like, params, x, start), v)
    expected = [slides.da[f"h{l + 1}"] for l in range(layers)]
    assert_allclose(retained(run, "h"), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.torch
@every_kind
@either_way
def test_they_are_those_of_pytorchs_cells(kind, bidirectional, rng):
    import torch

    net = layer(kind, I, H, 2, bidirectional=bidirectional, rng=rng)
    x, start, cotangents = drawn(net, rng)
    run, theirs = net.unroll(x, as_state(start)).retain_grad(), by_pytorchs_cells(net, x, start)
    backward(run, cotangents)
    backward(theirs, list(map(torch.tensor, cotangents)))
    for name, layers in theirs.states.items():
        assert len(run.states[name]) == len(layers)
        for k, t in np.ndindex(len(layers), T):
            mine, reference, told = run.states[name][k][t], layers[k][t], f"{name} {k} {t}"
            assert_allclose(mine.data, reference.numpy(force=True), rtol=1e-10, err_msg=told)
            total = reference.grad.numpy()
            assert_allclose(mine.grad.data, total, rtol=1e-10, atol=1e-12, err_msg=told)


def by_pytorchs_cells(net, x, start):
    """What `net.unroll` returns, from PyTorch's functions of one step; every state keeps its
    gradient, and the outputs and last states are made of these very tensors."""
    import torch

    def step(x, state, W_ih, W_hh, b_ih, b_hh, W_hr=None):
        if net.proj_size:  # torch.lstm_cell has no projection
            z = torch.nn.functional.linear(x, W_ih, b_ih)
            i, f, g, o = (z + torch.nn.functional.linear(state[0], W_hh, b_hh)).chunk(4, -1)
            c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c) @ W_hr.T, c
        if isinstance(net, nn.LSTM):
            return torch.lstm_cell(x, state, W_ih, W_hh, b_ih, b_hh)
        name = "gru" if isinstance(net, nn.GRU) else f"rnn_{net.nonlinearity}"
        return (getattr(torch, f"{name}_cell")(x, state[0], W_ih, W_hh, b_ih, b_hh),)

    steps, found = list(torch.tensor(x)), []
    for k in range(net.num_states):
        reverse = k % net.num_directions == 1
        weights = [torch.tensor(np.array(p.data), requires_grad=True) for p in net.weights(k)]
        state, run = [torch.tensor(s[k]) for s in start], [None] * T
        for t in range(T)[:: -1 if reverse else 1]:
            run[t] = state = step(steps[t], state, *weights)
            for s in state:
                s.retain_grad()
        found.append(run)
        if k % net.num_directions == net.num_directions - 1:
            level = found[-net.num_directions :]
            steps = [torch.cat([run[t][0] for run in level], -1) for t in range(T)]
    ends = [run[0 if k % net.num_directions else -1] for k, run in enumerate(found)]
    last = as_state([torch.stack(states) for states in zip(*ends, strict=True)])
    states = {n: [[s[i] for s in run] for run in found] for i, n in enumerate(net.cell.states)}
    return Unrolled(torch.stack(steps), last, states)


@every_kind
@either_way
def test_in_a_ragged_batch_they_are_those_of_each_sequence_alone(kind, bidirectional, rng):
    net = started(kind, I, H, 2, bidirectional=bidirectional, rng=rng)
    x, _, (v, *w) = drawn(net, rng)
    run = net.unroll(x, lengths=LENGTHS).retain_grad()
    backward(run, [v, *w])
    for b, n in enumerate(LENGTHS):
        alone = net.unroll(x[:n, b : b + 1]).retain_grad()
        backward(alone, [v[:n, b : b + 1], *(u[:, b : b + 1] for u in w)])
        for name in run.states:
            found, expected = retained(run, name)[:, :n, b], retained(alone, name)[:, :, 0]
            assert_allclose(found, expected, rtol=1e-11, atol=1e-13, err_msg=name)


@every_kind
@either_way
def test_beyond_the_end_of_a_sequence_there_is_no_gradient(kind, bidirectional, rng):
    net = started(kind, I, H, 2, bidirectional=bidirectional, rng=rng)
    x, _, cotangents = drawn(net, rng)
    x[2:, 0] = np.nan
    run = net.unroll(x, lengths=LENGTHS).retain_grad()
    backward(run, cotangents)
    for name in run.states:
        grads = retained(run, name)
        for b, n in enumerate(LENGTHS):
            assert not grads[:, n:, b].any() and grads[:, :n, b].any(axis=-1).all()


def test_keeping_them_changes_no_other_gradient(rng):
    net = started("LSTM", I, H, 2, bidirectional=True, rng=rng)
    x, v = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, 2 * H))
    found = []
    for run in (net.unroll(x), net.unroll(x).retain_grad()):
        net.zero_grad()
        (run.output * v).sum().backward()
        found.append({name: p.grad.tolist() for name, p in net.named_parameters()})
    assert found[0] == found[1]


def test_without_gradients_there_is_nothing_to_keep(rng):
    net = nn.GRU(I, H, rng=rng)
    with mt.no_grad():
        run = net.unroll(rng.normal(size=(T, B, I)), lengths=LENGTHS).retain_grad()
    assert not any(state.requires_grad for steps in run.states["h"] for state in steps)
    assert all(state.grad is None for steps in run.states["h"] for state in steps)
