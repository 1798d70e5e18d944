"""Columns over time: what is computed at once and what step by step is the same network."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from anomalies import error_of
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import bptt, nn, ops
from minitorch_rnn.column import NETWORKS, Activation, Column, Edge, Input, Layer, Product
from minitorch_rnn.nn.unroll import Timeline

T, B, I, H, O = 5, 2, 3, 4, 6  # no axis can pass for another
COLUMNS = {name: made(I, H, O) for name, made in NETWORKS.items()}
COLUMNS["state-space-2"] = NETWORKS["state-space"](I, H, O, layers=2)
SQUARE = Activation("square", lambda xp, z: z * z, lambda da, y, z: 2 * z * da)
COLUMNS["no cycle"] = Column(  # delays longer than the sequence, and all kinds of edges and nodes
    "no cycle",
    (
        Input("x", I, "learned"), Layer("a", H, SQUARE, history="learned"),
        Layer("s", H, "softmax", bias=False), Layer("b", H, direction="backward"),
        Product("p", H, "tanh"), Layer("plain", H, "identity"), Layer("Y", O),
    ),
    (
        Edge("x", "a", (0, 2, T + 2)), Edge("x", "a", 1, gradient="blocked"),
        Edge("a", "s", 1, weight=-0.5), Edge("a", "s", 3, shares="shared"),
        Edge("x", "b", (0, 1)), Edge("a", "b", 2, name="shared"),
        Edge("a", "p", weight=1.0), Edge("s", "p", weight=np.eye(H) + 1), Edge("b", "p", 0),
        Edge("p", "plain", weight=2.0), Edge("a", "plain", 1, gradient="blocked", weight=1.0),
        Edge("plain", "Y"),
    ),
    "Y",
)  # fmt: skip
COLUMNS["around a cycle"] = Column(  # what is stepped reads and is read at other times
    "around a cycle",
    (
        Input("x", I), Layer("a", H, history="learned"), Layer("h", H, history="learned"),
        Product("gated", H, history="learned"), Layer("late", H), Layer("Y", O),
    ),
    (
        Edge("x", "a"), Edge("a", "h", (0, 1)), Edge("h", "h", (1, 2)), Edge("gated", "h", 1),
        Edge("a", "gated", weight=1.0), Edge("x", "gated", 1), Edge("h", "gated", 0),
        Edge("h", "late", (1, 2)), Edge("gated", "late"), Edge("late", "Y"),
        Edge("h", "Y", 3, gradient="blocked"),
    ),
    "Y",
)  # fmt: skip


def drawn(column, rng, T=T):
    """A network whose histories are drawn too, and inputs that require gradients."""
    network = nn.ColumnNetwork(column, rng=rng)
    for history in network.history.values():
        history.update_(rng.normal(size=history.shape))
    sizes = {n: (T, B, node.size) for n, node in column.inputs.items()}
    return network, {n: leaf(rng.normal(size=size)) for n, size in sizes.items()}


def leaf(values):
    return mt.tensor(values, requires_grad=True)


def mixed(Y):
    """A number that is no sum over time."""
    return (Y.sum(axis=0) ** 3).sum()


def same(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert_allclose(found[name], value, rtol=1e-10, atol=1e-12, err_msg=str(name))


def arrays(tensors, like):
    """The tensors' values; zeros for those that are None."""
    return {n: np.zeros(like[n].shape) if t is None else t.numpy() for n, t in tensors.items()}


@pytest.mark.parametrize("name", COLUMNS)
def test_at_once_and_step_by_step_are_one_network_in_values_and_gradients(name, rng):
    network, x = drawn(COLUMNS[name], rng)
    offsets = {
        n: leaf(rng.normal(size=(T, B, node.size)))
        for n, node in network.column.node.items()
        if node.kind != "input"
    }
    sources = dict(network.named_parameters()) | x | {f"dz({n})": o for n, o in offsets.items()}
    found = []
    for by_step in (False, True):
        lines = network.timelines(x, offsets=offsets, by_step=by_step)
        Y = lines[network.column.output].rows(0, T)
        slopes = mt.autograd.grad(mixed(Y), list(sources.values()), allow_unused=True)
        slopes = arrays(dict(zip(sources, slopes, strict=True)), sources)
        values = {(n, t): line.at(t).data for n, line in lines.items() for t in line.times}
        found.append((values, slopes))
    for at_once, by_step in zip(*found, strict=True):
        same(at_once, by_step)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_activation_of_unroll_has_the_gradient_of_the_explicit_algorithm(name, rng):
    column = COLUMNS[name]
    network, x = drawn(column, rng)
    trace = bptt.column.forward(column, network.state_dict(), {n: v.data for n, v in x.items()})
    slope = np.broadcast_to(3 * trace.Y.sum(axis=0) ** 2, trace.Y.shape)
    d = bptt.column.backward(column, network.state_dict(), trace, slope)
    a = network.unroll(x)
    loss = mixed(ops.stack([a[column.output][t] for t in range(T)]))
    places = {(n, t): y for n, line in a.items() for t, y in line.items() if y.requires_grad}
    slopes = mt.autograd.grad(loss, list(places.values()), allow_unused=True)
    found = arrays(dict(zip(places, slopes, strict=True)), places)
    learning = {n for n in column.node if n != "m" or name != "jordan"}  # whose m is data
    assert {(n, t) for n in learning for t in range(T)} <= set(places)
    for (n, t), g in found.items():
        before = column.reach[n][0]
        outside = before + t if t < 0 else before + t - T
        expected = d.da[n][t] if 0 <= t < T else d.histories[n][outside]
        assert_allclose(g, expected, rtol=1e-10, atol=1e-12, err_msg=f"{n} at {t}")


@pytest.mark.parametrize("steps", [1, 2])  # shorter than the histories
@pytest.mark.parametrize("name", COLUMNS)
def test_a_short_sequence_has_the_values_of_the_explicit_forward_pass(name, steps, rng):
    network, x = drawn(COLUMNS[name], rng, steps)
    trace = bptt.column.forward(
        COLUMNS[name], network.state_dict(), {n: v.data for n, v in x.items()}
    )
    Y, last = network(x)
    same({"Y": Y.data} | {n: h.data for n, h in last.items()}, {"Y": trace.Y} | trace.carried())


@pytest.mark.parametrize("by_step", [False, True])
def test_a_timeline_gives_any_of_its_columns(by_step, rng):
    before, after = 2, 3
    values = mt.tensor(rng.normal(size=(before + T + after, B, H)))
    outside = ops.concatenate([values[:before], values[before + T :]])
    whole = values[before : before + T]
    lines = [Timeline(T, before, outside, None if by_step else whole) for _ in "12"]
    if by_step:
        for line in lines:
            line.steps |= {t: whole[t] for t in range(T)}
    lines[0].rows(0, T)  # what was asked for before makes no difference
    for line in lines:
        assert line.times == range(-before, T + after)
        for start in line.times:
            assert (line.at(start).data == values[before + start].data).all()
            for stop in range(start + 1, T + after + 1):
                found = line.rows(start, stop).data
                assert (found == values[before + start : before + stop].data).all(), (start, stop)


def test_anomaly_mode_tells_the_time_step_of_what_is_else_computed_at_once():
    network, x, D = nn.ColumnNetwork(COLUMNS["narx"]), np.zeros((T, B, I)), np.zeros((T, B, O))
    x[3] = 1e200
    network.weight["x->h"].update_(np.full((H, I), 1e200))
    message = error_of(lambda: network(x, teacher=D))  # which quotes this line
    assert ", time step 3. Made at" in message


@pytest.mark.parametrize("name", COLUMNS)
def test_a_carried_state_is_no_view_of_the_whole_sequence(name, rng):
    network, x = drawn(COLUMNS[name], rng)
    with mt.no_grad():
        _, last = network(x)
    for n, h in last.items():
        assert h._data.base is None or h._data.base.size == h.size, n


def peaks(work, *lengths):
    """The most bytes that are held at a time in addition to those held before, for each length."""
    found = []
    gc.collect()
    gc.disable()  # what would wait for the collector counts
    try:
        work(lengths[-1])  # what Python and NumPy keep for the next time is kept now
        for length in lengths:
            tracemalloc.start()
            work(length)
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    finally:
        tracemalloc.stop()
        gc.enable()
    return found


STREAMED = ["state-space", "narx", "lstm"]
CHUNK, ROWS, WIDTH = 8, 32, 32  # columns, sequences, units: a node's values are 64 kB
SLACK = 40_000  # bytes: Python's own objects


def wide(name):
    network = nn.ColumnNetwork(NETWORKS[name](WIDTH, WIDTH, WIDTH))
    sizes = {n: (ROWS, node.size) for n, node in network.column.inputs.items()}
    return network, lambda T: {n: np.ones((T, *size)) for n, size in sizes.items()}


@pytest.mark.parametrize("name", STREAMED)
def test_training_on_chunks_with_carried_states_takes_memory_that_no_length_changes(name):
    network, data = wide(name)

    def train(length):
        last = {}
        for _ in range(length // CHUNK):
            Y, last = network(data(CHUNK), {n: h.detach() for n, h in last.items()})
            (Y * Y).mean().backward()
            network.zero_grad()

    short, long = peaks(train, 2 * CHUNK, 16 * CHUNK)
    assert long < short + SLACK


@pytest.mark.parametrize("name", STREAMED)
def test_chunked_bptt_holds_the_graph_of_one_chunk_whatever_the_length(name):
    network, data = wide(name)
    before = {}

    def train(length):
        def loss(Y):  # the values are there now, and the windows come next
            value = (Y * Y).sum()
            tracemalloc.reset_peak()
            before[length] = tracemalloc.get_traced_memory()[0]
            return value

        nn.truncated_backward(network, data(length), loss, mt.column.chunked(CHUNK))

    short, long = 2 * CHUNK, 16 * CHUNK
    of_short, of_long = peaks(train, short, long)
    slopes = 3 * 8 * (long - short) * ROWS * WIDTH  # of the outputs: two terms and their sum
    assert of_long - before[long] < of_short - before[short] + slopes + SLACK


def test_no_window_begins_before_the_graph_of_the_last_is_gone(rng, monkeypatch):
    network, x = drawn(COLUMNS["state-space"], rng, 8)
    made, alive = [], []
    timelines = network.timelines

    def watched(*args, **named):
        alive.append(sum(y() is not None for y in made))
        lines = timelines(*args, **named)
        made.append(weakref.ref(lines["h1"].at(0)))
        return lines

    monkeypatch.setattr(network, "timelines", watched, raising=False)
    gc.disable()
    try:
        nn.truncated_backward(network, x, lambda Y: (Y * Y).sum(), mt.column.chunked(2))
    finally:
        gc.enable()
    assert alive == [0] * 5  # the values, and four windows


def frozen(network):
    network.requires_grad_(False)
    return mt.enable_grad()


@pytest.mark.parametrize("setting", [frozen, lambda network: mt.no_grad()])
def test_where_nothing_can_be_learned_a_truncation_tells(setting, rng):
    network = nn.ColumnNetwork(COLUMNS["narx"], rng=rng)
    with setting(network), pytest.raises(mt.errors.GraphError, match="nothing in the network"):
        nn.truncated_backward(network, np.ones((T, B, I)), mixed, mt.column.chunked(2))
    assert all(p.grad is None for p in network.parameters())
