"""A training needs no more memory after many steps than after a few, whatever listens to it."""

import pathlib
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).parents[1] / "memory_of_training.py"


def used(*arguments):
    """Memory after some steps of a training and at its end, in bytes."""
    answer = subprocess.run(
        [sys.executable, PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    return map(int, answer.stdout.split())


def test_memory_at_the_end_is_that_after_some_steps_within_five_per_cent():
    early, late = used()
    assert late < 1.05 * early


def test_a_callback_that_keeps_a_weight_of_every_step_would_be_noticed():
    early, late = used("hoard")
    assert late > 1.05 * early
