"""Sweeps: what they try, the processes they try it in, and that nothing that ended is lost."""

import dataclasses
import math
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.config import Config, number, option
from minitorch_rnn.training.sweep import pools
from minitorch_rnn.training.sweep.plan import combinations, draws, read_plan


@pytest.fixture
def plan(tmp_path):
    """The plan of a file with this content."""

    def read(content, kind=Config):
        path = tmp_path / "sweep.toml"
        path.write_text(content, encoding="utf-8")
        return read_plan(path, lambda task: kind)

    return read


# What is tried ------------------------------------------------------------------------------------


def test_a_grid_holds_every_combination_once(plan):
    found = plan("steps = 7\n[grid]\nlr = [0.1, 0.2]\nlayers = [1, 2, 3]")
    assert [trial.varied for trial in found.trials] == [
        {"lr": lr, "layers": layers} for lr in (0.1, 0.2) for layers in (1, 2, 3)
    ]
    assert [trial.name for trial in found.trials][::5] == ["trial-0001", "trial-0006"]
    assert {trial.config.steps for trial in found.trials} == {7}
    assert (found.trials[4].config.lr, found.trials[4].config.layers) == (0.2, 2)
    assert found.varied == ("lr", "layers")


def test_the_clock_ends_a_trial_only_if_the_file_says_so(plan):
    one = dataclasses.make_dataclass(
        "Short", [("seconds", float, option(50.0, "a limit", number))], bases=(Config,),
        frozen=True, kw_only=True,
    )  # fmt: skip
    assert plan("seeds = 2", one).trials[0].config.seconds > 1e8
    assert plan("seeds = 2\nseconds = 3", one).trials[0].config.seconds == 3
    assert plan("[grid]\nseconds = [4, 5]", one).trials[1].config.seconds == 5


def test_an_empty_grid_is_one_place():
    assert list(combinations({})) == [{}]


def test_drawn_numbers_lie_in_their_range_and_even_in_their_scale():
    entry = {"lr": {"low": 1e-4, "high": 1.0, "log": True}, "clip": {"low": 1, "high": 3}}
    drawn = draws(entry, 2000, 0)
    rates, clips = ([one[name] for one in drawn] for name in entry)
    assert min(rates) >= 1e-4 and max(rates) <= 1 and min(clips) >= 1 and max(clips) <= 3
    # Half of them lie below the middle: 1000, give or take five times sqrt(2000) / 2.
    assert abs(sum(rate < 0.01 for rate in rates) - 1000) < 112
    assert abs(sum(clip < 2 for clip in clips) - 1000) < 112
    assert all(rate == float(f"{rate:.4g}") for rate in rates)


@pytest.mark.parametrize("log", [False, True])
def test_drawn_whole_numbers_reach_both_ends(log):
    drawn = draws({"layers": {"low": 1, "high": 4, "log": log, "whole": True}}, 3000, 0)
    values = [one["layers"] for one in drawn]
    assert set(values) == {1, 2, 3, 4} and all(type(value) is int for value in values)
    # Each has a share of its own of the scale: an end is not half as likely as its neighbour.
    lows = [math.log(n - 0.5) if log else n for n in (1, 2, 3, 4, 5)]
    for n, low, high in zip((1, 2, 3, 4), lows, lows[1:], strict=False):
        share = (high - low) / (lows[-1] - lows[0])
        assert abs(values.count(n) - 3000 * share) < 5 * math.sqrt(3000 * share * (1 - share))


def test_more_draws_and_more_options_leave_those_there_were():
    lr = {"lr": {"low": 0.001, "high": 0.1}}
    few, many = draws(lr, 3, 5), draws({"layers": [1, 2, 3]} | lr, 8, 5)
    assert [one["lr"] for one in many[:3]] == [one["lr"] for one in few]
    assert few != draws(lr, 3, 6)


def test_two_options_are_drawn_on_their_own():
    entry = {"low": 0.001, "high": 0.1}
    drawn = draws({"lr": entry, "weight_decay": entry}, 5, 0)
    assert all(one["lr"] != one["weight_decay"] for one in drawn)


def test_each_draw_is_tried_at_each_place_of_the_grid_with_each_seed(plan):
    found = plan(
        "seeds = 2\nseed = 3\n[grid]\nlayers = [1, 2]\n"
        "[random]\ntrials = 3\nlr = {low = 0.1, high = 0.9}"
    )
    varied = [trial.varied for trial in found.trials]
    assert len(varied) == 12 and found.varied == ("layers", "lr", "seed")
    assert [one["seed"] for one in varied] == [3] * 6 + [4] * 6
    assert [one["lr"] for one in varied[:6]] == [one["lr"] for one in varied[6:]]
    assert varied[0]["lr"] == varied[1]["lr"] != varied[2]["lr"]
    assert [trial.config.seed for trial in found.trials] == [one["seed"] for one in varied]


@pytest.mark.parametrize(
    "content, told",
    [
        ("steps = 3", "sweep.toml: there is nothing to vary"),
        ("[grid]\nlr = 0.1", r"\[grid\] lr: 0.1 is not a list"),
        ("[grid]\nlr = []", r"\[grid\] lr: \[\] is not a list"),
        ("[grid]\nlr = [0.1, -1]", "trial-0002: lr: -1 is not a number above 0"),
        ("[grid]\nlearning = [1]", "trial-0001: learning: there is no such option"),
        ("hiden = 3\n[grid]\nlr = [1]", "trial-0001: hiden.*did you mean hidden"),
        ("lr = 1\n[grid]\nlr = [1]", "lr: stands above the tables and in .grid."),
        ("[grid]\nlr = [1]\n[random]\ntrials = 1\nlr = [1]", "lr: stands in .grid. and in .rand"),
        ("seeds = 2\n[grid]\nseed = [1]", "seed: stands in .grid. and in seeds"),
        ("seeds = 0", "seeds: 0 is not a whole number from 1"),
        ("seeds = true", "seeds: True is not a whole number from 1"),
        ("grid = 3", "grid: 3 is not a table"),
        ("[gird]\nlr = [1]", r"\[gird\]: there is no such table; did you mean \[grid\]\?"),
        ("seeds = 2\n[lr]\nlow = 1", r"\[lr\]: there is no such table; known are \[grid\] and"),
        ("task = 3\nseeds = 2", "task: 3 is not the name"),
        ("[random]\ntrials = 3", r"\[random\]: there is no option"),
        ("[random]\nlr = [1]", r"\[random\]: trials = 20 is needed"),
        ("[random]\ntrials = -1\nlr = [1]", "trials: -1 is not a whole number"),
        ("[random]\ntrials = 1\nseed = -1\nlr = [1]", "seed: -1 is not a whole number"),
        ("[random]\ntrials = 1\nlr = []", r"\[random\] lr: the list to choose from is empty"),
        ("[random]\ntrials = 1\nlr = 3", r"\[random\] lr: 3 is neither a list"),
        ("[random]\ntrials = 1\nlr = {low = 1}", "lr: .* is neither a list"),
        ("[random]\ntrials = 1\nlr = {low = 1, high = 2, lgo = true}", "lr: .* is neither"),
        ("[random]\ntrials = 1\nlr = {low = 2, high = 1}", "low must be at most high"),
        ("[random]\ntrials = 1\nlr = {low = nan, high = 1}", "low must be at most high"),
        ("[random]\ntrials = 1\nlr = {low = 0, high = inf}", "high = inf is not a number"),
        ("[random]\ntrials = 1\nlr = {low = 0, high = 1, log = true}", "low must be above 0"),
        ("[random]\ntrials = 1\nlr = {low = 0, high = 1, log = 1}", "log = 1 is neither true"),
        ("[random]\ntrials = 1\nlr = {low = '0', high = 1}", "low = '0' is not a number"),
        (
            "[random]\ntrials = 1\nlayers = {low = 1.5, high = 3, whole = true}",
            "low = 1.5 is not a whole number",
        ),
        ("[random]\ntrials = 10000\nlr = [1]", "these are 10,000 trials; a sweep has up to 9,999"),
        ("[grid]\nlr = [1, 2]\n[random]\ntrials = 999999999\nlayers = [1]", "trials; a sweep has"),
        ("steps = ", "sweep.toml: is no TOML file"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_before_anything_starts(plan, content, told):
    with pytest.raises(RunError, match=told):
        plan(content)


# Where it is tried --------------------------------------------------------------------------------


def threads(size):
    return pools.Pool(size, lambda: ThreadPoolExecutor(1))


def test_a_pool_does_all_jobs_and_as_many_at_once_as_it_has_places():
    together = threading.Barrier(3)
    pool = threads(3)
    found = sorted(pools.done(pool, lambda job: (together.wait(9), job)[1], range(6), bool))
    assert found == [(job, job) for job in range(6)]


def test_no_job_begins_after_the_sweep_is_told_to_stop():
    begun = []
    list(pools.done(threads(1), begun.append, range(9), lambda: len(begun) >= 2))
    assert begun == [0, 1]


def test_a_job_that_kills_its_process_is_given_up_and_takes_no_other_with_it(monkeypatch):
    monkeypatch.setattr(pools, "TRIES", 2)
    with pools.processes(2) as pool:
        jobs = ["2 + 2", "__import__('signal').raise_signal(9)", "3 + 3"]
        found = dict(pools.done(pool, eval, jobs, lambda: False))
    assert found == dict(zip(jobs, (4, None, 6), strict=True))
    assert multiprocessing.active_children() == []


def test_a_process_that_dies_between_two_jobs_is_replaced():
    with pools.processes(1) as pool:
        ((_, first),) = pools.done(pool, eval, ["__import__('os').getpid()"], lambda: False)
        os.kill(first, signal.SIGKILL)
        ((_, second),) = pools.done(pool, eval, ["__import__('os').getpid()"], lambda: False)
    assert second not in (first, None)


def test_processes_end_at_once_when_they_are_ordered_to():
    with pools.processes(1) as pool:
        running = pool.submit(0, time.sleep, 60)
        while not running.running():
            time.sleep(0.01)
        pool.order(pools.LEAVE)
        with pytest.raises(pools.BrokenExecutor):
            running.result(timeout=20)
