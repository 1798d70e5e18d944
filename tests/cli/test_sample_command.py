"""`minitorch-rnn sample`: text of a run's best weights; runs that write none as one line."""

import shutil

import numpy as np
import pytest

from minitorch_rnn import cli
from minitorch_rnn.training import Run, start
from minitorch_rnn.training.tasks import TASKS

TEXT = "the cat sat on the mat. é " * 60
SMALL = {"hidden": 8, "batch": 4, "sequence": 10, "steps": 30}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with runs of characters, of bytes and of tags."""
    home = tmp_path_factory.mktemp("sampled")
    (home / "book.txt").write_text(TEXT, encoding="utf-8")
    (home / "words.tsv").write_text("a\tX\n\nb\tY\n\n" * 12, encoding="utf-8")
    text = {"text": str(home / "book.txt")}
    for name, task, options in (
        ("tag", "tag", {"data": str(home / "words.tsv")}),
        ("bytes", "text", text | {"symbols": "bytes", "cell": "gru", "layers": 2}),
        ("characters", "text", text | {"layers": 2, "dropout": 0.5, "cell": "lstm"}),
    ):
        start(TASKS[task].Config.of(SMALL | options), home / "runs" / name)
    return home


def one_line(error):
    """The only line of an error message, without the name of the program."""
    assert error.startswith("minitorch-rnn: ") and error.count("\n") == 1, error
    return error.removeprefix("minitorch-rnn: ").rstrip("\n")


def drawn(capsys, *arguments):
    assert cli.main(["sample", *map(str, arguments)]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    return out


def test_a_sample_is_what_the_best_weights_draw_after_the_prompt(home, capsys):
    folder = home / "runs" / "characters"
    arguments = ("--prompt", "the c", "--length", 40, "--temperature", 0.5, "--seed", 3)
    out = drawn(capsys, folder, *arguments)
    rng = np.random.default_rng(3)
    assert (
        out == "the c" + "".join(Run.open(folder).task().model.sample("the c", 40, 0.5, rng)) + "\n"
    )
    assert len(out) == 5 + 40 + 1


def test_the_same_seed_writes_the_same_again_and_another_one_something_else(home, capsys):
    first, again, other = (
        drawn(capsys, home / "runs" / "characters", "--length", 60, "--seed", seed)
        for seed in (1, 1, 2)
    )
    assert first == again != other and len(first) == 1 + 60 + 1


def test_bytes_are_written_as_the_text_they_are(home, capsys):
    out = drawn(capsys, home / "runs" / "bytes", "--prompt", "é", "--length", 60, "--seed", 1)
    assert out.startswith("é") and 1 < len(out.encode()) - len(out.encode("ascii", "ignore"))
    assert len(out) <= 62


def test_the_newest_run_writes_unless_one_is_named(home, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(home)
    named = drawn(capsys, home / "runs" / "characters", "--length", 30, "--seed", 1)
    assert drawn(capsys, "--length", 30, "--seed", 1) == named
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sample"]) == 1
    assert "holds no run" in one_line(capsys.readouterr().err)


def test_a_run_that_writes_no_text_is_one_line_that_says_what_it_can(home, capsys):
    folder = home / "runs" / "tag"
    assert cli.main(["sample", str(folder)]) == 1
    assert one_line(capsys.readouterr().err) == (
        f"{folder}: is a run of --task tag, which writes no text; "
        f"`minitorch-rnn evaluate {folder}` tells its figures."
    )


def test_characters_that_the_model_does_not_know_are_told(home, capsys):
    for name, noted in (("characters", True), ("bytes", False)):
        arguments = ["--prompt", "the caté ZZß", "--length", "5"]
        assert cli.main(["sample", str(home / "runs" / name), *arguments]) == 0
        out, error = capsys.readouterr()
        assert out.startswith("the caté ZZß")
        assert ("does not know 'Zß' of the prompt" in error) == noted == bool(error)


def test_an_empty_prompt_is_one_line(home, capsys):
    assert cli.main(["sample", str(home / "runs" / "characters"), "--prompt", ""]) == 1
    assert "prompt is empty" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "name, content, reason",
    [
        ("run.json", None, "holds no run"),
        ("run.json", b"{", "run.json: is damaged or not of this program"),
        (
            "run.json",
            b'{"format": 1, "task": "text"}',
            "run.json: is damaged or not of this program",
        ),
        ("weights.safetensors", None, "has no weights.safetensors yet"),
        ("weights.safetensors", b"\x80\x04.", "weights.safetensors: is damaged or not of this run"),
    ],
    ids=str,
)
def test_a_damaged_run_is_one_line(name, content, reason, home, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(home / "runs" / "characters", folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    assert cli.main(["sample", str(folder)]) == 1
    assert reason in one_line(capsys.readouterr().err)
