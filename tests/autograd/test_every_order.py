"""jvp and vjp through every operation: against values alone, and against each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from operations import ROWS

import minitorch_rnn as mt
from minitorch_rnn import numeric
from minitorch_rnn.autograd import jvp, vhp, vjp

differentiable = pytest.mark.parametrize("row", [r for r in ROWS if r.differentiable], ids=str)


def several(result):
    return tuple(result) if isinstance(result, list | tuple) else (result,)


def of_floats(row, rng):
    """The row as a function (m, *x) of its floating-point inputs, which are the x; those inputs;
    a direction v for each, and a cotangent u for each output."""
    arrays = row.draw(rng)
    moving = [i for i, array in enumerate(arrays) if array.dtype.kind == "f"]

    def f(*xs):
        placed = dict(zip(moving, xs, strict=True))
        return several(row.call(mt, *[placed.get(i, array) for i, array in enumerate(arrays)]))

    xs = tuple(arrays[i] for i in moving)
    # Steps along v stay smaller than the distance to the next kink.
    v = tuple(rng.uniform(-1, 1, size=x.shape) for x in xs)
    u = tuple(rng.normal(size=np.shape(y)) for y in f(*xs))
    return f, xs, v, u


def product(u, ys):
    return sum((a * np.asarray(b)).sum() for a, b in zip(u, ys, strict=True))


@differentiable
def test_the_derivative_in_one_direction_is_the_one_of_values_alone(row, rng):
    f, xs, v, u = of_floats(row, rng)
    values, moved = jvp(f, xs, v)

    def along(arrays):  # <u, f(x + t v)>
        return product(u, f(*[x + arrays["t"] * d for x, d in zip(xs, v, strict=True)]))

    method = numeric.complex_step if row.analytic else numeric.central_difference
    want = method(along, {"t": np.zeros(())})["t"]
    # Differences of order 8 round to eps / step, some 1e-13, times the values that are summed.
    assert_allclose(product(u, moved), want, rtol=1e-10, atol=1e-12 if row.analytic else 1e-11)
    for y, moving in zip(values, moved, strict=True):
        assert moving.shape == y.shape and moving.dtype == y.dtype


@differentiable
def test_jvp_and_vjp_are_adjoint(row, rng):
    f, xs, v, u = of_floats(row, rng)
    _, forward = jvp(f, xs, v)
    _, back = vjp(f, xs, u)
    assert_allclose(product(u, forward), product(v, back), rtol=1e-12, atol=1e-13)


@differentiable
def test_the_third_derivative_is_the_one_of_second_ones(row, rng):
    f, xs, v, u = of_floats(row, rng)
    p, q = ([rng.normal(size=x.shape) for x in xs] for _ in range(2))

    def total(*xs):
        return sum((mt.tensor(w) * y).sum() for w, y in zip(u, f(*xs), strict=True))

    def curvature(*xs):  # pᵀ H(x) q, H being that of <u, f(x)>
        _, found = vhp(total, xs, p, create_graph=True)
        return sum((g * mt.tensor(w)).sum() for g, w in zip(found, q, strict=True))

    def along(arrays):
        return curvature(*[mt.tensor(x + arrays["t"] * d) for x, d in zip(xs, v, strict=True)])

    _, found = jvp(curvature, xs, v)
    want = numeric.central_difference(lambda arrays: float(along(arrays)), {"t": np.zeros(())})
    # Differences of order 8 round to eps / step, some 1e-13, times sums of several hundred.
    assert_allclose(found.item(), want["t"], rtol=1e-10, atol=1e-10)
