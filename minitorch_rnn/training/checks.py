"""What is wrong with what a trainer is given, said where it is given or first used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import DataError
from minitorch_rnn.training.callback import Callback

if TYPE_CHECKING:
    from minitorch_rnn.training.task import Task

__all__ = ["check_callbacks", "check_data", "check_options", "epoch_of", "loss_of"]


def check_data(who: str, batches: Any, held_out: Any) -> None:
    """Refuse what no epoch can be asked of, and what cannot be judged by again and again.

    Raises:
        TypeError: naming what came, and what is needed.

    >>> check_data("Sums", [], [])
    Traceback (most recent call last):
    TypeError: Sums: batches is a list; a function from an epoch to its batches is needed.
    """
    if batches is not None and not callable(batches):
        raise TypeError(
            f"{who}: batches is a {type(batches).__name__}; a function from an epoch to its "
            "batches is needed."
        )
    if not _is_sequence(held_out):
        call = ", as a call of it may give: held_out()" if callable(held_out) else ""
        raise TypeError(
            f"{who}: held_out is a {type(held_out).__name__}; a sequence of batches is "
            f"needed{call}."
        )


def check_options(
    on_nan: str, max_norm: float, validate_every: int | None, patience: int | None
) -> None:
    """Refuse what a `Trainer` cannot work with.

    Raises:
        ValueError: naming the option.

    >>> check_options("stop", 1.0, 0, None)
    Traceback (most recent call last):
    ValueError: Trainer: validate_every is 0; at least 1 is needed, or None: after each epoch.
    """
    if on_nan not in ("stop", "skip", "restore"):
        raise ValueError(f"Trainer: on_nan is {on_nan!r}; 'stop', 'skip' or 'restore' is needed.")
    if not max_norm > 0:
        raise ValueError(f"Trainer: max_norm is {max_norm!r}; a number above 0 is needed.")
    for name, value, none in (
        ("validate_every", validate_every, "after each epoch"),
        ("patience", patience, "never"),
    ):
        if value is not None and not value >= 1:
            raise ValueError(
                f"Trainer: {name} is {value!r}; at least 1 is needed, or None: {none}."
            )


def check_callbacks(callbacks: Any) -> None:
    """Refuse what cannot be told of a training, before it begins.

    Raises:
        TypeError: naming what came.

    >>> check_callbacks([print])
    Traceback (most recent call last):
    TypeError: Trainer.run: callback 0 is a builtin_function_or_method; a Callback is needed.
    """
    if not _is_sequence(callbacks):
        raise TypeError(
            f"Trainer.run: callbacks is a {type(callbacks).__name__}; a list of them is needed."
        )
    for number, callback in enumerate(callbacks):
        if isinstance(callback, Callback):
            continue
        came = f"a {type(callback).__name__}"
        if isinstance(callback, type):
            came = f"the class {callback.__name__} itself"
        raise TypeError(f"Trainer.run: callback {number} is {came}; a Callback is needed.")


def epoch_of(task: Task, epoch: int) -> Sequence[Batch]:
    """The batches of an epoch of a task.

    Raises:
        DataError: if there are none.
        TypeError: if this is no sequence.
    """
    batches = task.batches(epoch)
    if not _is_sequence(batches):
        raise TypeError(
            f"{type(task).__name__}: batches({epoch}) is a {type(batches).__name__}; a sequence "
            "is needed, such as a list: a training goes on from any place in it."
        )
    if not len(batches):
        raise DataError(f"train: epoch {epoch} has no batches.")
    return batches


def loss_of(task: Task, batch: Batch, state: Any) -> tuple[Tensor, Any]:
    """The loss of a batch, from the state that the batch before left, and the state it leaves.

    Raises:
        TypeError: if `Task.loss` of the subclass returns something else.
    """
    found: Any = task.loss(batch, None if batch.fresh else state)
    # Not by unpacking: a tensor of two elements would be taken for a pair.
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], Tensor):
        came = type(found).__name__
        if isinstance(found, tuple):
            came = f"tuple of {', '.join(type(part).__name__ for part in found) or 'nothing'}"
        raise TypeError(
            f"{type(task).__name__}.loss returned a {came}; a pair is needed, (loss, state): a "
            "Tensor, and what the next batch begins with, or None."
        )
    loss, left = found
    return loss, left


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")
