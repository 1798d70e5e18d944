"""Every tutorial runs, as a script does, and prints something to check."""

import pathlib
import re
import runpy
import shlex

import pytest

from minitorch_rnn import cli, teaching

TUTORIALS = sorted((pathlib.Path(__file__).parents[1] / "tutorials").glob("*.py"))


def test_there_are_tutorials():
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_runs(path, capsys):
    assert path.read_text(encoding="utf-8").startswith("# %% [markdown]\n# # ")
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()


def test_the_tutorials_are_numbered_without_a_gap_and_say_their_number():
    numbers = [int(path.stem[:2]) for path in TUTORIALS]
    assert numbers == list(range(1, len(TUTORIALS) + 1))
    for number, path in zip(numbers, TUTORIALS, strict=True):
        text = path.read_text(encoding="utf-8")
        assert text.splitlines()[1].startswith(f"# # {number}. "), path
        assert "# Question: " in text and "# Answer: " in text, path


def test_a_tutorial_shows_no_more_than_25_lines_at_a_time():
    for path in TUTORIALS:
        for cell in path.read_text(encoding="utf-8").split("# %%")[1:]:
            kind, _, body = cell.partition("\n")
            lines = [line for line in body.splitlines() if line.strip()]
            assert "markdown" in kind or len(lines) <= 25, f"{path.name}: {lines[0]}"


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorials_that_are_named_elsewhere_exist(path):
    last = len(TUTORIALS)
    named = re.findall(r"tutorial (\d+)", path.read_text(encoding="utf-8"))
    assert all(1 <= int(n) <= last for n in named)


PAGE = (TUTORIALS[0].parent / "TEACHING.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`minitorch-rnn ([^`]*[a-z\"0-9])`", PAGE)))


def test_the_teachers_page_names_every_exercise_and_only_those_there_are():
    named = set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)*)`", PAGE))
    known = set(teaching.exercises.NAMES)
    assert known <= named
    assert {name for name in named if "-" in name} <= known | {"minitorch-rnn"}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_teachers_page_run(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command)
    if arguments[:2] == ["exercise", "start"] or arguments[:2] == ["exercise", "solution"]:
        arguments[2] = "slide-94"
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.strip()


def test_the_example_of_the_teachers_page_runs_and_names_the_mistake(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(example, "TEACHING.md", "exec"), {})
    assert "1/2" in capsys.readouterr().out


def test_every_slide_of_the_lecture_is_in_the_teachers_table():
    table = PAGE[PAGE.index("## The lecture") : PAGE.index("## If your homework")]
    spans = re.findall(r"^\| (\d+)(?:–(\d+))? ", table, flags=re.M)
    told = {n for first, last in spans for n in range(int(first), int(last or first) + 1)}
    # 71, 73 and 74 announce what follows; 86-93 are among 80-94.
    assert set(range(41, 101)) - told <= {71, 73, 74}
