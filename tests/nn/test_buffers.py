"""Memory of a scan: used again and again, never while anybody looks at it, and never hoarded."""

import gc
import threading
import tracemalloc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrent_layers import CELLS, flat, layer

import minitorch_rnn as mt
from minitorch_rnn.autograd import grad
from minitorch_rnn.nn import buffers, passes

every_cell = pytest.mark.parametrize("kind", CELLS)
FLOAT = np.dtype(float)
T, B, I, H = 260, 8, 2, 32  # an array of all h(t) has half a megabyte
ARRAY = T * B * H * 8
KEPT = {"tanh": 2, "relu": 2, "LSTM": 7, "GRU": 6}  # arrays from forward to backward


@pytest.fixture(autouse=True)
def own(monkeypatch):
    """Buffers and blocks that no other test has used."""
    monkeypatch.setattr(passes, "_buffers", buffers.Buffers())
    monkeypatch.setattr(passes, "_blocks", buffers.Blocks())


@pytest.fixture
def traced():
    """Counts the bytes that are allocated, without the cycle collector's help."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    gc.enable()


def training(kind, rng, **options):
    """A function that makes one step of training and gives the output, and a net and its x."""
    net = layer(kind, I, H, rng=rng, **options)
    x = mt.tensor(rng.normal(size=(T, B, I)))
    v = rng.normal(size=(T, B, net.output_size))

    def step():
        outputs = flat(net(x))
        grads = grad(outputs[0], list(net.parameters()), v)
        for parameter, g in zip(net.parameters(), grads, strict=True):
            parameter.update_(parameter - 0.001 * g)
        return outputs

    return step, net, x


# Lent and taken back ----------------------------------------------------------------------------

KEEPERS = {
    "the tensor": lambda y: y.detach(),
    "a part of it": lambda y: y.detach()[3:5, 1],
    "a view of NumPy": lambda y: y.detach().numpy()[::-1],
    "a view of a view": lambda y: y.detach().numpy()[2:].reshape(-1, 4)[1:],
    "DLPack": lambda y: np.from_dlpack(y.detach()),
    "a memoryview": lambda y: memoryview(y.detach().numpy()),
}


@every_cell
@pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS)
def test_what_anybody_looks_at_keeps_its_values_while_training_goes_on(kind, keep, rng):
    step, *_ = training(kind, rng)
    kept = []
    for _ in range(10):
        seen = keep(step()[0])
        kept.append((seen, np.array(seen.data if isinstance(seen, mt.Tensor) else seen)))
    for seen, values in kept:
        now = np.array(seen.data if isinstance(seen, mt.Tensor) else seen)
        assert now.tobytes() == values.tobytes()


@every_cell
def test_a_graph_that_is_alive_keeps_its_values_while_training_goes_on(kind, rng):
    net, x = layer(kind, I, H, rng=rng), mt.tensor(rng.normal(size=(T, B, I)))
    output = flat(net(x))[0]
    expected = [
        g.data.tobytes() for g in grad(output.sum(), [*net.parameters()], retain_graph=True)
    ]
    step, *_ = training(kind, rng)
    for _ in range(5):
        step()
    found = grad(output.sum(), list(net.parameters()))
    assert [g.data.tobytes() for g in found] == expected


@every_cell
def test_the_second_step_of_training_allocates_no_sequence(kind, rng):
    step, *_ = training(kind, rng)
    step()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(3):
            step()
        assert tracemalloc.get_traced_memory()[1] < ARRAY
    finally:
        tracemalloc.stop()


@every_cell
def test_from_forward_to_backward_it_keeps_so_many_arrays_and_none_afterwards(kind, rng, traced):
    _, net, x = training(kind, rng)
    with mt.no_grad():
        net(x)  # makes the block that forward computes in
    passes._buffers = buffers.Buffers()
    before = traced()
    outputs = flat(net(x))
    assert round((traced() - before) / ARRAY, 1) == KEPT[kind]
    slopes = outputs[0]._inputs[0]._attrs[1].kept.slopes
    held = [weakref.ref(slopes), weakref.ref(slopes.base)]
    del slopes
    outputs[0].sum().backward()
    assert [h() for h in held] == [None, None]


@every_cell
def test_without_gradients_only_the_output_is_kept(kind, rng, traced):
    _, net, x = training(kind, rng)
    with mt.no_grad():
        net(x)
        passes._buffers = buffers.Buffers()
        before = traced()
        outputs = flat(net(x))
    assert round((traced() - before) / ARRAY, 1) == 1
    del outputs


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([9, 10, 12, 20])), max_size=40))
@settings(max_examples=30)
def test_never_more_is_held_than_was_lent_at_one_time(steps):
    """Against the bytes that are really allocated: 6 places, each with one array or none."""
    lender, places, lent = buffers.Buffers(), [None] * 6, [0]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for k, size in steps:
            places[k] = None
            # All of it is written to, so that one that is lent twice is found out.
            places[k] = lender.empty(np, (size, 1024), FLOAT) if size < 20 else None
            if places[k] is not None:
                places[k][...] = size
            assert all((a == len(a)).all() for a in places if a is not None)
            lent.append(sum(a.nbytes for a in places if a is not None))
            held = tracemalloc.get_traced_memory()[0] - before
            assert held < max(lent) + 30_000  # what the lists and the arrays themselves need
    finally:
        tracemalloc.stop()


def test_what_is_small_or_on_a_device_is_not_kept():
    lender = buffers.Buffers()
    small = lender.empty(np, (100,), FLOAT)
    device = SimpleNamespace(empty=lambda shape, dtype: ("device", shape, dtype))
    assert small.base is None
    assert lender.empty(device, (10**6,), FLOAT) == ("device", (10**6,), FLOAT)


def test_memory_may_come_back_while_a_lock_is_held_and_in_any_thread():
    lender = buffers.Buffers()
    array = [lender.empty(np, (100, 100), FLOAT)]
    with lender._lock:  # the cycle collector may drop an array at any moment, also in `empty`
        thread = threading.Thread(target=array.clear)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert lender.empty(np, (100, 100), FLOAT).shape == (100, 100)


# Blocks -----------------------------------------------------------------------------------------


def made(size):
    return (np.empty((size, 1024), np.uint8)[:],)


def test_a_block_belongs_to_one_user_at_a_time():
    blocks = buffers.Blocks()
    (key, one), (_, other) = [blocks.borrowed(made, 1) for _ in range(2)]
    assert one is not other
    blocks.given_back(key, one)
    assert blocks.borrowed(made, 1)[1] is one and blocks.borrowed(made, 1)[1] is not one


def test_idle_blocks_are_bounded_in_bytes_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(buffers, "_MOST_IDLE", 10 * 1024)
    blocks = buffers.Blocks()
    lent = [blocks.borrowed(made, size) for size in (4, 5, 3, 11)]
    for key, block in lent[:3]:
        blocks.given_back(key, block)
    assert [blocks.borrowed(*key)[1] is block for key, block in lent[:3]] == [False, True, True]
    blocks.given_back(*lent[3])  # more than all that may wait
    assert blocks.borrowed(*lent[3][0])[1] is not lent[3][1]


@every_cell
def test_layers_of_many_sizes_leave_no_more_than_is_allowed(kind, rng, monkeypatch, traced):
    monkeypatch.setattr(buffers, "_MOST_IDLE", 1 << 20)
    net, before = layer(kind, I, H, rng=rng), traced()
    for B in range(300, 340):
        (flat(net(np.ones((2, B, I))))[0] ** 2).sum().backward()
        net.zero_grad()
    passes._buffers = buffers.Buffers()
    assert traced() - before < 1.5 * (1 << 20)


# After an exception -----------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_scan_that_was_interrupted_leaves_no_trace(kind, way, error, rng, monkeypatch):
    net, x = layer(kind, I, H, 2, rng=rng), mt.tensor(rng.normal(size=(T, B, I)))

    def results():
        outputs = flat(net(x, lengths=[T] * (B - 1) + [20]))
        grads = grad(sum((y * y).sum() for y in outputs), list(net.parameters()))
        return [a.data.tobytes() for a in (*outputs, *grads)]

    expected, borrowed, calls = results(), passes._blocks.borrowed, []

    def failing(make, *how):
        key, block = borrowed(make, *how)
        if type(block).__name__.lower() != way:
            return key, block

        def step(*args):
            calls.append(1)
            if len(calls) == 300:  # in the second layer
                raise error
            return block.step(*args)

        return key, block._replace(step=step)

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(passes._blocks, "borrowed", failing)
        results()
    assert results() == expected
