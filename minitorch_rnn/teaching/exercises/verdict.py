"""Checks a student's file: runs it, judges what it returned, and says what to do next."""

from __future__ import annotations

import re
import textwrap
import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minitorch_rnn.teaching.exercises import judge
from minitorch_rnn.teaching.exercises.child import CANNOT_REPORT
from minitorch_rnn.teaching.exercises.exercise import Case, Exercise, ExerciseError
from minitorch_rnn.teaching.exercises.process import MEGABYTES, Run, run
from minitorch_rnn.teaching.exercises.tasks import NAMES, exercise
from minitorch_rnn.teaching.printable import printable

__all__ = ["Verdict", "check", "exercise_of"]

_HEADER = "# minitorch-rnn exercise: "
_LARGEST = 1_000_000  # bytes of a student's file
_WIDTH = 78


@dataclass(frozen=True)
class Verdict:
    """What a check found: `solved`, and `text` for the student.

    >>> bool(Verdict("tanh-derivative", True, "right")), str(Verdict("unbroadcast", False, "no"))
    (True, 'no')
    """

    exercise: str
    solved: bool
    text: str

    def __bool__(self) -> bool:
        return self.solved

    def __str__(self) -> str:
        return self.text


def check(path: str | Path, seconds: float = 10.0) -> Verdict:
    """Run the file of a student in a process of its own and judge it.

    Args:
        path: the file; its line ``# minitorch-rnn exercise: NAME`` tells which exercise it is.
        seconds: how long it may take in all.

    Raises:
        ExerciseError: if there is no such file, or it does not tell its exercise.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mine.py"
    ...     _ = file.write_text(exercise("tanh-derivative").solution, encoding="utf-8")
    ...     bool(check(file))
    True
    """
    path = Path(path)
    task = exercise_of(path)
    cases = task.cases()
    outcome = run(path, [case.call for case in cases], seconds)
    with np.errstate(all="ignore"):  # an answer may hold any number
        if outcome.ended and outcome.call:  # a smaller case that is wrong tells more
            smaller = cases[: outcome.call]
            again = run(path, [case.call for case in smaller], seconds)
            if not again.ended and any(map(_complaint, smaller, again.results)):
                cases, outcome = smaller, again
        solved, said = _judged(task, path, cases, outcome, seconds)
    printed = [] if solved else _printed(outcome.printed)
    return Verdict(task.name, solved, printable("\n".join([*said, *printed]), kept="\n\t"))


def exercise_of(path: Path) -> Exercise:
    """The exercise that a file says it solves.

    Raises:
        ExerciseError: if there is no such file, or it does not say so.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is no file" if path.exists() else "is not there"
        raise ExerciseError(f"{path} {what}; `minitorch-rnn exercise start NAME` writes one.")
    if path.suffix == ".ipynb":
        raise ExerciseError(f"{path} is a notebook; check needs the exercise as a .py file.")
    try:
        if path.stat().st_size > _LARGEST:
            raise ExerciseError(f"{path} has {path.stat().st_size:,} bytes; is it the right file?")
        with tokenize.open(path) as stream:
            text = stream.read()
    except OSError as error:
        raise ExerciseError(f"{path} cannot be read: {error.strerror}.") from None
    except (SyntaxError, UnicodeDecodeError) as error:
        where = f"; byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise ExerciseError(f"{path} is not text in UTF-8{where}: save it as UTF-8.") from None
    found = re.search(rf"^{re.escape(_HEADER)}(\S+)", text, re.MULTILINE)
    if not found:
        raise ExerciseError(
            f"{path} does not tell which exercise it is; put its line back at the top: "
            f"{_HEADER}NAME, with one of {', '.join(NAMES)}."
        )
    return exercise(found[1])


def _judged(
    task: Exercise, path: Path, cases: list[Case], outcome: Run, seconds: float
) -> tuple[bool, list[str]]:
    """Whether it is solved, and the lines that say so."""
    if outcome.failed:
        return False, [
            f"{task.name}: your file cannot be loaded.",
            *_wrapped(_raised(outcome.failed, "")),
        ]
    if outcome.ended:
        case = cases[outcome.call] if outcome.call is not None else None
        return False, [f"{task.name}: not yet.", *_wrapped(_ended(outcome, case, seconds))]
    verdicts = [
        _complaint(case, result) for case, result in zip(cases, outcome.results, strict=True)
    ]
    wrong = [number for number, complaint in enumerate(verdicts) if complaint]
    if not wrong:
        return True, _right(task, len(cases))
    unfilled = [n for n in wrong if _error(outcome.results[n]) == "NotImplementedError"]
    if unfilled:
        return False, _unfilled(task, path, cases, outcome, wrong, unfilled)
    first = _to_show(verdicts, wrong)
    case, result, complaint = cases[first], outcome.results[first], str(verdicts[first])
    every = len(wrong) == len(cases)
    verb = "is" if len(wrong) == 1 else "are"
    count = "every case is" if every else f"{len(wrong)} of {len(cases)} cases {verb}"
    said = [f"{task.name}: not yet; {count} wrong.", ""]
    if "missing" in result or "signature" in result:
        return False, [*said, *_wrapped(complaint), "", *_hint(task)]
    if "answer" in result and judge.form(case, result["answer"]) is None:
        complaint = _explained(cases, outcome.results, wrong) or complaint
        numbers = _numbers(case, result["answer"])
    else:
        numbers = []
    said += [*_wrapped(complaint), "", *_wrapped(f"case {first}: {case.about}"), *numbers]
    return False, [*said, "", *_again(task, first, case), *_hint(task)]


def _to_show(verdicts: list[str | None], wrong: list[int]) -> int:
    """The case that is shown: the smallest wrong one, or of wrong shapes the most telling."""
    if " has shape " not in str(verdicts[wrong[0]]):
        return wrong[0]
    shapes = [n for n in wrong if " has shape " in str(verdicts[n])]

    def telling(n: int) -> tuple[bool, bool, int]:  # a reason follows ": "
        return ": " in str(verdicts[n]), "length 1" not in str(verdicts[n]), n

    return max(shapes, key=telling)


def _complaint(case: Case, result: dict[str, Any]) -> str | None:
    """What is wrong with the result of one call, in a sentence or two; None if it is right."""
    name = case.call.function
    if result.get("missing"):
        return f"Your file has no function `{name}`; keep the names of the starter."
    if "signature" in result:
        needed = f"{name}({', '.join(case.call.arguments)})"
        return f"`{name}` is called as {needed}: {result['signature']}."
    if "raised" in result:
        return _raised(result["raised"], f"`{name}` fails. ")
    if result["changed"]:
        changed = ", ".join(f"`{each}`" for each in result["changed"])
        return f"`{name}` changes its argument {changed} in place; work on a copy."
    complaint = judge.form(case, result["answer"])
    if complaint:
        return complaint
    if case.expected is not None:
        different = judge.differences(case, result["answer"])
        if different:
            return _unknown(different)
    return case.judge(result["answer"], result["operations"])


def _unknown(different: list[judge.Difference]) -> str:
    """What is said of wrong numbers that no known mistake makes."""
    names = [name for name, _, _ in different]
    *most, last = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more parts"]
    listed = f"{', '.join(most)} and {last}" if most else last
    verb = "is" if len(names) == 1 else "are"
    factor = judge.factor(different)
    if factor is not None:
        return (
            f"{listed} {verb} {factor:.4g} times what {'it' if verb == 'is' else 'they'} should be."
        )
    return f"{listed} {verb} wrong, and none of the mistakes known here makes these numbers."


def _explained(cases: list[Case], results: list[dict[str, Any]], wrong: list[int]) -> str | None:
    """The name of the mistake, from the largest case that shows one; None if numbers are right."""
    largest: list[judge.Difference] = []
    for n in reversed(wrong):
        case, answer = cases[n], results[n].get("answer")
        if case.expected is None or judge.form(case, answer) is not None:
            continue
        if different := judge.differences(case, answer):
            if found := case.explain(answer):
                return found
            largest = largest or different
    return _unknown(largest) if largest else None


def _error(result: dict[str, Any]) -> str | None:
    error: str | None = result.get("raised", {}).get("error")
    return error


_TRANSLATED = [  # error, part of its message, what it means here
    ("ValueError", "read-only", "This line writes into an array that was given to your function; "
     "work on a copy, or write y = y + … in place of y += …."),
    ("MemoryError", "", f"This line needs more memory than the limit of {MEGABYTES / 1024:g} GiB; "
     "is a loop without end filling a list, or a size wrong?"),
    ("SystemExit", "", "It ends the program, as sys.exit() and quit() do; let it return instead."),
    ("TypeError", "'NoneType' object", "Something is None here: is a `return` missing at the end "
     "of the function that should have given it?"),
    ("TypeError", "'bitwise_xor'", "^ is no power in Python; write **."),
    ("FileNotFoundError", "", "A check runs in an empty folder: a file beside yours is not there."),
    ("EOFError", "", "There is no keyboard input during a check; remove input()."),
    ("RecursionError", "", "It calls itself too often; a loop with a list of what is still to be "
     "done has no such limit."),
]  # fmt: skip


def _raised(told: dict[str, Any], before: str) -> str:
    """The student's line and their error; nothing of ours."""
    place = ""
    if told["line"]:
        inside = f", in {told['function']}" if told["function"] not in (None, "<module>") else ""
        place = f"Line {told['line']}{inside}:\n\n    {told.get('code', '')}\n\n"
    message = f"{told['error']}: {told['message']}" if told["message"] else told["error"]
    meaning = next(
        (
            f"\n{m}"
            for error, part, m in _TRANSLATED
            if error == told["error"] and part in told["message"]
        ),
        "",
    )
    return f"{before}{place}{message}{meaning}"


def _ended(outcome: Run, case: Case | None, seconds: float) -> str:
    """A process that did not come to its end."""
    place = f" at line {outcome.line}, in {outcome.function}" if outcome.line else ""
    place = place.replace(", in <module>", "")
    during = f"`{case.call.function}` with {case.about}" if case else "your file"
    if outcome.ended == "time":
        return (
            f"Stopped after {seconds:g} s: {during} was still running{place}. "
            "A loop without end? (--seconds gives it longer.)"
        )
    how = str(outcome.ended)
    if how.startswith("signal"):
        return f"The process that ran {during} was killed by {how}{place}."
    if how == f"status {CANNOT_REPORT}":
        return (
            f"After {during} the check could not go on{place}: your file has closed files, or "
            "replaced functions, that the check needs."
        )
    return f"The process that ran {during} ended itself ({how}; os._exit?){place}."


def _right(task: Exercise, count: int) -> list[str]:
    said = [f"{task.name}: right, in all {count} cases.", "", *_wrapped(task.afterwards)]
    later = NAMES[NAMES.index(task.name) + 1 :]
    if later:
        said += ["", f"next: minitorch-rnn exercise start {later[0]}"]
    return said


def _unfilled(
    task: Exercise,
    path: Path,
    cases: list[Case],
    outcome: Run,
    wrong: list[int],
    unfilled: list[int],
) -> list[str]:
    """A starter of which nothing, or not all, is filled in."""
    raised = [outcome.results[n]["raised"]["function"] for n in unfilled]
    names = list(dict.fromkeys(raised))
    others = [c.call.function for n, c in enumerate(cases) if n not in wrong]
    right = [f"`{name}`" for name in dict.fromkeys(others) if name not in names]
    still = " and ".join(f"`{name}`" for name in names)
    verb = "raises" if len(names) == 1 else "raise"
    state = f"{' and '.join(right)} right so far" if right else "not started yet"
    text = f"{task.name}: {state}: {still} still {verb} NotImplementedError."
    return [*_wrapped(text), f"Read the docstring at the top of {path.name}.", *_hint(task)]


def _numbers(case: Case, answer: Any) -> list[str]:
    """The student's numbers beside the right ones, of the first part that differs."""
    different = judge.differences(case, answer) if case.expected is not None else []
    lines = []
    for name, wanted, found in different[:1]:
        lines += _beside(f"  {name} is", judge.shown(found))
        lines += _beside("  and should be", judge.shown(wanted))
    return lines


def _beside(label: str, text: str) -> list[str]:
    first, *others = text.split("\n")
    if len(label) + len(first) + 1 <= _WIDTH and not others:
        return [f"{label} {first}"]
    return [label, *(f"    {line}" for line in (first, *others))]


def _again(task: Exercise, number: int, case: Case) -> list[str]:
    given = case.call.arguments.values()
    small = sum(np.size(value) for value in given if isinstance(value, np.ndarray)) <= 12
    lines = ["to repeat it in Python (its numbers are the same every time):"]
    if small and all(isinstance(value, np.ndarray | tuple | float | int) for value in given):
        lines += [
            line
            for name, value in case.call.arguments.items()
            for line in _beside(f"  {name} =", judge.shown(value))
        ]
    return [
        *lines,
        "  from minitorch_rnn.teaching.exercises import arguments",
        f'  {case.call.function}(*arguments("{task.name}", {number}))',
    ]


def _hint(task: Exercise) -> list[str]:
    return [f"a hint: minitorch-rnn exercise hint {task.name}"]


def _printed(text: str) -> list[str]:
    lines = text.strip().splitlines()
    if not lines:
        return []
    more = ["  …"] if len(lines) > 8 else []
    return ["", "your file printed:", *(f"  {line[:76]}" for line in lines[:8]), *more]


def _wrapped(text: str) -> list[str]:
    """Lines of the terminal's width; what is indented stays as it is."""
    return [
        part
        for line in text.split("\n")
        for part in ([line] if line.startswith("  ") else textwrap.wrap(line, _WIDTH) or [""])
    ]
