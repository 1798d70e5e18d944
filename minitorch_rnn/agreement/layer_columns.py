"""Recurrent layers as a column: nn.RNN, LSTM and GRU out of nodes and edges, with every parameter.

A column has a node for every gate where a layer has rows of one matrix, an edge for each direction
of the layer below where a layer has columns of it, and one bias where a layer has two. Only the
candidate of the GRU keeps its two biases apart, in n and q = R_n h(t-1) + b_hn.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.agreement.report import VALUE
from minitorch_rnn.agreement.roads import Arrays
from minitorch_rnn.column import Column, Edge, Input, Layer, gru, lstm, state_space
from minitorch_rnn.nn import GRU, LSTM, RNN


class Like(NamedTuple):
    """A cell as a column.

    Attributes:
        made: (I, H, O) makes the column of one layer, with inputs x and outputs Y.
        of_x, of_h: the nodes that x and h(t-1) enter, in the order of the rows of the weights.
        states: the nodes that h, and of an LSTM c, are.
    """

    made: Callable[..., Column]
    of_x: Sequence[str]
    of_h: Sequence[str]
    states: Sequence[str]


CELLS = {
    "gru": Like(gru, "rzn", "rzq", "h"),
    "lstm": Like(lstm, "ifgo", "ifgo", "hc"),
    "relu": Like(functools.partial(state_space, activation="relu"), ["h1"], ["h1"], ["h1"]),
    "tanh": Like(state_space, ["h1"], ["h1"], ["h1"]),
}


class LayerColumn(NamedTuple):
    """Layers as a column.

    Attributes:
        column: the network.
        places: by parameter of the layers the names of the column's that it is made of: a list side
            by side, or a list of such rows.
        states: by name, "h" and of an LSTM "c", the nodes in the order of h_0.
    """

    column: Column
    places: dict[str, list[Any]]
    states: dict[str, list[str]]

    def parameters(self, arrays: Arrays) -> Arrays:
        """The column's parameters; two that are in the same place are added."""
        found: Arrays = {}
        for name, place in self.places.items():
            for own, part in _parts(place, arrays[name]):
                found[own] = found.get(own, 0) + part
        return found

    def gradients(self, found: Arrays) -> Arrays:
        """Those of the layers, and the outputs and x, out of what a road of the column found."""
        named = {name: found[name] for name in (VALUE, "x") if name in found}
        named |= {name: np.block(_looked_up(place, found)) for name, place in self.places.items()}
        for name, nodes in self.states.items():
            if given := [found[g] for n in nodes if (g := f"given.{n}") in found]:
                named[f"{name}_0"] = np.concatenate(given)
        return named


def column_of(rnn: RNN | LSTM | GRU, output: Layer | None, learned: bool) -> LayerColumn:
    """The column of layers, which may be bidirectional, and of the output layer above them.

    The parameters are named as those of a `RecurrentNetwork` if there is an output layer. Initial
    states are given, or learned.
    """
    nodes: list[Any] = [Input("x", rnn.input_size)]
    edges: list[Edge] = []
    places: dict[str, list[Any]] = {}
    states: dict[str, list[str]] = {name: [] for name in rnn.cell.states}
    below = ["x"]
    for l in range(rnn.num_layers):
        made = [_net(rnn, l, way, below, learned) for way in _WAYS[: rnn.num_directions]]
        for net in made:
            nodes += net.nodes
            edges += net.edges
            places |= net.places
            for name, node in zip(states, net.states, strict=True):
                states[name].append(node)
        below = [net.states[0] for net in made]
    if learned:
        places |= {f"{s}_0": [[f"history.{n}"] for n in names] for s, names in states.items()}
    if output is not None:
        places = {f"rnn.{name}": place for name, place in places.items()}
        places["output.weight"] = [[_weight(s, output.name) for s in below]]
        if output.bias:
            places["output.bias"] = [f"bias.{output.name}"]
        edges += [_link(s, output.name) for s in below]
    elif len(below) > 1:  # both directions side by side
        output = Layer("Y", rnn.output_size, "identity", bias=False)
        parts = np.split(np.eye(output.size), len(below), axis=1)
        edges += [_link(s, output.name, weight=M) for s, M in zip(below, parts, strict=True)]
    if output is not None:
        nodes.append(output)
        below = [output.name]
    return LayerColumn(Column(rnn.mode, tuple(nodes), tuple(edges), below[0]), places, states)


_WAYS = (("forward", ""), ("backward", "_reverse"))


class _Net(NamedTuple):
    """One layer in one direction, as a part of a column."""

    nodes: list[Any]
    edges: list[Edge]
    places: dict[str, list[Any]]
    states: list[str]


def _net(rnn: Any, l: int, way: tuple[str, str], below: list[str], learned: bool) -> _Net:
    like, direction, suffix = CELLS[rnn.mode], way[0], f"_l{l}{way[1]}"
    one: Any = like.made(1, rnn.hidden_size, 1)
    nodes: list[Any] = []
    for node in one.nodes:
        if node.name in ("x", one.output):
            continue
        history = ("learned" if learned else "given") if node.name in like.states else "zeros"
        node = dataclasses.replace(
            node, name=node.name + suffix, history=history, direction=direction
        )
        if isinstance(node, Layer) and not rnn.bias:
            node = dataclasses.replace(node, bias=False)
        nodes.append(node)
    edges = [
        _link(source, e.target + suffix, e.delay, e.weight)
        for e in one.edges
        if e.target != one.output
        for source in (below if e.source == "x" else [e.source + suffix])
    ]
    of_x, of_h, states = (
        [name + suffix for name in names] for names in (like.of_x, like.of_h, like.states)
    )
    places: dict[str, list[Any]] = {
        f"weight_ih{suffix}": [[_weight(source, gate) for source in below] for gate in of_x],
        f"weight_hh{suffix}": [[_weight(states[0], gate)] for gate in of_h],
    }
    if rnn.bias:
        places[f"bias_ih{suffix}"] = [f"bias.{gate}" for gate in of_x]
        places[f"bias_hh{suffix}"] = [f"bias.{gate}" for gate in of_h]
    return _Net(nodes, edges, places, states)


def _link(source: str, target: str, delay: int = 0, weight: Any = "learned") -> Edge:
    return Edge(source, target, delay, weight=weight, name=f"{source}->{target}")


def _weight(source: str, target: str) -> str:
    return f"weight.{_link(source, target).name}"


def _parts(place: list[Any], array: Any) -> list[tuple[str, Any]]:
    """The names of a place with the equal parts of an array that stand there."""
    if isinstance(place[0], str):
        return list(zip(place, np.split(array, len(place), axis=-1), strict=True))
    rows = np.split(array, len(place))
    return [part for names, row in zip(place, rows, strict=True) for part in _parts(names, row)]


def _looked_up(place: Any, found: Arrays) -> Any:
    return found[place] if isinstance(place, str) else [_looked_up(p, found) for p in place]
