"""Derived source of every column: it agrees with the graph, or its test notices."""

import ast
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from odd_columns import ODD
from small_networks import SHARED

from minitorch_rnn.agreement import COLUMNS, draw_column
from minitorch_rnn.column import Activation, Column, Edge, Input, Layer, bidirectional, state_space
from minitorch_rnn.errors import ColumnError, RunError
from minitorch_rnn.teaching.derive import derive

KNOWN = {name: network(2, 3, 4) for name, network in COLUMNS.items()}
KNOWN |= {
    f"{name}, softmax": network(2, 3, 4, output_activation="softmax")
    for name, network in COLUMNS.items()
}
KNOWN |= {f"{L} layers": state_space(2, 3, 1, layers=L) for L in (1, 2, 3)}
KNOWN |= {f"both ways, {L} layers": bidirectional(2, 3, 1, layers=L) for L in (1, 2, 3)}
KNOWN |= {"relu": state_space(2, 3, 1, activation="relu"), "shared": SHARED} | ODD


def drawn(count=200):
    return [draw_column(np.random.default_rng([7, i]), f"random {i}") for i in range(count)]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prove(column, folder, change=lambda source: source):
    """Write the derivation, perhaps changed, and run its test on it."""
    derivation = derive(column)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = folder / f"{derivation.name}.py"
        source.write_text(change(derivation.source), encoding="utf-8")
        test = folder / f"test_{derivation.name}.py"
        test.write_text(derivation.test, encoding="utf-8")
        proof = load(test).test_the_derivation_agrees_with_the_graph
        for T, B in proof.pytestmark[0].args[1]:
            proof(T, B)


@pytest.mark.parametrize("name", KNOWN)
def test_the_derivation_of_every_network_agrees_with_the_graph(name, tmp_path):
    prove(KNOWN[name], tmp_path)


def test_the_derivation_of_columns_that_nobody_thought_of_agrees_with_the_graph(tmp_path):
    for column in drawn():
        prove(column, tmp_path)


def test_files_are_formatted_and_without_complaint(tmp_path):
    for i, column in enumerate([*KNOWN.values(), *drawn()]):
        (tmp_path / f"{i}").mkdir()
        derive(column).write(tmp_path / f"{i}")
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--isolated", "--no-cache", "--line-length", "100", str(tmp_path)]
    for command in (["check", "--select", "E,F,I,B,UP,D1"], ["format", "--check"]):
        answer = subprocess.run([*ruff, *command, *options], capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout[:3000] + answer.stderr


# What a slip of the pen makes of a line of `backward`.
SLIPS = [
    ("+=", "="),
    ("t - 1", "t"),
    ("t + 1", "t"),
    ("t - 2", "t - 1"),
    (" ** 2", ""),
    ("(1 - ", "(1 + "),
    (" * (1", " / (1"),
    (".sum(axis=0)", "[0]"),
    (".sum(axis=1, keepdims=True)", ""),
    (" -= ", " = "),
    (" > 0", " < 0"),
    ("reversed(range(T))", "range(T)"),
    ("range(T)", "range(1, T)"),
    (" = dz_", " = 2 * dz_"),
    (".sum(axis=1)", "[:, 0]"),
    ("[T:]", "[:-T]"),
    ("0.5 *", "0.6 *"),
]
SLIPPED = [
    "state-space", "2 layers", "narx, softmax", "jordan", "elman", "lstm", "gru", "delayed",
    "encoder-decoder", "both ways, 2 layers", "shared", "read from both sides", "a square",
]  # fmt: skip


def order_matters(loop):
    """Whether the first loop of what is left uses errors that it writes at another time."""
    loop = re.split(r"\n    (?:for|return|#)", loop)[0]
    written = set(re.findall(r"(d\w+)\[t [-+] \d+\] \+?= ", loop))
    return bool(written & set(re.findall(r"(d\w+)\[t\]", loop)))


def slips(source):
    """The source with a single place of `backward` changed, for every place and every slip."""
    start = source.index("\ndef backward")
    for right, wrong in SLIPS:
        for match in re.finditer(re.escape(right), source[start:]):
            at = start + match.start()
            line = source[source.rindex("\n", 0, at) + 1 : source.index("\n", at)]
            name = '"' in line[: at - source.rindex("\n", 0, at)] and "sum(axis=1)" not in line
            comment = "#" in source[source.rindex("\n", 0, at) : at]
            same = right == "reversed(range(T))" and not order_matters(source[at:])
            if not (comment or name or same):
                yield line.strip(), wrong, source[:at] + wrong + source[at + len(right) :]


@pytest.mark.parametrize("name", SLIPPED)
def test_the_test_fails_when_a_line_of_the_source_is_broken(name, tmp_path):
    tried = 0
    for line, wrong, source in slips(derive(KNOWN[name]).source):
        compile(source, "slip", "exec")  # a slip, not nonsense
        try:
            prove(KNOWN[name], tmp_path, lambda _, source=source: source)
        except (AssertionError, ValueError, IndexError):
            tried += 1
        else:
            pytest.fail(f"{wrong!r} in {line!r} is not noticed")
    assert tried >= 10


def test_the_written_test_runs_under_pytest_wherever_it_is_started(tmp_path):
    paths = derive(KNOWN["lstm"]).write(tmp_path / "here")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for mode in ("prepend", "importlib"):
        command = [*run, f"--import-mode={mode}", str(paths[2])]
        answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=alone)
        assert answer.returncode == 0 and "2 passed" in answer.stdout, answer.stdout
    paths[0].write_text(paths[0].read_text("utf-8").replace("dc[t] +=", "dc[t] ="), "utf-8")
    answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=alone)
    assert answer.returncode == 1 and "weight.x->i" in answer.stdout, answer.stdout


def test_the_source_needs_numpy_alone():
    for column in KNOWN.values():
        tree = ast.parse(derive(column).source)
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert [ast.unparse(node) for node in found] == ["import numpy as np"]


def test_the_source_is_the_same_on_every_run():
    program = (
        "from minitorch_rnn.agreement import COLUMNS\n"
        "from minitorch_rnn.teaching.derive import derive\n"
        "for network in COLUMNS.values():\n"
        "    d = derive(network(2, 3, 4))\n"
        "    print(ascii((d.source, d.latex, d.test)))\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert first == second and len(first) > 50_000


def test_slide_94_stands_in_the_source_of_its_network():
    source = derive(state_space(2, 3, 2, layers=2, output_activation="softmax")).source
    lines = [line.partition("  #")[0].strip() for line in source.split("\n")]
    loop = lines[lines.index("for t in reversed(range(T)):") :]
    assert [line for line in loop[: loop.index("return {")] if line] == [
        "for t in reversed(range(T)):",
        "dz_Y = dY[t] * Y[t]",
        "dz_Y -= Y[t] * dz_Y.sum(axis=1, keepdims=True)",
        "dW_h2_Y += dz_Y.T @ h2[t]",
        "db_Y += dz_Y.sum(axis=0)",
        "dh2[t] += dz_Y @ W_h2_Y",
        "dz_h2 = dh2[t] * (1 - h2[t] ** 2)",
        "dW_h1_h2 += dz_h2.T @ h1[t]",
        "dW_h2_h2 += dz_h2.T @ h2[t - 1]",
        "db_h2 += dz_h2.sum(axis=0)",
        "dh1[t] += dz_h2 @ W_h1_h2",
        "dh2[t - 1] = dz_h2 @ W_h2_h2",
        "dz_h1 = dh1[t] * (1 - h1[t] ** 2)",
        "dW_x_h1 += dz_h1.T @ x[t]",
        "dW_h1_h1 += dz_h1.T @ h1[t - 1]",
        "db_h1 += dz_h1.sum(axis=0)",
        "dx[t] = dz_h1 @ W_x_h1",
        "dh1[t - 1] = dz_h1 @ W_h1_h1",
    ]


def test_a_blocked_link_has_a_comment_and_no_line():
    source = derive(KNOWN["elman"]).source
    assert "# h(t-1) -> h is blocked" in source and "dh[t" not in source
    assert "dW_h_h += dz_h.T @ h[t - 1]" in source  # its weight is learned all the same
    source = derive(KNOWN["jordan"]).source
    assert "dm" not in source and "dY[t - 1]" not in source
    assert "# m sends no error on: Y(t-1) -> m, m(t-1) -> m blocked" in source


def test_each_direction_of_time_has_its_loop_in_the_order_of_the_slides():
    source = derive(KNOWN["bidirectional"]).source
    loops = re.findall(r"# (\w+)(?:, which ran backward)?: .*\n    for t in (.*):", source)
    forward, backward = "range(T)", "reversed(range(T))"
    assert loops == [
        ("h_f", forward), ("h_b", backward), ("Y", forward),
        ("Y", backward), ("h_b", forward), ("h_f", backward),
    ]  # fmt: skip


def test_names_are_those_of_the_column_unless_python_or_a_derivative_has_them():
    h = {"history": "learned"}
    column = Column(
        "names",
        (Input("x", 1), Layer("dh", 1, **h), Layer("h", 1, **h), Layer("lambda", 1), Layer("T", 1)),
        (
            Edge("x", "h"), Edge("h", "h", 1), Edge("h", "dh"), Edge("dh", "dh", 1),
            Edge("dh", "lambda"), Edge("lambda", "T"),
        ),
        "T",
    )  # fmt: skip
    source = derive(column).source
    assert "T_[t]" in source and "lambda_[t]" in source
    assert "dh[t]" in source and "h_[t]" in source and "dh_[t]" in source and "ddh[t]" in source
    assert "lambda is lambda_" in source


def test_an_activation_of_ones_own_cannot_be_written_out():
    square = Activation("square", lambda xp, z: z * z, lambda da, y, z: 2 * z * da)
    column = Column("own", (Input("x", 1), Layer("h", 1, square)), (Edge("x", "h"),), "h")
    with pytest.raises(
        ColumnError, match="'h' of 'own' has the activation 'square', a Python"
    ) as e:
        derive(column)
    assert "sigmoid" in str(e.value) and "dz_h" in str(e.value)
    with pytest.raises(TypeError, match="a Column is needed"):
        derive("lstm")


def test_writing_replaces_nothing_unless_told_and_leaves_nothing_half(tmp_path, monkeypatch):
    derivation = derive(KNOWN["elman"])
    paths = derivation.write(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        "elman_bptt.py",
        "elman_bptt.tex",
        "test_elman_bptt.py",
    ]
    assert paths[0].read_text("utf-8") == derivation.source == str(derivation)
    assert derivation.latex in paths[1].read_text("utf-8")
    paths[0].unlink()
    paths[2].write_text("mine")
    with pytest.raises(RunError, match="elman_bptt.tex: exists already, and nothing was written"):
        derivation.write(paths[0].parent)
    assert not paths[0].exists() and paths[2].read_text() == "mine"

    def full(self, data):
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patch, pytest.raises(RunError, match="No space left on device"):
        patch.setattr(pathlib.Path, "write_bytes", full)
        derivation.write(paths[0].parent, overwrite=True)
    assert sorted(path.name for path in paths[0].parent.iterdir()) == [paths[1].name, paths[2].name]
    derivation.write(paths[0].parent, overwrite=True)
    assert paths[2].read_text("utf-8") == derivation.test
    with pytest.raises(RunError, match="cannot be written"):
        derivation.write(paths[0])  # a file, no folder


def test_a_notebook_shows_equations_and_source():
    derivation = derive(KNOWN["elman"])
    assert derivation._repr_latex_() == derivation.latex
    assert derivation._repr_markdown_().endswith(f"```python\n{derivation.source}```\n")
