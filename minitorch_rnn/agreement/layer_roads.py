"""The roads of an RNN or a RecurrentNetwork: the slides' own algorithms are the witnesses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minitorch_rnn import backend, bptt, numeric
from minitorch_rnn.agreement.report import VALUE
from minitorch_rnn.agreement.roads import Arrays, Skip, differences, finite
from minitorch_rnn.autograd import grad
from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.engine import Tensor, raw
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import RNN, RecurrentNetwork


class Layers:
    """A network of layers with its data; see `verification.Subject`."""

    frozen = ""

    def __init__(self, network: RNN | RecurrentNetwork, x: Any, h_0: Any) -> None:
        self.network = copy.deepcopy(network)
        for parameter in self.network.parameters():
            parameter.requires_grad_()  # frozen ones have a gradient to verify too
        self.rnn = network if isinstance(network, RNN) else network.rnn
        if self.rnn.bidirectional or (self.rnn.dropout and self.rnn.training):
            told = "bidirectional" if self.rnn.bidirectional else "training with dropout"
            raise TypeError(
                f"verify: {self.rnn!r} is {told}, which slide 94 does not know. Verify "
                "mt.column.bidirectional(…) as a ColumnNetwork, or network.eval()."
            )
        self.output = getattr(network, "output_activation", "identity")
        self.name = self._named()
        x = np.array(backend.to_numpy(raw(x)), float)
        if x.ndim != 3:
            raise ShapeError(f"verify: x has shape {x.shape}; needed is (T, B, I).")
        arrays = {name: a.astype(float) for name, a in self.network.state_dict().items()}
        learned = next((name for name in arrays if name.endswith("h_0")), None)
        shape = (self.rnn.num_layers, x.shape[1], self.rnn.hidden_size)
        if h_0 is not None:
            h = np.array(backend.to_numpy(raw(h_0)), float)
        elif learned:
            h = np.broadcast_to(arrays[learned][:, None], shape)
        else:
            h = np.random.default_rng(0).normal(size=shape)
        # The learned state is every sequence's h(-1).
        self.shared = learned if h_0 is None else None
        if learned:
            del arrays[learned]
        self.arrays = arrays | {"x": x, "h_0": h}
        self.signs: set[bytes] = set()  # of all z seen since a road asked for kinks

    def _named(self) -> str:
        layers = "1 layer" if self.rnn.num_layers == 1 else f"{self.rnn.num_layers} layers"
        output = getattr(self.network, "output_activation", "no")
        bias = "" if self.rnn.bias else ", no bias"
        return f"RNN {self.rnn.nonlinearity}, {layers}{bias}, {output} output"

    def angle(self, divergence: Divergence, D: Any) -> float | None:
        """None: the gradient of layers is the full one."""
        return None

    def graph(self, divergence: Divergence, D: Any) -> Arrays:
        """Outputs and gradients of the graph, by quantity."""
        parameters = dict(self.network.named_parameters())
        like = next(iter(parameters.values()))
        given = {"x": self.arrays["x"]} | ({} if self.shared else {"h_0": self.arrays["h_0"]})
        inputs = {
            n: Tensor(v, like.dtype, requires_grad=True, backend=like.backend)
            for n, v in given.items()
        }
        X, H = inputs["x"], inputs.get("h_0")
        if self.rnn.batch_first:
            Y = self.network(X.swapaxes(0, 1), H)[0].swapaxes(0, 1)
        else:
            Y = self.network(X, H)[0]
        if not self.shared:  # a learned state has no part in this
            parameters = {name: p for name, p in parameters.items() if not name.endswith("h_0")}
        sources = parameters | inputs
        found = grad(finite(divergence, Y, D), list(sources.values()), allow_unused=True)
        return {VALUE: backend.to_numpy(Y.data)} | {
            name: np.zeros(source.shape) if g is None else backend.to_numpy(g.data)
            for (name, source), g in zip(sources.items(), found, strict=True)
        }

    def roads(self, divergence: Divergence, D: Any) -> dict[str, Callable[[], Arrays]]:
        """Slide 94, complex step, differences and PyTorch's own RNN."""

        def value(arrays: Arrays) -> Any:  # DIV, from the forward pass alone
            return divergence.value(np, _outputs(self._forward(arrays)[1]), D)

        kinks = self._kinks if self.rnn.nonlinearity == "relu" else None
        found: dict[str, Callable[[], Arrays]] = {
            "slides": lambda: self._slides(divergence, D),
            "complex step": lambda: numeric.complex_step(value, self.arrays),
            "differences": lambda: differences(value, self.arrays, kinks),
            "torch": lambda: self._torch(divergence, D),
        }
        return {road: self._with_shared_state(run) for road, run in found.items()}

    def _with_shared_state(self, run: Callable[[], Arrays]) -> Callable[[], Arrays]:
        def shared() -> Arrays:
            found = run()
            if self.shared:
                found[self.shared] = found.pop("h_0").sum(axis=1)
            return found

        return shared

    def _kinks(self) -> bool:
        crossed = len(self.signs) > 1
        self.signs.clear()
        return crossed

    def _forward(self, arrays: Arrays) -> tuple[Any, list[bptt.Trace]]:
        weights = {name: a for name, a in arrays.items() if name not in ("x", "h_0")}
        params = bptt.names.from_torch(weights)
        traces = []
        for b in range(arrays["x"].shape[1]):  # the slides know one sequence at a time
            h_init = {l + 1: h[b] for l, h in enumerate(arrays["h_0"])}
            traces.append(
                bptt.forward(params, arrays["x"][:, b], h_init, self.rnn.nonlinearity, self.output)
            )
        self.signs.add(b"".join((z > 0).tobytes() for tr in traces for z in tr.z.values()))
        return params, traces

    def outputs(self) -> np.ndarray:
        """Y(t) for all t and the whole batch, (T, B, O)."""
        return _outputs(self._forward(self.arrays)[1])

    def _slides(self, divergence: Divergence, D: Any) -> Arrays:
        """Slide 94 for every sequence of the batch."""
        params, traces = self._forward(self.arrays)
        Y = _outputs(traces)
        dY = divergence.gradient(Y, D)
        ds = [
            bptt.backward(params, trace, dY[:, b], self.rnn.nonlinearity, self.output)
            for b, trace in enumerate(traces)
        ]
        found = {VALUE: Y, "x": np.stack([d["x"] for d in ds], axis=1)}
        found["h_0"] = np.stack([np.stack(list(d["h_init"].values())) for d in ds], axis=1)
        for name in self.arrays:
            if name not in found:
                found[name] = sum(bptt.names.gradient(d, name) for d in ds)
        return found

    def _torch(self, divergence: Divergence, D: Any) -> Arrays:
        """PyTorch's own RNN, in float64, given dDIV/dY(t)."""
        try:
            import torch
        except ImportError:
            raise Skip("PyTorch is not installed: pip install torch") from None
        tensors = {n: torch.tensor(a, requires_grad=True) for n, a in self.arrays.items()}
        rnn = torch.nn.RNN(
            self.rnn.input_size, self.rnn.hidden_size, self.rnn.num_layers,
            self.rnn.nonlinearity, self.rnn.bias, dtype=torch.float64,
        )  # fmt: skip
        prefix = "rnn." if "output.weight" in tensors else ""
        own = {name: tensors[prefix + name] for name in rnn.state_dict()}
        Y, _ = torch.func.functional_call(rnn, own, (tensors["x"], tensors["h_0"]))
        if "output.weight" in tensors:
            Y = torch.nn.functional.linear(Y, tensors["output.weight"], tensors.get("output.bias"))
        if self.output == "softmax":
            Y = torch.softmax(Y, dim=-1)
        elif self.output != "identity":
            Y = getattr(torch, self.output)(Y)
        dY = np.ascontiguousarray(divergence.gradient(Y.detach().numpy(), D))
        Y.backward(torch.from_numpy(dY))
        return {VALUE: Y.detach().numpy()} | {
            n: t.grad.numpy() for n, t in tensors.items() if t.grad is not None
        }


def _outputs(traces: list[bptt.Trace]) -> np.ndarray:
    return np.stack([np.stack(list(trace.Y.values())) for trace in traces], axis=1)
