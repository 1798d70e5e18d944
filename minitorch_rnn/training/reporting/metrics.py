"""metrics.jsonl: what every step and every validation of a training gave, a line of JSON each.

`Metrics` says what lines there are; `recorded.py` reads them.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import pathlib
from typing import IO, TYPE_CHECKING, Any

from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.reporting.readings import Reading, Readings
from minitorch_rnn.training.reporting.saying import say

if TYPE_CHECKING:
    from minitorch_rnn.training.trainer import Trainer

__all__ = ["METRICS", "Metrics"]

METRICS = "metrics.jsonl"


class Metrics(Callback):
    """Writes a line for every step and every validation to `folder`/metrics.jsonl.

    There are four kinds of lines::

        {"step": 7, "epoch": 0, "loss": 2.31, "norm": 0.8, "lr": 0.004, "count": 96, "seconds": 0.3}
        {"step": 8, …, "skipped": true}                           the step was not taken
        {"step": 50, "figures": {"loss": 1.9}, "seconds": 2.4}    a validation, before its step
        {"step": 40, "restored": true, "from": 51}                back to a checkpoint

    `seconds` are those spent training so far. A number that is not finite is null, for JSON has no
    other word for it. `read_metrics(folder)` makes arrays of them.

    Each line goes to the operating system when it is known: on the host with its step; of a device
    the losses of up to 50 steps, or of a second, are read together, and before every checkpoint.
    Where a training goes on from step n, the lines behind it are removed first, so that killed and
    resumed it leaves the lines it would have left, but for `seconds`; to that end it stands before
    `Checkpoints` among the callbacks. If the file cannot be written the training goes on without;
    a line on stderr says so once.

    Args:
        folder: of the run.
        every: steps from line to line; the first step and skipped ones have a line in any case.

    >>> import tempfile
    >>> import numpy as np
    >>> from minitorch_rnn import nn, optim, training
    >>> from minitorch_rnn.data import Batch
    >>> class Copying(training.Task):
    ...     def loss(self, batch, state):
    ...         outputs, state = self.model(batch.inputs, state)
    ...         return nn.mse_loss(outputs, batch.targets), state
    >>> batch = Batch(np.ones((4, 1, 1)), np.ones((4, 1, 1)))
    >>> model = nn.RecurrentNetwork(1, 2, 1, "identity", rng=np.random.default_rng(0))
    >>> trainer = training.Trainer(
    ...     Copying(model, lambda epoch: [batch], [batch]), optim.SGD(model.parameters(), 0.1)
    ... )
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> trainer.run(steps=3, callbacks=[Metrics(folder)])
    >>> lines = (folder / METRICS).read_text().splitlines()
    >>> [json.loads(line)["step"] for line in lines if "loss" in json.loads(line)]
    [1, 2, 3]
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 1) -> None:
        self.path, self.every = pathlib.Path(folder) / METRICS, every
        self._readings = Readings()
        self._file: IO[bytes] | None = None
        self._size = 0  # of the file, up to the last whole line
        self._step = 0
        self._judged: int | None = None  # the step of a validation that ends the file at the start
        self._warned = False

    def at_start(self, trainer: Trainer) -> None:
        """Remove the lines behind the step that the training goes on from."""
        self._step = trainer.step
        try:
            with open(self.path, "r+b") as file:
                end, last = _end(file, trainer.step)
                file.truncate(end)
                self._judged = last["step"] if "figures" in last else None
        except FileNotFoundError:
            pass
        except OSError as error:
            self._warn(error)

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """Write the line of the step, or keep it to be read with others."""
        self._step = step.number
        if step.number % self.every == 0 or step.number == 1 or step.skipped:
            self._write(*map(_line, self._readings.add(step, trainer.seconds)))

    def after_validation(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """Write the figures, unless a training killed right behind this validation wrote them."""
        if trainer.step == self._judged:
            return
        self.flush()
        told = {name: _plain(value) for name, value in figures.items()}
        seconds = round(trainer.seconds, 3)
        self._write({"step": trainer.step, "figures": told, "seconds": seconds})

    def before_checkpoint(self, trainer: Trainer) -> None:
        """Write what waits: who goes on from the checkpoint will not come by these steps again."""
        self.flush()

    def after_restore(self, trainer: Trainer) -> None:
        """Say which steps are undone."""
        self.flush()
        self._write({"step": trainer.step, "restored": True, "from": self._step})
        self._step = trainer.step

    def at_end(self, trainer: Trainer) -> None:
        """Write what waits and close the file."""
        self.close()

    def flush(self) -> None:
        """Write the lines of all steps so far; those of a device are waited for."""
        self._write(*map(_line, self._readings.read()))

    def close(self) -> None:
        """Write the lines of all steps so far and close the file; another line opens it again."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, *lines: dict[str, Any]) -> None:
        if not lines:
            return
        content = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode()
        try:
            if self._file is None:  # unbuffered: what is written outlives this process
                self._file = open(self.path, "ab", buffering=0)
                self._size = self._file.tell()
            part = content
            while part:  # of which a disk that is nearly full may take less
                part = part[self._file.write(part) :]
            self._size += len(content)
        except OSError as error:
            self._warn(error)
            self._drop_half_a_line()

    def _drop_half_a_line(self) -> None:
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.truncate(self._size)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            say(
                f"{self.path}: cannot be written: {error.strerror or error}. The training goes on; "
                "steps will be missing in its curves."
            )


def _line(reading: Reading) -> dict[str, Any]:
    step = reading.step
    line = {
        "step": step.number,
        "epoch": step.epoch,
        "loss": _plain(reading.loss),
        "norm": _plain(reading.norm),
        "lr": _plain(step.lr),
        "count": int(step.count),
        "seconds": round(reading.seconds, 3),
    }
    return line | {"skipped": True} if step.skipped else line


def _plain(number: Any) -> float | None:
    """As JSON has it: null where it is not finite."""
    value = float(number)
    return value if math.isfinite(value) else None


def _end(file: IO[bytes], last: int) -> tuple[int, dict[str, Any]]:
    """Where the last line of a step up to `last` ends, and that line; what follows came later.

    A line may stand before it whose step is greater: that of a step taken before a checkpoint was
    restored.
    """
    if not file.seek(0, os.SEEK_END):
        return 0, {}
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(b"\n") + 1
        while end:
            start = content.rfind(b"\n", 0, end - 1) + 1
            try:
                line = json.loads(content[start:end])
                if line["step"] <= last:
                    return end, line
            except (ValueError, TypeError, KeyError, IndexError, RecursionError):
                pass  # damaged, and with nothing whole behind it
            end = start
    return 0, {}
