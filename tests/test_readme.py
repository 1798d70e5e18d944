"""The README tells the truth: its commands are the gate's, its example runs, its claims hold."""

import pathlib
import re
import shlex
import tomllib
from functools import reduce

import minitorch_rnn
from bench.papers.command import NAMES
from minitorch_rnn import cli, teaching

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_gate_runs_exactly_the_two_commands_of_the_readme():
    commands = [line for block in blocks("sh") for line in block.splitlines() if "-m venv" in line]
    gate = [line.strip() for line in GATE.splitlines() if "python3 -m venv" in line]
    assert len(commands) == 2
    assert commands == gate
    assert commands[0].endswith("minitorch-rnn train")
    assert commands[1].endswith("python -m pytest -q")


def test_the_readme_is_not_taken_for_another_project():
    text = " ".join(README.split())
    assert "not affiliated with MiniTorch" in text
    assert not re.search(r"pip install minitorch(?![-_]rnn)", text)


def test_the_python_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # one writes a file
    examples = blocks("python")
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})


def test_the_commands_for_learning_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks("sh") if "minitorch-rnn draw" in block]
    for line in block.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == ".venv/bin/minitorch-rnn"
        assert cli.main(arguments) == 0, line
        assert capsys.readouterr().out.strip()
    written = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {".html", ".py", ".svg", ".tex"}


def test_the_commands_for_training_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks("sh") if "--task forecast" in block]
    (sweep,) = blocks("toml")
    (tmp_path / "grid.toml").write_text(re.sub(r"steps = \d+", "steps = 3", sweep))
    for line in block.splitlines():
        program, *arguments = shlex.split(line.replace("2000", "60"), comments=True)
        assert program == ".venv/bin/minitorch-rnn"
        short = {"train": ["--steps", "30"], "sweep": ["--jobs", "1"]}.get(arguments[0], [])
        assert cli.main([*arguments, *short]) == 0, line
        assert capsys.readouterr().out.strip()


def test_there_are_as_many_exercises_tutorials_and_papers_as_it_says():
    numbers = {"fourteen": 14, "eighteen": 18, "thirteen": 13}
    exercises = re.search(r"\[(\w+) exercises\]", README)[1]
    tutorials = re.search(r"course\]\(tutorials\) of (\w+) tutorials", " ".join(README.split()))[1]
    papers = re.search(r"of the (\w+) is \[one short script\]", " ".join(README.split()))[1]
    assert numbers[papers] == len(NAMES)
    assert numbers[exercises] == len(teaching.exercises.NAMES)
    assert numbers[tutorials] == len(list((ROOT / "tutorials").glob("*.py")))


def test_the_picture_is_what_draw_makes_of_the_network():
    picture = teaching.draw(minitorch_rnn.column.state_space(2, 3, 2), T=4).svg()
    assert (ROOT / "tutorials" / "state-space.svg").read_text(encoding="utf-8") == picture


def test_the_column_of_the_readme_is_one():
    (text,) = blocks("json")
    column = minitorch_rnn.column.Column.from_json(text)
    assert len(column.edges) == 4 and column.blocked


def test_every_extra_that_is_named_exists():
    named = set(re.findall(r"\.?\[(\w+(?:-\w+)?)\]'", README))
    assert named
    assert named <= set(PROJECT["optional-dependencies"])


def test_every_file_that_is_linked_exists():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert all((ROOT / link).exists() for link in links)


SLIDES = re.findall(
    r"^\| (\d+)(?:–(\d+))? \| .+? \| `([\w.]+).*?` \| (\S+?)::(\w+) \|$", README, re.M
)


def test_the_table_of_slides_is_complete():
    table = README[README.index("| slides | what") : README.index("Beyond the deck")]
    assert table.count("\n| ") == len(SLIDES)  # every row was understood
    told = [n for first, last, *_ in SLIDES for n in range(int(first), int(last or first) + 1)]
    assert set(told) == set(range(41, 101))


def test_every_function_and_every_test_in_the_table_of_slides_exists():
    for _, _, function, file, test in SLIDES:
        assert reduce(getattr, function.split("."), minitorch_rnn) is not None, function
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"


def test_pytorch_is_an_extra_of_its_own():
    extras = PROJECT["optional-dependencies"]
    holders = [name for name, needs in extras.items() if any("torch>" in need for need in needs)]
    assert holders == ["torch"]
    assert PROJECT["dependencies"] == ["numpy>=2.0"]


def test_the_top_level_holds_what_it_should():
    wanted = {"pyproject.toml", "minitorch_rnn", "tests", "tutorials", "bench", "README.md"}
    visible = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert wanted <= visible
    assert visible - wanted <= {"LICENSE", "dist", "reference", "runs"}  # ignored by git
