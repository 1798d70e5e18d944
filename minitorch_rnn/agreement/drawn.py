"""Columns drawn at random, so that agreement does not depend on the networks we thought of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import bptt
from minitorch_rnn.agreement.column_roads import Columns
from minitorch_rnn.agreement.networks import draw_histories, targets_for
from minitorch_rnn.agreement.report import Agreement
from minitorch_rnn.agreement.verification import verify
from minitorch_rnn.bptt.divergences import DIVERGENCES, Divergence, masked
from minitorch_rnn.column import (
    VARIANTS,
    Column,
    Edge,
    Input,
    Layer,
    Product,
    Truncation,
    Variant,
    chunked,
    per_loss_window,
    williams_peng,
)
from minitorch_rnn.column.validation import ACTIVATIONS, HISTORIES
from minitorch_rnn.nn import ColumnNetwork

# The maximum over time has a corner of its own at every tie.
_SMOOTH = [name for name in DIVERGENCES if name != "worst step"]


class Drawn(NamedTuple):
    """A network with data, all of it drawn: what `verify` takes."""

    network: ColumnNetwork
    x: dict[str, np.ndarray]
    D: np.ndarray
    divergence: Divergence
    histories: dict[str, np.ndarray]
    variant: Variant
    truncation: Truncation | None

    def learns(self) -> bool:
        """Whether the explicit road finds a parameter with a gradient."""
        subject = Columns(self.network, self.x, self.histories, self.variant, self.truncation)
        roads = subject.roads(masked(self.divergence, self.variant), self.D)
        found = roads["explicit"]()
        return any(found[name].any() for name in self.network.column.shapes)


def random_agreements(count: int, seed: int = 0) -> Iterator[tuple[Column, Agreement]]:
    """Draw columns, data, divergences, masks and truncations, and verify them."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        for _ in range(10):  # a network whose gradients are all 0 would prove little
            drawn = draw_data(draw_column(rng, f"random {number}"), rng)
            if drawn.learns():
                break
        network, x, D, divergence, histories, variant, truncation = drawn
        yield (
            network.column,
            verify(
                network,
                x,
                D,
                divergence,
                histories=histories,
                variant=variant,
                truncation=truncation,
            ),
        )


def draw_data(column: Column, rng: np.random.Generator) -> Drawn:
    """Parameters and data for a column, with a divergence, a variant and perhaps a truncation."""
    output = column.node[column.output]
    possible = [
        n for n in _SMOOTH if DIVERGENCES[n].takes == "series" or output.activation == "softmax"
    ]
    divergence = DIVERGENCES[str(rng.choice(possible))]
    T, B = int(rng.choice([1, 3, 5, 7, 8])), int(rng.integers(1, 3))
    # Masks leave little to compare, so most columns are without.
    name = "synchronous" if rng.random() < 0.5 else str(rng.choice(list(VARIANTS)))
    variant = VARIANTS[name](T)
    truncation = None
    if not column.backward and rng.random() < 0.3:
        truncation = _draw_truncation(rng)
    network = ColumnNetwork(column, dtype="float64", rng=rng)
    draw_histories(network, rng)
    for _ in range(10):  # away from the kinks of relu units, if they let us
        x = {n: rng.normal(size=(T, B, node.size)) for n, node in column.inputs.items()}
        given = {  # also in place of what is learned
            node.name: rng.normal(size=(sum(column.reach[node.name]), B, node.size))
            for node in column.nodes
            if node.history == "given" or (any(column.reach[node.name]) and rng.random() < 0.1)
        }
        trace = bptt.column.forward(column, network.state_dict(), x, given)
        relus = [trace.z[node.name] for node in column.nodes if node.activation == "relu"]
        if all(np.abs(z).min() > 0.02 for z in relus):
            break
    D = targets_for(divergence, (T, B, output.size), variant, rng)
    return Drawn(network, x, D, divergence, given, variant, truncation)


def draw_column(rng: np.random.Generator, name: str = "random") -> Column:
    """1–6 layers and products in blocks of one direction, joined by random edges.

    Within a block any node may read any other through time; between blocks edges lead one way, so
    that whatever is drawn can be computed.
    """
    n = int(rng.integers(1, 7))
    block = np.cumsum(rng.random(n) < 0.3)
    direction = rng.choice(["forward", "backward"], size=n + 1, p=[0.7, 0.3])
    names = [f"n{i}" for i in range(n)]
    inputs = [f"x{i}" for i in range(1 + int(rng.random() < 0.3))]
    size = {s: int(rng.integers(1, 4)) for s in inputs + names}
    edges: dict[tuple[str, str, int], Edge] = {}

    def join(source: str, target: str, delay: int) -> None:
        if (source, target, delay) not in edges:
            shape = (size[target], size[source])
            edges[source, target, delay] = Edge(
                source, target, delay, "blocked" if rng.random() < 0.15 else "full",
                **_draw_weight(rng, shape, list(edges.values()), size),
            )  # fmt: skip

    for i, target in enumerate(names):
        for _ in range(int(rng.integers(1, 4))):
            source = str(rng.choice(inputs + names[:i]))
            join(source, target, int(rng.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1])))
        for source in (s for k, s in enumerate(names) if block[k] == block[i]):
            if rng.random() < 0.3:
                join(source, target, int(rng.integers(1, 5)))
        if i and not any(s == names[i - 1] != n for s, n, _ in edges):
            join(names[i - 1], target, 0)  # what leads nowhere has no gradient
    read_later = {s for s, _, delay in edges if delay}
    nodes: list[Any] = []
    for s in inputs + names:
        history = str(rng.choice(HISTORIES)) if s in read_later else "zeros"
        if s in inputs:
            nodes.append(Input(s, size[s], history))
            continue
        f = str(rng.choice([f for f in ACTIVATIONS if f != "softmax" or size[s] > 1]))
        way = str(direction[block[names.index(s)]])
        if rng.random() < 0.2:
            nodes.append(Product(s, size[s], f, history, way))
        else:
            nodes.append(Layer(s, size[s], f, bool(rng.random() < 0.8), history, way))
    output = names[-1] if rng.random() < 0.8 else str(rng.choice(names))
    written = list(edges.values())  # in any order: what comes first is for the column to find out
    rng.shuffle(nodes)
    rng.shuffle(written)
    return Column(name, tuple(nodes), tuple(written), output)


def _draw_weight(
    rng: np.random.Generator, shape: tuple[int, int], edges: list[Edge], size: dict[str, int]
) -> dict[str, Any]:
    """Mostly learned; else fixed, a number or a matrix, or shared with an earlier edge."""
    choice = rng.random()
    if choice < 0.1 and shape[0] == shape[1]:
        return {"weight": float(rng.choice([1.0, -0.5, 0.8]))}
    if choice < 0.2:
        return {"weight": rng.normal(size=shape)}
    alike = [
        e
        for e in edges
        if isinstance(e.weight, str) and not e.shares and (size[e.target], size[e.source]) == shape
    ]
    if choice < 0.4 and alike:
        owner = alike[int(rng.integers(len(alike)))]
        return {"shares": owner.name}
    # Named here, so that a later edge can share it.
    return {"name": f"e{len(edges)}"}


def _draw_truncation(rng: np.random.Generator) -> Truncation:
    k = int(rng.integers(1, 5))
    return [chunked(k), per_loss_window(k - 1), williams_peng(k + int(rng.integers(3)), k)][
        int(rng.integers(3))
    ]
