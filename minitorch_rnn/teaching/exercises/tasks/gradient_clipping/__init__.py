"""Gradient clipping by the norm of all gradients together."""

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import drawn_numbers

__all__ = ["EXERCISE"]


def _case(seed, H, most, factor):
    rng = np.random.default_rng(seed)
    d = {"W_r": factor * drawn_numbers(rng, H, H), "b": factor * drawn_numbers(rng, H)}

    def each(scale):
        return {name: g * scale(g) for name, g in d.items()}

    square = sum((g**2).sum() for g in d.values())
    norm = np.sqrt(square)
    common = most / norm if norm > most else 1.0
    right = each(lambda g: common)
    slips = [
        ("Every array is clipped by its own norm; that turns the step. There is one norm, of all "
         "numbers of all gradients.", each(lambda g: min(1.0, most / np.linalg.norm(g)))),
        ("Every number is clipped by itself; that turns the step. Multiply all by one factor.",
         {name: np.clip(g, -most, most) for name, g in d.items()}),
        ("Gradients that are short enough are made longer; they stay as they are.",
         each(lambda g: most / norm)),
        ("Nothing is clipped although the norm is larger than `most`.", d),
        ("The norm lacks its square root.", each(lambda g: most / square)),
        ("The norm lacks its square root.", each(lambda g: min(1.0, most / square))),
        ("The gradients are divided by their norm, and not multiplied by `most`.",
         each(lambda g: 1 / norm)),
        ("The factor stands upside down: it is most / norm.", each(lambda g: norm / most)),
        ("The norm is a sum of absolute values; it is the root of the sum of squares.",
         each(lambda g: min(1.0, most / sum(np.abs(a).sum() for a in d.values())))),
        ("The norms of the arrays are added; their squares are, before the root.",
         each(lambda g: min(1.0, most / sum(np.linalg.norm(a) for a in d.values())))),
        ("The largest number is taken for the norm.",
         each(lambda g: min(1.0, most / max(np.abs(a).max() for a in d.values())))),
    ]  # fmt: skip
    return Case(
        Call("clip", {"gradients": d, "most": most}),
        f"most = {most:g}, norm = {norm:.4g}, W_r of shape {H, H}",
        right,
        lambda answer: named(right, answer, slips),
    )


def _zeros():
    zeros = {"W_r": np.zeros((2, 2)), "b": np.zeros(2)}
    return Case(Call("clip", {"gradients": zeros, "most": 1.0}), "all gradients 0, most = 1", zeros)


EXERCISE = Exercise(
    name="gradient-clipping",
    title="clip exploding gradients",
    slides="part 2, exploding gradients",
    level=1,
    hints=(
        "The direction of the whole step must stay. So how many factors can there be?",
        "Add up the squares of all numbers in all arrays and take one root. Compare it with `most` "
        "before you scale anything: short gradients, and zeros, stay as they are.",
        "norm = np.sqrt(sum((g**2).sum() for g in gradients.values())), then multiply each by "
        "most / norm if norm > most, else by 1",
    ),
    afterwards="Clipping cures explosion only. A vanished gradient has nothing left to scale up: "
    "its direction in time is lost, which is what LSTM was made for.",
    cases=lambda: [
        _case(0, 1, 1.0, 10.0), _case(1, 2, 5.0, 0.1), _zeros(), _case(2, 3, 2.0, 10.0),
        _case(3, 3, 0.5, 1.0),
    ],
)  # fmt: skip
