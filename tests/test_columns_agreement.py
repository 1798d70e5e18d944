"""THE claim for every network of the lecture: graph = explicit BPTT = differences = complex step =
RTRL = PyTorch, for every parameter, input, history and every dz_n(t).

And its counterpart: every seeded slip, in any of the roads, is caught by the same comparison.
"""

import inspect
import itertools
import pathlib
import re
import textwrap

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import agreement
from minitorch_rnn.agreement import COLUMNS, REQUIRED, networks, verification
from minitorch_rnn.bptt import activations, alignment, divergences, rtrl, truncated
from minitorch_rnn.bptt import column as explicit
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import (
    VARIANTS,
    Column,
    Edge,
    Input,
    Layer,
    chunked,
    per_loss_window,
    williams_peng,
)
from minitorch_rnn.nn import unroll

KINK = "a unit is within the smallest step of its kink, where no slope exists"
REASONS = {
    "rtrl": {"a part of the network runs backward in time, so there is no real time"},
    "torch": {"PyTorch is not installed: pip install torch"},
}


@pytest.fixture(scope="module")
def certificate():
    return {name: list(agreement.columns(COLUMNS[name])) for name in COLUMNS}


def test_every_network_meets_every_divergence_and_every_variant(certificate):
    assert set(mt.column.NETWORKS) <= set(certificate)
    assert {name for name in certificate if name.endswith("-forced")} == {
        f"{name}-forced" for name in COLUMNS
        if not name.endswith("-forced") and COLUMNS[name](2, 2, 2).feedback
    }  # fmt: skip
    for name, found in certificate.items():
        settings = [(a.divergence, a.variant) for a in found]
        assert settings == list(itertools.product(DIVERGENCES, VARIANTS)), name


def test_every_quantity_of_every_network_agrees(certificate):
    for a in itertools.chain(*certificate.values()):
        for quantity, found in a.digits.items():
            exact = [digits for road, digits in found.items() if road != "differences"]
            assert min(exact) >= 10, f"{a.title}: {quantity}: {found}"
            assert found.get("differences", 16) >= 6, f"{a.title}: {quantity}: {found}"
        assert a.agrees and dict(a.required) == {road: REQUIRED[road] for road in a.required}


def test_all_parameters_inputs_histories_and_dz_are_compared(certificate):
    for name, found in certificate.items():
        column = COLUMNS[name](2, 2, 2)
        computed = {f"dz({n})" for part in column.components for n in part.nodes}
        for a in found:
            assert set(a.digits) == {"Y", *column.shapes, *column.inputs, *computed}
            for quantity, roads in a.digits.items():
                assert quantity == "Y" or {"explicit", "differences", "complex step"} <= set(roads)
                if quantity in column.shapes and "rtrl" not in a.skipped:
                    assert "rtrl" in roads


def test_no_road_is_skipped_without_a_reason_that_we_know(certificate):
    for a in itertools.chain(*certificate.values()):
        assert all(reason in REASONS[road] for road, reason in a.skipped.items()), a.skipped
        assert ("rtrl" in a.skipped) == a.network.startswith("bidirectional")


def test_where_a_link_is_blocked_the_table_says_so_and_tells_the_angle(certificate):
    for name, found in certificate.items():
        blocked = ", ".join(e.name for e in COLUMNS[name](2, 2, 2).blocked)
        assert bool(blocked) == name.startswith(("elman", "jordan"))
        for a in found:
            assert a.frozen == blocked
            # The variance of a single step has no gradient, and so no angle.
            nothing = a.divergence == "variance over time" and a.variant.endswith("one")
            assert (a.angle is None) == (not blocked or nothing)
    last = next(a for a in certificate["elman"] if a.divergence == "last output" and
                a.variant == "synchronous")  # fmt: skip
    assert 1 < last.angle < 90
    assert "memory held fixed: h(t-1)->h" in str(last) and "differences*" in str(last)


@pytest.mark.torch
def test_pytorch_agrees_where_it_is_installed(certificate):
    for a in itertools.chain(*certificate.values()):
        assert a.fewest["torch"] >= 10, a.title


def test_the_readme_promises_no_digit_too_many(certificate):
    readme = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    promised = dict(re.findall(r"^\| ([a-z ]+) \|.*\| (\d+) \|$", readme, flags=re.MULTILINE))
    assert set(promised) == set(REQUIRED)
    everything = [*agreement.layers(), *itertools.chain(*certificate.values())]
    for road, digits in promised.items():
        found = [a.fewest[road] for a in everything if road in a.fewest]
        assert not found or min(found) >= int(digits), road


@pytest.mark.parametrize("truncation", [chunked(2), per_loss_window(1), williams_peng(3, 2)])
@pytest.mark.parametrize("name", [n for n in mt.column.NETWORKS if n != "bidirectional"])
def test_truncated_gradients_agree_on_every_road(name, truncation):
    agreement = small(name, truncation=truncation)
    assert agreement, str(agreement)
    assert truncation.name in agreement.frozen and agreement.angle is not None
    assert "does not truncate" in agreement.skipped["rtrl"]


def test_truncation_is_refused_where_time_runs_backward():
    with pytest.raises(mt.errors.ColumnError, match="'h_b' runs backward"):
        small("bidirectional", truncation=chunked(2))


def test_columns_drawn_at_random_agree():
    drawn = list(agreement.random_agreements(120, seed=1))
    assert all(found for _, found in drawn), [str(c) for c, found in drawn if not found]
    columns = [column for column, _ in drawn]
    nodes = [node for column in columns for node in column.nodes]
    edges = [edge for column in columns for edge in column.edges]
    assert {len(c.nodes) - len(c.inputs) for c in columns} == set(range(1, 7))
    assert {edge.delay for edge in edges} == set(range(5))
    assert {node.direction for node in nodes} == {"forward", "backward"}
    assert {node.activation for node in nodes} >= {"identity", "relu", "sigmoid", "softmax", "tanh"}
    assert {node.history for node in nodes} == {"zeros", "given", "learned"}
    assert {node.kind for node in nodes} == {"input", "layer", "product"}
    assert any(edge.gradient == "blocked" for edge in edges)
    assert any(edge.shares for edge in edges)
    assert {type(edge.weight) for edge in edges} == {str, float, tuple}
    skipped = {(road, why) for _, found in drawn for road, why in found.skipped.items()}
    assert ("differences", KINK) in skipped


def test_the_same_seed_draws_the_same_columns():
    first, again, other = (
        [column for column, _ in agreement.random_agreements(3, seed)] for seed in (5, 5, 6)
    )
    assert first == again != other


def test_nan_in_a_masked_step_changes_nothing():
    T, B, I, H, O = 4, 2, 3, 3, 2
    rng = np.random.default_rng(0)
    variant = VARIANTS["delayed"](T)
    network = mt.nn.ColumnNetwork(mt.column.state_space(I, H, O), rng=rng)
    x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))
    clean = verification.Columns(network, x, None, variant, None)
    x[2:], D[:2] = np.nan, np.nan
    masked = verification.Columns(network, x, None, variant, None)
    div = divergences.masked(divergences.SQUARED, variant.outputs)
    for name, g in masked.graph(div, D).items():
        assert (g == clean.graph(div, np.nan_to_num(D))[name]).all(), name
    assert not masked.graph(div, D)["x"][2:].any()
    assert mt.verify(network, x, D, "squared error", variant=variant)


def small(name="state-space", divergence="soft worst step", **options):
    """The agreement of a small network whose sizes let slips that mix up axes pass unnoticed."""
    rng = np.random.default_rng(3)
    takes = DIVERGENCES[divergence].takes
    output = "identity" if takes == "series" else "softmax"
    column = name if isinstance(name, Column) else COLUMNS[name](3, 3, 3, output_activation=output)
    network = mt.nn.ColumnNetwork(column, rng=rng)
    networks.draw_histories(network, rng)
    T = 6
    x = {n: rng.normal(size=(T, 3, node.size)) for n, node in column.inputs.items()}
    variant = options.pop("variant", "synchronous")
    masks = VARIANTS[variant](T)
    D = networks.targets_for(DIVERGENCES[divergence], (T, 3, 3), masks, rng)
    return mt.verify(network, x, D, divergence, variant=masks, **options)


SHARED = Column(
    "shared",
    (Input("x", 3), Layer("h", 3, "relu", history="learned"), Layer("Y", 3, "identity")),
    (Edge("x", "h"), Edge("h", "h", 1), Edge("h", "h", 2, shares="h(t-1)->h"), Edge("h", "Y")),
    "Y",
)

# What stands in a function, what a slip makes of it, and the network that must not agree then.
SLIPS = {
    "the error of the future is overwritten": (
        explicit, "backward", "back[e.name][t] += ", "back[e.name][t] = ", {}),
    "a blocked link leaks": (
        explicit, "backward", 'e.gradient == "full"', "True", {"name": "elman"}),
    "an open link is blocked": (
        explicit, "backward", 'e.gradient == "full"', "e.delay == 0", {}),
    "the history has no gradient": (
        explicit, "_of_parameters", '+= histories[node.name].sum(axis=1)', "+= 0", {}),
    "the history's gradient is one column off": (
        explicit, "backward", "[da[n][:before], da[n]", "[da[n][1 : before + 1], da[n]",
        {"name": "delayed"}),
    "a shared weight's gradient is overwritten": (
        explicit, "_of_parameters", "d[name] += ", "d[name] = ", {"name": SHARED}),
    "a weight sees a(t) for a(t-d)": (
        explicit, "_of_parameters", "_rows(past[e.name])", "_rows(trace.at(e.source))", {}),
    "every delay counts as one": (
        explicit, "backward", "shifted(column, arrays, T, e.source, column.offset(e))",
        "shifted(column, arrays, T, e.source, -min(e.delay, 1))", {"name": "delayed"}),
    "a gate forgets the other factor": (
        explicit, "backward", "du[e.name][t] *= ", "0 * ", {"name": "lstm"}),
    "the bias sees the last step only": (
        explicit, "_of_parameters", ".sum(axis=(0, 1))", "[-1].sum(axis=0)", {}),
    "the slope of the activation is forgotten": (
        explicit, "backward", "f[n].jacobian_product(dy[n][t], y[n][t], z[n][t])", "dy[n][t]", {}),
    "the backward net is swept the wrong way": (
        explicit, "backward", "reversed(_times(part, swept))", "list(_times(part, swept))"
        " if part.backward else reversed(_times(part, swept))", {"name": "bidirectional"}),
    "everything is swept in the order of the forward pass": (
        explicit, "backward", "reversed(column.components)", "column.components", {}),
    "nodes of a column are swept in the order of the forward pass": (
        explicit, "backward", "reversed(part.nodes)", "part.nodes", {"name": "narx"}),
    "errors go back through the transposed weight": (
        explicit, "backward", "_times_weight(du[e.name][t], W[e.name])",
        "_times_weight(du[e.name][t], _transposed(W[e.name]))", {}),
    "the last column is left out": (
        explicit, "backward", "T if stop is None else stop)", "T - 1 if stop is None else stop)",
        {"name": "narx"}),
    "the error leaks over the cut": (
        explicit, "backward", "da[n][: before + first] = 0", "pass",
        {"truncation": per_loss_window(1)}),
    "the cut is one column late": (
        explicit, "backward", "slice(max(first, 0), T", "slice(max(first + 1, 0), T",
        {"truncation": chunked(3)}),
    "only the last window of a truncation counts": (
        truncated, "backward", "so_far[name] += more[name]", "so_far[name] = more[name]",
        {"truncation": chunked(3)}),
    "the forward pass forgets a term": (
        explicit, "forward", "for term in terms:", "for term in terms[:1]:", {}),
    "the forward pass of the backward net runs forward": (
        explicit, "_times", "part.backward", "False", {"name": "bidirectional"}),
    "softmax takes the diagonal of its Jacobian": (
        activations, "FUNCTIONS", "softmax", lambda da, y, z: da * y * (1 - y),
        {"divergence": "cross-entropy"}),
    "relu lets everything through": (
        activations, "FUNCTIONS", "relu", lambda da, y, z: da, {"name": SHARED}),
    "the graph leaks through a blocked link": (
        unroll.ColumnNetwork, "unroll", 'edge.gradient == "blocked" or ', "", {"name": "jordan"}),
    "the graph is cut at every column": (
        unroll.ColumnNetwork, "unroll", 'edge.gradient == "blocked"', "edge.delay > 0", {}),
    "the graph is cut one column late": (
        unroll.ColumnNetwork, "unroll", "max(at, -1) < first", "max(at, -1) < first - 1",
        {"truncation": chunked(3)}),
    "the graph does not reach its history": (
        unroll.ColumnNetwork, "_beginning", "self.history[owner]", "self.history[owner].detach()",
        {}),
    "the graph has its bias at t = 0 only": (
        unroll.ColumnNetwork, "unroll", "if n in self.bias", "if n in self.bias and t == 0", {}),
    "the graph adds up what it should multiply": (
        unroll.ColumnNetwork, "unroll", "ops.multiply if product", "ops.add if product",
        {"name": "gru"}),
    "RTRL forgets the past": (
        rtrl, "_next", "moved += np.einsum", "0 * np.einsum", {}),
    "RTRL carries derivatives over a blocked link": (
        rtrl, "_next", 'e.gradient == "full"', "True", {"name": "elman"}),
    "RTRL forgets the history": (
        rtrl, "gradients", "P[node.name][k] += rows", "pass", {}),
    "weights over time are forgotten in the gradient": (
        divergences, "summed", "w[:, :, None] * slope(Y, D)", "slope(Y, D)",
        {"divergence": "discounted squared error"}),
    "the largest error is spread over all steps": (
        divergences, "_worst_gradient", "worst = steps == steps.max(axis=0)", "worst = steps > 0",
        {"divergence": "worst step"}),
    "soft-DTW forgets the diagonal": (
        alignment, "soft_dtw_gradient", ", (i + 1, j + 1))", ")", {"divergence": "soft-DTW"}),
    "CTC skips no blank on its way back": (
        alignment, "ctc_gradient", " + _down(skip * step, 2)", "", {"divergence": "CTC"}),
}  # fmt: skip


def slipped(home, name, right, wrong):
    """The function `name` of `home` with one line changed."""
    source = textwrap.dedent(inspect.getsource(getattr(home, name)))
    assert source.count(right) == 1, "the line has changed; change the slip too"
    names = dict(vars(inspect.getmodule(home)))
    exec(source.replace(right, wrong), names)
    return names[name]


def plant(slip, monkeypatch):
    home, name, right, wrong, options = SLIPS[slip]
    if name == "FUNCTIONS":
        changed = home.FUNCTIONS[right]._replace(jacobian_product=wrong)
        monkeypatch.setitem(home.FUNCTIONS, right, changed)
        return options
    function = slipped(home, name, right, wrong)
    monkeypatch.setattr(home, name, function)
    if home in (divergences, alignment):  # the table holds what the module's functions made
        chosen = DIVERGENCES[options["divergence"]]
        gradient = function
        if name == "summed":
            local = lambda xp, Y, D: 0.5 * divergences._squares(xp, Y, D)  # noqa: E731
            gradient = function("", local, lambda Y, D: Y - D, lambda t: 0.8**t).gradient
        monkeypatch.setitem(DIVERGENCES, chosen.name, chosen._replace(gradient=gradient))
    return options


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_any_road_is_caught(slip, monkeypatch):
    assert small(**SLIPS[slip][-1]), "without the slip it must agree"
    found = small(**plant(slip, monkeypatch))
    assert not found
    assert "DISAGREES" in str(found)


def test_there_are_at_least_twenty_slips():
    assert len(SLIPS) >= 20
