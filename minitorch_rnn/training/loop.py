"""The training loop: truncated BPTT in chunks, over streams whose state is carried along."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minitorch_rnn import nn, ops
from minitorch_rnn.data import Streams
from minitorch_rnn.engine import Tensor, no_grad
from minitorch_rnn.errors import NonFiniteError
from minitorch_rnn.optim import Optimizer
from minitorch_rnn.training.character import CharacterModel

_LOOK = 50  # steps between looks at what a device computed: each look waits for it


class Progress(NamedTuple):
    """Where training stands after a step."""

    step: int
    loss: Tensor  # nats per character of this step's batch; reading it waits for a device
    characters: int  # in this step's batch

    @property
    def bits(self) -> float:
        """Bits per character."""
        return float(self.loss) / math.log(2)


class Result(NamedTuple):
    """What training did: the loss of every step, and why it ended."""

    losses: list[float]
    seconds: float
    ended: str  # "steps", "time" or "interrupt"


@np.errstate(over="ignore", invalid="ignore")  # the error that names the step says it better
def train(
    model: CharacterModel,
    streams: Streams,
    optimizer: Optimizer,
    steps: int,
    max_norm: float = 1.0,
    max_seconds: float = math.inf,
    after_step: Callable[[Progress], None] = lambda progress: None,
) -> Result:
    """Take `steps` steps, starting over with a fresh state whenever the text ends.

    The state enters each chunk without its history: gradients reach back to the beginning of the
    chunk, values to the beginning of the text. Ctrl-C ends the training early; the result says so.

    Raises:
        NonFiniteError: naming the step, if its loss or the norm of its gradients is nan or
            infinite; that step is not taken. A device is not waited for in every step: what it
            computed is looked at every 50 steps and at the end, so that some of the steps that
            follow a wrong one may have been taken.
    """
    on_host = next(model.parameters()).backend == "numpy"
    losses = _Losses(at_once=on_host)
    started = time.monotonic()
    state = None
    batches = streams.batches()
    try:
        for step in range(1, steps + 1):
            batch = next(batches, None)
            if batch is None:
                batches, state = streams.batches(), None
                batch = next(batches)
            inputs, targets = batch
            logits, state = model(inputs, state)
            state = state.detach()
            loss = nn.cross_entropy(logits, targets)
            losses.add(step, "loss", loss.detach())
            optimizer.zero_grad()
            loss.backward()
            try:
                norm = nn.utils.clip_grad_norm_(optimizer.params, max_norm, 2, on_host)
            except NonFiniteError as cause:
                raise NonFiniteError(
                    f"train: at step {step} the gradients of {_non_finite(model)} have no finite "
                    "norm. Use a smaller learning rate or --dtype float64."
                ) from cause
            if not on_host:
                losses.add(step, "norm of the gradients", norm)
            optimizer.step()
            after_step(Progress(step, loss.detach(), targets.size))
            if time.monotonic() - started > max_seconds:
                return Result(losses.look(), time.monotonic() - started, "time")
    except KeyboardInterrupt:
        return Result(losses.look(), time.monotonic() - started, "interrupt")
    return Result(losses.look(), time.monotonic() - started, "steps")


class _Losses:
    """The loss of every step, and other numbers that must be finite, read together."""

    def __init__(self, at_once: bool) -> None:
        self._every, self._read = 1 if at_once else 2 * _LOOK, list[float]()
        self._unread: list[tuple[int, str, Tensor]] = []

    def add(self, step: int, what: str, number: Tensor) -> None:
        """Keep a number; look at all that were kept if it is time to."""
        self._unread.append((step, what, number))
        if len(self._unread) >= self._every:
            self.look()

    def look(self) -> list[float]:
        """The losses so far; or a NonFiniteError that names what is not finite first."""
        unread, self._unread = self._unread, []
        numbers = ops.stack([number for *_, number in unread]).tolist() if unread else []
        for (step, what, _), number in zip(unread, numbers, strict=True):
            if not math.isfinite(number):
                raise NonFiniteError(
                    f"train: the {what} of step {step} is {number}. "
                    "Use a smaller learning rate or a smaller --clip."
                )
            if what == "loss":
                self._read.append(number)
        return self._read


def _non_finite(model: CharacterModel) -> str:
    owners = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    bad = [name for name, grad in owners if not math.isfinite(grad.detach().norm().item())]
    return ", ".join(bad) or "all parameters together"


def evaluate(model: CharacterModel, streams: Streams) -> float:
    """Bits per character over the whole of `streams`, which the model has not been trained on."""
    losses, state = [], None
    with no_grad():
        for inputs, targets in streams.batches():
            logits, state = model(inputs, state)
            losses.append(nn.cross_entropy(logits, targets))
    total: float = sum(ops.stack(losses).tolist())  # read together: each look waits for a device
    return total / len(streams) / math.log(2)
