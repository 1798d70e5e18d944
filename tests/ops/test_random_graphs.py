"""Random expressions, shapes and indices: what no table of cases has thought of.

An expression is plain data and has two interpreters: one computes it with our Tensors and walks
back, the other with NumPy alone, whose gradient comes from the complex step. They share the program
and nothing else.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import numeric

# Smooth, and bounded by their operands, so that no depth of nesting runs off to infinity. In ours
# the same function is often spelled in another way: that spelling is what is being tested.
STEPS = {
    "mean-of-two": (lambda a, b: (a + b) / 2, lambda a, b: 0.5 * a + 0.5 * b),
    "difference": (lambda a, b: a * 0.5 - b * 0.5, lambda a, b: (a - b) / 2),
    "product": (lambda a, b: a * mt.sin(b), lambda a, b: a * np.sin(b)),
    "quotient": (lambda a, b: a / (2.0 + b.cos()), lambda a, b: a / (2.0 + np.cos(b))),
    "power": (lambda a, b: (1.5 + mt.tanh(a)) ** mt.tanh(b),
              lambda a, b: np.exp(np.tanh(b) * np.log(1.5 + np.tanh(a)))),
    "sigmoid": (lambda a, _: mt.sigmoid(a), lambda a, _: 1 / (1 + np.exp(-a))),
    "softplus": (lambda a, _: mt.softplus(a) / 2, lambda a, _: np.log(1 + np.exp(a)) / 2),
    "gauss": (lambda a, _: mt.exp(-(a**2)), lambda a, _: np.exp(-a * a)),
    "sum-of-axis": (lambda a, _: mt.tanh(a.sum(axis=-1, keepdims=True)) if a.ndim else a,
                    lambda a, _: np.tanh(np.add.reduce(a, -1, keepdims=True)) if a.ndim else a),
    "sum-of-all": (lambda a, _: mt.tanh(a.sum()),
                   lambda a, _: np.tanh(np.ravel(a) @ np.ones(a.size))),
    "reversed": (lambda a, _: a[::-1] if a.ndim else a[()],
                 lambda a, _: np.flip(a, 0) if a.ndim else a),
    "twice-transposed": (lambda a, _: a.T.reshape(a.shape[::-1]).T, lambda a, _: a),
    "stacked": (lambda a, _: mt.stack([a, a], axis=-1) @ mt.tensor([0.25, 0.5]),
                lambda a, _: 0.75 * a),
    "next-to-itself": (lambda a, _: mt.tile(a, (2,) + (1,) * (a.ndim - 1)).split(2)[1]
                       if a.ndim else a, lambda a, _: a),
}  # fmt: skip


empty = npst.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=2)


@st.composite
def expressions(draw):
    """Shapes of the leaves, and steps (name, operand, operand): numbers of earlier results."""
    shapes = draw(npst.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3) | empty)
    steps = []
    for n in range(3, 3 + draw(st.integers(1, 10))):
        operand = st.integers(0, n - 1)
        steps.append((draw(st.sampled_from(sorted(STEPS))), draw(operand), draw(operand)))
    return shapes.input_shapes, steps


def evaluate(leaves, steps, interpreter):
    values = list(leaves)
    for name, i, j in steps:
        values.append(STEPS[name][interpreter](values[i], values[j]))
    return values[-1], values[len(values) // 2]  # two outputs, one often an input of the other


@settings(max_examples=300)
@given(expressions(), st.integers(0, 2**32 - 1))
def test_any_graph_has_the_gradient_of_the_complex_step(expression, seed):
    shapes, steps = expression
    rng = np.random.default_rng(seed)
    arrays = {str(i): rng.normal(size=shape) for i, shape in enumerate(shapes)}
    xs = [mt.tensor(array, requires_grad=True) for array in arrays.values()]
    ys = evaluate(xs, steps, 0)
    plain = evaluate(arrays.values(), steps, 1)
    cotangents = [rng.normal(size=np.shape(y)) for y in plain]
    for y, want in zip(ys, plain, strict=True):
        assert y.shape == np.shape(want)
        assert_allclose(y._data, want, rtol=1e-10, atol=1e-12)

    def loss(moved):
        outputs = evaluate(moved.values(), steps, 1)
        return sum((v * y).sum() for v, y in zip(cotangents, outputs, strict=True))

    found = mt.autograd.grad(ys, xs, cotangents, allow_unused=True)
    wanted = numeric.complex_step(loss, arrays)
    for x, g, want in zip(xs, found, wanted.values(), strict=True):
        g = np.zeros(x.shape) if g is None else g._data
        assert g.shape == want.shape
        assert_allclose(g, want, rtol=1e-10, atol=1e-11)  # ten steps, each with slope up to 3


@st.composite
def products(draw):
    """An einsum of up to three operands: any letters, repeated or not, some axes of size 1."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in "ijkl"}
    terms = draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    shapes = [
        tuple(1 if t.count(k) == 1 and draw(st.integers(0, 4)) == 0 else sizes[k] for k in t)
        for t in terms
    ]
    known = sorted(set("".join(terms)))
    result = draw(st.permutations(known))[: draw(st.integers(0, len(known)))]
    return ",".join(terms) + draw(st.sampled_from(["", "->" + "".join(result)])), shapes


def has_the_gradient_of_the_complex_step(f, plain, arrays, rng):
    v = rng.normal(size=np.shape(plain(*arrays.values())))
    xs = [mt.tensor(x, requires_grad=True) for x in arrays.values()]
    y = f(*xs)
    assert y.shape == v.shape
    assert_allclose(y._data, plain(*arrays.values()), rtol=1e-12, atol=1e-13)
    y.backward(v)
    wanted = numeric.complex_step(lambda moved: (v * plain(*moved.values())).sum(), arrays)
    for x, want in zip(xs, wanted.values(), strict=True):
        assert x.grad.shape == want.shape
        assert_allclose(x.grad._data, want, rtol=1e-10, atol=1e-12)


@settings(max_examples=200)
@given(products(), st.integers(0, 2**32 - 1))
def test_any_einsum_is_numpys_and_has_the_gradient_of_the_complex_step(product, seed):
    pattern, shapes = product
    rng = np.random.default_rng(seed)
    arrays = {str(i): rng.normal(size=shape) for i, shape in enumerate(shapes)}
    has_the_gradient_of_the_complex_step(
        lambda *x: mt.einsum(pattern, *x), lambda *x: np.einsum(pattern, *x), arrays, rng
    )


@given(
    npst.mutually_broadcastable_shapes(signature=np.matmul.signature, max_side=3, max_dims=2),
    st.integers(0, 2**32 - 1),
)
def test_any_matmul_is_numpys_and_has_the_gradient_of_the_complex_step(shapes, seed):
    rng = np.random.default_rng(seed)
    arrays = {str(i): rng.normal(size=shape) for i, shape in enumerate(shapes.input_shapes)}
    has_the_gradient_of_the_complex_step(mt.matmul, np.matmul, arrays, rng)


FLOATS = st.floats(-8, 8, width=16)
DTYPES = {"float32": FLOATS, "float64": FLOATS, "int8": st.integers(-100, 100),
          "int64": st.integers(-100, 100), "bool": st.booleans()}  # fmt: skip


@st.composite
def arrays_and_axes(draw, min_side):
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=3, min_side=min_side, max_side=3))
    x = draw(npst.arrays(dtype, shape, elements=DTYPES[dtype]))
    some = npst.valid_tuple_axes(len(shape), min_size=0)
    one = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
    return x, draw(st.none() | one | some), draw(st.booleans())


def same(found, want):
    assert found.dtype == want.dtype and found.shape == want.shape
    rtol = 1e-5 if want.dtype == np.float32 else 1e-12  # the order of summation may differ
    assert_allclose(found._data, want, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", ["sum", "prod", "any", "all"])
@given(arrays_and_axes(min_side=0))
def test_a_reduction_with_a_neutral_element_is_numpys_also_of_nothing(name, case):
    x, axis, keepdims = case
    same(getattr(mt, name)(mt.tensor(x), axis, keepdims),
         np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims)))  # fmt: skip


@pytest.mark.parametrize("name", ["mean", "max", "min", "var", "std"])
@given(arrays_and_axes(min_side=1))
def test_any_other_reduction_is_numpys(name, case):
    x, axis, keepdims = case
    same(getattr(mt, name)(mt.tensor(x), axis=axis, keepdims=keepdims),
         np.asarray(getattr(np, name)(x, axis=axis, keepdims=keepdims)))  # fmt: skip


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "norm"])
@given(arrays_and_axes(min_side=1), st.integers(0, 2**32 - 1))
def test_the_gradient_of_any_reduction_is_the_one_of_the_complex_step(name, case, seed):
    _, axis, keepdims = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=case[0].shape) + 3.0  # away from the kink of the norm

    def reduced(x):
        if name == "norm":
            return np.sqrt((x * x).sum(axis=axis, keepdims=keepdims))
        return getattr(np, name)(x, axis=axis, keepdims=keepdims)

    ours = getattr(mt, name)
    has_the_gradient_of_the_complex_step(
        lambda x: ours(x, axis=axis, keepdims=keepdims), reduced, {"x": x}, rng
    )


@st.composite
def keys(draw):
    """A shape and a key that NumPy takes: slices, numbers, None, ..., integer arrays and masks."""
    shape = draw(npst.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    basic = npst.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True)
    gather = npst.integer_array_indices(shape, dtype=np.int64)
    mask = npst.arrays(bool, shape)
    parts = []
    for n in shape[: draw(st.integers(1, len(shape)))]:
        rows = st.lists(st.integers(-n, n - 1), min_size=2, max_size=2)  # equal sizes broadcast
        parts.append(draw(st.integers(-n, n - 1) | st.slices(n) | rows | rows.map(np.array)))
    return shape, draw(basic | gather | mask | st.just(tuple(parts)))


@given(keys(), st.integers(0, 2**32 - 1))
def test_any_index_reads_what_numpy_reads_and_sends_the_gradient_back_there(case, seed):
    shape, key = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    t = mt.tensor(x, requires_grad=True)
    y = t[key]
    assert_array_equal(y._data, x[key], strict=True)
    v = rng.normal(size=y.shape)
    y.backward(v)
    want = np.zeros(shape)
    np.add.at(want, key, v)
    assert_allclose(t.grad._data, want, rtol=1e-12, atol=1e-15)


@given(keys(), st.integers(0, 2**32 - 1))
def test_any_index_writes_where_numpy_writes(case, seed):
    shape, key = case
    rng = np.random.default_rng(seed)
    x, updated = rng.normal(size=shape), None
    value = rng.normal(size=np.shape(x[key]))
    t, v = mt.tensor(x, requires_grad=True), mt.tensor(value, requires_grad=True)
    written, added = mt.index_update(t, key, v), mt.index_add(t, key, v)
    updated = x.copy()
    updated[key] = value
    assert_array_equal(written._data, updated)
    summed = x.copy()
    np.add.at(summed, key, value)
    assert_allclose(added._data, summed, rtol=1e-14, atol=1e-15)
    g = rng.normal(size=shape)
    kept = x.copy()
    kept[key] = np.nan
    # What was overwritten has no gradient; of the values, those that are still there have one.
    from_x, from_v = mt.autograd.grad(written, [t, v], g)
    assert_array_equal(from_x._data, np.where(np.isnan(kept), 0.0, g))
    assert_array_equal(from_v._data, np.where(updated[key] == value, g[key], 0.0))
