"""The equations of both passes as LaTeX, with the numbers of the slides, for amsmath.

    z(t) = W x(t) + W h(t-1) + b,  h(t) = f(z(t))                 columns
    dz(t) = dh(t) J(t),  dh(t) = dz(t) W + dz(t+1) W              rows, as on the slides

What the source writes step by step stands here as it adds up: the error of a node is the sum of all
that its readers send, and the gradient of a weight the sum over time.
"""

from __future__ import annotations

from minitorch_rnn.column import Column, Edge
from minitorch_rnn.teaching.derivation.flow import Flow
from minitorch_rnn.teaching.derivation.layout import number, told
from minitorch_rnn.teaching.derivation.symbols import Symbols

Row = tuple[str, str]  # an equation, and where on the slides it is

_PER_LINE = 4  # terms
_FUNCTIONS = {
    "relu": r"\max(0,\, {})", "sigmoid": r"\sigma({})", "softmax": r"\mathrm{{softmax}}({})",
    "tanh": r"\tanh({})",
}  # fmt: skip
_JACOBIANS = {
    "relu": r"\mathrm{{diag}}({0} > 0)",
    "sigmoid": r"\mathrm{{diag}}({0} \odot (1 - {0}))",
    "softmax": r"(\mathrm{{diag}}({0}) - {0}\, {0}^{{\top}})",
    "tanh": r"\mathrm{{diag}}(1 - {0} \odot {0})",
}
_SUM = r"\sum_{t=0}^{T-1}"


def latex(column: Column) -> str:
    """Both passes, each in an ``align*``."""
    equations = _Equations(column)
    parts = [(f"{told(column.name)}: forward pass", equations.forward())]
    if backward := equations.backward():
        parts.append(("backward pass; d means the derivative of DIV, a row vector", backward))
    return "\n".join(
        f"% {title}\n\\begin{{align*}}\n" + " \\\\\n".join(_noted(rows)) + "\n\\end{align*}\n"
        for title, rows in parts
    )


def document(equations: str) -> str:
    """A file that LaTeX compiles, of what `latex` returned."""
    return (
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\usepackage[margin=2cm]{geometry}\n"
        f"\\allowdisplaybreaks\n\\begin{{document}}\n{equations}\\end{{document}}\n"
    )


class _Equations:
    def __init__(self, column: Column) -> None:
        self.column, self.flow, self.symbols = column, Flow(column), Symbols(column)

    def forward(self) -> list[Row]:
        """z(t) and a(t) of every node that leads to the output."""
        rows = []
        gates = any(node.kind == "product" for node in self.column.nodes)
        for part in self.flow.passes:
            slide = "slides 72, 95" if gates else "slide 72"
            slide = "slides 96--100" if part.backward else slide
            for n in part.nodes:
                node, a = self.column.node[n], self.symbols.node[n]
                terms = [self._term(e) for e in self.column.into[n]]
                if node.kind == "product":
                    terms = [r" \odot ".join(_bracketed(terms))]
                elif node.bias:
                    terms.append(f"b_{{{a}}}")
                left = f"{a}(t)" if node.activation == "identity" else f"z_{{{a}}}(t)"
                rows.append(_row(left, terms, slide))
                if node.activation != "identity":
                    value = _FUNCTIONS[str(node.activation)].format(left)
                    rows.append(_row(f"{a}(t)", [value], slide))
        return rows

    def backward(self) -> list[Row]:
        """The errors, from the output down, then the gradients of what is learned."""
        errors, gradients = [], []
        for part in reversed(self.flow.passes):
            for n in reversed(part.nodes):
                if n in self.flow.reached:
                    errors += self._errors(n, "slide 100" if part.backward else "slide 94")
        errors += [row for n in self.column.inputs for row in self._errors(n, "slide 94")]
        if any(e.delay for e in self.column.edges if self.flow.carries(e)):
            outside = r"0 \quad (\text{of every node, where } t < 0 \text{ or } t \geq T)"
            errors.insert(0, _row(r"\mathrm{d}z(t)", [outside], "slide 94"))
        for name in self.column.shapes:
            gradients += self._gradient(name)
        return errors + gradients

    def _errors(self, n: str, slide: str) -> list[Row]:
        """The error at a(t), and that at z(t)."""
        a, node = self.symbols.node[n], self.column.node[n]
        terms = [self._sent(e, self._ahead(e)) for e in self.flow.readers(n)]
        if n == self.column.output:
            terms.insert(0, rf"\frac{{\partial \mathrm{{DIV}}}}{{\partial {a}(t)}}")
        before, after = self.column.reach[n]
        when = slide
        if node.history != "zeros" and any(self._ahead(e) for e in self.flow.readers(n)):
            first = f"-{before}" if before else "0"
            last = f"T+{after - 1}" if after > 1 else "T" if after else "T-1"
            when = f"slides 91, {slide.removeprefix('slide ')}; $t = {first}, \\dots, {last}$"
        rows = [_row(rf"\mathrm{{d}}{a}(t)", terms or ["0"], when)]
        if node.kind != "input":
            right = rf"\mathrm{{d}}{a}(t)"
            if node.activation != "identity":
                right += r"\, " + _JACOBIANS[str(node.activation)].format(f"{a}(t)")
            softmax = "slide 85" if node.activation == "softmax" else slide
            rows.append(_row(rf"\mathrm{{d}}z_{{{a}}}(t)", [right], softmax))
        return rows

    def _gradient(self, parameter: str) -> list[Row]:
        """dW and db: sums over time, and over the links that share the weight."""
        kind, _, of = parameter.partition(".")
        if kind == "history":
            return []  # has an equation among the errors
        if kind == "bias":
            a = self.symbols.node[of]
            terms = [rf"{_SUM} \mathrm{{d}}z_{{{a}}}(t)^{{\top}}"] * (of in self.flow.reached)
            return [_row(rf"\mathrm{{d}}b_{{{a}}}", terms or ["0"], "slide 94")]
        users = [e for e in self.column.edges if self.column.weight(e) == parameter]
        terms = []
        for e in users:
            if e.target in self.flow.reached:
                factors = self._error(e, 0)
                error = rf"[{factors}]" if r"\," in factors else factors
                source = self._at(e.source, self.column.offset(e))
                terms.append(rf"{_SUM} {error}^{{\top}}\, {source}^{{\top}}")
        return [_row(rf"\mathrm{{d}}{self.symbols.weight[of]}", terms or ["0"], "slide 94")]

    def _at(self, n: str, offset: int) -> str:
        return f"{self.symbols.node[n]}({_time(offset)})"

    def _ahead(self, e: Edge) -> int:
        """When the target of an edge is computed, counted from the time that it reads."""
        return -self.column.offset(e)

    def _term(self, e: Edge, shift: int = 0) -> str:
        """W a(t-d), where t is shifted."""
        weight, value = self.column.weight(e), self._at(e.source, self.column.offset(e) + shift)
        if isinstance(weight, float):
            return _scaled(weight, value)
        return rf"{self.symbols.of(e)}\, {value}"

    def _error(self, e: Edge, shift: int) -> str:
        """The error at W a(t-d): that at z, in a product times the Jacobian, the other factors."""
        n, a = e.target, self.symbols.node[e.target]
        error = rf"\mathrm{{d}}z_{{{a}}}({_time(shift)})"
        if self.column.node[n].kind == "product":
            for other in (o for o in self.column.into[n] if o is not e):
                error += rf"\, \mathrm{{diag}}({self._term(other, shift)})"
        return error

    def _sent(self, e: Edge, shift: int) -> str:
        """What a link sends back."""
        weight, error = self.column.weight(e), self._error(e, shift)
        if isinstance(weight, float):
            return _scaled(weight, error)
        return rf"{error}\, {self.symbols.of(e)}"


def _noted(rows: list[Row]) -> list[str]:
    """Equations with their notes, each where it is new."""
    above = ["", *(note for _, note in rows)]
    return [
        f"{equation} && \\text{{{note}}}" if note != above[i] else equation
        for i, (equation, note) in enumerate(rows)
    ]


def _row(left: str, terms: list[str], note: str) -> Row:
    """``left &= term + term``, in several lines if there are many terms, and its note."""
    signed = [terms[0], *(f"- {t[1:]}" if t.startswith("-") else f"+ {t}" for t in terms[1:])]
    lines = [" ".join(signed[i : i + _PER_LINE]) for i in range(0, len(signed), _PER_LINE)]
    return f"{left} &= " + " \\\\\n&\\quad ".join(lines), note


def _bracketed(terms: list[str]) -> list[str]:
    return [f"({term})" if r"\, " in term or term.startswith("-") else term for term in terms]


def _scaled(weight: float, value: str) -> str:
    if abs(weight) == 1:
        return value if weight > 0 else f"-{value}"
    digits, _, power = number(weight).partition("e")
    return rf"{digits} \cdot 10^{{{int(power)}}}\, {value}" if power else rf"{digits}\, {value}"


def _time(offset: int) -> str:
    return f"t{offset:+d}" if offset else "t"
