"""The generated `forward`: slide 72 for this column, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from minitorch_rnn.teaching.derivation.flow import Pass
from minitorch_rnn.teaching.derivation.layout import (
    STEP,
    arguments,
    collection,
    commented,
    remark,
    statement,
    subscript,
)
from minitorch_rnn.teaching.derivation.words import Words, added, multiplied, split

_CALLS = {"relu": "np.maximum({}, 0)", "sigmoid": "sigmoid({})", "softmax": "softmax({})",
          "tanh": "np.tanh({})"}  # fmt: skip
FUNCTIONS = {
    "sigmoid": [
        "def sigmoid(z):",
        '    """1 / (1 + exp(-z)), which cannot overflow in this form."""',
        "    return 0.5 + 0.5 * np.tanh(0.5 * z)",
    ],
    "softmax": [
        "def softmax(z):",
        '    """exp(z) / sum(exp(z)) of every row."""',
        "    e = np.exp(z - z.max(axis=1, keepdims=True))  # so that exp() cannot overflow",
        "    return e / e.sum(axis=1, keepdims=True)",
    ],
}


def forward(words: Words) -> list[str]:
    """The lines of the function."""
    column, names = words.column, words.names
    given = any(node.history == "given" for node in column.nodes)
    inputs = [names.node[n] for n in column.inputs]
    lines = arguments("def forward", ["params", *inputs, *(["histories"] if given else [])], ":")
    output = names.node[column.output]
    lines.append(
        f'{STEP}"""{output}(t) for all t, and what `backward` needs of the rest (slide 72)."""'
    )
    lines += parameters(words, _used(words))
    lines += ["", f"{STEP}T, B, _ = {inputs[0]}.shape"]
    for node in column.nodes:
        if node.name in column.inputs or node.name in words.flow.held:
            lines += _columns(words, node.name)
    for part in words.flow.passes:
        lines += ["", *_loop(words, part)]
    kept = [names.node[node.name] for node in column.nodes if node.name in words.flow.kept]
    lines += ["", *collection(f"{STEP}trace = ", "()", kept)]
    rows = f"{output}[:T]" if sum(column.reach[column.output]) else output
    return [*lines, f"{STEP}return {rows}, trace"]


def parameters(words: Words, used: set[str]) -> list[str]:
    """Lines that take weights and biases out of `params`, in the column's order."""
    lines: list[str] = []
    for name in words.column.shapes:
        if name in used:
            lines += subscript(STEP, f"{identifier(words, name)} = params", name)
    return lines


def identifier(words: Words, parameter: str) -> str:
    """What the source calls a weight or a bias."""
    kind, _, of = parameter.partition(".")
    return words.names.weight[of] if kind == "weight" else f"b_{words.names.node[of]}"


def _used(words: Words) -> set[str]:
    column = words.column
    computed = [n for part in words.flow.passes for n in part.nodes]
    weights = {
        w for n in computed for e in column.into[n] if isinstance(w := column.weight(e), str)
    }
    return weights | {f"bias.{n}" for n in computed if column.node[n].bias}


def _columns(words: Words, n: str) -> Iterator[str]:
    """Where the values of a node are kept, and what it has outside 0 … T-1."""
    node, name = words.column.node[n], words.names.node[n]
    before, after = words.column.reach[n]
    extra = before + after
    if node.kind != "input":
        zeros = f"np.zeros(({words.rows(n)}, B, {node.size}))"
        yield from statement(STEP, f"{name} =", [zeros], words.outside(n))
    elif extra:
        zeros = f"np.zeros(({extra}, B, {node.size}))"
        joined = [f"np.concatenate([{name}, {zeros}])"]
        yield from statement(STEP, f"{name} =", joined, words.outside(n))
    if not extra or node.history == "zeros":
        return
    given = node.history == "given"
    taken, key = ("histories", n) if given else ("params", f"history.{n}")
    for rows, part in _parts(before, after):
        every = f"[{part}]" if given else f"[{part or ':'}, None]"
        lines = subscript(STEP, f"{name}[{rows}] = {taken}", key)
        lines[-1] += every if part or not given else ""
        yield from commented(lines, "" if given else "learned, one for all sequences")


def _parts(before: int, after: int) -> list[tuple[str, str]]:
    """Which rows of an array hold which part of a history, a(-K) … a(-1), a(T) … a(T+F-1)."""
    if before and after:
        return [(f"-{before}:", f":{before}"), (f"T:-{before}", f"{before}:")]
    return [("T:", "")]


def _loop(words: Words, part: Pass) -> Iterator[str]:
    if len(words.flow.passes) > 1:
        names = ", ".join(words.names.node[n] for n in part.nodes)
        way = "backward in time, from t = T-1 to 0" if part.backward else "from t = 0 to T-1"
        yield from remark(STEP, f"{names}: {way}")
    yield f"{STEP}for t in {'reversed(range(T))' if part.backward else 'range(T)'}:"
    for n in part.nodes:
        yield from _node(words, n)


def _node(words: Words, n: str) -> list[str]:
    """z(t) and a(t) of one node: one line if they are the same."""
    node, name, edges = words.column.node[n], words.names.node[n], list(words.column.into[n])
    if node.kind == "product":
        factors = words.factors(edges)
        pieces = multiplied(factors) if len(factors) > 1 else split(words.term(edges[0]))
    else:
        terms = [words.term(e) for e in edges] + ([f"b_{name}"] if node.bias else [])
        pieces = added(terms) if len(terms) > 1 else split(terms[0])
    indent = 2 * STEP
    if node.activation == "identity":
        return statement(indent, f"{words.value(n)} =", pieces)
    call = _CALLS[str(node.activation)]
    if pieces == [words.source(edges[0])]:
        return [f"{indent}{words.value(n)} = {call.format(pieces[0])}"]
    z = statement(indent, f"z_{name} =", pieces)
    return [*z, f"{indent}{words.value(n)} = {call.format(f'z_{name}')}"]
