"""The ledger's numbers against explicit BPTT, replayed forward passes and numeric Jacobians."""

import dataclasses
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from teaching.ledger_cases import B, H, I, O, T, account, data, of_gain

from minitorch_rnn import bptt, nn, tensor
from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.bptt import truncated
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import (
    Column,
    Edge,
    Input,
    Layer,
    chunked,
    per_loss_window,
    williams_peng,
)
from minitorch_rnn.errors import ColumnError, DataError, ShapeError
from minitorch_rnn.teaching.ledger import ledger
from minitorch_rnn.teaching.verdicts import Verdict, verdict_of

TRUNCATIONS = [None, chunked(2), per_loss_window(2), williams_peng(4, 2)]
EVERY = sorted(COLUMNS)
ONWARD = [name for name in EVERY if not COLUMNS[name](I, H, O).backward]


def by_differences(column, params, x, given, node, number):
    """d number / d a(t) of a node for every t, (T, B, n), by the complex step.

    What is added to a(t) is added to z(t) of an identity that is put behind the node.
    """
    layer, old = column.node[node], f"{node}_before"
    moved = Layer(node, layer.size, "identity", False, layer.history, layer.direction)
    before = dataclasses.replace(layer, name=old, history="zeros")
    nodes = [moved if n is layer else n for n in column.nodes] + [before]
    into = [old if e.target == node else e.target for e in column.edges]
    edges = [dataclasses.replace(e, target=n) for e, n in zip(column.edges, into, strict=True)]
    longer = Column(column.name, tuple(nodes), (*edges, Edge(old, node, weight=1.0)), column.output)
    if layer.bias:
        params = params | {f"bias.{old}": params[f"bias.{node}"]}
    found, step = np.zeros((len(next(iter(x.values()))), B, layer.size)), 1e-30
    frozen = bptt.column.forward(longer, params, x, given) if column.blocked else None
    for at in np.ndindex(found.shape):
        offset = np.zeros(found.shape, complex)
        offset[at] = 1j * step
        trace = bptt.column.forward(longer, params, x, given, offsets={node: offset}, frozen=frozen)
        found[at] = number(trace).imag / step
    return found


@pytest.mark.parametrize("truncation", TRUNCATIONS, ids=str)
@pytest.mark.parametrize("name", EVERY)
def test_contributions_add_up_to_the_gradient_of_explicit_bptt(name, truncation, rng):
    column, params, x, given, dY = data(name, rng)
    if truncation and column.backward:
        with pytest.raises(ColumnError, match="runs forward in time"):
            account(column, params, x, given, dY, truncation)
        return
    found = account(column, params, x, given, dY, truncation)
    trace = bptt.column.forward(column, params, x, given)
    if truncation is None:
        true = bptt.column.backward(column, params, trace, dY).parameters
    else:
        true = truncated.backward(column, params, trace, dY, truncation).parameters
    assert set(found.contributions) == set(found.by_loss) == set(true)
    for parameter, g in true.items():
        for parts in (found.contributions[parameter], found.by_loss[parameter]):
            assert parts.shape == (T, *g.shape)
            assert_allclose(parts.sum(axis=0), g, rtol=1e-12, atol=1e-12, err_msg=parameter)
        assert_array_equal(found.gradients[parameter], found.contributions[parameter].sum(axis=0))


@pytest.mark.parametrize("name", ["state-space", "elman", "bidirectional", "lstm", "narx"])
def test_a_time_step_adds_what_it_alone_sees_and_a_loss_what_it_alone_sends(name, rng):
    column, params, x, given, dY = data(name, rng)
    found = account(column, params, x, given, dY)
    trace = bptt.column.forward(column, params, x, given)
    dz = bptt.column.backward(column, params, trace, dY).dz
    for e in column.edges:
        if isinstance(weight := column.weight(e), str):
            for t in range(T):
                one = dz[e.target][t].T @ trace.at(e.source, column.offset(e))[t]
                assert_allclose(found.contributions[weight][t], one, rtol=1e-10, atol=1e-12)
    for t in range(T):
        only = dY * (np.arange(T) == t)[:, None, None]
        alone = bptt.column.backward(column, params, trace, only).parameters
        for parameter, g in alone.items():
            assert_allclose(found.by_loss[parameter][t], g, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["state-space", "elman", "bidirectional", "lstm", "narx-shaded"])
def test_reach_is_the_norm_of_complex_steps(name, rng):
    column, params, x, given, dY = data(name, rng)
    found = account(column, params, x, given, dY)
    for node in found.states:
        for t in (0, T // 2, T - 1):
            slopes = by_differences(
                column, params, x, given, node, lambda trace, t=t: (trace.Y[t] * dY[t]).sum()
            )
            norms = np.linalg.norm(slopes.reshape(T, -1), axis=1)
            assert_allclose(found.reach[node][t], norms, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["state-space", "bidirectional", "lstm", "delayed"])
def test_jacobians_are_those_of_complex_steps(name, rng):
    column, params, x, given, dY = data(name, rng)
    found = account(column, params, x, given, dY)
    for node in found.states:
        n = column.node[node].size
        for t in (1, T - 2):
            rows = [
                by_differences(
                    column, params, x, given, node,
                    lambda trace, node=node, t=t, i=i: trace.at(node)[t, :, i].sum(),
                )
                for i in range(n)
            ]  # fmt: skip
            J = np.array(rows)  # (i, t', B, j): sequences do not touch each other
            norms = np.sqrt((J**2).sum(axis=(0, 3)).mean(axis=1) / n)
            assert_allclose(found.jacobian_norms[node][t], norms, rtol=1e-10, atol=1e-14)
            before = t + 1 if node in column.backward else t - 1
            radius = [np.abs(np.linalg.eigvals(J[:, before, b])).max() for b in range(B)]
            assert_allclose(found.spectral_radius[node][t], np.mean(radius), rtol=1e-8)


def test_the_first_step_has_a_spectral_radius_too(rng):
    column, params, x, given, dY = data("state-space", rng)
    found = account(column, params, x, given, dY)
    h = bptt.column.forward(column, params, x).at("h1")[0]
    J = (1 - h**2)[:, :, None] * params["weight.h1(t-1)->h1"]
    true = np.abs(np.linalg.eigvals(J)).max(axis=1).mean()
    assert_allclose(found.spectral_radius["h1"][0], true, rtol=1e-10)


@pytest.mark.parametrize("truncation", TRUNCATIONS, ids=str)
@pytest.mark.parametrize("name", ONWARD)
def test_what_is_cut_off_is_exactly_zero_and_nothing_else_is(name, truncation, rng):
    column, params, x, given, dY = data(name, rng)
    found = account(column, params, x, given, dY, truncation)
    for node, reach in found.reach.items():
        assert_array_equal(reach > 0, found.kept[node], err_msg=node)
        assert not (found.kept[node] & ~found.leads[node]).any()
    if truncation is not None:
        kept = np.array(truncation.reaches(T))[:, 1:]
        for node in found.reach:
            assert not (found.kept[node] & ~kept).any()
    elif not column.blocked:
        assert all((found.kept[n] == found.leads[n]).all() for n in found.reach)


def test_backward_nets_reach_the_future(rng):
    found = account(*data("bidirectional", rng))
    assert_array_equal(found.reach["h_f"] > 0, np.tri(T) > 0)
    assert_array_equal(found.reach["h_b"] > 0, np.tri(T).T > 0)
    assert (found.reach["x"] > 0).all()
    assert np.isfinite(found.spectral_radius["h_b"]).all()


def test_a_loss_that_is_masked_sends_nothing(rng):
    column, params, x, given, dY = data("state-space", rng)
    dY[:-1] = 0
    found = account(column, params, x, given, dY)
    assert found.losses.tolist() == [False] * (T - 1) + [True]
    assert not found.reach["h1"][:-1].any() and found.reach["h1"][-1].all()


def test_a_network_and_its_column_with_params_give_the_same(rng):
    column, _, x, _, _ = data("state-space", rng)
    network, D = nn.ColumnNetwork(column, rng=rng), rng.normal(size=(T, B, O))
    params = {n: p.astype(float) for n, p in network.state_dict().items()}
    Y = bptt.column.forward(column, params, x).Y
    one = ledger(network, tensor(x["x"]), tensor(D), divergence="squared total")
    dY = DIVERGENCES["squared total"].gradient(Y, D)
    two = ledger(column, x["x"], dY=dY, params=params)
    for node in one.reach:
        assert_allclose(one.reach[node], two.reach[node], rtol=1e-12)


@pytest.mark.parametrize("name", ["lstm", "bidirectional"])
def test_many_losses_are_swept_in_parts(name, rng, monkeypatch):
    parts = data(name, rng)
    whole = account(*parts)
    monkeypatch.setattr("minitorch_rnn.teaching.influence._TOGETHER", 1)
    apart = account(*parts)
    for field in ("contributions", "by_loss", "reach", "jacobian_norms", "spectral_radius"):
        one, two = getattr(whole, field), getattr(apart, field)
        for name in one:
            assert_allclose(two[name], one[name], rtol=1e-10, atol=1e-14, err_msg=field)


# What is said of it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gain, says",
    [
        (0.5, "vanishes: falls by ×0.50 a step"),
        (1.0, "holds: ×1.00 a step"),
        (1.5, "explodes: grows by ×1.50 a step"),
    ],
)
def test_the_verdict_is_that_of_the_eigenvalues(gain, says):
    found = of_gain(gain)
    assert str(found.verdict("h1")) == says and says in str(found)
    assert_allclose(found.spectral_radius["h1"], gain, rtol=1e-10)
    distance = np.subtract.outer(np.arange(20), np.arange(20))
    powers = np.where(distance >= 0, float(gain) ** distance, 0.0)
    assert_allclose(found.jacobian_norms["h1"], powers, rtol=1e-10, atol=1e-14)


def test_a_small_loss_a_step_counts_over_a_long_way():
    assert of_gain(0.95, T=10).verdict("h1").kind == "holds"  # 0.95^9 = 0.63
    assert of_gain(0.95, T=60).verdict("h1").kind == "vanishes"  # 0.95^59 = 0.05
    assert of_gain(1.06, T=60).verdict("h1").kind == "explodes"


@pytest.mark.parametrize(
    "truncation, says",
    [
        (chunked(4), "truncated after 3 steps (×0.50 a step)"),
        (per_loss_window(4), "truncated after 4 steps (×0.50 a step)"),
        (per_loss_window(1), "truncated after 1 step (×0.50 a step)"),
        (per_loss_window(0), "truncated: arrives only at its own t"),
        (chunked(50), "vanishes: falls by ×0.50 a step"),
    ],
    ids=str,
)
def test_a_truncation_is_named_with_its_length(truncation, says):
    found = of_gain(0.5, truncation=truncation)
    assert str(found.verdict("h1")) == says
    assert ("cut" in str(found)) == says.startswith("truncated")


def test_a_blocked_link_is_named(rng):
    found = account(*data("elman", rng))
    assert str(found.verdict("h")) == "blocked: arrives only at its own t"
    assert str(found.verdict("Y")) == "arrives only at its own t"


def test_an_error_that_goes_forward_in_time_is_judged_alike():
    t = np.arange(8)
    halves = 0.5 ** np.abs(t[:, None] - t)
    for map_ in (np.tril(halves), np.triu(halves), halves):
        verdict = verdict_of(map_, map_ > 0, map_ > 0, t >= 0, "blocked")
        assert verdict.kind == "vanishes" and verdict.steps == 7
        assert_allclose(verdict.factor, 0.5, rtol=1e-12)


def test_no_loss_and_no_way_are_nothing():
    some = np.ones((3, 3), bool)
    verdict = verdict_of(np.zeros((3, 3)), some, some, np.zeros(3, bool), "blocked")
    assert str(verdict) == "nothing arrives"


@pytest.mark.parametrize("name", EVERY)
def test_every_network_has_a_table_that_fits_the_page(name, rng):
    table = str(account(*data(name, rng)))
    assert max(map(len, table.splitlines())) <= 110
    assert all(f"\n{node} " in table for node in COLUMNS[name](I, H, O).node)


def test_numbers_without_end_are_still_a_table():
    found = of_gain(1e30, T=14)
    assert np.isinf(found.reach["h1"]).any()
    assert "explodes" in str(found) and "inf" not in found.picture().svg()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_errors_that_are_no_numbers_are_not_told_as_none(value, rng):
    column, params, x, given, dY = data("state-space", rng)
    found = account(column, params, x, given, np.full_like(dY, value))
    assert str(found.verdict("h1")) == "no finite number arrives"
    assert re.search(r"\nh1 +(nan|inf) ", str(found))
    found.picture().svg()


@pytest.mark.parametrize(
    "factor, says", [(0.0027, "2.7e-03"), (0.012, "0.01"), (1.0, "1.00"), (5e30, "5.0e+30")]
)
def test_a_factor_is_told_whatever_its_size(factor, says):
    assert str(Verdict("holds", factor, 3, "")) == f"holds: ×{says} a step"


def test_names_cannot_break_the_table():
    edge = Edge("x", "Y", name="a\n\x1b[2J")
    column = Column("\x1b[2J", (Input("x", 1), Layer("Y", 1)), (edge,), "Y")
    params = {name: np.ones(shape) for name, shape in column.shapes.items()}
    table = str(ledger(column, np.ones((2, 1, 1)), dY=np.ones((2, 1, 1)), params=params))
    assert "\x1b" not in table and "d weight.a��[2J  " in table


# What does not fit --------------------------------------------------------------------------------


def test_mistakes_are_told(rng):
    column, params, x, given, dY = data("state-space", rng)
    with pytest.raises(TypeError, match="targets D or dY"):
        ledger(column, x, params=params)
    with pytest.raises(TypeError, match="targets D or dY"):
        ledger(column, x, dY, dY=dY, params=params)
    with pytest.raises(TypeError, match="give its params"):
        ledger(column, x, dY=dY)
    with pytest.raises(TypeError, match="leave out params"):
        ledger(nn.ColumnNetwork(column), x, dY=dY, params=params)
    with pytest.raises(TypeError, match="a ColumnNetwork or a Column is needed"):
        ledger("elman", x, dY=dY)
    with pytest.raises(ShapeError, match=r"\(6, 2, 4\), the outputs \(6, 2, 5\)"):
        ledger(column, x, dY=dY[..., 1:], params=params)
    long = np.ones((5001, 1, 2))
    with pytest.raises(DataError, match="5,001 time steps; every node has maps of T × T"):
        ledger(column, long, dY=long, params=params)
    found = account(column, params, x, given, dY)
    with pytest.raises(ValueError, match="no reach of 'q', only of x, h1, Y"):
        found.picture("q")
    with pytest.raises(ValueError, match="no jacobian of 'Y', only of h1"):
        found.picture("Y", "jacobian")
    with pytest.raises(ValueError, match="'size'; known are"):
        found.picture(of="size")


def test_a_link_that_is_blocked_beside_an_open_way_is_said_to_be_so(rng):
    T = np.arange(6)
    far = np.abs(T[:, None] - T)
    leads = np.tri(6, dtype=bool)
    kept = leads & (far % 2 == 0)  # an open way of delay 2, a blocked one of delay 1
    found = verdict_of(np.where(kept, 0.5**far, 0.0), leads, kept, T >= 0, "blocked")
    assert str(found) == "vanishes: falls by ×0.50 a step, partly blocked"
