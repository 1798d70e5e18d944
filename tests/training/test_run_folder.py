"""What may happen to a run folder and to data between start and resume, and while training runs."""

import errno
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from small_tasks import RunningSums, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import cli, training
from minitorch_rnn.errors import CheckpointError, RunError
from minitorch_rnn.serialization import to_bytes
from minitorch_rnn.training.lock import LOCK
from minitorch_rnn.training.tasks import TASKS

resource = pytest.importorskip("resource", reason="limits and users of Unix")

TEXT = "the cat sat on the mat. " * 60
OPTIONS = {
    "hidden": 8, "batch": 4, "sequence": 20, "steps": 12, "checkpoint_every": 3, "keep": 2,
}  # fmt: skip
COMMAND = [sys.executable, "-m", "minitorch_rnn"]
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
NOBODY = 65534


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture
def half(book):
    """A run that was interrupted after half of its steps."""
    folder = book.parent / "run"
    stop = training.Callback()
    stop.after_step = lambda trainer, step: step.number == 6 and trainer.stop("interrupt")
    training.start(TASKS["text"].Config.of(OPTIONS | {"text": str(book)}), folder, [stop])
    return folder


def flags(book, **changes):
    given = OPTIONS | {"text": str(book)} | changes
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]


def one_line(capsys):
    """The only line of an error message."""
    error = capsys.readouterr().err
    assert error.startswith("minitorch-rnn: ") and error.count("\n") == 1, error
    return error


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def resumes(folder):
    """It can be gone on with, to its end."""
    assert cli.main(["resume", str(folder), "--quiet"]) == 0
    run = training.Run.open(folder)
    assert (run.status, run.record["steps"]) == ("finished", 12)
    assert not list(folder.rglob("*.tmp.*"))


# Data ---------------------------------------------------------------------------------------------


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


CHANGES = {
    "vanished": (lambda path: path.unlink(), "cannot be read: No such file"),
    "changed": (lambda path: path.write_text(TEXT.replace("cat", "dog", 1)), "has changed since"),
    "appended": (lambda path: path.write_text(TEXT + "and more"), "has changed since"),
    "emptied": (lambda path: path.write_text(""), "is empty"),
    "a folder": (replaced_by_a_folder, "holds no text"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_goes_on_with_the_data_it_was_started_with_only(change, half, book, capsys):
    make, told = CHANGES[change]
    make(book)
    before = content(half)
    assert cli.main(["resume", str(half)]) == 1
    error = one_line(capsys)
    assert str(book) in error and told in error
    assert content(half) == before
    shutil.rmtree(book) if book.is_dir() else None
    book.write_text(TEXT)
    resumes(half)


def test_a_file_that_came_into_a_folder_of_texts_is_named(tmp_path, capsys):
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text(TEXT)
    assert cli.main(["train", "--quiet", "--out", str(tmp_path / "run"), *flags(texts)]) == 0
    (texts / "b.txt").write_text(TEXT)
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "run"), "--steps", "99"]) == 1
    assert f"{texts}/b.txt: was not there when this run was started" in one_line(capsys)


# Options ------------------------------------------------------------------------------------------


def test_an_edited_option_that_would_make_it_another_training_is_named(half, capsys):
    path = half / "config.toml"
    path.write_text(path.read_text().replace("hidden = 8", "hidden = 9"))
    before = content(half)
    assert cli.main(["resume", str(half)]) == 1
    assert "hidden: the run was started with 8, now it is 9" in one_line(capsys)
    assert content(half) == before


def test_an_edited_option_that_may_change_is_taken(half):
    path = half / "config.toml"
    path.write_text(path.read_text().replace("steps = 12", "steps = 8"))
    assert cli.main(["resume", str(half), "--quiet"]) == 0
    run = training.Run.open(half)
    assert (run.record["steps"], run.config.steps) == (8, 8)


# Locks --------------------------------------------------------------------------------------------


def holder(folder):
    """A process that trains in a folder and does not end."""
    program = f"""if True:
        import pathlib, time
        from minitorch_rnn.training.lock import locked
        with locked(pathlib.Path({str(folder)!r})):
            print("locked", flush=True)
            time.sleep(300)"""
    process = subprocess.Popen([sys.executable, "-c", program], **PIPES)
    assert process.stdout.readline() == "locked\n"
    return process


def test_two_processes_never_train_in_one_folder_and_a_dead_one_does_not_matter(
    half, book, capsys, tmp_path
):
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for folder, arguments in (
        (half, ["resume", str(half), "--quiet"]),
        (fresh, ["train", "--quiet", "--out", str(fresh), *flags(book)]),
    ):
        with holder(folder) as first:
            before = content(folder)
            assert cli.main(arguments) == 1
            assert f"{folder}: another process trains here at this moment" in one_line(capsys)
            assert content(folder) == before
            first.kill()
        assert (folder / LOCK).exists()
        assert cli.main(arguments) == 0
        capsys.readouterr()


def test_a_finished_run_is_not_overwritten(half, book, capsys):
    before = content(half)
    assert cli.main(["train", "--out", str(half), *flags(book)]) == 1
    assert f"{half}: exists already" in one_line(capsys)
    assert content(half) == before


# Disks --------------------------------------------------------------------------------------------


@pytest.fixture
def readable():
    """A folder with a run in it that this process may read, but not write."""
    with tempfile.TemporaryDirectory() as name:  # tmp_path is closed to all but its owner
        home = pathlib.Path(name)
        (home / "book.txt").write_text(TEXT)
        chosen = TASKS["text"].Config.of(OPTIONS | {"text": str(home / "book.txt")})
        training.start(chosen, home / "run")
        inside = [home, *home.rglob("*")]
        for path in inside:
            path.chmod(0o555 if path.is_dir() else 0o444)
        if not os.geteuid():  # root may write all the same
            os.seteuid(NOBODY)
        yield home
        if not os.getuid():
            os.seteuid(0)
        for path in inside:
            path.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_named_and_can_be_read(readable, capsys):
    run, new = readable / "run", readable / "new"
    assert cli.main(["resume", str(run), "--quiet", "--steps", "99"]) == 1
    assert one_line(capsys) == f"minitorch-rnn: {run}: cannot be written: Permission denied.\n"
    assert cli.main(["train", "--out", str(new), *flags(readable / "book.txt")]) == 1
    assert one_line(capsys) == f"minitorch-rnn: {new}: cannot be made: Permission denied.\n"
    assert cli.main(["evaluate", str(run)]) == cli.main(["runs", str(readable)]) == 0
    assert capsys.readouterr().err == ""


def test_a_full_disk_ends_the_training_and_it_goes_on_when_there_is_room(book, tmp_path, capsys):
    """RLIMIT_FSIZE stands for a disk on which no file may grow beyond some size."""
    folder = tmp_path / "run"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    class Filled(training.Callback):
        """The disk is full from the seventh step on."""

        def after_step(self, trainer, step):
            if step.number == 7:
                resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))

    chosen = TASKS["text"].Config.of(OPTIONS | {"text": str(book)})
    try:
        with pytest.raises(RunError, match=f"{folder}.*cannot be written: File too large"):
            training.start(chosen, folder, [Filled()])
        kept = content(folder / "checkpoints")
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert sorted(path.name for path in kept) == [
            "step-00000003.safetensors", "step-00000006.safetensors"
        ]  # fmt: skip
        for path in kept:
            mt.load(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(folder.rglob("*.tmp.*"))
    capsys.readouterr()
    resumes(folder)
    whole = tmp_path / "whole"
    training.start(chosen, whole)
    name = "weights.safetensors"
    assert (folder / name).read_bytes() == (whole / name).read_bytes()


# What is not finite -------------------------------------------------------------------------------

WILD = ("--lr", "1e30", "--nonlinearity", "relu", "--clip", "1e30", "--optimizer", "sgd", "--quiet")


def test_a_training_that_explodes_says_where_and_keeps_what_was_good(book, tmp_path, capsys):
    folder = tmp_path / "run"
    changes = flags(book, checkpoint_every=1)
    assert cli.main(["train", "--out", str(folder), *changes, *WILD]) == 1
    error = one_line(capsys)
    assert "of step 2 is" in error and "network." in error and "--on-nan" in error
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed" and "of step 2 is" in record["error"]
    assert [p.name for p in training.Checkpoints(folder).files()] == ["step-00000001.safetensors"]
    assert training.Run.open(folder).task()


@pytest.mark.parametrize("choice", ["skip", "restore"])
def test_it_skips_or_goes_back_until_it_is_too_often(choice, book, tmp_path, capsys):
    arguments = ["train", "--out", str(tmp_path / choice), *flags(book, checkpoint_every=1), *WILD]
    assert cli.main([*arguments, "--on-nan", choice]) == 1
    told = {"skip": "The 10 steps before were skipped", "restore": "10 times a checkpoint was"}
    assert told[choice] in one_line(capsys)
    assert training.Run.open(tmp_path / choice).status == "failed"


def test_one_wild_step_is_skipped_or_undone_and_the_training_ends_well(book, tmp_path, monkeypatch):
    real = TASKS["text"].loss

    def wild(self, batch, state):
        loss, state = real(self, batch, state)
        self.calls = getattr(self, "calls", 0) + self.model.training
        return (loss * float("nan") if self.calls == 5 else loss), state

    monkeypatch.setattr(TASKS["text"], "loss", wild)
    for choice in ("skip", "restore"):
        folder = tmp_path / choice
        assert cli.main(
            ["train", "--quiet", "--out", str(folder), *flags(book), "--on-nan", choice]
        ) == 0  # fmt: skip
        state = training.Checkpoints(folder).newest()
        assert state["numbers"]["step"] == 12
        assert state["numbers"]["skipped" if choice == "skip" else "restored"] == 1


# Checkpoints that pile up -------------------------------------------------------------------------


def numbered(folder):
    return [int(path.stem.removeprefix("step-")) for path in training.Checkpoints(folder).files()]


def test_a_damaged_last_checkpoint_never_pushes_out_a_whole_one(tmp_path):
    """After step 12 is damaged, 6 and 8 are whole; when 8 was saved it is the one to be kept."""
    for last, every in ((12, 6), (8, 8)):
        trainer = trainer_of(RunningSums(chunks=3), validate_every=100)
        kept = training.Checkpoints(tmp_path, every, keep=1)
        kept.restore(trainer)
        stop = training.Callback()
        stop.after_step = lambda trainer, step, last=last: (
            step.number == last and trainer.stop("interrupt")
        )
        if last == 12:
            trainer.run(steps=99, callbacks=[training.Checkpoints(tmp_path, 6, keep=2), stop])
            newest = tmp_path / "checkpoints" / "step-00000012.safetensors"
            newest.write_bytes(b"")
        else:
            assert trainer.step == 6
            trainer.run(steps=99, callbacks=[kept, stop])
    assert numbered(tmp_path) == [8, 12]
    again = training.Checkpoints(tmp_path)
    assert again.newest()["numbers"]["step"] == 8 and len(again.notes) == 1


def test_what_a_killed_process_had_no_time_to_remove_is_removed_at_the_end(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoints, "_remove_old", lambda *_: None)
        trainer = trainer_of(RunningSums(chunks=3), validate_every=3)
        trainer.run(steps=9, callbacks=[training.Checkpoints(tmp_path, 3, keep=1)])
    assert numbered(tmp_path) == [3, 6, 9]
    other = trainer_of(RunningSums(chunks=3), validate_every=3)
    kept = training.Checkpoints(tmp_path, 3, keep=1)
    kept.restore(other)
    other.run(steps=9, callbacks=[kept])
    assert numbered(tmp_path) == [9]


def test_no_whole_checkpoint_at_all_is_told_in_a_line(half, capsys):
    for path in training.Checkpoints(half).files():
        path.write_bytes(path.read_bytes()[:100])
    assert cli.main(["resume", str(half)]) == 1
    assert "no checkpoint is whole" in one_line(capsys)
    with pytest.raises(CheckpointError):
        training.Checkpoints(half).newest()


# Streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("redirection", [">&- 2>&-", ">/dev/null 2>/dev/full"])
def test_a_training_outlives_its_closed_streams(redirection, book, tmp_path):
    if "/dev/full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    command = f'"$0" "$@" {redirection}'
    answer = subprocess.run(
        ["sh", "-c", command, *COMMAND, "train", "--out", tmp_path / "run", *flags(book)],
        **PIPES, timeout=100,
    )  # fmt: skip
    assert "Traceback" not in answer.stdout + answer.stderr
    assert training.Run.open(tmp_path / "run").status == "finished"
    assert answer.returncode == 0


def test_a_reader_that_leaves_does_not_end_the_training(book, tmp_path):
    command = [*COMMAND, "train", "--out", tmp_path / "run", *flags(book, steps=60)]
    with subprocess.Popen(command, **PIPES) as process:
        process.stdout.close()
        process.stderr.close()
        deadline = time.monotonic() + 100
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    run = training.Run.open(tmp_path / "run")
    assert (run.status, run.record["steps"], process.returncode) == ("finished", 60, 1)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.parametrize("schedule", ["ReduceLROnPlateau", "StepLR"])
def test_every_optimiser_and_schedule_comes_back_from_its_file(optimizer, schedule, tmp_path):
    options = {"step_size": 2} if schedule == "StepLR" else {}

    def made(seed):
        return trainer_of(
            RunningSums(chunks=3, seed=seed), optimizer, 0.02, validate_every=2,
            schedule=lambda of: getattr(mt.optim.lr_scheduler, schedule)(of, **options),
        )  # fmt: skip

    first, other = made(0), made(1)
    first.run(steps=5, callbacks=[training.Checkpoints(tmp_path)])
    assert training.Checkpoints(tmp_path).restore(other)
    for trainer in (first, other):
        trainer.seconds = 0.0
    assert to_bytes(other.state_dict()) == to_bytes(first.state_dict())


# Bounds -------------------------------------------------------------------------------------------


def test_an_option_that_the_file_does_not_name_is_as_it_was(half):
    config = half / "config.toml"
    kept = [line for line in config.read_text().splitlines() if not line.startswith("hidden")]
    config.write_text("\n".join(kept))
    assert training.Run.open(half).edited() == {}
    training.resume(half)
    assert training.Run.open(half).config.hidden == 8


def test_the_file_of_options_trains_the_same_again(half, tmp_path, monkeypatch):
    again = tmp_path / "again"
    assert cli.main(["train", "--config", str(half / "config.toml"), "--out", str(again)]) == 0
    assert training.Run.open(again).config == training.Run.open(half).config
    training.resume(half)
    assert (again / "weights.safetensors").read_bytes() == (
        half / "weights.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("changes, told", [
    ({"steps": 3}, "has come to step 6, and steps is 3; give --steps with more"),
    ({"seconds": 1e-9}, "has come to step 6 in 0 s, and seconds is 1e-09; give --seconds with"),
])  # fmt: skip
def test_a_bound_that_is_passed_is_refused_and_changes_nothing(changes, told, half):
    before = {path.name: path.read_bytes() for path in half.iterdir() if path.is_file()}
    with pytest.raises(RunError, match=told):
        training.resume(half, changes)
    assert {path.name: path.read_bytes() for path in half.iterdir() if path.is_file()} == before


def test_what_ended_by_its_time_trains_longer_by_steps(book):
    folder = book.parent / "timed"
    config = TASKS["text"].Config.of(OPTIONS | {"text": str(book), "seconds": 1e-9})
    assert training.start(config, folder).ended == "time"
    again = training.resume(folder)  # as if it had been killed before its end was recorded
    assert (again.ended, again.steps) == ("time", 1)
    assert training.resume(folder, {"steps": 4}).steps == 4


def test_steps_take_the_place_of_epochs_and_epochs_of_steps(half):
    training.resume(half, {"epochs": 3})
    run = training.Run.open(half)
    assert (run.config.steps, run.config.epochs, run.config.seconds) == (None, 3, None)
    assert training.resume(half, {"steps": run.record["steps"] + 2}).ended == "steps"
    assert training.Run.open(half).config.epochs is None


def test_options_that_were_written_just_before_a_kill_count(half, monkeypatch):
    real = os.replace

    def killed(source, target):
        if str(target).endswith("run.json"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        training.resume(half, {"steps": 15})
    monkeypatch.undo()
    assert training.resume(half).steps == 15


def test_a_run_whose_checkpoints_are_gone_is_not_begun_again(half):
    weights = (half / "weights.safetensors").read_bytes()
    shutil.rmtree(half / "checkpoints")
    with pytest.raises(RunError, match="has come to step 6, but its checkpoints are gone"):
        training.resume(half)
    assert (half / "weights.safetensors").read_bytes() == weights


def test_a_disk_that_is_full_at_the_very_end_is_told_and_the_run_finished_later(half, monkeypatch):
    def full(*args, **named):
        raise OSError(errno.ENOSPC, "No space left on device", "loss.png")

    monkeypatch.setattr(training.reporting, "save_curves", full)
    with pytest.raises(
        RunError, match="loss.png: No space left on device. The training itself is saved"
    ):
        training.resume(half)
    monkeypatch.undo()
    assert training.Run.open(half).status == "running"
    assert training.resume(half).ended == "steps" and training.Run.open(half).status == "finished"


def test_resuming_what_is_finished_says_so(half, capsys):
    assert cli.main(["resume", str(half), "--quiet"]) == 0
    capsys.readouterr()
    assert cli.main(["resume", str(half), "--quiet"]) == 0
    assert capsys.readouterr().out.startswith(f"{half} is finished, after 12 steps; --steps N")


# What a file of options may not hold --------------------------------------------------------------


@pytest.mark.parametrize("content, told", [
    ('task = "forecast"\ntext = "a.txt"', "text is an option of --task text; this is --task fore"),
    ('delays = 3', "delays: there is no such option."),
    ('horizon = 3', "horizon is an option of --task forecast; this is --task text"),
    ('out = "here"', "out is told by a flag only: --out"),
    ("[train]\nsteps = 3", r"\[train\]: options stand without a table around them"),
    ('task = "tagg"', "task: there is no 'tagg'; did you mean tag"),
])  # fmt: skip
def test_a_file_of_options_is_told_what_it_may_not_hold(content, told, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(content)
    assert cli.main(["train", "--config", str(path), "--out", str(tmp_path / "run")]) == 1
    assert re.search(told, one_line(capsys))
    assert not (tmp_path / "run").exists()


def test_another_option_cannot_be_given_on_resume(half, capsys):
    assert cli.main(["resume", str(half), "--hidden", "9"]) == 1
    assert "hidden: the run was started with 8, now it is 9" in one_line(capsys)


def test_options_without_a_task_are_refused(tmp_path):
    with pytest.raises(TypeError, match="the options of a task are needed, such as"):
        training.start(training.Config(), tmp_path / "run")


@pytest.mark.parametrize("reason", [7, float("nan"), ["x"]])
def test_a_reason_that_is_no_text_is_told_as_damage(reason, half, capsys):
    path = half / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"error": reason}))
    assert cli.main(["runs", str(half.parent)]) == 0
    assert "its error is" in capsys.readouterr().out


def test_a_finished_run_that_names_no_steps_is_told_as_damage(half, capsys):
    path = half / "run.json"
    record = json.loads(path.read_text()) | {"status": "finished"}
    record.pop("steps", None)
    path.write_text(json.dumps(record))
    assert cli.main(["resume", str(half)]) == 1
    assert "names no steps" in one_line(capsys)
