"""The training loop: truncated BPTT in chunks, over streams whose state is carried along."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minitorch_rnn import nn
from minitorch_rnn.data import Streams
from minitorch_rnn.engine import no_grad
from minitorch_rnn.errors import NonFiniteError
from minitorch_rnn.optim import Optimizer
from minitorch_rnn.training.character import CharacterModel


class Progress(NamedTuple):
    """Where training stands after a step."""

    step: int
    loss: float  # nats per character of this step's batch
    characters: int  # in this step's batch

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.loss / math.log(2)


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
            infinite; that step is not taken.
    """
    losses: list[float] = []
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
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise NonFiniteError(
                    f"train: the loss of step {step} is {losses[-1]}. "
                    "Use a smaller learning rate or a smaller --clip."
                )
            optimizer.zero_grad()
            loss.backward()
            try:
                nn.utils.clip_grad_norm_(optimizer.params, max_norm, error_if_nonfinite=True)
            except NonFiniteError as cause:
                raise NonFiniteError(
                    f"train: at step {step} the gradients of {_non_finite(model)} have no finite "
                    "norm. Use a smaller learning rate or --dtype float64."
                ) from cause
            optimizer.step()
            after_step(Progress(step, losses[-1], targets.size))
            if time.monotonic() - started > max_seconds:
                return Result(losses, time.monotonic() - started, "time")
    except KeyboardInterrupt:
        return Result(losses, time.monotonic() - started, "interrupt")
    return Result(losses, time.monotonic() - started, "steps")


def _non_finite(model: CharacterModel) -> str:
    owners = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    bad = [name for name, grad in owners if not math.isfinite(grad.detach().norm().item())]
    return ", ".join(bad) or "all parameters together"


def evaluate(model: CharacterModel, streams: Streams) -> float:
    """Bits per character over the whole of `streams`, which the model has not been trained on."""
    total, state = 0.0, None
    with no_grad():
        for inputs, targets in streams.batches():
            logits, state = model(inputs, state)
            total += nn.cross_entropy(logits, targets).item()
    return total / len(streams) / math.log(2)
