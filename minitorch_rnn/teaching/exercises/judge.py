"""Compares a student's answer with the right one: its form first, then its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Case

__all__ = ["Difference", "close", "differences", "factor", "form", "named", "shown"]

Difference = tuple[str, np.ndarray, np.ndarray]  # name, right, the student's


def form(case: Case, answer: Any) -> str | None:
    """What is wrong with the types, names and shapes of an answer; None if nothing is.

    >>> from minitorch_rnn.teaching.exercises.exercise import Call
    >>> case = Case(Call("f", {}), "", {"W": np.zeros((2, 3))})
    >>> print(form(case, {"W": np.zeros((3, 2))}))
    result["W"] has shape (3, 2); it must have shape (2, 3): yours is transposed.
    """
    if answer is None:
        return f"`{case.call.function}` returns None: is there a `return` at its end?"
    if case.expected is None:
        return None
    for name, wanted, found in _pairs(case.expected, answer, "result", case.labels):
        complaint = _form(name, wanted, found)
        if complaint:
            return complaint
    return None


def differences(case: Case, answer: Any) -> list[Difference]:
    """(name, right, the student's) of every part of an answer of the right form that differs."""
    return [
        (name, np.asarray(wanted), np.asarray(found))
        for name, wanted, found in _pairs(case.expected, answer, "result", case.labels)
        if not isinstance(wanted, dict | list | tuple) and not close(wanted, found)
    ]


def named(right: Any, answer: Any, slips: Sequence[tuple[str, Any]]) -> str | None:
    """The sentence of the first slip that predicts this answer and not the right one.

    Args:
        right, answer: of the same form.
        slips: (sentence, prediction); a prediction may leave out parts of a dictionary, and hold
            None for parts of a tuple that it says nothing of.

    >>> named(np.array([2.0]), np.array([-2.0]), [("The sign is wrong.", np.array([-2.0]))])
    'The sign is wrong.'
    """
    for sentence, prediction in slips:
        if _as_predicted(prediction, answer) and not _as_predicted(prediction, right):
            return sentence
    return None


def _as_predicted(prediction: Any, answer: Any) -> bool:
    if prediction is None:
        return True
    if isinstance(prediction, dict):
        return all(_as_predicted(part, answer[key]) for key, part in prediction.items())
    if isinstance(prediction, list | tuple):
        return all(map(_as_predicted, prediction, answer))
    return close(prediction, answer)


def close(wanted: Any, found: Any) -> bool:
    """Whether numbers agree as well as their dtype allows, measured at the largest of them.

    >>> close([1.0, 1e-12], [1.0, 0.0]), close([1.0], [1.001])
    (True, False)
    """
    wanted, found = np.asarray(wanted), np.asarray(found)
    if wanted.shape != found.shape or not np.isfinite(found).all():
        return False
    digits = 1e-4 if found.dtype in (np.float32, np.float16) else 1e-8
    scale = np.abs(wanted).max(initial=1e-3)
    return bool((np.abs(wanted - found) <= digits * scale).all())


def factor(different: Sequence[Difference]) -> float | None:
    """The one number by which all these parts are too large, if there is one.

    >>> factor([("dW", np.array([1.0, 3.0]), np.array([2.0, 6.0]))])
    2.0
    """
    right = np.concatenate([np.ravel(wanted) for _, wanted, _ in different])
    found = np.concatenate([np.ravel(answer) for _, _, answer in different])
    if not (right**2).sum():
        return None
    ratio = float((right * found).sum() / (right**2).sum())
    return ratio if abs(ratio) > 1e-6 and close(ratio * right, found) else None


def shown(value: Any) -> str:
    """An array or a number in few characters; a long one is shortened.

    >>> print(shown(np.array([[1.0, -0.25]])))
    [[1, -0.25]]
    """
    if isinstance(value, np.ndarray):
        text = np.array2string(
            value, max_line_width=66, threshold=20, edgeitems=2, separator=", ",
            formatter={"float_kind": lambda x: f"{x:.5g}"},
        )  # fmt: skip
        lines = [line for line in text.split("\n") if line.strip()]
        return "\n".join(lines if len(lines) <= 6 else [*lines[:5], "…"])
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(shown, value))
        comma = "," if len(value) == 1 else ""
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{comma})"
    return f"{value:.5g}" if isinstance(value, float) else repr(value)


def _pairs(
    wanted: Any, found: Any, name: str, labels: tuple[str, ...] = ()
) -> Iterator[tuple[str, Any, Any]]:
    """Every part of the right answer beside the student's, containers before what they hold."""
    yield name, wanted, found
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in wanted:
            if key in found:
                index = ", ".join(map(str, key)) if isinstance(key, tuple) else _quoted(key)
                yield from _pairs(wanted[key], found[key], f"{name}[{index}]")
    elif isinstance(wanted, list | tuple) and isinstance(found, list | tuple):
        for i, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from _pairs(one, other, labels[i] if labels else f"{name}[{i}]")


def _quoted(key: Any) -> str:
    return f'"{key}"' if isinstance(key, str) else str(key)


def _form(name: str, wanted: Any, found: Any) -> str | None:
    if isinstance(wanted, dict):
        return _form_of_dictionary(name, wanted, found)
    if isinstance(wanted, list | tuple):
        kind = "a list" if isinstance(wanted, list) else f"{len(wanted)} values"
        if not isinstance(found, list | tuple):
            return f"{name} is {_what(found)}; it must be {kind}."
        if len(found) != len(wanted):
            return f"{name} holds {len(found)} values; it must hold {len(wanted)}."
        return None
    return _form_of_array(name, np.asarray(wanted), found)


def _form_of_dictionary(name: str, wanted: dict[Any, Any], found: Any) -> str | None:
    if not isinstance(found, dict):
        return f"{name} is {_what(found)}; it must be a dictionary."
    missing = [repr(key) for key in wanted if key not in found]
    if missing:
        there = ", ".join(map(repr, list(found)[:8])) or "nothing"
        more = ", …" if len(missing) > 6 else ""
        return f"{name} lacks {', '.join(missing[:6])}{more}; it has {there}."
    return None


def _form_of_array(name: str, wanted: np.ndarray, found: Any) -> str | None:
    if isinstance(found, dict) or found is None or isinstance(found, str):
        return f"{name} is {_what(found)}; it must be an array of shape {wanted.shape}."
    try:
        array = np.asarray(found)
    except ValueError:
        return f"{name} holds rows of different lengths; it must be an array of {wanted.shape}."
    if array.dtype.kind not in "iuf" and array.dtype != wanted.dtype:
        kind = {"O": _what(found), "c": "complex", "b": "True and False"}.get(
            array.dtype.kind, str(array.dtype)
        )
        return f"{name} is {kind}; it must be numbers, of shape {wanted.shape}."
    if array.shape != wanted.shape:
        if isinstance(found, tuple) and array.shape == (1, *wanted.shape):
            return f"{name} is a tuple of one value; is there a comma after it, at `return`?"
        turned = array.shape == wanted.shape[::-1] and wanted.ndim == 2
        why = ": yours is transposed" if turned else _why_shape(array.shape, wanted.shape)
        return f"{name} has shape {array.shape}; it must have shape {wanted.shape}{why}."
    if not np.isfinite(array).all():
        where = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        place = f" at {where}" if where else ""
        return f"{name} holds {array[where]}{place}; every number must be finite."
    return None


def _why_shape(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if tuple(n for n in found if n != 1) == tuple(n for n in wanted if n != 1):
        return ": an axis of length 1 is lost or too many (keepdims=True? reshape?)"
    if len(found) == len(wanted) + 1 and found[1:] == wanted:
        return ": its first axis should be summed"
    if len(found) == len(wanted) and all(w in (1, f) for f, w in zip(found, wanted, strict=True)):
        return ": an axis of length 1 was stretched, and must be summed (keepdims=True)"
    if not found:
        return ": yours is a single number"
    if len(found) + 1 == len(wanted) and found == wanted[1:]:
        return ": something is summed over the first axis that should not be"
    return ""


def _what(found: Any) -> str:
    if isinstance(found, np.ndarray):
        return f"an array of shape {found.shape}"
    known = {dict: "a dictionary", list: "a list", tuple: "a tuple", type(None): "None"}
    return known.get(type(found)) or (
        f"the {type(found).__name__} {found!r}"[:60]
        if isinstance(found, bool | int | float | str)
        else repr(found)
    )
