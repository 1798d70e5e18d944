"""SIGKILL at any moment: a training goes on to the bits of one that was never killed.

The long form is `python -m bench.kills --kills 200`.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from small_tasks import RunningSums, trainer_of

from bench import kills
from minitorch_rnn import training
from minitorch_rnn.errors import CheckpointError
from minitorch_rnn.training import reporting
from minitorch_rnn.training.tasks import TASKS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL and fork")
ROOT = pathlib.Path(kills.__file__).parents[1]


def test_killed_trainings_go_on_to_the_same_bits_and_leave_nothing():
    arguments = ("lstm", "--kills", "3", "--cold", "1", "--seed", "3")
    answer = subprocess.run(
        [sys.executable, "-m", "bench.kills", *arguments], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    *places, last = answer.stdout.splitlines()
    assert sum(int(line.split()[0]) for line in places) == 4
    assert last.startswith("4 kills in ") and "to the bits of the undisturbed" in last


def test_a_training_that_was_killed_after_it_ended_early_does_not_go_on(tmp_path):
    def made():
        task = RunningSums(chunks=3)
        figures = iter([1.0, 2.0, 3.0, 0.5])
        task.evaluate = lambda: {"loss": next(figures)}
        return trainer_of(task, validate_every=2, patience=2)

    first, other = made(), made()
    first.run(steps=99, callbacks=[training.Checkpoints(tmp_path)])
    assert (first.ended, first.step) == ("early", 6)
    assert training.Checkpoints(tmp_path).restore(other)
    other.run(steps=99)
    assert (other.ended, other.step, other.best) == ("early", 6, first.best)


def test_killed_behind_the_last_validation_its_figures_stand_once(tmp_path):
    """Step 8 is saved, then judged, then killed before it is saved once more."""

    class Killed(training.Callback):
        def after_validation(self, trainer, figures):
            if trainer.step == 8:
                raise KeyboardInterrupt

    def train(*callbacks):
        trainer = trainer_of(RunningSums(chunks=3), validate_every=5)
        kept = training.Checkpoints(tmp_path, 4)
        kept.restore(trainer)
        trainer.run(steps=8, callbacks=[reporting.Metrics(tmp_path), kept, *callbacks])

    with pytest.raises(KeyboardInterrupt):
        train(Killed())
    train()
    lines = [json.loads(line) for line in (tmp_path / reporting.METRICS).read_text().splitlines()]
    assert [line["step"] for line in lines if "figures" in line] == [5, 8]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = {"hidden": 2, "steps": 4, "checkpoint_every": 2, "batch": 4}
    training.start(TASKS["forecast"].Config.of(options), folder)
    return folder


def repeat_the_last_line(path):
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(True)[-1])


def flip(path):
    """Another bit, in a number near the end."""
    content = path.read_bytes()
    found = re.search(rb"\d(?=\D*$)", content).start() if path.suffix != ".safetensors" else -1
    path.write_bytes(content[:found] + bytes([content[found] ^ 1]) + content[found:][1:])


@pytest.mark.parametrize("what, change", {
    "weights": lambda folder: flip(folder / "weights.safetensors"),
    "a file more": lambda folder: (folder / "run.json.tmp.1.2").touch(),
    "a checkpoint less": lambda folder: (folder / "checkpoints/step-00000002.safetensors").unlink(),
    "a step twice": lambda folder: repeat_the_last_line(folder / "metrics.jsonl"),
    "a picture": lambda folder: flip(folder / "loss.png"),
    "figures": lambda folder: (folder / "run.json").write_text(
        json.dumps(json.loads((folder / "run.json").read_text()) | {"figures": {"loss": 1}})
    ),
}.items())  # fmt: skip
def test_whatever_differs_would_be_noticed(what, change, run, tmp_path):
    wanted = kills.result(run)
    other = shutil.copytree(run, tmp_path / "run")
    kills.check_same(other, wanted)
    change(other)
    with pytest.raises(kills.Difference):
        kills.check_same(other, wanted)


def test_a_process_dies_at_its_moment_and_in_the_middle_of_what_it_writes(tmp_path):
    """What is in the folder after a kill in the first checkpoint: half a temporary file."""
    home = tmp_path / "killed"
    home.mkdir()
    program = f"""if True:
        import pathlib
        from bench import kills
        home = pathlib.Path({str(home)!r})
        arguments = "train --task forecast --hidden 2 --steps 9 --checkpoint-every 3 --out run"
        moment = kills.Moment("half written", 4)
        print(kills.killed(arguments.split(), home, moment, cold=False))"""
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert answer.stdout == "None\n", answer.stderr
    (left,) = (home / "run").rglob("*.tmp.*")
    assert left.name.startswith("step-00000003.safetensors.tmp.") and left.stat().st_size > 0
    with pytest.raises(CheckpointError):
        kills.load(left)
    training.resume(home / "run")
    assert not list((home / "run").rglob("*.tmp.*"))
