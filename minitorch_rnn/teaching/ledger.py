"""The ledger of a backward pass: which time step adds what, and which error reaches which state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.bptt import column as general
from minitorch_rnn.bptt.divergences import Divergence, named
from minitorch_rnn.bptt.trace import Array, Arrays, Trace
from minitorch_rnn.column import Column, Truncation
from minitorch_rnn.column.data import named_inputs
from minitorch_rnn.engine import raw
from minitorch_rnn.errors import DataError, ShapeError
from minitorch_rnn.nn import ColumnNetwork
from minitorch_rnn.teaching import influence
from minitorch_rnn.teaching.pictures.heat_map import Bars, heat_map
from minitorch_rnn.teaching.pictures.picture import Picture
from minitorch_rnn.teaching.printable import printable
from minitorch_rnn.teaching.verdicts import Verdict, at_distances, verdict_of

__all__ = ["Ledger", "check_length", "ledger"]

MOST = 5_000  # time steps: every node has maps of T × T numbers


@dataclass(frozen=True)
class Ledger:
    """What `ledger` found, as arrays; `print` shows a table, `picture()` a heat map.

    Div(t) is what the loss at time t sends back: the error dY(t) alone. BPTT is linear in dY, so
    the parts of all t add up to the gradient, also where the divergence is no sum over time.

    Attributes:
        column, T: the network, and the number of time steps.
        truncation: what cuts the errors off, or None.
        losses: at which t there is an error dY(t), (T,).
        contributions: by parameter, (T, *shape): what each time step adds to its gradient.
        by_loss: the same by loss: what Div(t) alone gives.
        reach: by node, (T, T): ‖∂Div(t)/∂a(t')‖ over the batch, row t, column t'.
        leads, kept: by node, (T, T): whether links lead from a(t') to the output at t; and whether
            they do with blocked links and what is truncated left out. Where `kept` is False,
            `reach` is exactly 0.
        jacobian_norms: by state, (T, T): ‖∂a(t)/∂a(t')‖ / sqrt(n) in the Frobenius norm, the root
            of the mean square over the sequences. It is 1 for an orthogonal matrix.
        spectral_radius: by state, (T,): the largest |eigenvalue| of ∂a(t)/∂a(t-1), the mean over
            the sequences; of ∂a(t)/∂a(t+1) where the state runs backward in time. nan where nothing
            precedes, and where it is infinite. A state is a node that is read at another time.

    >>> from minitorch_rnn.column import elman
    >>> net = elman(1, 2, 1)
    >>> params = {name: np.ones(shape) for name, shape in net.shapes.items()}
    >>> found = ledger(net, np.ones((4, 1, 1)), np.zeros((4, 1, 1)), params=params)
    >>> found.states, str(found.verdict("h"))
    (('h',), 'blocked: arrives only at its own t')
    """

    column: Column
    T: int
    truncation: Truncation | None
    losses: Array
    contributions: Arrays
    by_loss: Arrays
    reach: Arrays
    leads: Arrays
    kept: Arrays
    jacobian_norms: Arrays
    spectral_radius: Arrays

    @property
    def gradients(self) -> Arrays:
        """The gradient of every parameter: the sum of its contributions."""
        with np.errstate(over="ignore", invalid="ignore"):  # of what explodes
            return {name: parts.sum(axis=0) for name, parts in self.contributions.items()}

    @property
    def states(self) -> tuple[str, ...]:
        """The nodes that are read at another time."""
        return tuple(self.jacobian_norms)

    def verdict(self, node: str) -> Verdict:
        """Whether the errors that reach a node vanish, explode or are cut off on their way.

        The rule: of every loss, the ratio of the error that arrives farthest away to the one that
        arrives nearest; the mean of its logarithm per step, over all losses, gives a factor. Errors
        vanish if it is below 0.9, or if less than a tenth is left over the longest way; they
        explode if it is above 1 / 0.9, or if they grow more than tenfold; else they hold. They are
        blocked or truncated where links lead on that no error crosses.
        """
        return verdict_of(
            self.reach[node], self.leads[node], self.kept[node], self.losses,
            "blocked" if self.truncation is None else "truncated",
        )  # fmt: skip

    def picture(self, node: str | None = None, of: str = "reach") -> Picture:
        """The heat map of a node, loss time down and state time across, on a logarithmic scale.

        Below it stand the spectral radius and what each time step adds to the weights that lead
        into the node. Hatched cells are those that a blocked link or the truncation cuts off.

        Args:
            node: its name; None takes the first state, or the output if there is none.
            of: "reach", or "jacobian" for the norms of the Jacobian products of a state.

        Raises:
            ValueError: if there is no such node, or no such quantity of it.
        """
        node = next(iter(self.states), self.column.output) if node is None else node
        quantities = {"reach": self.reach, "jacobian": self.jacobian_norms}
        if of not in quantities:
            raise ValueError(f"Ledger.picture: of is {of!r}; known are 'reach' and 'jacobian'.")
        if node not in quantities[of]:
            known = ", ".join(quantities[of]) or "none"
            raise ValueError(f"Ledger.picture: there is no {of} of {node!r}, only of {known}.")
        if of == "jacobian":
            across = np.tri(self.T, dtype=bool)
            kept = leads = across.T if node in self.column.backward else across
            title = f"{self.column.name}: ‖∂{node}(t)/∂{node}(t')‖"
            axis, note = "t", "norm of the product of Jacobians"
        else:
            rows = self.losses[:, None]
            leads, kept = self.leads[node] & rows, self.kept[node] & rows
            title = f"{self.column.name}: ‖∂Div(t)/∂{node}(t')‖"
            axis, note = "loss time t", str(self.verdict(node))
        if self.truncation is not None and of == "reach":
            title += f", {self.truncation.name}"
        return heat_map(
            quantities[of][node], leads, kept, title=title, note=note, down=axis,
            across="state time t'", bars=self._bars(node),
        )  # fmt: skip

    def _bars(self, node: str) -> list[Bars]:
        """The spectral radius of a state, and the contributions to the weights into a node.

        If those are fixed, as in a gated network, to the weights of all links through time.
        """
        found = []
        if node in self.spectral_radius:
            at = "t+1" if node in self.column.backward else "t-1"
            label = f"spectral radius of ∂{node}(t)/∂{node}({at})"
            found.append(Bars(label, self.spectral_radius[node], 1.0))
        for edges in (self.column.into[node], [e for e in self.column.edges if e.delay]):
            weights = dict.fromkeys(map(self.column.weight, edges))
            if names := [w for w in weights if isinstance(w, str)]:
                break
        found += [Bars(f"added at t to d {w}", _lengths(self.contributions[w])) for w in names[:6]]
        return found

    def __str__(self) -> str:
        return "\n".join([self._heading(), "", *self._of_nodes(), "", *self._of_parameters()])

    def _heading(self) -> str:
        """The network and what was done to it."""
        how = f", {self.truncation.name}" if self.truncation else ""
        name = printable(self.column.name)
        return f"{name}, T = {self.T}{how}: ‖∂Div(t)/∂a(t')‖ by steps from t to t'"

    def _of_nodes(self) -> list[str]:
        """A line for each node: what arrives how many steps back, and what that means."""
        back = [d for d in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500) if d < self.T]
        back = back if len(back) <= 5 else [*back[:2], *back[-3:]]
        width = max(8, *(len(n) for n in self.reach))
        lines = [f"{'steps:':<{width}}" + "".join(f"{d:>9}" for d in back) + "        ρ"]
        for n, values in self.reach.items():
            cells = at_distances(values, self.leads[n], self.kept[n], self.losses, back)
            radius = self.spectral_radius.get(n, np.array([np.nan]))
            known = radius[np.isfinite(radius)]
            rho = f"{known.mean():9.2f}" if known.size else f"{'':9}"
            lines.append(f"{n:<{width}}{''.join(f'{c:>9}' for c in cells)}{rho}  {self.verdict(n)}")
        return lines

    def _of_parameters(self) -> list[str]:
        """A line for each parameter: its gradient's norm, and when it is made up."""
        shown = {name: printable(name) for name in self.contributions}
        width = max(map(len, shown.values()), default=0)
        lines, gradients = [], self.gradients
        for name, parts in self.contributions.items():
            norm = _lengths(gradients[name][None])[0]
            lines.append(f"d {shown[name]:<{width}}  {norm:8.2e}  {_sparkline(_lengths(parts))}")
        if lines:
            lines.insert(0, f"{'gradient':<{width + 4}}{'norm':<10}added at t = 0 … {self.T - 1}")
        return lines


def ledger(
    network: Column | ColumnNetwork,
    x: Any,
    D: Any = None,
    *,
    divergence: Divergence | str = "squared error",
    dY: Any = None,
    params: Mapping[str, Any] | None = None,
    histories: Mapping[str, Any] | None = None,
    truncation: Truncation | None = None,
) -> Ledger:
    """Keep account of a backward pass: what every time step adds, and how far every error reaches.

        contributions   dW_e = sum_t outer(dz_n(t), a_s(t-d)),  each term of the sum
        reach           ‖∂Div(t)/∂a_n(t')‖ for every loss time t and state time t'
        jacobians       ∂h(t)/∂h(t') = product of ∂h(τ)/∂h(τ-1) for τ = t … t'+1

    Args:
        network: a `ColumnNetwork`, or a `Column` with its `params`.
        x: inputs, (T, B, I); a dictionary by node if there are several.
        D: targets of the divergence; or else `dY`.
        divergence: a name in `DIVERGENCES`, or a `Divergence`.
        dY: dDIV/dY(t) for all t, (T, B, O), in place of D.
        params: of a Column, by the names of `column.shapes`.
        histories: a(-1) and so on, as `bptt.column.forward` takes them.
        truncation: `column.chunked(k)`, `per_loss_window(k)` or `williams_peng(h, h')`.

    Raises:
        TypeError: if params or targets are missing, or came twice.
        ShapeError: if the data do not fit the network.
        DataError: if there are more than 5,000 time steps.
        ColumnError: if a network that runs backward in time is to be truncated.

    Source: slides 94 and 95; Pascanu, Mikolov and Bengio, ICML (2013), for the products.

    >>> from minitorch_rnn.column import Column, Edge, Input, Layer, chunked
    >>> sums = Column("sums", (Input("x", 1), Layer("y", 1, "identity", bias=False)),
    ...               (Edge("x", "y", name="w"), Edge("y", "y", 1, weight=0.5)), "y")
    >>> found = ledger(sums, np.ones((3, 1, 1)), dY=np.ones((3, 1, 1)), params={"weight.w": [[1]]})
    >>> found.contributions["weight.w"].ravel()
    array([1.75, 1.5 , 1.  ])
    >>> print(found)
    sums, T = 3: ‖∂Div(t)/∂a(t')‖ by steps from t to t'
    <BLANKLINE>
    steps:          0        1        2        ρ
    x         1.0e+00  5.0e-01  2.5e-01           vanishes: falls by ×0.50 a step
    y         1.0e+00  5.0e-01  2.5e-01     0.50  vanishes: falls by ×0.50 a step
    <BLANKLINE>
    gradient    norm      added at t = 0 … 2
    d weight.w  4.25e+00  █▇▅
    """
    column, given = _network(network, params)
    inputs = {n: _array(v) for n, v in named_inputs(column, "ledger", x).items()}
    check_length(len(next(iter(inputs.values()))))
    if (D is None) == (dY is None):
        raise TypeError("ledger: either targets D or dY is needed, the gradient of the outputs.")
    with np.errstate(over="ignore", invalid="ignore"):  # what explodes may become inf
        trace = general.forward(column, given, inputs, _arrays(histories or {}))
        return _account(given, trace, _errors(trace, D, divergence, dY), truncation)


def check_length(T: int) -> None:
    """That so many time steps make maps that a memory can hold.

    Raises:
        DataError: if they do not.

    >>> check_length(200)
    """
    if T > MOST:
        raise DataError(
            f"ledger: {T:,} time steps; every node has maps of T × T numbers, and at most {MOST:,} "
            "steps are taken."
        )


def _errors(trace: Trace, D: Any, divergence: Divergence | str, dY: Any) -> Array:
    """dDIV/dY(t) for all t, (T, B, O)."""
    if dY is None:  # targets may be labels: whole numbers
        dY = named("ledger", divergence).gradient(trace.Y, backend.to_numpy(raw(D)))
    errors = _array(dY)
    if errors.shape != trace.Y.shape:
        raise ShapeError(
            f"ledger: dY has shape {errors.shape}, the outputs {trace.Y.shape}; they must be the "
            "same."
        )
    return errors


def _account(
    params: Mapping[str, Any], trace: Trace, dY: Array, truncation: Truncation | None
) -> Ledger:
    column, T = trace.column, trace.T
    shapes = column.shapes.items()
    by_time, by_loss = ({n: np.zeros((T, *shape)) for n, shape in shapes} for _ in range(2))
    reach = {node.name: np.zeros((T, T)) for node in column.nodes}
    for sweep in influence.of_each_loss(params, trace, dY, truncation):
        some = slice(sweep.losses.start, sweep.losses.stop)
        for name, steps, losses in influence.contributions(params, trace, sweep):
            by_time[name] += steps
            by_loss[name][some] += losses
        for n, da in sweep.da.items():
            reach[n][some] = np.sqrt((da * da).sum(axis=(2, 3))).T
    norms, radius = {}, {}
    for node in column.nodes:
        if node.kind != "input" and any(column.reach[node.name]):
            norms[node.name], radius[node.name] = _of_state(params, trace, node.name)
    return Ledger(
        column, T, truncation, np.asarray(dY.any(axis=(1, 2))), by_time, by_loss, reach,
        influence.ways(column, T), influence.times_reached(column, T, truncation), norms, radius,
    )  # fmt: skip


def _of_state(params: Mapping[str, Any], trace: Trace, node: str) -> tuple[Array, Array]:
    """The norms of the Jacobian products of a state, (T, T), and its spectral radius, (T,)."""
    T, n, (before, after) = trace.T, trace.column.node[node].size, trace.column.reach[node]
    norms, radius = np.zeros((T, T)), np.full(T, np.nan)
    step = 1 if node in trace.column.backward else -1
    for times, J in influence.jacobians(params, trace, node):
        squares = (J * J).sum(axis=(3, 4)) / n
        norms[times] = np.sqrt(squares.mean(axis=2))[:, before : before + T]
        for i, t in enumerate(times):
            at = t + step + before
            if 0 <= at < before + T + after and np.isfinite(J[i, at]).all():
                radius[t] = np.abs(np.linalg.eigvals(J[i, at])).max(axis=-1).mean()
    return norms, radius


def _network(network: Any, params: Mapping[str, Any] | None) -> tuple[Column, Mapping[str, Any]]:
    """The column and its parameters as arrays of float64."""
    if isinstance(network, ColumnNetwork):
        if params is not None:
            raise TypeError(f"ledger: {network!r} has parameters of its own; leave out params.")
        return network.column, _arrays(network.state_dict())
    if not isinstance(network, Column):
        raise TypeError(f"ledger: got {network!r:.80}; a ColumnNetwork or a Column is needed.")
    if params is None and network.shapes:
        raise TypeError(f"ledger: {network.name} is a Column; give its params by name as well.")
    return network, _arrays(params or {})


def _arrays(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: v if np.isscalar(v) else _array(v) for name, v in values.items()}


def _array(values: Any) -> Array:
    return np.asarray(backend.to_numpy(raw(values)), float)


def _lengths(parts: Array) -> Array:
    """The Frobenius norm of what each time step adds, (T,)."""
    with np.errstate(over="ignore"):
        return np.asarray(np.linalg.norm(parts.reshape(len(parts), -1), axis=1))


def _sparkline(values: Array, most: int = 40) -> str:
    """A character for each time step, or for several: the largest of them.

    A full block is the most of all, · exactly 0, and ? is inf or nan.
    """
    tops = [group.max() for group in np.array_split(values, min(most, len(values)))]
    highest = max((top for top in tops if np.isfinite(top)), default=0.0) or 1.0
    return "".join(
        "·▁▂▃▄▅▆▇█"[math.ceil(8 * top / highest)] if np.isfinite(top) else "?" for top in tops
    )
