"""`verify`: every road to the gradient, run on one network and compared.

    graph         autograd over the unrolled network
    scan          the fast road of recurrent layers: one node for a whole sequence
    slides        the explicit backpropagation through time of slide 94, on plain arrays
    explicit      the same for any column (slide 95)
    differences   central differences of order 8, knowing no derivative at all
    complex step  Im f(x + ih) / h, likewise, without cancellation
    rtrl          real-time recurrent learning, forward in time
    torch         PyTorch, where it is installed

Recurrent layers are unrolled into the graph here; what training uses is scan. The witnesses share
with the graph the line that states the divergence, and those of a column what the column says of
itself: the order of its nodes, where its edges read, the windows of a truncation. Layers are
columns, too: `layer_columns` says which. What the roads are of one kind of network, `layer_roads`
and `column_roads` say.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from minitorch_rnn import backend, numeric
from minitorch_rnn.agreement.column_roads import Columns
from minitorch_rnn.agreement.layer_roads import Layers
from minitorch_rnn.agreement.report import REQUIRED, REQUIRED_FLOAT32, VALUE, Agreement
from minitorch_rnn.agreement.roads import FLOOR, Arrays, Skip
from minitorch_rnn.bptt.divergences import Divergence, masked, named
from minitorch_rnn.column import Truncation, Variant
from minitorch_rnn.column.variants import variant_of
from minitorch_rnn.engine import raw
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import GRU, LSTM, RNN, ColumnNetwork, RecurrentNetwork


class Subject(Protocol):
    """A network with its data: what `verify` needs to know of it."""

    name: str
    frozen: str

    def outputs(self) -> np.ndarray:
        """Y(t) for all t, (T, B, O), by the explicit forward pass."""

    def graph(self, divergence: Divergence, D: Any) -> Arrays:
        """Outputs and gradients of the graph, by quantity."""

    def roads(self, divergence: Divergence, D: Any) -> dict[str, Callable[[], Arrays]]:
        """Every witness by name; a call gives its gradients, or raises Skip with the reason."""

    def angle(self, divergence: Divergence, D: Any) -> float | None:
        """Degrees between this gradient and the full one."""


def verify(
    network: RNN | LSTM | GRU | RecurrentNetwork | ColumnNetwork,
    x: Any,
    targets: Any,
    divergence: Divergence | str | Callable[[Any, Any], Any],
    h_0: Any = None,
    *,
    histories: Mapping[str, Any] | None = None,
    variant: Variant | str | None = None,
    truncation: Truncation | None = None,
) -> Agreement:
    """Compare the graph's gradients of `network` with every witness.

    Args:
        network: a ColumnNetwork, a RecurrentNetwork, or an RNN, LSTM or GRU, whose outputs are
            Y(t) = h(t,L), those of both directions side by side.
        x: inputs, (T, B, I), also for a `batch_first` network; of a column with several inputs a
            dictionary by node.
        targets: D, (T, B, O), or what the divergence takes.
        divergence: a name in `bptt.divergences.DIVERGENCES`, a `Divergence`, or any function of
            (Y, D) that runs on arrays as on Tensors; its dDIV/dY(t) is then found numerically.
        h_0: of recurrent layers h(-1,l), (L, B, H), or (2L, B, H) with both directions of a layer
            behind each other; of an LSTM the tuple (h_0, c_0). None is the learned state where the
            network has one, and else draws one, so that its gradient is tested away from zero.
        histories: the same for a column, by node, (K+F, B, n); drawn where the column says "given"
            and none comes.
        variant: masks inputs and outputs: a `Variant` or a name in `column.VARIANTS`; of several
            inputs the first.
        truncation: cuts the gradients of a column off (`column.chunked` and others).

    Raises:
        ShapeError: if targets and outputs differ in shape, or h_0 has not that of the states.
        TypeError: if the network is of another kind, projects its states or is training with
            dropout; or if the divergence does not run on arrays.
        ValueError: if the divergence or the variant has an unknown name.
        NonFiniteError: if the divergence has no finite value here.

    Where a link is blocked or a gradient truncated, differences and complex step hold the memory
    behind it fixed, and the result says so. The network itself, its gradients and what is frozen in
    it are left as they are.

    >>> import numpy as np
    >>> import minitorch_rnn as mt
    >>> rng = np.random.default_rng(0)
    >>> network = mt.nn.RecurrentNetwork(2, 3, 2, rng=rng)
    >>> x, D = rng.normal(size=(4, 1, 2)), rng.dirichlet((1, 1), size=(4, 1))
    >>> mt.verify(network, x, D, "cross-entropy").agrees
    True
    >>> mt.verify(mt.nn.LSTM(2, 2, rng=rng), x, D, "squared error").fewest["scan"] > 12
    True
    >>> network = mt.nn.ColumnNetwork(mt.column.jordan(2, 3, 2), rng=rng)
    >>> mt.verify(network, x, D, "last output").frozen
    'Y(t-1)->m, m(t-1)->m'
    """
    subject: Subject
    if isinstance(network, ColumnNetwork):
        if h_0 is not None:
            raise TypeError("verify: a ColumnNetwork takes histories={node: …}, not h_0.")
        if truncation is not None and not isinstance(truncation, Truncation):
            raise TypeError(
                f"verify: truncation is {truncation!r}; column.chunked(k) and others make one."
            )
        subject = Columns(network, x, histories, variant, truncation)
    elif isinstance(network, RNN | LSTM | GRU | RecurrentNetwork):
        if histories is not None or variant is not None or truncation is not None:
            raise TypeError(
                f"verify: histories, variant and truncation belong to a ColumnNetwork, not to "
                f"{network!r}; mt.column.state_space, lstm and gru declare such networks."
            )
        subject = Layers(network, x, h_0)
    else:
        raise TypeError(
            f"verify: got {network!r:.80}; an RNN, LSTM or GRU, a RecurrentNetwork or a "
            "ColumnNetwork is needed (of a Column, mt.nn.ColumnNetwork(column))."
        )
    Y = subject.outputs()
    known = named("verify", divergence) if isinstance(divergence, Divergence | str) else None
    D = _targets(known, targets, Y)
    chosen, skipped = (known, {}) if known else _of_ones_own(divergence, Y, D)  # type: ignore[arg-type]
    masks = None if variant is None else variant_of(variant, len(Y))
    if masks is not None:
        chosen = masked(chosen, masks)
    graph = subject.graph(chosen, D)
    roads = _run(subject.roads(chosen, D), skipped)
    # Where dDIV/dY itself comes from differences, no road can agree better than they do.
    most = REQUIRED["differences"] if "complex step" in skipped and not known else 16.0
    float64 = graph[VALUE].dtype == np.float64
    return Agreement(
        subject.name,
        chosen.name,
        _digits(graph, roads),
        skipped,
        {
            road: min(REQUIRED[road], most) if float64 else REQUIRED_FLOAT32
            for road in REQUIRED
            if road in roads or road in skipped
        },
        "" if masks is None else masks.name,
        subject.frozen,
        subject.angle(chosen, D),
        frozenset(quantity for quantity, g in graph.items() if not g.any()),
    )


def _run(witnesses: dict[str, Callable[[], Arrays]], skipped: dict[str, str]) -> dict[str, Arrays]:
    """Every witness' gradients, by road; a road that does not apply goes into `skipped`."""
    roads = {}
    for road, run in witnesses.items():
        if road not in skipped:
            try:
                roads[road] = run()
            except Skip as skip:
                skipped[road] = str(skip)
    return roads


def _digits(graph: Arrays, roads: dict[str, Arrays]) -> dict[str, dict[str, float]]:
    """Digits in which the graph agrees, by quantity and road."""
    reference = next(iter(roads.values()))
    largest = max(np.abs(g).max(initial=0.0) for name, g in reference.items() if name != VALUE)
    return {
        quantity: {
            road: numeric.digits(found, roads[road][quantity], FLOOR * largest)
            for road in REQUIRED
            if road in roads and quantity in roads[road]
        }
        for quantity, found in graph.items()
    }


def _targets(divergence: Divergence | None, targets: Any, Y: np.ndarray) -> np.ndarray:
    D = np.asarray(backend.to_numpy(raw(targets)))
    if divergence is not None and divergence.takes == "labels":
        return D
    if (divergence is None or divergence.aligned) and Y.shape != D.shape:
        raise ShapeError(f"verify: targets have shape {D.shape}, the outputs {Y.shape}.")
    if D.ndim != Y.ndim or Y.shape[1:] != D.shape[1:]:
        raise ShapeError(
            f"verify: targets have shape {D.shape}, the outputs {Y.shape}; "
            "they may differ in T only."
        )
    return D.astype(float)


def _of_ones_own(
    f: Callable[[Any, Any], Any], Y: np.ndarray, D: np.ndarray
) -> tuple[Divergence, dict[str, str]]:
    """A divergence with a numerical dDIV/dY(t), and the roads that it closes."""

    def by(road: Callable[..., Arrays]) -> Callable[[Any, Any], Any]:
        return lambda Y, D: road(lambda moved: f(moved["Y"], D), {"Y": Y})["Y"]

    by_step = by(numeric.complex_step)
    near = by(functools.partial(numeric.central_difference, step=1e-6, order=2))
    by_difference = by(functools.partial(numeric.central_difference, step=1e-5, order=4))
    name = getattr(f, "__name__", "divergence")
    try:
        expected = near(Y, D)
    except AttributeError as cause:
        raise TypeError(
            f"verify: {name} must run on arrays as on Tensors, and {cause}. "
            "Write mt.log(Y) for Y.log()."
        ) from cause
    try:
        analytic = numeric.digits(by_step(Y, D), expected) > 4
    except TypeError:  # a function without a complex form
        analytic = False
    made = Divergence(name, lambda xp, Y, D: f(Y, D), by_step if analytic else by_difference)
    return made, {} if analytic else {
        "complex step": f"{name} has no complex form, or is not an analytic function of Y"
    }
