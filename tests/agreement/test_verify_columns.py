"""`verify` of a ColumnNetwork: histories, variants, kinks, large networks, wrong arguments."""

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn.agreement import networks
from minitorch_rnn.column import (
    VARIANTS,
)

KINK = "a unit is within the smallest step of its kink, where no slope exists"


def test_a_history_may_be_given_in_place_of_what_is_learned(rng):
    network = mt.nn.ColumnNetwork(mt.column.narx(2, 3, 2), rng=rng)
    networks.draw_histories(network, rng)
    x, D = rng.normal(size=(4, 2, 2)), rng.normal(size=(4, 2, 2))
    found = mt.verify(network, x, D, "squared error", histories={"Y": rng.normal(size=(1, 2, 2))})
    assert found, str(found)
    assert "history.Y" in found.zero and "history.x" not in found.zero
    assert "given.Y" in found.digits and "given.Y" not in found.zero


def test_elmans_initial_context_is_a_number(rng):
    network = mt.nn.ColumnNetwork(mt.column.elman(2, 3, 2), rng=rng)
    x, D = rng.normal(size=(4, 2, 2)), rng.normal(size=(4, 2, 2))
    found = mt.verify(network, x, D, "squared error", histories={"h": 0.5})
    assert found and found.digits["given.h"]["explicit"] == 16
    assert "given.h" in found.zero  # no error leaves the clone


def test_a_history_that_must_be_given_is_drawn_where_none_comes(rng):
    network = mt.nn.ColumnNetwork(mt.column.narx(2, 3, 2, history="given"), rng=rng)
    found = mt.verify(network, rng.normal(size=(4, 2, 2)), np.zeros((4, 2, 2)), "squared error")
    assert found and {"given.x", "given.Y"} <= set(found.digits)


@pytest.mark.parametrize("name", ["one-to-many", "delayed"])
def test_a_variant_may_be_named(rng, name):
    network = mt.nn.ColumnNetwork(mt.column.gru(2, 3, 2), rng=rng)
    x, D = rng.normal(size=(4, 2, 2)), rng.normal(size=(4, 2, 2))
    assert mt.verify(network, x, D, "squared error", variant=name).variant == name


def leaky(piece):
    return mt.column.Activation(
        "leaky relu", lambda xp, z: xp.where(z > 0, z, 0.1 * z),
        lambda da, y, z: da * np.where(z > 0, 1, 0.1), piece,
    )  # fmt: skip


def test_differences_keep_to_one_side_of_the_kinks_of_ones_own_activation(rng):
    column = mt.column.state_space(3, 5, 2, activation=leaky(lambda z: z.real > 0))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        network = mt.nn.ColumnNetwork(column, rng=rng)
        x, D = rng.normal(size=(10, 3, 3)), rng.normal(size=(10, 3, 2))
        found = mt.verify(network, x, D, "squared error")
        assert found.skipped.get("differences") == KINK or found.digits["x"]["differences"] > 6
        assert all(min(d for road, d in roads.items()) > 6 for roads in found.digits.values()), str(
            found
        )


def test_a_step_too_large_for_the_curves_is_made_smaller(rng):
    network = mt.nn.ColumnNetwork(mt.column.state_space(2, 3, 2), rng=rng)
    x, D = rng.normal(size=(3, 1, 2)), np.zeros((3, 1, 2))

    def steep(Y, D):  # derivatives grow by 200 with each order
        return (mt.exp(200 * Y) * 1e-60).sum()

    network.bias["Y"].update_([0.6, 0.6])
    assert mt.verify(network, x, D, steep)


def test_a_large_network_is_not_moved_number_by_number(rng):
    network = mt.nn.ColumnNetwork(mt.column.state_space(60, 80, 2), rng=rng)
    found = mt.verify(network, rng.normal(size=(3, 1, 60)), np.zeros((3, 1, 2)), "squared error")
    assert found and set(found.skipped) >= {"differences", "complex step", "rtrl"}
    assert "numbers are more than the 10,000 that it moves" in found.skipped["differences"]


def test_an_input_may_be_called_Y(rng):
    nodes = (mt.column.Input("Y", 2), mt.column.Layer("o", 3, history="learned"))
    edges = (mt.column.Edge("Y", "o"), mt.column.Edge("o", "o", 1))
    network = mt.nn.ColumnNetwork(mt.column.Column("c", nodes, edges, "o"), rng=rng)
    found = mt.verify(network, rng.normal(size=(4, 2, 2)), np.ones((4, 2, 3)), "squared error")
    assert found and {"Y", "Y(t)"} <= set(found.digits)
    assert set(found.digits["Y(t)"]) == {"explicit"}


WRONG = {
    "axes": (dict(x=np.ones(3)), mt.errors.ShapeError, "(3,)|(T, B, I)"),
    "input": (dict(x={"y": np.ones((3, 1, 2))}), mt.errors.ShapeError, "inputs are y|needed are x"),
    "h_0": (dict(h_0=np.zeros((1, 1, 3))), TypeError, "histories={node: …}"),
    "variant": (dict(variant="many-to-many"), ValueError, "'many-to-many'|'delayed'"),
    "length of the variant": (
        dict(variant=VARIANTS["delayed"](5)), mt.errors.ShapeError, "5 columns|have 3"),
    "truncation": (dict(truncation=3), TypeError, "truncation is 3|column.chunked(k)"),
    "targets": (dict(targets=np.ones((3, 1, 1))), mt.errors.ShapeError, "(3, 1, 1)|(3, 1, 2)"),
    "history": (dict(histories={"h": np.ones((2, 1, 3))}), mt.errors.ShapeError,
                "(2, 1, 3)|(1, 1, 3)"),
    "column": (dict(network=mt.column.elman(2, 3, 2)), TypeError, "mt.nn.ColumnNetwork(column)"),
    "layers with a variant": (
        dict(network=mt.nn.RNN(2, 3), variant="delayed"), TypeError, "mt.column.state_space"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_verify_cannot_use_is_told(what):
    changes, error, parts = WRONG[what]
    usual = {
        "network": mt.nn.ColumnNetwork(mt.column.elman(2, 3, 2)), "x": np.ones((3, 1, 2)),
        "targets": np.ones((3, 1, 2)), "divergence": "squared error",
    }  # fmt: skip
    with pytest.raises(error) as caught:
        mt.verify(**(usual | changes))
    assert [part for part in parts.split("|") if part not in str(caught.value)] == []
