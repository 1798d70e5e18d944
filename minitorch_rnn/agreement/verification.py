"""The agreement certificate: every road to the gradient, run on one network and compared.

    graph         autograd over the unrolled network: what training uses
    slides        the explicit backpropagation through time of slide 94, on plain arrays
    differences   central differences of order 8, knowing no derivative at all
    complex step  Im f(x + ih) / h, likewise, without cancellation
    torch         PyTorch's nn.RNN, where it is installed

The witnesses share no code with the graph but the line that states the divergence. The agreement is
given in decimal digits for every parameter, dDIV/dx, dDIV/dh(-1) and the outputs themselves.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend, bptt, numeric, ops
from minitorch_rnn.autograd import grad
from minitorch_rnn.bptt.divergences import DIVERGENCES, Divergence
from minitorch_rnn.engine import Tensor, raw
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn import RNN, RecurrentNetwork

Arrays = dict[str, np.ndarray]

# Digits asked for. Differences lose some to rounding, and float32 has seven to begin with.
REQUIRED = {"slides": 10.0, "differences": 6.0, "complex step": 10.0, "torch": 10.0}
REQUIRED_FLOAT32 = 3.5

# A gradient whose terms cancel to zero has no digits of its own: below this part of the largest
# gradient, agreement is measured against that.
_FLOOR = 1e-3

_VALUE = "Y is a value, and this road finds derivatives only"

# Steps for differences, tried in turn until none carries a relu unit over its kink; each smaller
# one costs about a digit. None is the best step for a smooth function.
_STEPS = (None, 3e-3, 1.5e-3, 4e-4, 6e-5)


class Agreement(NamedTuple):
    """What `verify` found; `agrees` is the verdict, printing it gives the table.

    Attributes:
        network, divergence: what was verified.
        digits: by quantity, then by road: decimal digits in which the graph agrees with it.
        skipped: by road, the reason it was not run.
        required: by road, the digits asked for.
    """

    network: str
    divergence: str
    digits: dict[str, dict[str, float]]
    skipped: dict[str, str]
    required: dict[str, float]

    @property
    def agrees(self) -> bool:
        """Whether every quantity agrees on every road."""
        return all(self._row_agrees(found) for found in self.digits.values())

    def __bool__(self) -> bool:
        return self.agrees

    def _row_agrees(self, found: dict[str, float]) -> bool:
        return bool(found) and all(found[road] >= self.required[road] for road in found)

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each quantity, ready for JSON."""
        return [
            {
                "network": self.network,
                "divergence": self.divergence,
                "quantity": quantity,
                "digits": {road: round(value, 2) for road, value in found.items()},
                "agrees": self._row_agrees(found),
                "skipped": self.skipped
                | {road: _VALUE for road in self.required if quantity == "Y" and road not in found},
            }
            for quantity, found in self.digits.items()
        ]

    def to_json(self) -> str:
        """The rows as JSON."""
        import json

        return json.dumps(self.rows(), indent=2)

    def __str__(self) -> str:
        roads = [road for road in self.required if road not in self.skipped]
        width = max(len(quantity) for quantity in self.digits)
        lines = [
            f"{self.network}, {self.divergence}: digits of agreement with the graph",
            " ".join([" " * width, *(f"{road:>12}" for road in roads)]),
        ]
        for quantity, found in self.digits.items():
            cells = [f"{found[road]:>12.1f}" if road in found else " " * 12 for road in roads]
            verdict = "" if self._row_agrees(found) else "  DISAGREES"
            lines.append(" ".join([f"{quantity:<{width}}", *cells]) + verdict)
        lines += [f"{road} skipped: {reason}" for road, reason in self.skipped.items()]
        return "\n".join(lines)


def verify(
    network: RNN | RecurrentNetwork,
    x: Any,
    targets: Any,
    divergence: Divergence | str | Callable[[Any, Any], Any],
    h_0: Any = None,
) -> Agreement:
    """Compare the graph's gradients of `network` with every witness.

    Args:
        network: a RecurrentNetwork, or an RNN, whose outputs are then Y(t) = h(t,L).
        x: inputs, (T, B, I), also for a `batch_first` network.
        targets: D, (T, B, O).
        divergence: a name in `bptt.divergences.DIVERGENCES`, a `Divergence`, or any function of
            (Y, D) that runs on arrays as on Tensors; its dDIV/dY(t) is then found numerically.
        h_0: h(-1,l), (L, B, H); None is the learned state where the network has one, and else draws
            one, so that its gradient is tested away from zero.

    Raises:
        ShapeError: if targets and outputs differ in shape.
        TypeError: if the network is of another kind, or the divergence does not run on arrays.
        ValueError: if the divergence has an unknown name, or no finite value here.

    The network itself, its gradients and what is frozen in it are left as they are.

    >>> import numpy as np
    >>> import minitorch_rnn as mt
    >>> rng = np.random.default_rng(0)
    >>> network = mt.nn.RecurrentNetwork(2, 3, 2, rng=rng)
    >>> x, D = rng.normal(size=(4, 1, 2)), rng.dirichlet((1, 1), size=(4, 1))
    >>> mt.verify(network, x, D, "cross-entropy").agrees
    True
    """
    if not isinstance(network, RNN | RecurrentNetwork):
        raise TypeError(f"verify: got {network!r}; an RNN or a RecurrentNetwork is needed.")
    network = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.requires_grad_()  # frozen ones have a gradient to verify too
    x, D = (np.array(backend.to_numpy(raw(v)), float) for v in (x, targets))
    rnn = _layers(network)
    arrays = {name: a.astype(float) for name, a in network.state_dict().items()}
    learned = next((name for name in arrays if name.endswith("h_0")), None)
    shape = (rnn.num_layers, x.shape[1], rnn.hidden_size)
    if h_0 is not None:
        h = np.array(backend.to_numpy(raw(h_0)), float)
    elif learned:
        h = np.broadcast_to(arrays[learned][:, None], shape)
    else:
        h = np.random.default_rng(0).normal(size=shape)
    shared = learned if h_0 is None else None  # the learned state is every sequence's h(-1)
    if learned:
        del arrays[learned]
    arrays |= {"x": x, "h_0": h}
    witness = _Slides(rnn, getattr(network, "output_activation", "identity"), D)
    Y = witness.outputs(arrays)
    if Y.shape != D.shape:
        raise ShapeError(f"verify: targets have shape {D.shape}, the outputs {Y.shape}.")
    divergence, skipped = _divergence(divergence, Y, D)
    witness.divergence = divergence
    graph = _graph(network, x, D, divergence, None if shared else h)
    roads = _run(witness, arrays, skipped)
    if shared:
        for found in roads.values():
            found[shared] = found.pop("h_0").sum(axis=1)
    # Where dDIV/dY itself comes from differences, no road can agree better than they do.
    most = REQUIRED["differences"] if "complex step" in skipped else max(REQUIRED.values())
    float64 = graph["Y"].dtype == np.float64
    return Agreement(
        _name(network),
        divergence.name,
        _digits(graph, roads),
        skipped,
        {road: min(n, most) if float64 else REQUIRED_FLOAT32 for road, n in REQUIRED.items()},
    )


class _Skip(Exception):
    """A road that does not apply, with the reason."""


def _run(witness: _Slides, arrays: Arrays, skipped: dict[str, str]) -> dict[str, Arrays]:
    """Every witness' gradients, by road; a road that does not apply goes into `skipped`."""
    roads = {"slides": witness.gradients(arrays)}
    if "complex step" not in skipped:
        roads["complex step"] = numeric.complex_step(witness.value, arrays)
    for road, run in {"differences": witness.differences, "torch": witness.torch}.items():
        try:
            roads[road] = run(arrays)
        except _Skip as skip:
            skipped[road] = str(skip)
    return roads


def _digits(graph: Arrays, roads: dict[str, Arrays]) -> dict[str, dict[str, float]]:
    """Digits in which the graph agrees, by quantity and road."""
    largest = max(np.abs(g).max(initial=0.0) for name, g in roads["slides"].items() if name != "Y")
    return {
        quantity: {
            road: numeric.digits(found, roads[road][quantity], _FLOOR * largest)
            for road in REQUIRED
            if road in roads and quantity in roads[road]
        }
        for quantity, found in graph.items()
    }


def _divergence(
    divergence: Divergence | str | Callable[[Any, Any], Any], Y: np.ndarray, D: np.ndarray
) -> tuple[Divergence, dict[str, str]]:
    """The divergence with its dDIV/dY(t), and the roads that it closes."""
    if isinstance(divergence, Divergence):
        return divergence, {}
    if isinstance(divergence, str):
        if divergence not in DIVERGENCES:
            known = ", ".join(map(repr, DIVERGENCES))
            raise ValueError(f"verify: divergence is {divergence!r}; known are {known}.")
        return DIVERGENCES[divergence], {}
    f = divergence

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
    return made, {} if analytic else {"complex step": f"{name} is not an analytic function of Y"}


def _layers(network: RNN | RecurrentNetwork) -> RNN:
    return network if isinstance(network, RNN) else network.rnn


def _name(network: RNN | RecurrentNetwork) -> str:
    rnn = _layers(network)
    layers = "1 layer" if rnn.num_layers == 1 else f"{rnn.num_layers} layers"
    output = getattr(network, "output_activation", "no")
    bias = "" if rnn.has_bias else ", no bias"
    return f"RNN {rnn.nonlinearity}, {layers}{bias}, {output} output"


def _graph(
    network: RNN | RecurrentNetwork, x: Any, D: Any, divergence: Divergence, h_0: Any
) -> Arrays:
    """Outputs and gradients of the graph, by quantity; h_0 None leaves it to the network."""
    parameters = dict(network.named_parameters())
    like = next(iter(parameters.values()))
    given = {"x": x} if h_0 is None else {"x": x, "h_0": h_0}
    inputs = {
        n: Tensor(v, like.dtype, requires_grad=True, backend=like.backend) for n, v in given.items()
    }
    X, H = inputs["x"], inputs.get("h_0")
    if _layers(network).batch_first:
        Y = network(X.swapaxes(0, 1), H)[0].swapaxes(0, 1)
    else:
        Y = network(X, H)[0]
    if h_0 is not None:  # a learned state has no part in this
        parameters = {name: p for name, p in parameters.items() if not name.endswith("h_0")}
    sources = parameters | inputs
    target = Tensor(D, like.dtype, backend=like.backend)
    value = divergence.value(ops, Y, target)
    if not np.isfinite(value.item()):
        raise ValueError(
            f"verify: the {divergence.name} of these outputs is {value.item()}, which has no "
            f"gradient; the outputs lie between {Y.min().item():.3g} and {Y.max().item():.3g}."
        )
    found = grad(value, list(sources.values()), allow_unused=True)
    return {"Y": backend.to_numpy(Y.data)} | {
        name: np.zeros(source.shape) if g is None else backend.to_numpy(g.data)
        for (name, source), g in zip(sources.items(), found, strict=True)
    }


class _Slides:
    """The witnesses: everything here runs on plain arrays by the algorithms of `bptt`."""

    divergence: Divergence

    def __init__(self, rnn: RNN, output: str, D: np.ndarray) -> None:
        self.rnn, self.output, self.D = rnn, output, D
        self.signs: set[bytes] | None = None  # of all z seen, while somebody watches

    def _forward(self, arrays: Arrays) -> tuple[Any, list[bptt.Trace]]:
        weights = {name: a for name, a in arrays.items() if name not in ("x", "h_0")}
        params = bptt.names.from_torch(weights)
        traces = []
        for b in range(arrays["x"].shape[1]):  # the slides know one sequence at a time
            h_init = {l + 1: h[b] for l, h in enumerate(arrays["h_0"])}
            traces.append(
                bptt.forward(params, arrays["x"][:, b], h_init, self.rnn.nonlinearity, self.output)
            )
        if self.signs is not None:
            self.signs.add(b"".join((z > 0).tobytes() for tr in traces for z in tr.z.values()))
        return params, traces

    def outputs(self, arrays: Arrays) -> np.ndarray:
        """Y(t) for all t and the whole batch, (T, B, O)."""
        return self._outputs(self._forward(arrays)[1])

    def _outputs(self, traces: list[bptt.Trace]) -> np.ndarray:
        return np.stack([np.stack(list(trace.Y.values())) for trace in traces], axis=1)

    def value(self, arrays: Arrays) -> Any:
        """DIV, from the forward pass alone."""
        _, traces = self._forward(arrays)
        return self.divergence.value(np, self._outputs(traces), self.D)

    def gradients(self, arrays: Arrays) -> Arrays:
        """Slide 94 for every sequence of the batch."""
        params, traces = self._forward(arrays)
        Y = self._outputs(traces)
        dY = self.divergence.gradient(Y, self.D)
        ds = [
            bptt.backward(params, trace, dY[:, b], self.rnn.nonlinearity, self.output)
            for b, trace in enumerate(traces)
        ]
        found = {"Y": Y, "x": np.stack([d["x"] for d in ds], axis=1)}
        found["h_0"] = np.stack([np.stack(list(d["h_init"].values())) for d in ds], axis=1)
        for name in arrays:
            if name not in found:
                found[name] = sum(bptt.names.gradient(d, name) for d in ds)
        return found

    def differences(self, arrays: Arrays) -> Arrays:
        """Central differences, with a step that crosses no kink."""
        if self.rnn.nonlinearity != "relu":
            return numeric.central_difference(self.value, arrays)
        for step in _STEPS:
            self.signs = set()
            found = numeric.central_difference(self.value, arrays, step)
            crossed, self.signs = len(self.signs) > 1, None
            if not crossed:
                return found
        raise _Skip("a relu unit is within the smallest step of its kink, where no slope exists")

    def torch(self, arrays: Arrays) -> Arrays:
        """PyTorch's own RNN, in float64, given dDIV/dY(t)."""
        try:
            import torch
        except ImportError:
            raise _Skip("PyTorch is not installed: pip install torch") from None
        tensors = {n: torch.tensor(a, requires_grad=True) for n, a in arrays.items()}
        rnn = torch.nn.RNN(
            self.rnn.input_size, self.rnn.hidden_size, self.rnn.num_layers,
            self.rnn.nonlinearity, self.rnn.has_bias, dtype=torch.float64,
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
        dY = np.ascontiguousarray(self.divergence.gradient(Y.detach().numpy(), self.D))
        Y.backward(torch.from_numpy(dY))
        return {"Y": Y.detach().numpy()} | {
            n: t.grad.numpy() for n, t in tensors.items() if t.grad is not None
        }
