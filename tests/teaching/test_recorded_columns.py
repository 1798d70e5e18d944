"""Columns of one's own are recorded: whatever a column can say, the recording tells."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from recorded_runs import T, backward, run

from minitorch_rnn.column import Activation, Column, Edge, Input, Layer, Product


def swish(xp, z):
    return z / (1 + xp.exp(-z))


def swish_product(da, y, z):
    s = 1 / (1 + np.exp(-z))
    return da * (s + z * s * (1 - s))


OWN = {
    "an activation of one's own": Column(
        "own", (Input("x", 2), Layer("h", 2, Activation("swish", swish, swish_product))),
        (Edge("x", "h"), Edge("h", "h", 1)), "h"),
    "an activation that reads another node itself": Column(
        "copy", (Input("x", 2), Layer("h", 2, history="learned"), Layer("s", 2, "tanh", bias=False),
                 Layer("Y", 2, "identity")),
        (Edge("x", "h"), Edge("h", "h", 1), Edge("h", "s", weight=1.0), Edge("s", "Y")), "Y"),
    "a node that is another node": Column(
        "same", (Input("x", 2), Layer("h", 2), Layer("s", 2, "identity", bias=False)),
        (Edge("x", "h"), Edge("s", "h", 1), Edge("h", "s", weight=1.0)), "s"),
    "a node that is another node, cut off": Column(
        "clone", (Input("x", 2), Layer("h", 2), Layer("s", 2, "identity", bias=False)),
        (Edge("x", "h"), Edge("s", "h", 1), Edge("h", "s", weight=1.0, gradient="blocked")), "h"),
    "a shared weight": Column(
        "shared", (Input("x", 2), Layer("h", 2, "relu", history="learned")),
        (Edge("x", "h"), Edge("h", "h", 1, name="back"), Edge("h", "h", 2, shares="back")), "h"),
    "a product of four, all kinds of weights": Column(
        "gate", (Input("x", 2), Input("u", 3), Layer("h", 2, history="learned"), Product("p", 2)),
        (Edge("x", "h"), Edge("p", "h", 1), Edge("h", "p"), Edge("x", "p", weight=0.5),
         Edge("u", "p", weight=[[1, 2, 0], [0, 1, 3]]), Edge("h", "p", 1, weight=1.0)), "p"),
    "a bias beside fixed weights": Column(
        "offset", (Input("x", 2), Layer("h", 2)),
        (Edge("x", "h", weight=1.0), Edge("h", "h", 1, weight=0.5)), "h"),
    "a bias beside blocked ones": Column(
        "kept", (Input("x", 2), Layer("m", 2), Layer("Y", 2, "sigmoid")),
        (Edge("Y", "m", 1, gradient="blocked", weight=1.0),
         Edge("m", "m", 1, gradient="blocked", weight=0.5), Edge("m", "Y"), Edge("x", "Y")), "Y"),
    "two terms that no gradient passes, before one that it does": Column(
        "cut", (Input("x", 2), Layer("h", 2)),
        (Edge("h", "h", 1, gradient="blocked", weight=1.0),
         Edge("h", "h", 2, gradient="blocked", weight=0.5), Edge("x", "h")), "h"),
    "a net that runs backward, fed by itself twice": Column(
        "past", (Input("x", 2), Layer("b", 2, history="learned", direction="backward")),
        (Edge("x", "b"), Edge("b", "b", [1, 2])), "b"),
    "data of another time": Column(
        "late", (Input("x", 2, history="learned"), Layer("Y", 2, "identity")),
        (Edge("x", "Y", [1, 2]),), "Y"),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_columns_of_ones_own_are_told(name):
    column = OWN[name]
    recording, explicit, trace, *_ = run(column, "squared total")
    assert recording.digits >= 10
    for total in recording.totals:
        expected = explicit.parameters[total["parameter"]]
        assert_allclose(total["graph"], expected, rtol=1e-10, atol=1e-12)
    results = {s["result"]["name"]: s["result"]["numbers"] for s in recording.steps if s["result"]}
    for n in column.node:
        for t in range(T):
            assert_allclose(results[f"{n}({t})"], trace.at(n)[t], rtol=1e-10, atol=1e-12)
            if len(column.into[n]) > 1 and column.node[n].activation != "identity":
                assert_allclose(results[f"z_{n}({t})"], trace.z[n][t], rtol=1e-10, atol=1e-12)
    complete = {s["incoming"]["name"]: s["incoming"]["numbers"] for s in backward(recording)}
    for n in column.inputs:
        if explicit.da[n].any():
            assert_allclose(complete[f"d{n}"], explicit.da[n], rtol=1e-10, atol=1e-12)
