"""Curves: pictures of any length of training, with what is judged, the gaps and the baselines."""

import struct
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from small_tasks import RunningSums, trainer_of

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.reporting import (
    METRICS,
    Curves,
    Metrics,
    curves,
    draw_curves,
    read_metrics,
    save_curves,
)


def told(picture):
    """The texts in an SVG."""
    return [
        "".join(found.itertext()).strip()
        for found in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    ]


def lines(picture):
    """How many paths of an SVG are drawn with each of its colours."""
    styles = [
        found.get("style", "")
        for found in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}path")
    ]
    return {
        name: sum(f"stroke: {colour}" in style for style in styles)
        for name, colour in {"each": "#cccccc", "mean": "#1f77b4", "held out": "#b3470a"}.items()
    }


LENGTHS = [
    pytest.param(Curves.of([]), id="0 steps"),
    pytest.param(Curves.of([1], loss=[2.0], lr=[0.1]), id="1 step"),
    pytest.param(
        Curves.of([1, 2], loss=[2.0, 1.5], lr=[0.1, 0.2], figures={"loss": ([2], [1.4])}),
        id="2 steps",
    ),
    pytest.param(Curves.of([], figures={"loss": ([0], [1.4])}), id="a validation alone"),
    pytest.param(
        Curves.of([1, 2, 3], loss=[np.nan, np.inf, np.nan], figures={"loss": ([3], [np.nan])}),
        id="nothing finite",
    ),
    pytest.param(Curves.of([1, 2], loss=[0.0, 0.0]), id="all zero"),
    pytest.param(Curves.of([1, 2, 3], loss=[1.0, -1e300, 1e300]), id="enormous"),
    pytest.param(
        Curves.of(np.arange(1, 501), loss=np.ones(500), skipped=np.arange(100, 400)), id="skipped"
    ),
]


@pytest.mark.parametrize("found", LENGTHS)
def test_any_training_has_a_picture(found):
    assert {"training step", "naive"} <= set(
        told(draw_curves(found, "svg", baselines={"naive": 1}))
    )


def test_what_is_judged_is_drawn_over_the_losses_if_it_is_a_multiple_of_them():
    found = Curves.of(
        [1, 2, 3, 4],
        loss=[4.0, 3.0, 2.0, 2.0],
        figures={"bits": ([2, 3, 4], [5.0, 4.25, 4.5]), "loss": ([2, 3, 4], [3.5, 2.9, 3.1])},
    )
    over = told(draw_curves(found, "svg", "bits", 1.44, {"frequencies alone": 6.0}))
    assert "bits" in over and "loss" not in over
    assert {"best: 4.25 at step 3", "frequencies alone", "each step", "held out"} <= set(over)
    below = draw_curves(found, "svg", "bits")
    assert {"bits", "loss", "best: 4.25 at step 3"} <= set(told(below))
    # Held-out losses have a line over the losses then, beside the one of what is judged.
    assert lines(below)["held out"] > lines(draw_curves(found, "svg", "bits", 1.44))["held out"]


def test_the_first_of_equal_validations_is_the_best_and_nan_is_none():
    found = Curves.of([1], loss=[1.0], figures={"loss": ([1, 2, 3, 4], [np.nan, 2.0, 2.0, 3.0])})
    assert "best: 2 at step 2" in told(draw_curves(found, "svg"))


def test_the_learning_rate_is_drawn_if_it_changes():
    steps = np.arange(1, 10)
    for rates, drawn in [(np.full(9, 0.1), False), (0.1 / steps, True)]:
        texts = told(draw_curves(Curves.of(steps, loss=1 / steps, lr=rates), "svg"))
        assert (("learning" in " ".join(texts)) == drawn) and "training step" in texts


def test_losses_of_skipped_steps_are_marked_and_not_drawn():
    loss = np.ones(100)
    loss[50] = 1e30
    found = Curves.of(np.arange(1, 101), loss=loss, skipped=[51])
    texts = told(draw_curves(found, "svg"))
    assert "skipped (1)" in texts and "1.0" in texts  # the axis ends near 1


def test_a_great_spread_has_an_axis_of_powers():
    steps = np.arange(1, 100)
    spread = draw_curves(Curves.of(steps, loss=10.0 ** (-steps / 20)), "svg")
    assert "1 0 − 3" in [" ".join(text.split()) for text in told(spread)]


# Long trainings -----------------------------------------------------------------------------------


def test_a_million_steps_are_a_small_file():
    steps = np.arange(1, 10**6 + 1)
    loss = 1 + np.random.default_rng(0).random(10**6)
    found = Curves.of(steps, loss=loss, lr=loss, figures={"loss": (steps, loss)})
    assert len(draw_curves(found, "svg")) < 400_000


@pytest.mark.parametrize("n", [0, 1, 999, 1000, 1001, 2000, 2001, 2999, 54321])
def test_a_thinned_line_keeps_its_extremes_its_ends_and_its_gaps(n):
    rng = np.random.default_rng(n)
    x, y = np.arange(1, n + 1), rng.normal(size=n)
    y[n // 3 : n // 2] = np.nan
    line = curves.thinned(x, y)
    assert len(line.x) == len(line.y) <= 2000 and (np.diff(line.x) >= 0).all()
    if n > 1:
        assert np.nanmax(line.y) == np.nanmax(y) and np.nanmin(line.y) == np.nanmin(y)
        assert line.x[0] == 1 and np.isnan(line.y).any() == np.isnan(y).any()
    size = max(1, -(-n // 1000))
    for i, value in zip(line.x, line.y, strict=True):  # each from its part of the line
        assert np.isnan(value) or value in y[max(0, i - 1 - size) : i + size]


@pytest.mark.parametrize("n", [1, 7, 99, 100, 999, 1000])
def test_a_running_mean_is_the_mean(n):
    rng = np.random.default_rng(n)
    x, y = np.arange(1, n + 1), rng.normal(size=n)
    y[rng.random(n) < 0.2] = np.nan
    line, width = curves.running_mean(x, y)
    assert width == max(1, n // 50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nothing but nan
        expected = [np.nanmean(y[i - width : i]) for i in range(width, n + 1)]
    np.testing.assert_array_equal(line.x, x[width - 1 :])
    np.testing.assert_allclose(line.y, expected, rtol=1e-10, atol=1e-12)


def test_a_running_mean_of_many_steps_is_the_mean_and_forgets_a_huge_value():
    n = 54321
    x, y = np.arange(1, n + 1), np.random.default_rng(0).normal(size=n)
    y[5] = 1e30
    line, width = curves.running_mean(x, y)
    ends = line.x[:-1]  # the last part is shorter
    expected = [y[end - width : end].mean() for end in ends]
    np.testing.assert_allclose(line.y[:-1], expected, rtol=1e-10, atol=1e-12)
    assert line.x[-1] == n


# Pictures -----------------------------------------------------------------------------------------

SHORT = Curves.of([1, 2, 3], loss=[3.0, 2.0, 1.5], figures={"loss": ([3], [1.4])})


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_curves_are_the_same_bytes_whatever_style_is_chosen(kind):
    before = draw_curves(SHORT, kind)
    if kind == "png":
        assert before[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">I", before[16:20]) == (900,)
    with matplotlib.rc_context({"lines.linewidth": 9, "figure.facecolor": "red"}):
        assert draw_curves(SHORT, kind) == before
        assert matplotlib.rcParams["lines.linewidth"] == 9


def test_without_matplotlib_the_line_that_installs_it_is_told(monkeypatch):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RunError, match=r"matplotlib is needed; install .* pip install"):
        draw_curves(SHORT)


# A run folder -------------------------------------------------------------------------------------


class Judged(RunningSums):
    judged_by = "largest_error"

    def evaluate(self):
        return {"largest_error": 0.5, **super().evaluate()}

    def baselines(self):
        return {"none": 1.0}


def test_a_run_has_its_curves_beside_its_metrics(tmp_path):
    task = Judged()
    trainer_of(task).run(steps=10, callbacks=[Metrics(tmp_path)])
    assert save_curves(tmp_path, task) == ["loss.png"]
    assert save_curves(tmp_path, task, svg=True) == ["loss.png", "loss.svg"]
    texts = told((tmp_path / "loss.svg").read_bytes())
    assert {"largest error", "loss", "none", "best: 0.5 at step 5"} <= set(texts)
    png = draw_curves(read_metrics(tmp_path / METRICS), "png", "largest_error", None, {"none": 1.0})
    assert (tmp_path / "loss.png").read_bytes() == png


@pytest.mark.parametrize("metrics", [None, b"no JSON\n{}\n"], ids=["missing", "damaged"])
def test_without_whole_metrics_there_is_a_line_and_no_picture(metrics, tmp_path, capsys):
    if metrics:
        (tmp_path / METRICS).write_bytes(metrics)
    assert save_curves(tmp_path, RunningSums()) == []
    assert capsys.readouterr().err.startswith(f"no curves were drawn: {tmp_path / METRICS}: ")


def test_a_picture_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / METRICS).write_text("")
    (tmp_path / "loss.png").mkdir()
    assert save_curves(tmp_path, RunningSums()) == []
    assert "no curves were drawn" in capsys.readouterr().err
