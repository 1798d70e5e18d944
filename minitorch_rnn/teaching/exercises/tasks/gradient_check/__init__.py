"""Central differences: the judge of every gradient, which knows no derivative."""

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import drawn_numbers

__all__ = ["EXERCISE"]

_EPS = 0.01  # large enough for the order of the error to be seen
_MOVED = (
    "A component stays moved when the next one is: start from a fresh copy of x for each component."
)
_CASES = [
    ("lambda x: float(x**3)", ()),
    ("lambda x: float((x**3).sum())", (2,)),
    ("lambda x: float(np.exp(x[0] * x[1]) + x[2] ** 3)", (3,)),
    ("lambda x: float(np.exp(x).prod() + np.sin(x[0] * 3).sum())", (2, 3)),
]


def _differences(f, x, eps, up=1.0, down=1.0, over=2.0, left=(0.0, 0.0)):
    """(f(x + up eps) - f(x - down eps)) / (over eps) for each component.

    `left` is by how many eps a component stays moved, in the two arrays, when the next one is.
    """
    gradient, bases = np.zeros(x.shape), (x.copy(), x.copy())
    for i in np.ndindex(x.shape):
        high, low = (base.copy() for base in bases)
        high[i] += up * eps
        low[i] -= down * eps
        gradient[i] = (f(high) - f(low)) / (over * eps)
        for base, stays in zip(bases, left, strict=True):
            base[i] += stays * eps
    return gradient


def _case(seed, formula, shape):
    f = eval(formula, {"np": np})
    x = drawn_numbers(np.random.default_rng(seed), *shape)
    right = _differences(f, x, _EPS)
    lost = _differences(f, x, _EPS, down=0.0, over=1.0)
    slips = [
        ("It is twice too large: up to down is a way of 2 eps; divide by that.", 2 * right),
        ("It is half of what it should be: divide by 2 eps once.", right / 2),
        ("It lacks the division by 2 eps.", right * 2 * _EPS),
        ("It is the forward difference, (f(x + eps) - f(x)) / eps, whose error is of the order "
         "of eps; the central difference goes eps up and eps down.", lost),
        ("It is the backward difference, (f(x) - f(x - eps)) / eps; the central difference goes "
         "eps up and eps down.", _differences(f, x, _EPS, up=0.0, over=1.0)),
        ("It is half of a forward difference: the way from x to x + eps is eps, not 2 eps; or go "
         "eps up and eps down.", lost / 2),
        *((_MOVED, _differences(f, x, _EPS, left=left)) for left in [(-1, -1), (1, -1), (1, 1)]),
        ("The sign is wrong: f(x + eps) comes first.", -right),
        ("eps counts twice: it goes 2 eps up and down, and divides by 4 eps.",
         _differences(f, x, _EPS, up=2.0, down=2.0, over=4.0)),
    ]  # fmt: skip
    return Case(
        Call("differences", {"f": formula, "x": x, "eps": _EPS}),
        f"f = {formula}, x of shape {shape}",
        right,
        lambda answer: named(right, answer, slips),
    )


EXERCISE = Exercise(
    name="gradient-check",
    title="check a gradient by central differences",
    slides="none; the judge of all others",
    level=1,
    hints=(
        "One component at a time: everything else must stand where it stood. np.ndindex(x.shape) "
        "goes through all indices of any shape.",
        "For each index i: take two fresh copies of x, add eps to one at i, subtract eps from the "
        "other at i, and divide the difference of f by the way between them.",
        "up, down = x.copy(), x.copy(); up[i] += eps; down[i] -= eps; "
        "gradient[i] = (f(up) - f(down)) / (2 * eps)",
    ),
    afterwards="Try eps = 1e-2, 1e-5, 1e-8 and 1e-12 on np.exp: the error falls, then rises, as "
    "rounding takes over. Near 1e-5 it is smallest. Check your next exercises with this.",
    cases=lambda: [_case(seed, *case) for seed, case in enumerate(_CASES)],
)
