"""Task: what is trained. A model, its data, its loss, and what it is judged by."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from minitorch_rnn import nn
from minitorch_rnn.data.batch import Batch
from minitorch_rnn.engine import Tensor
from minitorch_rnn.training.checks import check_data, loss_of
from minitorch_rnn.training.config import Config
from minitorch_rnn.training.judging import judging


class Task:
    """A model with the data it learns from, and the loss that says how well it does.

    A script makes a subclass with `loss`, or more of it; the tasks of the command line
    (`training.tasks`) also say how they are made of their options.

    Args:
        model: what is trained.
        batches: of an epoch, counted from 0, its batches: a sequence with a length whose entry i
            depends on the epoch and i alone, so that a training can go on from any place.
        held_out: the batches that the model is judged by.

    Raises:
        TypeError: if there is no asking `batches` for an epoch, or `held_out` is no sequence.

    >>> import numpy as np
    >>> from minitorch_rnn import nn, training
    >>> from minitorch_rnn.data import Batch
    >>> class Sums(training.Task):
    ...     def loss(self, batch, state):
    ...         outputs, state = self.model(batch.inputs, state)
    ...         return nn.mse_loss(outputs, batch.targets), state
    >>> x = np.ones((5, 2, 1))
    >>> batch = Batch(x, np.cumsum(x, axis=0))
    >>> task = Sums(nn.RecurrentNetwork(1, 3, 1, "identity"), lambda epoch: [batch], [batch])
    >>> sorted(task.evaluate()), task.judged_by
    (['loss'], 'loss')
    """

    name: ClassVar[str] = ""
    Config: ClassVar[type[Config]] = Config
    next_command: ClassVar[str] = "evaluate"  # what one does with a trained run
    unit: ClassVar[str] = "values"  # what a rate counts
    judged_by: ClassVar[str] = "loss"  # the figure that the best weights have the least of
    factor: ClassVar[float | None] = None  # the figure of a loss, if it is so many times the loss

    def __init__(
        self,
        model: nn.Module,
        batches: Callable[[int], Sequence[Batch]],
        held_out: Sequence[Batch],
    ) -> None:
        check_data(type(self).__name__, batches, held_out)
        self.model, self.batches, self.held_out = model, batches, held_out

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """The mean loss over the targets of a batch, and the state to carry to the next batch.

        Args:
            batch: what to learn from.
            state: what the batch before returned, without its history; None at the start of an
                epoch and where `batch.fresh`.

        Where figures are asked for at some steps only, the targets of the others are nan, and a
        mean over all of them would be nan, too. So pick those that count:

        >>> import numpy as np
        >>> from minitorch_rnn import nn, training
        >>> from minitorch_rnn.data.generators import Adding, Drawn
        >>> class Sums(training.Task):
        ...     def loss(self, batch, state):
        ...         outputs, state = self.model(batch.inputs)
        ...         asked = ~np.isnan(batch.targets)
        ...         return nn.mse_loss(outputs[asked], batch.targets[asked]), None
        >>> drawn, judging = Drawn(Adding(10).draw, 5, 20), Drawn(Adding(10).draw, 5, 20, seed=1)
        >>> model = nn.RecurrentNetwork(2, 8, 1, "identity", rng=np.random.default_rng(0))
        >>> loss, _ = Sums(model, drawn, judging()).loss(drawn()[0], None)
        >>> drawn()[0].targets.size, drawn()[0].count, loss.item() > 0
        (50, 5, True)
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss")

    def evaluate(self) -> dict[str, float]:
        """The figures of the model on the held-out data: the loss, and what a subclass adds.

        Without such data the loss is nan, and no weights are the best.
        """
        total: Any = 0.0
        count, state = 0, None
        with judging(self.model):
            for batch in self.held_out:
                loss, state = loss_of(self, batch, state)
                # Added up where it is computed: a look at each loss would wait for a device.
                total, count = total + loss.detach() * batch.count, count + batch.count
        return {"loss": float(total) / count if count else math.nan}

    @classmethod
    def prepare(cls, config: Any) -> Task:
        """The task of these options: reads the data, draws the weights.

        Raises:
            DataError: if the data cannot be used, naming the file and the reason.
        """
        raise NotImplementedError(f"{cls.__name__} is not made of options")

    @classmethod
    def restore(cls, config: Any, facts: Mapping[str, Any]) -> Task:
        """The task of these options without its data, to use the model: to sample, to forecast.

        Args:
            config: the options.
            facts: what `facts` gave when it was trained.
        """
        raise NotImplementedError(f"{cls.__name__} is not made of options")

    def read(self, source: str) -> None:
        """Take the held-out data from another file, with what was learned of the first.

        Raises:
            DataError: if it cannot be used.
        """
        raise NotImplementedError(f"{type(self).__name__} reads no file")

    def facts(self) -> dict[str, Any]:
        """What the model must know of the data, such as a vocabulary or a scaling, for JSON."""
        return {}

    def sample(self, rng: np.random.Generator) -> str:
        """A little of what the model makes of what it learned, to be shown while it learns."""
        return ""

    def sources(self) -> list[str]:
        """The files whose change between the start of a training and its resumption is an error."""
        return []

    def report(self, figures: Mapping[str, float]) -> str:
        """The figures in a sentence or two."""
        return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())

    def baselines(self) -> dict[str, float]:
        """Values of `judged_by` that need no network, to be drawn beside the curve, by name."""
        return {}

    def finish(self, folder: pathlib.Path) -> list[str]:
        """Write what else the task has to show into the folder of a run; returns file names."""
        return []
