"""Derivatives without derivative rules: central differences and the complex step, on plain arrays.

Both evaluate a function and nothing else, so they share no mistake with any road to the gradient.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]

# f'(x) ~ sum_k c_k [f(x + k h) - f(x - k h)] / h, with an error of order h**(2n) for n terms.
# Coefficients: Fornberg, Mathematics of Computation 51 (1988), table 1.
_STENCILS = {
    2: (1 / 2,),
    4: (2 / 3, -1 / 12),
    6: (3 / 4, -3 / 20, 1 / 60),
    8: (4 / 5, -1 / 5, 4 / 105, -1 / 280),
}


def central_difference(
    f: Callable[[dict[str, np.ndarray]], Any],
    arrays: Arrays,
    step: float | None = None,
    order: int = 8,
) -> dict[str, np.ndarray]:
    """The gradient of the scalar f(arrays) by central differences of order 2, 4, 6 or 8.

        df/dx ~ sum_k c_k [f(x + k h) - f(x - k h)] / h

    Args:
        f: takes a dictionary of arrays and returns a scalar.
        arrays: where to differentiate; every element of every array is moved in turn.
        step: h. None balances truncation c h**order against rounding eps / h for functions whose
            derivatives grow by about 4 with each order: eps**(1 / (order + 1)) / 4.
            With kinks nearby take it smaller than their distance over order / 2.

    Returns:
        Gradients with the keys and shapes of `arrays`, float64.

    >>> g = central_difference(lambda a: (a["x"] ** 3).sum(), {"x": np.array([2.0])})
    >>> round(float(g["x"][0]), 10)
    12.0
    """
    h = float(np.finfo(float).eps) ** (1 / (order + 1)) / 4 if step is None else step
    coefficients = _STENCILS[order]

    def slope(moved: dict[str, np.ndarray], x: np.ndarray, i: Any) -> float:
        at, total = x[i], 0.0
        for k, c in enumerate(coefficients, 1):
            x[i] = at + k * h
            above = f(moved)
            x[i] = at - k * h
            total += c * (above - f(moved))
        x[i] = at
        return total / h

    return _each_element(slope, arrays, np.float64)


def complex_step(
    f: Callable[[dict[str, np.ndarray]], Any], arrays: Arrays, step: float = 1e-30
) -> dict[str, np.ndarray]:
    """The gradient of the scalar f(arrays) by the complex step, exact to rounding.

        df/dx = Im f(x + i h) / h

    There is no difference of close numbers, so h can be tiny and nothing cancels. f must be
    analytic where it is evaluated and must not take absolute values or conjugates.

    Source: Squire and Trapp, SIAM Review 40 (1998).

    >>> g = complex_step(lambda a: (a["x"] ** 3).sum(), {"x": np.array([2.0])})
    >>> float(g["x"][0])
    12.0
    """

    def slope(moved: dict[str, np.ndarray], x: np.ndarray, i: Any) -> float:
        at = x[i]
        x[i] = at + 1j * step
        value = f(moved)
        x[i] = at
        return float(np.imag(value)) / step

    return _each_element(slope, arrays, np.complex128)


def _each_element(
    slope: Callable[[dict[str, np.ndarray], np.ndarray, Any], float], arrays: Arrays, dtype: Any
) -> dict[str, np.ndarray]:
    moved = {name: np.array(x, dtype=dtype) for name, x in arrays.items()}
    return {
        name: np.array([slope(moved, x, i) for i in np.ndindex(x.shape)], dtype=np.float64).reshape(
            x.shape
        )
        for name, x in moved.items()
    }


def digits(a: Any, b: Any, floor: float = 0.0) -> float:
    """Decimal digits in which a agrees with the reference b, relative to b's largest element.

        -log10(max |a - b| / max(max |b|, floor))

    At most 16, which equal arrays have; 0 and less is no agreement, and nan anywhere gives 0.

    >>> digits([1.0, 2.0], [1.0, 2.0])
    16.0
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return 0.0
    error, scale = np.abs(a - b).max(initial=0.0), np.abs(b).max(initial=floor)
    if error == 0:
        return 16.0
    if scale == 0 or not np.isfinite(error + scale):
        return 0.0
    return float(min(16.0, -np.log10(error / scale)))
