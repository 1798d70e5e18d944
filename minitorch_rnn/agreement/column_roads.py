"""The roads of a ColumnNetwork: the general BPTT, RTRL, frozen-memory differences, PyTorch."""

from __future__ import annotations

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minitorch_rnn import backend, bptt, numeric
from minitorch_rnn.agreement import pytorch
from minitorch_rnn.agreement.report import VALUE
from minitorch_rnn.agreement.roads import Arrays, Skip, differences, finite
from minitorch_rnn.autograd import grad
from minitorch_rnn.bptt import rtrl, truncated
from minitorch_rnn.bptt.column import Gradients
from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.bptt.trace import Trace
from minitorch_rnn.column import Activation, Column, Truncation, Variant, Window
from minitorch_rnn.column.data import named_inputs, whole_history
from minitorch_rnn.column.variants import variant_of
from minitorch_rnn.engine import Tensor, no_grad, raw
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import ColumnNetwork
from minitorch_rnn.nn import truncated as on_graph

# Numbers that differences and complex step move; more would take minutes.
_MOST = 10_000


class Columns:
    """A column with its data; see `verification.Subject`.

    Quantities are the parameters by their names, x by its node, ``given.h`` for histories that are
    given, and ``dz(h)``, the gradients of every z_h(t): differences move z by offsets.
    """

    def __init__(
        self,
        network: ColumnNetwork,
        x: Any,
        histories: Mapping[str, Any] | None,
        variant: Variant | str | None,
        truncation: Truncation | None,
    ) -> None:
        self.network = copy.deepcopy(network)
        for parameter in self.network.parameters():
            parameter.requires_grad_()  # frozen ones have a gradient to verify too
        self.column, self.truncation = network.column, truncation
        self.name = network.column.name
        named = named_inputs(self.column, "verify", x)
        self.inputs = {n: np.array(backend.to_numpy(raw(v)), float) for n, v in named.items()}
        self.masked = next(iter(self.inputs))
        for n, values in self.inputs.items():
            if values.ndim != 3:
                raise ShapeError(f"verify: {n} has shape {values.shape}; needed is (T, B, I).")
        T = len(self.inputs[self.masked])
        self.variant = None if variant is None else variant_of(variant, T)
        self.arrays = {n: a.astype(float) for n, a in self.network.state_dict().items()}
        self.arrays |= self.inputs
        self.given = self._given(histories or {})
        self.arrays |= {f"given.{n}": h for n, h in self.given.items()}
        # The first trace checks all that came; the frozen memory is what it holds.
        self.trace = self._forward(self.arrays)
        self.arrays |= {f"dz({n})": np.zeros(z.shape) for n, z in self.trace.z.items()}
        if truncation is not None:
            truncated.windows(self.column, truncation, self.trace.T)
        self.frozen = ", ".join(str(e.name) for e in self.column.blocked)
        if truncation is not None:
            self.frozen = ", ".join(filter(None, (truncation.name, self.frozen)))
        self.sides = {
            node.name: side for node in self.column.nodes if (side := _side(node.activation))
        }
        self.seen: dict[str, set[bytes]] = defaultdict(set)  # sides of kinks, by where they are

    def _given(self, histories: Mapping[str, Any]) -> Arrays:
        rng = np.random.default_rng(0)
        B = next(iter(self.inputs.values())).shape[1]
        found = {
            n: np.array(backend.to_numpy(raw(whole_history(self.column, n, h, B))), float)
            for n, h in histories.items()
        }
        for node in self.column.nodes:
            if node.history == "given" and node.name not in found:
                found[node.name] = rng.normal(
                    size=(sum(self.column.reach[node.name]), B, node.size)
                )
        return found

    def _selected(self, name: str, x: Any) -> Any:
        """x(t), and 0 where the variant has no input: selected, so that nan leaves no trace."""
        if self.variant is None or name != self.masked:
            return x
        mask = np.array(self.variant.inputs).reshape(-1, *(1,) * (x.ndim - 1))
        return np.where(mask, x, 0.0)

    def _parts(self, arrays: Arrays) -> tuple[Arrays, Arrays, Arrays, Arrays]:
        """Parameters, inputs, histories and offsets; of copies, time comes before the copy."""
        copies = arrays[self.masked].ndim > 3

        def timed(name: str) -> np.ndarray:
            return np.moveaxis(arrays[name], 1, 0) if copies else arrays[name]

        x = {n: self._selected(n, timed(n)) for n in self.inputs}
        given = {n: timed(f"given.{n}") for n in self.given}
        offsets = {n: timed(key) for n in self.column.node if (key := f"dz({n})") in arrays}
        return {n: arrays[n] for n in self.column.shapes}, x, given, offsets

    def _forward(self, arrays: Arrays, frozen: Trace | None = None) -> Trace:
        params, x, given, offsets = self._parts(arrays)
        return bptt.column.forward(self.column, params, x, given, frozen=frozen, offsets=offsets)

    def outputs(self) -> np.ndarray:
        """Y(t) for all t, (T, B, O)."""
        return self.trace.Y

    def graph(self, divergence: Divergence, D: Any) -> Arrays:
        """Outputs and gradients of the graph, by quantity."""
        network, column = self.network, self.column
        like = network.like
        leaves = {
            name: Tensor(self.arrays[name], like.dtype, requires_grad=True, backend=like.backend)
            for name in self.arrays
            if name not in column.shapes
        }
        sources = dict(network.named_parameters()) | leaves
        total = {name: np.zeros(source.shape) for name, source in sources.items()}

        x = {n: leaves[n] for n in self.inputs}
        given = {n: leaves[f"given.{n}"] for n in self.given}
        offsets = {n: leaves[f"dz({n})"] for n in self.trace.z}
        with no_grad():
            forward = network(x, given, variant=self.variant)[0]  # what users call

        def add(end: Tensor, errors: Tensor | None = None) -> None:
            found = grad(end, list(sources.values()), errors, allow_unused=True, retain_graph=True)
            for name, g in zip(sources, found, strict=True):
                if g is not None:
                    total[name] += backend.to_numpy(g.data)

        def value(Y: Tensor) -> Tensor:
            return finite(divergence, Y, D)

        _, ready, histories, _ = network.prepared(x, given, variant=self.variant)
        if self.truncation is None:
            lines = network.timelines(ready, histories, offsets=offsets)
            add(value(lines[column.output].rows(0, self.trace.T)))
        else:
            on_graph.sweeps(network, column, ready, histories, value, self.truncation, add, offsets)
        return {VALUE: backend.to_numpy(forward.data)} | total

    def roads(self, divergence: Divergence, D: Any) -> dict[str, Callable[[], Arrays]]:
        """The general BPTT, complex step, differences, RTRL and PyTorch."""
        dY = divergence.gradient(self.trace.Y, D)
        value = functools.partial(self._value, divergence, D, dY)
        kinked = divergence.piece or self.sides

        def explicit() -> Arrays:
            return {VALUE: self.trace.Y} | self._quantities(self._explicit(self.column, dY))

        def by_step() -> Arrays:
            self._check_analytic()
            return numeric.complex_step(value, self.arrays, together=self._together())

        return {
            "explicit": explicit,
            "complex step": by_step,
            "differences": lambda: differences(
                value, self.arrays, self._kinks if kinked else None, self._together()
            ),
            "rtrl": lambda: self._rtrl(dY),
            "torch": lambda: self._torch(dY),
        }

    def _together(self) -> int:
        """How many perturbed networks run side by side."""
        numbers = sum(array.size for array in self.arrays.values())
        if numbers > _MOST:
            raise Skip(f"{numbers:,} numbers are more than the {_MOST:,} that it moves one by one")
        return min(256, max(1, 2_000_000 // numbers))  # of them all, in memory at once

    def angle(self, divergence: Divergence, D: Any) -> float | None:
        """Degrees between this gradient and the full one, over all parameters."""
        if not self.frozen or not self.column.shapes:
            return None
        dY = divergence.gradient(self.trace.Y, D)
        params = self._parts(self.arrays)[0]
        own = self._explicit(self.column, dY).parameters
        full = bptt.column.backward(self.column.unblocked(), params, self.trace, dY).parameters
        a, b = (np.concatenate([g[n].ravel() for n in self.column.shapes]) for g in (own, full))
        length = np.linalg.norm(a) * np.linalg.norm(b)
        return float(np.degrees(np.arccos(np.clip(a @ b / length, -1, 1)))) if length else None

    def _explicit(self, column: Column, dY: np.ndarray) -> Gradients:
        params = self._parts(self.arrays)[0]
        if self.truncation is None:
            return bptt.column.backward(column, params, self.trace, dY)
        return truncated.backward(column, params, self.trace, dY, self.truncation)

    def _quantities(self, found: Gradients) -> Arrays:
        quantities = dict(found.parameters)
        quantities |= {n: self._selected(n, found.da[n]) for n in self.inputs}
        quantities |= {f"given.{n}": found.histories[n] for n in self.given}
        return quantities | {f"dz({n})": dz for n, dz in found.dz.items()}

    def _value(self, divergence: Divergence, D: Any, dY: np.ndarray, arrays: Arrays) -> Any:
        """DIV of many perturbed networks; of truncated ones the number with their gradient."""
        if self.truncation is None:
            trace = self._forward(arrays, self.trace if self.frozen else None)
            self._note_sides([trace])
            if divergence.piece is not None:
                pieces = divergence.piece(*_side_by_side(trace.Y, D)).reshape(
                    -1, self.trace.Y.shape[1]
                )
                self.seen["divergence"] |= {piece.tobytes() for piece in pieces}
            return _of_copies(divergence, trace.Y, D)
        params, x, given, offsets = self._parts(arrays)
        replays = list(
            truncated.replays(self.column, params, self.trace, self.truncation, x, given, offsets)
        )
        self._note_sides([live for _, live in replays])
        return sum(
            (np.moveaxis(live.Y[t], 1, 0) * dY[t]).sum(axis=(1, 2, 3)) for t, live in replays
        )

    def _note_sides(self, traces: list[Trace]) -> None:
        """On which side of its kinks every unit of every copy is."""
        for n, side in self.sides.items():
            for i in range(traces[0].Y.shape[1]):
                seen = b"".join(np.asarray(side(tr.z[n][:, i])).tobytes() for tr in traces)
                self.seen[n].add(seen)

    def _kinks(self) -> bool:
        """Whether a relu unit or the divergence was seen on two sides since this was asked last."""
        crossed = any(len(sides) > 1 for sides in self.seen.values())
        self.seen.clear()
        return crossed

    def _check_analytic(self) -> None:
        """The complex step needs activations that are analytic; those of one's own may not be."""
        for node in self.column.nodes:
            if not isinstance(own := node.activation, Activation):
                continue
            z = self.trace.z[node.name]

            def f(arrays: Arrays, own: Activation = own) -> Any:
                return np.sin(own.f(np, arrays["z"])).sum()

            try:
                by_step = numeric.complex_step(f, {"z": z})["z"]
            except TypeError as cause:
                raise Skip(f"{own.name} has no complex form: {cause}") from None
            near = numeric.central_difference(f, {"z": z}, step=1e-5, order=4)["z"]
            if numeric.digits(by_step, near) < 4:
                raise Skip(f"{own.name} is not an analytic function")

    def _rtrl(self, dY: np.ndarray) -> Arrays:
        if self.truncation is not None:
            raise Skip("real-time recurrent learning does not truncate")
        if not self.column.shapes:
            raise Skip("nothing is learned")
        if self.column.parameter_count > _MOST:
            raise Skip(f"it carries {self.column.parameter_count:,} derivatives for every unit")
        if self.column.backward:
            raise Skip("a part of the network runs backward in time, so there is no real time")
        return rtrl.gradients(self.column, self._parts(self.arrays)[0], self.trace, dY)

    def _torch(self, dY: np.ndarray) -> Arrays:
        windows = (
            [Window(range(self.trace.T), -1)]
            if self.truncation is None
            else self.truncation.windows(self.trace.T)
        )
        params, x, given, _ = self._parts(self.arrays)
        found = pytorch.gradients(self.column, params, x, given, dY, windows)
        return found | {n: self._selected(n, found[n]) for n in self.inputs}


def _side(activation: Any) -> Any:
    """The function of z that tells on which side of its kinks an activation is."""
    if isinstance(activation, str):
        return (lambda z: z > 0) if activation == "relu" else None
    return activation.piece


def _side_by_side(Y: np.ndarray, D: Any) -> tuple[np.ndarray, np.ndarray]:
    """Copies (T, copies, B, O) as sequences of one batch, and their targets."""
    T, copies, B, O = Y.shape
    return Y.reshape(T, copies * B, O), np.tile(D, (1, copies) + (1,) * (D.ndim - 2))


def _of_copies(divergence: Divergence, Y: np.ndarray, D: Any) -> Any:
    """DIV for each of the copies in Y (T, copies, B, O)."""
    _, copies, B, _ = Y.shape
    values = divergence.values(np, *_side_by_side(Y, D))
    if np.shape(values) == (copies * B,):
        return values.reshape(copies, B).sum(axis=1)
    # A divergence of one's own gives one number for a whole batch.
    return np.array([divergence.value(np, Y[:, i], D) for i in range(copies)])
