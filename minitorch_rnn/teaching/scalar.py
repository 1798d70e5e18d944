"""Scalar mode: the whole of automatic differentiation for single numbers, on one page.

`Scalar` does for numbers what `Tensor` does for arrays. It computes the local derivatives as it
goes and keeps them beside its inputs, so `backward` only multiplies and adds. Nothing is fast here.

Source: Karpathy, micrograd (2020), for the idea of an engine of single numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count
from typing import Any

__all__ = ["Scalar"]

_number = count().__next__


class Scalar:
    """A number that remembers how it was computed.

    Args:
        value: the number.
        inputs: the Scalars it was computed from, each with the derivative of this by it.

    Attributes:
        value, inputs: as given.
        gradient: d(the Scalar whose `backward` ran)/d(this), added up over all runs.
        number: counts up with creation, so that inputs come before users.

    >>> x, w = Scalar(2.0), Scalar(-0.5)
    >>> y = (w * x).tanh() + x**2
    >>> y.backward()
    >>> print(round(y.value, 4), round(x.gradient, 4), round(w.gradient, 4))
    3.2384 3.79 0.8399
    """

    __slots__ = ("gradient", "inputs", "number", "value")
    __array_ufunc__ = None  # NumPy's numbers leave `number * scalar` to us

    def __init__(self, value: float, inputs: Sequence[tuple[Scalar, float]] = ()) -> None:
        self.value = float(value)
        self.gradient = 0.0
        self.inputs = tuple(inputs)
        self.number = _number()

    def __add__(self, other: Any) -> Any:
        return _of_two(self, other, lambda a, b: (a + b, 1.0, 1.0))

    def __sub__(self, other: Any) -> Any:
        return _of_two(self, other, lambda a, b: (a - b, 1.0, -1.0))

    def __rsub__(self, other: Any) -> Any:
        return _of_two(other, self, lambda a, b: (a - b, 1.0, -1.0))

    def __mul__(self, other: Any) -> Any:
        return _of_two(self, other, lambda a, b: (a * b, b, a))

    def __truediv__(self, other: Any) -> Any:
        return _of_two(self, other, lambda a, b: (a / b, 1 / b, -a / b**2))

    def __rtruediv__(self, other: Any) -> Any:
        return _of_two(other, self, lambda a, b: (a / b, 1 / b, -a / b**2))

    def __pow__(self, n: Any) -> Scalar:
        if isinstance(n, Scalar):
            raise TypeError("Scalar: x ** n takes a number n. For a Scalar: (x.log() * n).exp().")
        slope = n * self.value ** (n - 1) if n else 0.0
        return Scalar(self.value**n, [(self, slope)])

    def __neg__(self) -> Scalar:
        return Scalar(-self.value, [(self, -1.0)])

    __radd__, __rmul__ = __add__, __mul__

    def tanh(self) -> Scalar:
        """y = tanh(x), dy/dx = 1 - y²."""
        y = math.tanh(self.value)
        return Scalar(y, [(self, 1 - y * y)])

    def exp(self) -> Scalar:
        """y = exp(x), dy/dx = y."""
        y = math.exp(self.value)
        return Scalar(y, [(self, y)])

    def log(self) -> Scalar:
        """y = log(x), dy/dx = 1/x.

        Raises:
            ValueError: if x is not positive.
        """
        if self.value <= 0:
            raise ValueError(f"Scalar: log of {self.value:g}; a positive number is needed.")
        return Scalar(math.log(self.value), [(self, 1 / self.value)])

    def relu(self) -> Scalar:
        """y = max(x, 0), dy/dx = 1 where x > 0, else 0."""
        y = 0.0 if self.value <= 0 else self.value  # nan stays nan
        return Scalar(y, [(self, float(self.value > 0))])

    def history(self) -> list[Scalar]:
        """This and all that it was computed from, newest first: users before their inputs.

        >>> x = Scalar(1.0)
        >>> len((x + x).history())
        2
        """
        found, waiting = {self.number: self}, [self]
        while waiting:
            for x, _ in waiting.pop().inputs:
                if x.number not in found:
                    found[x.number] = x
                    waiting.append(x)
        return [found[number] for number in sorted(found, reverse=True)]

    def backward(self) -> None:
        """Add d(this)/dx to the gradient of every x in its history.

        dx = sum over the users y of x:  dy · ∂y/∂x
        """
        sums = {self.number: 1.0}
        for y in self.history():  # all users of y have added to its sum
            dy = sums.pop(y.number)
            y.gradient += dy
            for x, slope in y.inputs:
                sums[x.number] = sums.get(x.number, 0.0) + dy * slope

    def __repr__(self) -> str:
        return f"Scalar({self.value:g}, gradient={self.gradient:g})"


def _of_two(a: Any, b: Any, rule: Any) -> Any:
    """A Scalar of two operands, one of them perhaps a number; the rule gives y, dy/da, dy/db."""
    if not all(isinstance(x, Scalar | float | int) for x in (a, b)):
        return NotImplemented
    y, da, db = rule(*(x.value if isinstance(x, Scalar) else float(x) for x in (a, b)))
    return Scalar(y, [(x, slope) for x, slope in ((a, da), (b, db)) if isinstance(x, Scalar)])
