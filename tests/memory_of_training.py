"""A program: the memory a training uses early and late, in bytes, in a process of its own.

Whatever else a process has done before would be in the measurement.
"""

import gc
import importlib.util
import io
import pathlib
import sys
import tempfile
import tracemalloc

from minitorch_rnn import training
from minitorch_rnn.training import reporting, session
from minitorch_rnn.training.tasks import TASKS

STEPS = 120
# What is shown is a mean of 50 steps, whose losses are kept; and buffers wait to be used again, so
# that the most of several steps is compared with the most of others.
EARLY, LATE = range(60, 71), range(110, STEPS + 1)
TENSORBOARD = importlib.util.find_spec("tensorboardX") is not None


class Traced(training.Callback):
    """The most memory in use after some steps, and after the last ones."""

    def __init__(self):
        self.found = [0, 0]

    def after_step(self, trainer, step):
        for i, steps in enumerate((EARLY, LATE)):
            if step.number in steps:
                gc.collect()
                self.found[i] = max(self.found[i], tracemalloc.get_traced_memory()[0])


class Hoarder(training.Callback):
    """Keeps a weight of every step."""

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


if __name__ == "__main__":
    folder, traced = pathlib.Path(tempfile.mkdtemp()), Traced()
    train(folder, 3)  # what is imported and kept once
    tracemalloc.start()
    train(folder, STEPS, *[Hoarder()] * ("hoard" in sys.argv), traced)
    print(*traced.found)
