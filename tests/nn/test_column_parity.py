"""Columns that PyTorch has as layers: its outputs, states and gradients, parameter by parameter."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.column import bidirectional, gru, lstm, state_space

T, B, I, H, O = 5, 3, 4, 6, 7

# Where PyTorch's parameters are in the column: a list splits the rows of a matrix among nodes, a
# tuple within it the columns among their sources. Two biases with one place are summed there.
LSTM = {
    "weight_ih_l0": ["x->i", "x->f", "x->g", "x->o"],
    "weight_hh_l0": ["h(t-1)->i", "h(t-1)->f", "h(t-1)->g", "h(t-1)->o"],
    "bias_ih_l0": ["i", "f", "g", "o"],
    "bias_hh_l0": ["i", "f", "g", "o"],
}
GRU = {
    "weight_ih_l0": ["x->r", "x->z", "x->n"],
    "weight_hh_l0": ["h(t-1)->r", "h(t-1)->z", "h(t-1)->q"],
    "bias_ih_l0": ["r", "z", "n"],  # the candidate's two biases are apart: r multiplies only one
    "bias_hh_l0": ["r", "z", "q"],
}


def plain(layers):
    """W_c(l), W_r(l) and b(l) of a network of `layers` layers."""
    names = ["x", *(f"h{l}" for l in range(1, layers + 1))]
    found = {}
    for l, (below, own) in enumerate(zip(names, names[1:], strict=False)):
        found |= {f"weight_ih_l{l}": [f"{below}->{own}"], f"weight_hh_l{l}": [f"{own}(t-1)->{own}"]}
        found |= {f"bias_ih_l{l}": [own], f"bias_hh_l{l}": [own]}
    return found


def both_ways(layers):
    """The same for the forward and the backward net; either reads both of the layer below."""
    found, below = {}, ["x"]
    for l in range(layers):
        level = [f"h_{d}{l + 1}" if layers > 1 else f"h_{d}" for d in "fb"]
        for own, sign, reverse in zip(level, "-+", ("", "_reverse"), strict=True):
            found[f"weight_ih_l{l}{reverse}"] = [tuple(f"{source}->{own}" for source in below)]
            found[f"weight_hh_l{l}{reverse}"] = [f"{own}(t{sign}1)->{own}"]
            found |= {f"bias_{kind}_l{l}{reverse}": [own] for kind in ("ih", "hh")}
        below = level
    return found


CASES = [  # PyTorch's layer, its options, the column, its map, the nodes that hold h_n (and c_n)
    pytest.param("LSTM", {}, lstm(I, H, O), LSTM, [["h"], ["c"]], id="lstm"),
    pytest.param("GRU", {}, gru(I, H, O), GRU, [["h"]], id="gru"),
    pytest.param("RNN", {}, state_space(I, H, O), plain(1), [["h1"]], id="one layer"),
    pytest.param(
        "RNN", {"num_layers": 2}, state_space(I, H, O, layers=2), plain(2), [["h1", "h2"]],
        id="two layers",
    ),
    pytest.param(
        "RNN", {"num_layers": 2, "nonlinearity": "relu"},
        state_space(I, H, O, layers=2, activation="relu"), plain(2), [["h1", "h2"]], id="relu",
    ),
    pytest.param(
        "RNN", {"bidirectional": True}, bidirectional(I, H, O), both_ways(1), [["h_f", "h_b"]],
        id="bidirectional",
    ),
    pytest.param(
        "RNN", {"bidirectional": True, "num_layers": 2}, bidirectional(I, H, O, layers=2),
        both_ways(2), [["h_f1", "h_b1", "h_f2", "h_b2"]], id="bidirectional, two layers",
    ),
]  # fmt: skip
EVERY = pytest.mark.parametrize("kind, options, column, names, states", CASES)


def blocks(matrix, places):
    """The blocks of one of PyTorch's parameters, by their names in the column."""
    rows = np.split(matrix, len(places))
    for row, place in zip(rows, places, strict=True):
        if isinstance(place, str):
            yield place, row
        else:
            yield from zip(place, np.split(row, len(place), axis=1), strict=True)


def as_column(theirs, output, names, sources):
    """Arrays by the column's names, from arrays by PyTorch's: its two biases are summed."""
    found = {"bias.Y": output["bias"]}
    for name, places in names.items():
        kind = "bias" if name.startswith("bias") else "weight"
        for place, block in blocks(theirs[name], places):
            found[f"{kind}.{place}"] = found.get(f"{kind}.{place}", 0) + block
    for place, block in blocks(output["weight"], [tuple(f"{source}->Y" for source in sources)]):
        found[f"weight.{place}"] = block
    return found


def arrays(module, of=lambda p: p.detach().numpy()):
    return {name: of(parameter) for name, parameter in module.named_parameters()}


def run(kind, options, column, names, states, rng, given):
    """Both networks on the same data, walked back from a loss of outputs and last states.

    Returns ours, PyTorch's gradients of its layer and of its output layer, the nodes that Y reads,
    and all that needs no map: values and gradients of data and states as (ours, PyTorch's).
    """
    import torch

    theirs = getattr(torch.nn, kind)(I, H, dtype=torch.float64, **options)
    sources = states[0][-2:] if "bidirectional" in options else states[0][-1:]
    output = torch.nn.Linear(H * len(sources), O, dtype=torch.float64)
    ours = nn.ColumnNetwork(column, rng=rng)
    loaded = as_column(arrays(theirs), arrays(output), names, sources)
    ours.load_state_dict(loaded, strict=False)
    start = {n: rng.normal(size=(B if given else 1, H)) for level in states for n in level}
    if not given:
        for node, history in ours.history.items():
            history.update_(start[node])
    x, v = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))

    X = mt.tensor(x, requires_grad=True)
    histories = {n: mt.tensor(h[None], requires_grad=True) for n, h in start.items()}
    Y, last = ours(X, histories if given else None)
    w = {n: rng.normal(size=(B, H)) for n in last}
    ((Y * v).sum() + sum((last[n][0] * w[n]).sum() for n in last)).backward()

    x = torch.tensor(x, requires_grad=True)
    h_0 = {n: torch.tensor(h, requires_grad=True) for n, h in start.items()}
    stacked = tuple(torch.stack([h_0[n].expand(B, H) for n in level]) for level in states)
    hidden, final = theirs(x, stacked if kind == "LSTM" else stacked[0])
    final = torch.cat(final) if kind == "LSTM" else final
    final = dict(zip(sum(states, []), final, strict=True))
    expected = output(hidden)
    loss = (expected * torch.tensor(v)).sum()
    (loss + sum((final[n] * torch.tensor(w[n])).sum() for n in last)).backward()

    def grad(p):
        return p.grad.numpy()

    pairs = {"Y": (Y.data, expected.detach().numpy()), "x": (X.grad.data, grad(x))}
    pairs |= {f"last {n}": (last[n].data[0], final[n].detach().numpy()) for n in last}
    leaves = histories if given else ours.history
    pairs |= {f"initial {n}": (leaves[n].grad.data.squeeze(), grad(h_0[n]).squeeze()) for n in h_0}
    return ours, arrays(theirs, grad), arrays(output, grad), sources, pairs


@pytest.mark.torch
@pytest.mark.parametrize("given", [True, False], ids=["given", "learned"])
@EVERY
def test_outputs_states_and_gradients_are_pytorchs(
    kind, options, column, names, states, given, rng
):
    ours, theirs, output, sources, pairs = run(kind, options, column, names, states, rng, given)
    for name, places in names.items():  # either of two biases has the gradient of their sum
        part = ours.bias if name.startswith("bias") else ours.weight
        for place, expected in blocks(theirs[name], places):
            pairs[f"{name}: {place}"] = part[place].grad.data, expected
    for place, expected in blocks(output["weight"], [tuple(f"{n}->Y" for n in sources)]):
        pairs[place] = ours.weight[place].grad.data, expected
    pairs["bias of Y"] = ours.bias["Y"].grad.data, output["bias"]
    for name, (found, expected) in pairs.items():
        assert_allclose(found, expected, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.torch
@EVERY
def test_the_columns_have_pytorchs_parameters_and_no_others(kind, options, column, names, states):
    import torch

    theirs = getattr(torch.nn, kind)(I, H, **options)
    assert set(names) == {name for name, _ in theirs.named_parameters()}
    sources = states[0][-2:] if "bidirectional" in options else states[0][-1:]
    output = {"weight": np.zeros((O, H * len(sources))), "bias": np.zeros(O)}
    mapped = as_column(arrays(theirs), output, names, sources)
    histories = {f"history.{node}" for level in states for node in level}
    assert set(mapped) | histories == set(column.shapes)
    assert {n: a.shape for n, a in mapped.items()} == {n: column.shapes[n] for n in mapped}
