"""The roads of recurrent layers: scan, the column that they are, slide 94, PyTorch's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_rnn import backend, bptt
from minitorch_rnn.agreement.column_roads import Columns
from minitorch_rnn.agreement.layer_columns import column_of
from minitorch_rnn.agreement.report import VALUE
from minitorch_rnn.agreement.roads import Arrays, Skip, finite
from minitorch_rnn.autograd import grad
from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.column import Layer
from minitorch_rnn.engine import Tensor, raw
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import GRU, LSTM, RNN, ColumnNetwork, RecurrentNetwork


class Layers:
    """A network of layers with its data; see `verification.Subject`.

    It is an RNN, LSTM or GRU, or a RecurrentNetwork. Quantities are the parameters by their names,
    x, and the initial states h_0 and c_0, unless a learned one is used, which is a parameter.
    """

    frozen = ""

    def __init__(self, network: Any, x: Any, h_0: Any) -> None:
        self.network = copy.deepcopy(network)
        for parameter in self.network.parameters():
            parameter.requires_grad_()  # frozen ones have a gradient to verify too
        whole = isinstance(self.network, RecurrentNetwork)
        self.rnn: Any = self.network.rnn if whole else self.network
        _check(self.rnn)
        self.output = self.network.output_activation if whole else "identity"
        self.name = self._named()
        self.x = np.array(backend.to_numpy(raw(x)), float)
        if self.x.ndim != 3:
            raise ShapeError(f"verify: x has shape {self.x.shape}; needed is (T, B, I).")
        self.parameters = {name: a.astype(float) for name, a in self.network.state_dict().items()}
        # A learned state is every sequence's state at -1; where one is given it has no part.
        prefix = "rnn." if whole else ""
        learned = {f"{s}_0": f"{prefix}{s}_0" for s in self.rnn.cell.states}
        used = h_0 is None and self.rnn.initial_state == "learned"
        self.learned = learned if used else {}
        self.states = self._states(h_0)
        for name in () if used else learned.values():
            self.parameters.pop(name, None)
        output = None
        if whole:
            output = Layer("Y", self.network.output.out_features, self.output, self.rnn.bias)
        self.like = column_of(self.rnn, output, used)
        self.columns = self._as_columns()

    def _named(self) -> str:
        rnn = self.rnn
        told = [f"RNN {rnn.mode}" if isinstance(rnn, RNN) else rnn.mode.upper()]
        told.append("1 layer" if rnn.num_layers == 1 else f"{rnn.num_layers} layers")
        told += ["bidirectional"] * rnn.bidirectional + ["no bias"] * (not rnn.bias)
        told += [f"{self.output} output"] * (self.network is not rnn)
        return ", ".join(told)

    def _states(self, h_0: Any) -> Arrays:
        """The initial states by name, (L, B, H): given, learned, or drawn."""
        names = [f"{s}_0" for s in self.rnn.cell.states]
        shape = (self.rnn.num_states, self.x.shape[1], self.rnn.hidden_size)
        if self.learned:
            return {
                name: np.broadcast_to(self.parameters[own][:, None], shape)
                for name, own in self.learned.items()
            }
        if h_0 is None:
            rng = np.random.default_rng(0)
            return {name: rng.normal(size=shape) for name in names}
        given = h_0 if isinstance(h_0, tuple) else (h_0,)
        if len(given) != len(names):
            raise ShapeError(
                f"verify: h_0 holds {len(given)} of the initial states of {self.rnn!r}; "
                f"needed is {'the tuple ' * (len(names) > 1)}{', '.join(names)}."
            )
        found = {}
        for name, state in zip(names, given, strict=True):
            found[name] = np.array(backend.to_numpy(raw(state)), float)
            if found[name].shape != shape:
                raise ShapeError(
                    f"verify: {name} has shape {found[name].shape}; {self.rnn!r} and x of shape "
                    f"{self.x.shape} need {shape}."
                )
        return found

    def _as_columns(self) -> Columns:
        """The same network and data as a column."""
        network = ColumnNetwork(self.like.column, dtype="float64", rng=np.random.default_rng(0))
        network.load_state_dict(self.like.parameters(self.parameters))
        histories = {
            node: state[None]
            for name, nodes in self.like.states.items()
            for node, state in zip(nodes, self.states[f"{name}_0"], strict=True)
            if not self.learned
        }
        found = Columns(network, self.x, histories, None, None)
        # The layers have no dz of a gate to compare it with.
        found.arrays = {n: a for n, a in found.arrays.items() if not n.startswith("dz(")}
        return found

    def angle(self, divergence: Divergence, D: Any) -> float | None:
        """None: the gradient of layers is the full one."""
        return None

    def outputs(self) -> np.ndarray:
        """Y(t) for all t, (T, B, O), by the explicit forward pass."""
        return self.columns.outputs()

    def graph(self, divergence: Divergence, D: Any) -> Arrays:
        """Outputs and gradients of the layers unrolled step by step, by quantity."""
        return self._run("graph", divergence, D)

    def roads(self, divergence: Divergence, D: Any) -> dict[str, Callable[[], Arrays]]:
        """Scan; those of the column; slide 94 where it knows the network; and PyTorch's layers."""
        witnesses = self.columns.roads(divergence, D)
        found = {road: self._of_layers(run) for road, run in witnesses.items()}
        if isinstance(self.rnn, RNN) and not self.rnn.bidirectional:
            found["slides"] = lambda: self._shared(self._slides(divergence, D))
        found["torch"] = lambda: self._shared(self._torch(divergence, D))
        found["scan"] = lambda: self._run("scan", divergence, D)
        return found

    def _of_layers(self, run: Callable[[], Arrays]) -> Callable[[], Arrays]:
        return lambda: self.like.gradients(run())

    def _shared(self, found: Arrays) -> Arrays:
        """Those of learned states for those of every sequence's."""
        for name, learned in self.learned.items():
            found[learned] = found.pop(name).sum(axis=1)
        return found

    def _run(self, road: str, divergence: Divergence, D: Any) -> Arrays:
        """Outputs and gradients, by quantity, on one road of the layers."""
        parameters = {n: p for n, p in self.network.named_parameters() if n in self.parameters}
        like = next(iter(parameters.values()))
        given = {"x": self.x} | ({} if self.learned else self.states)
        inputs = {
            n: Tensor(v, like.dtype, requires_grad=True, backend=like.backend)
            for n, v in given.items()
        }
        x, *states = inputs.values()
        self.rnn.road = road
        if road == "scan" and not self.rnn.scans(x):
            raise Skip("nothing is scanned that has one step, or while anomalies are looked for")
        hx = None if not states else tuple(states) if len(states) > 1 else states[0]
        if self.rnn.batch_first:
            Y = self.network(x.swapaxes(0, 1), hx)[0].swapaxes(0, 1)
        else:
            Y = self.network(x, hx)[0]
        sources = parameters | inputs
        found = grad(finite(divergence, Y, D), list(sources.values()), allow_unused=True)
        return {VALUE: backend.to_numpy(Y.data)} | {
            name: np.zeros(source.shape) if g is None else backend.to_numpy(g.data)
            for (name, source), g in zip(sources.items(), found, strict=True)
        }

    def _slides(self, divergence: Divergence, D: Any) -> Arrays:
        """Slide 94 for every sequence of the batch, since it knows one at a time."""
        f, params = self.rnn.mode, bptt.names.from_torch(self.parameters)
        traces = [
            bptt.forward(params, x, dict(enumerate(h, 1)), f, self.output)
            for x, h in zip(self.x.swapaxes(0, 1), self.states["h_0"].swapaxes(0, 1), strict=True)
        ]
        Y = np.stack([np.stack(list(trace.Y.values())) for trace in traces], axis=1)
        dY = divergence.gradient(Y, D)
        ds = [
            bptt.backward(params, trace, dY[:, b], f, self.output) for b, trace in enumerate(traces)
        ]
        found = {VALUE: Y, "x": np.stack([d["x"] for d in ds], axis=1)}
        for name in self.parameters:
            if name not in self.learned.values():
                found[name] = sum(bptt.names.gradient(d, name) for d in ds)
        found["h_0"] = np.stack([np.stack(list(d["h_init"].values())) for d in ds], axis=1)
        return found

    def _torch(self, divergence: Divergence, D: Any) -> Arrays:
        """PyTorch's own layers, in float64, given dDIV/dY(t)."""
        try:
            import torch
        except ImportError:
            raise Skip("PyTorch is not installed: pip install torch") from None
        arrays = {"x": self.x} | {
            n: a for n, a in self.parameters.items() if n not in self.learned.values()
        }
        arrays |= self.states
        tensors = {n: torch.tensor(a, requires_grad=True) for n, a in arrays.items()}
        rnn, simple = self.rnn, isinstance(self.rnn, RNN)
        options = {"nonlinearity": rnn.mode} if simple else {}
        theirs = getattr(torch.nn, "RNN" if simple else rnn.mode.upper())(
            rnn.input_size, rnn.hidden_size, rnn.num_layers, bias=rnn.bias,
            bidirectional=rnn.bidirectional, dtype=torch.float64, **options,
        )  # fmt: skip
        prefix = "rnn." if "output.weight" in tensors else ""
        own = {name: tensors[prefix + name] for name in theirs.state_dict()}
        hx = tuple(tensors[name] for name in self.states)
        given = (tensors["x"], hx if len(hx) > 1 else hx[0])
        Y, _ = torch.func.functional_call(theirs, own, given)
        if "output.weight" in tensors:
            Y = torch.nn.functional.linear(Y, tensors["output.weight"], tensors.get("output.bias"))
        if self.output == "softmax":
            Y = torch.softmax(Y, dim=-1)
        elif self.output != "identity":
            Y = getattr(torch, self.output)(Y)
        Y.backward(torch.tensor(np.ascontiguousarray(divergence.gradient(Y.detach().numpy(), D))))
        return {VALUE: Y.detach().numpy()} | {n: t.grad.numpy() for n, t in tensors.items()}


def _check(rnn: RNN | LSTM | GRU) -> None:
    """Raise TypeError if there is no column that is the same network."""
    if rnn.proj_size:
        raise TypeError(
            f"verify: {rnn!r} projects its h, which no witness knows; autograd.gradcheck compares "
            "any function with differences."
        )
    if rnn.dropout and rnn.training:
        raise TypeError(
            f"verify: {rnn!r} drops units while it is training, other ones in every run; "
            "verify network.eval()."
        )
