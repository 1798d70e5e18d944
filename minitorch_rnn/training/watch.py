"""Watch: losses and norms that must stay finite; and what is said of those that do not."""

from __future__ import annotations

import math
from typing import Any

from minitorch_rnn import ops
from minitorch_rnn.autograd import detect_anomaly
from minitorch_rnn.data.batch import Batch
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import NonFiniteError
from minitorch_rnn.training.task import Task

_LOOK = 50  # steps between looks at what a device computed: each look waits for it
_FIRST = 10  # steps whose losses say what is usual
_EXPLODED = 1000.0  # times the usual loss


class Watch:
    """The numbers of every step, and what was wrong with the first that is not as it must be.

    A loss is wrong if it is nan, infinite, or more than 1000 times the mean of the first ten; a
    norm of gradients if it is nan or infinite.

    Args:
        at_once: look at every step. On a device that waits for it; else all is looked at every 50
            steps, so that some of the steps that follow a wrong one have been taken by then.
    """

    def __init__(self, at_once: bool) -> None:
        self.at_once = at_once
        self.first: list[float] = []
        self._unread: list[tuple[int, str, Tensor]] = []

    def add(self, step: int, loss: Tensor, norm: Tensor) -> None:
        """Keep the numbers of a step.

        Raises:
            NonFiniteError: as `look`, if it is time to look.
        """
        self._unread += [(step, "loss", loss), (step, "norm of the gradients", norm)]
        if self.at_once or len(self._unread) >= 2 * _LOOK:
            self.look()

    def look(self) -> None:
        """Look at all numbers that were not looked at.

        Raises:
            NonFiniteError: naming the step and the number that is wrong first.
        """
        unread, self._unread = self._unread, []
        if not unread:
            return
        numbers = ops.stack([number for *_, number in unread]).tolist()
        for (step, what, _), number in zip(unread, numbers, strict=True):
            usual = sum(self.first) / _FIRST if len(self.first) == _FIRST else math.inf
            if not math.isfinite(number):
                raise NonFiniteError(f"the {what} of step {step} is {number}")
            if what == "loss" and number > _EXPLODED * usual:
                raise NonFiniteError(
                    f"the loss of step {step} is {number:.3g}, and that of the first {_FIRST} "
                    f"steps was {usual:.3g}: it explodes"
                )
            if what == "loss" and len(self.first) < _FIRST:
                self.first.append(number)

    def state_dict(self) -> dict[str, Any]:
        """What a training that goes on must know: the losses of the first steps."""
        return {"first": list(self.first)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the losses of the first steps of another."""
        self.first, self._unread = [float(loss) for loss in state["first"]], []


def explained(error: NonFiniteError, task: Task, batch: Batch | None, state: Any) -> NonFiniteError:
    """The error with the parameters it shows in, where it begins, and what to do.

    Args:
        error: of `Watch`.
        task: whose parameters have the gradients of the step.
        batch, state: of the step, which is taken again in anomaly mode to name the first operation
            that goes wrong; no batch: it is not.
    """
    owners = [(name, p.grad) for name, p in task.model.named_parameters()]
    bad = [
        name
        for name, grad in owners
        if grad is not None and not math.isfinite(grad.detach().norm().item())
    ]
    where = f"; the gradients of {', '.join(bad)} have no finite norm" if bad else ""
    return NonFiniteError(
        f"train: {error}{where}. {_beginning(task, batch, state)}Use a smaller learning rate, a "
        "smaller --clip or --dtype float64, or go on by --on-nan skip or restore."
    )


def _beginning(task: Task, batch: Batch | None, state: Any) -> str:
    if batch is None:
        return ""
    try:
        with detect_anomaly():
            loss, _ = task.loss(batch, None if batch.fresh else state)
            loss.backward()
    except NonFiniteError as error:
        return f"It begins here: {error} "
    return ""
