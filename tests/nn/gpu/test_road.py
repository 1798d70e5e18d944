"""The scan on a GPU: what it launches, captures, keeps and rounds. Its numbers: `test_scan`."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose
from recurrent_layers import CELLS, flat, layer

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn import nn
from minitorch_rnn.errors import BackendError
from minitorch_rnn.nn import gpu
from minitorch_rnn.nn.gpu import loops, proof
from minitorch_rnn.nn.gpu.layouts import LAYOUTS

every_cell = pytest.mark.parametrize("kind", CELLS)
T, B, I, H = 9, 3, 4, 5


@pytest.fixture
def device(strict):
    """Of the stand-in; no loop has been made on it."""
    loops._loops.clear()
    yield strict.device
    loops._loops.clear()


def run(net, x, lengths=None):
    """All outputs, and all gradients of a loss in them."""
    x = mt.tensor(x, requires_grad=True)
    outputs = flat(net(x, lengths=lengths))
    grads = mt.autograd.grad(sum((y * y).sum() for y in outputs), [x, *net.parameters()])
    return [backends.to_numpy(a.data) for a in (*outputs, *grads)]


def counted(device, work):
    """What `work` launches, by name."""
    before = device.launches.copy()
    work()
    return dict(device.launches - before)


def assert_close(found, expected, rtol=1e-12):
    for mine, reference in zip(found, expected, strict=True):
        assert_allclose(mine, reference, rtol=rtol, atol=rtol * max(1.0, abs(reference).max()))


# What a run costs -------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("loop", ["launched", "captured"])
def test_a_step_is_one_product_and_one_kernel_each_way(kind, loop, device, rng):
    net, x = layer(kind, I, H, rng=rng), rng.normal(size=(T, B, I))
    with nn.scan_options(loop=loop):
        run(net, x)  # the proof, and what is captured
        found = counted(device, lambda: run(net, x))
    # T = 9 is graphs of 8 steps and of 1. Beside the steps there are the product of x, and those
    # of the gradients of x, of two weights and of the biases.
    parts = {"launched": 1, "captured": 2}[loop]
    expected = {f"forward_{net.mode}": T, f"backward_{net.mode}": T, "product": 2 * T + 5}
    expected |= {"begin_forward": 1, "begin_backward": 1, "steps_done": 2 * parts}
    assert found == expected | ({"replay": 2 * parts} if loop == "captured" else {})


@every_cell
def test_one_capture_serves_every_length_and_layer(kind, device, rng, monkeypatch):
    captured, capture = [], device.capture
    monkeypatch.setattr(device, "capture", lambda work: captured.append(1) or capture(work))
    net = layer(kind, H, H, 3, rng=rng)
    run(net, rng.normal(size=(127, B, H)))  # 64 + 32 + 16 + 8 + 4 + 2 + 1, forward and backward
    captured.clear()
    for steps in (2, 5, 21, 85, 200):
        run(net, rng.normal(size=(steps, B, H)))
    assert not captured
    run(net, rng.normal(size=(5, B + 1, H)))
    assert len(captured) == 4  # another batch: graphs of 4 steps and of 1, each way


@every_cell
@pytest.mark.parametrize("loop", gpu.options._LOOPS)
def test_every_length_gives_what_the_steps_give_one_by_one(kind, loop, device, rng):
    net = layer(kind, I, H, bidirectional=True, rng=rng)
    graph = layer(kind, I, H, bidirectional=True, road="graph", rng=rng)
    graph.load_state_dict(net.state_dict())
    with nn.scan_options(loop=loop):
        for steps in (2, 7, 67):
            x, lengths = rng.normal(size=(steps, B, I)), [1, steps, steps // 2 + 1]
            for given in (None, lengths):
                assert_close(run(net, x, given), run(graph, x, given), rtol=1e-11)


def test_too_much_memory_drops_the_loop_that_was_not_used_longest(device, rng, monkeypatch):
    net = nn.RNN(I, H, rng=rng)
    with mt.no_grad():
        net(rng.normal(size=(4, 4, I)))
        (largest,) = [one.nbytes for key, one in loops._loops.items() if key[5] == 4]
        loops._loops.clear()
        monkeypatch.setattr(loops, "_MOST_IDLE", 2 * largest)
        for batch in (1, 2, 3, 1, 4):
            net(rng.normal(size=(4, batch, I)))
    assert [key[5] for key in loops._loops] == [3, 1, 4]


# What stays -------------------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("lengths", [None, [T, 1, 4]], ids=["whole", "ragged"])
def test_nothing_of_a_step_survives_its_backward(kind, lengths, device, rng):
    net, x, held = layer(kind, I, H, 2, rng=rng, bidirectional=True), rng.normal(size=(T, B, I)), []
    for _ in range(4):
        net.zero_grad()
        loss = sum((y * y).sum() for y in flat(net(x, lengths=lengths)))
        loss.backward()
        del loss
        held.append(device.allocated())
    assert held[1] == held[2] == held[3]


@every_cell
def test_without_gradients_no_activations_are_kept(kind, device, rng):
    net, x = layer(kind, I, H, rng=rng), mt.tensor(rng.normal(size=(T, B, I)))
    with mt.no_grad():
        net(x)
        before = device.allocated()
        output, last = net(x)
    sizes = 8 * B * H * (T + 1 + len(flat(last)))
    assert device.allocated() - before == sizes  # h(-1) … h(T-1), and copies of the last states


@every_cell
def test_a_graph_that_is_kept_is_not_disturbed_by_other_runs(kind, device, rng):
    net, x = layer(kind, I, H, rng=rng), rng.normal(size=(T, B, I))
    loss, expected = (net(x)[0] ** 2).sum(), None
    for _ in range(3):
        net.zero_grad()
        loss.backward(retain_graph=True)
        found = [p.grad.numpy() for p in net.parameters()]
        expected = expected or found
        assert all((a == b).all() for a, b in zip(found, expected, strict=True))
        run(layer(kind, I, H, rng=rng), rng.normal(size=(T, B, I)))


@every_cell
def test_new_weights_are_seen_by_graphs_captured_before(kind, device, rng):
    net, x = layer(kind, I, H, rng=rng), rng.normal(size=(T, B, I))
    run(net, x)
    for parameter in net.parameters():
        parameter.update_(parameter * 0.5)
    graph = layer(kind, I, H, road="graph", rng=rng)
    graph.load_state_dict(net.state_dict())
    assert_close(run(net, x), run(graph, x))


@every_cell
def test_arrays_that_are_not_dense_are_read_right(kind, device, rng):
    options = {"batch_first": True, "initial_state": "learned"}  # one state, seen by every sequence
    net = layer(kind, I, H, rng=rng, **options)
    given = {n: mt.tensor(p.data.T.copy()).T for n, p in net.named_parameters()}
    x, found = mt.tensor(rng.normal(size=(B, T, 2 * I)))[:, :, ::2], []
    for road in ("scan", "graph"):
        net.road = road
        leaves = [tensor.requires_grad_() for tensor in given.values()]
        outputs = flat(nn.functional_call(net, given, x))
        assert not leaves[0]._data.flags.c_contiguous  # .data is a copy
        grads = mt.autograd.grad(sum((y * y).sum() for y in outputs), leaves)
        found.append([a.data.get() for a in (*outputs, *grads)])
    assert_close(*found)


def test_two_threads_share_a_loop(device, rng):
    nets = [nn.LSTM(I, H, rng=rng) for _ in range(4)]
    x, found = rng.normal(size=(40, B, I)), {}
    alone = [run(net, x) for net in nets]
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: [run(nets[k], x) for _ in range(5)]}))
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, expected in enumerate(alone):
        for results in found[k]:
            assert_close(results, expected, rtol=0)


def test_every_stream_has_its_own_places(device, rng):
    net, x = nn.GRU(I, H, rng=rng), rng.normal(size=(4, B, I))
    run(net, x)
    made = len(loops._loops)
    with device.on_stream(("host", 1)):
        run(net, x)
    assert len(loops._loops) == 2 * made


# What may be chosen -----------------------------------------------------------------------------


@every_cell
@pytest.mark.parametrize("products", ["tf32", "float16"])
def test_coarser_products_round_to_ten_bits_and_no_further(kind, products, device, rng):
    net = layer(kind, I, H, dtype="float32", rng=rng)
    x = rng.normal(size=(T, B, I)).astype("float32")
    exact = run(net, x)
    with nn.scan_options(products=products):
        coarse = run(net, x)
    errors = [abs(a - b).max() / abs(b).max() for a, b in zip(coarse, exact, strict=True)]
    assert min(errors) > 1e-6  # it does something: float32 has 6e-8
    assert max(errors) < 2e-2  # 2^-11 for each factor, over nine steps
    assert all(a.dtype == np.float32 for a in coarse)


@every_cell
def test_float64_knows_no_coarser_products(kind, device, rng):
    net, x = layer(kind, I, H, rng=rng), rng.normal(size=(T, B, I))
    exact = run(net, x)
    for products in ("tf32", "float16"):
        with nn.scan_options(products=products):
            assert_close(run(net, x), exact, rtol=0)


def test_backward_computes_as_its_forward_did(device, rng):
    net, x = nn.LSTM(I, H, dtype="float32", rng=rng), rng.normal(size=(T, B, I)).astype("float32")

    def gradient(before, after):
        with nn.scan_options(products=before):
            loss = (net(x)[0] ** 2).sum()
        with nn.scan_options(products=after):
            return mt.autograd.grad(loss, net.weight_hh_l0)[0].numpy()

    for products in ("float32", "tf32"):
        found = [gradient(products, after) for after in ("float32", "tf32")]
        assert (found[0] == found[1]).all()
    assert (gradient("float32", "float32") != gradient("tf32", "float32")).any()


def in_force():
    return gpu.options.options(np.dtype("float32"))


def test_options_hold_inside_their_block_or_from_now_on():
    before = in_force()
    with nn.scan_options(products="tf32"), nn.scan_options(loop="launched") as chosen:
        assert chosen == in_force() == ("tf32", "launched")
    assert in_force() == before
    switch = nn.scan_options(products="float16")
    assert in_force().products == "float16"
    nn.scan_options(loop="launched")
    for _ in range(2):  # of a switch that is kept, the block restores what it found
        with switch:
            assert in_force() == ("float16", "captured")
        assert in_force() == ("float16", "launched")
    nn.scan_options(**before._asdict())


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"products": "bfloat16"}, "products is 'bfloat16'; known are 'float32', 'tf32'"),
        ({"products": ""}, "products is ''; known are"),
        ({"loop": "fast"}, "loop is 'fast'; known are 'captured'"),
        ({"loop": "persistent", "products": "tf32"}, "a persistent loop has float32 products"),
    ],
    ids=["products", "nothing", "loop", "both"],
)
def test_options_that_cannot_be_say_what_can(wrong, told):
    before = in_force()
    with pytest.raises(ValueError, match=told):
        nn.scan_options(**wrong)
    assert in_force() == before


# Proof ------------------------------------------------------------------------------------------

SLIPS = {
    "forward": ("c = forget * c + i * g;", "c = forget * c - i * g;"),
    "a gradient": ("d[0] = dc * g * i * (1 - i);", "d[0] = dc * g * i;"),
    "the end of a sequence": ("t == end - 1) {", "t == f.T - 1) {"),
    "the copy of the weights": ("if (to) to[i] = w;", "if (to) to[size - 1 - i] = w;"),
    "nothing but nan": ("return o * tangent(c);", "return o * tangent(c) / (o - o);"),
}


@pytest.mark.parametrize("before, after", SLIPS.values(), ids=SLIPS)
def test_a_kernel_that_computes_something_else_is_refused(before, after, device, rng, monkeypatch):
    text = loops._source("float64", "kernels.cu")
    assert text.count(before) == 1
    monkeypatch.setattr(loops, "_source", lambda *_: text.replace(before, after))
    monkeypatch.setattr(proof, "_asked", set())
    net = nn.LSTM(I, H, rng=rng)
    for _ in range(2):  # it does not pass the second time either
        with pytest.raises(BackendError, match="of a small lstm is wrong by .* on host"):
            net(rng.normal(size=(4, 2, I)))


def test_a_persistent_loop_is_proved_where_blocks_wait_for_each_other(device, rng, monkeypatch):
    asked, compare = [], proof._compare
    monkeypatch.setattr(proof, "_asked", set())
    monkeypatch.setattr(proof, "_compare", lambda *a: asked.append(a[1]) or compare(*a))
    with nn.scan_options(loop="persistent"):
        found = counted(device, lambda: run(nn.LSTM(I, H, rng=rng), rng.normal(size=(4, 2, I))))
    assert (
        asked == [(7, 3, 5), (7, 3, 65)]
        and found["forward_loop_lstm"] == 3
        and "replay" not in found
    )


def test_the_proof_is_asked_once_for_each_cell_and_way(device, rng, monkeypatch):
    asked, compare = [], proof._compare
    monkeypatch.setattr(proof, "_asked", set())
    monkeypatch.setattr(proof, "_compare", lambda *a: asked.append(a[0].mode) or compare(*a))
    for _ in range(2):
        for kind in CELLS:
            run(layer(kind, I, H, rng=rng), rng.normal(size=(4, 2, I)))
    assert sorted(asked) == sorted(2 * list(LAYOUTS))  # a tiny layer and a large one
