"""Files that somebody damaged, mixed up or forged: a clear error or a right load, and nothing else.

Each kind of file is changed at random, as often as MINITORCH_RNN_MUTATIONS says, and read by what
the commands call. Allowed are the errors that the command line tells in a line; not another one, a
hang, much memory, or a file outside of the run folder.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from mutations import changed, damaged, watched
from small_tasks import RunningSums, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import cli, training
from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.column import Column
from minitorch_rnn.errors import ColumnError, DataError, RunError
from minitorch_rnn.serialization import to_bytes
from minitorch_rnn.training import reporting, session, sweep
from minitorch_rnn.training.config import read
from minitorch_rnn.training.tasks import TASKS

resource = pytest.importorskip("resource", reason="limits of Unix")

CASES = int(os.environ.get("MINITORCH_RNN_MUTATIONS", "15"))  # of each kind
MEMORY = 3 << 30  # bytes of address space beyond what is in use
TOLD = cli._TOLD
TEXT = "the cat sat on the mat, and the dog did not. " * 20
TAGGED = "the\tD\ncat\tN\nsat\tV\n\na\tD\ndog\tN\n\n" * 8
CSV = "# of a mill\nyear,flour,rain\n" + "".join(
    f"{1900 + i},{np.sin(i) + 2:.4f},{(i * 7) % 5}.5\n" for i in range(60)
)
PLAN = """
task = "forecast"
steps = 5
[grid]
lr = [0.01, 0.1]
[random]
trials = 2
hidden = [4, 8]
"""
OPTIONS = {
    "text": {"hidden": 8, "batch": 2, "sequence": 10, "cell": "gru"},
    "tag": {"hidden": 4, "batch": 3},
    "forecast": {
        "hidden": 4,
        "batch": 4,
        "target": "flour",
        "columns": ["rain"],
        "sequence": 20,
        "horizon": 4,
    },
}


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run of every task."""
    home = tmp_path_factory.mktemp("runs")
    (home / "text.txt").write_text(TEXT)
    (home / "tag.tsv").write_text(TAGGED)
    (home / "forecast.csv").write_text(CSV)
    for task, options in OPTIONS.items():
        data = {"text" if task == "text" else "data": str(next(home.glob(f"{task}.*")))}
        chosen = TASKS[task].Config.of(options | data | {"steps": 6, "checkpoint_every": 2})
        training.start(chosen, home / task)
    return home


@pytest.fixture
def quiet(monkeypatch):
    """Commands read what they read and check what they check, but train and draw nothing."""
    monkeypatch.setattr(reporting, "save_curves", lambda *_, **__: [])
    monkeypatch.setattr(training.Trainer, "run", lambda *_, **__: None)
    for task in TASKS.values():
        monkeypatch.setattr(task, "finish", lambda *_: [])


def each(name):
    """A generator of random numbers for each case."""
    for case in range(CASES):
        yield case, np.random.default_rng([case, *name.encode()])


def command(*arguments):
    """What a command says on stderr; it ends with 0, with 1 and a line, or with 2 and the usage."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as ended:
            status = ended.code
    said = err.getvalue()
    if status == 1:
        assert said.startswith("minitorch-rnn: ") and said.count("\n") == 1, said
    else:
        assert status == 0 or (status == 2 and said.startswith("usage: ")), (status, said)
    assert len(said) < 4000
    return status


# Checkpoints --------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    trainer = trainer_of(RunningSums(chunks=3), validate_every=2)
    kept = training.Checkpoints(tmp_path / "run", every=2)
    trainer.run(steps=6, callbacks=[kept])
    return tmp_path / "run", {path: path.read_bytes() for path in kept.files()}


def test_of_damaged_checkpoints_the_newest_whole_one_is_taken_bit_for_bit(saved):
    folder, contents = saved
    for _, rng in each("checkpoints"):
        for path, content in contents.items():
            path.write_bytes(damaged(content, rng) if rng.random() < 0.7 else content)
        whole = [content for path, content in contents.items() if path.read_bytes() == content]
        other = trainer_of(RunningSums(chunks=3, seed=1))
        with watched(folder):
            try:
                training.Checkpoints(folder).restore(other)
            except TOLD as error:
                assert str(folder) in str(error) and not whole
                continue
        now = other.state_dict()
        now["numbers"]["seconds"] = now["watch"] = None
        loaded = [mt.load(path) for path in reversed(contents) if _loads(path)][0]
        loaded["numbers"]["seconds"] = loaded["watch"] = None
        assert to_bytes(now) == to_bytes(loaded)


def _loads(path):
    try:
        return bool(mt.load(path))
    except mt.errors.CheckpointError:
        return False


def test_a_forged_checkpoint_with_a_right_checksum_trains_on_or_is_told(saved):
    folder, contents = saved
    newest = max(contents)
    state = mt.load(newest)
    for case, rng in each("forged"):
        forged = changed(state, rng)
        for path in training.Checkpoints(folder).files():
            path.unlink()
        mt.save(forged, newest)
        other = trainer_of(RunningSums(chunks=3, seed=1), validate_every=2)
        with watched(folder):
            try:
                training.Checkpoints(folder).restore(other)
                other.run(steps=9, callbacks=[training.Checkpoints(folder, every=1)])
            except TOLD:
                continue
            except Exception as error:
                raise AssertionError(f"case {case}: {_difference(state, forged)}") from error


def _difference(before, after, path=""):
    if type(before) is not type(after) or not isinstance(before, dict | list | tuple):
        return "" if before is after else f"{path}: {str(before):.60} -> {str(after):.60}; "
    if isinstance(before, dict):
        told = [f"{path} keys {set(before) ^ set(after)}; "] if set(before) != set(after) else []
        return "".join(
            [
                *told,
                *(_difference(before[k], after[k], f"{path}.{k}") for k in before if k in after),
            ]
        )
    if len(before) != len(after):
        return f"{path}: {len(before)} -> {len(after)} entries; "
    return "".join(
        _difference(a, b, f"{path}.{i}") for i, (a, b) in enumerate(zip(before, after, strict=True))
    )


def test_damaged_weights_are_told_or_are_the_right_ones(runs):
    for task in OPTIONS:
        path = runs / task / "weights.safetensors"
        content, state = path.read_bytes(), mt.load(path)
        for _, rng in each(f"weights of {task}"):
            path.write_bytes(damaged(content, rng))
            with watched(runs / task):
                try:
                    found = training.Run.open(runs / task).task().model.state_dict()
                except RunError as error:
                    assert str(path) in str(error)
                else:
                    assert to_bytes(found) == to_bytes(state)
        path.write_bytes(content)


# Run folders --------------------------------------------------------------------------------------


def commands(folder, task):
    yield "evaluate", folder
    yield "runs", folder
    yield "resume", folder, "--quiet"
    if task == "text":
        yield "sample", folder, "--length", "3"
    if task == "forecast":
        yield "forecast", folder, "--out", folder / "forecast.png"


@pytest.mark.parametrize("task", OPTIONS)
@pytest.mark.parametrize("name", ["run.json", "config.toml"])
def test_a_damaged_record_or_config_is_told_in_a_line(name, task, runs, quiet, tmp_path):
    folder = shutil.copytree(runs / task, tmp_path / "run")
    contents = {name: (folder / name).read_bytes() for name in ("run.json", "config.toml")}
    statuses = set()
    for _, rng in each(name + task):
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        if name == "run.json" and rng.random() < 0.5:
            (folder / name).write_text(json.dumps(changed(json.loads(contents[name]), rng)))
        else:
            (folder / name).write_bytes(damaged(contents[name], rng))
        asked = list(commands(folder, task))
        with watched(folder):
            statuses.add(command(*asked[int(rng.integers(len(asked)))]))
    assert 1 in statuses


def test_damaged_metrics_are_told_or_read(runs):
    folder = runs / "text"
    path = folder / reporting.METRICS
    content = path.read_bytes()
    trainer = trainer_of(RunningSums())
    trainer.step = 4
    for _, rng in each("metrics"):
        path.write_bytes(damaged(content, rng))
        with watched(folder):
            try:
                curves = reporting.read_metrics(path)
                assert len(curves.step) < 10_000
            except RunError as error:
                assert str(path) in str(error)
            metrics = reporting.Metrics(folder)
            metrics.at_start(trainer)
            metrics.close()
            with contextlib.suppress(RunError):  # of what is damaged before the last whole line
                assert all(n < 5 for n in reporting.read_metrics(path).step[-1:])
    path.write_bytes(content)


# Options and data ---------------------------------------------------------------------------------


def test_a_damaged_toml_of_options_is_told_in_a_line(runs, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(session, "require", lambda *_: None)

    def start(config, *_):
        started.append(config)
        raise RunError("as far as this")

    monkeypatch.setattr(training, "start", start)
    for task in OPTIONS:
        content = (runs / task / "config.toml").read_bytes()
        for _, rng in each(f"toml of {task}"):
            path = tmp_path / "mine.toml"
            path.write_bytes(damaged(content, rng))
            with watched(tmp_path):
                assert command("train", "--task", task, "--config", path) in (1, 2)
    assert started
    for config in started:
        (tmp_path / "again.toml").write_text(config.written())
        assert type(config).of(read(tmp_path / "again.toml")) == config


def test_a_damaged_plan_of_a_sweep_is_told_or_read(tmp_path):
    path = tmp_path / "plan.toml"
    for _, rng in each("plan"):
        path.write_bytes(damaged(PLAN.encode(), rng))
        with watched(tmp_path):
            try:
                plan = sweep.read_plan(path, lambda task: training.tasks.task_of(task).Config)
            except RunError as error:
                assert str(path) in str(error)
            else:
                assert 1 <= len(plan.trials) < 10_000


@pytest.mark.parametrize("task", OPTIONS)
def test_damaged_data_is_told_or_made_into_finite_batches(task, runs):
    source = next(runs.glob(f"{task}.*"))
    content = source.read_bytes()
    path = runs / f"damaged{source.suffix}"
    fills = ("refuse", "previous", "linear", "mean")
    for _, rng in each(f"data of {task}"):
        path.write_bytes(damaged(content, rng))
        options = {"text" if task == "text" else "data": str(path)} | OPTIONS[task]
        if task == "forecast":
            options |= {"fill": str(rng.choice(fills))}
        if task == "text":
            options |= {"symbols": str(rng.choice(["characters", "bytes"]))}
        with watched(runs):
            try:
                made = TASKS[task].prepare(TASKS[task].Config.of(options))
                batches = made.batches(0)
                figures = made.evaluate()
            except DataError as error:
                assert str(path) in str(error) and len(str(error)) < 4000
                continue
        assert len(batches) and np.isfinite(batches[0].inputs).all()
        assert np.isfinite(figures[made.judged_by])
        assert json.loads(json.dumps(made.facts(), allow_nan=False))


@pytest.mark.parametrize("network", ["elman", "lstm", "narx"])
def test_a_damaged_column_is_told_or_is_one(network):
    content = COLUMNS[network](2, 3, 2).to_json()
    for case, rng in each(f"column {network}"):
        if case % 2:
            text = json.dumps(changed(json.loads(content), rng))
        else:
            text = damaged(content.encode(), rng).decode("utf-8", "replace")
        try:
            column = Column.from_json(text)
        except ColumnError:
            continue
        assert Column.from_json(column.to_json()) == column


# The real command line ----------------------------------------------------------------------------


@pytest.mark.parametrize("name, damage, arguments, status", [
    ("run.json", lambda content: b'{"format":' * 50_000, ("evaluate", "run"), 1),
    ("weights.safetensors", lambda content: b"PK\x03\x04", ("sample", "run"), 1),
    ("config.toml", lambda content: b"lr = '../../x'", ("train", "--config", "run/config.toml"), 1),
    ("config.toml", lambda content: b"epochs = 2", ("train", "--config", "run/config.toml",
                                                   "--dropout", "0.5"), 2),
])  # fmt: skip
def test_a_real_process_says_it_in_a_line_and_leaves_nothing(
    name, damage, arguments, status, runs, tmp_path
):
    folder = shutil.copytree(runs / "text", tmp_path / "run")
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    before = sorted(path for path in tmp_path.rglob("*") if path.name != ".lock")
    answer = subprocess.run(
        [sys.executable, "-m", "minitorch_rnn", *arguments], cwd=tmp_path, capture_output=True,
        text=True, timeout=100,
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (status, "")
    *usage, last = answer.stderr.splitlines()
    assert last.startswith("minitorch-rnn") and "Traceback" not in answer.stderr
    assert not usage or status == 2
    assert sorted(path for path in tmp_path.rglob("*") if path.name != ".lock") == before
