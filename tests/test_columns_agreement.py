"""THE claim for every network of the lecture: graph = explicit BPTT = differences = complex step =
RTRL = PyTorch, for every parameter, input, history and every dz_n(t).

And its counterpart: every seeded slip, in any of the roads, is caught by the same comparison.
"""

import itertools
import pathlib
import re

import numpy as np
import pytest
from small_networks import small

import minitorch_rnn as mt
from minitorch_rnn import agreement
from minitorch_rnn.agreement import COLUMNS, REQUIRED
from minitorch_rnn.agreement.column_roads import Columns
from minitorch_rnn.bptt import divergences
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import (
    VARIANTS,
    chunked,
    per_loss_window,
    williams_peng,
)

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
            assert set(a.digits) == {"Y(t)", *column.shapes, *column.inputs, *computed}
            for quantity, roads in a.digits.items():
                assert quantity == "Y(t)" or {"explicit", "differences", "complex step"} <= set(
                    roads
                )
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
    assert "hold memory fixed: h(t-1)->h" in str(last)


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


@pytest.mark.parametrize("name", COLUMNS)
def test_every_network_agrees_on_every_backend(name, backend):
    found = small(name)
    assert found, str(found)
    assert min(d for road, d in found.fewest.items() if road != "differences") > 12
    with mt.use("numpy"):
        assert found.digits.keys() == small(name).digits.keys()


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_every_divergence_agrees_on_every_backend(divergence, backend):
    for variant in ("synchronous", "delayed"):
        found = small("gru", divergence, variant=variant)
        assert found, str(found)


@pytest.mark.parametrize("truncation", [chunked(2), per_loss_window(1), williams_peng(3, 2)])
def test_truncated_gradients_agree_on_every_backend(truncation, backend):
    for name in ("narx-shaded", "lstm"):
        found = small(name, truncation=truncation)
        assert found, str(found)


def test_data_and_histories_may_live_on_any_backend(backend, rng):
    network = mt.nn.ColumnNetwork(mt.column.narx(2, 3, 2), rng=rng)
    x, D, past = (mt.randn(n, 2, 2, rng=rng) for n in (4, 4, 1))
    found = mt.verify(network, x, D, "squared error", histories={"Y": past})
    assert found and found.digits["given.Y"]["explicit"] > 12, str(found)


def test_columns_drawn_at_random_agree_on_every_backend(backend):
    drawn = list(agreement.random_agreements(12, seed=2))
    assert all(found for _, found in drawn), [str(c) for c, found in drawn if not found]


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
    clean = Columns(network, x, None, variant, None)
    x[2:], D[:2] = np.nan, np.nan
    masked = Columns(network, x, None, variant, None)
    div = divergences.masked(divergences.SQUARED, variant.outputs)
    for name, g in masked.graph(div, D).items():
        assert (g == clean.graph(div, np.nan_to_num(D))[name]).all(), name
    assert not masked.graph(div, D)["x"][2:].any()
    assert mt.verify(network, x, D, "squared error", variant=variant)
