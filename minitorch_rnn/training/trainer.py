"""Trainer: the training loop. Truncated BPTT in chunks, and all that a checkpoint must hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import backend, nn
from minitorch_rnn.autograd.nested import replaced
from minitorch_rnn.data.batch import Batch
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import CheckpointError, DataError, NonFiniteError
from minitorch_rnn.optim import Optimizer
from minitorch_rnn.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.checks import check_callbacks, check_options, epoch_of, loss_of
from minitorch_rnn.training.distributed.alone import Alone
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.watch import Watch, explained

_FORMAT = 1  # of state_dict
_SKIPS = 10  # steps skipped in a row, or restorations in all, before it is given up
_COMPARED = 100  # steps between looks at whether all processes have the same parameters


class Best(NamedTuple):
    """The step after which the judged figure was least."""

    step: int
    figure: float
    figures: dict[str, float]  # all of that validation


class Trainer:
    """Trains a task step by step, and can stop anywhere and go on as if it had not.

    A step is: forward over a batch, from the state that the batch before left; backward to the
    beginning of the batch; gradients clipped; the optimiser's step. So gradients reach back to the
    beginning of a chunk, values to the beginning of the epoch.

    Args:
        task: the model, its data and its loss.
        optimizer: of the model's parameters.
        schedule: of the learning rate: stepped after every step, `ReduceLROnPlateau` after every
            validation.
        max_norm: gradients are clipped to this norm.
        validate_every: steps between validations; None: after each epoch.
        patience: validations without a better figure after which training ends; None: never.
        on_nan: what to do where the loss or the gradients are not finite, or the loss explodes:
            "stop", "skip" the step, or "restore" the last checkpoint and halve the learning rate.
        communicator: of the processes that train together; None: this one alone.

    Attributes:
        step, epoch, index: steps taken; where in the data the next batch is.
        state: what the last batch left for the next, without its history.
        figures, validated: of the last validation; and the step it followed.
        best: the best validation, a `Best`, or None.
        ended: why the last run ended: "steps", "epochs", "early", or what a callback said.
        seconds: spent in `run`, also before it was resumed.
        skipped, restored: how often the step was skipped, the checkpoint restored.

    >>> import numpy as np
    >>> import minitorch_rnn as mt
    >>> from minitorch_rnn import data, training
    >>> class Sums(training.Task):
    ...     def loss(self, batch, state):
    ...         outputs, state = self.model(batch.inputs, state)
    ...         return mt.nn.mse_loss(outputs, batch.targets), state
    >>> x = np.random.default_rng(0).normal(size=(5, 8, 1))
    >>> batch = data.Batch(x, np.cumsum(x, axis=0))
    >>> model = mt.nn.RecurrentNetwork(1, 8, 1, "identity", rng=np.random.default_rng(1))
    >>> task = Sums(model, lambda epoch: [batch], [batch])
    >>> trainer = training.Trainer(task, mt.optim.Adam(model.parameters(), 0.01))
    >>> trainer.run(steps=100)
    >>> trainer.ended, trainer.step, trainer.best.figure < 0.2
    ('steps', 100, True)
    """

    def __init__(
        self,
        task: Task,
        optimizer: Optimizer,
        schedule: LRScheduler | None = None,
        *,
        max_norm: float = 1.0,
        validate_every: int | None = None,
        patience: int | None = None,
        on_nan: str = "stop",
        communicator: Any = None,
    ) -> None:
        check_options(on_nan, max_norm, validate_every, patience)
        self.task, self.optimizer, self.schedule = task, optimizer, schedule
        self.max_norm, self.validate_every, self.patience = max_norm, validate_every, patience
        self.on_nan = on_nan
        self.communicator = Alone() if communicator is None else communicator
        self.step = self.epoch = self.index = 0
        self.state: Any = None
        self.figures: dict[str, float] = {}
        self.best: Best | None = None
        self.waited = self.skipped = self.restored = 0
        self.seconds = 0.0
        self.ended: str | None = None
        self.steps: int | None = None  # asked for, of the present run
        self.epochs: int | None = None
        self.callbacks: Sequence[Callback] = ()  # of the present run
        # Sets a trainer that went wrong back, if there is something to go back to.
        self.go_back: Callable[[Trainer], object] | None = None
        self._batches: Sequence[Batch] | None = None
        self._wish: str | None = None  # of this process to end
        self._agreed: str | None = None  # of all processes
        self._in_a_row = 0  # skipped
        self.validated = 0  # the step
        on_host = next(iter(optimizer.params)).backend == "numpy"
        self._watch = Watch(on_host or on_nan != "stop" or self.communicator.size > 1)

    # The loop -------------------------------------------------------------------------------------

    def run(
        self,
        steps: int | None = None,
        epochs: int | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Train until so many steps or epochs are done in all, or a callback ends it.

        Args:
            steps: in all, with those taken before; None: no bound.
            epochs: likewise; the first bound to be reached ends the run.
            callbacks: hear of every step; see `Callback`.

        Raises:
            NonFiniteError: naming the step, and the parameters whose gradients are not finite. The
                step is not taken.
            DataError: if an epoch has no batches, or a batch asks for nothing.
            TypeError: if a callback is none, or the task's loss is not what `Task.loss` says.
        """
        check_callbacks(callbacks)
        self.steps, self.epochs, self.callbacks = steps, epochs, callbacks
        self.ended = self._wish = self._agreed = None
        try:
            # Of what is not finite, the error that names the step says more.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                for callback in callbacks:
                    callback.at_start(self)
                self._loop(callbacks)
                for callback in callbacks:
                    callback.at_end(self)
        finally:
            for callback in callbacks:
                callback.close()

    def _loop(self, callbacks: Sequence[Callback]) -> None:
        before, started = self.seconds, time.monotonic()
        while (ended := self._end()) is None:
            taken = self.take_step()
            self.seconds = before + time.monotonic() - started
            if taken is None:
                for callback in callbacks:
                    callback.after_restore(self)
                continue
            every = self.validate_every
            if self.step % every == 0 if every else self.index == 0:
                self._validate(callbacks)
            for callback in callbacks:
                callback.after_step(self, taken)
        self.ended = ended
        self._watch.look()
        # What was stopped goes on as if it had not been, so nothing more may happen to it.
        if ended in ("steps", "epochs", "time") and self.validated != self.step:
            self._validate(callbacks)

    def stop(self, why: str, agreed: bool = False) -> None:
        """End the run after this step; of several processes, all of them after the next.

        With `agreed` every process says so at the same place, and all end at once.

        Unless its "time" is over, the model is not judged once more then: a run that goes on later
        is to be the same as one that never stopped.
        """
        self._wish = self._wish or why
        if agreed or self.communicator.size == 1:
            self._agreed = self._wish

    def take_step(self) -> Step | None:
        """Learn from the next batch; None if the trainer went back to a checkpoint instead."""
        if self._batches is None:
            self._batches = epoch_of(self.task, self.epoch)
        batch = self._batches[self.index]
        state, rate, number = self.state, self.optimizer.lr, self.step + 1
        loss, norm, count = self._gradients(batch)
        try:
            self._watch.add(number, loss, norm)
            wrong = None
        except NonFiniteError as error:
            again = self._watch.at_once and self.communicator.size == 1
            wrong = explained(error, self, batch if again else None, state)
            if self.on_nan == "stop":
                raise wrong from None
        if wrong and self.on_nan == "restore" and self._went_back(wrong):
            return None
        if wrong:
            self._skip(wrong)
        else:
            self.optimizer.step()
            self._in_a_row = 0
        if self.schedule is not None and not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()
        taken = Step(number, self.epoch, loss, norm, rate, count, bool(wrong))
        self.step, self.index = number, self.index + 1
        if self.index == len(self._batches):
            self.epoch, self.index, self._batches, self.state = self.epoch + 1, 0, None, None
        if self.step % _COMPARED == 0:
            self.communicator.check_same(self.optimizer.params, self.step)
        return taken

    def _gradients(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        """The mean loss of the batch, the norm of its gradients before clipping, its targets."""
        mine = batch.shard(self.communicator.rank, self.communicator.size)
        self.optimizer.zero_grad()
        total: Any = 0.0
        if mine.size:  # a process may have no part of a small batch
            loss, state = loss_of(self.task, mine, self.state)
            self.state = replaced(state, _without_history)
        if mine.count:
            loss.backward()
            total = loss.detach() * mine.count
        wishes = float(self._wish is not None)
        count, (total, wishes) = self.communicator.average(
            self.optimizer.params, mine.count, [total, wishes]
        )
        if wishes:
            reasons = self.communicator.gather(self._wish)
            self._agreed = next(why for why in reasons if why is not None)
        if not count:
            raise DataError(
                f"train: batch {self.index} of epoch {self.epoch} asks for nothing: it has no "
                "target that counts."
            )
        norm = nn.utils.clip_grad_norm_(self.optimizer.params, self.max_norm)
        # The mean itself where there is one process: total / count would round it.
        alone = self.communicator.size == 1
        return (
            loss.detach() if alone else Tensor(total / count, norm.dtype, backend=norm.backend),
            norm,
            count,
        )

    def _end(self) -> str | None:
        if self._agreed is not None:
            return self._agreed
        if self.patience is not None and self.waited >= self.patience:
            return "early"  # as every process finds, and a resumed one again
        if self.steps is not None and self.step >= self.steps:
            return "steps"
        if self.epochs is not None and self.epoch >= self.epochs:
            return "epochs"
        return None

    # What judges the model ------------------------------------------------------------------------

    def _validate(self, callbacks: Sequence[Callback]) -> None:
        self._watch.look()
        # Rank 0's for all: what is decided by them must be decided alike.
        self.figures = self.communicator.broadcast(self.task.evaluate())
        self.validated = self.step
        judged = self.figures[self.task.judged_by]
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(judged)
        if math.isfinite(judged) and (self.best is None or judged < self.best.figure):
            self.best, self.waited = Best(self.step, judged, dict(self.figures)), 0
        else:
            self.waited += 1
        for callback in callbacks:
            callback.after_validation(self, self.figures)

    # What is not finite ---------------------------------------------------------------------------

    def _skip(self, error: NonFiniteError) -> None:
        self.skipped, self._in_a_row = self.skipped + 1, self._in_a_row + 1
        self.state = None  # which is not finite either
        if self._in_a_row > _SKIPS:
            raise NonFiniteError(f"{error} The {_SKIPS} steps before were skipped already.")

    def _went_back(self, error: NonFiniteError) -> bool:
        """Whether there was a checkpoint to go back to, to go on with half the learning rate."""
        if self.go_back is None:
            return False
        times = self.restored + 1
        if times > _SKIPS:
            raise NonFiniteError(f"{error} {_SKIPS} times a checkpoint was restored already.")
        if self.go_back(self) is False:
            return False
        # The checkpoint knows of the restorations before it.
        share, self.restored = 0.5 ** (times - self.restored), times
        for group in self.optimizer.param_groups:
            for rate in {"lr", "initial_lr"} & set(group):
                group[rate] *= share
        for schedule in (self.schedule, *getattr(self.schedule, "_schedulers", ())):
            if hasattr(schedule, "base_lrs"):
                schedule.base_lrs = [rate * share for rate in schedule.base_lrs]
        return True

    # What a checkpoint holds ----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on, besides the data: arrays, numbers and text.

        Of several processes each must call it; it holds the states of all of them.

        Raises:
            NonFiniteError: if a step that was not looked at yet went wrong.
        """
        self._watch.look()
        told = self.communicator
        return {
            "format": _FORMAT,
            "model": self.task.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "generators": told.gather([g.bit_generator.state for g in self._generators()]),
            "state": told.gather_state(self.state),
            "watch": self._watch.state_dict(),
            "best": None if self.best is None else list(self.best),
            "numbers": {name: getattr(self, name) for name in _NUMBERS},
            "figures": dict(self.figures),
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on where another trainer of this task stood, bit by bit.

        Of another number of processes only the random numbers go on otherwise.

        Raises:
            CheckpointError: if it is of another version of this program, or an entry is missing.
            StateError: naming what does not fit the model or the optimiser.
        """
        if not isinstance(saved, Mapping) or saved.get("format") != _FORMAT:
            found = saved.get("format") if isinstance(saved, Mapping) else type(saved).__name__
            raise CheckpointError(
                f"checkpoint: its format is {found!r}, this version of the program reads {_FORMAT}."
            )
        told = self.communicator
        try:
            self.task.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            if self.schedule is not None:
                self.schedule.load_state_dict(saved["schedule"])
            if len(saved["generators"]) == told.size:
                states = saved["generators"][told.rank]
                for generator, state in zip(self._generators(), states, strict=True):
                    generator.bit_generator.state = state
            self.state = replaced(told.share_state(saved["state"]), self._beside)
            self._watch.load_state_dict(saved["watch"])
            self.best = None if saved["best"] is None else Best(*saved["best"])
            for name in _NUMBERS:
                setattr(self, name, saved["numbers"][name])
            told.step = self.step
            self.figures = dict(saved["figures"])
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise CheckpointError(f"checkpoint: is not of this training: {error!r}.") from error
        self._batches = None

    def _generators(self) -> list[np.random.Generator]:
        """What draws random numbers in a step: the default generator, and the model's own."""
        held = (value for module in self.task.model.modules() for value in vars(module).values())
        own = {id(value): value for value in held if isinstance(value, np.random.Generator)}
        return [backend.generator(), *own.values()]

    def _beside(self, array: Any) -> Any:
        """A part of the state, where the model lives."""
        if not isinstance(array, np.ndarray):
            return array
        return Tensor(array, backend=next(iter(self.optimizer.params)).backend)


# Attributes of a trainer that are numbers, and saved.
_NUMBERS = (
    "step", "epoch", "index", "waited", "skipped", "restored", "seconds", "_in_a_row", "validated",
)  # fmt: skip


def _without_history(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x
