"""pad_sequence and unpad_sequence: there and back, with gradients, and what they refuse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn.sequences import pad_sequence, unpad_sequence

LENGTHS = [3, 5, 1, 4]
T, B, I = 5, 4, 3
PADDING = np.arange(T)[:, None] >= np.array(LENGTHS)  # (T, B)
either_layout = pytest.mark.parametrize("batch_first", [False, True], ids=["TB", "BT"])


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
