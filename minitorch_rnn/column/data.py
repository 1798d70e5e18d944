"""What data a column takes, by their shapes: the checks that all roads share.

The messages begin with `who`, the function or module that was called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minitorch_rnn.column.spec import Column
from minitorch_rnn.column.validation import is_number
from minitorch_rnn.errors import ColumnError, ShapeError

Shape = tuple[int, ...]


def named_inputs(column: Column, who: str, x: Any) -> dict[str, Any]:
    """x by input node; a column with a single input takes it without its name."""
    names = list(column.inputs)
    if not isinstance(x, Mapping):
        if len(names) > 1:
            raise ShapeError(
                f"{who}: one x came, but there are {len(names)} inputs; "
                f"give a dictionary of {', '.join(names)}."
            )
        return {names[0]: x}
    if set(x) != set(names):
        raise ShapeError(
            f"{who}: inputs are {', '.join(map(str, x)) or 'none'}; needed are {', '.join(names)}."
        )
    return {name: x[name] for name in names}


def check_inputs(column: Column, who: str, shapes: Mapping[str, Shape]) -> None:
    """That inputs of these shapes, (T, …, features), fit the column and each other.

    Raises:
        ShapeError: naming the input that does not.
    """
    first = next(iter(shapes))
    for name, shape in shapes.items():
        size = column.node[name].size
        if shape[-1] != size:
            raise ShapeError(
                f"{who}: {name} has shape {shape}, that is {shape[-1]} features per time step, "
                f"but the node {name!r} has {size} units."
            )
        if shape[:-1] != shapes[first][:-1]:
            raise ShapeError(
                f"{who}: {name} has shape {shape}, {first} {shapes[first]}; "
                "they must agree in T and B."
            )
        if shape[0] == 0:
            raise ShapeError(
                f"{who}: {name} has shape {shape}, that is 0 time steps; "
                "expected at least one time step."
            )


def whole_history(column: Column, name: str, values: Any, batch: int | None) -> Any:
    """A number as a history in which every unit of every column has it; else `values` itself."""
    if name not in column.node or not is_number(values):
        return values
    row = [float(values)] * column.node[name].size
    return [row if batch is None else [row] * batch] * sum(column.reach[name])


def check_history_names(column: Column, who: str, histories: Any) -> None:
    """That histories are a dictionary, and of nodes that have one.

    Raises:
        TypeError: if they are no dictionary.
        ShapeError: naming the node that has none.
    """
    if not isinstance(histories, Mapping | None):
        raise TypeError(
            f"{who}: histories are {type(histories).__name__}; a dictionary by node is needed, "
            f"such as {{{column.output!r}: …}}."
        )
    for name in histories or {}:
        if not any(column.reach.get(name, ())):
            having = (n for n, ends in column.reach.items() if any(ends))
            raise ShapeError(
                f"{who}: a history came for {name!r}; nodes that have one are "
                f"{', '.join(having) or 'none'}."
            )


def check_histories(
    column: Column, who: str, shapes: Mapping[str, Shape], batch: int | None
) -> None:
    """That histories of these shapes, (K+F, B, n), fit the column, and none is missing.

    Args:
        column, who: the network, and who asks.
        shapes: by node.
        batch: B; None for a single sequence, whose histories are (K+F, n).

    Raises:
        ShapeError: naming the node whose history does not fit, or is missing.
    """
    check_history_names(column, who, shapes)
    known = {n: sum(ends) for n, ends in column.reach.items() if any(ends)}
    told = "a single sequence" if batch is None else f"a batch of {batch}"

    def needed(name: str) -> Shape:
        size = column.node[name].size
        return (known[name], size) if batch is None else (known[name], batch, size)

    for name, shape in shapes.items():
        if shape != needed(name):
            raise ShapeError(
                f"{who}: the history of {name!r} has shape {shape}, but {known[name]} columns, "
                f"{told} and {column.node[name].size} units need {needed(name)}."
            )
    for node in column.nodes:
        if node.history == "given" and node.name not in shapes:
            raise ShapeError(
                f"{who}: the history of {node.name!r} is to be given, in the shape "
                f"{needed(node.name)}, and none came."
            )


def check_forward(column: Column, who: str) -> None:
    """That every node runs forward in time.

    Raises:
        ColumnError: naming one that runs backward.
    """
    for name in column.backward:
        raise ColumnError(
            f"{who} needs a network that runs forward in time, and node {name!r} runs backward."
        )
