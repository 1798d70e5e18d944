"""Lists of sequences as recurrent layers take them; pad_sequence and unpad_sequence."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from recurrent_layers import KINDS, flat, leaf, slopes, started

import minitorch_rnn as mt
from minitorch_rnn.errors import DTypeError, ShapeError
from minitorch_rnn.nn.sequences import pad_sequence, unpad_sequence

LENGTHS = [3, 5, 1, 4]
T, B, I, H, L = 5, 4, 3, 4, 2
PADDING = np.arange(T)[:, None] >= np.array(LENGTHS)  # (T, B)
every_kind = pytest.mark.parametrize("kind", KINDS)
either_way = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
either_layout = pytest.mark.parametrize("batch_first", [False, True], ids=["TB", "BT"])


def built(kind, rng, **options):
    return started(kind, I, H, L, rng=rng, **options)


@every_kind
@either_way
@either_layout
@pytest.mark.parametrize("container", [list, tuple])
def test_a_list_of_tensors_is_a_padded_batch_with_lengths(
    kind, bidirectional, batch_first, container, rng
):
    net = built(kind, rng, bidirectional=bidirectional)
    x = rng.normal(size=(T, B, I))
    padded = leaf(x)
    output, *last = flat(net(padded, lengths=LENGTHS))
    v, *w = (rng.normal(size=y.shape) for y in (output, *last))
    expected = slopes(net, padded, [output, *last], [v, *w])

    net.batch_first = batch_first  # every sequence is (T, I) either way
    rows = [leaf(x[:n, b]) for b, n in enumerate(LENGTHS)]
    outputs, states = net(container(rows))
    assert [y.shape for y in outputs] == [(n, output.shape[-1]) for n in LENGTHS]
    for b, y in enumerate(outputs):
        assert (y.data == output.data[: len(y), b]).all()
    found = flat(outputs, states)
    for mine, reference in zip(found[B:], last, strict=True):
        assert (mine.data == reference.data).all()
    grads = slopes(net, rows, found, [*(v[:n, b] for b, n in enumerate(LENGTHS)), *w])
    for b, n in enumerate(LENGTHS):
        assert_allclose(grads.pop(f"x{b}"), expected["x"][:n, b], rtol=1e-12, atol=1e-14)
    for name, g in grads.items():
        assert_allclose(g, expected[name], rtol=1e-12, atol=1e-13, err_msg=name)


def test_a_list_of_arrays_is_as_good(backend, rng):
    net = built("LSTM", rng, bidirectional=True)
    rows = [rng.normal(size=(n, I)) for n in LENGTHS]
    start = [mt.tensor(rng.normal(size=(2 * L, B, H))) for _ in "hc"]
    found = flat(net(rows, tuple(start)))
    expected = flat(net([mt.tensor(row) for row in rows], tuple(start)))
    assert len(found) == B + 2
    for mine, reference in zip(found, expected, strict=True):
        assert mine.tolist() == reference.tolist()


def test_a_list_may_hold_one_sequence_or_equal_ones(rng):
    net = built("GRU", rng)
    x = rng.normal(size=(T, 2, I))
    (one,), last = net([x[:, 0]])
    expected, state = net(x)
    assert (one.shape, last.shape) == ((T, H), (L, 1, H))
    assert_allclose(one.data, expected.data[:, 0], rtol=1e-12)
    (_, two), _ = net([x[:, 0], x[:, 1]])
    assert_allclose(two.data, expected.data[:, 1], rtol=1e-12)
    assert_allclose(last.data, state.data[:, :1], rtol=1e-12)


def test_only_some_of_a_list_may_require_gradients(rng):
    net = built("tanh", rng)
    rows = [leaf(rng.normal(size=(3, I))), rng.normal(size=(2, I)), mt.ones(4, I)]
    outputs, _ = net(rows)
    v = rng.normal(size=outputs[0].shape)
    (g,) = mt.autograd.grad((outputs[0] * v).sum() + outputs[1].sum(), rows[0])
    alone = leaf(rows[0].data)
    (expected,) = mt.autograd.grad((net(alone)[0] * v).sum(), alone)
    assert_allclose(g.data, expected.data, rtol=1e-12)


@pytest.mark.parametrize(
    "rows, told",
    [
        ([np.zeros((2, I)), np.zeros((0, I))], "length of sequence 1 is 0"),
        ([np.zeros((2, I + 1)), np.zeros((3, I + 1))], f"4 features .* input_size={I}"),
        ([np.zeros((2, I)), np.zeros((3, I + 1))], r"sequence 1 .*\(3, 4\).*\(2, 3\)"),
        ([np.zeros(I), np.zeros(I)], r"sequence 0 has shape \(3,\).*\(T, 3\)"),
        ([np.zeros((2, 1, I)), np.zeros((3, 1, I))], r"sequence 0 .*\(2, 1, 3\).*\(T, 3\)"),
        ([], "0 sequences"),
    ],
    ids=["empty-one", "features", "one-of-them", "vectors", "batches", "no-sequence"],
)
def test_lists_that_do_not_fit_are_refused(rows, told, rng):
    with pytest.raises(ShapeError, match=told):
        built("GRU", rng)(rows)


def test_a_list_has_its_lengths_already(rng):
    with pytest.raises(ShapeError, match="a list of sequences has its lengths"):
        built("tanh", rng)([mt.ones(3, I), mt.ones(2, I)], lengths=[3, 2])


def test_a_list_of_another_dtype_is_refused(rng):
    with pytest.raises(DTypeError, match=r"x\[0\] is float32, the parameters are float64"):
        built("tanh", rng)([mt.ones(3, I, dtype="float32"), mt.ones(2, I)])


def test_a_state_for_another_batch_is_refused(rng):
    net = built("GRU", rng)
    with pytest.raises(ShapeError, match=r"h_0 has shape \(2, 3, 4\).*\(2, 2, 4\)"):
        net([mt.ones(3, I), mt.ones(2, I)], np.zeros((L, 3, H)))


# pad_sequence and unpad_sequence ----------------------------------------------------------------


@either_layout
@pytest.mark.parametrize("rest", [(), (I,), (2, 3)], ids=str)
def test_padding_and_unpadding_go_round(batch_first, rest, backend, rng):
    rows = [mt.tensor(rng.normal(size=(n, *rest))) for n in LENGTHS]
    padded = pad_sequence(rows, batch_first, padding_value=-2.5)
    assert padded.shape == ((B, T) if batch_first else (T, B)) + rest
    filled = np.array(padded.tolist())
    assert (filled[PADDING.T if batch_first else PADDING] == -2.5).all()
    again = unpad_sequence(padded, LENGTHS, batch_first)
    assert [y.tolist() for y in again] == [x.tolist() for x in rows]


@either_layout
def test_gradients_go_through_both(batch_first, rng):
    rows = [mt.tensor(rng.normal(size=(n, I)), requires_grad=True) for n in LENGTHS]
    cotangents = [rng.normal(size=x.shape) for x in rows]
    padded = pad_sequence(rows, batch_first)
    v = rng.normal(size=padded.shape)
    found = mt.autograd.grad([padded, *unpad_sequence(padded, LENGTHS, batch_first)], rows,
                             [v, *cotangents])  # fmt: skip
    v = v.swapaxes(0, 1) if batch_first else v
    for b, (g, own) in enumerate(zip(found, cotangents, strict=True)):
        assert_allclose(g.data, v[: len(own), b] + own, rtol=1e-14)


@pytest.mark.torch
@either_layout
def test_padding_is_pytorchs(batch_first, rng):
    import torch

    rows = [rng.normal(size=(n, I)) for n in LENGTHS]
    found = pad_sequence(rows, batch_first, 0.5)
    expected = torch.nn.utils.rnn.pad_sequence(list(map(torch.tensor, rows)), batch_first, 0.5)
    assert (found.data == expected.numpy()).all()


@pytest.mark.parametrize(
    "rows, told",
    [
        ([], "got 0 sequences; at least one"),
        ([mt.ones(3, 2), mt.ones(3, 4)], r"sequence 1 has shape \(3, 4\), sequence 0 \(3, 2\)"),
        ([mt.ones(3), mt.ones(3, 1)], r"sequence 1 has shape \(3, 1\), sequence 0 \(3,\)"),
        ([mt.tensor(1.0)], r"sequence 0 has shape \(\)"),
    ],
    ids=["none", "features", "axes", "number"],
)
def test_sequences_that_do_not_fit_together_are_refused(rows, told):
    with pytest.raises(ShapeError, match=told):
        pad_sequence(rows)


def test_unpadding_checks_its_lengths():
    with pytest.raises(ShapeError, match="unpad_sequence: the length of sequence 1 is 4; x has 3"):
        unpad_sequence(mt.ones(3, 2), [3, 4])
