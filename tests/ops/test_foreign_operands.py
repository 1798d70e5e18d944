"""Operands that are not arrays of numbers, or not quite: taken for what they are, or refused.

Whatever is taken may be changed by its owner before the backward pass, without changing a gradient.
"""

import array as standard_arrays
import collections
import operator

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import DTypeError


def leaf(values):
    return mt.tensor(np.array(values, float), requires_grad=True)


NO_NUMBERS = {
    "text": np.array(["a"]), "objects": np.array([1.0, None]), "bytes": np.array([b"a"]),
    "dates": np.array(["2026-01-01"], "M8[D]"), "durations": np.array([1], "m8[s]"),
    "records": np.zeros(2, [("a", float), ("b", int)]), "void": np.zeros(2, "V4"),
}  # fmt: skip


@pytest.mark.parametrize("a", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("take", [mt.from_numpy, mt.tensor, nn.Parameter])
def test_what_is_no_array_of_numbers_is_refused_by_its_dtype(take, a):
    with pytest.raises(DTypeError) as caught:
        take(a)
    assert str(a.dtype) in str(caught.value)


@pytest.mark.parametrize("a", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("op", [operator.add, operator.mul, mt.maximum, mt.concatenate])
def test_no_operation_makes_a_tensor_of_anything_but_numbers(op, a):
    for x in (mt.tensor([1, 1]), mt.tensor([1.0, 1.0]), leaf([1.0, 1.0])):
        for args in ((x, a), (a, x)):
            with pytest.raises(TypeError):
                op(args) if op is mt.concatenate else op(*args)


class Labelled(np.ndarray):
    """An array class of somebody else's."""


class Convertible:
    """Converts to an array, always the same one."""

    def __init__(self, values):
        self.values = np.array(values)

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __setitem__(self, key, value):
        self.values[key] = value


def on_disk(values, folder):
    stored = np.memmap(folder / "numbers", "float64", "w+", shape=(len(values),))
    stored[:] = values
    return stored


OPERANDS = {  # what else can stand beside a tensor, be changed, and is not an np.ndarray itself
    "list": lambda folder: [3.0, 4.0],
    "tuple of 0-d arrays": lambda folder: (np.array(3.0), np.array(4.0)),
    "list of lists": lambda folder: [[3.0], [4.0]],
    "memmap": lambda folder: on_disk([3.0, 4.0], folder),
    "subclass": lambda folder: np.array([3.0, 4.0]).view(Labelled),
    "object with __array__": lambda folder: Convertible([3.0, 4.0]),
    "array.array": lambda folder: standard_arrays.array("d", [3.0, 4.0]),
    "memoryview": lambda folder: memoryview(np.array([3.0, 4.0])),
    "bytearray": lambda folder: bytearray([3, 4]),
    "deque": lambda folder: collections.deque([3.0, 4.0]),
}


def rewrite(operand):
    first = operand[0] if isinstance(operand, list | tuple) else None
    if isinstance(first, np.ndarray):
        first[()] = 100.0
    elif isinstance(first, list):
        first[0] = 100.0
    else:
        operand[0] = 100


@pytest.mark.parametrize("make", OPERANDS.values(), ids=OPERANDS)
@pytest.mark.parametrize(
    "call",
    [lambda w, c: w * c, lambda w, c: c * w, mt.matmul, lambda w, c: mt.clip(w, c, None)],
    ids=["right", "left", "matmul", "clip"],
)
def test_an_operand_that_is_no_array_is_copied_or_refused(call, make, tmp_path):
    gradients = []
    for change in (False, True):
        w, c = leaf([3.5, 3.5]), make(tmp_path)
        try:
            y = call(w, c).sum()
        except TypeError:  # a clear no is as safe
            return
        if change:
            rewrite(c)
        y.backward()
        gradients.append(w.grad.tolist())
    assert gradients[0] == gradients[1]


matrices = pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")


@matrices
@pytest.mark.parametrize("cast", [np.asmatrix, lambda a: a.view(Labelled)])
@pytest.mark.parametrize("take", [mt.tensor, mt.from_numpy])
def test_a_subclass_is_taken_as_the_plain_array_that_it_is(take, cast):
    a = cast(np.arange(4.0).reshape(2, 2))
    x = take(a)
    assert type(x.data) is np.ndarray and x.shape == (2, 2)
    assert (x * x).tolist() == [[0.0, 1.0], [4.0, 9.0]]  # of matrices * would be a product


@matrices
def test_a_matrix_beside_a_tensor_does_not_change_what_an_operator_means():
    m = np.asmatrix(np.arange(4.0).reshape(2, 2))
    for multiply in (lambda w: w * m, lambda w: m * w):
        w = leaf([[1.0, 2.0], [3.0, 4.0]])
        try:
            y = multiply(w)
        except TypeError:
            continue
        assert y.tolist() == [[0.0, 2.0], [6.0, 12.0]]
        y.sum().backward()
        assert w.grad.tolist() == m.tolist()


def test_a_mask_is_not_dropped_in_silence():
    masked = np.ma.array([3.0, 4.0], mask=[False, True])
    for take in (mt.tensor, mt.from_numpy, lambda a: leaf([1.0, 1.0]) * a):
        with pytest.raises(DTypeError, match="(?i)mask"):
            take(masked)


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">f2"])
def test_the_byte_order_of_a_file_does_not_follow_into_the_gradient(dtype):
    a = np.array([1.5, -2.0]).astype(dtype)
    x = mt.tensor(a, requires_grad=True)
    (x * x).sum().backward()
    assert x.tolist() == [1.5, -2.0] and x.grad.tolist() == [3.0, -4.0]
    assert x.dtype == x.grad.dtype == np.dtype(dtype).newbyteorder("=")
    assert (mt.from_numpy(a) + 1.0).tolist() == [2.5, -1.0]


def test_two_axes_given_to_transpose_are_told_from_pytorchs():
    for x in (mt.ones(2, 3), mt.ones(2, 3, 4)):
        with pytest.raises(ValueError, match=r"transpose\(0, 1\).*swapaxes\(0, 1\) swaps two"):
            x.transpose(0, 1)
    assert mt.ones(2, 3).transpose(1, 0).shape == mt.ones(2, 3).transpose().shape == (3, 2)


@pytest.mark.parametrize("f", [np.sum, np.mean, np.max])
def test_a_reduction_of_numpy_names_ours(f):
    with pytest.raises(TypeError, match=f"np.{f.__name__.removeprefix('a')}.*lose the graph"):
        f(mt.ones(2))
