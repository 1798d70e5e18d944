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
    together: int | None = None,
    errors: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """The gradient of the scalar f(arrays) by central differences of order 2, 4, 6 or 8.

        df/dx ~ sum_k c_k [f(x + k h) - f(x - k h)] / h

    Args:
        f: takes a dictionary of arrays and returns a scalar.
        arrays: where to differentiate; every element of every array is moved in turn.
        step: h. None balances truncation c h**order against rounding eps / h for functions whose
            derivatives grow by about 4 with each order: eps**(1 / (order + 1)) / 4.
            With kinks nearby take it smaller than their distance over order / 2.
        order: of the error in h.
        together: None, or how many moved copies f takes at once: its arrays then have a leading
            axis of up to so many copies, and it returns as many values.
        errors: a dictionary to be filled with how far the formula of the next lower order is off,
            from the same values of f: where this is not small, the step is too large.

    Returns:
        Gradients with the keys and shapes of `arrays`, float64.

    >>> g = central_difference(lambda a: (a["x"] ** 3).sum(), {"x": np.array([2.0])})
    >>> round(float(g["x"][0]), 10)
    12.0
    """
    h = float(np.finfo(float).eps) ** (1 / (order + 1)) / 4 if step is None else step

    off: list[Any] = []

    def slopes(at: Callable[[Any], np.ndarray]) -> Any:
        rises = [at(k * h) - at(-k * h) for k in range(1, order // 2 + 1)]
        by_order = [
            sum(c * rise for c, rise in zip(_STENCILS[n], rises, strict=False)) / h
            for n in (order, max(order - 2, 2))
        ]
        off.extend(by_order[0] - by_order[1])
        return by_order[0]

    gradient = _each_element(f, slopes, arrays, np.float64, together)
    for name, g in gradient.items() if errors is not None else ():
        errors[name] = np.array(off[: g.size]).reshape(g.shape)  # type: ignore[index]
        del off[: g.size]
    return gradient


def complex_step(
    f: Callable[[dict[str, np.ndarray]], Any],
    arrays: Arrays,
    step: float = 1e-30,
    together: int | None = None,
) -> dict[str, np.ndarray]:
    """The gradient of the scalar f(arrays) by the complex step, exact to rounding.

        df/dx = Im f(x + i h) / h

    There is no difference of close numbers, so h can be tiny and nothing cancels. f must be
    analytic where it is evaluated and must not take absolute values or conjugates. `together` is as
    in `central_difference`.

    Source: Squire and Trapp, SIAM Review 40 (1998).

    >>> g = complex_step(lambda a: (a["x"] ** 3).sum(), {"x": np.array([2.0])})
    >>> float(g["x"][0])
    12.0
    """
    return _each_element(
        f, lambda at: np.imag(at(1j * step)) / step, arrays, np.complex128, together
    )


def _each_element(
    f: Callable[[dict[str, np.ndarray]], Any],
    slopes: Callable[[Callable[[Any], np.ndarray]], Any],
    arrays: Arrays,
    dtype: Any,
    together: int | None,
) -> dict[str, np.ndarray]:
    """`slopes` for every element of every array, given f's values where each of them is moved."""
    whole = {name: np.asarray(x) for name, x in arrays.items()}
    places = [(name, i) for name, x in whole.items() for i in range(x.size)]
    gradient = {name: np.zeros(x.size) for name, x in whole.items()}
    n = together or 1
    for start in range(0, len(places), n):
        some = places[start : start + n]

        def at(move: Any, some: list[tuple[str, int]] = some) -> np.ndarray:
            copies = {
                name: np.repeat(x.astype(dtype)[None], len(some), 0) for name, x in whole.items()
            }
            for copy, (name, i) in enumerate(some):
                copies[name].reshape(len(some), -1)[copy, i] += move
            if together is None:
                return np.array([f({name: x[0, ...] for name, x in copies.items()})])
            return np.asarray(f(copies))

        for (name, i), slope in zip(some, slopes(at), strict=True):
            gradient[name][i] = slope
    return {name: gradient[name].reshape(x.shape) for name, x in whole.items()}


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
