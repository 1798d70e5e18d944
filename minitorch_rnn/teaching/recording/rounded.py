"""Arrays as nested lists of JSON, with as many digits as a reader can use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_rnn import backend, numeric
from minitorch_rnn.engine import raw

DIGITS = 12  # significant ones: two more than any agreement that is asked for
FLOOR = 1e-3  # below this part of the largest gradient, agreement is measured against that


def plain(array: Any) -> np.ndarray:
    """A Tensor or an array of any backend as a NumPy array.

    >>> import minitorch_rnn as mt
    >>> plain(mt.ones(2, requires_grad=True))
    array([1., 1.])
    """
    return np.asarray(backend.to_numpy(raw(array)))


def numbers(array: Any) -> Any:
    """An array as nested lists, or as a number; what is not finite is None, as in JSON.

    >>> numbers(np.array([[1 / 3, np.inf]]))
    [[0.333333333333, None]]
    """
    values = plain(array)
    if values.ndim:
        return [numbers(row) for row in values]
    value = float(values)
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def value(name: str, array: Any) -> dict[str, Any]:
    """A named array of the page.

    >>> value("h(2)", np.zeros((1, 2)))
    {'name': 'h(2)', 'shape': [1, 2], 'numbers': [[0, 0]]}
    """
    return {"name": name, "shape": list(plain(array).shape), "numbers": numbers(array)}


def agreement(found: Any, expected: Any, largest: float) -> float:
    """Digits in which two arrays agree, to one decimal; see `numeric.digits`.

    >>> agreement(np.array([1.0]), np.array([1.001]), 1.0)
    3.0
    """
    return round(numeric.digits(plain(found), expected, FLOOR * largest), 1)
