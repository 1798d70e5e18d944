"""A training needs no more memory after many steps than after a few, whatever listens to it."""

import gc
import importlib.util
import io
import tracemalloc

from minitorch_rnn import training
from minitorch_rnn.training import reporting, session
from minitorch_rnn.training.tasks import TASKS

STEPS = 400
TENSORBOARD = importlib.util.find_spec("tensorboardX") is not None


class Traced(training.Callback):
    """Memory in use after a tenth of the steps and after all, in bytes."""

    def __init__(self):
        self.found = []

    def after_step(self, trainer, step):
        if step.number in (STEPS // 10, STEPS):
            gc.collect()
            self.found.append(tracemalloc.get_traced_memory()[0])


class Hoarder(training.Callback):
    def __init__(self):
        self.losses = []

    def after_step(self, trainer, step):
        self.losses.append(step.loss)


def train(folder, steps, *callbacks):
    """A training that writes all its files."""
    path = folder / "book.txt"
    path.write_text("the cat sat on the mat. " * 3000)
    options = {
        "text": str(path), "hidden": 64, "batch": 4, "sequence": 10, "layers": 2, "dropout": 0.1,
        "steps": steps, "cell": "lstm", "validate_every": 200, "schedule": "cosine",
    }  # fmt: skip
    chosen = TASKS["text"].Config.of(options)
    trainer = session.trainer_of(chosen, TASKS["text"].prepare(chosen))
    files = [reporting.TensorBoard(folder)] if TENSORBOARD else []
    trainer.run(steps=steps, callbacks=[
        reporting.Metrics(folder), *files, training.Checkpoints(folder, 20),
        reporting.Progress(stream=io.StringIO()), *callbacks,
    ])  # fmt: skip


def used(folder, *callbacks):
    """Memory after a tenth of a training and at its end."""
    train(folder, 3)  # what is imported and kept once
    traced = Traced()
    tracemalloc.start()
    try:
        train(folder, STEPS, *callbacks, traced)
    finally:
        tracemalloc.stop()
    return traced.found


def test_memory_at_the_end_is_that_after_a_tenth_within_five_per_cent(tmp_path):
    early, late = used(tmp_path)
    assert late < 1.05 * early


def test_a_callback_that_keeps_every_loss_would_be_noticed(tmp_path):
    early, late = used(tmp_path, Hoarder())
    assert late > 1.05 * early
