"""The generated file: what it says of itself, the functions it needs, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator

from minitorch_rnn.column import Column
from minitorch_rnn.teaching.derivation.backward import backward
from minitorch_rnn.teaching.derivation.forward import FUNCTIONS, forward, identifier
from minitorch_rnn.teaching.derivation.layout import STEP, WIDTH, matrix, told, width, wrapped
from minitorch_rnn.teaching.derivation.words import Words, edge_times


def source(column: Column) -> str:
    """The file, which needs NumPy alone."""
    words = Words(column)
    computed = [n for part in words.flow.passes for n in part.nodes]
    head = ['"""' + "\n".join(_document(words)), '"""', "", "import numpy as np"]
    if fixed := list(_matrices(words, computed)):
        head += ["", *fixed]
    used = {column.node[n].activation for n in computed}
    functions = [lines for name, lines in FUNCTIONS.items() if name in used]
    parts = [head, *functions, forward(words), backward(words)]
    return "\n\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _matrices(words: Words, computed: list[str]) -> Iterator[str]:
    """Fixed matrices, each with a name."""
    for n in computed:
        for e in words.column.into[n]:
            if isinstance(weight := words.column.weight(e), tuple):
                yield from matrix(f"{words.names.weight[str(e.name)]} =", weight)


def equations(column: Column) -> list[str]:
    """The equations that `print(column)` shows, one of each node that computes."""
    count = sum(node.kind != "input" for node in column.nodes)
    return [line.strip() for line in str(column).split("\n")[-count:]]


def _document(words: Words) -> Iterator[str]:
    """The docstring: equations, names, how arrays lie, and the slides."""
    column = words.column
    yield from wrapped(f"Backpropagation through time for {told(column.name)}, line by line.")
    yield ""
    for line in equations(column):
        yield from wrapped(line, STEP, 3 * STEP)
    yield ""
    yield from _dictionary(words)
    yield ""
    yield from wrapped(_arrays(words))
    if renamed := [f"{told(n)} is {new}" for n, new in words.names.node.items() if n != new]:
        yield ""
        yield from wrapped(f"Some nodes have another name here: {', '.join(renamed)}.")
    if left_out := [
        words.names.node[node.name]
        for node in column.nodes
        if node.kind != "input" and all(node.name not in p.nodes for p in words.flow.passes)
    ]:
        yield ""
        yield from wrapped(
            f"Nothing leads from {', '.join(left_out)} to the output, so it is left out."
        )
    yield ""
    yield from wrapped('Slides of Bhiksha Raj, "Recurrent Networks 1" (CMU 11-785, Spring 2020):')
    for number, what in slides(column):
        yield f"{STEP}{number:<9}{what}"


def _dictionary(words: Words) -> Iterator[str]:
    """A table of the names here, the names of the column, and the shapes."""
    rows = []
    for name, shape in words.column.shapes.items():
        of = name.removeprefix("history.")
        here = f"{words.names.node[of]}[T:]" if of != name else identifier(words, name)
        rows.append((here, told(name), str(shape)))
    if not rows:
        yield "Nothing is learned."
        return
    first, second = (max(width(row[i]) for row in rows) for i in (0, 1))
    yield "Names here, in `params`, and shapes:"
    for here, name, size in rows:
        line = f"{STEP}{padded(here, first)}  {padded(name, second)}  {size}"
        if width(line) <= WIDTH:
            yield line
        else:
            yield from wrapped(f"{here}: {name} {size}", STEP, 2 * STEP)


def padded(text: str, columns: int) -> str:
    """Text with as many spaces behind it as it takes."""
    return text + " " * (columns - width(text))


def _arrays(words: Words) -> str:
    """How arrays lie, and what is a row vector."""
    text = "Arrays are (time, sequence, unit)"
    for n, (before, after) in words.column.reach.items():
        if before + after:
            name, time = words.names.node[n], edge_times(before, after)[0]
            text += ", and what lies outside 0 … T-1 has its place behind column T-1, where Python "
            text += f"finds it: {name}[{time}] is {name}({time})"
            break
    return text + (
        ". Derivatives are row vectors, as on the slides; the gradient of a weight has the shape "
        "of the weight, where the slides have its transpose."
    )


def slides(column: Column) -> list[tuple[str, str]]:
    """The slides that this column needs."""
    activations = {node.activation for node in column.nodes}
    fed_back = any(e.source == column.output for e in column.feedback)
    return [
        (number, what)
        for number, what, needed in (
            ("41-45", "outputs that are fed back (NARX)", fed_back),
            ("47-49", "blocked links: no error flows back over them", bool(column.blocked)),
            ("58", "links from further back than t-1", any(e.delay > 1 for e in column.edges)),
            ("69, 91", "what was there before t = 0, and its gradient",
             any(node.history != "zeros" for node in column.nodes)),
            ("72", "the forward pass", True),
            ("85", "softmax: the Jacobian is a whole matrix", "softmax" in activations),
            ("94", "the backward pass; where several errors meet, they add up", True),
            ("95", "the same for any architecture", True),
            ("96-100", "nets that run backward in time", bool(column.backward)),
        )
        if needed
    ]  # fmt: skip
