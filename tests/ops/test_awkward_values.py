"""Where engines of this kind go wrong: ties, zeros, infinities, broadcasting, duplicates."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn.errors import DTypeError, ShapeError

INF, NAN = np.inf, np.nan


def leaf(values, dtype=None):
    return mt.tensor(np.array(values, dtype=dtype), requires_grad=True)


def slope(f, *xs):
    """The gradients of the sum of f(*xs); warnings are errors here unless a test allows them."""
    xs = [leaf(x) if not isinstance(x, mt.Tensor) else x for x in xs]
    f(*xs).sum().backward()
    return [x.grad._data for x in xs]


AT_SPECIAL_POINTS = [
    ("abs-at-0", mt.abs, [0.0, -0.0], [0.0, 0.0]),
    ("sign-at-0", mt.sign, [0.0, 2.0], [0.0, 0.0]),
    ("relu-at-0", mt.relu, [0.0, 1.0], [0.0, 1.0]),
    ("norm-at-0", mt.norm, [0.0, 0.0], [0.0, 0.0]),
    ("norm-of-a-zero-row", lambda x: mt.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]],
     [[0.0, 0.0], [0.6, 0.8]]),
    ("std-of-a-constant", mt.std, [2.0, 2.0, 2.0], [0.0] * 3),
    ("var-of-a-constant", mt.var, [2.0, 2.0, 2.0], [0.0] * 3),
    ("max-ties", mt.max, [1.0, 3.0, 3.0], [0.0, 0.5, 0.5]),
    ("min-ties", mt.min, [1.0, 3.0, 1.0], [0.5, 0.0, 0.5]),
    ("max-of-equals", mt.max, [[2.0, 2.0], [2.0, 2.0]], [[0.25, 0.25], [0.25, 0.25]]),
    ("max-ties-by-row", lambda x: mt.max(x, axis=1), [[1.0, 1.0], [2.0, 1.0]],
     [[0.5, 0.5], [1.0, 0.0]]),
    ("max-with-nan", lambda x: mt.max(x, axis=1), [[NAN, 1.0], [2.0, 1.0]],
     [[1.0, 0.0], [1.0, 0.0]]),
    ("max-with-inf", mt.max, [INF, 1.0, INF], [0.5, 0.0, 0.5]),
    ("prod-one-zero", mt.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    ("prod-two-zeros", mt.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    ("clip-at-its-bounds", lambda x: mt.clip(x, -1.0, 1.0), [-2.0, -1.0, 0.0, 1.0, 2.0],
     [0.0, 1.0, 1.0, 1.0, 0.0]),
    ("logsumexp-huge", mt.logsumexp, [1000.0, 1000.0], [0.5, 0.5]),
    ("logsumexp-all-minus-inf", mt.logsumexp, [-INF, -INF], [0.0, 0.0]),
    ("logsumexp-some-minus-inf", mt.logsumexp, [-INF, 0.0], [0.0, 1.0]),
    ("sigmoid-huge", mt.sigmoid, [-1000.0, 1000.0], [0.0, 0.0]),
    ("softplus-huge", mt.softplus, [-1000.0, 1000.0], [0.0, 1.0]),
    ("softmax-huge", lambda x: mt.softmax(x)[0], [1000.0, 0.0], [0.0, 0.0]),
    ("square-at-0", lambda x: x**2, [0.0, -1.0], [0.0, -2.0]),
    ("first-power-at-0", lambda x: x**1, [0.0, 2.0], [1.0, 1.0]),
    ("power-zero-at-0", lambda x: x**0, [0.0, 2.0], [0.0, 0.0]),
    ("negative-base-cubed", lambda x: x**3, [-2.0], [12.0]),
    ("negative-base-float-exponent", lambda x: x**3.0, [-2.0], [12.0]),
    ("negative-base-array-of-exponents", lambda x: x ** np.array([3, 2]), [-2.0, -3.0],
     [12.0, -6.0]),
    ("double-where-around-log", lambda x: mt.where(x > 0, mt.log(mt.where(x > 0, x, 1.0)), 0.0),
     [0.0, 2.0], [0.0, 0.5]),
]  # fmt: skip


@pytest.mark.parametrize("f, x, want", [pytest.param(*c[1:], id=c[0]) for c in AT_SPECIAL_POINTS])
def test_the_slope_at_a_special_point_is_the_documented_one(f, x, want):
    (got,) = slope(f, x)
    assert_allclose(got, want, rtol=1e-12)  # at 1000 the last digit of the argument is 1e-13


@pytest.mark.parametrize("f", [mt.sqrt, lambda x: x**0.5, mt.log], ids=["sqrt", "half", "log"])
def test_an_infinite_slope_is_infinite(f):
    with np.errstate(divide="ignore"):  # the user asked for it, and NumPy says so
        assert_array_equal(slope(f, [0.0])[0], [INF])


@pytest.mark.parametrize("function", [mt.maximum, mt.minimum])
def test_equal_operands_share_the_slope_evenly(function):
    a, b = slope(function, [1.0, 1.0], [1.0, 2.0])
    assert a[0] == b[0] == 0.5
    assert_array_equal(a + b, [1.0, 1.0])


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), (-1, 0)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("function", [mt.max, mt.min])
def test_the_slopes_of_ties_add_up_to_one(function, axis, keepdims, rng):
    x = rng.integers(2, size=(3, 4, 2)).astype(float)
    (g,) = slope(lambda x: function(x, axis=axis, keepdims=keepdims), x)
    assert_allclose(g.sum(axis=axis), 1.0, rtol=1e-15)
    assert (g[x != function(x, axis=axis, keepdims=True)] == 0).all()


@pytest.mark.parametrize("b, da, db", [(2.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0, 0.0)])
def test_powers_of_zero_have_the_slopes_of_pytorch(b, da, db):
    assert [g.item() for g in slope(mt.power, [0.0], [b])] == [da, db]
    assert slope(lambda a: a**b, [0.0])[0].item() == da


def test_the_exponent_of_a_negative_base_has_no_slope():
    with np.errstate(invalid="ignore"):
        a, b = slope(mt.power, [-2.0], [3.0])
    assert a.item() == 12.0 and np.isnan(b).all()


def test_std_of_one_value_without_degrees_of_freedom_is_nan_and_raises_nothing():
    x = leaf([2.0])
    for y in (mt.std(x, ddof=1), mt.var(x, correction=1)):
        assert np.isnan(y.item())
        y.backward()


def test_where_never_lets_the_other_branch_into_the_value():
    x = leaf([1.0, 2.0])
    y = mt.where(np.array([True, False]), x, mt.tensor([NAN, INF]))
    y.sum().backward()
    assert_array_equal(y._data, [1.0, INF])
    assert_array_equal(x.grad._data, [1.0, 0.0])


def test_where_gives_the_branch_not_taken_a_zero_not_a_product_with_zero():
    bad = leaf([NAN, INF])
    mt.where(np.array([False, False]), bad, 0.0).sum().backward()
    assert_array_equal(bad.grad._data, [0.0, 0.0])


def test_logsumexp_of_nothing_but_minus_infinity_is_minus_infinity():
    x = leaf([[-INF, -INF], [0.0, 0.0]])
    assert_array_equal(mt.logsumexp(x, axis=1)._data, [-INF, np.log(2.0)])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("at", [[1000.0, -1000.0], [1000.0, 0.0], [-1000.0, -1000.0]])
@pytest.mark.parametrize(
    "f", [mt.softmax, mt.log_softmax, mt.sigmoid, mt.softplus, mt.logsumexp, mt.tanh]
)
def test_huge_arguments_stay_finite_and_cause_no_warning(f, at, dtype, backend):
    x = mt.tensor(np.array(at, dtype), requires_grad=True)
    y = f(x)
    (g,) = mt.autograd.grad(y.sum(), x, create_graph=True)
    (curvature,) = mt.autograd.grad(g.sum(), x)
    for found in (y, g, curvature):
        assert np.isfinite(backends.to_numpy(found._data)).all() and found.dtype == dtype


def test_a_chain_of_100000_operations_has_a_gradient():
    y = x = leaf(0.0)
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert (y.item(), x.grad.item()) == (100_000.0, 1.0)


def test_a_view_of_a_leaf_under_no_grad_requires_no_gradient():
    x = leaf([[1.0, 2.0]])
    with mt.no_grad():
        for y in (x[0], x.T, x.reshape(2), x.squeeze(), mt.broadcast_to(x, (3, 2))):
            assert not y.requires_grad


# Broadcasting -----------------------------------------------------------------------------------


@pytest.mark.parametrize("a, b", [
    ((1, 1), (1,)), ((), (2, 3)), ((), (1,)), ((0,), (1,)), ((0,), ()), ((1, 3), (2, 1)),
    ((4, 1, 3), (2, 1)), ((0, 3), (1, 1)), ((1,), (2, 0, 3, 1)),
])  # fmt: skip
def test_a_broadcast_operand_gets_the_sum_over_all_its_copies(a, b):
    out = np.broadcast_shapes(a, b)
    for g, shape in zip(slope(mt.add, np.ones(a), np.ones(b)), (a, b), strict=True):
        copies = np.prod(out) // np.prod(shape) if np.prod(shape) else 0
        assert_array_equal(g, np.full(shape, copies, float), strict=True)


# Indexing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key, want", [
    ([0, 0, 2], [2, 0, 1]), ([0, -3], [2, 0, 0]), ([], [0, 0, 0]), (np.array([], int), [0, 0, 0]),
    ([[1, 1], [1, 0]], [1, 3, 0]), ([True, False, True], [1, 0, 1]), ([False] * 3, [0, 0, 0]),
    (np.array(-1), [0, 0, 1]), (mt.tensor([2, 2]), [0, 0, 2]), (mt.tensor([1.0, 9.0, 9.0]) > 5.0,
    [0, 1, 1]), ((None, [1, 1]), [0, 2, 0]), (slice(None, None, -2), [1, 0, 1]),
])  # fmt: skip
def test_every_reading_of_an_element_adds_to_its_gradient(key, want):
    (g,) = slope(lambda x: x[key], [1.0, 2.0, 3.0])
    assert_array_equal(g, np.array(want, float), strict=True)


def test_take_along_axis_adds_duplicates_up():
    (g,) = slope(lambda x: mt.take_along_axis(x, np.array([[1, 1, -1]]), axis=1), [[5.0, 6.0]])
    assert_array_equal(g, [[0.0, 3.0]])


def test_of_values_written_to_one_place_only_the_one_that_stays_has_a_gradient():
    x, v = leaf([1.0, 2.0, 3.0]), leaf([10.0, 20.0, 30.0])
    y = mt.index_update(x, [1, 1, 2], v)
    (y * np.array([1.0, 5.0, 7.0])).sum().backward()
    assert_array_equal(x.grad._data, [1.0, 0.0, 0.0])
    assert_array_equal(v.grad._data, np.where(y._data[[1, 1, 2]] == v._data, [5.0, 5.0, 7.0], 0.0))


def test_one_value_written_twice_to_one_place_counts_once():
    v = leaf(4.0)
    mt.index_update(mt.zeros(3), [1, 1, 2], v).sum().backward()
    assert v.grad.item() == 2.0


def test_index_add_adds_duplicates_in_the_value_and_reads_each_in_the_gradient():
    x, v = leaf([1.0, 2.0]), leaf([10.0, 20.0, 30.0])
    y = mt.index_add(x, [1, 1, 0], v)
    (y * np.array([1.0, 5.0])).sum().backward()
    assert_array_equal(y._data, [31.0, 32.0])
    assert_array_equal(x.grad._data, [1.0, 5.0])
    assert_array_equal(v.grad._data, [5.0, 5.0, 1.0])


@pytest.mark.parametrize("write", [mt.index_update, mt.index_add])
def test_integers_cannot_take_a_value_that_wants_a_gradient(write):
    with pytest.raises(DTypeError, match="int64 values cannot carry"):
        write(mt.tensor([1, 2]), 0, leaf(1.0))


def test_an_index_changed_after_reading_does_not_change_the_gradient():
    x, rows = leaf([1.0, 2.0, 3.0]), np.array([0, 1])
    y = x[rows]
    rows[:] = 2
    y.sum().backward()
    assert_array_equal(x.grad._data, [1.0, 1.0, 0.0])


@pytest.mark.parametrize("key", [3, -4, [0, 3], (0, 0), np.array([-4]), (slice(None), 1)])
def test_an_index_out_of_range_names_the_index_and_the_size(key, backend):
    with pytest.raises(IndexError, match=r"(index -?\d .*size 3)|(1-dimensional, but 2)|too many"):
        mt.tensor(np.ones(3))[key]


@pytest.mark.parametrize("key", [1.5, "a", [0.5], np.array([1.0]), mt.Tensor([1.0]), (0, 2.0)])
def test_an_index_that_is_no_integer_is_an_index_error(key):
    with pytest.raises(IndexError, match="an index is integer or boolean, got (float|str)"):
        mt.tensor(np.ones((3, 3)))[key]


@pytest.mark.parametrize("f", [
    lambda x, a: mt.split(x, 2, axis=a), lambda x, a: mt.repeat(x, 2, axis=a),
    lambda x, a: mt.take_along_axis(x, np.zeros((2, 2), int), axis=a), lambda x, a: mt.flip(x, a),
    lambda x, a: mt.moveaxis(x, 0, a), lambda x, a: mt.moveaxis(x, a, 0), lambda x, a: x.flatten(a),
    lambda x, a: x.swapaxes(a, 0), lambda x, a: x.prod(axis=a), lambda x, a: x.sum(axis=(0, a)),
    lambda x, a: mt.concatenate([x, x], a), lambda x, a: mt.softmax(x, a), mt.mean, mt.squeeze,
])  # fmt: skip
@pytest.mark.parametrize("axis", [2, -3])
def test_an_axis_out_of_range_names_the_axis_and_the_number_of_axes(f, axis):
    with pytest.raises(IndexError, match=f"axis {axis} is out of bounds .* dimension 2"):
        f(leaf(np.ones((2, 2))), axis)


def test_a_diagonal_of_unequal_axes_is_a_shape_error():
    with pytest.raises(ShapeError, match="'i' .* sizes 2 and 3"):
        mt.einsum("ii->i", leaf(np.ones((2, 3))))
