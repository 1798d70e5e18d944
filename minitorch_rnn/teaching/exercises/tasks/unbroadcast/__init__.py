"""The adjoint of broadcasting: sum over what was stretched."""

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import drawn_numbers

__all__ = ["EXERCISE"]

_SHAPES = [  # large, small
    ((2,), ()), ((2, 3), (3,)), ((3, 2), (3, 1)), ((2, 3), (1, 3)), ((2, 3), (2, 3)),
    ((3, 3), (3, 1)), ((3, 3), (3,)), ((2, 1, 3), (1, 3)), ((1, 2), (1, 2)),
    ((2, 3, 4), (3, 1)), ((2, 3, 4), ()), ((2, 3, 4), (2, 1, 4)),
]  # fmt: skip


def _axes(large, small):
    added = len(large) - len(small)
    return [a for a in range(added)], [a + added for a, n in enumerate(small) if n == 1]


def _case(seed, large, small):
    gradient = drawn_numbers(np.random.default_rng(seed), *large)
    added, ones = _axes(large, small)
    axes = tuple(added + ones)
    right = gradient.sum(axis=axes).reshape(small)
    first = gradient[tuple(0 if a in axes else slice(None) for a in range(len(large)))]
    slips = [
        ("It takes the mean where the sum belongs: every use of a number adds its gradient.",
         gradient.mean(axis=axes).reshape(small)),
        ("It keeps the gradient of one use and drops the others: they add up.",
         first.reshape(small)),
        ("It takes the largest of the gradients that came back; they add up.",
         gradient.max(axis=axes).reshape(small) if axes else None),
        ("It sums although nothing was stretched; such a gradient passes as it is.",
         np.broadcast_to(gradient.sum(), small) if not axes else None),
        *_wrong_axes(gradient, small, axes),
    ]  # fmt: skip
    return Case(
        Call("unbroadcast", {"gradient": gradient, "shape": small}),
        f"gradient of shape {large}, shape = {small}",
        right,
        lambda answer: named(right, answer, [(s, p) for s, p in slips if p is not None]),
    )


def _wrong_axes(gradient, small, axes):
    """What comes of summing over as many axes as needed, but others."""
    for a in range(gradient.ndim):
        wrong = gradient.sum(axis=a)
        if len(axes) == 1 and a != axes[0] and wrong.size == np.prod(small, dtype=int):
            text = f"It sums over axis {a}; the small array was stretched along axis {axes[0]}."
            yield text, wrong.reshape(small)


EXERCISE = Exercise(
    name="unbroadcast",
    title="undo broadcasting",
    slides="80-93, their sums",
    level=1,
    hints=(
        "Two things stretch an array: axes that it lacks on the left, and axes of length 1. Which "
        "of NumPy's functions makes one number of a whole axis?",
        "First sum over the gradient.ndim - len(shape) axes on the left. Then sum over every axis "
        "where `shape` has a 1, with keepdims=True, so that the 1 is still there.",
        "gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape)))), then for each "
        "axis with shape[axis] == 1: gradient = gradient.sum(axis=axis, keepdims=True)",
    ),
    afterwards="The bias of a layer is the common case: b (H,) is added in every step and for each "
    "sequence, so its gradient is dz summed over both: db = Σ_t Σ_b dz.",
    cases=lambda: [_case(seed, *shapes) for seed, shapes in enumerate(_SHAPES)],
)
