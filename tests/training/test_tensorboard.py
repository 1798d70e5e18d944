"""TensorBoard's files: whole records, the right numbers, and no training lost for their sake."""

import errno
import io
import math
import struct
import sys

import pytest
from small_tasks import RunningSums, trainer_of

from minitorch_rnn import training
from minitorch_rnn.errors import RunError
from minitorch_rnn.training import reporting
from minitorch_rnn.training.reporting import Metrics, TensorBoard, read_metrics


def crc32c(content):
    """Castagnoli's checksum, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def masked(content):
    crc = crc32c(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    """What a file of TFRecords holds: each a length, its checksum, the content, its checksum."""
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        (size,) = struct.unpack_from("<Q", content, place)
        body = content[place + 12 : place + 12 + size]
        assert struct.unpack_from("<I", content, place + 8) == (masked(content[place:][:8]),)
        assert struct.unpack_from("<I", content, place + 12 + size) == (masked(body),)
        found.append(body)
        place += 16 + size
    return found


@pytest.fixture
def events():
    """The events in the files of a run, in the order TensorBoard reads them."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2", reason="needs tensorboardX")

    def read(folder):
        files = sorted((folder / "tensorboard").iterdir())
        return [proto.Event.FromString(body) for path in files for body in records(path)]

    return read


def scalars(events):
    return [
        (event.step, value.tag, value.simple_value)
        for event in events
        for value in event.summary.value
    ]


def test_the_checksum_is_the_one_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, and every table of check values


def test_the_numbers_are_those_of_the_metrics(events, tmp_path):
    trainer = trainer_of(RunningSums(chunks=3), validate_every=2)
    trainer.run(steps=5, callbacks=[Metrics(tmp_path), TensorBoard(tmp_path)])
    first, *others = events(tmp_path)
    assert first.file_version == "brain.Event:2"
    curves = read_metrics(tmp_path / "metrics.jsonl")
    for name in ("loss", "norm", "lr"):
        found = [(step, y) for step, tag, y in scalars(others) if tag == f"train/{name}"]
        wanted = zip(curves.step, curves.numbers[name], strict=True)
        assert found == [(step, pytest.approx(y, rel=1e-6)) for step, y in wanted]  # float32
    found = [(step, y) for step, tag, y in scalars(others) if tag == "held_out/loss"]
    wanted = zip(*curves.figures["loss"], strict=True)
    assert found == [(step, pytest.approx(y, rel=1e-6)) for step, y in wanted]


def test_a_training_that_goes_on_lets_the_steps_be_forgotten_that_it_repeats(events, tmp_path):
    trainer = trainer_of(RunningSums(chunks=3))
    trainer.run(steps=4, callbacks=[TensorBoard(tmp_path)])
    trainer.run(steps=6, callbacks=[TensorBoard(tmp_path)])
    found = events(tmp_path)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2  # also within one second
    assert [(e.step, e.session_log.status) for e in found if e.HasField("session_log")] == [(5, 1)]
    steps = [step for step, tag, _ in scalars(found) if tag == "train/loss"]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_a_restored_checkpoint_lets_the_steps_behind_it_be_forgotten(events, tmp_path):
    writer, trainer = TensorBoard(tmp_path), trainer_of(RunningSums())
    trainer.run(steps=3, callbacks=[writer])
    writer.at_start(trainer)
    trainer.step = 2
    writer.after_restore(trainer)
    writer.at_end(trainer)
    found = [e.step for e in events(tmp_path) if e.HasField("session_log")]
    assert found == [4, 3]


def test_losses_of_a_device_are_written_before_a_checkpoint(events, strict, tmp_path):
    class Checkpoint(training.Callback):
        def after_step(self, trainer, step):
            if step.number == 3:
                for callback in trainer.callbacks:
                    callback.before_checkpoint(trainer)
                steps = [step for step, tag, _ in scalars(events(tmp_path)) if tag == "train/loss"]
                assert steps == [1, 2, 3]

    trainer_of(RunningSums()).run(steps=4, callbacks=[TensorBoard(tmp_path), Checkpoint()])


def test_a_loss_that_is_not_finite_is_written_as_it_is(events, tmp_path):
    writer, trainer = TensorBoard(tmp_path), trainer_of(RunningSums())
    writer.at_start(trainer)
    writer.after_validation(trainer, {"loss": math.nan, "error": 1e300})
    writer.at_end(trainer)
    (_, _, loss), (_, _, error) = scalars(events(tmp_path))
    assert math.isnan(loss) and error == math.inf  # as float32


def test_a_full_disk_ends_the_file_and_not_the_training(events, tmp_path, monkeypatch, capsys):
    from tensorboardX import record_writer

    class SmallDisk(io.FileIO):
        room = 300

        def write(self, content):
            if len(content) > SmallDisk.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            SmallDisk.room -= len(content)
            return super().write(content)

    def opened(path):
        return io.BufferedWriter(SmallDisk(path, "wb"))

    monkeypatch.setattr(record_writer, "open_file", opened)
    monkeypatch.setattr(reporting.tensorboard, "_PERIOD", 0.0)
    trainer = trainer_of(RunningSums())
    trainer.run(steps=9, callbacks=[TensorBoard(tmp_path)])
    assert trainer.ended == "steps" and SmallDisk.room < 300
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path / 'tensorboard'}: cannot be written: No space left on device. The training "
        "goes on without TensorBoard."
    ]


def test_a_folder_that_cannot_be_made_is_told(events, tmp_path, capsys):
    (tmp_path / "tensorboard").write_text("mine")
    trainer_of(RunningSums()).run(steps=2, callbacks=[TensorBoard(tmp_path)])
    assert "File exists" in capsys.readouterr().err


def test_without_tensorboardx_the_line_that_installs_it_is_told(tmp_path, monkeypatch):
    for name in ("tensorboardX", "tensorboardX.proto"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RunError, match=r"tensorboardX is needed; .* pip install -e '.\[tensorb"):
        TensorBoard(tmp_path)
