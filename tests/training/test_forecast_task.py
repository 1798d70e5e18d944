"""The task of forecasting: what is learned from what, that no future leaks, and its figures."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from minitorch_rnn import Tensor, backend, column, manual_seed, nn, no_grad, optim
from minitorch_rnn.data.shipped import shipped
from minitorch_rnn.errors import DataError, RunError
from minitorch_rnn.training.tasks.forecast import ForecastConfig, ForecastTask, networks
from minitorch_rnn.training.tasks.forecast.baselines import Autoregression, Naive, rmse
from minitorch_rnn.training.tasks.forecast.networks import (
    Forecaster,
    NarxForecaster,
    RecurrentForecaster,
    forecasts,
    open_loop,
)
from minitorch_rnn.training.tasks.forecast.scores import judge
from minitorch_rnn.training.trainer import Trainer

NETWORKS = ("narx", "rnn", "lstm", "gru")


@pytest.fixture
def file(tmp_path, rng):
    """Writes 120 rows of y, x and z, changed by a function; returns options that read them."""
    values = rng.normal(size=(120, 3)).cumsum(axis=0)

    def write(change=lambda values: None, **options):
        changed = values.copy()
        change(changed)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        rows = [",".join("" if np.isnan(v) else repr(v) for v in row) for row in changed.tolist()]
        lines = ["year,y,x,z", *(f"{1900 + t},{row}" for t, row in enumerate(rows))]
        path.write_text("\n".join(lines))
        given = {"data": str(path), "target": "y", "columns": ["x", "z"], "hidden": 3,
                 "output_delays": 3, "sequence": 20, "horizon": 4}  # fmt: skip
        return ForecastConfig.of(given | options)

    return write


def model(network, extra=2):
    rng = np.random.default_rng(5)
    if network == "narx":
        return NarxForecaster(extra, 3, input_delays=2, output_delays=3, rng=rng)
    return RecurrentForecaster(extra, 3, network, num_layers=2, rng=rng)


def prepared(config):
    manual_seed(0)
    return ForecastTask.prepare(config)


def tail(n):
    def change(values):
        values[n:] = values[n:] * -3 + 50

    return change


# The networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_a_forecast_sees_what_came_before_and_nothing_else(network, rng):
    rows, forecaster = rng.normal(size=(12, 2, 3)), model(network)
    with no_grad():
        said = forecaster(rows)[0].numpy()
        for t in (0, 5, 11):
            y, e = rows.copy(), rows.copy()
            y[t, :, 0] += 1
            e[t, :, 1:] += 1
            of_y, of_e = forecaster(y)[0].numpy(), forecaster(e)[0].numpy()
            np.testing.assert_array_equal(of_y[: t + 1], said[: t + 1])  # y(t) enters p(t+1)
            np.testing.assert_array_equal(of_e[:t], said[:t])  # e(t) enters p(t)
            assert (of_e[t] != said[t]).all()
            assert t == 11 or (of_y[t + 1] != said[t + 1]).all()


@pytest.mark.parametrize("network", NETWORKS)
def test_a_state_goes_on_as_if_it_had_not_stopped(network, rng):
    rows, forecaster = rng.normal(size=(12, 2, 3)), model(network)
    with no_grad():
        whole = forecaster(rows)[0].numpy()
        parts, state = [], None
        for a, b in ((0, 1), (1, 5), (5, 12)):
            p, state = forecaster(rows[a:b], state)
            parts.append(p.numpy())
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_long_series_goes_through_a_network_in_parts_as_in_one(network, rng, monkeypatch):
    rows, forecaster = rng.normal(size=(30, 3)), model(network)
    whole = open_loop(forecaster, rows, start=9, context=5)
    monkeypatch.setattr(networks, "_CHUNK", 7)
    parts = open_loop(forecaster, rows, start=9, context=5)
    np.testing.assert_allclose(parts, whole, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("network", NETWORKS)
def test_closed_loop_is_one_step_after_the_other_with_the_forecast_as_truth(network, rng):
    rows, forecaster = rng.normal(size=(15, 3)), model(network)
    extra = rng.normal(size=(4, 1, 2))
    said = forecasts(forecaster, rows, np.array([15]), extra, context=15)[:, 0]
    for k in range(4):
        longer = np.vstack([rows, [[np.nan, *extra[k, 0]]]])
        longer[-1, 0] = 0.0  # is not looked at
        expected = open_loop(forecaster, longer, start=len(rows), context=100)[0]
        assert said[k] == pytest.approx(expected, rel=1e-10, abs=1e-14)
        rows = np.vstack([rows, [[expected, *extra[k, 0]]]])


def test_several_beginnings_are_the_single_ones_side_by_side(rng):
    rows, extra = rng.normal(size=(20, 3)), rng.normal(size=(3, 2, 2))
    for network in NETWORKS:
        forecaster = model(network)
        both = forecasts(forecaster, rows, np.array([12, 20]), extra, context=10)
        for i, origin in enumerate((12, 20)):
            one = forecasts(forecaster, rows[:origin], np.array([origin]), extra[:, i : i + 1], 10)
            np.testing.assert_allclose(both[:, i], one[:, 0], rtol=1e-10, atol=1e-14)


def test_the_closed_loop_of_a_linear_narx_is_the_recursion_of_ar(rng):
    linear = Autoregression(0.3, (0.5, -0.4, 0.2))
    forecaster = NarxForecaster(0, 1, output_delays=3)
    narx = column.narx(1, 1, 1, 0, 3, activation="identity", history="zeros")
    forecaster.column_network = network = nn.ColumnNetwork(narx)
    values = {"Y(t-1)->h": 0.5, "Y(t-2)->h": -0.4, "Y(t-3)->h": 0.2, "h->Y": 1.0}
    for name, weight in network.weight.items():
        weight.update_(np.full(weight.shape, values.get(name, 123.0)))  # 123 of x, which is 0
    for name, bias in network.bias.items():
        bias.update_(np.full(bias.shape, 0.3 if name == "Y" else 0.0))
    y = rng.normal(size=12)
    said = forecasts(forecaster, y[:, None], np.array([12]), np.zeros((8, 1, 0)), context=12)
    np.testing.assert_allclose(said[:, 0], linear.closed_loop(y, 8), rtol=1e-12)
    one = open_loop(forecaster, y[:, None], start=3, context=3)
    np.testing.assert_allclose(one, linear.one_step(y)[3:], rtol=1e-12)


def test_evaluating_leaves_a_network_in_training(rng):
    forecaster = RecurrentForecaster(0, 3, "gru", num_layers=2, dropout=0.5)
    one, two = (open_loop(forecaster, rng.normal(size=(9, 1)) * 0 + 1, 4, 4) for _ in range(2))
    np.testing.assert_array_equal(one, two)  # nothing was dropped
    assert forecaster.training


# The parts ----------------------------------------------------------------------------------------


def test_parts_are_shares_labels_or_rows(file):
    for validation, test in ((0.25, 0.1), ("1978", "2008"), ("79", "109"), (78 / 120, "2008")):
        config = file(validation=validation, test=test)
        data = prepared(config).series
        if isinstance(validation, float) and validation > 0.5:
            assert (data.validation, data.test) == (30, 108)
        else:
            assert (data.validation, data.test) == (78, 108), (validation, test)


def test_nothing_after_the_training_part_is_learned_from(file):
    one, two = (prepared(file(change)) for change in (lambda values: None, tail(84)))
    a = one.series.validation
    assert a == two.series.validation == 84
    assert one.learned.scaling == two.learned.scaling and one.learned.means == two.learned.means
    for epoch in (0, 7):
        for x, y in zip(one.batches(epoch), two.batches(epoch), strict=True):
            np.testing.assert_array_equal(x.inputs, y.inputs)
            np.testing.assert_array_equal(x.targets, y.targets)
    three = prepared(file(tail(83)))
    assert one.learned.scaling != three.learned.scaling


def test_scaling_is_of_the_training_part(file):
    data = prepared(file()).series
    part = data.series.values[: data.validation]
    scaling = data.learned.scaling
    np.testing.assert_allclose(scaling.shift, part.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaling.scale, part.std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("fill", ["refuse", "previous", "linear", "mean"])
def test_a_forecast_is_the_same_whatever_comes_after_it(network, fill, file):
    def gaps(values):
        if fill != "refuse":
            values[[5, 40, 41, 88, 99, 100, 101], [0, 1, 1, 0, 0, 1, 2]] = np.nan

    def other(values):
        gaps(values)
        values[102:] = 1000.0

    one, two = (prepared(file(change, network=network, fill=fill)) for change in (gaps, other))
    for x, y in zip(one.forecast(102, 5)[1:4], two.forecast(102, 5)[1:4], strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.array_equal(one.forecast(103)[1], two.forecast(103)[1])


@pytest.mark.parametrize("network", NETWORKS)
def test_columns_known_in_advance_are_seen_and_held_ones_are_not(network, file):
    def later(values):
        values[102:, 1:] += 1.0

    for future in ("held", "known"):
        one, two = (
            prepared(file(change, network=network, future=future)).forecast(102, 3).network
            for change in (lambda values: None, later)
        )
        assert np.array_equal(one, two) == (future == "held")


def test_held_columns_enter_a_row_late(file):
    for future, shift in (("held", 1), ("known", 0)):
        data = prepared(file(future=future)).series
        scaled = data.learned.scaling.apply(data.filled)
        np.testing.assert_array_equal(data.rows[:, 0], scaled[:, 0])
        np.testing.assert_array_equal(data.rows[shift:, 1:], scaled[: 120 - shift, 1:])
        extra = data.extra(100, 3, future == "known")
        expected = scaled[[99] * 3] if shift else scaled[100:103]
        np.testing.assert_array_equal(extra, expected[:, 1:])


# Windows ------------------------------------------------------------------------------------------


def test_an_epoch_asks_for_every_row_about_once(file):
    task = prepared(file(batch=2))
    asked = np.zeros(120)
    for epoch in range(200):
        for batch in task.batches(epoch):
            assert batch.fresh and batch.inputs.shape[0] == 20 and batch.size <= 2
            assert np.isnan(batch.targets[:3]).all() and batch.count == 17 * batch.size
            for b in range(batch.size):
                first = np.flatnonzero((task.series.rows == batch.inputs[0, b]).all(axis=1))[0]
                np.testing.assert_array_equal(batch.inputs[:, b], task.series.rows[first:][:20])
                expected = task.series.targets[first + 3 : first + 20]
                np.testing.assert_array_equal(batch.targets[3:, b, 0], expected)
                asked[first + 3 : first + 20] += 1
    assert (asked[84:] == 0).all() and (asked[:3] == 0).all()
    assert asked[3:84].min() > 5 and 0.8 < asked[25:60].mean() / 200 < 1.2


def test_a_batch_depends_on_seed_epoch_and_place_alone(file):
    one, two = prepared(file(batch=1)), prepared(file(batch=1))
    batches = one.batches(3)
    np.testing.assert_array_equal(batches[2].inputs, two.batches(3)[2].inputs)
    np.testing.assert_array_equal(batches[2].inputs, batches[2].inputs)
    other = prepared(file(batch=1, seed=1)).batches(3)
    assert any((x.inputs != y.inputs).any() for x, y in zip(batches, other, strict=False))


def test_missing_targets_are_not_asked_for_and_no_batch_asks_for_nothing(file):
    def few(values):
        values[1:60, 0] = np.nan

    task = prepared(file(few, fill="previous", batch=1))
    for epoch in range(50):
        for batch in task.batches(epoch):
            assert 0 < batch.count <= 17
    data = task.series
    assert np.isnan(data.targets[1:60]).all() and np.isfinite(data.rows).all()


def test_the_loss_is_the_mean_over_what_is_asked(file):
    task = prepared(file())
    batch = task.batches(0)[0]
    batch.targets[10, 0] = np.nan
    loss, state = task.loss(batch, None)
    with no_grad():
        said = task.model(batch.inputs)[0].numpy()
    assert state is None
    assert loss.item() == pytest.approx(np.nanmean((said - batch.targets) ** 2), rel=1e-12)
    loss.backward()
    assert all(np.isfinite(p.grad.numpy()).all() for p in task.model.parameters())


# Figures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["narx", "lstm"])
def test_figures_are_what_one_computes_by_hand(network, file):
    config = file(network=network, season=2)
    task = prepared(config)
    data, figures = task.series, task.evaluate()
    assert figures == task.evaluate()
    a, b, y = data.validation, data.test, data.truth
    mean, scale = data.scaling.shift[0], data.scaling.scale[0]
    said = open_loop(task.model, data.rows, a, config.sequence)
    loss = np.mean((said[: b - a] - (y[a:b] - mean) / scale) ** 2)
    assert figures["loss"] == pytest.approx(loss, rel=1e-12)
    own = said[b - a :] * scale + mean
    assert figures["rmse"] == pytest.approx(rmse(own, y[b:]), rel=1e-12)
    assert figures["arv"] == pytest.approx(np.mean((own - y[b:]) ** 2) / y[b:].var(), rel=1e-12)
    linear, naive = task.learned.autoregression, Naive(2)
    assert figures["ar_rmse"] == pytest.approx(rmse(linear.one_step(y)[b:], y[b:]), rel=1e-12)
    assert figures["naive_rmse"] == pytest.approx(rmse(y[b - 2 : -2], y[b:]), rel=1e-12)
    squares = {"": [], "ar_": [], "naive_": []}
    for origin in range(b, 120 - 4 + 1):
        shown = task.forecast(origin)
        for prefix, values in zip(squares, shown[1:4], strict=True):
            squares[prefix].append((values - y[origin : origin + 4]) ** 2)
        np.testing.assert_allclose(shown.autoregression, linear.closed_loop(y[:origin], 4))
        np.testing.assert_array_equal(shown.naive, naive.closed_loop(y[:origin], 4))
        np.testing.assert_array_equal(shown.truth, y[origin : origin + 4])
    for prefix, errors in squares.items():
        assert figures[f"{prefix}closed_loop_rmse"] == pytest.approx(np.sqrt(np.mean(errors)))
    baselines = task.baselines()
    assert baselines["2 rows ago"] == pytest.approx(
        np.mean((y[a - 2 : b - 2] - y[a:b]) ** 2) / scale**2
    )


@pytest.mark.parametrize("network", ["narx", "lstm"])
def test_figures_and_gradients_are_the_same_on_another_backend(network, file):
    config, found = file(network=network), []
    for name in ("numpy", "strict"):
        with backend.use(name):
            task = prepared(config)
            loss, _ = task.loss(task.batches(0)[0], None)
            loss.backward()
            grads = [backend.to_numpy(p.grad.data) for p in task.model.parameters()]
            found.append((loss.item(), task.evaluate(), task.forecast().network, grads))
    (loss, figures, said, grads), other = found
    assert loss == pytest.approx(other[0], rel=1e-12) and figures == pytest.approx(other[1])
    np.testing.assert_allclose(said, other[2], rtol=1e-10)
    for one, two in zip(grads, other[3], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-14)


class Diverging(Forecaster):
    """0 for the 20 rows of context and 5 more, or up to the last step in closed loop; then nan."""

    def forward(self, rows, state=None):
        p = np.zeros((len(rows), rows.shape[1], 1))
        p[25:] = np.nan
        return Tensor(p), state

    def closed_loop(self, extra, state):
        p = np.zeros((len(extra), extra.shape[1], 1))
        p[-1] = np.nan
        return Tensor(p)


def test_a_forecast_that_is_not_a_number_is_not_passed_over(file):
    config = file()
    figures = judge(Diverging(), prepared(config).series, config).figures
    assert np.isnan(figures["loss"]) and "ar_closed_loop_rmse" in figures
    assert "rmse" not in figures and "closed_loop_rmse" not in figures


def test_every_known_value_counts_alike_in_closed_loop(file):
    def gap(values):
        values[112:118, 0] = np.nan

    config = file(gap, fill="previous")
    data = prepared(config).series
    found = judge(model("narx"), data, config).figures["naive_closed_loop_rmse"]
    said, truth = (
        np.array([values[origin + shift] for origin in range(data.test, 117) for shift in shifts])
        for values, shifts in ((data.past, [-1] * 4), (data.truth, range(4)))
    )
    assert found == pytest.approx(rmse(said, truth), rel=1e-12)


def test_the_test_is_judged_but_judges_nothing(file):
    one, two = (prepared(file(change)).evaluate() for change in (lambda values: None, tail(102)))
    assert one["loss"] == two["loss"] and one["rmse"] != two["rmse"]


def test_training_beats_the_naive_rule_and_the_report_is_honest():
    config = ForecastConfig.of({"steps": 150, "weight_decay": 0.01})
    task = prepared(config)
    params = task.model.parameters()
    trainer = Trainer(task, optim.Adam(params, 0.01, weight_decay=0.01), validate_every=50)
    trainer.run(steps=150)
    figures = task.evaluate()
    assert figures["rmse"] < 0.8 * figures["naive_rmse"]
    assert figures["closed_loop_rmse"] < 0.7 * figures["naive_closed_loop_rmse"]
    report = task.report(figures)
    assert "sunspots, 1963 to 2008: 46 rows" in report and "AR(9)" in report
    assert f"{figures['rmse']:.4g}" in report and f"{figures['ar_closed_loop_rmse']:.4g}" in report
    worse = task.report(figures | {"rmse": 20.0, "closed_loop_rmse": 10.0})
    assert "One step ahead AR(9) is better: it errs 13% less" in worse
    assert "in closed loop narx errs 68% less than AR(9)" in worse


def test_a_report_says_when_the_network_was_told_more_than_the_others(file):
    for future in ("held", "known"):
        task = prepared(file(future=future))
        report = task.report(task.evaluate())
        assert ("narx was given x, z of the rows it forecast" in report) == (future == "known")


def test_a_constant_test_has_no_relative_variance(file):
    def still(values):
        values[102:, 0] = 3.0

    task = prepared(file(still))
    figures = task.evaluate()
    assert "arv" not in figures and np.isfinite(list(figures.values())).all()
    task.report(figures)


# Facts, other files, pictures ---------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
def test_a_restored_task_forecasts_the_same(network, file):
    config = file(network=network)
    task = prepared(config)
    restored = ForecastTask.restore(config, json.loads(json.dumps(task.facts())))
    with pytest.raises(DataError, match="there is no series yet"):
        restored.evaluate()
    restored.model.load_state_dict(task.model.state_dict())
    restored.read(None)
    assert restored.evaluate() == task.evaluate()
    np.testing.assert_array_equal(restored.forecast()[1], task.forecast()[1])


def test_another_file_is_scaled_as_the_first_and_judged_as_a_whole(file):
    task = prepared(file())
    other = file(lambda values: values.__imul__(2))
    learned = task.learned
    task.read(other.data)
    data = task.series
    assert task.learned == learned == data.learned and data.validation == data.test == 20
    np.testing.assert_allclose(data.filled, 2 * prepared(file()).series.filled)
    figures = task.evaluate()
    assert figures["loss"] * data.scaling.scale[0] ** 2 == pytest.approx(figures["rmse"] ** 2)
    assert "neither" not in task.report(figures)


def test_a_file_that_has_grown_keeps_its_parts(file):
    config = file()
    task = prepared(config)
    with open(config.data, "a") as more:
        more.write("\n2020,1,2,3\n2021,1,2,3\n")
    restored = ForecastTask.restore(config, task.facts())
    restored.read(None)
    assert len(restored.series) == 122
    assert (restored.series.validation, restored.series.test) == (84, 102)
    assert restored.forecast().labels == ("2022", "2023", "2024", "2025")


@pytest.mark.parametrize(
    "change",
    [{"means": None}, {"means": [1]}, {"names": []}, {"scaling": {}}, {"autoregression": {}},
     {"test": 3}, {"validation": "x"}],
    ids=str,
)  # fmt: skip
def test_facts_of_no_forecast_are_refused(change, file):
    config = file()
    facts = prepared(config).facts()
    with pytest.raises(DataError):
        ForecastTask.restore(config, facts | change)


def test_a_newer_file_is_judged_by_what_is_new_in_it(file):
    task = prepared(file())
    lines = pathlib.Path(task.config.data).read_text().split("\n")
    path = pathlib.Path(task.config.data).with_name("newer.csv")

    def read(rows):
        path.write_text("\n".join([lines[0], *rows]))
        task.read(str(path))
        return task.report(task.evaluate()).split("\n")[0], task.series

    more = [f"{2020 + t},1,{t},3" for t in range(5)]
    told, data = read([*lines[1:], *more])
    assert (data.seen, data.validation, data.test, len(data)) == (102, 102, 102, 125)
    assert told == "y, 2002 to 2024: 23 rows after the 102 that it learned from or was chosen by."
    told, data = read([*lines[61:], *more])  # it begins later
    assert told == "y, 2002 to 2024: 23 rows after the 42 that it learned from or was chosen by."
    told, data = read(lines[1:105])  # nothing new that is long enough
    assert (data.seen, data.test) == (102, 20)
    assert told.endswith(
        "84 rows after 20 rows that it sees first; 82 of them it learned from or was chosen by."
    )
    told, data = read([f"{1990 + t},1,{t},3" for t in range(25)])  # of the same years
    assert data.seen == 0 and told.endswith("5 rows after 20 rows that it sees first.")
    task.read(None)
    assert (task.series.seen, task.series.test) == (102, 102)


def test_steps_of_time_that_differ_are_noted(file):
    task = prepared(file())
    assert "steps of time" not in task.report(task.evaluate())
    path = pathlib.Path(task.config.data)
    path.write_text(path.read_text().replace("\n2019,", "\n2021,"))
    told = prepared(task.config).report({})
    assert "1 of 119 steps of time is not as long as the others: from 2018 to 2021. To the" in told


def test_what_a_run_reads_is_known(file):
    config = file()
    assert prepared(config).sources() == [config.data]
    assert prepared(ForecastConfig.of({})).sources() == []


@pytest.mark.parametrize("svg", [False, True])
def test_the_picture_shows_all_forecasts(svg, tmp_path, file):
    task = prepared(file(svg=svg))
    expected = ["forecast.png", "forecast.svg"] if svg else ["forecast.png"]
    (tmp_path / "run").mkdir()
    assert task.finish(tmp_path / "run") == expected
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == expected
    assert (tmp_path / "run" / "forecast.png").read_bytes().startswith(b"\x89PNG")
    if svg:
        drawn = (tmp_path / "run" / "forecast.svg").read_text("utf-8")
        order = task.learned.autoregression.order
        for name in ("truth", "narx", f"AR({order})", "last value", "steps ahead"):
            assert name in drawn


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, told",
    [
        pytest.param({"layers": 2}, "layers: 2 came, but a narx", id="layers"),
        pytest.param({"sequence": 9}, "sequence: windows of 9 rows .* first 9", id="sequence"),
        pytest.param({"target": "y", "columns": ["y"]}, "columns: y is the target", id="target"),
        pytest.param({"test": "0"}, "test: '0' is no share", id="share 0"),
        pytest.param({"test": 1.5}, "test: 1.5 is no share", id="share 1.5"),
        pytest.param({"test": True}, "test: True is no share", id="share true"),
        pytest.param({"fill": "zero"}, "fill: 'zero' is none of refuse, previous", id="fill"),
        pytest.param({"network": "esn"}, "network: 'esn' is none of narx", id="network"),
    ],
)
def test_options_that_do_not_go_together_are_told(options, told):
    with pytest.raises(RunError, match=told):
        ForecastConfig.of(options)


@pytest.mark.parametrize(
    "options, told",
    [
        pytest.param({"target": None, "columns": None}, "has the columns y, x, z; say", id="which"),
        pytest.param({"target": "w"}, "has no column 'w'", id="no column"),
        pytest.param({"test": "2050"}, "has no row 2050", id="no row"),
        pytest.param(
            {"validation": "2015"}, "row 116 and those to test by with row 103", id="order"
        ),
        pytest.param({"horizon": 19}, "last 18 test; a forecast of 19", id="horizon"),
        pytest.param(
            {"validation": 0.84}, "the first 1 are left to learn from; at least 4", id="few"
        ),
        pytest.param({"season": 85}, "the first 84 are left .* at least 85", id="season"),
    ],
)
def test_series_that_are_too_short_for_the_options_are_told(options, told, file):
    with pytest.raises(DataError, match=told):
        prepared(file(**options))


def test_values_there_is_nothing_to_learn_from_are_told(file):
    def still(values):
        values[:84, 0] = 3.0

    def none(values):
        values[102:, 0] = np.nan

    with pytest.raises(DataError, match="'y' is 3 in all of the first 84 rows"):
        prepared(file(still))
    with pytest.raises(DataError, match="103 to 120 are to test by, and 'y' is missing in all"):
        prepared(file(none, fill="previous"))
    with pytest.raises(DataError, match="line 104, column 'y': the value is missing"):
        prepared(file(none))


def test_a_forecast_begins_where_enough_comes_before_and_known_columns_are_known(file):
    task = prepared(file(future="known"))
    with pytest.raises(
        DataError,
        match="row 2 \\(1901\\); .* row [0-9]+ \\(19[0-9]+\\) to 120 \\(2019\\), or after",
    ):
        task.forecast(1)
    with pytest.raises(DataError, match="takes x, z to be known up to row 124; there are 120"):
        task.forecast()
    assert len(task.forecast(116).network) == 4


def test_a_file_that_has_lost_its_test_is_told(file):
    task = prepared(file())
    path = pathlib.Path(task.config.data)
    path.write_text("\n".join(path.read_text().split("\n")[:60]))
    with pytest.raises(DataError, match="has 59 rows; when .* it had more than 102"):
        task.read(None)


def test_a_column_that_is_constant_is_told_and_does_no_harm(file):
    def still(values):
        values[:90, 2] = 7.0

    task = prepared(file(still))
    assert "z: constant where it learned" in task.report(task.evaluate())


def test_the_options_by_themselves_are_a_whole_task():
    task = prepared(ForecastConfig.of({}))
    assert dataclasses.asdict(task.config)["data"] == "sunspots"
    assert len(task.series) == len(shipped("sunspots")) and task.judged_by in task.evaluate()
