"""Sequences of different lengths in one batch: what lies in the padding reaches nothing."""

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose
from recurrent_layers import KINDS, as_state, flat, leaf, slopes, started

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import DTypeError, ShapeError

T, B, I, H, L = 5, 4, 3, 4, 2
LENGTHS = [3, 5, 1, 4]
PADDING = np.arange(T)[:, None] >= np.array(LENGTHS)  # (T, B)
every_kind = pytest.mark.parametrize("kind", KINDS)
either_way = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])


def built(kind, rng, **options):
    return started(kind, I, H, L, rng=rng, **options)


def drawn(rng, net):
    """x, and cotangents for the output and for the last states."""
    shapes = [y.shape for y in flat(net(mt.zeros(T, B, I)))]
    return rng.normal(size=(T, B, I)), [rng.normal(size=shape) for shape in shapes]


def operations(tensors):
    """The names of the operations that lead to the tensors."""
    seen, stack = {}, list(tensors)
    while stack:
        y = stack.pop()
        if isinstance(y, mt.Tensor) and id(y) not in seen:
            seen[id(y)] = y
            stack.extend(y._inputs)
    return {y._op.name for y in seen.values() if y._op is not None}


# What lies in the padding -----------------------------------------------------------------------


@every_kind
@either_way
@pytest.mark.parametrize("filling", [np.nan, np.inf, -np.inf, 1e300, -7.0])
def test_what_fills_the_padding_changes_no_bit(kind, bidirectional, filling, rng):
    net = built(kind, rng, bidirectional=bidirectional)
    x, cotangents = drawn(rng, net)
    one, other = leaf(x), leaf(np.where(PADDING[:, :, None], filling, x))
    found, expected = (flat(net(values, lengths=LENGTHS)) for values in (other, one))
    for mine, reference in zip(found, expected, strict=True):
        assert (mine.data == reference.data).all()
    expected = slopes(net, one, expected, cotangents)
    for name, g in slopes(net, other, found, cotangents).items():
        assert (g == expected[name]).all(), name


@every_kind
@either_way
@pytest.mark.parametrize("filling", [0.0, np.nan])
def test_padding_gets_no_gradient_and_gives_no_output(kind, bidirectional, filling, rng):
    net = built(kind, rng, bidirectional=bidirectional)
    x, cotangents = drawn(rng, net)
    x = leaf(np.where(PADDING[:, :, None], filling, x))
    output, last = net(x, lengths=LENGTHS)
    g = slopes(net, x, flat(output, last), cotangents)["x"]
    for array in (output.data, g):
        assert not array[PADDING].any()
        assert array[~PADDING].any(axis=-1).all()


@every_kind
@either_way
@pytest.mark.parametrize("filling", [np.nan, 1e300])
def test_a_cotangent_in_the_padding_is_not_heard(kind, bidirectional, filling, rng):
    net = built(kind, rng, bidirectional=bidirectional)
    x, (v, *rest) = drawn(rng, net)
    x = leaf(x)
    loud = np.where(PADDING[:, :, None], filling, v)
    found, expected = (slopes(net, x, flat(net(x, lengths=LENGTHS)), [w, *rest]) for w in (loud, v))
    for name, g in found.items():
        assert (g == expected[name]).all(), name


@either_way
def test_second_derivatives_do_not_know_the_padding_either(bidirectional, rng):
    net = built("GRU", rng, bidirectional=bidirectional)
    x, cotangents = drawn(rng, net)
    found = []
    for filling in (0.0, np.nan):
        leaves = [leaf(np.where(PADDING[:, :, None], filling, x)), *net.parameters()]
        outputs = flat(net(leaves[0], lengths=LENGTHS))
        grads = mt.autograd.grad(outputs, leaves, cotangents, create_graph=True)
        norm = sum((g * g).sum() for g in grads)
        found.append([g.numpy() for g in mt.autograd.grad(norm, leaves)])
    for zero, nan in zip(*found, strict=True):
        assert (zero == nan).all() and zero.any()


# Each sequence by itself ------------------------------------------------------------------------


@every_kind
@either_way
@pytest.mark.parametrize("given", [False, True], ids=["learned", "given"])
def test_each_sequence_alone_gives_what_it_gives_in_the_batch(kind, bidirectional, given, rng):
    net = built(kind, rng, bidirectional=bidirectional)
    x, (v, *w) = drawn(rng, net)
    start = [rng.normal(size=c.shape) for c in w] if given else []

    together = leaf(x)
    output, *last = flat(net(together, as_state(start), lengths=LENGTHS))
    grads = slopes(net, together, [output, *last], [v, *w])
    total = {}
    for b, n in enumerate(LENGTHS):
        one = leaf(x[:n, b])
        found = flat(net(one, as_state([s[:, b] for s in start])))
        expected = [output.data[:n, b], *(s.data[:, b] for s in last)]
        for mine, reference in zip(found, expected, strict=True):
            assert_allclose(mine.data, reference, rtol=1e-12, atol=1e-14)
        single = slopes(net, one, found, [v[:n, b], *(c[:, b] for c in w)])
        assert_allclose(single.pop("x"), grads["x"][:n, b], rtol=1e-11, atol=1e-13)
        total = {name: g + total.get(name, 0) for name, g in single.items()}
    for name, g in total.items():
        assert_allclose(grads[name], g, rtol=1e-11, atol=1e-12, err_msg=name)


@every_kind
@either_way
def test_the_last_state_is_that_at_each_sequences_own_end(kind, bidirectional, rng):
    net = built(kind, rng, bidirectional=bidirectional)
    x, _ = drawn(rng, net)
    output, last = net(x, lengths=LENGTHS)
    top = (last[0] if isinstance(last, tuple) else last).data[-net.num_directions :]
    ends = output.data[np.array(LENGTHS) - 1, np.arange(B)]
    half = top.shape[-1]
    assert (ends[:, :half] == top[0]).all()
    if bidirectional:
        assert (output.data[0, :, half:] == top[1]).all()


def test_the_batch_may_be_longer_than_all_of_its_sequences(rng):
    net = built("LSTM", rng, bidirectional=True)
    x = rng.normal(size=(T, B, I))
    found = flat(net(x, lengths=[2, 3, 1, 2]))
    expected = flat(net(x[:3], lengths=[2, 3, 1, 2]))
    assert not found[0].data[3:].any()
    found[0] = found[0][:3]
    for mine, reference in zip(found, expected, strict=True):
        assert_allclose(mine.data, reference.data, rtol=1e-12, atol=1e-14)


@every_kind
@pytest.mark.parametrize("road", ["scan", "graph"])
def test_lengths_that_are_all_whole_take_the_plain_road(road, kind, rng):
    net = built(kind, rng, bidirectional=True, road=road)
    x = leaf(drawn(rng, net)[0])
    found, expected = flat(net(x, lengths=[T] * B)), flat(net(x))
    for mine, reference in zip(found, expected, strict=True):
        assert (mine.data == reference.data).all()
    assert operations(found) == operations(expected)
    assert "where" in operations(flat(net(x, lengths=LENGTHS)))


# Ways to give them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [tuple(LENGTHS), np.array(LENGTHS), np.array(LENGTHS, "uint8"), mt.tensor(LENGTHS)],
    ids=["tuple", "array", "uint8", "tensor"],
)
def test_lengths_may_be_any_integers(given, rng):
    net = built("GRU", rng)
    x, _ = drawn(rng, net)
    assert (net(x, lengths=given)[0].data == net(x, lengths=LENGTHS)[0].data).all()


@every_kind
@either_way
def test_a_padded_batch_may_have_its_batch_first(kind, bidirectional, rng):
    net = built(kind, rng, bidirectional=bidirectional)
    x, (v, *w) = drawn(rng, net)
    plain, turned = leaf(x), leaf(x.swapaxes(0, 1))
    expected = flat(net(plain, lengths=LENGTHS))
    reference = slopes(net, plain, expected, [v, *w])
    net.batch_first = True
    found = flat(net(turned, lengths=LENGTHS))
    grads = slopes(net, turned, found, [v.swapaxes(0, 1), *w])
    found[0], grads["x"] = found[0].swapaxes(0, 1), grads["x"].swapaxes(0, 1)
    for mine, other in zip(found, expected, strict=True):
        assert (mine.data == other.data).all()
    for name, g in grads.items():
        assert (g == reference[name]).all(), name


def test_an_empty_batch_has_no_lengths():
    net = nn.GRU(I, H, bidirectional=True)
    output, last = net(mt.zeros(T, 0, I), lengths=[])
    assert (output.shape, last.shape) == ((T, 0, 2 * H), (2, 0, H))


def test_a_single_sequence_has_one_length(rng):
    net = built("LSTM", rng, bidirectional=True)
    x = rng.normal(size=(T, I))
    output, (h, c) = net(x, lengths=[3])
    expected, last = net(x[:3])
    assert_allclose(output.data[:3], expected.data, rtol=1e-12)
    assert output.shape == (T, 2 * H) and not output.data[3:].any()
    for mine, reference in zip((h, c), last, strict=True):
        assert_allclose(mine.data, reference.data, rtol=1e-12)


def test_float32_stays_float32_among_lengths(backend, rng):
    net = nn.LSTM(I, H, L, bidirectional=True, dtype="float32", rng=rng)
    rows = [mt.tensor(rng.normal(size=(n, I)), "float32", requires_grad=True) for n in LENGTHS]
    outputs, (h, c) = net(rows)
    (outputs[0].sum() + c.sum()).backward()
    kept = [*outputs, h, c, *(row.grad for row in rows), *(p.grad for p in net.parameters())]
    assert {t.dtype for t in kept} == {np.dtype("float32")}


# What does not fit ------------------------------------------------------------------------------


WRONG = {
    "zero": ([3, 5, 0, 4], ShapeError, "length of sequence 2 is 0; x has 5 time steps"),
    "negative": ([3, -1, 1, 4], ShapeError, "length of sequence 1 is -1; x has 5"),
    "too-long": ([3, 5, 1, 6], ShapeError, "length of sequence 3 is 6; x has 5 time steps"),
    "too-few": ([3, 5, 1], ShapeError, r"shape \(3,\); one for each of 4 sequences"),
    "too-many": ([3, 5, 1, 4, 2], ShapeError, r"shape \(5,\); one for each of 4 sequences"),
    "number": (3, ShapeError, r"shape \(\); one for each of 4"),
    "matrix": ([[3, 5, 1, 4]], ShapeError, r"shape \(1, 4\); one for each of 4"),
    "floats": ([3.0, 5.0, 1.0, 4.0], DTypeError, "lengths are float64; integers are needed"),
    "booleans": ([True] * 4, DTypeError, "lengths are bool; integers are needed"),
    "none-of-them": ([], ShapeError, "one for each of 4 sequences"),
}


@pytest.mark.parametrize("lengths, error, told", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU"])
def test_lengths_that_do_not_fit_are_refused(kind, lengths, error, told, rng):
    net = built(kind, rng)
    with pytest.raises(error, match=told) as caught:
        net(mt.zeros(T, B, I), lengths=lengths)
    assert repr(net) in str(caught.value)


@pytest.mark.parametrize(
    "x",
    [np.zeros((0, B, I)), np.zeros((0, I)), [np.zeros((0, I)), np.zeros((0, I))]],
    ids=["padded", "single", "list"],
)
def test_no_time_steps_are_refused(x, rng):
    with pytest.raises(ShapeError, match="expected at least one time step"):
        built("GRU", rng)(x)


# On a device ------------------------------------------------------------------------------------


@every_kind
@either_way
def test_both_backends_give_the_same(kind, bidirectional, backend):
    def results():
        rng = np.random.default_rng(3)
        net = built(kind, rng, bidirectional=bidirectional)
        x, cotangents = drawn(rng, net)
        x = leaf(np.where(PADDING[:, :, None], np.nan, x))
        found = flat(net(x, lengths=LENGTHS))
        leaves = [x, *net.parameters()]
        grads = mt.autograd.grad(found, leaves, [mt.tensor(v) for v in cotangents])
        assert {t.backend for t in (*found, *grads)} == {mt.zeros(1).backend}
        return [t.tolist() for t in (*found, *grads)]

    here = results()
    with mt.use("numpy"):
        there = results()
    for mine, reference in zip(here, there, strict=True):
        assert_allclose(mine, reference, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU"])
@pytest.mark.parametrize("as_list", [False, True], ids=["padded", "list"])
def test_a_training_step_with_host_lengths_never_waits(kind, as_list, backend, rng):
    net = built(kind, rng, bidirectional=True)
    readout = nn.Linear(net.output_size, 2, rng=rng)
    optimizer = mt.optim.Adam([*net.parameters(), *readout.parameters()])
    x = mt.tensor(rng.normal(size=(T, B, I)))
    rows = [x[:n, b] for b, n in enumerate(LENGTHS)]
    strict_cupy.synchronisations.reset()
    for _ in range(2):
        if as_list:
            outputs, _ = net(rows)
            loss = sum((readout(y) ** 2).sum() for y in outputs)
        else:
            loss = (readout(net(x, lengths=LENGTHS)[0]) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(list(net.parameters()), 1.0)
        optimizer.step()
    assert strict_cupy.synchronisations.causes == []
