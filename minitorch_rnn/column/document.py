"""A column as JSON, for files that people write and keep."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from minitorch_rnn.column.spec import Column, Edge, Input, Layer, Product
from minitorch_rnn.column.validation import shown
from minitorch_rnn.errors import ColumnError

_KINDS: dict[str, Any] = {kind.kind: kind for kind in (Input, Layer, Product)}


def write(column: Column) -> str:
    """What `Column.to_json` returns: fields that have their default are left out."""
    for node in column.nodes:
        if not isinstance(node.activation, str):
            raise ColumnError(
                f"{column.name}: node {node.name!r} has the activation "
                f"{node.activation.name!r}, a Python function, which JSON cannot hold."
            )

    def held(part: Any) -> dict[str, Any]:
        fields = {f.name: (getattr(part, f.name), f.default) for f in dataclasses.fields(part)}
        return {name: value for name, (value, default) in fields.items() if value != default}

    nodes = [{"kind": node.kind} | held(node) for node in column.nodes]
    edges = [held(edge) for edge in column.edges]
    for edge, entry in zip(column.edges, edges, strict=True):
        if edge.name == column.automatic_name(edge, edge.delay):
            del entry["name"]
    whole = {"name": column.name, "nodes": nodes, "edges": edges, "output": column.output}
    return json.dumps(whole, indent=2)


def read(text: str) -> Column:
    """What `Column.from_json` returns."""
    if not isinstance(text, str):
        raise ColumnError(f"from_json: this is {type(text).__name__}; a string is needed.")
    try:
        whole = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as cause:
        raise ColumnError(f"from_json: this is not JSON: {cause}") from None
    whole = _fields("the column", whole, ("name", "nodes", "edges", "output"))
    nodes = []
    for i, entry in enumerate(_listed(whole, "nodes")):
        entry = _mapping(f"nodes[{i}]", entry)
        kind = entry.pop("kind", "layer")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ColumnError(
                f"from_json: nodes[{i}] is of kind {shown(kind)}; known are {', '.join(_KINDS)}."
            )
        nodes.append(_made(f"nodes[{i}]", _KINDS[kind], entry))
    edges = [
        _made(f"edges[{i}]", Edge, _mapping(f"edges[{i}]", entry))
        for i, entry in enumerate(_listed(whole, "edges"))
    ]
    return Column(whole["name"], tuple(nodes), tuple(edges), whole["output"])


def _mapping(where: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(value)
    raise ColumnError(f"from_json: {where} is {shown(value)}; an object is needed.")


def _fields(where: str, value: Any, needed: tuple[str, ...]) -> dict[str, Any]:
    found = _mapping(where, value)
    if set(found) != set(needed):
        raise ColumnError(
            f"from_json: {where} has the fields {', '.join(found) or 'none'}; "
            f"needed are {', '.join(needed)}."
        )
    return found


def _listed(whole: dict[str, Any], field: str) -> list[Any]:
    if not isinstance(whole[field], list):
        raise ColumnError(f"from_json: {field} is {shown(whole[field])}; a list is needed.")
    return list(whole[field])


def _made(where: str, kind: Any, entry: dict[str, Any]) -> Any:
    """A node or an edge of the fields in `entry`."""
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    if unknown := set(entry) - set(known):
        listed = [*([] if kind is Edge else ["kind"]), *known]
        raise ColumnError(
            f"from_json: {where} has the field {min(unknown)!r}; known are {', '.join(listed)}."
        )
    needed = {name for name, default in known.items() if default is dataclasses.MISSING}
    if missing := needed - set(entry):
        raise ColumnError(f"from_json: {where} lacks the field {min(missing)!r}.")
    return kind(**entry)
