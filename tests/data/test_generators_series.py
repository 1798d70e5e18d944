"""Series that are computed: compared with other ways to compute them."""

import numpy as np
import pytest

from minitorch_rnn.data.generators import MackeyGlass, Narma10, WeightedWindow, mackey_glass


def heun(count, tau, start, substeps):
    """Mackey-Glass by Heun's method, of order 2: it needs the past at the ends of steps only."""
    n, h = round(tau * substeps), 1 / substeps
    # What is fed back at the beginning and at the end of every step: before t = 0, nothing.
    begin, end, x, y = [0.0] * n, [0.0] * n, start, [start]
    for k in range((count - 1) * substeps):
        slope = begin[k] - 0.1 * x
        guess = end[k] - 0.1 * (x + h * slope)
        begin.append(0.2 * x / (1 + x**10))
        x += h / 2 * (slope + guess)
        end.append(0.2 * x / (1 + x**10))
        if (k + 1) % substeps == 0:
            y.append(x)
    return np.array(y)


@pytest.mark.parametrize("tau", [17, 30])
def test_mackey_glass_agrees_with_another_method_at_a_finer_step(tau):
    ours = mackey_glass(201, tau)
    coarse, fine = heun(201, tau, 1.2, 100), heun(201, tau, 1.2, 200)
    # Of order 2: the error of the finer one, some 3e-7 here, is a third of their difference, but
    # for what is of order 3 and smaller.
    np.testing.assert_allclose(ours, fine + (fine - coarse) / 3, atol=1e-8, rtol=0)


def test_mackey_glass_is_the_exponential_while_there_is_no_past():
    t = np.arange(18)
    np.testing.assert_allclose(mackey_glass(18), 1.2 * np.exp(-0.1 * t), rtol=1e-9)


def test_mackey_glass_is_the_integral_of_its_first_delay_in_the_second():
    """x(t) = e^(-0.1 (t-17)) x(17) + int_17^t e^(-0.1 (t-s)) f(1.2 e^(-0.1 (s-17))) ds."""
    t = 30.0
    s, w = np.polynomial.legendre.leggauss(60)
    s = 17 + (t - 17) * (s + 1) / 2
    past = 1.2 * np.exp(-0.1 * (s - 17))
    inside = np.exp(-0.1 * (t - s)) * 0.2 * past / (1 + past**10)
    exact = np.exp(-0.1 * t) * 1.2 + (w * inside).sum() * (t - 17) / 2
    # 1e-9: what is left of order 4 at a step of 0.1
    assert mackey_glass(31)[30] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("tau", [17, 30])
def test_mackey_glass_is_of_order_four(tau):
    exact = mackey_glass(61, tau, substeps=64)
    errors = [abs(mackey_glass(61, tau, substeps=n) - exact).max() for n in (1, 2, 4, 8)]
    for larger, smaller in zip(errors[:-1], errors[1:], strict=True):
        assert 12 < larger / smaller < 20  # 2^4


def test_mackey_glass_is_as_right_as_it_says():
    ours, exact = mackey_glass(500), mackey_glass(500, substeps=80)
    assert abs(ours - exact).max() < 2e-8


def test_series_side_by_side_are_those_alone():
    starts = np.array([0.6, 1.2])
    together = mackey_glass(40, start=starts)
    assert together.shape == (40, 2)
    for j, start in enumerate(starts.tolist()):
        np.testing.assert_allclose(together[:, j], mackey_glass(40, start=start), rtol=1e-12)


def test_a_whole_number_as_start_is_a_number():
    np.testing.assert_allclose(mackey_glass(40, start=1), mackey_glass(40, start=1.0), rtol=1e-12)


@pytest.mark.parametrize("tau, low, high, var", [(17, 0.4, 1.33, 0.051), (30, 0.2, 1.4, 0.080)])
def test_mackey_glass_has_the_range_and_variance_of_the_docstring(tau, low, high, var):
    x = mackey_glass(4000, tau, substeps=4)[500:]
    assert low < x.min() < x.max() < high
    assert x.var() == pytest.approx(var, rel=0.06)


@pytest.mark.parametrize("tau", [0, -3, 0.05, float("nan"), float("inf"), 17.03])
def test_a_delay_that_is_no_number_of_substeps_is_refused(tau):
    with pytest.raises(ValueError, match="tau x substeps is to be a whole number above 0"):
        mackey_glass(10, tau)


def test_forecasting_asks_for_what_comes_later(rng):
    task = MackeyGlass(steps=30, ahead=4, tau=17, skipped=20, substeps=4)
    batch = task.draw(rng, 3)
    np.testing.assert_array_equal(batch.targets[:-4], batch.inputs[4:])
    start = np.random.default_rng(0).uniform(0.5, 1.5, (3, 1))
    again = MackeyGlass(30, 4, 17, 20, 4).draw(np.random.default_rng(0), 3)
    long = mackey_glass(54, 17, start, 4)
    np.testing.assert_array_equal(again.inputs, long[20:50])
    assert len({x.tobytes() for x in batch.inputs.transpose(1, 0, 2)}) == 3


def narma(u):
    y = [0.0] * (len(u) + 1)
    for t in range(len(u)):
        total = sum(y[t - i] for i in range(10) if t - i >= 0)
        late = u[t - 9] if t >= 9 else 0.0
        y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * total + 1.5 * late * u[t] + 0.1
    return y[1:]


def test_narma_is_its_formula_step_by_step(rng):
    batch = Narma10(150).draw(rng, 5)
    for b in range(5):
        u = batch.inputs[:, b, 0]
        assert ((u >= 0) & (u < 0.5)).all()
        np.testing.assert_allclose(batch.targets[:, b, 0], narma(u.tolist()), rtol=1e-12)


def test_narma_sequences_that_run_away_are_drawn_anew():
    class Unlucky:
        """A generator whose first draw is the largest input throughout, from which y runs away."""

        def __init__(self):
            self.rng, self.asked = np.random.default_rng(0), []

        def uniform(self, low, high, shape):
            self.asked.append(shape)
            u = self.rng.uniform(low, high, shape)
            if len(self.asked) == 1:
                u[:, 1] = 0.4999
            return u

    unlucky = Unlucky()
    with np.errstate(all="raise"):
        batch = Narma10(2000).draw(unlucky, 3)
    assert unlucky.asked[:2] == [(2000, 3), (2000, 1)]
    assert (batch.inputs[:, 1] < 0.49).any() and (batch.targets <= 2).all()
    for b in range(3):  # input and answer belong together still
        expected = narma(batch.inputs[:, b, 0].tolist())
        np.testing.assert_allclose(batch.targets[:, b, 0], expected, rtol=1e-12)


def test_narma_has_the_variance_of_the_docstring(rng):
    assert Narma10(1000).draw(rng, 50).targets[20:].var() == pytest.approx(0.012, rel=0.05)


def test_the_weighted_window_is_its_formula(rng):
    batch = WeightedWindow(60).draw(rng, 2)
    for b in range(2):
        x, y = batch.inputs[:, b, 0], batch.targets[:, b, 0]
        asked = np.flatnonzero(~np.isnan(y))
        assert asked.tolist() == list(range(9, 41))
        for t in asked:
            past = sum((1 - d / 10) * x[t - d] for d in range(1, 10)) / 10
            future = sum((1 - d / 20) * x[t + d] for d in range(20)) / 20
            assert y[t] == pytest.approx(past + future, rel=1e-12)


def test_the_weighted_window_has_the_bounds_it_says(rng):
    task = WeightedWindow(200_000)
    batch = task.draw(rng, 1)
    x, y = batch.inputs[:, 0, 0], batch.targets[:, 0, 0]
    asked = np.arange(9, len(x) - 19)
    assert np.var(y[asked]) == pytest.approx(task.chance, rel=0.03)
    for delay in (0, 1, 5):
        lags = range(-delay, 11)
        known = np.stack([x[asked - d] for d in lags] + [np.ones(len(asked))], axis=1)
        _, residual, _, _ = np.linalg.lstsq(known, y[asked], rcond=None)
        assert residual[0] / len(asked) == pytest.approx(task.least(delay), rel=0.03)
    assert task.least(18) > task.least(19) == task.least(30) == 0
    with pytest.raises(ValueError, match="delay is -1; at least 0 is needed"):
        task.least(-1)
