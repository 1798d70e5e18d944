"""Forecasts without a network: AR against its recursion and known fits, the naive rule, figures."""

import json

import numpy as np
import pytest

from minitorch_rnn.data.shipped import shipped
from minitorch_rnn.training.tasks.forecast.baselines import Autoregression, Naive, arv, rmse


def recursion(constant, weights, first, N, noise=None):
    y = list(first)
    while len(y) < N:
        past = sum(a * y[-m] for m, a in enumerate(weights, 1))
        y.append(constant + past + (0 if noise is None else noise[len(y)]))
    return np.array(y)


@pytest.mark.parametrize(
    "constant, weights",
    [(2.0, [1.5, -0.9]), (0.0, [0.5]), (-1.0, [0.3, 0.2, -0.4, 0.1]), (3.0, [])],
    ids=["AR(2)", "AR(1)", "AR(4)", "AR(0)"],
)
def test_the_fit_finds_the_recursion_that_made_the_series(constant, weights, rng):
    y = recursion(constant, weights, rng.normal(size=len(weights)), 40)
    fitted = Autoregression.of(y, len(weights))
    np.testing.assert_allclose(fitted.weights, weights, rtol=1e-7, atol=1e-7)  # squares of 1e-16
    np.testing.assert_allclose(fitted.constant, constant, rtol=1e-7, atol=1e-7)


def test_the_fit_is_the_least_squares_of_the_equations(rng):
    y, p, first = rng.normal(size=50).cumsum(), 3, 5
    rows = np.array([[1, y[t - 1], y[t - 2], y[t - 3]] for t in range(first, 50)])
    expected = np.linalg.solve(rows.T @ rows, rows.T @ y[first:])
    fitted = Autoregression.of(y, p, first)
    np.testing.assert_allclose([fitted.constant, *fitted.weights], expected, rtol=1e-9)


def test_a_large_mean_costs_no_digits(rng):
    y = rng.normal(size=200).cumsum() * 1e-3
    small, large = Autoregression.of(y, 2), Autoregression.of(y + 1e6, 2)
    np.testing.assert_allclose(large.weights, small.weights, rtol=1e-6)  # 1e6 has 1e-10 left


def test_a_target_that_is_missing_is_not_fitted(rng):
    y = recursion(1.0, [0.8], [0.3], 30, rng.normal(size=30))
    targets = y.copy()
    targets[17] = np.nan
    wrong = y.copy()
    wrong[17] = 1e6
    rows = [t for t in range(1, 30) if t != 17]
    slope, constant = np.polyfit(y[[t - 1 for t in rows]], y[rows], 1)
    fitted = Autoregression.of(y, 1, targets=targets)
    np.testing.assert_allclose([fitted.weights[0], fitted.constant], [slope, constant], rtol=1e-9)


def test_the_choice_of_an_order_leaves_missing_targets_out_too(rng):
    y = rng.normal(size=30)
    targets = y.copy()
    targets[[3, 9]] = np.nan
    mean = Autoregression.chosen(y, targets, 20, largest=0)
    assert mean.constant == pytest.approx(np.nanmean(targets[:20]), rel=1e-12)


def test_one_step_and_closed_loop_are_the_recursion(rng):
    fitted = Autoregression(0.7, (0.5, -0.3, 0.2))
    y = rng.normal(size=20)
    said = fitted.one_step(y)
    assert np.isnan(said[:3]).all()
    for t in range(3, 20):
        expected = 0.7 + 0.5 * y[t - 1] - 0.3 * y[t - 2] + 0.2 * y[t - 3]
        assert said[t] == pytest.approx(expected, rel=1e-13)
    expected = recursion(0.7, [0.5, -0.3, 0.2], y, 26)[20:]
    np.testing.assert_allclose(fitted.closed_loop(y, 6), expected, rtol=1e-13)
    several = np.stack([y[5:], y[:15]])
    np.testing.assert_array_equal(fitted.closed_loop(several, 6)[0], fitted.closed_loop(y, 6))


def test_the_first_forecast_in_closed_loop_is_the_one_step_forecast(rng):
    y = rng.normal(size=30)
    for forecast in (Autoregression.of(y, 4), Naive(), Naive(7)):
        for t in range(10, 30):
            ahead = forecast.closed_loop(y[:t], 1)[0]
            assert ahead == pytest.approx(forecast.one_step(y)[t], rel=1e-13)


def test_the_naive_rule_repeats_the_season():
    y = np.arange(10.0)
    np.testing.assert_array_equal(Naive().closed_loop(y, 3), [9, 9, 9])
    np.testing.assert_array_equal(Naive(4).closed_loop(y, 6), [6, 7, 8, 9, 6, 7])
    np.testing.assert_array_equal(Naive(4).one_step(y)[4:], y[:6])
    assert np.isnan(Naive(12).one_step(y)).all()


def test_the_order_is_the_one_that_forecasts_the_rows_after_the_training_best():
    y = shipped("sunspots").column("sunspots")[:263]
    chosen = Autoregression.chosen(y, y, 217)
    errors = [rmse(Autoregression.of(y[:217], p, 20).one_step(y)[217:], y[217:]) for p in range(21)]
    # Nine is what Akaike's criterion finds for the sunspots too (Brockwell and Davis, 1991).
    assert chosen.order == np.argmin(errors) == 9
    assert chosen == Autoregression.of(y[:217], 9, 20)


def test_nothing_that_follows_the_training_part_moves_the_weights(rng):
    y = shipped("sunspots").column("sunspots")[:263]
    other = y.copy()
    other[217:] += rng.normal(size=46)
    one, two = (Autoregression.chosen(values, values, 217) for values in (y, other))
    assert one.order == two.order and one == two


def test_a_short_training_part_has_small_orders(rng):
    y = rng.normal(size=12)
    assert Autoregression.chosen(y, y, 9).order <= 2
    assert Autoregression.chosen(y, y, 3).order == 0


def test_a_long_series_is_fitted_near_its_end(rng):
    y = rng.normal(size=120_000)
    other = y.copy()
    other[:40_000] = 0
    # Rows 50,000 before the training part's end at 100,000 count.
    one, two = (Autoregression.chosen(v, v, 100_000, largest=1) for v in (y, other))
    assert one == two


def test_an_unstable_recursion_overflows_without_a_warning():
    said = Autoregression(0.0, (1e200,)).closed_loop(np.ones(3), 4)
    assert np.isinf(said[-1])
    assert rmse(said, np.zeros(4)) == np.inf


def test_facts_survive_json():
    fitted = Autoregression(0.1, (0.2, -0.3))
    assert Autoregression.restored(json.loads(json.dumps(fitted.facts()))) == fitted


def test_figures_are_their_formulas(rng):
    truth, said = rng.normal(size=50), rng.normal(size=50)
    assert rmse(said, truth) == pytest.approx(np.sqrt(((said - truth) ** 2).mean()), rel=1e-13)
    assert arv(np.full(50, truth.mean()), truth) == pytest.approx(1, rel=1e-12)
    assert arv(truth, truth) == 0
    truth[::2] = np.nan
    known = truth[1::2]
    assert arv(said, truth) == pytest.approx(((said[1::2] - known) ** 2).mean() / known.var())
    assert np.isnan(rmse(said, truth * np.nan)) and np.isnan(arv(said, np.ones(50)))
