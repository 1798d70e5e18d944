"""A recording holds the engine's own numbers, and they are those of the explicit BPTT."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from recorded_runs import B, T, backward, run

import minitorch_rnn as mt
from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import Column, Edge, Input, Layer, state_space
from minitorch_rnn.engine import REGISTRY
from minitorch_rnn.errors import ColumnError, DataError, NonFiniteError, ShapeError
from minitorch_rnn.teaching.recording.recorded import record


@pytest.fixture(scope="module")
def runs():
    """Every network of the lecture on two sequences: the recording, and the explicit BPTT."""
    found = {}
    for name, make in COLUMNS.items():
        found[name] = run(make(2, 3, 2), "soft worst step")
    return found


def outgoing(recording):
    return [sent for step in backward(recording) for sent in step["outgoing"]]


@pytest.mark.parametrize("name", COLUMNS)
def test_every_number_of_the_walk_agrees_with_the_explicit_bptt(runs, name):
    recording, explicit, *_ = runs[name]
    seen = set()
    for step in backward(recording):
        if step["node"] is None or step["t"] is None or not 0 <= step["t"] < T:
            continue
        n, t = step["node"], step["t"]
        came = {f"d{n}({t})": explicit.da[n][t]}
        if n in explicit.dz:
            came[f"dz_{n}({t})"] = explicit.dz[n][t]
        if step["incoming"]["name"] in came:
            expected = came[step["incoming"]["name"]]
            seen.add(step["incoming"]["name"])
            assert_allclose(step["incoming"]["numbers"], expected, rtol=1e-10, atol=1e-12)
            assert_allclose(step["explicit"]["numbers"], expected, rtol=1e-10, atol=1e-12)
            assert step["explicit"]["digits"] >= 10
    data = {step["node"] for step in recording.steps if step["operation"] == "not recorded"}
    for n in set(explicit.da) - data:  # nothing is learned behind a Jordan network's memory
        assert seen >= {f"d{n}({t})" for t in range(T) if explicit.da[n][t].any()}
    assert recording.digits >= 10
    assert recording.graph == pytest.approx(recording.explicit, rel=1e-12)


@pytest.mark.parametrize("name", COLUMNS)
def test_contributions_to_a_parameter_add_up_to_its_grad(runs, name):
    recording, explicit, _, network, x, D = runs[name]
    network.zero_grad()
    Y = network({n: mt.tensor(v) for n, v in x.items()})[0]
    mt.nn.DivergenceLoss("soft worst step")(Y, D).backward()
    by_name = {f"{t['name']}": t for t in recording.totals}
    assert {t["parameter"] for t in recording.totals} == set(recording.column.shapes)
    for parameter, p in network.named_parameters():
        (total,) = (t for t in recording.totals if t["parameter"] == parameter)
        grad = np.zeros(p.shape) if p.grad is None else p.grad.numpy()
        assert_allclose(total["graph"], grad, rtol=1e-10, atol=1e-12)
        assert_allclose(total["graph"], explicit.parameters[parameter], rtol=1e-10, atol=1e-12)
    sums = {name: np.zeros(np.shape(total["graph"])) for name, total in by_name.items()}
    for sent in outgoing(recording):
        if sent["parameter"]:
            sums[sent["to"]] += np.array(sent["numbers"], float)
            assert_allclose(sent["numbers"], sent["explicit"], rtol=1e-10, atol=1e-10)
    for name, total in by_name.items():
        assert_allclose(sums[name], total["graph"], rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("name", COLUMNS)
def test_the_first_to_arrive_assigns_and_the_others_add(runs, name):
    last = {}
    for step in backward(runs[name][0]):
        for sent in step["outgoing"]:
            before = last.get(sent["to"])
            assert (sent["how"] == "=") == (before is None) == (sent["before"] is None)
            if before is not None:
                assert sent["before"] == before
                after = np.add(before, sent["numbers"])
                assert_allclose(sent["after"], after, rtol=1e-10, atol=1e-10)
                assert "had written here already" in sent["says"]
            last[sent["to"]] = sent["after"]
        name = step["incoming"]["name"]
        if name in last:  # what arrived is what had been added up
            assert_allclose(step["incoming"]["numbers"], last[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", COLUMNS)
def test_the_forward_steps_come_to_every_node_and_link_at_every_t(runs, name):
    recording, _, trace, *_ = runs[name]
    column = recording.column
    forward = [step for step in recording.steps if step["phase"] == "forward"]
    assert recording.steps[: len(forward)] == forward
    results = {step["result"]["name"]: step["result"]["numbers"] for step in forward}
    for n in column.node:
        for t in range(T):
            assert_allclose(results[f"{n}({t})"], trace.at(n)[t], rtol=1e-10, atol=1e-12)
    lit = {tuple(part) for step in forward for part in step["lit"]}
    assert {("edge", e.name, t) for e in column.edges for t in range(T)} <= lit
    assert {("node", n, t) for n in column.node for t in range(T)} <= lit


@pytest.mark.parametrize("name", COLUMNS)
def test_a_step_has_all_that_the_page_reads(runs, name):
    document = runs[name][0].document()
    assert set(document) == {
        "title", "description", "equations", "T", "nodes", "divergence", "steps", "totals",
    }  # fmt: skip
    assert [n["name"] for n in document["nodes"]] == list(runs[name][0].column.node)
    assert all(n["level"] == 0 for n in document["nodes"] if n["kind"] == "input")
    for step in document["steps"]:
        assert set(step) == {
            "phase", "node", "edge", "t", "operation", "title", "slide", "equation", "says", "lit",
            "values", "result", "incoming", "jacobians", "outgoing", "explicit",
        }  # fmt: skip
        assert step["title"] and step["equation"] and step["says"].endswith((".", "…"))
        assert all(41 <= int(n) <= 100 for n in step["slide"].split("–"))
        assert (step["incoming"] is None) == (step["phase"] == "forward")
        for jacobian in step["jacobians"]:
            assert (jacobian["rows"] is None) == bool(jacobian["omitted"])


@pytest.mark.parametrize("name", COLUMNS)
def test_a_local_jacobian_takes_what_came_in_to_what_goes_out(runs, name):
    shown = 0
    for step in backward(runs[name][0]):
        for sent, jacobian in zip(step["outgoing"], step["jacobians"], strict=False):
            if jacobian["rows"] is not None:
                g = np.ravel(step["incoming"]["numbers"])
                expected = np.ravel(sent["numbers"])
                assert_allclose(g @ np.array(jacobian["rows"]), expected, rtol=1e-9, atol=1e-10)
                shown += 1
    assert shown > 10


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_every_divergence_is_told(divergence):
    takes = DIVERGENCES[divergence].takes
    output = "identity" if takes == "series" else "softmax"
    recording = record(state_space(2, 3, 3, output_activation=output), divergence=divergence)
    assert recording.digits >= 10
    parts = [s for s in recording.steps if s["node"] is None and s["operation"] != "leaf"]
    assert len(parts) > 4 and all(step["slide"] in ("78", "75–77") for step in parts)

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(recording.json(), parse_constant=refuse)


def test_a_seed_gives_the_same_recording_and_another_gives_another():
    column = COLUMNS["gru"](2, 3, 2)
    assert record(column).json() == record(column).json() != record(column, seed=1).json()


def test_numbers_are_the_engines_so_that_a_wrong_rule_is_seen(monkeypatch):
    column = COLUMNS["state-space"](2, 3, 2)
    monkeypatch.setattr(REGISTRY["tanh"], "rules", (lambda g, y, x: g * (1 - y),))
    wrong = record(column)
    assert wrong.digits < 3
    (first, *_) = (s for s in backward(wrong) if s["operation"] == "tanh")
    (sent,) = first["outgoing"]
    assert sent["digits"] < 3
    (after,) = (s for s in backward(wrong) if s["incoming"]["name"] == sent["to"])
    assert after["incoming"]["numbers"] == sent["numbers"] != sent["explicit"]
    assert after["explicit"]["digits"] < 3
    assert min(total["digits"] for total in wrong.totals) < 3


def test_the_network_is_left_as_it_is():
    network = mt.nn.ColumnNetwork(COLUMNS["elman"](2, 3, 2))
    before = {n: p.detach().numpy().copy() for n, p in network.named_parameters()}
    network.bias["h"].requires_grad_(False)
    record(network)
    assert not network.bias["h"].requires_grad
    for name, p in network.named_parameters():
        assert p.grad is None
        assert (p.detach().numpy() == before[name]).all()


def test_the_lines_of_slide_94_come_in_its_order():
    column = state_space(2, 3, 2, layers=2, output_activation="softmax")
    recording = record(column, divergence="cross-entropy", steps=2)
    titles = [step["title"] for step in backward(recording) if step["node"] is not None]
    wanted = [
        "dz_Y(1) = dY(1) Jacobian(Y(1), z_Y(1))",
        "dh2(1) = dz_Y(1) W;  dW of h2->Y = outer(dz_Y(1), h2(1));  db of Y = dz_Y(1)",
        "dz_h2(1) = dh2(1) Jacobian(h2(1), z_h2(1))",
        "dh2(0) += dz_h2(1) W;  dW of h2(t-1)->h2 = outer(dz_h2(1), h2(0))",
        "dh1(1) = dz_h2(1) W;  dW of h1->h2 = outer(dz_h2(1), h1(1));  db of h2 = dz_h2(1)",
        "dz_h1(1) = dh1(1) Jacobian(h1(1), z_h1(1))",
        "dx(1) = dz_h1(1) W;  dW of x->h1 = outer(dz_h1(1), x(1));  db of h1 = dz_h1(1)",
        "dh1(-1) = dz_h1(0) W;  dW of h1(t-1)->h1 += outer(dz_h1(0), h1(-1))",
        "dh1(-1) is complete",
    ]
    places = [titles.index(title) for title in wanted]
    assert places == sorted(places)
    links = [step for step in backward(recording) if step["edge"] == "h1(t-1)->h1"]
    assert [(step["t"], step["slide"]) for step in links] == [(1, "94"), (0, "91")]
    slides = {step["slide"] for step in recording.steps}
    assert {"69", "72", "75–77", "78", "85", "91", "94"} == slides


@pytest.mark.parametrize(
    "name, slides",
    [
        ("elman", {"48"}), ("jordan", {"47"}), ("narx", {"43"}), ("with-skips", {"55"}),
        ("cross-layer", {"56"}), ("narx-shaded", {"57"}), ("delayed", {"58"}), ("lstm", {"95"}),
        ("bidirectional", {"96–100"}), ("explicit-memory", {"46"}),
    ],
)  # fmt: skip
def test_every_network_cites_its_own_slide(runs, name, slides):
    assert slides <= {step["slide"] for step in runs[name][0].steps}


def test_over_a_blocked_link_no_gradient_passes_and_the_step_says_so(runs):
    recording = runs["elman"][0]
    blocked = [step for step in backward(recording) if step["edge"] == "h(t-1)->h"]
    assert len(blocked) == T
    for step in blocked:
        assert [sent["to"] for sent in step["outgoing"]] == ["dW of h(t-1)->h"]
        told = [j["omitted"] for j in step["jacobians"] if j["omitted"]]
        assert "no gradient passes here (slide 48)" in told and step["slide"] == "48"
        assert ["node", "h", step["t"] - 1] not in step["lit"]


def test_a_title_says_whether_it_assigns_or_adds(runs):
    told = 0
    for name in COLUMNS:
        for step in backward(runs[name][0]):
            parts = step["title"].split(";  ")
            if step["operation"] in ("linear", "multiply", "add", "tanh") and step["node"]:
                assert len(parts) == len(step["outgoing"])
                for part, sent in zip(parts, step["outgoing"], strict=True):
                    assert part.startswith(f"{sent['to']} {sent['how']} ")
                    told += 1
    assert told > 1000


def test_a_memory_that_nothing_is_learned_from_is_told_as_not_recorded(runs):
    recording = runs["jordan"][0]
    told = [step for step in recording.steps if step["node"] == "m"]
    assert [(s["phase"], s["t"]) for s in told] == [("forward", t) for t in range(T)]
    assert {(s["operation"], s["slide"]) for s in told} == {("not recorded", "47")}


def test_a_join_of_a_blocked_fixed_link_says_that_nothing_passes():
    column = Column(
        "leaky", (Input("x", 2), Layer("h", 2)),
        (Edge("x", "h"), Edge("h", "h", 1, gradient="blocked", weight=1.0)), "h",
    )  # fmt: skip
    recording = run(column, "squared error")[0]
    joins = [step for step in backward(recording) if step["operation"] == "add"]
    assert len(joins) == T
    for step in joins:
        told = [j["omitted"] for j in step["jacobians"]]
        assert "no gradient passes here (slide 47)" in told
        assert "over the blocked link no gradient passes" in step["says"]


def test_a_history_that_is_given_has_its_gradient():
    past = {"h1": np.random.default_rng(1).normal(size=(1, B, 3))}
    recording, explicit, *_ = run(state_space(2, 3, 2), "squared error", histories=past)
    (step,) = (s for s in backward(recording) if s["incoming"]["name"] == "d(history of h1)")
    assert_allclose(step["incoming"]["numbers"], explicit.histories["h1"], rtol=1e-10)
    (total,) = (t for t in recording.totals if t["parameter"] == "history.h1")
    assert not np.any(total["graph"])  # the learned one was not used


def test_histories_that_are_to_be_given_are_drawn_where_none_comes():
    column = COLUMNS["elman"](2, 3, 2, history="given")
    assert record(column).digits >= 10
    assert record(column, np.ones((4, 2)), np.zeros((4, 2))).digits >= 10


def test_a_single_sequence_needs_no_axis_for_the_batch():
    column = COLUMNS["elman"](2, 3, 2)
    x, D = np.ones((4, 2)), np.zeros((4, 2))
    assert record(column, x, D).json() == record(column, x[:, None], D[:, None]).json()


def test_float32_is_told_with_the_digits_that_it_has():
    network = mt.nn.ColumnNetwork(COLUMNS["elman"](2, 3, 2), dtype="float32")
    assert 4 < record(network).digits < 10


def test_a_thousand_steps_stay_below_three_megabytes():
    recording = record(COLUMNS["lstm"](2, 3, 2), steps=21)
    assert len(recording.steps) > 1000
    assert len(recording.json().encode()) < 2e6


def test_large_jacobians_are_left_out_with_the_reason():
    recording = record(COLUMNS["state-space"](2, 12, 2), steps=2)
    told = {j["omitted"] for step in recording.steps for j in step["jacobians"] if j["omitted"]}
    assert "12 × 144 numbers: outer product with h1(0)" in told
    assert "12 × 12 numbers: it is W itself, for every sequence" in told


def test_what_no_page_could_hold_is_refused_before_it_is_run():
    column = COLUMNS["elman"](2, 3, 2)
    for steps in (100_000, 10**15):  # not even drawn
        with pytest.raises(DataError, match=f"{steps:,} time steps .* Take fewer time steps"):
            record(column, steps=steps)
    with pytest.raises(DataError, match="1,530,600 weights"):
        record(COLUMNS["lstm"](300, 300, 2), steps=1)
    with pytest.raises(DataError, match="100,000 sequences"):
        record(column, np.ones((2, 100_000, 2)))


def test_it_is_recorded_under_no_grad_too():
    with mt.no_grad():
        assert record(COLUMNS["elman"](2, 3, 2)).digits > 12


def test_wrong_arguments_are_told():
    column = COLUMNS["elman"](2, 3, 2)
    with pytest.raises(ColumnError, match="steps is -1; a whole number from 1"):
        record(column, steps=-1)
    with pytest.raises(ShapeError, match="inputs are none; needed are x"):
        record(COLUMNS["elman"](2, 3, 2, history="given"), {})
    with pytest.raises(ShapeError, match="must be the same"):
        record(column, np.ones((4, 2)), 0.0)
    with pytest.raises(ColumnError, match="cross-entropy needs outputs that are distributions"):
        record(column, divergence="cross-entropy")
    with pytest.raises(ShapeError, match="3 features per time step"):
        record(column, np.ones((4, 3)))
    with pytest.raises(ShapeError, match="must be the same"):
        record(column, np.ones((4, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="known are"):
        record(column, divergence="surprise")
    with pytest.raises(TypeError, match="a ColumnNetwork or a Column is needed"):
        record(mt.nn.RNN(2, 3))
    with pytest.raises(NonFiniteError, match="squared error of these outputs is nan"):
        record(column, np.ones((4, 2)), np.full((4, 2), np.nan))
    blocked = Column("blind", (Input("x", 2), Layer("Y", 2, "identity", bias=False)),
                     (Edge("x", "Y", weight=1.0, gradient="blocked"),), "Y")  # fmt: skip
    with pytest.raises(ColumnError, match="nothing that a gradient could reach"):
        record(blocked)
