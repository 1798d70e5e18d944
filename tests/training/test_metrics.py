"""metrics.jsonl: a line for all that happened, the same after a kill, and read only where whole."""

import builtins
import errno
import json
import math

import numpy as np
import pytest
from small_tasks import RunningSums, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import training
from minitorch_rnn.errors import RunError
from minitorch_rnn.training.reporting import METRICS, Metrics, metrics, read_metrics, readings


class Heard(training.Callback):
    """What a training said, to be compared with what was written."""

    def __init__(self):
        self.losses, self.norms, self.figures = [], [], []

    def after_step(self, trainer, step):
        self.losses.append(float(step.loss))
        self.norms.append(float(step.norm))

    def after_validation(self, trainer, figures):
        self.figures.append((trainer.step, figures["loss"]))


def train(folder, steps=12, callbacks=(), task=None, **options):
    trainer = trainer_of(task or RunningSums(chunks=4), **options)
    trainer.run(steps=steps, callbacks=[Metrics(folder), *callbacks])
    return trainer


def lines(folder):
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


def timeless(folder):
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines(folder)]


def test_every_step_and_every_validation_has_its_line(tmp_path):
    heard = Heard()
    train(tmp_path, callbacks=[heard], validate_every=5)
    curves = read_metrics(tmp_path / METRICS)
    np.testing.assert_array_equal(curves.step, np.arange(1, 13))
    np.testing.assert_array_equal(curves.numbers["loss"], heard.losses)
    np.testing.assert_array_equal(curves.numbers["norm"], heard.norms)
    np.testing.assert_array_equal(curves.numbers["epoch"], np.repeat([0, 1, 2], 4))
    assert set(curves.numbers["lr"]) == {0.02} and set(curves.numbers["count"]) == {24}
    assert (np.diff(curves.numbers["seconds"]) >= 0).all()
    steps, values = curves.figures["loss"]
    assert list(zip(steps, values, strict=True)) == heard.figures
    assert [line["step"] for line in lines(tmp_path) if "figures" in line] == [5, 10, 12]


def test_lines_come_as_often_as_asked_and_with_the_first(tmp_path):
    trainer_of(RunningSums()).run(steps=9, callbacks=[Metrics(tmp_path, every=4)])
    assert read_metrics(tmp_path / METRICS).step.tolist() == [1, 4, 8]
    assert read_metrics(tmp_path).step.tolist() == [1, 4, 8]  # of the folder


def test_a_line_is_there_as_soon_as_its_step_is_done(tmp_path):
    class Killed(training.Callback):
        def after_step(self, trainer, step):
            assert lines(tmp_path)[-1]["step"] == step.number

    train(tmp_path, callbacks=[Killed()], validate_every=5)


@pytest.mark.parametrize("torn", ["", '{"step": 10, "fig', '\n\n{"step": 10', "\0\xff{}\n"])
def test_killed_and_resumed_it_leaves_the_lines_of_one_training(torn, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    train(whole, 12, validate_every=3)

    class Saved(training.Callback):
        def after_step(self, trainer, step):
            if step.number == 6:
                self.state = trainer.state_dict()

    saved = Saved()
    train(killed, 9, [saved], validate_every=3)
    with open(killed / METRICS, "ab") as file:
        file.write(torn.encode("latin1"))
    trainer = trainer_of(RunningSums(chunks=4), validate_every=3)
    trainer.load_state_dict(saved.state)
    trainer.run(steps=12, callbacks=[Metrics(killed)])
    assert timeless(killed) == timeless(whole)


def test_a_training_from_the_start_leaves_nothing_of_an_older_one(tmp_path):
    train(tmp_path, 12)
    train(tmp_path, 3)
    assert read_metrics(tmp_path / METRICS).step.tolist() == [1, 2, 3]


def test_steps_undone_by_a_restoration_are_told_and_not_read(tmp_path):
    class Goes(training.Callback):
        """Back to step 4 after step 6, once."""

        gone = False

        def after_step(self, trainer, step):
            if step.number == 4:
                self.state = trainer.state_dict()
            if step.number == 6 and not self.gone:
                self.gone = True
                trainer.load_state_dict(self.state)
                for callback in trainer.callbacks:
                    callback.after_restore(trainer)

    train(tmp_path, 8, [Goes()], validate_every=2)
    assert {"step": 4, "restored": True, "from": 6} in lines(tmp_path)
    curves = read_metrics(tmp_path / METRICS)
    assert curves.step.tolist() == list(range(1, 9))
    assert curves.figures["loss"][0].tolist() == [2, 4, 6, 8]
    # Who goes on from step 7 keeps both roads to it, and what was undone stays undone.
    trainer = trainer_of(RunningSums())
    trainer.step = 7
    Metrics(tmp_path).at_start(trainer)
    assert [line["step"] for line in lines(tmp_path) if "loss" in line] == [
        1, 2, 3, 4, 5, 6, 5, 6, 7
    ]  # fmt: skip


def test_what_is_not_finite_is_null_and_skipped_steps_say_so(tmp_path):
    class Spoilt(RunningSums):
        def loss(self, batch, state):
            loss, state = super().loss(batch, state)
            return (loss * math.nan, None) if batch.fresh else (loss, state)

    train(tmp_path, 6, task=Spoilt(chunks=3), on_nan="skip", validate_every=100)
    assert [line["loss"] for line in lines(tmp_path)[:4:3]] == [None, None]
    curves = read_metrics(tmp_path / METRICS)
    assert curves.skipped.tolist() == [1, 4]
    assert np.isnan(curves.numbers["loss"]).tolist() == [True, False, False] * 2
    assert np.isnan(curves.figures["loss"][1]).all()


def test_losses_of_a_device_are_read_in_groups_and_before_a_checkpoint(
    strict, tmp_path, monkeypatch
):
    found = []

    class Counted(training.Callback):
        def after_step(self, trainer, step):
            found.append(len(lines(tmp_path)) if (tmp_path / METRICS).exists() else 0)
            if step.number == 55:
                for callback in trainer.callbacks:
                    callback.before_checkpoint(trainer)
                found.append(len(lines(tmp_path)))

    monkeypatch.setattr(readings, "_PATIENCE", math.inf)
    trainer = trainer_of(RunningSums(chunks=60))
    trainer.run(steps=57, callbacks=[Metrics(tmp_path), Counted()])
    assert found == [0] * 49 + [50] * 6 + [55] * 3
    assert read_metrics(tmp_path / METRICS).step.tolist() == list(range(1, 58))


class SmallDisk:
    """A file on a disk with little room, which takes what fits."""

    room = 1000

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, content):
        if not SmallDisk.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = content[: SmallDisk.room]
        SmallDisk.room -= len(part)
        return self.file.write(part)


def test_a_full_disk_costs_lines_and_one_warning_and_leaves_no_half_line(
    tmp_path, monkeypatch, capsys
):
    def opened(path, mode, buffering=-1):
        file = builtins.open(path, mode, buffering=buffering)
        return SmallDisk(file) if mode == "ab" else file

    class Cleaned(training.Callback):
        def after_step(self, trainer, step):
            SmallDisk.room = 10**6 if step.number == 20 else SmallDisk.room

    monkeypatch.setattr(metrics, "open", opened, raising=False)
    monkeypatch.setattr(SmallDisk, "room", 1000)
    trainer = train(tmp_path, 25, [Cleaned()])
    assert trainer.ended == "steps"
    steps = [line["step"] for line in lines(tmp_path) if "loss" in line]
    assert steps[:3] == [1, 2, 3] and steps[-5:] == [21, 22, 23, 24, 25] and 15 not in steps
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / METRICS}: cannot be written: No space left on device. The training goes on; "
        "steps will be missing in its curves."
    ]


def test_a_folder_that_is_gone_stops_nothing(tmp_path, capsys):
    assert train(tmp_path / "none", 3).ended == "steps"
    assert capsys.readouterr().err.count("\n") == 1


# Reading ------------------------------------------------------------------------------------------

STEP = '{"step": %d, "epoch": 0, "loss": 2.5, "norm": 1, "lr": 0.1, "count": 8, "seconds": 1}\n'
FIGURES = '{"step": %d, "figures": {"loss": 2.0}, "seconds": 1}\n'


def test_a_file_cut_off_anywhere_gives_its_whole_lines(tmp_path):
    path = tmp_path / METRICS
    content = (STEP % 1 + FIGURES % 1 + STEP % 2).encode()
    for size in range(len(content) + 1):
        path.write_bytes(content[:size])
        whole = content[:size].count(b'"seconds": 1}')
        curves = read_metrics(path)
        assert len(curves.step) + len(curves.figures.get("loss", ([],))[0]) == whole


DAMAGED = [  # a line, and what is said of it
    pytest.param("no JSON", "Expecting value", id="no JSON"),
    pytest.param("[]", "list indices", id="a list"),
    pytest.param("7", "not subscriptable", id="a number"),
    pytest.param("{}", "it has no 'step'", id="nothing in it"),
    pytest.param('{"step": 2}', "it has no 'epoch'", id="no numbers"),
    pytest.param((STEP % 2).replace("2.5", "NaN"), "NaN is not JSON", id="NaN"),
    pytest.param((STEP % 2).replace("2.5", '"2.5"'), "'2.5' is not a number", id="text"),
    pytest.param((STEP % 2).replace("2.5", "true"), "True is not a number", id="boolean"),
    pytest.param((STEP % 2).replace("2.5", "9" * 400), "too large", id="huge"),
    pytest.param((STEP % 2).replace('"step": 2', '"step": 2.0'), "2.0 is not a whole", id="2.0"),
    pytest.param((STEP % 2).replace('"step": 2', '"step": -2'), "-2 is not a whole", id="negative"),
    pytest.param((STEP % 2).replace("8", str(2**63)), "is not a whole number", id="beyond"),
    pytest.param(STEP % 1, "step 1 follows step 1", id="twice"),
    pytest.param('{"step": 2, "figures": [1]}', "no attribute 'items'", id="figures in a list"),
    pytest.param("[" * 10**5, "recursion", id="deep"),
    pytest.param("\ufffd\0", "Expecting value", id="bytes"),
]


@pytest.mark.parametrize("line, reason", DAMAGED)
def test_a_damaged_line_is_named_unless_it_is_the_last(line, reason, tmp_path):
    path = tmp_path / METRICS
    line = line.strip() + "\n"
    path.write_text(STEP % 1 + line)
    assert read_metrics(path).step.tolist() == [1]
    path.write_text(STEP % 1 + "\n" + line + STEP % 3)
    with pytest.raises(RunError, match=f"{METRICS}: line 3 is damaged: .*{reason}"):
        read_metrics(path)


def test_a_line_that_is_not_utf_8_is_damaged(tmp_path):
    path = tmp_path / METRICS
    path.write_bytes((STEP % 1).encode() + b"\xff\n" + (STEP % 2).encode())
    with pytest.raises(RunError, match="line 2 is damaged"):
        read_metrics(path)


def test_a_changed_byte_is_an_error_or_other_numbers(tmp_path):
    path = tmp_path / METRICS
    content = "".join(STEP % n + FIGURES % n for n in range(1, 6)).encode()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(changed)
        try:
            curves = read_metrics(path)
        except RunError:
            refused += 1
            continue
        assert (np.diff(curves.step) > 0).all()
        assert all(len(column) == len(curves.step) for column in curves.numbers.values())
    assert 50 < refused < 200


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RunError, match=f"{METRICS}: cannot be read: No such file"):
        read_metrics(tmp_path / METRICS)


def test_numbers_of_a_device_come_with_one_look(strict):
    import strict_cupy

    from minitorch_rnn.training.reporting.readings import numbers

    tensors = [mt.tensor(x) for x in (1.5, 2.5, -1.0)]
    strict_cupy.synchronisations.reset()
    assert numbers(tensors) == [1.5, 2.5, -1.0]
    assert strict_cupy.synchronisations.count == 1
