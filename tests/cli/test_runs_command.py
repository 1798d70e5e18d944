"""`minitorch-rnn runs`: what it tells of runs, however they ended, and of what is none."""

import dataclasses
import json

import pytest

from minitorch_rnn import cli
from minitorch_rnn.cli.table import plain, table
from minitorch_rnn.training.lock import locked
from minitorch_rnn.training.tasks import task_of


def make(folder, task="text", started="2026-01-02T03:04:05+00:00", options=(), **record):
    """The folder of a run with this record."""
    folder.mkdir()
    config = dataclasses.asdict(task_of(task).Config.of(dict(options)))
    known = {"format": 1, "task": task, "status": "running", "started": started, "config": config}
    rest = {"facts": {}, "sources": {}, "figures": {}} | record
    (folder / "run.json").write_text(json.dumps(known | rest))


def listed(folder, capsys):
    """What --json tells, by the name of the run."""
    assert cli.main(["runs", str(folder), "--json"]) == 0
    return {run["name"]: run for run in json.loads(capsys.readouterr().out)}


def test_a_row_tells_what_was_trained_and_what_came_of_it(tmp_path, capsys):
    figures = {"loss": 1.5, "bits_per_character": 2.164}
    options = {"cell": "lstm", "layers": 2, "hidden": 32}
    make(
        tmp_path / "first", options=options, status="finished", figures=figures, steps=2300,
        seconds=41.5,
    )  # fmt: skip
    assert cli.main(["runs", str(tmp_path)]) == 0
    head, row, _, note = capsys.readouterr().out.splitlines()
    assert head.split() == "run task network status steps figure started seconds".split()
    assert row.split("  ")[0] == "first"
    for part in ("text", "lstm 2x32", "finished", "2,300", "2.164", "2026-01-02 03:04", "41.5"):
        assert part in row
    assert note == "figure: text: bits_per_character"
    assert listed(tmp_path, capsys)["first"]["figures"] == figures


def test_a_run_is_running_while_it_is_locked_and_interrupted_when_it_was_killed(tmp_path, capsys):
    make(tmp_path / "now"), make(tmp_path / "killed")
    make(tmp_path / "cut", status="interrupted", steps=7)
    with locked(tmp_path / "now"):
        found = listed(tmp_path, capsys)
    assert {name: run["status"] for name, run in found.items()} == {
        "now": "running", "killed": "interrupted", "cut": "interrupted",
    }  # fmt: skip


def test_a_killed_run_has_the_steps_of_its_newest_checkpoint(tmp_path, capsys):
    make(tmp_path / "killed"), make(tmp_path / "resumed", steps=7), make(tmp_path / "new")
    make(tmp_path / "over", status="finished", steps=7)
    for run in ("killed", "resumed", "over"):
        (tmp_path / run / "checkpoints").mkdir()
        for name in ("step-00000020", "step-00000100", "step-00000300.safetensors.tmp.1"):
            (tmp_path / run / "checkpoints" / f"{name}.safetensors").write_bytes(b"")
    found = listed(tmp_path, capsys)
    assert {name: run["steps"] for name, run in found.items()} == {
        "killed": 100, "resumed": 100, "new": None, "over": 7,
    }  # fmt: skip


def test_why_a_run_failed_stands_below_the_table(tmp_path, capsys):
    reason = "train: the loss of step 3 is nan. It begins here: 'log' gives nan. Use float64."
    make(tmp_path / "wild", status="failed", error=reason)
    assert cli.main(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("\nwild failed: train: the loss of step 3 is nan.\n")
    assert listed(tmp_path, capsys)["wild"]["reason"] == reason


def test_the_earliest_comes_first(tmp_path, capsys):
    for name, day in (("b", 3), ("c", 1), ("a", 2)):
        make(tmp_path / name, started=f"2026-01-0{day}T00:00:00+00:00")
    assert list(listed(tmp_path, capsys)) == ["c", "a", "b"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": 9}',
        b'{"format": 1, "task": "fly", "config": {}}',
        b'{"format": 1, "task": ["text"], "config": {}}',
        b'{"format": 1, "task": "text", "config": {"hidden": -1}}',
        b'{"format": 1, "task": "text", "config": {}, "status": "finished", "started": "now",'
        b' "facts": {}, "sources": {}, "figures": 3}',
        b'{"format": 1, "task": "text", "config": {}, "status": "finished", "started": "now",'
        b' "facts": {}, "sources": {}, "figures": {"loss": "low"}}',
        b'{"format": 1, "task": "text", "config": {}, "status": "finished", "started": "now",'
        b' "facts": {}, "sources": {}, "figures": {}, "steps": "many"}',
    ],
)  # fmt: skip
def test_a_damaged_run_is_a_row_with_its_reason(tmp_path, capsys, content):
    make(tmp_path / "whole", status="finished", steps=3)
    make(tmp_path / "hurt")
    (tmp_path / "hurt" / "run.json").write_bytes(content)
    found = listed(tmp_path, capsys)
    assert [found[name]["status"] for name in ("hurt", "whole")] == ["damaged", "finished"]
    assert "hurt/run.json" in found["hurt"]["reason"]
    assert cli.main(["runs", str(tmp_path)]) == 0
    assert "hurt damaged: " in capsys.readouterr().out


def test_what_is_no_run_is_left_out_and_nothing_but_the_record_is_read(tmp_path, capsys):
    make(tmp_path / "run", status="finished", steps=3)
    (tmp_path / "run" / "config.toml").write_bytes(b"\xff")
    (tmp_path / "run" / "weights.safetensors").write_bytes(b"no weights")
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("")
    assert list(listed(tmp_path, capsys)) == ["run"]


def test_the_folder_of_one_run_is_listed_as_such(tmp_path, capsys):
    make(tmp_path / "run", status="finished", steps=3)
    assert list(listed(tmp_path / "run", capsys)) == ["run"]


def test_no_runs_and_no_folder_are_told(tmp_path, capsys):
    assert cli.main(["runs", str(tmp_path)]) == 0
    assert "holds no run" in capsys.readouterr().out
    assert cli.main(["runs", str(tmp_path / "none")]) == 1
    assert "none: cannot be read: No such file or directory" in capsys.readouterr().err


def test_figures_that_are_not_finite_are_null_in_json(tmp_path, capsys):
    make(tmp_path / "wild", status="failed", figures={"bits_per_character": float("nan")})
    assert listed(tmp_path, capsys)["wild"]["figures"] == {"bits_per_character": None}


# The table ----------------------------------------------------------------------------------------

ROWS = [
    {"name": "a long name of something", "steps": 12345, "loss": 0.123456, "note": "first"},
    {"name": "short", "steps": None, "loss": float("nan"), "note": None},
]


def test_a_table_lets_go_of_what_can_be_spared_then_shortens_then_becomes_a_list():
    heads = {
        width: table(ROWS, width, spare=["note", "steps"]).splitlines()[0].split()
        for width in (60, 40, 30, 10)
    }
    assert heads == {
        60: ["name", "steps", "loss", "note"],
        40: ["name", "steps", "loss"],
        30: ["name", "loss"],
        10: ["name", "a", "long", "…"],
    }
    assert table(ROWS, 20, spare=["note", "steps"]).splitlines()[1] == "a long name…  0.1235"
    assert "12,345" in table(ROWS, 10, spare=["note", "steps"])  # the list has room for all


@pytest.mark.parametrize("width", range(15, 80, 4))
def test_no_line_is_wider_than_the_terminal(width):
    assert max(map(len, table(ROWS, width, ["note"]).splitlines())) <= max(width, 15)


def test_a_cell_cannot_move_the_cursor():
    lines = table([{"name": "a\x1b[2J\nb", "flag": True, "list": ("x", "y")}]).splitlines()
    assert [line.split() for line in lines[1:]] == [["a?[2J?b", "yes", "x,y"]]


def test_nested_numbers_become_json():
    assert plain([{"a": (1, float("inf"))}, "text", None]) == [{"a": [1, None]}, "text", None]
