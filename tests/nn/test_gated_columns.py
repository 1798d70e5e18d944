"""nn.LSTM and nn.GRU are the columns of that name: their explicit BPTT gives the same gradients.

The column has a node for every gate where the layer has rows of one matrix, and one bias where the
layer has two. Only the candidate of the GRU keeps its two biases apart, in n and q = R_n h(t-1) +
b_hn, for the reset gate multiplies q alone: the convention of either.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import bptt, column, nn

T, B, I, H, O = 5, 3, 4, 6, 2
KINDS = {  # layer, column, the nodes that x enters and those that h(t-1) enters, nodes of state
    "LSTM": (nn.LSTM, column.lstm, "ifgo", "ifgo", "hc"),
    "GRU": (nn.GRU, column.gru, "rzn", "rzq", "h"),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


class Case:
    """A layer under a linear readout, the column, and its parameters: the same network twice."""

    def __init__(self, kind, rng):
        make, like, of_x, of_h, self.states = KINDS[kind]
        self.layer, self.readout = make(I, H, rng=rng), nn.Linear(H, O, rng=rng)
        self.column = like(I, H, O)
        self.places = {  # where the rows of the layer's parameters are in the column, in order
            "weight_ih_l0": [f"weight.x->{gate}" for gate in of_x],
            "weight_hh_l0": [f"weight.h(t-1)->{gate}" for gate in of_h],
            "bias_ih_l0": [f"bias.{gate}" for gate in of_x],
            "bias_hh_l0": [f"bias.{gate}" for gate in of_h],
        }
        self.params = {"weight.h->Y": self.readout.weight.data, "bias.Y": self.readout.bias.data}
        for name, nodes in self.places.items():
            for node, rows in zip(
                nodes, np.split(getattr(self.layer, name).data, len(nodes)), strict=True
            ):
                self.params[node] = self.params.get(node, 0) + rows
        self.params |= {f"history.{name}": np.zeros((1, H)) for name in self.states}
        self.x, self.dY = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))
        self.start = {name: rng.normal(size=(1, B, H)) for name in self.states}

    def run(self):
        """The layer, unrolled in the graph: its leaves, Y, and all its states."""
        leaves = {"x": self.x} | self.start
        leaves = {name: mt.tensor(a, requires_grad=True) for name, a in leaves.items()}
        state = [leaves[name] for name in self.states]
        run = self.layer.unroll(leaves["x"], tuple(state) if len(state) > 1 else state[0])
        return leaves, self.readout(run.output), run


@every_kind
def test_outputs_and_states_are_those_of_the_column(kind, rng):
    case = Case(kind, rng)
    _, Y, run = case.run()
    trace = bptt.column.forward(case.column, case.params, case.x, case.start)
    assert_allclose(Y.data, trace.Y, rtol=1e-12)
    for name in case.states:
        found = [state.data for state in run.states[name][0]]
        assert_allclose(found, trace.a[name][1:], rtol=1e-12, atol=1e-15)


@every_kind
def test_gradients_are_those_of_the_explicit_bptt(kind, rng):
    case = Case(kind, rng)
    leaves, Y, run = case.run()
    run.retain_grad()
    (Y * case.dY).sum().backward()
    trace = bptt.column.forward(case.column, case.params, case.x, case.start)
    slides = bptt.column.backward(case.column, case.params, trace, case.dY)

    pairs = {"x": (leaves["x"].grad.data, slides.da["x"])}
    for name in case.states:
        pairs[f"initial {name}"] = leaves[name].grad.data, slides.histories[name]
        total = [state.grad.data for state in run.states[name][0]]
        pairs[f"total of {name}"] = total, slides.da[name]
    for name, nodes in case.places.items():  # either of two biases has the gradient of their sum
        grad = getattr(case.layer, name).grad.data
        pairs[name] = grad, np.concatenate([slides.parameters[node] for node in nodes])
    pairs["W_o"] = case.readout.weight.grad.data, slides.parameters["weight.h->Y"]
    pairs["b_o"] = case.readout.bias.grad.data, slides.parameters["bias.Y"]
    for name, (found, expected) in pairs.items():
        assert_allclose(found, expected, rtol=1e-10, atol=1e-12, err_msg=name)


@every_kind
def test_the_column_in_the_graph_is_the_same_network(kind, rng):
    case = Case(kind, rng)
    network = nn.ColumnNetwork(case.column).load_state_dict(case.params)
    leaves, Y, _ = case.run()
    x = mt.tensor(case.x, requires_grad=True)
    histories = {n: mt.tensor(a, requires_grad=True) for n, a in case.start.items()}
    expected, _ = network(x, histories)
    assert_allclose(Y.data, expected.data, rtol=1e-12)
    (Y * case.dY).sum().backward()
    (expected * case.dY).sum().backward()
    pairs = {"x": (leaves["x"], x)} | {n: (leaves[n], histories[n]) for n in histories}
    for name, nodes in case.places.items():
        own = getattr(case.layer, name)
        kind_of = network.bias if name.startswith("bias") else network.weight
        for node, rows in zip(nodes, np.split(own.grad.data, len(nodes)), strict=True):
            other = kind_of[node.partition(".")[2]]
            assert_allclose(rows, other.grad.data, rtol=1e-10, atol=1e-12, err_msg=node)
    for name, (mine, other) in pairs.items():
        assert_allclose(mine.grad.data, other.grad.data, rtol=1e-10, atol=1e-12, err_msg=name)


@every_kind
def test_every_parameter_has_its_place(kind, rng):
    case = Case(kind, rng)
    assert set(case.places) == {name for name, _ in case.layer.named_parameters()}
    assert {n: a.shape for n, a in case.params.items()} == dict(case.column.shapes)
