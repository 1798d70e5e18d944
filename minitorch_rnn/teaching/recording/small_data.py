"""Small data that can be followed by hand, drawn with few decimals; and what is too much of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn.agreement.networks import draw_histories, targets_for
from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.column import VARIANTS, Column, phases
from minitorch_rnn.column.data import named_inputs
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import ColumnError, DataError
from minitorch_rnn.nn import ColumnNetwork
from minitorch_rnn.teaching.recording.rounded import plain

MOST = 400_000  # numbers that a recording may hold: a page of about 8 MB


def drawn_network(column: Column, seed: int) -> ColumnNetwork:
    """A network with parameters of two decimals, histories among them, none of them hidden by 0.

    >>> from minitorch_rnn.column import elman
    >>> drawn_network(elman(1, 1, 1), 0).weight["x->h"].item()
    0.19
    """
    rng = np.random.default_rng(seed)
    network = ColumnNetwork(column, dtype="float64", rng=rng)
    draw_histories(network, rng, scale=0.5)
    for parameter in network.parameters():
        values = np.round(plain(parameter), 2)
        parameter.update_(Tensor(values, parameter.dtype, backend=parameter.backend))
    return network


def drawn_inputs(column: Column, T: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Inputs of one sequence with one decimal; an encoder–decoder reads first and then writes.

    >>> from minitorch_rnn.column import elman
    >>> drawn_inputs(elman(2, 3, 1), 1, np.random.default_rng(0))["x"]
    array([[[ 0.1, -0.1]]])
    """
    found = {
        n: np.round(rng.normal(size=(T, 1, node.size)), 1) for n, node in column.inputs.items()
    }
    if column.name.startswith("encoder-decoder") and "phase" in found and T > 1:
        found["phase"] = np.array(phases(VARIANTS["delayed"](T), 1), float)
    return found


def drawn_histories(column: Column, x: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A history with one decimal for every node whose history is to be given.

    >>> from minitorch_rnn.column import elman
    >>> column = elman(2, 3, 1, history="given")
    >>> drawn_histories(column, np.ones((4, 5, 2)), np.random.default_rng(0))["h"].shape
    (1, 5, 3)
    """
    first, *_ = named_inputs(column, "record", x).values()
    lead = plain(first).shape[1:-1]
    return {
        node.name: np.round(rng.normal(size=(sum(column.reach[node.name]), *lead, node.size)), 1)
        for node in column.nodes
        if node.history == "given"
    }


def drawn_targets(
    column: Column, divergence: Divergence, T: int, B: int, rng: np.random.Generator
) -> np.ndarray:
    """Targets of the kind that the divergence takes.

    >>> from minitorch_rnn.bptt.divergences import CTC
    >>> from minitorch_rnn.column import elman
    >>> drawn_targets(elman(2, 3, 4), CTC, 2, 1, np.random.default_rng(0)).dtype.kind
    'i'
    """
    every = VARIANTS["synchronous"](T)
    D = targets_for(divergence, (T, B, column.node[column.output].size), every, rng)
    if divergence.takes == "labels":
        return D
    if divergence.takes == "distributions":
        D = np.round(D, 2)
        D[..., -1] += 1 - D.sum(axis=-1)  # what rounding took or gave
        return np.round(D, 2)
    return np.round(D, 1)


def check_output(column: Column, divergence: Divergence) -> None:
    """That the outputs are distributions where the divergence needs them.

    Raises:
        ColumnError: if they are not.

    >>> from minitorch_rnn.bptt.divergences import SQUARED
    >>> from minitorch_rnn.column import elman
    >>> check_output(elman(2, 3, 1), SQUARED)
    """
    f = column.node[column.output].activation
    if divergence.takes != "series" and f != "softmax":
        f = f if isinstance(f, str) else f.name
        raise ColumnError(
            f"explain: {divergence.name} needs outputs that are distributions, and {column.name} "
            f"ends in {f!r}; give it output_activation=softmax."
        )


def check_size(column: Column, T: int, B: int, U: int, divergence: Divergence) -> None:
    """That a recording of this size makes a page that a browser can show.

    Raises:
        DataError: if it would not, with what to reduce.

    >>> from minitorch_rnn.bptt.divergences import SQUARED
    >>> from minitorch_rnn.column import elman
    >>> check_size(elman(2, 3, 1), 100, 1, 100, SQUARED)
    """
    size = {n: node.size for n, node in column.node.items()}
    each = sum(
        6 * size[e.source] * size[e.target] + 8 * B * (size[e.source] + size[e.target]) + 100
        for e in column.edges
    )
    cells = T * (T if divergence.aligned else U) if not divergence.aligned else T
    count = T * each + cells * 60 * B
    if count > MOST:
        weights = sum(size[e.source] * size[e.target] for e in column.edges)
        raise DataError(
            f"explain: {T:,} time steps of {B:,} sequences through {len(column.edges)} links with "
            f"{weights:,} weights make about {count:,} numbers, and a page holds {MOST:,}. Take "
            "fewer time steps, fewer sequences or smaller layers."
        )
