"""Checkpoints of a training: which are kept, what is read of damaged ones, what is swept away."""

import errno
import pathlib

import numpy as np
import pytest
from small_tasks import RunningSums, same, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import training
from minitorch_rnn.errors import CheckpointError, NonFiniteError, RunError
from minitorch_rnn.training.checkpoints import is_temporary, tidy


def names(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def step(number):
    return f"step-{number:08d}.safetensors"


def train(folder, steps=12, figures=None, task=None, every=None, keep=2, **options):
    """Train with checkpoints; validation says `figures`, one after the other."""
    task = task or RunningSums(chunks=3)
    if figures:
        told = iter(figures)
        task.evaluate = lambda: {"loss": next(told)}
    trainer = trainer_of(task, validate_every=3, **options)
    kept = training.Checkpoints(folder, every, keep)
    trainer.run(steps=steps, callbacks=[kept])
    return trainer, kept


def test_the_last_and_the_best_are_kept(tmp_path):
    trainer, _ = train(tmp_path, 15, figures=[5, 3, 4, 4, 4])
    assert trainer.best[:2] == (6, 3)
    assert names(tmp_path) == [step(6), step(12), step(15)]


def test_the_weights_are_those_of_the_best(tmp_path):
    train(tmp_path, 15, figures=[5, 3, 4, 4, 4])
    best = mt.load(tmp_path / "checkpoints" / step(6))["model"]
    same(mt.load(tmp_path / "weights.safetensors"), best)
    last = mt.load(tmp_path / "checkpoints" / step(15))["model"]
    assert any((best[name] != last[name]).any() for name in best)


def test_checkpoints_come_as_often_as_asked_and_with_every_best(tmp_path):
    train(tmp_path, 11, figures=[5, 4, 6, 6], every=4, keep=10)
    assert names(tmp_path) == [step(n) for n in (3, 4, 6, 8, 11)]


def test_without_a_validation_the_last_weights_stay(tmp_path):
    trainer, _ = train(tmp_path, 2, figures=[1.0])
    same(mt.load(tmp_path / "weights.safetensors"), trainer.task.model.state_dict())
    task = RunningSums()
    trainer = trainer_of(task, validate_every=100)
    stop = training.Callback()
    stop.after_step = lambda trainer, step: trainer.stop("interrupt")
    trainer.run(steps=9, callbacks=[training.Checkpoints(tmp_path / "other"), stop])
    assert trainer.step == 1 and trainer.best is None
    same(mt.load(tmp_path / "other" / "weights.safetensors"), task.model.state_dict())


def test_a_checkpoint_goes_into_a_folder_that_is_made(tmp_path):
    train(tmp_path / "deep" / "run", 3)
    assert names(tmp_path / "deep" / "run") == [step(3)]


def test_the_newest_that_is_whole_is_taken_and_the_others_are_told(tmp_path):
    train(tmp_path, 12, keep=3, figures=[4, 3, 2, 1])
    newest = tmp_path / "checkpoints" / step(12)
    newest.write_bytes(newest.read_bytes()[:-7])
    flipped = tmp_path / "checkpoints" / step(9)
    content = bytearray(flipped.read_bytes())
    content[-3] ^= 16
    flipped.write_bytes(content)
    kept = training.Checkpoints(tmp_path)
    assert kept.newest()["numbers"]["step"] == 6
    assert len(kept.notes) == 2 and step(12) in kept.notes[0] and step(9) in kept.notes[1]


def test_it_is_an_error_where_none_is_whole(tmp_path):
    train(tmp_path, 3)
    (tmp_path / "checkpoints" / step(3)).write_bytes(b"")
    with pytest.raises(CheckpointError, match=f"no checkpoint is whole. .*{step(3)}"):
        training.Checkpoints(tmp_path).newest()


def test_what_is_no_checkpoint_is_left_alone(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    mine = [f"{step(1)}.tmp.mine", "step-1.safetensors", "notes.txt"]
    for name in mine:
        (tmp_path / "checkpoints" / name).write_text("mine")
    train(tmp_path, 9, keep=1, figures=[1, 2, 3])
    tidy(tmp_path)
    assert names(tmp_path) == sorted([*mine, step(3), step(9)])


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    left = [
        tmp_path / "run.json.tmp.123.456",
        tmp_path / "checkpoints" / f"{step(8)}.tmp.99999999.140000000000000",
    ]
    for path in left:
        path.write_bytes(b"half")
    assert all(is_temporary(path) for path in left)
    tidy(tmp_path)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_stops_the_training_and_leaves_what_was_there(call, tmp_path, monkeypatch):
    trainer, kept = train(tmp_path, 3, figures=[2.0, 1.0, 0.5])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "write":
        real = open
        monkeypatch.setattr("builtins.open", lambda *a: full() if a[1:] == ("wb",) else real(*a))
    else:
        monkeypatch.setattr(f"os.{call}", full)
    with pytest.raises(RunError, match="step 6 cannot be written: No space left.*are intact"):
        trainer.run(steps=6, callbacks=[kept])
    monkeypatch.undo()
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_a_restored_trainer_is_the_one_that_was_saved(tmp_path):
    trainer, _ = train(tmp_path, 8)
    other = trainer_of(RunningSums(chunks=3, seed=1), validate_every=3)
    assert training.Checkpoints(tmp_path).restore(other)
    assert (other.step, other.epoch, other.index, other.best) == (8, 2, 2, trainer.best)
    same(other.task.model.state_dict(), trainer.task.model.state_dict())
    assert not training.Checkpoints(tmp_path / "none").restore(other)


def test_a_checkpoint_of_another_model_names_the_folder(tmp_path):
    train(tmp_path, 3)
    other = trainer_of(RunningSums(layer=mt.nn.GRU))
    with pytest.raises(CheckpointError, match=f"(?s){tmp_path}/checkpoints: .*weight_ih_l0"):
        training.Checkpoints(tmp_path).restore(other)


def test_nan_is_never_saved(tmp_path):
    class Wrong(RunningSums):
        def loss(self, batch, state):
            loss, state = super().loss(batch, state)
            self.steps = getattr(self, "steps", 0) + self.model.training
            return (loss * np.nan if self.steps == 8 else loss), state

    with pytest.raises(NonFiniteError, match="the loss of step 8 is nan"):
        train(tmp_path, 12, task=Wrong(chunks=3), every=1, keep=100)
    assert names(tmp_path)[-1] == step(7)
    for path in pathlib.Path(tmp_path / "checkpoints").iterdir():
        for array in mt.load(path)["model"].values():
            assert np.isfinite(array).all()
