"""`verify` of RNN, LSTM and GRU layers: the fast road, the layers as columns, slips in both."""

import inspect
import json
import re
import types

import numpy as np
import pytest
from recurrent_layers import CELLS, layer, started

import minitorch_rnn as mt
from minitorch_rnn.agreement import layer_columns
from minitorch_rnn.nn import kernels, passes, recurrent, scan

T, B, I, H = 5, 3, 3, 3  # H = I, so that slips which mix up layers still have shapes that fit
LAYERS = {  # options of a layer, and sequences in the batch
    "one layer": ({}, B),
    "one sequence": ({"num_layers": 2}, 1),
    "three layers": ({"num_layers": 3}, B),
    "no bias": ({"num_layers": 2, "bias": False}, B),
    "bidirectional": ({"num_layers": 2, "bidirectional": True}, B),
    "batch first": ({"batch_first": True, "bidirectional": True}, B),
    "float32": ({"num_layers": 2, "dtype": "float32"}, B),
}
every_kind = pytest.mark.parametrize("kind", CELLS)


def agreement(network, rng, divergence="squared total", h_0=None, T=T, B=B):
    x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, network.output_size))
    return mt.verify(network, x, D, divergence, h_0)


def disagreeing(found):
    """The roads that differ from the graph anywhere."""
    return {
        road
        for roads in found.digits.values()
        for road, digits in roads.items()
        if digits < found.required[road]
    }


def test_a_bidirectional_network_with_an_output_layer_agrees(rng):
    network = mt.nn.RecurrentNetwork(I, H, 2, bidirectional=True, num_layers=2, rng=rng)
    x, D = rng.normal(size=(T, B, I)), rng.dirichlet((1, 1), size=(T, B))
    found = mt.verify(network, x, D, "cross-entropy")
    assert found, str(found)
    assert network.output.weight.shape == (2, 2 * H)


@every_kind
@pytest.mark.parametrize("options", LAYERS)
def test_layers_agree_on_every_road_and_every_backend(kind, options, backend, rng):
    options, batch = LAYERS[options]
    network = layer(kind, I, H, rng=rng, **options)
    found = agreement(network, rng, B=batch)
    assert {p.backend for p in network.parameters()} == {backend}
    assert found, str(found)
    assert min(found.digits["x"].values()) > (4 if "dtype" in options else 6)
    for quantity, roads in found.digits.items():
        assert {"scan", "explicit"} <= set(roads), quantity
    simple = kind in ("tanh", "relu")
    assert ("slides" in found.digits["x"]) == (simple and "bidirectional" not in options)
    assert ("c_0" in found.digits) == (kind == "LSTM")


@every_kind
@pytest.mark.parametrize("both", [False, True])
def test_a_learned_state_is_a_parameter_and_a_given_one_takes_its_place(kind, both, rng):
    network = started(kind, I, H, 2, bidirectional=both, rng=rng)
    found = agreement(network, rng)
    assert found, str(found)
    roads = {"scan", "explicit", "complex step", "differences"}
    states = [f"{name}_0" for name in network.cell.states]
    assert all(roads <= set(found.digits[name]) for name in states)
    assert ("rtrl" in found.digits["h_0"]) != both
    given = tuple(rng.normal(size=(network.num_states, B, H)) for _ in states)
    other = agreement(network, rng, h_0=given if len(given) > 1 else given[0])
    assert other, str(other)
    assert "rtrl" not in other.digits["h_0"]  # a state of every sequence, and no parameter


@every_kind
def test_a_sequence_in_many_blocks_agrees(kind, rng, monkeypatch):
    blocked(passes, monkeypatch)
    found = agreement(layer(kind, I, H, 2, rng=rng), rng, T=7)
    assert found, str(found)


def test_each_road_is_run_whatever_the_network_is_set_to(rng, monkeypatch):
    ran = []

    def noted(run, *given):
        ran.append(run.mode)
        return scan.scan(run, *given)

    monkeypatch.setattr(recurrent, "scan", noted)
    for road in ("scan", "graph"):
        network = mt.nn.LSTM(I, H, 2, bidirectional=True, road=road, rng=rng)
        before = network.state_dict()
        assert agreement(network, rng)
        assert network.road == road and all(p.grad is None for p in network.parameters())
        assert all((before[n] == a).all() for n, a in network.state_dict().items())
    assert ran == ["lstm"] * 8  # layers, directions, networks; the graph scans nothing


def test_one_step_is_not_scanned_and_the_reason_is_told(rng):
    found = agreement(mt.nn.GRU(I, H, rng=rng), rng, T=1)
    assert found and "scan" not in found.digits["x"]
    assert "scan skipped: nothing is scanned that has one step" in str(found)


def test_tables_and_rows_hold_the_fast_road(rng):
    found = agreement(mt.nn.GRU(I, H, rng=rng), rng)
    lines = str(found).splitlines()
    assert lines[0] == "GRU, 1 layer, squared total: digits of agreement with the graph"
    assert lines[1].split()[:2] == ["scan", "explicit"]
    table = [line for line in lines[1:] if "skipped" not in line]
    ends = [[m.end() for m in re.finditer(r"\S+", line)] for line in table]
    assert all(set(places[1:]) <= set(ends[0]) for places in ends)  # below their heads
    rows = {row["quantity"]: row for row in json.loads(found.to_json())}
    assert rows["weight_hh_l0"]["digits"]["scan"] > 12


def test_no_table_of_layers_is_wider_than_a_terminal(rng):
    network = mt.nn.LSTM(I, H, 2, bidirectional=True, rng=rng)
    for made in (network, mt.nn.RNN(I, H, 2, rng=rng)):
        assert max(map(len, str(agreement(made, rng)).splitlines())) <= 79


# Seeded slips. In the source of the fast road: what stands there, what a slip makes of it, and a
# kind of layer that must show it.

KERNEL_SLIPS = {
    "tanh takes 1 - y": ("multiply(h, h, slope)", "copyto(slope, h)", "tanh"),
    "relu lets everything through": ("less_equal(h, 0, slope)", "less(h, 0, slope)", "relu"),
    "the cell is not carried back": ("add(later, from_h, dc)", "add(0, from_h, dc)", "LSTM"),
    "the cell starts at 0": ("gc[0, 1] = c", "gc[0, 1] = 0", "LSTM"),
    "the input gate has the wrong sign": ("xp.negative(slopes[:, 1], slopes[:, 1])", "...", "LSTM"),
    "the forget gate lets the slope of the input gate through": (
        "slopes[:, 0] = sigmoid[:, 1]", "slopes[:, 0] = sigmoid[:, 0]", "LSTM"),
    "nothing passes the gates of the GRU": ("add(out, later, dh)", "add(out, 0, dh)", "GRU"),
    "the gates are rolled too far": (
        "Kernel(3, -1, 1, 5, 1, 0, 1,", "Kernel(3, -1, 1, 5, 1, 0, 2,", "GRU"),
    "the inner bias is forgotten": (
        "bias[...] = 0 if bias_hh is None else bias_hh[2 * R[-1] :]", "bias[...] = 0", "GRU"),
    "the reset gate sees z for r": ("slopes[:, 0] = sigmoid[:, 0]", "slopes[:, 0] = sigmoid[:, 1]",
                                    "GRU"),
}  # fmt: skip

PASS_SLIPS = {
    "W_hh sees h(t) for h(t-1)": ("kept.h[lo:hi]", "kept.h[lo + 1 : hi + 1]"),
    "the second bias is forgotten": ("bias[:outer] += bias_hh[:outer]", "pass"),
    "nothing flows back over the end of a block": (
        "block.begin(n, *carried)", "block.begin(n, *[0 * c for c in carried])"),
    "the weights see one block only": ("weight if self.weight is None", "weight if True"),
    "the biases see one block only": ("bias if self.bias is None", "bias if True"),
    "blocks begin at the first state": ("hs[lo : lo + n]", "hs[:n]"),
    "the initial state has the gradient of the last": ("first = [c.", "first = [0 * c."),
}  # fmt: skip


def blocked(module, monkeypatch):
    """Two time steps to a block of the passes."""
    monkeypatch.setattr(module, "_FORWARD_ROWS", 2 * B)
    monkeypatch.setattr(module, "_BACKWARD_ROWS", 2 * B)


def slipped(module, right, wrong):
    """A module like another one, but for a line."""
    source = inspect.getsource(module)
    assert source.count(right) == 1, "the line has changed; change the slip too"
    made = types.ModuleType(module.__name__)
    exec(source.replace(right, wrong), vars(made))
    return made


@pytest.mark.parametrize("slip", KERNEL_SLIPS)
def test_a_slip_in_a_kernel_shows_in_the_column_of_scan_alone(slip, rng, monkeypatch):
    right, wrong, kind = KERNEL_SLIPS[slip]
    network = layer(kind, I, H, 2, rng=rng)
    mode = network.mode
    monkeypatch.setitem(kernels.KERNELS, mode, slipped(kernels, right, wrong).KERNELS[mode])
    found = agreement(network, rng)
    assert not found and disagreeing(found) == {"scan"}, str(found)


@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU"])
@pytest.mark.parametrize("slip", PASS_SLIPS)
def test_a_slip_in_the_passes_shows_in_the_column_of_scan_alone(slip, kind, rng, monkeypatch):
    wrong = slipped(passes, *PASS_SLIPS[slip])
    blocked(wrong, monkeypatch)
    monkeypatch.setattr(scan, "passes", wrong)
    found = agreement(layer(kind, I, H, 2, rng=rng), rng)
    assert not found and disagreeing(found) == {"scan"}, str(found)
    assert "DISAGREES" in str(found) and not all(row["agrees"] for row in found.rows())


@every_kind
def test_a_reverse_direction_that_runs_forward_is_caught(kind, rng, monkeypatch):
    monkeypatch.setattr(scan.Run, "turned", lambda run, x: x)
    found = agreement(layer(kind, I, H, bidirectional=True, rng=rng), rng)
    assert disagreeing(found) == {"scan"}


@pytest.mark.parametrize("kind, of_x", [("lstm", "igfo"), ("gru", "zrn")])
def test_gates_in_another_order_are_no_column_of_the_layer(kind, of_x, rng, monkeypatch):
    wrong = layer_columns.CELLS[kind]._replace(of_x=of_x)
    monkeypatch.setitem(layer_columns.CELLS, kind, wrong)
    found = agreement(layer(kind.upper(), I, H, rng=rng), rng)
    assert {"explicit", "complex step", "differences", "rtrl"} <= disagreeing(found)
    assert not disagreeing(found) & {"scan", "torch"}


WRONG = {
    "a projection": (lambda: mt.nn.LSTM(I, H, proj_size=2), None, TypeError, "proj_size=2"),
    "dropout": (
        lambda: mt.nn.GRU(I, H, 2, dropout=0.5), None, TypeError, "verify network.eval()"),
    "one state for two": (
        lambda: mt.nn.LSTM(I, H), np.ones((1, B, H)), mt.errors.ShapeError,
        "the tuple h_0, c_0|holds 1"),
    "two states for one": (
        lambda: mt.nn.GRU(I, H), (np.ones((1, B, H)),) * 2, mt.errors.ShapeError, "holds 2"),
    "a state of one direction": (
        lambda: mt.nn.GRU(I, H, bidirectional=True), np.ones((1, B, H)), mt.errors.ShapeError,
        "h_0 has shape (1, 3, 3)|need (2, 3, 3)"),
    "a layer that recurs not": (lambda: mt.nn.Linear(I, H), None, TypeError, "RNN, LSTM or GRU"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_verified_is_told(what):
    make, h_0, error, parts = WRONG[what]
    with pytest.raises(error) as caught:
        mt.verify(make(), np.ones((T, B, I)), np.ones((T, B, H)), "squared error", h_0)
    assert [part for part in parts.split("|") if part not in str(caught.value)] == []


def test_dropout_that_is_switched_off_is_verified(rng):
    assert agreement(mt.nn.LSTM(I, H, 2, dropout=0.5, rng=rng).eval(), rng)
