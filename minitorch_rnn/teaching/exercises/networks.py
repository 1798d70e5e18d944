"""Cases of exercises whose answers are the gradients of a network: drawn, solved and diagnosed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from minitorch_rnn.bptt import column as explicit
from minitorch_rnn.bptt.trace import Trace
from minitorch_rnn.column import Column, Edge, Input, Layer
from minitorch_rnn.teaching.diagnose import Problem, diagnose
from minitorch_rnn.teaching.exercises.exercise import Call, Case
from minitorch_rnn.teaching.exercises.judge import named

__all__ = [
    "Drawn", "drawn_numbers", "gradient_case", "one_layer", "sequences", "sizes", "step", "vectors",
]  # fmt: skip

Array = np.ndarray
Slips = Sequence[tuple[str, Any]]


def sizes(**each: int) -> str:
    """Sizes in the order in which they are given.

    >>> sizes(T=3, B=1)
    'T = 3, B = 1'
    """
    return ", ".join(f"{name} = {size}" for name, size in each.items())


def drawn_numbers(rng: np.random.Generator, *shape: int) -> Array:
    """Normal numbers with two decimals, which can be copied onto paper.

    >>> drawn_numbers(np.random.default_rng(0), 2)
    array([ 0.13, -0.13])
    """
    return np.asarray(np.round(rng.normal(size=shape), 2))


def one_layer(I: int, H: int, O: int, output_activation: str = "identity") -> Column:
    """The network of slides 50-53, whose state is called h.

    >>> print(one_layer(1, 2, 1))
    one-layer
      h(t) = tanh(W x(t) + W h(t-1) + b)
      Y(t) = identity(W h(t) + b)
    """
    h, Y = Layer("h", H, history="learned"), Layer("Y", O, output_activation)
    edges = (Edge("x", "h"), Edge("h", "h", 1), Edge("h", "Y"))
    return Column("one-layer", (Input("x", I), h, Y), edges, "Y")


class Drawn:
    """A network with random numbers in it, and their gradients.

    Args:
        column: the network.
        T, B: steps and sequences.
        seed: draws the numbers.

    Attributes:
        params, inputs, histories, dY: as `Problem` takes them; every sequence has a history of its
            own wherever the column has one that is not zero.

    >>> from minitorch_rnn.column import elman
    >>> Drawn(elman(2, 3, 1), T=4, B=1, seed=0).at("h").shape
    (4, 1, 3)
    """

    def __init__(self, column: Column, T: int, B: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.column = column
        self.params = {n: drawn_numbers(rng, *shape) for n, shape in column.shapes.items()}
        self.inputs = {n: drawn_numbers(rng, T, B, node.size) for n, node in column.inputs.items()}
        self.histories = {
            node.name: drawn_numbers(rng, sum(column.reach[node.name]), B, node.size)
            for node in column.nodes
            if node.history != "zeros" and any(column.reach[node.name])
        }
        self.dY = drawn_numbers(rng, T, B, column.node[column.output].size)

    @cached_property
    def problem(self) -> Problem:
        """The network as the diagnosis takes it, with its true gradients."""
        return Problem(self.column, self.params, self.inputs, self.dY, self.histories)

    @cached_property
    def trace(self) -> Trace:
        """The forward pass."""
        return explicit.forward(self.column, self.params, self.inputs, self.histories)

    @cached_property
    def dz(self) -> dict[str, Array]:
        """The gradients at every z, by node, (T, B, n)."""
        return explicit.backward(self.column, self.params, self.trace, self.dY).dz

    def at(self, node: str) -> Array:
        """The activations of a node, (T, B, n)."""
        return self.trace.at(node)


def sequences(name: str, true: Array) -> Array:
    """A gradient of `Problem.true` as it is, a history of one column without the axis for it."""
    return true[0] if name.startswith("history.") and len(true) == 1 else true


def vectors(name: str, true: Array) -> Array:
    """The same of a single sequence, without the axis for B."""
    of_sequences = name.startswith(("history.", "input."))
    return sequences(name, true)[..., 0, :] if of_sequences else true


def step(name: str, true: Array) -> Array:
    """The same of a single time step, without the axis for T."""
    return true[0] if name.startswith(("history.", "input.")) else true


def gradient_case(
    drawn: Drawn,
    call: Call,
    about: str,
    parts: Mapping[str, str | Sequence[str]],
    *,
    as_student: Callable[[str, Array], Array] = sequences,
    tuple_of: tuple[str, ...] = (),
    slips: Slips = (),
) -> Case:
    """A case whose answer is a dictionary, or a tuple, of gradients.

    Args:
        drawn: the network.
        call: the call.
        about: its sizes.
        parts: the student's name of each gradient and its name in `Problem.true`, or several names
            if the student's array has them below one another. ``"W[1]"`` is the entry 1 of a
            dictionary within ``"W"``.
        as_student: makes of a true gradient, by its name, the array that the student has to return.
        tuple_of: the names in order, if the answer is a tuple.
        slips: (sentence, prediction) of mistakes of this exercise, asked for before the diagnosis.
    """
    true = drawn.problem.true

    def student(name: str) -> Array:
        return as_student(name, np.asarray(true[name]))

    def joined(names: str | Sequence[str]) -> Array:
        whole = [names] if isinstance(names, str) else names
        return np.concatenate([student(n) for n in whole]) if len(whole) > 1 else student(whole[0])

    expected = _nested({name: joined(names) for name, names in parts.items()})
    right = tuple(expected[name] for name in tuple_of) if tuple_of else expected

    def explain(answer: Any) -> str | None:
        if slip := named(right, answer, slips):
            return slip
        whole = dict(zip(tuple_of, answer, strict=True)) if tuple_of else answer
        gradients: dict[str, Array] = {}
        called: dict[str, tuple[str, ...]] = {}  # a cell has two names for one bias
        for name, names in parts.items():
            several = [names] if isinstance(names, str) else list(names)
            arrays = np.split(np.asarray(_entry(whole, name), dtype=float), len(several))
            for each, array in zip(several, arrays, strict=True):
                gate = each.split("->")[-1].split(".")[-1]
                gradient = name if name.startswith("d") else f"d{name}"
                own = gradient if len(several) == 1 else f"{gradient}[{gate}]"
                gradients[own] = array.reshape(true[each].shape)
                called[each] = (*called.get(each, ()), own)
        found = diagnose(drawn.problem, gradients, called)
        if found.right:
            return None
        text = str(found)
        stacked = [name for name, names in parts.items() if not isinstance(names, str)]
        if any(f"{name}[" in text for name in stacked):
            text += "\nIn brackets: the rows of one gate."
        return text

    return dataclasses.replace(Case(call, about, right, explain), labels=tuple_of)


def _nested(flat: Mapping[str, Array]) -> dict[str, Any]:
    """Entries "W[1]" and "W[2]" become one entry "W" with a dictionary {1: …, 2: …}."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        outer, bracket, inner = name.rstrip("]").partition("[")
        if bracket:
            nested.setdefault(outer, {})[int(inner)] = value
        else:
            nested[name] = value
    return nested


def _entry(answer: Mapping[str, Any], name: str) -> Any:
    outer, bracket, inner = name.rstrip("]").partition("[")
    return answer[outer][int(inner)] if bracket else answer[name]
