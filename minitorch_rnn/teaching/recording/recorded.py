"""One run of the engine, written down: forward, and backward one operation at a time.

Every number is the engine's own. Beside it stands the explicit BPTT's, where it has one. `explain`
shows a recording as a page; `Recording.document` is what the page reads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_rnn import nn, ops
from minitorch_rnn.autograd import record_places
from minitorch_rnn.bptt.divergences import Divergence, named
from minitorch_rnn.column import Column
from minitorch_rnn.column.validation import whole
from minitorch_rnn.engine import Tensor, enable_grad
from minitorch_rnn.errors import ColumnError, NonFiniteError
from minitorch_rnn.nn import ColumnNetwork
from minitorch_rnn.teaching.recording.backward_steps import backward_steps
from minitorch_rnn.teaching.recording.deck_lines import levels
from minitorch_rnn.teaching.recording.explicit_side import Explicit
from minitorch_rnn.teaching.recording.forward_steps import Step, forward_steps
from minitorch_rnn.teaching.recording.roles import Role, Roles, recorded
from minitorch_rnn.teaching.recording.rounded import agreement, numbers, plain
from minitorch_rnn.teaching.recording.small_data import (
    check_output,
    check_size,
    drawn_histories,
    drawn_inputs,
    drawn_network,
    drawn_targets,
)


def record(
    network: ColumnNetwork | Column,
    x: Any = None,
    D: Any = None,
    divergence: Divergence | str = "squared error",
    *,
    histories: Mapping[str, Any] | None = None,
    steps: int = 4,
    seed: int = 0,
) -> Recording:
    """Run a network forward and backward, and write down every operation.

    Args:
        network: a ColumnNetwork, or a Column, whose parameters are then drawn, with two decimals.
        x: inputs, (T, B, I), or (T, I) for a single sequence; a dictionary by node if there are
            several. None draws them.
        D: targets, as `divergence` takes them. None draws them.
        divergence: a name in `bptt.divergences.DIVERGENCES`, or a `Divergence`.
        histories: as `ColumnNetwork` takes them; drawn where the column says "given".
        steps: T, where x is drawn.
        seed: draws what is drawn.

    The network itself and its gradients are left as they are.

    Raises:
        DataError: if the recording would be too long for a page, or D is of the wrong kind.
        ShapeError: if data and network do not fit.
        ColumnError: if the divergence needs distributions and the output is none, or steps is no
            whole number from 1.
        NonFiniteError: if the divergence has no finite value here.

    >>> from minitorch_rnn.column import state_space
    >>> recording = record(state_space(1, 2, 1), steps=2)
    >>> [step["title"] for step in recording.steps if (step["node"], step["t"]) == ("h1", -1)]
    ['h1(-1) is the initial state', 'dh1(-1) is complete']
    """
    chosen = named("record", divergence)
    if x is None and isinstance(network, Column | ColumnNetwork):  # before it is drawn
        column = network if isinstance(network, Column) else network.column
        check_size(column, whole("record", "steps", steps, 1, None), 1, 1, chosen)
    if isinstance(network, Column):
        network = drawn_network(network, seed)
    elif isinstance(network, ColumnNetwork):
        network = copy.deepcopy(network)
    else:
        raise TypeError(f"record: got {network!r:.80}; a ColumnNetwork or a Column is needed.")
    column = network.column
    check_output(column, chosen)
    rng = np.random.default_rng(seed)
    if x is None:
        drawn = drawn_inputs(column, steps, rng)
        x = {n: values.astype(network.like.dtype) for n, values in drawn.items()}
    past = drawn_histories(column, x, rng)
    past = {n: values.astype(network.like.dtype) for n, values in past.items()}
    inputs, given = _leaves(network, x, past | dict(histories or {}))
    T, B = next(iter(inputs.values())).shape[:2]
    targets = drawn_targets(column, chosen, T, B, rng) if D is None else plain(D)
    if targets.ndim == 2 and chosen.takes != "labels" or targets.ndim == 1:
        targets = targets[:, None]  # a single sequence
    check_size(column, T, B, len(targets) if targets.ndim else 1, chosen)
    with enable_grad(), np.errstate(all="ignore"):  # what overflows is shown as inf
        return _run(network, inputs, given, chosen, targets)


def _leaves(
    network: ColumnNetwork, x: Any, histories: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Inputs and given histories as leaves that have a gradient, like every parameter."""
    for parameter in network.parameters():
        parameter.requires_grad_()
        parameter.grad = None
    _, inputs, given, _ = network.prepared(x, histories)
    return (
        {n: Tensor(v.data, requires_grad=True) for n, v in inputs.items()},
        {n: Tensor(v.data, requires_grad=True) for n, v in given.items()},
    )


def _run(
    network: ColumnNetwork,
    inputs: dict[str, Tensor],
    given: dict[str, Tensor],
    divergence: Divergence,
    D: np.ndarray,
) -> Recording:
    column = network.column
    parameters = dict(network.named_parameters())
    leaves = {p._index: _of_parameter(column, name) for name, p in parameters.items()}
    leaves |= {v._index: Role("data", n, n) for n, v in inputs.items()}
    leaves |= {v._index: Role("past", f"history of {n}", n) for n, v in given.items()}
    with record_places() as places:
        lines = network.unroll(inputs, given)
    T, B = next(iter(inputs.values())).shape[:2]
    Y = ops.stack([lines[column.output][t] for t in range(T)])
    loss = nn.DivergenceLoss(divergence)(Y, D)
    _check(column, divergence, loss, Y)
    roles = Roles(column, lines, leaves, places)
    _name_divergence(roles, Y, loss, column.output)

    def arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        return {n: plain(v).astype(float) for n, v in tensors.items()}

    side = Explicit(column, arrays(parameters), arrays(inputs), arrays(given), divergence, D)
    steps = list(forward_steps(roles, side, divergence.name, {"D": D}))
    steps += backward_steps(roles, side, loss, divergence.name)
    recording = Recording(roles, side, steps, loss.item(), B, divergence.name)
    for name, parameter in parameters.items():
        role = leaves[parameter._index]
        recording.add_total(name, role.gradient, parameter.grad)
    return recording


def _of_parameter(column: Column, name: str) -> Role:
    kind, _, of = name.partition(".")
    letter = {"weight": "W", "bias": "b", "history": "history"}[kind]
    node = of if kind == "history" else None
    return Role("parameter", f"{letter} of {of}", node, edge=name)


def _name_divergence(roles: Roles, Y: Tensor, loss: Tensor, output: str) -> None:
    """Roles for what was made of the outputs: its parts are numbered, the last is DIV."""
    last = f"{output}({roles.T - 1})"
    name = last if roles.T == 1 else f"{output}(0…{roles.T - 1})"
    roles.note(Y, Role("outputs", name, output))
    parts = [x for x in recorded([loss]) if x._index > Y._index]
    for k, x in enumerate(parts, 1):
        roles.note(x, Role("divergence", "DIV" if x is loss else f"DIV part {k}"))


def _check(column: Column, divergence: Divergence, loss: Tensor, Y: Tensor) -> None:
    if not np.isfinite(loss.item()):
        raise NonFiniteError(
            f"record: the {divergence.name} of these outputs is {loss.item()}, which has no "
            f"gradient; the outputs lie between {Y.min().item():.3g} and {Y.max().item():.3g}."
        )
    if not loss.requires_grad:
        raise ColumnError(
            f"record: {column.name} has nothing that a gradient could reach: every link to its "
            "output is blocked and fixed."
        )


class Recording:
    """What `record` found.

    Attributes:
        column: the network.
        T, B: columns and sequences of the data.
        divergence: its name.
        graph, explicit: DIV by the graph and by the explicit forward pass.
        steps: of the page, forward and then backward; dictionaries that `document` describes.
        totals: of every parameter the graph's gradient, the explicit one and their agreement.

    >>> from minitorch_rnn.column import elman
    >>> recording = record(elman(2, 3, 2), steps=3)
    >>> recording.T, len(recording.totals), recording.digits > 12
    (3, 5, True)
    """

    def __init__(
        self, roles: Roles, side: Explicit, steps: list[Step], graph: float, B: int, name: str
    ) -> None:
        self.column, self.T, self.B = roles.column, roles.T, B
        self.divergence, self.graph, self.explicit = name, graph, side.value
        self.steps, self._side = steps, side
        self.totals: list[dict[str, Any]] = []

    def add_total(self, parameter: str, name: str, gradient: Any) -> None:
        """Note the gradient that a parameter has after the walk; None is no gradient at all."""
        expected = self._side.gradients.parameters[parameter]
        found = np.zeros_like(expected) if gradient is None else plain(gradient)
        self.totals.append({
            "name": name, "parameter": parameter, "graph": numbers(found),
            "explicit": numbers(expected), "digits": agreement(found, expected, self._side.largest),
        })  # fmt: skip

    @property
    def digits(self) -> float:
        """The fewest digits in which graph and explicit BPTT agree, in any number shown."""
        sides = [step["explicit"] for step in self.steps] + self.totals
        sides += [sent for step in self.steps for sent in step["outgoing"]]
        return float(min(side["digits"] for side in sides if side and side["digits"] is not None))

    def document(self) -> dict[str, Any]:
        """All of it as the page reads it, but for the picture: plain dictionaries and lists.

        Each step has the phase, the node, edge and t that it belongs to, the operation, a title,
        the lecture's line with its slide, a sentence, what lights up in the picture, the values,
        and backward the gradient that came in, the local Jacobians, and what goes out and where it
        is added.
        """
        column, level = self.column, levels(self.column)
        return {
            "title": f"{column.name}: {self.divergence}",
            "description": f"{self.T} columns, {self.B} "
            f"{'sequence' if self.B == 1 else 'sequences'}: every operation of the graph, forward "
            "and backward, with the numbers of backpropagation through time beside them.",
            "equations": [line.strip() for line in str(column).splitlines()[1:]],
            "T": self.T,
            "nodes": [
                {"name": n.name, "kind": n.kind, "size": n.size, "level": level[n.name]}
                for n in column.nodes
            ],
            "divergence": {
                "name": self.divergence,
                "graph": numbers(self.graph),
                "explicit": numbers(self.explicit),
            },
            "steps": self.steps,
            "totals": self.totals,
        }

    def json(self) -> str:
        """`document` as JSON."""
        return json.dumps(
            self.document(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
