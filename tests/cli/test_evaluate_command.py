"""`minitorch-rnn evaluate`: a run's figures again, and on other data; wrong runs as one line."""

import json
import subprocess
import sys

import pytest

from minitorch_rnn import cli
from minitorch_rnn.training import Run, start
from minitorch_rnn.training.tasks import TASKS

TEXT = "the cat sat on the mat. " * 60
SMALL = {"hidden": 8, "batch": 4, "steps": 30}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with two runs and the data that they were trained on."""
    home = tmp_path_factory.mktemp("evaluated")
    (home / "book.txt").write_text(TEXT, encoding="utf-8")
    lines = ["a\tX", "b\tY", "a\tX", "", "b\tY", "b\tY", ""] * 12
    (home / "words.tsv").write_text("\n".join(lines), encoding="utf-8")
    given = {
        "text": {"text": str(home / "book.txt"), "sequence": 10},
        "tag": {"data": str(home / "words.tsv"), "embedding": 3},
    }
    for task, options in given.items():
        start(TASKS[task].Config.of(SMALL | options), home / "runs" / task)
    return home


def one_line(error):
    """The only line of an error message, without the name of the program."""
    assert error.startswith("minitorch-rnn: ") and error.count("\n") == 1, error
    return error.removeprefix("minitorch-rnn: ").rstrip("\n")


def evaluated(*arguments):
    return cli.main(["evaluate", *map(str, arguments)])


@pytest.mark.parametrize("task", ["text", "tag"])
def test_a_run_has_the_figures_it_had_when_it_ended(task, home, capsys):
    folder = home / "runs" / task
    assert evaluated(folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    record = Run.open(folder).record
    assert told["figures"] == pytest.approx(record["figures"], rel=1e-6)  # float32
    assert (told["task"], told["run"], told["data"]) == (task, str(folder), None)
    assert told["best_step"] == record["best"]


def test_what_is_told_is_the_report_below_what_was_judged(home, capsys):
    folder = home / "runs" / "text"
    assert evaluated(folder) == 0
    first, *report = capsys.readouterr().out.splitlines()
    step = Run.open(folder).record["best"]
    assert first == f"{folder}: the best weights, of step {step}, on what was held out"
    assert "characters that chose but did not train its weights" in report[0] and len(report) == 3


def test_a_tagger_is_told_tag_by_tag(home, capsys):
    assert evaluated(home / "runs" / "tag") == 0
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]]
    assert sorted(rows) == ["X", "Y"]


@pytest.mark.parametrize("flag", ["--data", "--text"])
def test_another_file_is_judged_with_the_vocabulary_of_the_run(flag, home, tmp_path, capsys):
    other = tmp_path / "other.txt"
    other.write_text("QUITE OTHER. " * 20, encoding="utf-8")
    assert evaluated(home / "runs" / "text", flag, other, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["data"] == str(other)
    assert told["figures"]["bits_per_character"] > 3
    assert evaluated(home / "runs" / "text", flag, other) == 0
    out = capsys.readouterr().out
    assert f"on {other}\n" in out and f"characters of {other}\nthe model needs" in out


def test_other_sequences_are_judged_with_the_tags_of_the_run(home, tmp_path, capsys):
    other = tmp_path / "other.tsv"
    other.write_text("b\tY\na\tX\n")
    assert evaluated(home / "runs" / "tag", "--data", other, "--json") == 0
    assert json.loads(capsys.readouterr().out)["figures"]["accuracy"] in (0, 0.5, 1)
    other.write_text("b\tZ\n")
    assert evaluated(home / "runs" / "tag", "--data", other) == 1
    assert "has the tag 'Z'" in one_line(capsys.readouterr().err)


def test_the_newest_run_is_judged_unless_one_is_named(home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    assert evaluated("--json") == 0
    assert json.loads(capsys.readouterr().out)["task"] == "tag"


def test_a_file_that_cannot_be_used_is_one_line(home, tmp_path, capsys):
    for name, content, reason in (
        ("none.txt", None, "cannot be read"),
        ("short.txt", "short", "has 5 characters here"),
        ("empty.txt", "", "is empty"),
    ):
        if content is not None:
            (tmp_path / name).write_text(content)
        assert evaluated(home / "runs" / "text", "--data", tmp_path / name) == 1
        assert f"{tmp_path / name}: {reason}" in one_line(capsys.readouterr().err)


def test_data_that_is_no_longer_what_was_held_out_is_refused(home, tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text(TEXT)
    options = SMALL | {"text": str(book), "sequence": 10, "steps": 2}
    start(TASKS["text"].Config.of(options), tmp_path / "run")
    book.write_text(TEXT.replace("mat", "tam"))
    assert evaluated(tmp_path / "run") == 1
    assert f"{book}: has changed" in one_line(capsys.readouterr().err)
    book.unlink()
    assert evaluated(tmp_path / "run") == 1
    assert f"{book}: cannot be read" in one_line(capsys.readouterr().err)


def test_no_run_is_one_line(tmp_path, capsys):
    assert evaluated(tmp_path / "none") == 1
    assert "holds no run" in one_line(capsys.readouterr().err)


def test_as_a_process_it_prints_json_and_nothing_else(home):
    answer = subprocess.run(
        [sys.executable, "-m", "minitorch_rnn", "evaluate", str(home / "runs" / "text"), "--json"],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert answer.returncode == 0 and answer.stderr == ""
    assert set(json.loads(answer.stdout)) == {"run", "task", "best_step", "data", "figures"}
