"""gradcheck: is a derivative right? Compared with differences, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend, numeric
from minitorch_rnn.autograd.gradients import grad
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import DTypeError, GraphError


class Check(NamedTuple):
    """What `gradcheck` found: the agreement in digits, and the element that agrees least.

    >>> import minitorch_rnn as mt
    >>> check = mt.autograd.gradcheck(lambda x: x * x, mt.tensor([3.0], requires_grad=True))
    >>> check.passed, check.order, check.input, check.index, round(check.expected / check.found, 6)
    (True, 1, 'input 0', (0,), 1.0)
    """

    passed: bool
    digits: float
    order: int
    input: str
    index: tuple[int, ...]  # type: ignore[assignment]
    found: float
    expected: float

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        verdict = "agrees" if self.passed else "DISAGREES"
        step = f", time step {self.index[0]}" if len(self.index) >= 2 else ""
        return (
            f"gradcheck, order {self.order}: {verdict} to {self.digits:.1f} digits. Worst: "
            f"{self.input}, index {self.index}{step}: graph {self.found:.12g}, "
            f"differences {self.expected:.12g}."
        )


def gradcheck(
    f: Callable[..., Any],
    inputs: Tensor | Sequence[Tensor],
    order: int = 1,
    min_digits: float = 8.0,
    step: float | None = None,
    raise_exception: bool = True,
    rng: np.random.Generator | None = None,
) -> Check:
    """Compare the derivatives of f with differences, for every element of every input.

        order 1: ∂<v, f(x)> / ∂x,   order 2: the same of <u, ∂<v, f(x)>/∂x>, in x and in v

    The cotangents v and u are random and fixed, so a wrong entry of the Jacobian cannot hide: each
    enters one compared number with a random weight.

    Args:
        f: takes the inputs and returns a Tensor or several, in tuples within tuples if it likes;
            integer and boolean ones have no derivative and are left out.
        inputs: float64 tensors; those that require a gradient are checked.
        order: 1, or 2 for the derivative of the derivative alone, whichever that is.
        min_digits: agreement asked for, relative to the largest element of that input's gradient.
        step: of the difference; smaller than the distance to the next kink of f.
        raise_exception: raise when the check fails; otherwise the returned `Check` is false.
        rng: draws u and v.

    Raises:
        DTypeError: if an input to be checked is not float64, or no output has a derivative.
        GraphError: if the check fails: input, index, time step (its first axis) and both numbers.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([0.5, -1.0], requires_grad=True)
    >>> bool(mt.autograd.gradcheck(lambda x: x.tanh(), [x], order=2))
    True
    """
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [i for i, x in enumerate(xs) if x.requires_grad]
    for i in checked:
        if xs[i].dtype != np.float64:
            raise DTypeError(
                f"gradcheck: input {i} is {xs[i].dtype}; differences need float64: "
                "x.detach().astype('float64')."
            )
    if not checked:
        raise GraphError("gradcheck: no input requires a gradient, so there is nothing to check.")
    if order not in (1, 2):
        raise ValueError(f"gradcheck: order is {order!r}; known are 1 and 2.")
    rng = np.random.default_rng(0) if rng is None else backend.generator(rng)
    outputs = _outputs(f(*xs))
    first = _Projection(f, [rng.standard_normal(y.shape) for y in outputs])
    project: Callable[..., Tensor] = first
    arrays = {str(i): backend.to_numpy(xs[i].data) for i in checked}
    if order == 2:
        us = {str(i): rng.standard_normal(xs[i].shape) for i in checked}
        project = _Slope(first, us)
        arrays |= {f"v{k}": v for k, v in enumerate(first.cotangents)}

    def rebuilt(moved: dict[str, np.ndarray]) -> dict[str, Tensor]:
        where = xs[0].backend
        return {n: Tensor(x, requires_grad=True, backend=where) for n, x in moved.items()}

    def value(moved: dict[str, np.ndarray]) -> float:
        fresh = rebuilt(moved)
        return float(project(_placed(xs, fresh), fresh))

    fresh = rebuilt(arrays)
    graph = grad(project(_placed(xs, fresh), fresh), list(fresh.values()), allow_unused=True)
    expected = numeric.central_difference(value, arrays, step)
    check = _worst(arrays, graph, expected, order, min_digits)
    if raise_exception and not check:
        raise GraphError(str(check))
    return check


def gradgradcheck(f: Callable[..., Any], inputs: Tensor | Sequence[Tensor], **named: Any) -> Check:
    """`gradcheck` of order 2, under PyTorch's name.

    >>> import minitorch_rnn as mt
    >>> bool(mt.autograd.gradgradcheck(mt.sin, mt.tensor(0.5, requires_grad=True)))
    True
    """
    return gradcheck(f, inputs, order=2, **named)


def _outputs(result: Any) -> list[Tensor]:
    """The floating-point tensors in what f returned."""
    found, waiting = [], [result]
    while waiting:
        y = waiting.pop()
        if isinstance(y, tuple | list):
            waiting.extend(reversed(y))
        elif not isinstance(y, Tensor):
            raise DTypeError(
                f"gradcheck: f returned a {type(y).__name__}; needed are Tensors, or tuples of "
                "them, computed from its arguments."
            )
        elif y.dtype.kind == "f":
            found.append(y)
    if not found:
        raise DTypeError("gradcheck: f returned no floating-point tensor: no derivative to check.")
    return found


def _placed(xs: list[Tensor], fresh: dict[str, Tensor]) -> list[Tensor]:
    return [fresh.get(str(i), x) for i, x in enumerate(xs)]


class _Projection:
    """<v, f(x)>, with v taken from `fresh` where it is a variable too."""

    def __init__(self, f: Callable[..., Any], cotangents: list[np.ndarray]) -> None:
        self.f, self.cotangents = f, cotangents

    def __call__(self, xs: list[Tensor], fresh: dict[str, Tensor]) -> Tensor:
        total = Tensor(0.0)
        for k, y in enumerate(_outputs(self.f(*xs))):
            v = fresh.get(f"v{k}", Tensor(self.cotangents[k], backend=y.backend))
            total = (y * v).sum() + (total if k else 0.0)
        return total


class _Slope:
    """<u, ∂<v, f(x)>/∂x>: its gradient is the second derivative."""

    def __init__(self, first: _Projection, us: dict[str, np.ndarray]) -> None:
        self.first, self.us = first, us

    def __call__(self, xs: list[Tensor], fresh: dict[str, Tensor]) -> Tensor:
        names = list(self.us)
        slopes = grad(
            self.first(xs, fresh), [fresh[n] for n in names], create_graph=True, allow_unused=True
        )
        # Starting from v makes the sum depend on it even where the slopes do not.
        total = sum((fresh[n] * 0.0).sum() for n in fresh)
        for name, slope in zip(names, slopes, strict=True):
            if slope is not None:
                total = total + (slope * Tensor(self.us[name], backend=slope.backend)).sum()
        return total  # type: ignore[return-value]


def _worst(
    arrays: dict[str, np.ndarray],
    graph: tuple[Tensor | None, ...],
    expected: dict[str, np.ndarray],
    order: int,
    min_digits: float,
) -> Check:
    worst = None
    for (name, x), tensor in zip(arrays.items(), graph, strict=True):
        found = np.zeros(x.shape) if tensor is None else backend.to_numpy(tensor.detach().data)
        want = expected[name]
        if not x.size:
            continue
        digits = numeric.digits(found, want, floor=1e-3)  # a zero has no relative error
        error = np.atleast_1d(np.abs(found - want))
        error[np.isnan(error)] = np.inf
        at = np.unravel_index(int(error.argmax()), want.shape) if want.ndim else ()
        if worst is None or digits < worst.digits:
            told = f"cotangent {name[1:]}" if name.startswith("v") else f"input {name}"
            worst = Check(
                digits >= min_digits, digits, order, told,
                tuple(int(i) for i in at), float(found[at]), float(want[at]),
            )  # fmt: skip
    if worst is None:
        return Check(True, 16.0, order, "nothing, all inputs are empty", (), 0.0, 0.0)
    return worst
