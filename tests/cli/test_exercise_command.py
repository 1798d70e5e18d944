"""`minitorch-rnn exercise`: what it prints and its exit status."""

import subprocess
import sys

import pytest

from minitorch_rnn import cli
from minitorch_rnn.teaching import exercises


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder: its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        return cli.main(["exercise", *arguments]), *capsys.readouterr()

    return command


def test_the_list_shows_every_exercise_and_where_to_begin(run):
    status, out, error = run("list")
    assert (status, error) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[: len(exercises.NAMES)]] == list(
        exercises.NAMES
    )
    assert "begin: minitorch-rnn exercise start tanh-derivative" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_student_works_through_an_exercise(run, tmp_path):
    status, out, _ = run("start", "slide-94")
    path = tmp_path / "slide_94.py"
    assert status == 0 and "minitorch-rnn exercise check slide_94.py" in out

    status, out, _ = run("check", "slide_94.py")
    assert status == 1 and "not started yet" in out

    for step in ("1", "2", "3"):
        status, out, _ = run("hint", "slide-94", "--step", step)
        assert status == 0 and out.startswith(f"hint {step} of 3:")
    assert "minitorch-rnn exercise solution slide-94" in out

    status, solution, _ = run("solution", "slide-94")
    assert status == 0
    path.write_text(solution.replace("db += dz\n", "db = dz\n"), encoding="utf-8")
    status, out, _ = run("check", "slide_94.py")
    assert status == 1 and "Wrong: db." in out and "Right: dW_c, dW_r" in out

    path.write_text(solution, encoding="utf-8")
    status, out, _ = run("check", "slide_94.py", "--seconds", "20")
    assert status == 0 and out.startswith("slide-94: right, in all")


def test_a_hint_without_a_step_is_the_first(run):
    assert run("hint", "elman") == run("hint", "elman", "--step", "1")


def test_nothing_is_overwritten(run, tmp_path):
    assert run("start", "elman", "--out", "mine.py")[0] == 0
    text = (tmp_path / "mine.py").read_text()
    status, out, error = run("start", "unbroadcast", "--out", "mine.py")
    assert (status, out) == (2, "") and "mine.py exists already" in error
    assert (tmp_path / "mine.py").read_text() == text


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["start", "slide-49"], "there is no exercise 'slide-49'; did you mean slide-94?"),
        (["hint", "flying"], "there is no exercise 'flying'; known are tanh-derivative, "),
        (["solution", "flying"], "there is no exercise 'flying'"),
        (["check", "none.py"], "none.py is not there; `minitorch-rnn exercise start NAME`"),
        (["check", "."], ". is a folder"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments, told, run):
    status, out, error = run(*arguments)
    assert (status, out) == (2, "")
    assert error.startswith(f"minitorch-rnn: {told}") and error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["hint", "elman", "--step", "4"], ["check"], []])
def test_what_the_parser_refuses_has_status_2_too(arguments, run):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


def test_the_child_starts_without_this_library():
    program = "import sys, minitorch_rnn.teaching.exercises.child as child; print(child.__file__)"
    file = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    check = (
        f"import runpy, sys; runpy.run_path({file.strip()!r}); "
        "print([m for m in sys.modules if m.startswith('minitorch_rnn')])"
    )
    answer = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr
