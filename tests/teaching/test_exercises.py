"""The exercises as a student meets them: every check runs a real process."""

import ast
import pathlib
import sys
import time

import numpy as np
import pytest
from wrong_solutions import WRONG

from minitorch_rnn.teaching import exercises
from minitorch_rnn.teaching.exercises import judge, tasks
from minitorch_rnn.teaching.exercises.exercise import Call, Case

ROOMS = pathlib.Path(tasks.__file__).parent
HEADER = "# minitorch-rnn exercise: tanh-derivative\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="limits and signals of POSIX")


@pytest.fixture
def checked(tmp_path):
    """Check a text as a student's file; the verdict, its text in one line."""

    def check(text, seconds=20.0):
        path = tmp_path / "mine.py"
        path.write_text(text, encoding="utf-8")
        verdict = exercises.check(path, seconds)
        assert all(c.isprintable() or c == "\n" for c in verdict.text)
        assert "Traceback" not in verdict.text and "minitorch_rnn/" not in verdict.text
        assert max(map(len, verdict.text.splitlines())) <= 80
        return verdict, " ".join(verdict.text.split())

    return check


def body(*lines):
    """A file for the first exercise with these lines in its function."""
    return f"{HEADER}def tanh_backward(dy, y):\n" + "".join(f"    {line}\n" for line in lines)


# The rooms ----------------------------------------------------------------------------------------


def test_there_are_sixteen_exercises_and_every_room_is_listed():
    rooms = {
        path.name.replace("_", "-") for path in ROOMS.iterdir() if (path / "starter.py").exists()
    }
    assert rooms == set(exercises.NAMES) == set(WRONG)
    assert len(exercises.NAMES) >= 16


@pytest.mark.parametrize("name", exercises.NAMES)
def test_a_room_is_complete(name):
    task = exercises.exercise(name)
    assert task.name == name and task.level in (1, 2, 3, 4)
    assert task.title and task.slides and task.afterwards
    assert len(set(task.hints)) == 3 and all(len(hint) < 240 for hint in task.hints)
    assert len(WRONG[name]) >= 3
    starter, solution = (ast.parse(text) for text in (task.starter, task.solution))
    for text in (task.starter, task.solution):
        assert text.startswith(f"# minitorch-rnn exercise: {name}\n")
        assert max(map(len, text.splitlines())) <= 100
    told = ast.get_docstring(starter)
    assert f"minitorch-rnn exercise check {name.replace('-', '_')}.py" in told
    assert max(map(len, told.splitlines())) <= 80
    assert signatures(starter) == signatures(solution)


def signatures(tree):
    return {
        node.name: [argument.arg for argument in node.args.args]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name not in ("outer",)
    }


def numbers(value):
    """How many numbers a structure holds."""
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(numbers, value)) if isinstance(value, list | tuple) else np.size(value)


@pytest.mark.parametrize("name", exercises.NAMES)
def test_cases_are_the_same_every_time_and_begin_small(name):
    first, second = (exercises.exercise(name).cases() for _ in range(2))
    sizes = [numbers(case.call.arguments) for case in first]
    assert 4 <= len(first) <= 12 and sizes[0] == min(sizes)
    for one, other in zip(first, second, strict=True):
        assert one.about == other.about
        np.testing.assert_equal(one.call.arguments, other.call.arguments)
        np.testing.assert_equal(one.expected, other.expected)


# Judging ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", exercises.NAMES)
def test_a_starter_fails_with_what_to_do(name, checked):
    verdict, told = checked(exercises.exercise(name).starter)
    assert not verdict
    if name == "faster-scan":  # it works, and is slow
        assert "`backward` gives the right numbers with 41 operations for T = 3; 29" in told
    else:
        assert "not started yet: `" in told and "still raise" in told
        assert "Read the docstring at the top of" in told
    assert told.endswith(f"minitorch-rnn exercise hint {name}")


@pytest.mark.parametrize("name", exercises.NAMES)
def test_a_solution_passes_and_tells_what_comes_next(name, checked):
    verdict, told = checked(exercises.exercise(name).solution)
    assert verdict, verdict.text
    assert told.startswith(f"{name}: right, in all ")
    assert name == exercises.NAMES[-1] or "next: minitorch-rnn exercise start" in told


@pytest.mark.parametrize(
    "name, wrong", [(name, wrong) for name in WRONG for wrong in WRONG[name]], ids=str
)
def test_a_wrong_solution_is_told_its_mistake(name, wrong, checked):
    line, other, phrase = WRONG[name][wrong]
    solution = exercises.exercise(name).solution
    assert line in solution, "the solution has changed; change the mistake too"
    verdict, told = checked(solution.replace(line, other))
    assert not verdict
    assert phrase in told, verdict.text


def test_half_of_an_exercise_is_told_as_half(checked):
    starter = exercises.exercise("softmax-jacobian").starter
    half = starter.replace("raise NotImplementedError", "return np.diag(Y) - np.outer(Y, Y)", 1)
    _, told = checked(half)
    assert "`softmax_jacobian` right so far: `softmax_backward` still raises" in told


def test_numbers_of_no_known_mistake_are_admitted_and_shown(checked):
    _, told = checked(body("return dy * (1 - y * y) + 0.25"))
    assert "none of the mistakes known here" in told
    dy, y = exercises.arguments("tanh-derivative", 0)
    assert f"result is {judge.shown(dy * (1 - y * y) + 0.25)}" in told
    assert f"and should be {judge.shown(dy * (1 - y * y))}" in told
    assert f"dy = {judge.shown(dy)}" in told
    assert 'tanh_backward(*arguments("tanh-derivative", 0))' in told


def test_a_common_factor_is_told(checked):
    assert "is 2.5 times what it should be" in checked(body("return 2.5 * dy * (1 - y * y)"))[1]


def test_the_arguments_of_a_case_repeat_it():
    space = {}
    exec(exercises.exercise("gradient-check").solution, space)
    case = exercises.exercise("gradient-check").cases()[2]
    again = space["differences"](*exercises.arguments("gradient-check", 2))
    assert judge.close(case.expected, again)
    with pytest.raises(exercises.ExerciseError, match="cases 0 to 3, and no 4"):
        exercises.arguments("gradient-check", 4)


def test_a_solution_in_single_precision_passes(checked):
    assert checked(body("return (dy * (1 - y * y)).astype('float32')"))[0]


@pytest.mark.parametrize(
    "answer, told",
    [
        (None, "returns None"),
        ({"W": 1}, "is a dictionary; it must be an array"),
        ([[1.0], [1.0, 2.0]], "rows of different lengths"),
        (np.ones((3, 2)), "(3, 2); it must have shape (2, 3): yours is transposed"),
        (np.ones((1, 2, 3)), "an axis of length 1"),
        (np.ones((5, 2, 3)), "first axis should be summed"),
        (np.ones(3), "something is summed over the first axis"),
        (np.full((2, 3), np.nan), "nan at (0, 0)"),
        (np.ones((2, 3), complex), "is complex"),
        (np.ones((2, 3), bool), "is True and False"),
        ("words", "the str 'words'"),
    ],
)
def test_a_malformed_answer_is_described(answer, told):
    assert told in judge.form(Case(Call("f", {}), "", np.ones((2, 3))), answer)


def test_a_malformed_part_is_named_as_the_student_writes_it():
    case = Case(Call("f", {}), "", {"W": {1: np.ones(2)}, (0, 1): np.ones(2)})
    assert judge.form(case, {"W": {1: np.ones(3)}, (0, 1): np.ones(2)}).startswith('result["W"][1]')
    assert judge.form(case, {"W": {1: np.ones(2)}, (0, 1): 1.0}).startswith("result[0, 1]")
    assert judge.form(case, {"W": {}, (0, 1): np.ones(2)}) == (
        'result["W"] lacks 1; it has nothing.'
    )


# Files that do not behave -------------------------------------------------------------------------

BAD = {
    "a syntax error": (f"{HEADER}def f(x)\n    pass\n", "Line 2: def f(x) SyntaxError: expected"),
    "an import error": (f"{HEADER}import torchh\n", "No module named 'torchh'"),
    "an exit while loading": (f"{HEADER}import sys\nsys.exit()\n", "It ends the program"),
    "no function": (f"{HEADER}tanh_backward = 3\n", "has no function `tanh_backward`"),
    "other arguments": (f"{HEADER}def tanh_backward(y):\n    return y\n", "called as"),
    "an exception": (body("z = 0", "return 1 / z"), "Line 4, in tanh_backward: return 1 / z Zero"),
    "an exit": (body("import sys", "sys.exit(0)"), "let it return instead"),
    "no return": (body("dy * y"), "is there a `return` at its end?"),
    "a set": (body("return {1, 2}"), "result is a set"),
    "a list of itself": (body("a = []", "a.append(a)", "return a"), "a structure without end"),
    "a huge answer": (body("return [0.0] * 1_000_001"), "a list"),
    "a class that cannot be read": (
        body("class L(list):", "    def __iter__(self): raise ValueError", "return L([1])"),
        "result is a L that cannot be read",
    ),
    "a module that finds nothing": (
        f"{HEADER}def __getattr__(name): raise ValueError\n", "has no function `tanh_backward`"
    ),
    "what moves a terminal": (
        body(r"print('\x1b[2J')", r"raise ValueError('\udc80')"), "ValueError: �"
    ),
    "input": (body("return input()"), "There is no keyboard input"),
    "in place": (body("dy *= 2", "return dy"), "Line 3, in tanh_backward: dy *= 2 ValueError"),
    "recursion": (body("return tanh_backward(dy, y)"), "It calls itself too often"),
    "an exception that cannot be told": (
        f"{HEADER}class E(Exception):\n    def __str__(self):\n        raise ValueError\n\n"
        "def tanh_backward(dy, y):\n    raise E\n",
        "raise E E",
    ),
    "closed files": (
        body("import os", "os.closerange(3, 50)", "return dy"),
        "the check could not go on: your file has closed files",
    ),
    "an exit without a word": (body("import os", "os._exit(0)"), "ended itself (status 0"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_file_that_fails_is_told_how_in_its_own_lines(bad, checked):
    text, phrase = BAD[bad]
    verdict, told = checked(text)
    assert not verdict and phrase in told, verdict.text


@posix
@pytest.mark.parametrize(
    "lines, phrase",
    [
        (["import numpy", "return numpy.zeros((10**5, 10**6))"], "more memory than the limit"),
        (["a = []", "while True: a.append(bytes(10**7))"], "while True: a.append"),
        (["import ctypes", "ctypes.string_at(0)"], "killed by signal SIGSEGV at line 4"),
        (["import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"], "signal SIGKILL"),
        (["import os", "os.kill(os.getpid(), 40)"], "killed by signal 40"),
        (["import numpy", "return [numpy.broadcast_to(0.0, 10**6)] * 10**4"], "than the memory"),
    ],
    ids=[
        "an allocation",
        "a list without end",
        "a crash",
        "a kill",
        "a signal without a name",
        "an answer of many arrays",
    ],
)
def test_what_the_system_stops_is_told(lines, phrase, checked):
    verdict, told = checked(body(*lines))
    assert not verdict and phrase in told, verdict.text


def test_an_endless_loop_is_stopped_and_its_line_told(checked):
    start = time.perf_counter()
    verdict, told = checked(body("while True:", "    print('x' * 1000)"), seconds=2.0)
    assert time.perf_counter() - start < 20  # it ends at all; machines may be busy
    assert not verdict and "Stopped after 2 s: `tanh_backward` with arrays of shape (1,)" in told
    assert "at line 4, in tanh_backward" in told
    assert "your file printed: xxx" in told and len(told) < 1500


def test_of_a_loop_in_a_large_case_and_a_mistake_in_a_small_one_the_mistake_is_told(checked):
    _, told = checked(body("while dy.ndim > 1: pass", "return dy * (1 - y)"), seconds=2.0)
    assert "1 - y where 1 - y² belongs" in told


def test_what_is_changed_in_place_without_writing_an_array_is_told(checked):
    solution = exercises.exercise("elman").solution
    _, told = checked(solution.replace("    dz =", '    p["b"] = 0\n    dz ='))
    assert "`backward` changes its argument `p` in place" in told


def test_files_beside_the_students_help_and_do_no_harm(tmp_path, checked):
    (tmp_path / "colorsys.py").write_text("raise RuntimeError")
    (tmp_path / "slopes.py").write_text("def tanh(y): return 1 - y * y")
    assert checked(body("import colorsys", "from slopes import tanh", "return dy * tanh(y)"))[0]


def test_a_later_case_cannot_change_an_earlier_answer(checked):
    kept = "import numpy\nkept = numpy.zeros(99)\n"
    text = body("part = kept[: dy.size].reshape(dy.shape)", "part[...] = dy * (1 - y * y)",
                "return part")  # fmt: skip
    assert checked(text.replace("def ", kept + "def "))[0]


@pytest.mark.parametrize(
    "results",
    [
        "[]", "[{}] * n", "[None] * n", "[{'missing': True}]", "[{'raised': {}}] * n",
        "[{'changed': [], 'operations': 0, 'answer': {'array': 'a0'}}] * n",
        "[{'changed': [], 'operations': 0, 'answer': {'function': 'lambda: 1'}}] * n",
        "[{'changed': 3, 'operations': None, 'answer': {'value': 1}}] * n",
    ],
)  # fmt: skip
def test_what_the_file_writes_in_place_of_the_check_is_no_result(results, checked):
    program = (
        f"{HEADER}import json, numpy, os, sys\n"
        "n = len(json.load(open(sys.argv[1] + '/calls.json'))['calls'])\n"
        "numpy.savez(sys.argv[1] + '/results.npz')\n"
        f"report = json.dumps({{'failed': None, 'results': {results}}})\n"
        "open(sys.argv[1] + '/results.json', 'w').write(report)\n"
        "open(sys.argv[1] + '/now.txt', 'w').write('99')\n"
        "os._exit(0)\n"
    )
    verdict, told = checked(program)
    assert not verdict and "The process that ran your file ended itself (status 0" in told


# Files that cannot be checked at all --------------------------------------------------------------


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("none.py", None, "is not there"),
        ("folder", "folder", "is a folder"),
        ("a.ipynb", b"{}", "is a notebook"),
        ("a.py", b"x = 1\n", "does not tell which exercise it is"),
        ("a.py", b"# minitorch-rnn exercise: slide-49\n", "no exercise 'slide-49'; did you mean"),
        ("a.py", HEADER.encode() + b"# \xff\n", "is not text in UTF-8"),
        ("a.pdf", b"%PDF-1.7\n\xe2\xe3", "is not text in UTF-8"),
        ("a.py", b"#" * 2_000_000, "2,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_exercise_is_refused(name, content, told, tmp_path):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(exercises.ExerciseError, match=told):
        exercises.check(path)


def test_a_starter_never_overwrites_a_file(tmp_path):
    path = exercises.start("elman", tmp_path / "mine.py")
    assert path.read_text(encoding="utf-8") == exercises.exercise("elman").starter
    path.write_text("my work")
    with pytest.raises(exercises.ExerciseError, match="exists already and stays as it is"):
        exercises.start("elman", path)
    assert path.read_text() == "my work"
    with pytest.raises(exercises.ExerciseError, match="cannot be written"):
        exercises.start("elman", tmp_path / "no" / "mine.py")
