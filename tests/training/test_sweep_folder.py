"""The folder of a sweep: whatever ends it, the next one goes on and comes to the same table."""

import csv
import json
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Executor, Future

import pytest

from minitorch_rnn.errors import RunError
from minitorch_rnn.training import session
from minitorch_rnn.training.lock import locked
from minitorch_rnn.training.run import Run
from minitorch_rnn.training.sweep import (
    Result,
    Sweep,
    best_first,
    csv_of,
    over_seeds,
    pools,
    read_plan,
    sweep,
    trials,
)
from minitorch_rnn.training.tasks import task_of

TEXT = "the cat sat on the mat. " * 30
SMALL = "hidden = 4\nbatch = 2\nsequence = 10\nsteps = 3\n"
GRID = SMALL + "[grid]\nlr = [0.01, 0.1]\n"


class Here(Executor):
    """Does what it is given at once, in this process."""

    def submit(self, function, /, *args):
        future = Future()
        future.set_result(function(*args))
        return future


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def planned(tmp_path, book):
    """The sweep that a file of this content describes."""

    def make(content, folder="found"):
        path = tmp_path / "sweep.toml"
        if "text =" not in content:
            content = f"text = '{book}'\n{content}"
        path.write_text(content, encoding="utf-8")
        return Sweep(read_plan(path, lambda task: task_of(task).Config), tmp_path / folder)

    return make


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """The curves of a trial take longer than the trial."""
    monkeypatch.setattr(session.reporting, "save_curves", lambda *given, **options: [])


def run(sweep, **options):
    return sweep.run(pools.Pool(1, Here), **options)


def told(results):
    """All of the table but the clock."""
    return [(r.trial, r.options, r.figure, r.steps, r.status) for r in results]


# Results ------------------------------------------------------------------------------------------


def test_the_best_comes_first_and_what_has_no_figure_last():
    nan = float("nan")
    figures = {"a": 0.5, "b": nan, "c": 0.25, "d": None}
    results = [Result(name, {}, figure, 3, 1.0, "finished") for name, figure in figures.items()]
    results.append(Result("e", {}, 0.1, 3, 1.0, "failed"))
    assert [r.trial for r in best_first(results)] == ["c", "a", "b", "d", "e"]


def test_a_mean_over_seeds_does_not_hide_those_that_failed():
    def trial(lr, seed, figure, status="finished"):
        return Result(f"{lr}-{seed}", {"lr": lr, "seed": seed}, figure, 3, 2.0, status)

    rows = over_seeds(
        [trial(0.1, 0, 0.4), trial(0.1, 1, 0.6), trial(9.0, 0, 0.1), trial(9.0, 1, None, "failed")],
        "loss",
    )
    assert [row["lr"] for row in rows] == [0.1, 9.0]
    assert rows[0]["loss"] == 0.5 and rows[0]["deviation"] == pytest.approx(0.02**0.5)
    assert rows[1] == {
        "lr": 9.0, "loss": 0.1, "deviation": None, "finished": "1 of 2", "seconds": 4.0,
    }  # fmt: skip


def test_the_csv_file_has_every_digit_and_keeps_reasons_whole():
    results = [Result("t", {"cell": 'a "b", c'}, 1 / 3, 3, 1.0, "failed", "line\nline, and line")]
    (row,) = csv.DictReader(csv_of(results, "loss").decode().splitlines(keepends=True))
    assert float(row["loss"]) == 1 / 3 and row["cell"] == 'a "b", c'
    assert row["reason"] == "line\nline, and line"


# A sweep that is left alone -----------------------------------------------------------------------


def test_every_trial_is_a_run_and_the_table_has_its_figure(planned, tmp_path):
    search = planned(GRID)
    results = run(search)
    assert search.ended == "finished" and len(results) == 2
    for result in results:
        found = Run.open(tmp_path / "found" / result.trial)
        assert (found.config.lr, found.status) == (result.options["lr"], "finished")
        assert found.record["figures"]["bits_per_character"] == result.figure
        assert result.steps == 3
    assert results[0].figure < results[1].figure
    rows = list(csv.DictReader((tmp_path / "found" / "table.csv").read_text().splitlines()))
    assert [float(row["bits_per_character"]) for row in rows] == [r.figure for r in results]


def test_the_same_again_runs_nothing_and_tells_the_same(planned):
    first, again, ended = run(planned(GRID)), planned(GRID), []
    assert run(again, told=lambda *result: ended.append(result)) == first
    assert ended == []


def test_more_values_run_what_is_new(planned):
    first, ended = run(planned(GRID)), []
    more = planned(GRID.replace("0.1]", "0.1, 0.2]"))
    results = run(more, told=lambda result, number, of: ended.append((result.trial, number, of)))
    assert ended == [("trial-0003", 3, 3)]
    assert [r for r in results if r.trial != "trial-0003"] == first


@pytest.mark.parametrize(
    "now, name",
    [
        (GRID.replace("0.1]", "0.2]"), "lr: trial-0002 was run with 0.1, now it is 0.2"),
        (GRID.replace("steps = 3", "steps = 4"), "steps: trial-0001 was run with 3, now it is 4"),
        (f"cell = 'gru'\n{GRID}", "cell: trial-0001 was run with 'rnn', now it is 'gru'"),
        (GRID.replace(", 0.1]", "]"), "trial-0002 was run, and is no longer among the 1 planned"),
        ("task = 'tag'\nseeds = 2", "task: trial-0001 was run with 'text', now it is 'tag'"),
    ],
)
def test_what_was_run_must_not_change(planned, now, name):
    run(planned(GRID))
    with pytest.raises(RunError, match=name):
        planned(now + "# text =" if "task" in now else now)


def test_what_was_not_run_may_change(planned, monkeypatch):
    few = planned(GRID)
    monkeypatch.setattr(few, "_jobs", lambda again: [])
    run(few)
    assert [r.options["lr"] for r in run(planned(GRID.replace("0.1]", "0.2]")))] == [0.2, 0.01]


# Trials that fail ---------------------------------------------------------------------------------


def test_a_trial_that_fails_is_recorded_with_its_reason_and_does_not_end_the_sweep(
    planned, book, tmp_path
):
    other = tmp_path / "other.txt"
    grid = SMALL + f"[grid]\ntext = ['{other}', '{book}']\n"
    results = run(planned(grid))
    assert [r.status for r in results] == ["finished", "failed"]
    assert results[1].reason == f"{other}: cannot be read: No such file or directory."
    assert json.loads((tmp_path / "found/sweep.json").read_text())["failed"].keys() == {
        "trial-0001"
    }
    other.write_text(TEXT)
    assert run(planned(grid)) == results  # it is not tried again unasked
    assert [r.status for r in run(planned(grid), retry_failed=True)] == ["finished"] * 2


def test_a_loss_that_is_not_finite_and_a_defect_of_a_task_are_reasons(planned, monkeypatch):
    (result,) = run(planned(SMALL + "[grid]\nlr = [1e39]\n"))
    assert result.status == "failed" and "step 2" in result.reason
    monkeypatch.setattr(trials, "start", lambda *given: 1 // 0)
    (result,) = run(planned(SMALL + "[grid]\nlr = [0.1]\n", "defect"))
    assert result.reason.startswith("ZeroDivisionError")
    monkeypatch.setattr(trials, "start", lambda *given: (_ for _ in ()).throw(MemoryError()))
    (result,) = run(planned(SMALL + "[grid]\nlr = [0.1]\n", "memory"))
    assert result.reason.startswith("out of memory")


def test_a_damaged_run_is_told_and_begun_anew_if_that_is_asked_for(planned, tmp_path):
    first = run(planned(GRID))
    record = tmp_path / "found" / "trial-0002" / "run.json"
    record.write_bytes(record.read_bytes()[:100])
    damaged = run(planned(GRID))
    assert [r.status for r in damaged] == ["finished", "damaged"]
    assert "trial-0002/run.json: is damaged" in damaged[1].reason
    assert told(run(planned(GRID), retry_failed=True)) == told(first)


def test_a_trial_that_failed_and_was_resumed_by_hand_has_finished(planned, tmp_path):
    first = run(planned(GRID))
    book = tmp_path / "found" / "sweep.json"
    failed = {"failed": {"trial-0001": "its process died"}}
    book.write_text(json.dumps(json.loads(book.read_text()) | failed))
    assert planned(GRID).results() == first


# Sweeps that were ended ---------------------------------------------------------------------------


def test_an_interrupted_trial_goes_on_to_the_same_figures(planned, monkeypatch):
    whole = told(run(planned(GRID, "whole")))
    monkeypatch.setattr(trials, "ordered", lambda: pools.STOP)
    cut = run(planned(GRID))
    assert [(r.steps, r.status) for r in cut] == [(1, "interrupted")] * 2
    monkeypatch.setattr(trials, "ordered", lambda: pools.GO)
    monkeypatch.setattr(trials, "start", lambda *given: 1 // 0)  # it goes on, it does not begin
    assert told(run(planned(GRID))) == whole


def test_a_trial_that_was_killed_before_its_first_record_begins_anew(planned, tmp_path):
    whole = told(run(planned(GRID, "whole")))
    folder = tmp_path / "found" / "trial-0001"
    folder.mkdir(parents=True)
    (folder / "run.json.tmp.12.34").write_text("half")
    (tmp_path / "found" / "sweep.json").write_bytes((tmp_path / "whole/sweep.json").read_bytes())
    assert told(run(planned(GRID))) == whole
    assert not list(folder.glob("*.tmp.*"))


def test_a_folder_of_something_else_is_not_taken(planned, tmp_path):
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="found: exists already and is no sweep"):
        planned(GRID)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"format": 1, "task": "text"}'])
def test_a_damaged_book_is_told(planned, tmp_path, content):
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "sweep.json").write_text(content)
    with pytest.raises(RunError, match=r"sweep.json: is damaged or not of this program"):
        planned(GRID)


def test_two_sweeps_do_not_share_a_folder_nor_a_trial(planned, tmp_path, monkeypatch):
    search = planned(GRID)
    monkeypatch.setattr(trials, "ordered", lambda: pools.STOP)
    run(search)
    with locked(tmp_path / "found"), pytest.raises(RunError, match="found: another process"):
        run(planned(GRID))
    monkeypatch.setattr(sweep, "_ORPHANS", 0.2)
    with locked(tmp_path / "found" / "trial-0002"):
        with pytest.raises(RunError, match="trial-0002: another process"):
            run(planned(GRID))


# Real processes -----------------------------------------------------------------------------------

LONG = "hidden = 4\nbatch = 2\nsequence = 10\nsteps = 100\ncheckpoint_every = 20\nseeds = 2\n"


def test_a_worker_that_is_killed_loses_nothing_and_one_job_or_several_give_the_same_bits(
    planned, tmp_path
):
    alone = told(run(planned(LONG, "alone")))
    killed = []

    def kill():
        while not list(tmp_path.glob("found/trial-*/checkpoints/step-*")):
            time.sleep(0.01)
        killed.append(multiprocessing.active_children()[0].pid)
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pools.processes(2) as pool:
        found = planned(LONG).run(pool)
    killer.join()
    assert told(found) == alone and killed
    for name in ("weights.safetensors", "config.toml"):
        files = [tmp_path / folder / "trial-0002" / name for folder in ("alone", "found")]
        assert files[0].read_bytes() == files[1].read_bytes()
