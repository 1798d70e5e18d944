"""What operations make of their operands' types: dtypes, Python scalars, arrays, 0-d, NumPy."""

import operator

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn.engine import constant


def leaf(values, dtype=None):
    return mt.tensor(np.array(values, dtype=dtype), requires_grad=True)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "bool"])
def test_integers_cannot_require_a_gradient(dtype):
    message = f"only floating-point tensors can require gradients, got {dtype}"
    with pytest.raises(TypeError, match=message):
        mt.tensor(np.ones(2, dtype), requires_grad=True)
    with pytest.raises(TypeError, match=message):
        mt.tensor(np.ones(2, dtype)).requires_grad_()


@pytest.mark.parametrize("f", [mt.add, mt.multiply, mt.divide, mt.power, mt.maximum, mt.matmul,
                               lambda a, b: mt.einsum("i,i->i", a, b),
                               lambda a, b: mt.concatenate([a, b]),
                               lambda a, b: mt.where(a > b, a, b)])  # fmt: skip
@pytest.mark.parametrize("other", ["float16", "float64", "int64", "int8"])
def test_a_result_promotes_as_in_numpy_and_each_gradient_has_its_leaf_s_dtype(f, other):
    a = leaf([1.0, 2.0], "float32")
    b = mt.tensor(np.array([2, 3], other), requires_grad=other[0] == "f")
    y = f(a, b)
    y.sum().backward()
    assert y.dtype == np.result_type(np.float32, other)
    assert a.grad.dtype == np.float32 and (b.grad is None or b.grad.dtype == other)


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
          operator.mod, operator.pow]  # fmt: skip
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("number", [2, 2.5, True], ids=repr)
@pytest.mark.parametrize("op", BINARY)
def test_a_python_number_does_not_promote(op, number, dtype):
    x = leaf([1.5, 2.5], dtype)
    for y in (op(x, number), op(number, x)):
        assert y.dtype == dtype
        y.sum().backward()
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("f", [mt.sum, mt.mean, mt.var, mt.std, mt.norm, mt.softmax, mt.cumsum,
                               mt.logsumexp, mt.log_softmax])  # fmt: skip
@pytest.mark.parametrize("laid", [np.ascontiguousarray, np.asfortranarray])
def test_float16_is_added_up_in_float32(f, laid, rng):
    x = laid((rng.random((4096, 2)) + 0.5).astype(np.float16))
    half, exact = leaf(x), leaf(x.astype(float))
    y, want = f(half, axis=0), f(exact, axis=0)
    v = rng.random(y.shape)
    assert y.dtype == np.float16
    y.backward(v.astype(np.float16))
    want.backward(v)
    assert_allclose(y._data, want._data, rtol=2e-3, atol=1e-6)  # float16 itself has 1e-3
    # The rule of log_softmax starts from y = -8, which float16 holds to 0.004.
    atol = 4e-3 if f is mt.log_softmax else 1e-6
    assert_allclose(half.grad._data, exact.grad._data, rtol=4e-3, atol=atol)


def test_the_sum_of_a_float16_bias_gradient_does_not_stop_at_2048():
    bias = leaf([0.0, 0.0], "float16")
    (mt.zeros(4096, 2, dtype="float16") + bias).backward(np.ones((4096, 2), np.float16))
    assert_array_equal(bias.grad._data, [4096.0, 4096.0])


def test_float16_reductions_overflow_only_if_their_result_does():
    assert mt.mean(mt.full(4096, 100.0, dtype="float16")).item() == 100.0
    assert mt.norm(mt.tensor(np.float16([300.0, 400.0]))).item() == 500.0
    assert mt.std(mt.tensor(np.float16([1000.0, -1000.0]))).item() == 1000.0


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "bool"])
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "cumsum", "var", "max", "any", "argmax"])
def test_small_integers_reduce_as_in_numpy(name, dtype):
    x = np.array([[100, 100, 1], [2, 3, 0]]).astype(dtype)
    for axis in (None, 0):
        got, want = getattr(mt, name, None)(mt.tensor(x), axis), getattr(np, name)(x, axis=axis)
        assert_array_equal(got._data, want)
        assert got.dtype == want.dtype


def test_the_quotient_of_integers_is_a_true_quotient():
    y = mt.tensor([1, 3]) / mt.tensor([2, 2])
    assert y.dtype == np.float64 and y.tolist() == [0.5, 1.5]


# Operands of other kinds ------------------------------------------------------------------------

ARRAY = np.array([[1.5, 2.0], [3.0, 0.5]])
OTHERS = [ARRAY, np.float64(1.5), np.float32(1.5), np.int64(2), np.array(2.0)]


@pytest.mark.parametrize("op", [*BINARY, *COMPARISONS, operator.matmul])
@pytest.mark.parametrize("other", OTHERS, ids=lambda x: f"{type(x).__name__}{np.ndim(x)}")
def test_an_operator_takes_arrays_and_numpy_scalars_on_either_side(op, other):
    if op is operator.matmul:
        other = ARRAY
    x = leaf([[1.0, 2.0], [0.5, 3.0]])
    for y, want in [(op(other, x), op(other, x._data)), (op(x, other), op(x._data, other))]:
        assert type(y) is mt.Tensor  # not an array of objects, not an array without history
        assert_array_equal(y._data, want, strict=True)
        if op in COMPARISONS:
            assert not y.requires_grad
        else:
            y.sum().backward()
            assert x.grad.shape == x.shape


@pytest.mark.parametrize("op", [operator.and_, operator.or_])
def test_a_mask_may_be_an_array_on_either_side(op):
    array, t = np.array([True, False]), mt.tensor([True, True])
    for y in (op(array, t), op(t, array), op(np.True_, t), op(True, t)):
        assert type(y) is mt.Tensor and y.dtype == bool
    assert op(array, t).tolist() == op(t, array).tolist() == op(array, t._data).tolist()


def test_an_array_refuses_to_take_a_tensor_in_place_and_so_lose_the_graph():
    total = np.zeros(2)
    with pytest.raises(TypeError):
        total += leaf([1.0, 2.0])
    assert total.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("f", [np.exp, np.abs, np.sum, np.mean, lambda t: np.add(t, 1.0)])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_function_of_numpy_refuses_a_tensor_rather_than_drop_the_graph(f, requires_grad):
    with pytest.raises(TypeError):
        f(mt.tensor([1.0, 2.0], requires_grad=requires_grad))


@pytest.mark.parametrize("f", [
    mt.sum, mt.mean, mt.max, mt.prod, mt.std, mt.norm, mt.logsumexp, lambda x: x[1],
    lambda x: x @ x, lambda x: mt.einsum("i,i", x, x), lambda x: x[0] * 2 + x[1],
    lambda x: -x[0], lambda x: x[0] ** 2, lambda x: mt.where(x[0] > 0, x[0], 0.0),
    lambda x: mt.clip(x[0], -1.0, 1.0), lambda x: mt.sum_to(x, ()),
    lambda x: x[:1].reshape(()), lambda x: x[:1].squeeze(),
])  # fmt: skip
def test_results_without_axes_stay_0_d_arrays(f):
    y = f(leaf([1.5, 2.0]))
    assert type(y._data) is np.ndarray and y.shape == ()
    x = constant(y._data).requires_grad_()
    (mt.exp(x) * x).backward()
    assert type(x.grad._data) is np.ndarray and x.grad.shape == ()
