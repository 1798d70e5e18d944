"""truncated_backward: three rules of truncation on the graph, and what is the same as each."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import bptt, nn
from minitorch_rnn.column import (
    NETWORKS,
    chunked,
    delayed,
    delayed_many_to_many,
    per_loss_window,
    state_space,
    williams_peng,
)
from minitorch_rnn.errors import ColumnError, GraphError, ShapeError

T, B, I, H, O = 7, 2, 3, 4, 6
COLUMNS = {name: made(I, H, O) for name, made in NETWORKS.items() if name != "bidirectional"}
COLUMNS["state-space-deep"] = state_space(I, H, O, layers=2)
RULES = {
    rule.name: rule
    for rule in (chunked(1), chunked(3), per_loss_window(0), per_loss_window(2),
                 williams_peng(4, 2), williams_peng(5, 1))
}  # fmt: skip


def drawn(column, rng):
    """A network whose histories are drawn too, and inputs that require gradients."""
    network = nn.ColumnNetwork(column, rng=rng)
    for history in network.history.values():
        history.update_(rng.normal(size=history.shape))
    sizes = {name: (T, B, node.size) for name, node in column.inputs.items()}
    return network, {n: leaf(rng.normal(size=size)) for n, size in sizes.items()}


def leaf(values):
    return mt.tensor(values, requires_grad=True)


def loss(Y):
    """No sum over time: its slope at one time depends on the outputs at all others."""
    return (Y.sum(axis=0) ** 3).sum()


def slope(Y):
    """dDIV/dY(t) of `loss`, an array."""
    return np.broadcast_to(3 * Y.sum(axis=0) ** 2, Y.shape)


def gradients(leaves):
    return {n: np.zeros(t.shape) if t.grad is None else t.grad.numpy() for n, t in leaves.items()}


def by_parameter(network):
    return gradients(dict(network.named_parameters()))


def same(found, expected, rtol=1e-10):
    assert set(found) == set(expected)
    for name in expected:
        assert_allclose(found[name], expected[name], rtol=rtol, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", COLUMNS)
def test_gradients_are_those_of_the_explicit_algorithm(name, rule, rng):
    network, x = drawn(COLUMNS[name], rng)
    params, data = network.state_dict(), {n: t.detach().numpy() for n, t in x.items()}
    trace = bptt.column.forward(COLUMNS[name], params, data)
    expected = bptt.truncated.backward(COLUMNS[name], params, trace, slope(trace.Y), RULES[rule])
    nn.truncated_backward(network, x, loss, RULES[rule])
    same(by_parameter(network), expected.parameters)
    same(gradients(x), {n: expected.da[n] for n in x})


@pytest.mark.parametrize("rule", RULES)
def test_given_histories_get_what_the_explicit_algorithm_gives_them(rule, rng):
    column = delayed(I, H, O, delays=3)
    (network, x), past = drawn(column, rng), leaf(rng.normal(size=(3, B, H)))
    trace = bptt.column.forward(column, network.state_dict(), x["x"].data, {"h1": past.data})
    expected = bptt.truncated.backward(
        column, network.state_dict(), trace, slope(trace.Y), RULES[rule]
    )
    nn.truncated_backward(network, x, loss, RULES[rule], histories={"h1": past})
    same(gradients({"h1": past}), expected.histories)
    assert not gradients(network.history)["h1"].any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["narx", "jordan", "encoder-decoder"])
def test_under_a_teacher_it_is_the_truncation_of_the_teacher_forced_column(name, rule, rng):
    (network, x), D = drawn(COLUMNS[name], rng), rng.normal(size=(T, B, O))
    nn.truncated_backward(network, x, loss, RULES[rule], teacher=D)
    column = COLUMNS[name].teacher_forced()
    params = {n.replace("history.Y", "history.D"): p for n, p in network.state_dict().items()}
    data = {n: t.detach().numpy() for n, t in x.items()} | {"D": D}
    trace = bptt.column.forward(column, params, data)
    expected = bptt.truncated.backward(column, params, trace, slope(trace.Y), RULES[rule])
    found = by_parameter(network)
    same({n.replace("history.Y", "history.D"): g for n, g in found.items()}, expected.parameters)


@pytest.mark.parametrize("rule", RULES)
def test_a_variant_masks_the_inputs_of_every_window(rule, rng):
    network, x = drawn(COLUMNS["narx"], rng)
    present = np.array([t < 4 for t in range(T)])[:, None, None]
    nn.truncated_backward(network, x["x"].data * present, loss, RULES[rule])
    expected = by_parameter(network)
    network.zero_grad()
    masked = np.where(present, x["x"].data, np.nan)  # which leaves no trace
    variant = delayed_many_to_many(T, inputs=4)
    nn.truncated_backward(network, masked, loss, RULES[rule], variant=variant)
    same(by_parameter(network), expected)


@pytest.mark.parametrize("k", [T, T + 3])
@pytest.mark.parametrize("rule", [chunked, per_loss_window, lambda k: williams_peng(k, 2)])
@pytest.mark.parametrize("name", COLUMNS)
def test_windows_as_long_as_the_sequence_give_the_whole_gradient(name, rule, k, rng):
    network, x = drawn(COLUMNS[name], rng)
    loss(network(x)[0]).backward()
    expected = by_parameter(network)
    network.zero_grad()
    nn.truncated_backward(network, x, loss, rule(k))
    same(by_parameter(network), expected)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["narx", "lstm", "delayed", "encoder-decoder", "elman"])
def test_chunked_is_the_usual_loop_over_chunks_with_detached_states(name, k, rng):
    network, x = drawn(COLUMNS[name], rng)
    v = rng.normal(size=(T, B, O))
    nn.truncated_backward(network, x, lambda Y: (Y * Y * v).sum(), chunked(k))
    expected = by_parameter(network)
    network.zero_grad()
    last = None
    for start in range(0, T, k):
        chunk = {n: values[start : start + k].detach() for n, values in x.items()}
        Y, last = network(chunk, last)
        (Y * Y * v[start : start + k]).sum().backward()
        last = {n: state.detach() for n, state in last.items()}
    same(by_parameter(network), expected)


@pytest.mark.parametrize("name, edge", [("narx", "Y(t-1)->h"), ("gru", "h(t-1)->q")])
def test_a_truncation_changes_the_gradient_and_not_the_loss(name, edge, rng):
    network, x = drawn(COLUMNS[name], rng)
    whole = loss(network(x)[0])
    whole.backward()
    expected = by_parameter(network)
    network.zero_grad()
    value = nn.truncated_backward(network, x, loss, chunked(2))
    assert value.item() == whole.item() and not value.requires_grad
    found, through_time = by_parameter(network), f"weight.{edge}"
    assert not np.allclose(found[through_time], expected[through_time])


def test_gradients_are_added_to_those_that_are_there(rng):
    network, x = drawn(COLUMNS["narx"], rng)
    nn.truncated_backward(network, x, loss, chunked(2))
    once = by_parameter(network)
    nn.truncated_backward(network, x, loss, chunked(2))
    same(by_parameter(network), {n: 2 * g for n, g in once.items()})


def test_a_single_sequence_needs_no_batch_axis(rng):
    network, x = drawn(COLUMNS["narx"], rng)
    alone, D = x["x"].data[:, 0], rng.normal(size=(T, O))
    past = {"Y": rng.normal(size=(1, O))}

    def of_one(Y):
        assert Y.shape == (T, O)
        return loss(Y)

    one = nn.truncated_backward(network, alone, of_one, chunked(2), past, D)
    found = by_parameter(network)
    network.zero_grad()
    past = {"Y": past["Y"][:, None]}
    other = nn.truncated_backward(network, alone[:, None], loss, chunked(2), past, D[:, None])
    assert one.item() == pytest.approx(other.item(), rel=1e-14)
    same(found, by_parameter(network))


def test_a_graph_behind_the_inputs_is_reached_by_every_window(rng):
    network, x = drawn(COLUMNS["state-space"], rng)
    scale = leaf(np.ones(I))
    nn.truncated_backward(network, x["x"] * scale, loss, chunked(2))
    expected = (x["x"].grad.data * x["x"].data).sum(axis=(0, 1))
    assert_allclose(scale.grad.data, expected, rtol=1e-12)


def test_every_backend_gives_the_same_gradients(backend, rng):
    with mt.use("numpy"):
        network, x = drawn(COLUMNS["narx"], rng)
        nn.truncated_backward(network, x, loss, williams_peng(3, 2))
        expected = by_parameter(network)
    network.to(backend)
    nn.truncated_backward(network, mt.tensor(x["x"].data), loss, williams_peng(3, 2))
    assert {p.grad.backend for p in network.weight.values()} == {backend}
    same(by_parameter(network), expected)


@pytest.mark.parametrize("rule", RULES)
def test_a_network_that_runs_backward_cannot_be_truncated(rule):
    network = nn.ColumnNetwork(NETWORKS["bidirectional"](I, H, O))
    with pytest.raises(ColumnError) as caught:
        nn.truncated_backward(network, np.ones((T, B, I)), loss, RULES[rule])
    told = f"{network!r}|{rule} needs|forward in time|'h_b' runs backward"
    assert all(part in str(caught.value) for part in told.split("|"))


MISTAKES = [  # exception, parts of the message separated by |, and how the network is called
    (ShapeError, "(7, 2, 5)|5 features|3 units", {"x": np.ones((T, B, 5))}),
    (ShapeError, "teacher has shape (6, 2, 6)|(7, 2, 6)", {"teacher": np.ones((T - 1, B, O))}),
    (ShapeError, "'Y' has shape (2, 2, 6)|(1, 2, 6)", {"histories": {"Y": np.ones((2, B, O))}}),
    (GraphError, "shape (7, 2, 6)|one element", {"loss": lambda Y: Y * Y}),
]


@pytest.mark.parametrize("exception, parts, given", MISTAKES)
def test_what_does_not_fit_is_told_and_leaves_no_gradient(exception, parts, given):
    network = nn.ColumnNetwork(COLUMNS["narx"])
    usual = {"x": np.ones((T, B, I)), "loss": loss, "truncation": chunked(2)}
    with pytest.raises(exception) as caught:
        nn.truncated_backward(network, **usual | given)
    assert all(part in str(caught.value) for part in parts.split("|"))
    assert all(p.grad is None for p in network.parameters())


def test_a_window_that_nothing_can_learn_from_is_passed_over(rng):
    network = nn.ColumnNetwork(mt.column.state_space(2, 3, 2), rng=rng)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = name.startswith("history")
    nn.truncated_backward(network, np.ones((4, 1, 2)), lambda Y: (Y * Y).sum(), chunked(2))
    assert network.history["h1"].grad is not None


@pytest.mark.parametrize("loss", [lambda Y: mt.tensor(1.0, requires_grad=True) * 2,
                                  lambda Y: (Y.detach() * mt.ones(1)).sum()])  # fmt: skip
def test_a_loss_without_the_outputs_is_told(loss, rng):
    network = nn.ColumnNetwork(mt.column.state_space(2, 3, 2), rng=rng)
    with pytest.raises(mt.errors.GraphError):
        nn.truncated_backward(network, np.ones((4, 1, 2)), loss, chunked(2))
    assert all(p.grad is None for p in network.parameters())
