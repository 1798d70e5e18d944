"""The networks on which agreement is certified: those that `minitorch-rnn check` runs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from minitorch_rnn import bptt
from minitorch_rnn.agreement.report import Agreement
from minitorch_rnn.agreement.verification import verify
from minitorch_rnn.bptt.divergences import DIVERGENCES, Divergence
from minitorch_rnn.column import (
    NETWORKS,
    VARIANTS,
    Column,
    Variant,
    bidirectional,
    jordan,
    phases,
)
from minitorch_rnn.engine import Tensor
from minitorch_rnn.nn import GRU, LSTM, RNN, ColumnNetwork, RecurrentNetwork

# All sizes differ, so that no axis can pass for another.
T, B, I, H, O = 4, 2, 5, 3, 6

_FORCED = "-forced"


def _columns() -> dict[str, Callable[..., Column]]:
    """Every network of the lecture by name, and those with output feedback teacher-forced too."""
    found: dict[str, Callable[..., Column]] = dict(NETWORKS)
    found["jordan-average"] = functools.partial(jordan, average=True)
    found["bidirectional-2"] = functools.partial(bidirectional, layers=2)

    for name, network in list(found.items()):
        if network(I, H, O).feedback:
            found[name + _FORCED] = _teacher_forced(network)
    return found


def _teacher_forced(network: Callable[..., Column]) -> Callable[..., Column]:
    """The network with the target fed back; it takes the same sizes and options."""

    @functools.wraps(network)
    def forced(*sizes: int, **options: Any) -> Column:
        return network(*sizes, **options).teacher_forced()

    return forced


COLUMNS = _columns()


def layers(seed: int = 0) -> Iterator[Agreement]:
    """Agreements for RNNs, tanh and relu, LSTMs and GRUs of 1–3 layers, with and without bias.

    RNNs have an output layer; of bidirectional layers there are 1–2 of each kind. All are verified
    under a divergence that is a sum over time and under one that is not.
    """
    pairs = {True: (("cross-entropy", "softmax"), ("squared total", "identity")),
             False: (("squared error", "identity"), ("soft worst step", "softmax"))}  # fmt: skip
    rng = np.random.default_rng(seed)
    for L, f, bias in itertools.product((1, 2, 3), ("tanh", "relu"), (True, False)):
        for divergence, output in pairs[bias]:
            network = RecurrentNetwork(
                I, H, O, output, num_layers=L, nonlinearity=f, bias=bias, dtype="float64", rng=rng
            )
            while True:
                x, h_0 = rng.normal(size=(T, B, I)), rng.normal(size=(L, B, H))
                if f == "tanh" or _distance_to_kink(network, x, h_0) > 0.05:
                    break
            D = rng.dirichlet(np.ones(O), size=(T, B))
            yield verify(network, x, D, divergence, h_0)
    gated = itertools.product((LSTM, GRU), (1, 2, 3), (True, False), (False,))
    both_ways = itertools.product((RNN, LSTM, GRU), (1, 2), (True,), (True,))
    for make, L, bias, both in (*gated, *both_ways):
        for divergence in ("squared error", "soft worst step"):
            yield _of_layer(
                make(I, H, L, bias=bias, bidirectional=both, dtype="float64", rng=rng),
                divergence,
                rng,
            )


def _of_layer(layer: Any, divergence: str, rng: np.random.Generator) -> Agreement:
    """The agreement of recurrent layers on data that are drawn."""
    x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, layer.output_size))
    shape = (layer.num_states, B, H)
    return verify(layer, x, D, divergence, tuple(rng.normal(size=shape) for _ in layer.cell.states))


def columns(
    column: Callable[..., Column] | Column,
    seed: int = 0,
    divergences: Iterable[str] | None = None,
    variants: Iterable[str] | None = None,
) -> Iterator[Agreement]:
    """Agreements of one network: every divergence that its output can take × every variant.

    Args:
        column: one of `COLUMNS`, which is given an output that the divergence can take, or a
            column, which is verified under those divergences that can take its output.
        seed: draws parameters and data; each cell has a stream of its own, to be repeated alone.
        divergences, variants: their names; None is all.
    """
    for chosen, variant in itertools.product(divergences or DIVERGENCES, variants or VARIANTS):
        divergence = DIVERGENCES[chosen]
        output = "identity" if divergence.takes == "series" else "softmax"
        if not isinstance(column, Column):
            made = column(I, H, O, output_activation=output)
        elif output == "softmax" != column.node[column.output].activation:
            continue
        else:
            made = column
        stream = f"{made.name} {chosen} {variant}".encode(errors="surrogatepass")
        rng = np.random.default_rng([seed, *stream])
        phased = not isinstance(column, Column) and "phase" in made.inputs and variant == "delayed"
        yield _of_column(made, divergence, VARIANTS[variant](T), rng, phased)


def _of_column(
    column: Column,
    divergence: Divergence,
    variant: Variant,
    rng: np.random.Generator,
    phased: bool,
) -> Agreement:
    """The agreement of one column on data that are drawn; the encoder–decoder's phases are not."""
    network = ColumnNetwork(column, dtype="float64", rng=rng)
    draw_histories(network, rng)
    x = {n: rng.normal(size=(T, B, node.size)) for n, node in column.inputs.items()}
    if phased:
        x["phase"] = np.array(phases(variant, B))
    D = targets_for(divergence, (T, B, column.node[column.output].size), variant, rng)
    return verify(network, x, D, divergence, variant=variant)


def draw_histories(network: ColumnNetwork, rng: np.random.Generator, scale: float = 1.0) -> None:
    """Learned histories start at 0, where some mistakes cannot be seen; draw them."""
    for history in network.history.values():
        values = rng.normal(scale=scale, size=history.shape)
        history.update_(Tensor(values, backend=history.backend))


def targets_for(
    divergence: Divergence, shape: tuple[int, int, int], variant: Variant, rng: np.random.Generator
) -> np.ndarray:
    """Targets of the kind that the divergence takes."""
    T, B, O = shape
    if divergence.takes == "labels":
        columns = sum(variant.outputs)
        labels = np.zeros((max(1, (columns + 1) // 2), B), int)  # 0 pads at the end
        for b in range(B):  # with repetitions, between each of which a blank must find its place
            n = int(rng.integers(1, len(labels) + 1))
            labels[:n, b] = rng.integers(1, O, size=n)
        return labels
    if divergence.takes == "distributions":
        return rng.dirichlet(np.ones(O), size=(T, B))
    return rng.normal(size=(T if divergence.aligned else max(T - 1, 1), B, O))


def _distance_to_kink(network: RecurrentNetwork, x: np.ndarray, h_0: np.ndarray) -> float:
    """The smallest |z(t,l)|: differences are drawn again rather than asked for less nearby."""
    params = bptt.names.from_torch(network.state_dict())
    f = network.rnn.nonlinearity
    return min(
        float(np.abs(z).min())
        for b in range(x.shape[1])
        for z in bptt.forward(
            params, x[:, b], {l + 1: h[b] for l, h in enumerate(h_0)}, f
        ).z.values()
    )
