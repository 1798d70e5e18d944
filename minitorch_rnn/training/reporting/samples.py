"""Samples: what a model writes, shown now and then while it learns."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.reporting.readings import numbers
from minitorch_rnn.training.reporting.saying import say

if TYPE_CHECKING:
    from minitorch_rnn.training.trainer import Trainer

__all__ = ["Samples"]

_RULE = "-" * 20


class Samples(Callback):
    """Writes a sample of the model every so many steps.

    Each is drawn by a generator of its own, seeded by `seed` and the step, so that the training
    takes the same course with samples and without. Control characters, which a terminal would
    obey, are replaced. If nobody reads them any more, the training goes on.

    Args:
        drawn: the text, of the generator that is to draw it; None: the task's `sample`.
        every: steps from sample to sample.
        seed: of the samples.
        stream: where to; stdout if it is not given.

    >>> import minitorch_rnn as mt
    >>> samples = Samples(lambda rng: "".join(rng.choice(list("ab"), 7)), every=2)
    >>> for number in (1, 2):
    ...     step = Step(number, 0, mt.tensor(2.31), mt.tensor(1.0), lr=0.1, count=8)
    ...     samples.after_step(None, step)
    -------------------- step 2, loss 2.31 --------------------
    baaaabb
    """

    def __init__(
        self,
        drawn: Callable[[np.random.Generator], str] | None,
        every: int,
        seed: int = 0,
        stream: Any = None,
    ) -> None:
        self.drawn, self.every, self.seed, self.stream = drawn, every, seed, stream

    def at_start(self, trainer: Trainer) -> None:
        """Take the task's samples, unless others were given."""
        self.drawn = self.drawn or trainer.task.sample

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """Show a sample if it is time to."""
        if self.drawn is None or step.number % self.every or step.skipped:
            return
        loss, norm = numbers([step.loss, step.norm])
        if not math.isfinite(loss + norm):
            return  # of such weights nothing can be drawn
        text = self.drawn(np.random.default_rng([self.seed, step.number]))
        shown = "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
        say(
            f"{_RULE} step {step.number}, loss {loss:.2f} {_RULE}\n{shown}",
            self.stream or sys.stdout,
        )
