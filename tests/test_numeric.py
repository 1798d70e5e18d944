"""Differences and the complex step, on functions whose derivatives are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minitorch_rnn import numeric

POINT = {"x": np.array([0.3, -1.2]), "w": np.array([[0.5, 2.0]])}


def f(arrays):
    x, w = arrays["x"], arrays["w"]
    return (np.sin(x) * np.exp(w[0])).sum() + w[0, 0] ** 3


def gradient(arrays):
    x, w = arrays["x"], arrays["w"]
    dw = np.sin(x) * np.exp(w[0])
    return {"x": np.cos(x) * np.exp(w[0]), "w": (dw + np.array([3 * w[0, 0] ** 2, 0]))[None]}


def test_the_complex_step_is_exact_to_rounding():
    for name, g in numeric.complex_step(f, POINT).items():
        assert_allclose(g, gradient(POINT)[name], rtol=1e-15)


@pytest.mark.parametrize("order, rtol", [(2, 1e-8), (4, 1e-9), (6, 1e-11), (8, 1e-12)])
def test_differences_gain_digits_with_their_order(order, rtol):
    step = None if order > 2 else 1e-5
    for name, g in numeric.central_difference(f, POINT, step, order).items():
        assert_allclose(g, gradient(POINT)[name], rtol=rtol)


def test_the_arrays_are_left_as_they_were():
    before = {name: x.copy() for name, x in POINT.items()}
    numeric.central_difference(f, POINT)
    numeric.complex_step(f, POINT)
    for name, x in POINT.items():
        assert (x == before[name]).all()


def test_scalars_and_empty_arrays_have_gradients_of_their_shape():
    arrays = {"a": np.array(2.0), "none": np.zeros((0, 3))}
    for road in (numeric.central_difference, numeric.complex_step):
        g = road(lambda m: m["a"] ** 2 + m["none"].sum(), arrays)
        assert g["a"].shape == () and g["none"].shape == (0, 3)
        assert_allclose(g["a"], 4.0, rtol=1e-10)


@pytest.mark.parametrize(
    "a, b, digits",
    [
        ([1.0, 2.0], [1.0, 2.0], 16),
        ([1.001], [1.0], 3),
        ([np.nan], [1.0], 0),
        ([1.0], [0.0], 0),
        ([1.0, 2.0], [1.0], 0),
        ([0.0], [0.0], 16),
        ([], [], 16),
    ],
)
def test_digits(a, b, digits):
    assert numeric.digits(a, b) == pytest.approx(digits, abs=0.01)


def test_digits_near_zero_are_measured_against_the_floor():
    assert numeric.digits([1e-9], [0.0], floor=1.0) == pytest.approx(9)


@pytest.mark.parametrize("together", [None, 3])
def test_differences_tell_how_far_the_next_lower_order_is_off(together):
    def f(arrays):
        values = np.sin(3 * arrays["x"]) + arrays["s"][..., None] ** 2
        return values.sum() if together is None else values.sum(axis=1)

    at, errors = {"x": np.linspace(0, 1, 5), "s": np.array(0.5)}, {}
    g = numeric.central_difference(f, at, step=0.1, order=4, together=together, errors=errors)
    lower = numeric.central_difference(f, at, step=0.1, order=2, together=together)
    for name in at:
        assert errors[name].shape == at[name].shape
        np.testing.assert_allclose(errors[name], g[name] - lower[name], rtol=1e-9, atol=1e-13)
    assert np.abs(errors["x"]).max() > 1e-3 > np.abs(errors["s"])
