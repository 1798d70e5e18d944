"""judging: a model as it is when it is used and not trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from minitorch_rnn import nn
from minitorch_rnn.engine import no_grad

__all__ = ["judging"]


@contextlib.contextmanager
def judging(model: nn.Module) -> Iterator[None]:
    """Inside the block nothing is dropped and no gradient recorded; then all is as it was.

    >>> model = nn.Dropout(0.5)
    >>> with judging(model):
    ...     print(model.training)
    False
    >>> model.training
    True
    """
    training, _ = model.training, model.eval()
    try:
        with no_grad():
            yield
    finally:
        model.train(training)
