"""Ctrl-C and SIGTERM in the middle of trainings, in real processes: what is saved, how they end."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from minitorch_rnn import training
from minitorch_rnn.training.checkpoints import is_temporary
from minitorch_rnn.training.tasks import TASKS

fcntl = pytest.importorskip("fcntl", reason="signals and terminals of Unix")
termios = pytest.importorskip("termios", reason="signals and terminals of Unix")
TEXT = "the cat sat on the mat. " * 60
OPTIONS = {
    "hidden": 8, "batch": 4, "sequence": 20, "layers": 2, "dropout": 0.2, "schedule": "cosine",
    "steps": 200, "validate_every": 40, "checkpoint_every": 60, "cell": "lstm",
}  # fmt: skip
SLOW = """
import pathlib, sys, time
from minitorch_rnn import cli
owner, name = {owner}, {name!r}
real, passed = getattr(owner, name), []
def slow(*args, **named):
    passed.append(1)
    if len(passed) == {which}:
        pathlib.Path("reached").touch()
        end = time.monotonic() + 300
        while time.monotonic() < end:
            time.sleep(0.01)
    return real(*args, **named)
setattr(owner, name, slow)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "book.txt"
    path.write_text(TEXT)
    return path


def flags(book, **changes):
    given = OPTIONS | {"text": str(book)} | changes
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]


def obey(*signals):
    for number in signals or (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # a job in the background starts without Ctrl-C


def started(folder, *arguments, program=None, **options):
    """A process of the command line in a folder."""
    source = ["-m", "minitorch_rnn"] if program is None else ["-c", program]
    return subprocess.Popen(
        [sys.executable, *source, *map(str, arguments)], cwd=folder, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": obey} | options,
    )  # fmt: skip


def wait_for(what, process):
    """Until something is so, as long as the process lives."""
    deadline = time.monotonic() + 100
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def lines(folder):
    path = folder / "metrics.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def ended(process):
    """How it ended, and what it said; there is no traceback in it."""
    out, err = process.communicate(timeout=100)
    assert "Traceback" not in (out or "") + (err or ""), err
    return process.returncode, out, err


def metrics(folder):
    found = [json.loads(line) for line in lines(folder)]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in found]


@pytest.fixture(scope="module")
def undisturbed(book):
    folder = book.parent / "undisturbed"
    training.start(TASKS["text"].Config.of(OPTIONS | {"text": str(book)}), folder)
    return folder


def goes_on_as(undisturbed, folder):
    """A run that is resumed comes to the bits of one that was never interrupted."""
    training.resume(folder)
    for name in ("weights.safetensors", "loss.png"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes()
    assert metrics(folder) == metrics(undisturbed)
    assert {path.name for path in folder.iterdir()} == {path.name for path in undisturbed.iterdir()}


@pytest.mark.parametrize("number, status, word", [
    (signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 129, "SIGHUP")
])  # fmt: skip
def test_the_step_is_finished_and_saved_and_resume_goes_on_bit_by_bit(
    number, status, word, book, undisturbed, tmp_path
):
    process = started(tmp_path, "train", "--out", "run", "--quiet", *flags(book))
    wait_for(lambda: len(lines(tmp_path / "run")) > 10, process)
    process.send_signal(number)
    returned, out, _ = ended(process)
    run = training.Run.open(tmp_path / "run")
    steps = run.record["steps"]
    assert returned == status and f"stopped by {word} after {steps} of 200 steps" in out
    assert "next: minitorch-rnn resume run" in out
    assert run.status == "interrupted" and run.task()
    assert training.Checkpoints(run.folder).newest()["numbers"]["step"] == steps < 200
    goes_on_as(undisturbed, run.folder)


# Where the process is when it is interrupted, how often, and what is left then.
PLACES = {
    "reading": ("__import__('minitorch_rnn').training.tasks.CharacterTask", "prepare", 1, 1),
    "a validation": ("__import__('minitorch_rnn').training.tasks.CharacterTask", "evaluate", 2, 2),
    "writing a checkpoint": ("__import__('os')", "fsync", 13, 2),
    "drawing": ("__import__('minitorch_rnn').training.reporting", "save_curves", 1, 1),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_ends_at_once_wherever_it_is_and_goes_on_later(place, book, undisturbed, tmp_path):
    owner, name, which, times = PLACES[place]
    program = SLOW.format(owner=owner, name=name, which=which)
    process = started(tmp_path, "train", "--out", "run", "--quiet", *flags(book), program=program)
    wait_for((tmp_path / "reached").exists, process)
    process.send_signal(signal.SIGINT)
    if times == 2:  # the first one lets it finish the step
        assert "Ctrl-C again ends at once" in process.stderr.readline() + process.stderr.readline()
        process.send_signal(signal.SIGINT)
    returned, _, err = ended(process)
    assert returned == 130
    if times == 1:
        assert err == "minitorch-rnn: interrupted\n"
    folder = tmp_path / "run"
    if not (folder / "run.json").exists():
        assert not folder.exists() or not lines(folder)
        training.start(TASKS["text"].Config.of(OPTIONS | {"text": str(book)}), folder)
    goes_on_as(undisturbed, folder)
    assert not any(is_temporary(path) for path in folder.rglob("*"))


def test_ctrl_c_at_a_terminal_with_a_bar(book, tmp_path):
    master, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))

    def own_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        obey()

    process = started(
        tmp_path, "train", "--out", "run", *flags(book, steps=10**6), preexec_fn=own_terminal,
        stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    wait_for(lambda: len(lines(tmp_path / "run")) > 300, process)
    os.write(master, b"\x03")  # as the keyboard does
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(master)
    shown = shown.decode()
    assert process.wait(timeout=100) == 130
    assert "Traceback" not in shown and "%|" in shown
    assert "finishing this step, then saving; Ctrl-C again ends at once" in shown
    assert "stopped by Ctrl-C after" in shown and "next: minitorch-rnn resume run" in shown
    assert training.Run.open(tmp_path / "run").status == "interrupted"
