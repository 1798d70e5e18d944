"""The generated `backward`: slide 94 for this column, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from minitorch_rnn.column import Edge
from minitorch_rnn.teaching.derivation.flow import Pass
from minitorch_rnn.teaching.derivation.forward import identifier, parameters
from minitorch_rnn.teaching.derivation.layout import (
    STEP,
    WIDTH,
    collection,
    commented,
    quoted,
    remark,
    statement,
    width,
)
from minitorch_rnn.teaching.derivation.words import Words, multiplied, scaled, split

_IN = 2 * STEP
_THROUGH = {"relu": ["* ({y} > 0)"], "sigmoid": ["* {y}", "* (1 - {y})"],
            "tanh": ["* (1 - {y} ** 2)"]}  # fmt: skip


def backward(words: Words) -> list[str]:
    """The lines of the function."""
    column, names = words.column, words.names
    output = f"d{names.node[column.output]}"
    sweep = Sweep(words)
    loops = [line for part in reversed(words.flow.passes) for line in sweep.loop(part)]
    lines = [
        f"def backward(params, trace, {output}):",
        f'{STEP}"""Gradients of DIV, where {output}[t] is dDIV/d{output[1:]}(t) (slide 94)."""',
        *parameters(words, sweep.weights),
    ]
    if kept := [names.node[node.name] for node in column.nodes if node.name in words.flow.kept]:
        lines += _unpacked(kept)
    return [
        *lines,
        "",
        f"{STEP}T, B, _ = {output}.shape",
        *_zeros(words),
        *loops,
        "",
        *_returned(words),
    ]


class Sweep:
    """Writes the loops of the backward pass, and notes which weights they need."""

    def __init__(self, words: Words) -> None:
        self.words, self.column, self.flow = words, words.column, words.flow
        self.weights: set[str] = set()
        self._remarked: set[str] = set()

    def loop(self, part: Pass) -> list[str]:
        """The loop that undoes one of the forward pass; empty if no error reaches its nodes."""
        blocks = [block for n in reversed(part.nodes) if (block := self._node(n))]
        if not blocks:
            return []
        lines = [""]
        if len(self.flow.passes) > 1:
            names = ", ".join(self.words.names.node[n] for n in reversed(part.nodes))
            way = "from t = 0 to T-1 (slide 100)" if part.backward else "from t = T-1 to 0"
            ran = ", which ran backward" if part.backward else ""
            lines += remark(STEP, f"{names}{ran}: {way}")
        lines.append(f"{STEP}for t in {'range(T)' if part.backward else 'reversed(range(T))'}:")
        before: list[str] = []
        for block in blocks:
            if before and max(len(before), len(block)) > 2:
                lines.append("")
            lines += block
            before = block
        return lines

    def _node(self, n: str) -> list[str]:
        """What the error of one node gives: dz, gradients of its weights, errors it sends."""
        edges, name = self.column.into[n], self.words.names.node[n]
        blocked = [self.words.link(e) for e in edges if e.gradient == "blocked"]
        if n not in self.flow.reached:
            arrives = any(
                self.flow.reached & {e.target}
                for e in self.column.edges
                if e.source == n and e.gradient == "full"
            )
            if not (blocked and arrives):
                return []
            return remark(_IN, f"{name} sends no error on: {', '.join(blocked)} blocked (slide 47)")
        errors = {e.name: self._error(e) for e in edges}
        lines = self._slope(n) if self.flow.slope(n) else []
        for e in edges:
            if named := self._named(e):
                lines += statement(_IN, f"{named} =", multiplied(errors[e.name]))
                errors[e.name] = [named]
            if self.flow.learned(e):
                pieces = [f"{errors[e.name][0]}.T", f"@ {self.words.source(e)}"]
                lines += statement(_IN, f"d{self.words.names.weight[str(e.name)]} +=", pieces)
        if self.column.node[n].bias:
            lines.append(f"{_IN}db_{name} += dz_{name}.sum(axis=0)")
        for e in edges:
            lines += self._sent(e, errors[e.name]) if self.flow.carries(e) else []
        for link in blocked:
            lines += remark(_IN, f"{link} is blocked: no error goes back over it (slides 47-49)")
        return lines

    def _slope(self, n: str) -> list[str]:
        """dz = da Jacobian(a, z)."""
        name, y, da = self.words.names.node[n], self.words.value(n), self.words.error(n)
        activation = str(self.column.node[n].activation)
        left, through = f"dz_{name} =", f"through {activation}"
        if activation == "identity":
            return statement(_IN, left, [da], f"{name} is linear")
        if activation == "softmax":
            through = f"d{name} (diag({name}) - {name}T {name}), slide 85"
            rest = [y, f"* dz_{name}.sum(axis=1, keepdims=True)"]
            return [
                *statement(_IN, left, [da, f"* {y}"], through),
                *statement(_IN, f"dz_{name} -=", rest),
            ]
        return statement(_IN, left, [da, *(p.format(y=y) for p in _THROUGH[activation])], through)

    def _error(self, e: Edge) -> list[str]:
        """The error at W a(t-d): that at z, in a product times the other factors."""
        n = e.target
        dz = f"dz_{self.words.names.node[n]}" if self.flow.slope(n) else self.words.error(n)
        if self.column.node[n].kind != "product":
            return [dz]
        others = [o for o in self.column.into[n] if o is not e]
        if self.flow.learned(e) or self.flow.carries(e):
            self.weights |= {w for o in others if isinstance(w := self.column.weight(o), str)}
        return [dz, *self.words.factors(others)]

    def _named(self, e: Edge) -> str:
        """The name of the error at W a(t-d) where a matrix takes it up and it is a product."""
        if len(self.column.into[e.target]) == 1 or self.column.node[e.target].kind != "product":
            return ""
        fixed = isinstance(self.column.weight(e), float)
        used = self.flow.learned(e) or self.flow.carries(e)
        return self.words.names.factor[str(e.name)] if used and not fixed else ""

    def _sent(self, e: Edge, error: list[str]) -> list[str]:
        """da_s(t-d) = or += what the link sends back."""
        weight = self.column.weight(e)
        if isinstance(weight, float):
            pieces = multiplied([scaled(weight, error[0]), *error[1:]])
        else:
            self.weights |= {weight} if isinstance(weight, str) else set()
            pieces = split(f"{error[0]} @ {self.words.names.weight[str(e.name)]}")
        offset = self.column.offset(e)
        assigns = self.flow.first(e)
        left = f"{self.words.error(e.source, offset)} {'=' if assigns else '+='}"
        remark = self._first(e, offset) if assigns else self._addition(e)
        return statement(_IN, left, pieces, remark)

    def _first(self, e: Edge, offset: int) -> str:
        """A remark on an error that is assigned at another time."""
        n, d = e.source, f"d{self.words.names.node[e.source]}"
        told = []
        if offset and len(self.flow.readers(n)) > 1:
            told.append("the first to write here")
        if offset and self.column.node[n].history != "zeros":
            when = "t = T-1" if offset > 0 else "t = 0"
            last = f"T + {offset - 1}" if offset > 1 else "T" if offset > 0 else str(offset)
            told.append(f"{when} gives {d}({last})")
        return "; ".join(told)

    def _addition(self, e: Edge) -> str:
        """A remark on the first addition to the error of a node: who has written there already."""
        n = e.source
        if n in self._remarked:
            return ""
        self._remarked.add(n)
        first = self.flow.readers(n)[0]
        if n == self.column.output:
            return f"note the addition to dDIV/d{self.words.names.node[n]}"
        steps = self.column.offset(e) - self.column.offset(first)
        if self.flow.together(e, first) and steps:
            return f"note the addition: t {'+' if steps > 0 else '-'} {abs(steps)} has written here"
        return f"note the addition: {self.words.names.node[first.target]} has written here"


def _zeros(words: Words) -> Iterator[str]:
    """Every sum starts at 0, and the errors of all columns too."""
    column, flow = words.column, words.flow
    reached = {
        w for n in flow.reached for e in column.into[n] if isinstance(w := column.weight(e), str)
    }
    reached |= {f"bias.{n}" for n in flow.reached}
    for name, shape in column.shapes.items():
        if not name.startswith("history."):
            size = f"({shape[0]}, {shape[1]})" if len(shape) > 1 else str(shape[0])
            line = f"{STEP}d{identifier(words, name)} = np.zeros({size})"
            yield from commented([line], "" if name in reached else "no error reaches it")
    for node in column.nodes:
        n, name, extra = node.name, words.names.node[node.name], sum(column.reach[node.name])
        if n != column.output:
            if n in flow.summed or node.kind == "input":
                yield f"{STEP}d{name} = np.zeros(({words.rows(n)}, B, {node.size}))"
        elif flow.readers(n):
            zeros = f"np.zeros(({extra}, B, {node.size}))"
            copy = f"np.concatenate([d{name}, {zeros}])" if extra else f"d{name}.copy()"
            yield from statement(STEP, f"d{name} =", [copy], "a copy, to be added to")


def _returned(words: Words) -> Iterator[str]:
    """The gradients by the names of the column."""
    items = []
    for name in words.column.shapes:
        of = name.removeprefix("history.")
        value = _history(words, of) if of != name else f"d{identifier(words, name)}"
        items.append(f"{quoted(name)}: {value}")
    for node in words.column.nodes:
        if node.kind == "input":
            rows = "[:T]" if sum(words.column.reach[node.name]) else ""
            items.append(f"{quoted(node.name)}: d{words.names.node[node.name]}{rows}")
        if node.history == "given":
            items.append(f"{quoted(f'given.{node.name}')}: {_history(words, node.name)}")
    lines = [f"{_IN}{item}," for item in items]
    long = [width(line) > WIDTH for line in lines]  # names that nobody can break
    yield f"{STEP}return {{"
    yield from (f"{line}  # noqa: E501" if l else line for line, l in zip(lines, long, strict=True))
    yield f"{STEP}}}  # fmt: skip" if any(long) else f"{STEP}}}"


def _history(words: Words, n: str) -> str:
    """The gradient of what a node has outside 0 … T-1."""
    node, (before, after) = words.column.node[n], words.column.reach[n]
    learned = node.history == "learned"
    if n not in words.flow.summed and node.kind != "input":
        return f"np.zeros(({before + after}, {'' if learned else 'B, '}{node.size}))"
    d = f"d{words.names.node[n]}"
    if n == words.column.output and not words.flow.readers(n):
        return f"np.zeros(({before + after}, {'' if learned else 'B, '}{node.size}))"
    rows = f"{d}[T:]"
    if before and after:
        rows = f"np.concatenate([{d}[-{before}:], {d}[T:-{before}]])"
    return f"{rows}.sum(axis=1)" if learned else rows


def _unpacked(names: list[str]) -> list[str]:
    """``a, b = trace``."""
    line = f"{STEP}{', '.join(names)} = trace"
    if len(names) > 1 and width(line) <= WIDTH:
        return [line]
    return collection(STEP, "()", names, " = trace")
