"""ColumnNetwork: a column's values and gradients, its teacher, its forecasts and its messages."""

import copy
import dataclasses

import numpy as np
import pytest
from numpy import ones
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import bptt, nn, ops
from minitorch_rnn.column import NETWORKS, Activation, Column, Edge, Input, Layer, narx
from minitorch_rnn.errors import BackendError, ColumnError, DTypeError, ShapeError

T, B, I, H, O = 5, 2, 3, 4, 6  # no axis can pass for another
COLUMNS = {name: made(I, H, O) for name, made in NETWORKS.items()}
AROUND = Input("x", I, "learned"), Layer("b", H, direction="backward"), Layer("Y", O)
EDGES = Edge("x", "b", (0, 1)), Edge("b", "b", (1, 2)), Edge("b", "Y"), Edge("x", "Y", (1, 2))
COLUMNS["around"] = Column("around", AROUND, EDGES, "Y")  # x(t-2), x(t-1) and x(t+1) are read
FORWARD = [n for n, c in COLUMNS.items() if all(node.direction == "forward" for node in c.nodes)]
FED_BACK = [name for name, column in COLUMNS.items() if column.feedback]


def drawn(column, rng, T=T):
    """A network whose histories are drawn too (at 0, some mistakes cannot be seen), and inputs."""
    network = nn.ColumnNetwork(column, rng=rng)
    for history in network.history.values():
        history.update_(rng.normal(size=history.shape))
    return network, {n: rng.normal(size=(T, B, node.size)) for n, node in column.inputs.items()}


def mixed(Y):
    """A number that is no sum over time."""
    return (Y.sum(axis=0) ** 3).sum()


def gradients(network, loss):
    network.zero_grad()
    loss.backward()
    found = {n: (p, p.grad) for n, p in network.named_parameters()}
    return {n: (mt.zeros_like(p) if g is None else g).numpy() for n, (p, g) in found.items()}


def same(found, expected, rtol=1e-12):
    assert set(found) == set(expected)
    for name in found:
        a, b = (v.data if isinstance(v, mt.Tensor) else v for v in (found[name], expected[name]))
        assert_allclose(a, b, rtol=rtol, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", COLUMNS)
def test_parameters_have_the_columns_names_and_shapes(name):
    network = nn.ColumnNetwork(COLUMNS[name])
    assert {n: p.shape for n, p in network.named_parameters()} == COLUMNS[name].shapes


def test_initial_values_fill_the_interval_of_all_that_enters_their_node(rng):
    network = nn.ColumnNetwork(narx(20, 64, 50, input_delays=1), rng=rng)
    entering = {"h": 20 + 20 + 50, "Y": 64}  # x(t), x(t-1) and Y(t-1); h(t)
    for name, parameter in [*network.weight.items(), *network.bias.items()]:
        assert 0.9 < abs(parameter.data).max() * entering[name.split(">")[-1]] ** 0.5 <= 1, name


def test_learned_histories_start_at_zero():
    histories = nn.ColumnNetwork(COLUMNS["narx"]).history
    assert {n: history.data.any() for n, history in histories.items()} == {"x": False, "Y": False}


@pytest.mark.parametrize("given", [True, False], ids=["generator", "default"])
def test_one_seed_gives_one_network(given):
    states = []
    for seed in (4, 4, 5):
        mt.manual_seed(None if given else seed)
        rng = np.random.default_rng(seed) if given else None
        states.append(nn.ColumnNetwork(COLUMNS["lstm"], rng=rng).state_dict())
    same(states[0], states[1], rtol=0)
    assert (states[0]["weight.x->i"] != states[2]["weight.x->i"]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["narx", "complete-narx"])  # histories learned, and zeros
def test_float32_stays_float32_whether_made_so_or_moved_there(name, dtype, backend, rng):
    network = nn.ColumnNetwork(COLUMNS[name], dtype=dtype, rng=rng).to("float32")
    x = mt.tensor(rng.normal(size=(T, B, I)), dtype="float32", requires_grad=True)
    Y, last = network(x)
    mixed(Y).backward()
    found = [Y, *last.values(), x.grad, *(p.grad for p in network.parameters())]
    assert {t.dtype for t in found} == {np.dtype("float32")}


def test_a_state_dict_goes_into_another_network_of_the_column(rng):
    (one, x), (other, _) = (drawn(COLUMNS["lstm"], rng) for _ in "ab")
    (expected, _), (before, _) = one(x), other(x)
    found, _ = other.load_state_dict(one.state_dict())(x)
    assert (found.data == expected.data).all() and not np.allclose(found.data, before.data)


def test_a_deep_copy_has_parameters_of_its_own(rng):
    network, x = drawn(COLUMNS["narx"], rng)
    copied, before = copy.deepcopy(network), network(x)[0].data
    network.bias["Y"].update_(ones(O))
    assert (copied(x)[0].data == before).all() and (network(x)[0].data != before).all()


@pytest.mark.parametrize("name", COLUMNS)
def test_outputs_and_carried_states_are_those_of_the_explicit_forward_pass(name, rng):
    network, x = drawn(COLUMNS[name], rng)
    Y, last = network(x)
    trace = bptt.column.forward(COLUMNS[name], network.state_dict(), x)
    same({"outputs": Y, **last}, {"outputs": trace.Y, **trace.carried()})
    same(network.activations(x), {node: trace.at(node) for node in network.column.node})


@pytest.mark.parametrize("steps", [1, T])  # 1 is shorter than some histories
@pytest.mark.parametrize("name", COLUMNS)
def test_a_single_sequence_needs_no_batch_axis(name, steps, rng):
    network, x = drawn(COLUMNS[name], rng, steps)
    reach = {n: sum(k) for n, k in COLUMNS[name].reach.items() if any(k)}
    past = {n: rng.normal(size=(k, 1, network.column.node[n].size)) for n, k in reach.items()}
    parts = [{n: v[:, 0] for n, v in group.items()} for group in (x, past)]
    alone, last = network(*parts)
    batch, states = network({n: v[:, :1] for n, v in x.items()}, past)
    of_one = {n: state.squeeze(1) for n, state in states.items()}
    same({"outputs": alone, **last}, {"outputs": batch.squeeze(1), **of_one})
    assert_allclose(network.activations(*parts)[network.column.output].data, alone.data)


@pytest.mark.parametrize("form", [mt.tensor, np.ndarray.tolist, lambda x: {"x": x.tolist()}])
def test_x_may_be_a_tensor_a_list_or_a_dictionary(form, rng):
    network, x = drawn(COLUMNS["narx"], rng)
    assert (network(form(x["x"]))[0].data == network(x["x"])[0].data).all()


@pytest.mark.parametrize("name", FORWARD)
def test_two_parts_with_carried_states_are_the_whole_in_values_and_gradients(name, rng):
    network, x = drawn(COLUMNS[name], rng)
    whole, at_the_end = network(x)
    first, last = network({n: v[:1] for n, v in x.items()})  # shorter than some histories
    second, carried = network({n: v[1:] for n, v in x.items()}, last)
    Y = ops.concatenate([first, second])
    same({"outputs": Y, **carried}, {"outputs": whole, **at_the_end})
    same(gradients(network, mixed(Y)), gradients(network, mixed(whole)), rtol=1e-10)


def test_a_number_is_a_history_of_every_unit_in_every_column(rng):
    network, x = drawn(COLUMNS["narx"], rng)
    whole = {"x": np.full((2, B, I), 0.5), "Y": np.full((1, B, O), 2.0)}
    assert (network(x, {"x": 0.5, "Y": 2})[0].data == network(x, whole)[0].data).all()


@pytest.mark.parametrize("name", ["gru", "bidirectional"])
def test_every_backend_gives_the_same_values_and_gradients(name, backend, rng):
    with mt.use("numpy"):
        network, x = drawn(COLUMNS[name], rng)
        expected = network(x)[0]
        slopes = gradients(network, mixed(expected))
    Y, last = network.to(backend)(mt.tensor(x["x"]))
    assert {t.backend for t in (Y, *last.values())} == {backend}
    assert_allclose(Y.detach().numpy(), expected.data, rtol=1e-12)
    same(gradients(network, mixed(Y)), slopes, rtol=1e-10)


@pytest.mark.parametrize("name", FED_BACK)
def test_a_teacher_makes_the_network_of_the_teacher_forced_column(name, rng):
    (network, x), D = drawn(COLUMNS[name], rng), rng.normal(size=(T, B, O))
    forced, rename = nn.ColumnNetwork(COLUMNS[name].teacher_forced()), {"history.D": "history.Y"}
    forced.load_state_dict({n: network.state_dict()[rename.get(n, n)] for n in forced.state_dict()})
    (Y, last), (expected, states) = network(x, teacher=D), forced(x | {"D": D})
    assert (Y.data == expected.data).all() and (last["Y"].data == states["D"].data).all()
    slopes = gradients(forced, mixed(expected))
    same(gradients(network, mixed(Y)), {rename.get(n, n): g for n, g in slopes.items()})


@pytest.mark.parametrize("name", FED_BACK)
def test_no_gradient_flows_back_through_a_targets_place(name, rng):
    # Fed with its own outputs the network has the values of the closed loop, not its gradients.
    column, (network, x) = COLUMNS[name], drawn(COLUMNS[name], rng)
    closed, _ = network(x)
    forced, _ = network(x, teacher=closed.detach())
    same({"Y": forced}, {"Y": closed})
    one_way = {e.name: "blocked" if e in column.feedback else e.gradient for e in column.edges}
    edges = tuple(dataclasses.replace(e, gradient=one_way[e.name]) for e in column.edges)
    blocked = nn.ColumnNetwork(dataclasses.replace(column, edges=edges))
    slopes = gradients(blocked, mixed(blocked.load_state_dict(network.state_dict())(x)[0]))
    found = gradients(network, mixed(forced)) | {"history.Y": 0}  # the target takes over that of Y
    same(found, slopes | {"history.Y": 0}, rtol=1e-10)


@pytest.mark.parametrize("known", [0, 1, 4])
def test_free_run_feeds_back_the_target_and_then_its_own_outputs(known, rng):
    network, x = drawn(narx(I, H, O, input_delays=1), rng)
    p, x, D = network.state_dict(), x["x"][:, 0], rng.normal(size=(known, O))
    Y, before = [], (p["history.x"][0], p["history.Y"][0])  # x(t-1), and D(t-1) or Y(t-1)
    for t in range(T):
        z = p["weight.x->h"] @ x[t] + p["weight.x(t-1)->h"] @ before[0] + p["bias.h"]
        h = np.tanh(z + p["weight.Y(t-1)->h"] @ before[1])
        Y.append(p["weight.h->Y"] @ h + p["bias.Y"])
        before = x[t], D[t] if t < known else Y[t]
    assert_allclose(network.free_run(T - known, x, D).data, Y[known:], rtol=1e-11)


@pytest.mark.parametrize("past", [0, 2])
@pytest.mark.parametrize("name", FORWARD)
def test_free_run_without_a_teacher_is_the_closed_loop_step_by_step(name, past, rng):
    network, x = drawn(COLUMNS[name], rng)
    before = {n: rng.normal() for n, reach in network.column.reach.items() if any(reach)}
    outputs, states = [], before
    for t in range(T):
        Y, states = network({n: v[t : t + 1] for n, v in x.items()}, states)
        outputs.append(Y[0])
    forecast = network.free_run(T - past, x, histories=before)
    same({"Y": forecast}, {"Y": ops.stack(outputs[past:])})


def test_a_trained_narx_forecasts_a_sine_wave():
    network = nn.ColumnNetwork(narx(1, 6, 1, 0, 2), rng=np.random.default_rng(0))
    wave = np.sin(0.5 * np.arange(60))[:, None]
    x, past, future = 0 * wave, wave[:40], wave[40:]
    optimizer, losses = mt.optim.Adam(network.parameters(), lr=0.03), []
    for _ in range(150):
        loss = nn.mse_loss(network(x[:40], teacher=past)[0], past)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 100
    forecast = network.free_run(20, x, past).data
    assert ((forecast - future) ** 2).mean() < ((past.mean() - future) ** 2).mean() / 10


BUMP = Activation("bump", lambda xp, z: z / (1 + z * z),
                  lambda da, y, z: da * (1 - z * z) / (1 + z * z) ** 2)  # fmt: skip


@pytest.mark.parametrize("right", [True, False])
def test_an_activation_of_ones_own_is_verified_and_a_wrong_jacobian_product_caught(right, rng):
    wrong = dataclasses.replace(BUMP, jacobian_product=lambda da, y, z: da / (1 + z * z))
    network, x = drawn(narx(I, H, O, activation=BUMP if right else wrong), rng)
    agreement = mt.verify(network, x, rng.normal(size=(T, B, O)), "squared error")
    digits = agreement.digits["weight.x->h"]
    assert digits["complex step"] > 10 and (digits["explicit"] > 10) == agreement.agrees == right


def test_a_column_that_learns_nothing_runs_too(backend):
    nodes = Input("x", 1), Layer("y", 1, "identity", bias=False)
    edges = Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0)
    network = nn.ColumnNetwork(Column("sums", nodes, edges, "y"))
    Y, last = network(mt.ones(3, 1, 1))
    assert not list(network.parameters()) and Y.backend == last["y"].backend == backend
    assert (Y.squeeze().tolist(), last["y"].item()) == ([1, 2, 3], 3)


def test_a_node_may_be_named_teacher(rng):
    nodes = Input("x", I), Layer("teacher", H, history="learned"), Layer("Y", O)
    edges = [Edge(n, "teacher", d) for n, d in (("x", 0), ("teacher", 1), ("Y", 1))]
    network, x = drawn(Column("school", nodes, (*edges, Edge("teacher", "Y")), "Y"), rng)
    for D in (None, ones((T, B, O))):
        assert set(network(x, teacher=D)[1]) == {"teacher", "Y"}


X, TWO = ones((5, 2, 3)), {"x": ones((5, 2, 3)), "phase": ones((5, 2, 2))}


def of(name="narx", **options):
    return nn.ColumnNetwork(NETWORKS[name](I, H, O, **options))


def test_the_representation_names_the_column_and_the_sizes():
    assert repr(of()) == "ColumnNetwork('narx': x=3, h=4, Y=6)"


MISTAKES = [  # the exception, parts of its message separated by |, what is done
    (ShapeError, "('narx': x=3|(5, 2, 7)|7 features|3 units", lambda: of()(ones((5, 2, 7)))),
    (ShapeError, "(3,)|1 axes|3, (T, B, I)|2, (T, I)", lambda: of()(ones(3))),
    (ShapeError, "(0, 2, 3)|0 time steps|at least one", lambda: of()(X[:0])),
    (ShapeError, "are x; needed are x, phase", lambda: of("encoder-decoder")({"x": X})),
    (ShapeError, "are x, u; needed are x", lambda: of()({"x": X, "u": X})),
    (ShapeError, "one x|2 inputs|of x, phase", lambda: of("encoder-decoder")(X)),
    (ShapeError, "(4, 2, 3)|(5, 2, 2)|T and B", lambda: of("encoder-decoder")(TWO | {"x": X[1:]})),
    (ShapeError, "history came for 'h'|one are x, Y", lambda: of()(X, {"h": X})),
    (ShapeError, "(1, 2, 3)|2 columns|(2, 2, 3)", lambda: of()(X, {"x": X[:1]})),
    (ShapeError, "(1, 3, 6)|batch of 2|(1, 2, 6)", lambda: of()(X, {"Y": ones((1, 3, 6))})),
    (ShapeError, "'x' is to be given|(2, 2, 3)|none came", lambda: of(history="given")(X)),
    (ShapeError, "(4, 2, 6)|(5, 2, 6)", lambda: of()(X, teacher=ones((4, 2, 6)))),
    (ColumnError, "elman|output 'Y'|nothing to feed back", lambda: of("elman")(X, teacher=X)),
    (DTypeError, "x is int64|float64|astype('float64')", lambda: of()(X.astype(int))),
    (BackendError, "x is on 'strict'|'numpy'", lambda: of()(mt.ones(5, 2, 3).to("strict"))),
    (ColumnError, "free_run|'h_b' runs backward", lambda: of("bidirectional").free_run(1, X)),
    (ShapeError, "free_run of 6 steps|5 columns", lambda: of().free_run(6, X)),
    (ColumnError, "free_run: n_steps is 0|from 1", lambda: of().free_run(0, X)),
    (ShapeError, "teacher of 5 steps|of none", lambda: of().free_run(5, X, ones((5, 2, 6)))),
    (ShapeError, "(5, 2, 6)|(3, 2, 6)", lambda: of().free_run(2, X, ones((5, 2, 6)))),
    (TypeError, "histories are ndarray|by node", lambda: of()(X, ones((1, 2, 6)))),
    (TypeError, "got 'narx'|a Column is needed", lambda: nn.ColumnNetwork("narx")),
]


@pytest.mark.parametrize("exception, parts, do", MISTAKES)
def test_what_does_not_fit_is_told_with_both_sides(exception, parts, do):
    with pytest.raises(exception) as caught:
        do()
    assert all(part in str(caught.value) for part in parts.split("|")), caught.value
