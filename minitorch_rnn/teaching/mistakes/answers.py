"""Reading a student's arrays: what is missing, of a wrong shape or type, and what can be mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.bptt.trace import Array
from minitorch_rnn.column import Column
from minitorch_rnn.teaching.mistakes.hypothesis import LINES

__all__ = ["Given", "Repair", "read"]

TOLERANCE = {"float16": 1e-2, "float32": 1e-4}


class Repair(NamedTuple):
    """An array of a wrong shape that can be compared all the same, and the mistake it shows."""

    name: str
    says: str
    place: tuple[str, str]
    look: str


class Given(NamedTuple):
    """What can be compared, and a sentence on each array that cannot.

    Attributes:
        arrays: float64, in the shapes of the truth.
        tolerance: how close is right, by the arrays' own precision.
        summed: the histories that are added up over the sequences.
        faults: sentences on what cannot be compared.
        repairs: what had to be turned or added up before it could be.
        hints: remarks on what can.
        called: the student's names of the arrays.
        same: other names of the student's for the same numbers, as a cell with two biases has.
        others: by name, our name and the numbers of arrays beside a worse one of the same gradient.
    """

    arrays: dict[str, Array]
    tolerance: dict[str, float]
    summed: frozenset[str]
    faults: list[str]
    repairs: list[Repair]
    hints: list[str]
    called: dict[str, str]
    same: dict[str, list[str]]
    others: dict[str, tuple[str, Array]]


def read(
    true: Mapping[str, Array],
    column: Column,
    gradients: Mapping[str, Any],
    names: Mapping[str, str | Sequence[str]],
) -> Given:
    """The gradients by our names, as arrays; an input's gradient may have the input's name.

    Raises:
        ValueError: for a name that is not in `true` and is none of the student's.
    """
    students = {n: (s,) if isinstance(s, str) else tuple(s) for n, s in names.items()}
    ours = {own: name for name, several in students.items() for own in several if name in true}
    derived = {n: f"input.{n}" for n in column.inputs}  # the names in a derived `backward`
    derived |= {f"given.{n}": f"history.{n}" for n in column.node if f"history.{n}" in true}
    ours = {**ours, **{n: name for n, name in derived.items() if n not in ours}}
    unknown = [n for n in names if n not in true and n not in column.shapes]
    unknown += [n for n in gradients if n not in true and n not in ours]
    if unknown:
        raise ValueError(
            f"diagnose: no gradient is called {', '.join(map(repr, unknown))}; known are "
            f"{', '.join(true)}" + (f", also called {', '.join(ours)}" if ours else "") + "."
        )
    first = {name: several[0] for name, several in students.items()}
    given = Given({}, {}, frozenset(), [], [], [], first, {}, {})
    for key, value in gradients.items():
        name = key if key in true else ours[key]
        own = key if key in students.get(name, ()) else first.get(name, name)
        array = _numbers(own, value, given.faults)
        if array is not None:
            array = _fitted(name, own, array, true[name], column, given)
        if array is None:
            continue
        if array.dtype.kind in "iu":
            given.hints.append(
                f"{own} is {array.dtype}: whole numbers lose what is after the "
                "point; np.zeros(shape) makes floats"
            )
        tolerance = TOLERANCE.get(str(array.dtype), 1e-6)
        given.tolerance[name] = max(tolerance, given.tolerance.get(name, 0))
        array = array.astype(float)
        if name in given.arrays and not _judged(given, name, own, array, true[name]):
            continue
        given.arrays[name] = array
        if own != name:
            given.called[name] = own
    summed = frozenset(n for n, a in given.arrays.items() if a.shape != true[n].shape)
    return given._replace(summed=summed)


def _judged(given: Given, name: str, own: str, array: Array, true: Array) -> bool:
    """Whether this second array of a gradient is judged in place of the first: the worse one is."""
    first, before = given.arrays[name], given.called.get(name, name)
    if first.shape != array.shape:
        given.faults.append(
            f"{own} has shape {array.shape} and {before} {first.shape}, and both are the gradient "
            f"{name}: give one of them."
        )
        return False
    if np.allclose(first, array, rtol=1e-9, atol=0):
        given.same.setdefault(name, []).append(own)
        return False
    if _error(array, true) <= _error(first, true):
        given.others[own] = name, array
        return False
    given.others.update({n: (name, first) for n in (before, *given.same.pop(name, ()))})
    return True


def _error(array: Array, true: Array) -> float:
    true = true if array.shape == true.shape else true.sum(axis=1)  # of a learned history
    return float(np.abs(array - true).max(initial=0))


def _numbers(called: str, value: Any, faults: list[str]) -> Array | None:
    if value is None:
        faults.append(f"{called} is None: nothing is returned for it.")
        return None
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as cause:
        faults.append(f"{called} is no array: {cause}")
        return None
    if array.dtype.kind not in "biuf":
        faults.append(f"{called} is of type {array.dtype}; an array of real numbers is needed.")
        return None
    if not np.isfinite(array).all():
        bad, where = (~np.isfinite(array)).sum(), np.argwhere(~np.isfinite(array))[0].tolist()
        kind = "nan" if np.isnan(array).any() else "infinite"
        faults.append(
            f"{called} is {kind} at {bad} of {array.size} places, the first at index {where}: "
            "look for an overflow, a division by 0, or an array that was never filled."
        )
        return None
    return array.astype(float) if array.dtype.kind == "b" else array


def _fitted(
    name: str,
    called: str,
    array: Array,
    true: Array,
    column: Column,
    given: Given,
) -> Array | None:
    """The array in the shape of the truth, or None with a fault that says why not."""
    if array.shape == true.shape:
        return array
    kind = name.partition(".")[0]
    if kind in ("input", "history") and _without_batch(true.shape) == array.shape:
        return array.reshape(true.shape)
    if name in column.shapes and kind == "history" and array.shape == column.shapes[name]:
        return array
    if kind == "history" and array.shape in (true.shape[1:], true.shape[2:]) and len(true) == 1:
        if array.size == true.size:
            return array.reshape(true.shape)
    if kind == "weight" and array.T.shape == true.shape:
        given.repairs.append(
            Repair(
                "transposed gradient",
                f"{called} is transposed: it has shape {array.shape}, and W has {true.shape}",
                ("94", "dW = outer(dz, h) in the shape of W; the slides' h dz is its transpose"),
                "the order of the two vectors in the outer product",
            )
        )
        return array.T
    more = array.ndim - true.ndim
    if kind in ("bias", "weight") and more > 0 and array.shape[more:] == true.shape:
        given.repairs.append(
            Repair(
                "bias not summed" if kind == "bias" else "not summed",
                f"{called} has shape {array.shape}, a row for each step or sequence, where the "
                f"sum over them belongs, {true.shape}",
                LINES["db"] if kind == "bias" else LINES["dW"],
                "the axes over which it is summed: time and batch",
            )
        )
        return np.asarray(array.sum(axis=tuple(range(more))))
    needed = str(true.shape)
    if name in column.shapes and kind == "history":
        needed = f"{column.shapes[name]}, as the parameter's, or {needed}, one for each sequence"
    turned = " Its transpose would fit." if array.T.shape == true.shape else ""
    same = " The number of its elements is right." if array.size == true.size else ""
    given.faults.append(f"{called} has shape {array.shape}; needed is {needed}.{turned or same}")
    return None


def _without_batch(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """(T, 1, I) as (T, I)."""
    return (shape[0], shape[2]) if shape[1] == 1 else None
