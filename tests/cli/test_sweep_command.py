"""`minitorch-rnn sweep`: what it prints, and that it goes on after whatever ended it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import types
from concurrent.futures import Executor, Future
from contextlib import nullcontext

import pytest

from minitorch_rnn import cli
from minitorch_rnn.cli import sweep as command
from minitorch_rnn.training import session
from minitorch_rnn.training.sweep import pools

TEXT = "the cat sat on the mat. " * 30
SMALL = "hidden = 4\nbatch = 2\nsequence = 10\nsteps = 3\n"
GRID = SMALL + "[grid]\nlr = [0.01, 0.1]\n"
PATIENCE = 60  # seconds for what takes a few; a machine may be busy


class Here(Executor):
    """Does what it is given at once, in this process."""

    def submit(self, function, /, *args):
        future = Future()
        future.set_result(function(*args))
        return future


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Status, output and errors of a sweep of a file of this content, in this process."""
    book, path = tmp_path / "book.txt", tmp_path / "mine.toml"
    book.write_text(TEXT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.sweep, "processes", lambda n: nullcontext(pools.Pool(n, Here)))
    monkeypatch.setattr(session.reporting, "save_curves", lambda *given, **options: [])

    def run(content, *options):
        path.write_text(f"text = '{book}'\n{content}", encoding="utf-8")
        status = cli.main(["sweep", str(path), "--jobs", "1", *options])
        return status, *capsys.readouterr()

    return run


# What it prints -----------------------------------------------------------------------------------


def test_the_table_has_what_varies_and_the_best_first(sweep):
    status, out, error = sweep(GRID)
    head, first, second, _, count, best = out.splitlines()
    assert status == 0
    assert head.split() == "trial lr bits_per_character steps seconds status".split()
    assert first.split()[:2] == ["trial-0002", "0.1"] and first.split()[-1] == "finished"
    assert second.split()[:2] == ["trial-0001", "0.01"]
    assert count == "2 of 2 trials finished; sweeps/mine/table.csv has all."
    assert best.startswith("best: sweeps/mine/trial-0002, bits_per_character ")
    begin, *told = error.splitlines()
    assert begin == "2 trials, 0 ended before; 1 at once"
    assert [line.split(":")[0] for line in told] == [
        "1/2 trial-0001 (lr 0.01)", "2/2 trial-0002 (lr 0.1)",
    ]  # fmt: skip


def test_the_same_command_prints_the_same_table_and_nothing_else(sweep):
    _, out, _ = sweep(GRID)
    assert sweep(GRID) == (0, out, "")


def test_over_several_seeds_the_table_has_means(sweep):
    _, out, _ = sweep(f"seeds = 2\n{GRID}", "--out", "found")
    head, *rows = out.splitlines()[:3]
    assert head.split() == "lr bits_per_character deviation finished seconds".split()
    assert [row.split()[0] for row in rows] == ["0.1", "0.01"] and "2 of 2" in rows[0]
    answer = json.loads(sweep(f"seeds = 2\n{GRID}", "--out", "found", "--json")[1])
    figures = [t["figure"] for t in answer["trials"] if t["options"]["lr"] == 0.1]
    assert answer["settings"][0]["bits_per_character"] == pytest.approx(sum(figures) / 2)
    assert len(answer["trials"]) == 4 and answer["judged_by"] == "bits_per_character"


def test_the_best_of_several_seeds_is_the_setting_and_not_the_luckiest_run(monkeypatch, sweep):
    sweep(f"seeds = 2\n{GRID}")

    class Judged(command.sweep.Sweep):
        def result(self, trial):
            # Rates of 0.01 and 0.1, then both with the other seed.
            figure = [3.5, 2.5, 1.0, 1.9][int(trial.name[-1]) - 1]
            return super().result(trial)._replace(figure=figure)

    monkeypatch.setattr(command.sweep, "Sweep", Judged)
    *_, best, seed = sweep(f"seeds = 2\n{GRID}")[1].splitlines()
    assert best == "best mean: lr 0.1: bits_per_character 2.2 over the seeds, 2 of 2 finished"
    assert seed == "its best seed: sweeps/mine/trial-0004, bits_per_character 1.9"


def test_the_best_of_seeds_alone_is_their_mean(sweep):
    *_, best, seed = sweep(f"seeds = 2\n{SMALL}")[1].splitlines()
    assert best.startswith("best mean: the only setting: bits_per_character ")
    assert seed.startswith("its best seed: sweeps/mine/trial-000")


def test_a_trial_that_fails_is_told_below_the_table_and_in_json(sweep):
    status, out, _ = sweep(SMALL + "[grid]\nlr = [0.1, 1e39]\n")
    assert status == 0 and "\ntrial-0002 failed: train: the loss of step 2 is nan; the gra" in out
    assert "It begins here" not in out and "Made at" not in out  # nobody reads that nine times
    assert "1 of 2 trials finished" in out
    answer = json.loads(sweep(SMALL + "[grid]\nlr = [0.1, 1e39]\n", "--json")[1])
    assert [t["status"] for t in answer["trials"]] == ["finished", "failed"]
    assert "It begins here" in answer["trials"][1]["reason"]
    assert "numpy" not in answer["trials"][1]["reason"]  # the line of a program, not of a library


def test_a_sweep_of_which_nothing_finished_has_failed(sweep):
    assert sweep(SMALL + "[grid]\nlr = [1e39]\n")[0] == 1


@pytest.mark.parametrize(
    "content, told",
    [
        ("steps = 3", "mine.toml: there is nothing to vary"),
        ("[grid]\nlr = [1, 'x']", "mine.toml: trial-0002: lr: 'x' is not a number above 0"),
        ("[grid]\nhiden = [1]", "trial-0001: hiden: there is no such option; did you mean hidden?"),
        ("task = 'fly'\nseeds = 2", "mine.toml: task: there is no 'fly'"),
        ("text = 3", "mine.toml: is no TOML file: Cannot overwrite a value"),
    ],
)
def test_a_file_that_cannot_be_run_is_one_line(sweep, content, told):
    status, out, error = sweep(content)
    assert (status, out) == (1, "") and error.startswith("minitorch-rnn: ") and told in error
    assert error.count("\n") == 1 and not pathlib.Path("sweeps").exists()


def test_a_changed_file_is_told_with_the_key(sweep):
    sweep(GRID)
    status, _, error = sweep(GRID.replace("steps = 3", "steps = 4"))
    assert status == 1 and "steps: trial-0001 was run with 3, now it is 4" in error


def test_jobs_are_not_for_mpi(sweep):
    with pytest.raises(SystemExit) as ended:
        sweep(GRID, "--mpi")
    assert ended.value.code == 2


def test_one_process_is_no_mpi_job_and_without_mpi4py_there_is_none(monkeypatch, capsys):
    alone = types.SimpleNamespace(COMM_WORLD=types.SimpleNamespace(size=1))
    futures = types.SimpleNamespace(MPICommExecutor=None)
    monkeypatch.setitem(sys.modules, "mpi4py", types.SimpleNamespace(MPI=alone))
    monkeypatch.setitem(sys.modules, "mpi4py.futures", futures)
    assert cli.main(["sweep", "mine.toml", "--mpi"]) == 1
    assert "mpiexec -n 4 python -m mpi4py.futures" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert cli.main(["sweep", "mine.toml", "--mpi"]) == 1
    assert "pip install -e '.[mpi]'" in capsys.readouterr().err


# Real processes -----------------------------------------------------------------------------------

LONG = "hidden = 4\nbatch = 2\nsequence = 10\nsteps = 120\ncheckpoint_every = 20\nseeds = 2\n"


def started(*options):
    command = [sys.executable, "-m", "minitorch_rnn", "sweep", "mine.toml", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, start_new_session=True)


def until_a_new_checkpoint(folder):
    before, until = set(folder.glob("trial-*/checkpoints/*")), time.monotonic() + PATIENCE
    while not set(folder.glob("trial-*/checkpoints/step-*")) - before:
        assert time.monotonic() < until, "no trial came to a checkpoint"
        time.sleep(0.01)


def table(folder):
    """table.csv without the clock."""
    rows = [line.split(",") for line in (folder / "table.csv").read_text().splitlines()]
    at = rows[0].index("seconds")
    return [row[:at] + row[at + 1 :] for row in rows]


def test_killed_and_interrupted_it_comes_to_the_same_table(sweep, tmp_path):
    folder = tmp_path / "sweeps" / "mine"
    sweep(LONG, "--out", "whole")
    with started("--jobs", "1") as killed:
        until_a_new_checkpoint(folder)
        killed.kill()
    with started("--jobs", "1") as interrupted:
        until_a_new_checkpoint(folder)
        os.kill(interrupted.pid, signal.SIGINT)
        out, error = interrupted.communicate(timeout=PATIENCE)
    assert interrupted.returncode == 130, error
    assert "interrupted; the same command goes on." in out and "Traceback" not in error
    status, out, _ = sweep(LONG)
    assert status == 0 and "2 of 2 trials finished" in out
    assert table(folder) == table(tmp_path / "whole")
    assert not list(folder.rglob("*.tmp.*"))


@pytest.mark.mpi
def test_the_ranks_of_an_mpi_job_come_to_the_same_table(sweep, tmp_path):
    sweep(GRID)
    beside = pathlib.Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("there is no mpiexec (pip install -e '.[mpi]')")
    command = [mpiexec, "-n", "2", sys.executable, "-m", "mpi4py.futures", "-m", "minitorch_rnn"]
    answer = subprocess.run(
        [*command, "sweep", "mine.toml", "--mpi", "--out", "ranks"],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "2 trials, 0 ended before; 1 at once" in answer.stderr
    assert table(tmp_path / "ranks") == table(tmp_path / "sweeps" / "mine")
