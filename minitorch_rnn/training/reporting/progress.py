"""Progress: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import collections
import math
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.checks import epoch_of
from minitorch_rnn.training.reporting.readings import numbers
from minitorch_rnn.training.reporting.saying import Steady, say

if TYPE_CHECKING:
    from minitorch_rnn.training.trainer import Trainer

__all__ = ["Progress"]

_SMOOTHED = 50  # steps whose mean loss is shown
_LOOKS = 60  # the last looks at the clock, which the rate is taken of
_ON_TERMINAL, _IN_LINES = 0.2, 5.0  # seconds between looks
_WIDE, _BAR = 60, 10  # columns of a line that has a bar, and of the bar at least


class Progress(Callback):
    """Shows where a training stands: its loss, what it is judged by, its rate and the time left.

    On a terminal this is a bar of its width, elsewhere a line every five seconds; validations,
    skipped steps and restored checkpoints have a line each on both. The loss is the mean of the
    last 50 steps, and is read, which waits for a device, only when it is shown. Whatever becomes of
    the stream, its terminal closed or its disk full, the training goes on. Without tqdm, or
    columns, a terminal has lines, too.

    Args:
        seconds: the training is ended after so many, which bounds the time left.
        stream: where to; stderr if it is not given.

    >>> import minitorch_rnn as mt
    >>> from minitorch_rnn import nn, optim, training
    >>> class One(training.Task):
    ...     def loss(self, batch, state):
    ...         return self.model(mt.tensor(batch.inputs)).sum(), None
    >>> import numpy as np
    >>> batch = mt.data.Batch(np.ones((1, 1, 1)), np.ones((1, 1, 1)))
    >>> model = nn.Linear(1, 1, rng=np.random.default_rng(0))
    >>> trainer = training.Trainer(
    ...     One(model, lambda epoch: [batch], [batch]), optim.SGD(model.parameters(), 0.1)
    ... )
    >>> trainer.run(steps=2, callbacks=[Progress(stream=sys.stdout)])  # doctest: +ELLIPSIS
    step 1: held out: loss ..., the best so far
    step 1/2: loss ..., ... values/s, 0 s left
    step 2: held out: loss ..., the best so far
    step 2/2: loss ..., ... values/s
    """

    def __init__(self, seconds: float | None = None, stream: Any = None) -> None:
        self.seconds, self.stream = seconds, stream
        self._losses: collections.deque[Any] = collections.deque(maxlen=_SMOOTHED)
        self._looks: collections.deque[tuple[float, int, int]] = collections.deque(maxlen=_LOOKS)
        self._bar: Any = None
        self._best = math.inf
        self._step = self._count = self._told = self._skipped = 0
        self._total: int | None = None
        self._period = _IN_LINES

    # What is heard --------------------------------------------------------------------------------

    def at_start(self, trainer: Trainer) -> None:
        """Open the bar."""
        self._to = Steady(sys.stderr if self.stream is None else self.stream)
        self._step = self._told = trainer.step
        self._count, self._total = 0, _total(trainer)
        self._best = trainer.best.figure if trainer.best else math.inf
        self._losses.clear()
        self._looks.clear()
        self._looks.append((time.monotonic(), self._step, 0))
        self._bar = _bar(self._to)
        self._period = _IN_LINES if self._bar is None else _ON_TERMINAL
        if trainer.step:
            self._say(f"step {trainer.step}, resumed")

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """Show it if it is time to."""
        self._step, self._count = step.number, self._count + step.count
        if step.skipped:
            self._skipped += 1
            if self._skipped == 1:  # the others are counted beside the loss
                self._say(f"step {step.number}, skipped: its loss or gradients are not finite")
        else:
            self._losses.append(step.loss)
        now = time.monotonic()
        if len(self._looks) == 1 or now - self._looks[-1][0] > self._period:
            self._looks.append((now, self._step, self._count))
            self._show(trainer)

    def after_validation(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """A line with the figure that the model is judged by."""
        name = trainer.task.judged_by
        judged = figures[name]
        best = ", the best so far" if judged < self._best else ""
        self._best = min(self._best, judged)
        self._say(f"step {trainer.step}: held out: {_words(name)} {judged:.4g}{best}")

    def after_restore(self, trainer: Trainer) -> None:
        """A line that says where it goes on."""
        self._say(
            f"step {trainer.step}, restored: the loss or gradients of step {self._step + 1} are "
            "not finite, or exploded"
        )
        self._step, self._count = trainer.step, 0
        self._losses.clear()
        self._looks.clear()
        self._looks.append((time.monotonic(), self._step, 0))

    def at_end(self, trainer: Trainer) -> None:
        """Remove the bar, or write a line of the last step."""
        if self._bar is None and self._told != self._step:
            self._looks.append((time.monotonic(), self._step, self._count))
            self._show(trainer)
        self.close()

    def close(self) -> None:
        """Remove the bar; for what follows where an error ended the training."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    # What is shown --------------------------------------------------------------------------------

    def _show(self, trainer: Trainer) -> None:
        self._told = self._step
        parts = self._parts(trainer)
        if self._bar is None:
            total = "" if self._total is None else f"/{self._total}"
            say(f"step {self._step}{total}: {', '.join(parts.values())}", self._to)
        else:
            columns = _columns(self._to)
            self._bar.ncols = columns
            self._bar.bar_format = self._format(parts, columns)
            self._bar.n, self._bar.total = self._step, self._total
            self._bar.refresh()

    def _parts(self, trainer: Trainer) -> dict[str, str]:
        """What is known of the training, by name, in the order it is shown."""
        parts, task = {}, trainer.task
        losses = numbers(self._losses)
        if losses:
            loss = sum(losses) / len(losses)
            parts["loss"] = f"loss {loss:.3f}" if 1e-2 <= loss < 1e4 else f"loss {loss:.3g}"
            factor = task.factor
            if factor is not None:
                parts["figure"] = f"{loss * factor:.2f} {_words(task.judged_by)}"
        (before, step, count), (now, *_) = self._looks[0], self._looks[-1]
        elapsed = max(now - before, 1e-9)
        rate = (self._count - count) / elapsed
        parts["rate"] = f"{_short(rate) if self._bar is not None else f'{rate:,.0f}'} {task.unit}/s"
        left = self._left((self._step - step) / elapsed, trainer.seconds)
        if left is not None and not trainer.ended:
            parts["left"] = f"{_span(left)} left"
        if self._skipped:
            parts["skipped"] = f"{self._skipped} skipped"
        return parts

    def _left(self, rate: float, spent: float) -> float | None:
        """Seconds until it ends, at so many steps a second and after so many seconds."""
        bounds = [] if self.seconds is None else [self.seconds - spent]
        if self._total is not None and rate > 0:
            bounds.append((self._total - self._step) / rate)
        return max(0.0, min(bounds)) if bounds else None

    def _format(self, parts: dict[str, str], columns: int) -> str:
        """A line as tqdm fills it in; where not all fits, what matters least is left out."""
        first, bar, room = f"step {self._step}", "", columns
        if self._total is not None:
            first = f"{self._step / max(self._total, 1):4.0%}"
        if self._total is not None and columns >= _WIDE:
            bar, room = "|{bar}|", columns - _BAR - 2
        for name in ("rate", "loss" if "figure" in parts else "", "skipped", "left"):
            text = f" {', '.join(parts.values())}"
            if len(first) + len(text) <= room:
                break
            parts.pop(name, None)
        text = f" {', '.join(parts.values())}"
        return first + bar + text[: room - len(first)]

    def _say(self, line: str) -> None:
        say(line, self._to)


def _bar(stream: Steady) -> Any:
    """A bar, or None where there can be none."""
    if not stream.isatty() or not _has_room(stream):
        return None
    try:
        from tqdm import tqdm

        return tqdm(file=stream, leave=False, bar_format=" ", mininterval=0, miniters=1)
    except (ImportError, OSError):  # of stdout, which tqdm flushes to be in order with it
        return None


def _has_room(stream: Steady) -> bool:
    """Whether a terminal has columns and rows; on one without them, tqdm shows nothing."""
    try:
        return all(os.get_terminal_size(stream.fileno()))
    except (OSError, ValueError, AttributeError):
        return True  # it does not say


def _columns(stream: Steady) -> int:
    """That a line may fill; the last one stays free, for there some terminals break the line."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns or 80) - 1  # it may have lost them
    except (OSError, ValueError, AttributeError):
        return 79


def _total(trainer: Trainer) -> int | None:
    """The number of the last step, if it is known; of epochs, if all are as long as the present."""
    totals = [] if trainer.steps is None else [trainer.steps]
    if trainer.epochs is not None:
        length = len(epoch_of(trainer.task, trainer.epoch))
        totals.append(trainer.step - trainer.index + (trainer.epochs - trainer.epoch) * length)
    return min(totals, default=None)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(rate: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= size:
            return f"{rate / size:.3g}{letter}"
    return f"{rate:.3g}"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"
