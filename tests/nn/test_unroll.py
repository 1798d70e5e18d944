"""ColumnNetwork: a column's values and gradients, its teacher, its forecasts and its messages."""

import copy
import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import bptt, nn, ops
from minitorch_rnn import column as columns
from minitorch_rnn.column import NETWORKS, Activation, Column, Edge, Input, Layer
from minitorch_rnn.errors import BackendError, ColumnError, DTypeError, ShapeError

T, B, I, H, O = 5, 2, 3, 4, 6  # no axis can pass for another
COLUMNS = {name: made(I, H, O) for name, made in NETWORKS.items()}
FORWARD = [n for n, c in COLUMNS.items() if all(node.direction == "forward" for node in c.nodes)]
FED_BACK = [name for name, column in COLUMNS.items() if column.feedback]


def drawn(column, rng, **options):
    """A network whose histories are drawn too: at 0, some mistakes cannot be seen."""
    network = nn.ColumnNetwork(column, rng=rng, **options)
    for history in network.history.values():
        history.update_(rng.normal(size=history.shape))
    return network


def inputs(column, rng, T=T):
    return {name: rng.normal(size=(T, B, node.size)) for name, node in column.inputs.items()}


def gradients(network, *losses):
    """Of the sum of the losses, by parameter; zeros where none arrives."""
    network.zero_grad()
    sum(losses).backward()
    found = {n: (p, p.grad) for n, p in network.named_parameters()}
    return {n: mt.zeros_like(p).numpy() if g is None else g.numpy() for n, (p, g) in found.items()}


def mixed(Y):
    """A number that is no sum over time."""
    return (Y.sum(axis=0) ** 3).sum()


def same(found, expected, rtol=1e-12, atol=1e-13):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert_allclose(found[name], array, rtol=rtol, atol=atol, err_msg=name)


def numbers(tensors):
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


# Parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLUMNS)
def test_parameters_have_the_columns_names_and_shapes(name):
    network = nn.ColumnNetwork(COLUMNS[name])
    assert {n: p.shape for n, p in network.named_parameters()} == COLUMNS[name].shapes


def test_initial_values_fill_the_interval_of_all_that_enters_their_node(rng):
    network = nn.ColumnNetwork(columns.narx(20, 64, 50, input_delays=1), rng=rng)
    entering = {"h": 20 + 20 + 50, "Y": 64}  # x(t), x(t-1) and Y(t-1); h(t)
    for name, parameter in network.named_parameters():
        if not name.startswith("history"):
            node = name.split(">")[-1].removeprefix("bias.")
            largest = abs(parameter.data).max() * np.sqrt(entering[node])
            assert 0.9 < largest <= 1, name


def test_learned_histories_start_at_zero():
    histories = nn.ColumnNetwork(COLUMNS["narx"]).history
    assert list(histories) == ["x", "Y"]
    assert not any(history.data.any() for history in histories.values())


@pytest.mark.parametrize("name", ["narx", "lstm"])
def test_one_seed_gives_one_network(name):
    one, other = (nn.ColumnNetwork(COLUMNS[name], rng=np.random.default_rng(4)) for _ in "ab")
    same(one.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_the_default_generator_draws_where_none_is_given():
    states = []
    for seed in (4, 4, 5):
        mt.manual_seed(seed)
        states.append(nn.ColumnNetwork(COLUMNS["narx"]).state_dict())
    same(states[0], states[1], rtol=0, atol=0)
    assert (states[0]["weight.x->h"] != states[2]["weight.x->h"]).any()


def test_float32_stays_float32(backend, rng):
    network = nn.ColumnNetwork(COLUMNS["narx"], dtype="float32", rng=rng)
    x = mt.tensor(rng.normal(size=(T, B, I)), dtype="float32", requires_grad=True)
    Y, last = network(x)
    mixed(Y).backward()
    found = [Y, *last.values(), x.grad, *network.parameters()]
    found += [p.grad for p in network.parameters()]
    assert {t.dtype for t in found} == {np.dtype("float32")}


def test_moving_to_float32_keeps_the_function(rng):
    network, x = drawn(COLUMNS["lstm"], rng), rng.normal(size=(T, B, I))
    expected = network(x)[0].detach().numpy()
    narrow = network.to("float32")(x.astype("float32"))[0]
    assert narrow.dtype == np.float32
    assert_allclose(narrow.detach().numpy(), expected, rtol=1e-5, atol=1e-6)  # seven digits


def test_a_state_dict_goes_into_another_network_of_the_column(rng):
    one, other = (drawn(COLUMNS["lstm"], rng) for _ in "ab")
    x = rng.normal(size=(T, B, I))
    assert not np.allclose(one(x)[0].data, other(x)[0].data)
    other.load_state_dict(one.state_dict())
    assert (one(x)[0].data == other(x)[0].data).all()
    same(other.state_dict(), one.state_dict(), rtol=0, atol=0)


def test_a_deep_copy_has_parameters_of_its_own(rng):
    network, x = drawn(COLUMNS["narx"], rng), rng.normal(size=(T, B, I))
    copied = copy.deepcopy(network)
    before = copied(x)[0].data.copy()
    network.bias["Y"].update_(np.ones(O))
    assert (copied(x)[0].data == before).all()
    assert copied.column == network.column


def test_the_representation_names_the_column_and_the_sizes():
    assert repr(nn.ColumnNetwork(COLUMNS["narx"])) == "ColumnNetwork('narx': x=3, h=4, Y=6)"


# Values and gradients ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", COLUMNS)
def test_outputs_and_carried_states_are_those_of_the_explicit_forward_pass(name, rng):
    network, x = drawn(COLUMNS[name], rng), inputs(COLUMNS[name], rng)
    Y, last = network(x)
    trace = bptt.column.forward(COLUMNS[name], network.state_dict(), x)
    assert_allclose(Y.data, trace.Y, rtol=1e-12, atol=1e-14)
    same(numbers(last), trace.carried())


@pytest.mark.parametrize("name", COLUMNS)
def test_gradients_are_those_of_the_explicit_backward_pass(name, rng):
    network, x = drawn(COLUMNS[name], rng), inputs(COLUMNS[name], rng)
    params, dY = network.state_dict(), rng.normal(size=(T, B, O))
    trace = bptt.column.forward(COLUMNS[name], params, x)
    expected = bptt.column.backward(COLUMNS[name], params, trace, dY).parameters
    same(gradients(network, (network(x)[0] * dY).sum()), expected, rtol=1e-10)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_single_sequence_needs_no_batch_axis(name, rng):
    network, x = drawn(COLUMNS[name], rng), inputs(COLUMNS[name], rng)
    reach = COLUMNS[name].reach.items()
    past = {
        n: rng.normal(size=(sum(k), 1, network.column.node[n].size)) for n, k in reach if any(k)
    }
    alone, last = network({n: v[:, 0] for n, v in x.items()}, {n: h[:, 0] for n, h in past.items()})
    batch, states = network({n: v[:, :1] for n, v in x.items()}, past)
    assert alone.shape == (T, O)
    assert_allclose(alone.data, batch.data[:, 0], rtol=1e-14)
    same(numbers(last), {n: state.data[:, 0] for n, state in states.items()})


@pytest.mark.parametrize("kind", ["tensor", "list", "dictionary", "dictionary of lists"])
def test_x_may_be_given_in_other_forms_than_an_array(kind, rng):
    network, x = drawn(COLUMNS["narx"], rng), rng.normal(size=(T, B, I))
    forms = {"tensor": mt.tensor(x), "list": x.tolist(), "dictionary": {"x": x}}
    forms["dictionary of lists"] = {"x": x.tolist()}
    assert (network(forms[kind])[0].data == network(x)[0].data).all()


def test_an_empty_batch_gives_empty_outputs_and_zero_gradients(backend):
    network = nn.ColumnNetwork(COLUMNS["narx"])
    Y, last = network(mt.zeros(T, 0, I))
    assert Y.shape == (T, 0, O) and last["x"].shape == (2, 0, I)
    Y.sum().backward()
    assert not any(float(abs(p.grad).sum()) for p in network.parameters())


@pytest.mark.parametrize("cut", [1, 2])  # 1 is shorter than some histories
@pytest.mark.parametrize("name", FORWARD)
def test_two_parts_with_carried_states_are_the_whole_in_values_and_gradients(name, cut, rng):
    network, x = drawn(COLUMNS[name], rng), inputs(COLUMNS[name], rng)
    whole, at_the_end = network(x)
    first, last = network({n: v[:cut] for n, v in x.items()})
    second, carried = network({n: v[cut:] for n, v in x.items()}, last)
    Y = ops.concatenate([first, second])
    assert_allclose(Y.data, whole.data, rtol=1e-13, atol=1e-14)
    same(numbers(carried), numbers(at_the_end))
    same(gradients(network, mixed(Y)), gradients(network, mixed(whole)), rtol=1e-10)


def test_a_detached_state_carries_the_values_and_no_gradient(rng):
    network, x = drawn(COLUMNS["narx"], rng), rng.normal(size=(T, B, I))
    _, last = network(x[:2])
    kept, cut = (network(x[2:], h)[0] for h in (last, {n: h.detach() for n, h in last.items()}))
    assert (kept.data == cut.data).all()
    assert not gradients(network, mixed(cut))["history.Y"].any()
    assert gradients(network, mixed(kept))["history.Y"].any()


def test_every_backend_gives_the_same_values_and_gradients(backend, rng):
    column = COLUMNS["gru"]
    with mt.use("numpy"):
        network, x = drawn(column, rng), rng.normal(size=(T, B, I))
        expected = network(x)[0]
        slopes = gradients(network, mixed(expected))
    Y, last = network.to(backend)(mt.tensor(x))
    assert (Y.backend, last["h"].backend) == (backend, backend)
    assert_allclose(Y.detach().numpy(), expected.data, rtol=1e-13)
    same(gradients(network, mixed(Y)), slopes, rtol=1e-10)


# The teacher ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FED_BACK)
def test_a_teacher_makes_the_network_of_the_teacher_forced_column(name, rng):
    network, x, D = (
        drawn(COLUMNS[name], rng),
        inputs(COLUMNS[name], rng),
        rng.normal(size=(T, B, O)),
    )
    forced = nn.ColumnNetwork(COLUMNS[name].teacher_forced())
    renamed = {n.replace("history.Y", "history.D"): v for n, v in network.state_dict().items()}
    forced.load_state_dict(renamed)
    (Y, last), (expected, states) = network(x, teacher=D), forced(x | {"D": D})
    assert (Y.data == expected.data).all()
    assert (last["Y"].data == states["D"].data).all()
    slopes = gradients(forced, mixed(expected))
    renamed = {n.replace("history.D", "history.Y"): g for n, g in slopes.items()}
    same(gradients(network, mixed(Y)), renamed)


@pytest.mark.parametrize("name", FED_BACK)
def test_no_gradient_flows_back_through_a_targets_place(name, rng):
    # Fed with its own outputs the network has the values of the closed loop, not its gradients.
    column, x = COLUMNS[name], inputs(COLUMNS[name], rng)
    network = drawn(column, rng)
    closed = network(x)[0]
    forced = network(x, teacher=closed.detach())[0]
    assert_allclose(forced.data, closed.data, rtol=1e-13, atol=1e-14)
    edges = [dataclasses.replace(e, gradient="blocked") if e in column.feedback else e
             for e in column.edges]  # fmt: skip
    open_loop = nn.ColumnNetwork(dataclasses.replace(column, edges=tuple(edges)))
    open_loop.load_state_dict(network.state_dict())
    found, expected = (
        gradients(network, mixed(forced)),
        gradients(open_loop, mixed(open_loop(x)[0])),
    )
    found["history.Y"] = expected["history.Y"] = 0  # the target takes over Y's history
    same(found, expected, rtol=1e-10)


def test_a_target_that_requires_a_gradient_gets_the_one_of_an_input(rng):
    network, x = drawn(COLUMNS["narx"], rng), rng.normal(size=(T, B, I))
    D = mt.tensor(rng.normal(size=(T, B, O)), requires_grad=True)
    mixed(network(x, teacher=D)[0]).backward()
    assert D.grad.data[:-1].all() and not D.grad.data[-1].any()  # nothing reads the last one


# Forecasts --------------------------------------------------------------------------------------


def narx_by_hand(params, x, D, before, n_known):
    """Y(t) of a NARX with delays 1 and 1: D(t-1) is fed back up to t = n_known, then Y(t-1)."""
    Wx, W1, Wy = (params[f"weight.{e}->h"] for e in ("x", "x(t-1)", "Y(t-1)"))
    Y, past = [], before
    for t in range(len(x)):
        h = np.tanh(Wx @ x[t] + W1 @ past["x"] + Wy @ past["Y"] + params["bias.h"])
        Y.append(params["weight.h->Y"] @ h + params["bias.Y"])
        past = {"x": x[t], "Y": D[t] if t < n_known else Y[t]}
    return Y


@pytest.mark.parametrize("given", [True, False], ids=["histories", "learned"])
@pytest.mark.parametrize("known", [0, 1, 4])
def test_free_run_feeds_the_target_back_and_then_its_own_outputs(known, given, rng):
    network = drawn(columns.narx(I, H, O, input_delays=1), rng)
    params, x, D = network.state_dict(), rng.normal(size=(T, I)), rng.normal(size=(known, O))
    learned = {n: params[f"history.{n}"] for n in "xY"}
    before = {n: rng.normal(size=h.shape) if given else h for n, h in learned.items()}
    forecast = network.free_run(T - known, x, D, before if given else None)
    expected = narx_by_hand(params, x, D, {n: h[0] for n, h in before.items()}, known)
    assert_allclose(forecast.data, expected[known:], rtol=1e-12)


@pytest.mark.parametrize("past", [0, 2])
@pytest.mark.parametrize("name", FORWARD)
def test_free_run_without_a_teacher_is_the_closed_loop_step_by_step(name, past, rng):
    network, x = drawn(COLUMNS[name], rng), inputs(COLUMNS[name], rng)
    outputs, states = [], None
    for t in range(T):
        Y, states = network({n: v[t : t + 1] for n, v in x.items()}, states)
        outputs.append(Y[0])
    forecast = network.free_run(T - past, x)
    assert_allclose(forecast.data, ops.stack(outputs[past:]).data, rtol=1e-12, atol=1e-14)


def test_a_forecast_has_a_gradient_that_reaches_the_past(rng):
    network, x = drawn(COLUMNS["narx"], rng), rng.normal(size=(T, B, I))
    found = gradients(network, mixed(network.free_run(2, x)))
    same(found, gradients(network, mixed(network(x)[0][-2:])), rtol=1e-10)


def test_a_trained_narx_forecasts_a_sine_wave():
    network = nn.ColumnNetwork(columns.narx(1, 6, 1, 0, 2), rng=np.random.default_rng(0))
    wave = np.sin(0.5 * np.arange(60))[:, None]
    x, past = np.zeros_like(wave), wave[:40]
    optimizer, losses = mt.optim.Adam(network.parameters(), lr=0.03), []
    for _ in range(150):
        loss = nn.mse_loss(network(x[:40], teacher=past)[0], past)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 100
    error = network.free_run(20, x, past).data - wave[40:]
    assert (error**2).mean() < ((past.mean() - wave[40:]) ** 2).mean() / 10


# Columns of one's own ---------------------------------------------------------------------------

BUMP = Activation("bump", lambda xp, z: z / (1 + z * z),
                  lambda da, y, z: da * (1 - z * z) / (1 + z * z) ** 2)  # fmt: skip
SQUARES = Activation("squares", lambda xp, z: xp.sqrt(1 + z * z),
                     lambda da, y, z: da * z / y)  # fmt: skip


@pytest.mark.parametrize("own", [BUMP, SQUARES], ids=lambda own: own.name)
def test_an_activation_of_ones_own_has_one_gradient_on_every_road(own, rng):
    network = drawn(columns.narx(I, H, O, activation=own, output_activation=own), rng)
    x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))
    agreement = mt.verify(network, x, D, "squared error")
    assert agreement.agrees, str(agreement)
    assert {"explicit", "complex step", "rtrl"} <= set(agreement.digits["weight.x->h"])


def test_a_wrong_jacobian_product_is_caught(rng):
    wrong = dataclasses.replace(BUMP, jacobian_product=lambda da, y, z: da / (1 + z * z))
    network = drawn(columns.narx(I, H, O, activation=wrong), rng)
    x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))
    found = mt.verify(network, x, D, "squared error").digits["weight.x->h"]
    assert found["explicit"] < 3 and found["complex step"] > 10


def test_a_column_that_learns_nothing_runs_too(backend):
    nodes = (Input("x", 1), Layer("y", 1, "identity", bias=False))
    edges = (Edge("x", "y", weight=1.0), Edge("y", "y", 1, weight=1.0))
    network = nn.ColumnNetwork(Column("sums", nodes, edges, "y"))
    Y, last = network(mt.ones(3, 1, 1))
    assert Y.backend == backend and list(network.parameters()) == []
    assert Y.squeeze().tolist() == [1, 2, 3] and last["y"].item() == 3


# Messages ---------------------------------------------------------------------------------------


def network(name="narx", **options):
    return nn.ColumnNetwork(NETWORKS[name](3, 4, 6, **options))


def away(*shape):
    with mt.use("strict"):
        return mt.ones(*shape)


x, x1, phase = np.ones((5, 2, 3)), np.ones((5, 3)), np.ones((5, 2, 2))
ERRORS = {  # exception, parts of the message separated by |, what is done
    "features": (ShapeError, "ColumnNetwork('narx': x=3, h=4, Y=6)|(5, 2, 7)|7 features|3 units",
                 lambda: network()(np.ones((5, 2, 7)))),
    "one axis": (ShapeError, "(3,)|1 axes|3, (T, B, I)|2, (T, I)",
                 lambda: network()(np.ones(3))),
    "four axes": (ShapeError, "(1, 5, 2, 3)|4 axes", lambda: network()(x[None])),
    "no time steps": (ShapeError, "(0, 2, 3)|0 time steps|at least one", lambda: network()(x[:0])),
    "inputs missing": (ShapeError, "inputs are x; needed are x, phase",
                       lambda: network("encoder-decoder")({"x": x})),
    "inputs unknown": (ShapeError, "inputs are x, u; needed are x",
                       lambda: network()({"x": x, "u": x})),
    "one array for two inputs": (ShapeError, "one x|2 inputs|a dictionary of x, phase",
                                 lambda: network("encoder-decoder")(x)),
    "T of two inputs": (ShapeError, "phase has shape (4, 2, 2), x (5, 2, 3)|agree in T and B",
                        lambda: network("encoder-decoder")({"x": x, "phase": phase[1:]})),
    "B of two inputs": (ShapeError, "(5, 1, 2)|(5, 2, 3)|agree in T and B",
                        lambda: network("encoder-decoder")({"x": x, "phase": phase[:, 1:]})),
    "B of one input only": (ShapeError, "(5, 2)|(5, 2, 3)",
                            lambda: network("encoder-decoder")({"x": x, "phase": phase[:, 0]})),
    "history unknown": (ShapeError, "a history came for 'h'|x, Y",
                        lambda: network()(x, {"h": np.ones((1, 2, 4))})),
    "history of a column without one": (ShapeError, "a history came for 'Y'|are none",
                                        lambda: nn.ColumnNetwork(STATIC)(x, {"Y": x})),
    "history's columns": (ShapeError, "'x' has shape (1, 2, 3)|2 columns|batch of 2|(2, 2, 3)",
                          lambda: network()(x, {"x": np.ones((1, 2, 3))})),
    "history's batch": (ShapeError, "'Y' has shape (1, 3, 6)|a batch of 2|(1, 2, 6)",
                        lambda: network()(x, {"Y": np.ones((1, 3, 6))})),
    "history of a single sequence": (ShapeError, "(1, 1, 6)|a single sequence|(1, 6)",
                                     lambda: network()(x1, {"Y": np.ones((1, 1, 6))})),
    "history to be given": (ShapeError, "the history of 'x' is to be given|(2, 2, 3)|none came",
                            lambda: network(history="given")(x)),
    "teacher's T": (ShapeError, "teacher has shape (4, 2, 6)|(5, 2, 6)",
                    lambda: network()(x, teacher=np.ones((4, 2, 6)))),
    "teacher's O": (ShapeError, "teacher has shape (5, 2, 3)|(5, 2, 6)",
                    lambda: network()(x, teacher=x)),
    "teacher's batch axis": (ShapeError, "teacher has shape (5, 1, 6)|(5, 6)",
                             lambda: network()(x1, teacher=np.ones((5, 1, 6)))),
    "teacher without feedback": (ColumnError, "elman|from the output 'Y'|delay of at least 1",
                                 lambda: network("elman")(x, teacher=np.ones((5, 2, 6)))),
    "integers": (DTypeError, "x is int64|float64|x.astype('float64')",
                 lambda: network()(np.ones((5, 2, 3), int))),
    "float32": (DTypeError, "x is float32, the parameters are float64",
                lambda: network()(x.astype("float32"))),
    "float32 history": (DTypeError, "the history of 'Y' is float32|float64",
                        lambda: network()(x, {"Y": np.ones((1, 2, 6), "float32")})),
    "float32 teacher": (DTypeError, "teacher is float32|float64",
                        lambda: network()(x, teacher=np.ones((5, 2, 6), "float32"))),
    "backend": (BackendError, "x is on 'strict'|'numpy'", lambda: network()(away(5, 2, 3))),
    "free_run backward in time": (ColumnError, "bidirectional|free_run|forward in time|'h_b'",
                                  lambda: network("bidirectional").free_run(1, x)),
    "free_run, x too short": (ShapeError, "free_run of 6 steps|5 columns",
                              lambda: network().free_run(6, x)),
    "free_run of no steps": (ShapeError, "free_run of 0 steps|5 columns",
                             lambda: network().free_run(0, x)),
    "free_run, teacher without a past": (ShapeError, "teacher of 5 steps|x of none",
                                         lambda: network().free_run(5, x, np.ones((5, 2, 6)))),
    "free_run, teacher into the forecast": (ShapeError, "(5, 2, 6)|(3, 2, 6)",
                                            lambda: network().free_run(2, x, np.ones((5, 2, 6)))),
    "no column": (TypeError, "ColumnNetwork: got 'narx'|a Column",
                  lambda: nn.ColumnNetwork("narx")),
    "a function for a column": (TypeError, "function narx|a Column",
                                lambda: nn.ColumnNetwork(columns.narx)),
}  # fmt: skip
STATIC = Column("static", (Input("x", 3), Layer("Y", 6)), (Edge("x", "Y"),), "Y")


@pytest.mark.parametrize("mistake", ERRORS)
def test_a_mistake_is_answered_with_both_sides(mistake):
    exception, parts, do = ERRORS[mistake]
    with pytest.raises(exception) as caught:
        do()
    for part in parts.split("|"):
        assert part in str(caught.value)
