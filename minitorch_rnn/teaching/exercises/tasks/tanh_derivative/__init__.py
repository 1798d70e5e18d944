"""The derivative of tanh from its value: the smallest backward rule."""

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import drawn_numbers

__all__ = ["EXERCISE"]


def _case(shape, seed):
    rng = np.random.default_rng(seed)
    dy, y = drawn_numbers(rng, *shape), np.round(0.95 * np.tanh(rng.normal(size=shape)), 2)
    right, z = dy * (1 - y * y), np.arctanh(y)
    slips = [
        ("It has 1 - y where 1 - y² belongs: the slope of tanh is 1 - tanh(z)².", dy * (1 - y)),
        ("It has y (1 - y), the slope of a sigmoid; that of tanh is 1 - y².", dy * y * (1 - y)),
        ("It takes tanh once more: y is tanh(z) already, so the slope is 1 - y².",
         dy * (1 - np.tanh(y) ** 2)),
        ("The slope is there, but dy is not: the chain rule multiplies by it (slide 79).",
         1 - y * y),
        ("It adds dy where the chain rule multiplies by it (slide 79).", dy + 1 - y * y),
        ("The sign is wrong: the slope is 1 - y², not y² - 1.", -right),
        ("dy comes back as it was: the slope of tanh, 1 - y², is forgotten.", dy),
        ("It divides by the slope 1 - y², and should multiply by it.", dy / (1 - y * y)),
        ("It has z where y belongs: the slope is 1 - y².", dy * (1 - z * z)),
        ("It has 1 + y²; the slope of tanh is 1 - y².", dy * (1 + y * y)),
    ]  # fmt: skip
    return Case(
        Call("tanh_backward", {"dy": dy, "y": y}),
        f"arrays of shape {shape}",
        right,
        lambda answer: named(right, answer, slips),
    )


EXERCISE = Exercise(
    name="tanh-derivative",
    title="the derivative of tanh",
    slides="79",
    level=1,
    hints=(
        "What is the slope of tanh at z = 0, where y = 0? And far out, where y is nearly 1?",
        "d tanh(z)/dz = 1 - tanh(z)², and tanh(z) is y. The chain rule multiplies by dy.",
        "return dy * (1 - y * y)",
    ),
    afterwards="Where |y| is near 1 the slope is near 0: a saturated unit lets hardly any error "
    "through. Multiply such slopes over 50 steps and you have met the vanishing gradient.",
    cases=lambda: [
        _case(shape, seed) for seed, shape in enumerate([(1,), (3,), (2, 3), (4, 1, 2)])
    ],
)
