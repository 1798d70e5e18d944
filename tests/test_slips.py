"""Every seeded slip, in any of the roads to the gradient of a column, is caught by `verify`."""

import inspect
import textwrap

import pytest
from small_networks import SHARED, small

from minitorch_rnn.bptt import activations, alignment, divergences, rtrl, truncated
from minitorch_rnn.bptt import column as explicit
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import (
    chunked,
    per_loss_window,
)
from minitorch_rnn.nn import ColumnNetwork, unroll
from minitorch_rnn.nn import truncated as nn_truncated

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
        unroll.Link, "term", "value.detach() if self.blocked else", "", {"name": "jordan"}),
    "the graph is cut at every column": (
        unroll.Link, "term", "if self.blocked", "if self.offset", {}),
    "the graph is cut one column late": (
        nn_truncated, "sweeps", "max(first, 0)", "max(first - 1, 0)", {"truncation": chunked(3)}),
    "the graph gives its outputs in the wrong order": (
        ColumnNetwork, "forward", "].rows(0, T)", "].rows(0, T)[::-1]", {}),
    "the graph does not reach its history": (
        ColumnNetwork, "_beginning", "self.history[owner]", "self.history[owner].detach()",
        {}),
    "the graph adds its bias to every product": (
        unroll, "_terms", "bias = None\n", "pass\n", {"name": "narx"}),
    "the graph steps on what is known of another column": (
        unroll.Unit, "at", "self.known[t]", "self.known[t - 1]", {}),
    "the graph adds up what it should multiply": (
        unroll.Unit, "__init__", "ops.multiply if", "ops.add if", {"name": "gru"}),
    "RTRL forgets the past": (
        rtrl, "_next", "moved += np.einsum", "0 * np.einsum", {}),
    "RTRL carries derivatives over a blocked link": (
        rtrl, "_next", 'e.gradient == "full"', "True", {"name": "elman"}),
    "RTRL forgets the history": (
        rtrl, "gradients", "P[node.name][k] += rows", "pass", {}),
    "weights over time are forgotten in the gradient": (
        divergences, "summed", "w[:, :, None] * slope(Y, D)", "slope(Y, D)",
        {"divergence": "discounted error"}),
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
            gradient = function("", local, lambda Y, D: Y - D, lambda t: 0.8**t).slopes
        monkeypatch.setitem(DIVERGENCES, chosen.name, chosen._replace(slopes=gradient))
    return options


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_any_road_is_caught(slip, monkeypatch):
    assert small(**SLIPS[slip][-1]), "without the slip it must agree"
    found = small(**plant(slip, monkeypatch))
    assert not found
    assert "DISAGREES" in str(found)


def test_there_are_at_least_twenty_slips():
    assert len(SLIPS) >= 20
