"""Dropout: values left out at random in training, each anew or one mask for a whole sequence.

Masks are drawn on the host, so that one seed leaves out the same values on every backend and in
every dtype. What is left out is selected away and not multiplied by 0: nan in it leaves no trace.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn.losses import as_floats
from minitorch_rnn.nn.module import Module


def dropout(
    x: Any, p: float = 0.5, training: bool = True, rng: np.random.Generator | None = None
) -> Tensor:
    """y = m x / (1 - p), where m is 0 with probability p and 1 otherwise: E[y] = x.

    Args:
        x: of any shape.
        p: probability that a value is left out; with 1 everything is 0.
        training: False gives x itself.
        rng: draws m; None is the default generator.

    Raises:
        ValueError: if p is no probability.

    Source: Srivastava et al., JMLR 15 (2014).

    >>> import numpy as np
    >>> from minitorch_rnn import ones
    >>> from minitorch_rnn.nn.dropout import dropout
    >>> dropout(ones(5), 0.75, rng=np.random.default_rng(1)).tolist()
    [0.0, 4.0, 0.0, 4.0, 0.0]
    """
    _check_probability("dropout", p)
    x = as_floats(x)
    return _kept(x, x.shape, p, rng) if training and p else x


class Dropout(Module):
    """`dropout` as a module: in training every value is left out with probability p.

    Args:
        p: probability that a value is left out.
        rng: draws the masks; None is the default generator.

    Raises:
        ValueError: if p is no probability.

    After `eval()` it gives what it gets.

    >>> from minitorch_rnn import nn, ones
    >>> nn.Dropout(0.2).eval()(ones(3)).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None) -> None:
        _check_probability(type(self).__name__, p)
        self.p, self.rng = p, rng if rng is None else backend.generator(rng)

    def forward(self, x: Any) -> Tensor:
        """y of the shape of x."""
        return dropout(x, self.p, self.training, self.rng)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class LockedDropout(Dropout):
    """Dropout with one mask for a whole sequence, also called variational.

        y(t) = m x(t) / (1 - p) at all t: what a unit lacks at one step it lacks at every step

    Args:
        p: probability that a unit is left out of a sequence.
        batch_first: x is (B, T, ·) instead of (T, B, ·).
        rng: draws the masks; None is the default generator.

    Raises:
        ValueError: if p is no probability.
        ShapeError: if x has fewer than 2 axes.

    Source: Gal and Ghahramani, "A theoretically grounded application of dropout in recurrent neural
    networks", NeurIPS (2016).

    >>> from minitorch_rnn import nn, ones
    >>> y = nn.LockedDropout(0.5)(ones(7, 4, 3))
    >>> bool((y == y[0]).all())
    True
    """

    def __init__(
        self,
        p: float = 0.5,
        batch_first: bool = False,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(p, rng=rng)
        self.batch_first = batch_first

    def forward(self, x: Any) -> Tensor:
        """x (T, B, H), or (T, H) of a single sequence, to y of the same shape."""
        values = as_floats(x)
        if values.ndim < 2:
            raise ShapeError(
                f"{self!r}: x has shape {values.shape}, that is {values.ndim} axes; needed are at "
                "least 2, time and units."
            )
        if not (self.training and self.p):
            return values
        shape = list(values.shape)
        shape[1 if self.batch_first and len(shape) > 2 else 0] = 1  # all times share the mask
        return _kept(values, tuple(shape), self.p, self.rng)

    def __repr__(self) -> str:
        return f"LockedDropout(p={self.p}{', batch_first=True' if self.batch_first else ''})"


def _kept(x: Tensor, shape: tuple[int, ...], p: float, rng: np.random.Generator | None) -> Tensor:
    """x where a mask of `shape`, which is broadcast, keeps it, and 0 elsewhere; scaled."""
    mask = Tensor(backend.generator(rng).random(shape) >= p, backend=x.backend)
    y: Tensor = ops.where(mask, x, 0.0)
    return y * (1 / (1 - p)) if p < 1 else y


def _check_probability(name: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is {p}; a probability, 0 to 1, is needed.")
