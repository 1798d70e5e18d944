"""Which dtype two operands give: NumPy's rules, for every pair of dtypes and every operation."""

import operator

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minitorch_rnn as mt

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
FLOATS = DTYPES[-3:]

OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.and_, operator.or_, operator.matmul, operator.eq, operator.lt,
]  # fmt: skip
FUNCTIONS = {
    "maximum": lambda m, a, b: m.maximum(a, b),
    "where": lambda m, a, b: m.where(np.array([True, False]), a, b),
    "concatenate": lambda m, a, b: m.concatenate([a, b]),
    "stack": lambda m, a, b: m.stack([a, b]),
    "einsum": lambda m, a, b: m.einsum("i,j->ij", a, b),
    "clip": lambda m, a, b: m.clip(a, b, None),
    "outer": lambda m, a, b: m.outer(a, b),
}
JOINED = {op.__name__: lambda m, a, b, op=op: op(a, b) for op in OPERATORS} | FUNCTIONS


def result_or_error(call, *args):
    try:
        y = call(*args)
    except TypeError:
        return "TypeError"
    return y.numpy() if isinstance(y, mt.Tensor) else y


@pytest.mark.parametrize("call", JOINED.values(), ids=JOINED)
@pytest.mark.parametrize("one", DTYPES)
def test_two_dtypes_meet_as_in_numpy(call, one):
    for other in DTYPES:
        a, b = np.array([2, 1]).astype(one), np.array([1, 3]).astype(other)
        want = result_or_error(call, np, a, b)
        for x, y in ((mt.tensor(a), mt.tensor(b)), (mt.tensor(a), b), (a, mt.tensor(b))):
            got = result_or_error(call, mt, x, y)
            assert_array_equal(got, want, strict=not isinstance(want, str))


@pytest.mark.parametrize("number", [2, 2.5, True, np.float32(2.5), np.float64(2.5), np.int8(2)])
@pytest.mark.parametrize("op", OPERATORS[:7], ids=lambda op: op.__name__)
def test_a_number_meets_every_dtype_as_in_numpy(op, number):
    for dtype in DTYPES:
        a = np.array([2, 1]).astype(dtype)
        for call in (op, lambda x, n: op(n, x)):
            got = result_or_error(call, mt.tensor(a), number)
            want = result_or_error(call, a, number)
            assert_array_equal(got, want, strict=not isinstance(want, str))


@pytest.mark.parametrize("one", FLOATS)
@pytest.mark.parametrize("other", FLOATS)
@pytest.mark.parametrize(
    "call",
    [*[JOINED[name] for name in ("add", "mul", "truediv", "pow", "matmul")], *FUNCTIONS.values()],
    ids=["add", "mul", "truediv", "pow", "matmul", *FUNCTIONS],
)
def test_a_gradient_has_the_dtype_of_its_leaf_whatever_it_met(call, one, other, rng):
    a, b = (mt.tensor(rng.uniform(1, 2, 2), d, requires_grad=True) for d in (one, other))
    y = call(mt, a, b)
    assert y.dtype == np.result_type(np.dtype(one), np.dtype(other))
    y.sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.dtype(one), np.dtype(other))
    assert (a.grad.shape, b.grad.shape) == (a.shape, b.shape)


def test_a_number_too_large_for_its_dtype_is_an_error_and_no_wrapped_value():
    for x, number in [
        (mt.tensor(np.int8([1])), 300),
        (mt.tensor(np.uint8([1])), -1),
        (mt.tensor([1]), 2**70),
        (mt.tensor([1.0], requires_grad=True), 10**400),
    ]:
        with pytest.raises(OverflowError):
            x + number
    with pytest.raises(TypeError):
        mt.tensor(2**70)
