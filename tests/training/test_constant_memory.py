"""A training needs no more memory after many steps than after a few, whatever listens to it."""

import gc
import importlib.util
import io
import tracemalloc

from minitorch_rnn import training
from minitorch_rnn.training import reporting, session
from minitorch_rnn.training.tasks import TASKS

STEPS = 150
# What is shown is a mean of 50 steps, whose losses are kept; and buffers wait to be used again, so
# that the most of several steps is compared with the most of others.
EARLY, LATE = range(60, 81), range(130, STEPS + 1)
TENSORBOARD = importlib.util.find_spec("tensorboardX") is not None


class Traced(training.Callback):
    """The most memory in use after some steps, and after the last ones, in bytes."""

    def __init__(self):
        self.found = [0, 0]

    def after_step(self, trainer, step):
        for i, steps in enumerate((EARLY, LATE)):
            if step.number in steps:
                gc.collect()
                self.found[i] = max(self.found[i], tracemalloc.get_traced_memory()[0])


class Hoarder(training.Callback):
    def __init__(self):
        self.kept = []

    def after_step(self, trainer, step):
        self.kept.append(trainer.task.model.network.output.weight.detach().numpy().copy())


def train(folder, steps, *callbacks):
    """A training that writes all its files."""
    path = folder / "book.txt"
    path.write_text("the cat sat on the mat. " * 300)
    options = {
        "text": str(path), "hidden": 64, "batch": 4, "sequence": 10, "layers": 2, "dropout": 0.1,
        "steps": steps, "cell": "lstm", "validate_every": 20, "schedule": "cosine",
    }  # fmt: skip
    chosen = TASKS["text"].Config.of(options)
    trainer = session.trainer_of(chosen, TASKS["text"].prepare(chosen))
    files = [reporting.TensorBoard(folder)] if TENSORBOARD else []
    trainer.run(steps=steps, callbacks=[
        reporting.Metrics(folder), *files, training.Checkpoints(folder, 15),
        reporting.Progress(stream=io.StringIO()), *callbacks,
    ])  # fmt: skip


def used(folder, *callbacks):
    """Memory after some steps of a training and at its end."""
    train(folder, 3)  # what is imported and kept once
    traced = Traced()
    tracemalloc.start()
    try:
        train(folder, STEPS, *callbacks, traced)
    finally:
        tracemalloc.stop()
    return traced.found


def test_memory_at_the_end_is_that_after_some_steps_within_five_per_cent(tmp_path):
    early, late = used(tmp_path)
    assert late < 1.05 * early


def test_a_callback_that_keeps_a_weight_of_every_step_would_be_noticed(tmp_path):
    early, late = used(tmp_path, Hoarder())
    assert late > 1.05 * early
