"""Scalar mode: each operation against the complex step, a network against the tensor engine."""

import cmath
import pathlib
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import numeric
from minitorch_rnn.errors import ColumnError
from minitorch_rnn.teaching import scalar, scalar_rnn
from minitorch_rnn.teaching.scalar import Scalar
from minitorch_rnn.teaching.scalar_rnn import compare_scalars

FUNCTIONS = {
    "add": lambda x, y: x + y,
    "add a number": lambda x, y: 2 + x + 3.0 + 0 * y,
    "subtract": lambda x, y: x - y,
    "subtract a number": lambda x, y: (x - 2) * (5.0 - y),
    "multiply": lambda x, y: x * y,
    "square": lambda x, y: x * x + y * 1,
    "divide": lambda x, y: x / y,
    "divide a number": lambda x, y: 3 / x + y / 4,
    "power": lambda x, y: x**3 + y**-1 + x**0 + y**0.5,
    "negative": lambda x, y: -x * y,
    "tanh": lambda x, y: tanh(x * y),
    "exp and log": lambda x, y: exp(x) * log(y),
    "a value used again and again": lambda x, y: (lambda z: z * z + z / y + tanh(z))(x * y + x),
}


def of(name):
    """The function `name` of a Scalar, and of a complex number."""

    def f(x):
        return getattr(x, name)() if isinstance(x, Scalar) else getattr(cmath, name)(x)

    return f


tanh, exp, log = of("tanh"), of("exp"), of("log")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_operation_agrees_with_the_complex_step(name):
    f, at = FUNCTIONS[name], {"x": np.array(0.7), "y": np.array(1.3)}
    right = numeric.complex_step(lambda a: f(complex(a["x"]), complex(a["y"])), at)
    x, y = Scalar(0.7), Scalar(1.3)
    z = f(x, y)
    z.backward()
    assert_allclose(z.value, complex(f(0.7 + 0j, 1.3 + 0j)).real, rtol=1e-14)
    assert_allclose([x.gradient, y.gradient], [right["x"], right["y"]], rtol=1e-13)


@pytest.mark.parametrize("at, slope", [(2.0, 1.0), (-2.0, 0.0), (0.0, 0.0)])
def test_relu_has_the_slope_that_the_engine_has(at, slope):
    x = Scalar(at)
    x.relu().backward()
    t = mt.tensor(at, requires_grad=True)
    mt.relu(t).backward()
    assert x.gradient == t.grad.item() == slope


def test_a_second_run_adds_and_gives_each_value_its_own_sum():
    x = Scalar(3.0)
    y = x * x
    z = y * 2
    z.backward()
    z.backward()
    assert x.gradient == 24.0 and y.gradient == 4.0 and z.gradient == 2.0


def test_another_output_adds_to_a_gradient_that_is_there():
    x = Scalar(3.0)
    shared = x * 2
    (shared * 5).backward()
    (shared * shared).backward()
    assert x.gradient == 10 + 24


def test_a_value_is_visited_after_all_its_users():
    x = Scalar(1.0)
    y = x
    for _ in range(200):  # 2**200 paths
        y = y + y
    y.backward()
    assert x.gradient == 2.0**200
    assert len(y.history()) == 201


def test_a_long_chain_needs_no_recursion():
    x = Scalar(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.gradient == 1.0


def test_numbers_of_numpy_can_stand_on_either_side():
    x = Scalar(2.0)
    y = np.float64(3.0) * x + x * np.float64(0.5)
    y.backward()
    assert isinstance(y, Scalar) and x.gradient == 3.5


@pytest.mark.parametrize("other", ["1", None, np.ones(2), 1j])
def test_what_is_no_number_is_refused(other):
    with pytest.raises(TypeError):
        Scalar(1.0) + other
    with pytest.raises(TypeError):
        other * Scalar(1.0)


def test_what_has_no_derivative_here_is_told():
    with pytest.raises(TypeError, match=r"For a Scalar: \(x.log\(\) \* n\).exp\(\)"):
        Scalar(2.0) ** Scalar(3.0)
    with pytest.raises(ValueError, match="log of -1; a positive number is needed"):
        Scalar(-1.0).log()


@pytest.mark.parametrize("T, I, H, O", [(1, 1, 1, 1), (4, 3, 2, 1), (6, 2, 5, 3)])
def test_scalars_tensors_and_complex_step_agree_on_a_network(T, I, H, O):
    rng = np.random.default_rng(T)
    found = compare_scalars(T, I, H, O, rng)
    arrays, x, D = scalar_rnn.network(T, I, H, O, np.random.default_rng(T))

    def divergence(p):
        h, total = p["h(-1)"], 0.0
        for t in range(T):
            h = np.tanh(p["W_c"] @ x[t] + p["W_r"] @ h + p["b"])
            total = total + 0.5 * ((p["W_o"] @ h + p["b_o"] - D[t]) ** 2).sum()
        return total

    right = numeric.complex_step(divergence, arrays)
    assert found.agrees and found.apart < 1e-12
    assert set(found.gradients) == set(right)
    for name, (by_scalars, by_tensors) in found.gradients.items():
        assert_allclose(by_scalars, right[name], rtol=1e-10, atol=1e-13, err_msg=name)
        assert_allclose(by_tensors, right[name], rtol=1e-10, atol=1e-13, err_msg=name)
        assert by_scalars.shape == arrays[name].shape


@pytest.mark.parametrize("T, I, H, O", [(1, 1, 1, 1), (4, 3, 2, 2)])
def test_operations_are_as_many_as_the_equations_have(T, I, H, O):
    found = compare_scalars(T, I, H, O)
    products = H * I + H * H + O * H
    additions = H * (I - 1) + H * (H - 1) + 2 * H + O * (H - 1) + O
    assert found.scalars.nodes == T * (products + additions + H + 3 * O) + T * O - 1
    assert found.tensors.nodes == T * 11 + T - 1


def test_the_table_shows_both_ways_and_the_verdict():
    found = compare_scalars(T=3)
    lines = str(found).splitlines()
    assert re.match(r"scalars +128 +[\d.]+ ms +[\d.]+ ms$", lines[2])
    assert re.match(r"tensors +35 +[\d.]+ ms +[\d.]+ ms$", lines[3])
    assert lines[4].endswith("they agree")
    assert str(found._replace(apart=1e-3)).endswith("largest difference 1.0e-03: they DISAGREE")


def test_a_wrong_local_derivative_is_seen(monkeypatch):
    def tanh(self):
        return Scalar(np.tanh(self.value), [(self, 1 - self.value**2)])  # of z, not of h

    monkeypatch.setattr(Scalar, "tanh", tanh)
    assert not compare_scalars().agrees


def test_a_size_of_nothing_is_told():
    with pytest.raises(ColumnError, match="compare_scalars: T is 0; a whole number from 1"):
        compare_scalars(T=0)


def test_the_engine_of_single_numbers_stays_on_one_page():
    assert len(pathlib.Path(scalar.__file__).read_text(encoding="utf-8").splitlines()) < 150


def test_relu_hides_no_nan():
    assert np.isnan(Scalar(float("nan")).relu().value)
