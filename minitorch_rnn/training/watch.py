"""Watch: losses and norms that must stay finite; and what is said of those that do not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_rnn import ops
from minitorch_rnn.autograd import detect_anomaly
from minitorch_rnn.data.batch import Batch
from minitorch_rnn.engine import Tensor, no_grad
from minitorch_rnn.errors import NonFiniteError
from minitorch_rnn.training.checks import loss_of

if TYPE_CHECKING:
    from minitorch_rnn.training.task import Task
    from minitorch_rnn.training.trainer import Trainer

_LOOK = 50  # steps between looks at what a device computed: each look waits for it
_FIRST = 10  # steps whose losses say what is usual
_EXPLODED = 1000.0  # times the usual loss
_NAMED = 3  # parameters that an error names at most


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


def explained(
    error: NonFiniteError, trainer: Trainer, batch: Batch | None, state: Any
) -> NonFiniteError:
    """The error with the parameters it shows in; then where it begins, and what to do.

    Args:
        error: of `Watch`.
        trainer: whose task's parameters have the gradients of the step.
        batch, state: of the step, which is taken again in anomaly mode to name the first operation
            that goes wrong; no batch: it is not.
    """
    wrong = f"train: {error}{_shown(trainer.task)}."
    if batch is None:
        return NonFiniteError(f"{wrong} {_advice(trainer)}")
    if _by_targets(trainer.task, batch, state):
        return NonFiniteError(
            f"{wrong} {np.isnan(batch.targets).sum()} of {batch.targets.size} targets of this "
            "batch are nan, where nothing is asked: leave them out of the loss, as the docstring "
            "of Task.loss shows."
        )
    return NonFiniteError(f"{wrong} {_beginning(trainer.task, batch, state)}{_advice(trainer)}")


def _shown(task: Task) -> str:
    """The parameters whose gradients are not finite, the first few by name."""
    owners = [(name, p.grad) for name, p in task.model.named_parameters() if p.grad is not None]
    bad = [name for name, grad in owners if not math.isfinite(grad.detach().norm().item())]
    if not bad:
        return ""
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return f"; the gradients of {', '.join(bad[:_NAMED])}{more} have no finite norm"


def _advice(trainer: Trainer) -> str:
    """What may be changed, by the names of a script and of the command line; not what already is.

    >>> from types import SimpleNamespace
    >>> params = [Tensor(1.0, "float64")]
    >>> _advice(SimpleNamespace(on_nan="skip", optimizer=SimpleNamespace(params=params)))
    'Use a smaller learning rate or a smaller max_norm (--clip).'
    """
    ways = ["a smaller learning rate", "a smaller max_norm (--clip)"]
    if all(p.dtype != "float64" for p in trainer.optimizer.params):
        ways.append("float64 (--dtype)")
    if trainer.on_nan == "stop":
        ways.append("on_nan='skip' or 'restore' (--on-nan)")
    return f"Use {', '.join(ways[:-1])} or {ways[-1]}."


def _by_targets(task: Task, batch: Batch, state: Any) -> bool:
    """Whether the loss is not finite for one reason, that nan among the targets enters it."""
    if batch.targets.dtype.kind != "f" or not np.isnan(batch.targets).any():
        return False
    with no_grad():
        there = loss_of(task, batch, state)[0].item()
        without = loss_of(task, batch._replace(targets=np.nan_to_num(batch.targets)), state)[0]
    return math.isnan(there) and math.isfinite(without.item())


def _beginning(task: Task, batch: Batch, state: Any) -> str:
    try:
        with detect_anomaly():
            loss, _ = loss_of(task, batch, state)
            loss.backward()
    except NonFiniteError as error:
        return f"It begins here: {error} "
    return ""
