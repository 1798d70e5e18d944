"""Equations of derived columns: LaTeX that typesets, and that says what the deck says."""

import functools
import re

import pytest
from odd_columns import ODD

from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.column import bidirectional, lstm, state_space
from minitorch_rnn.teaching.derive import derive

KNOWN = {name: network(2, 3, 4) for name, network in COLUMNS.items()} | ODD


def rows(latex):
    """Every line of every ``align*``, without its note."""
    for block in re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", latex, re.DOTALL):
        for line in block.split(" \\\\\n"):
            equation, _, note = line.partition(" && ")
            assert not note or re.fullmatch(r"\\text\{slides? [^{}]*\}", note), note
            yield equation


@functools.cache  # many networks have an equation in common
def typeset(equation):
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    parser.parse(f"${equation.replace('&', '')}$")


@pytest.mark.parametrize("name", KNOWN)
def test_every_equation_typesets(name):
    found = list(rows(derive(KNOWN[name]).latex))
    assert len(found) >= 2
    for i, equation in enumerate(found):
        assert equation.isascii() and equation.count("&") == 1
        if i < 30 and len(equation) < 300:  # it takes its time
            typeset(equation)


@pytest.mark.parametrize("name", KNOWN)
def test_what_mathtext_does_not_see_is_balanced_and_of_amsmath(name):
    latex = derive(KNOWN[name]).latex
    code = re.sub(r"(?m)^%.*$", "", latex)
    assert code.count("{") == code.count("}") and code.count("(") == code.count(")")
    assert code.count(r"\bigl") == code.count(r"\bigr")
    known = {
        "begin", "cdot", "dots", "end", "frac", "geq", "mathrm", "max", "mu",
        "odot", "partial", "quad", "sigma", "sum", "tanh", "text", "to", "top",
    }  # fmt: skip
    assert set(re.findall(r"\\([A-Za-z]+)", code)) <= known


def test_the_equations_of_a_state_space_network_are_those_of_the_slides():
    latex = derive(state_space(2, 3, 2, output_activation="softmax")).latex
    for expected in (
        r"z_{h_{1}}(t) &= W_{x \to h_{1}}\, x(t) + W_{h_{1} \to h_{1}}\, h_{1}(t-1) + b_{h_{1}}"
        r" && \text{slide 72}",
        r"h_{1}(t) &= \tanh(z_{h_{1}}(t))",
        r"\mathrm{d}z_{Y}(t) &= \mathrm{d}Y(t)\, (\mathrm{diag}(Y(t)) - Y(t)\, Y(t)^{\top})"
        r" && \text{slide 85}",
        r"\mathrm{d}h_{1}(t) &= \mathrm{d}z_{h_{1}}(t+1)\, W_{h_{1} \to h_{1}} + \mathrm{d}z_{Y}(t)"
        r"\, W_{h_{1} \to Y} && \text{slides 91, 94; $t = -1, \dots, T-1$}",
        r"\mathrm{d}W_{h_{1} \to h_{1}} &= \sum_{t=0}^{T-1} \mathrm{d}z_{h_{1}}(t)^{\top}\,"
        r" h_{1}(t-1)^{\top}",
    ):
        assert expected in latex, expected


def test_time_runs_the_other_way_for_what_runs_backward():
    latex = derive(bidirectional(2, 3, 1)).latex
    assert r"W_{h_{b} \to h_{b}}\, h_{b}(t+1)" in latex
    assert r"\mathrm{d}z_{h_{b}}(t-1)\, W_{h_{b} \to h_{b}}" in latex
    assert r"slides 91, 100; $t = 0, \dots, T$" in latex


def test_the_other_factors_of_a_product_are_its_jacobian():
    latex = derive(lstm(2, 3, 1)).latex
    assert r"\mathrm{kept}(t) &= f(t) \odot c(t-1)" in latex
    assert r"\mathrm{d}f(t) &= \mathrm{d}z_{\mathrm{kept}}(t)\, \mathrm{diag}(c(t-1))" in latex
    assert r"\mathrm{d}z_{\mathrm{kept}}(t+1)\, \mathrm{diag}(f(t+1))" in latex
