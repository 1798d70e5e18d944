"""Callback: what is told of a training while it runs, and may end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from minitorch_rnn.engine import Tensor

if TYPE_CHECKING:
    from minitorch_rnn.training.trainer import Trainer


class Step(NamedTuple):
    """What one step of training did.

    Attributes:
        number: of the step, from 1.
        epoch: in which it was taken, from 0.
        loss: mean over the batch before the step; reading it waits for a device.
        norm: of all gradients together, before they were clipped.
        lr: the rate the step was taken with.
        count: how many targets the mean was taken over.
        skipped: no step was taken, for the loss or the gradients were not finite.
    """

    number: int
    epoch: int
    loss: Tensor
    norm: Tensor
    lr: float
    count: int  # type: ignore[assignment]  # in place of tuple's method
    skipped: bool = False


class Callback:
    """Hears of a training; each method does nothing until a subclass says what.

    A callback ends the training by `trainer.stop(why)`. What it raises ends it, too.

    >>> from minitorch_rnn import training
    >>> class Enough(training.Callback):
    ...     def after_step(self, trainer, step):
    ...         if float(step.loss) < 0.1:
    ...             trainer.stop("good enough")
    """

    def at_start(self, trainer: Trainer) -> None:
        """Before the first step of a run; `trainer.step` is above 0 where one is resumed."""

    def after_step(self, trainer: Trainer, step: Step) -> None:
        """After every step, and after the validation that followed it."""

    def after_validation(self, trainer: Trainer, figures: dict[str, float]) -> None:
        """After the model was judged by the data that it is not trained on."""

    def before_checkpoint(self, trainer: Trainer) -> None:
        """Before a checkpoint is written: what belongs to the steps so far must be on the disk."""

    def after_restore(self, trainer: Trainer) -> None:
        """After the trainer went back to a checkpoint; `trainer.step` is that of the checkpoint."""

    def at_end(self, trainer: Trainer) -> None:
        """After the last step, unless an error ended the training; `trainer.ended` says why."""

    def close(self) -> None:
        """After the run, whatever ended it; nothing more is told."""
