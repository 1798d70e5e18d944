"""Embedding: rows of a table, looked up by integers; and integers as rows of 0 and 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minitorch_rnn import backend, ops
from minitorch_rnn.engine import Parameter, Tensor, constant, raw
from minitorch_rnn.errors import DTypeError, ShapeError
from minitorch_rnn.nn import init
from minitorch_rnn.nn.classification import integers
from minitorch_rnn.nn.module import Module


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """y(…) = weight[input(…)]: the rows with these numbers; what is read twice gets both gradients.

    Args:
        input: integers from 0 to N-1, of any shape.
        weight: the table, (N, D).
        padding_idx: the row that gets no gradient; -1 is the last one.

    Returns:
        The rows, (…, D).

    Raises:
        IndexError: if an index, or `padding_idx`, is out of range. Indices on a device are not
            looked at, which would mean waiting for it; there such an index gives nan.
        DTypeError: if the input is not integer.
        ShapeError: if the weight is no table.
        BackendError: if the input is on a device and the weight is not.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.nn.embedding import embedding
    >>> embedding([2, 0, 2], tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])).tolist()
    [[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]
    """
    weight = weight if isinstance(weight, Tensor) else Tensor(weight)
    _check_table("embedding", weight.shape)
    return _rows("embedding", input, weight, _row("embedding", padding_idx, len(weight)))


class Embedding(Module):
    """A table of vectors, one for each of N symbols: y(t, b) = weight[x(t, b)].

    Args:
        num_embeddings: N.
        embedding_dim: D.
        padding_idx: a symbol whose vector starts at 0 and gets no gradient; -1 is the last one.
        dtype: of the table; None is the default dtype.
        rng: draws the initial values; None is the default generator.

    Attributes:
        weight: (N, D), from N(0, 1) as in PyTorch.

    Raises:
        IndexError: if a symbol, or `padding_idx`, is not one of 0 … N-1; see `from_pretrained` for
            an own table. Symbols on a device are not looked at; there a wrong one gives nan.
        DTypeError: if the symbols are not integers.
        ShapeError: if a size is below 1.

    >>> from minitorch_rnn import nn
    >>> nn.Embedding(10, 3, padding_idx=0)([[1, 2], [9, 0]]).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        shape = (num_embeddings, embedding_dim)
        self._describe(shape, padding_idx)
        self.weight = init.normal_(init.parameter(*shape, dtype=dtype), rng=rng)
        if self.padding_idx is not None:
            self.weight.update_(self.weight.detach().index_update(self.padding_idx, 0.0))

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None
    ) -> Embedding:
        """A layer that holds a copy of a given table.

        Args:
            embeddings: (N, D), numbers or a tensor.
            freeze: keep the table as it is: it requires no gradient.
            padding_idx: a row that gets no gradient; its values stay as given.

        Raises:
            ShapeError: if the table has not 2 axes.
            DTypeError: if it does not hold floating-point numbers.

        >>> from minitorch_rnn import nn
        >>> nn.Embedding.from_pretrained([[1.0, 2.0], [3.0, 4.0]])([1, 1]).tolist()
        [[3.0, 4.0], [3.0, 4.0]]
        """
        table = Tensor(embeddings)
        if table.dtype.kind != "f":
            raise DTypeError(
                f"{cls.__name__}.from_pretrained: the table is {table.dtype}; floating-point "
                "numbers are needed."
            )
        layer = cls.__new__(cls)
        layer._describe(table.shape, padding_idx)
        layer.weight = Parameter(table, requires_grad=not freeze)
        return layer

    def _describe(self, shape: tuple[int, ...], padding_idx: int | None) -> None:
        name = type(self).__name__
        _check_table(name, shape)
        self.num_embeddings, self.embedding_dim = shape
        self.padding_idx = _row(name, padding_idx, shape[0])

    def forward(self, input: Any) -> Tensor:
        """Integers (…) to vectors (…, D)."""
        return _rows(self, input, self.weight, self.padding_idx)

    def __repr__(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"Embedding({self.num_embeddings}, {self.embedding_dim}{padding})"


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """y(…, c) = 1 if tensor(…) is c, else 0.

    Args:
        tensor: integers from 0 to C-1, of any shape.
        num_classes: C; -1 is one more than the largest index, for which a device is waited for.

    Returns:
        int64, (…, C), where the indices are.

    Raises:
        IndexError: if an index is out of range. On a device nobody looks; it gives a row of 0.
        DTypeError: if the indices are not integers.
        ValueError: if `num_classes` is neither -1 nor at least 1, or there is no index to tell it.

    >>> from minitorch_rnn.nn.embedding import one_hot
    >>> one_hot([0, 2]).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    indices = integers("one_hot", "indices", tensor, tensor)
    if num_classes < 1 and num_classes != -1:
        raise ValueError(f"one_hot: num_classes is {num_classes}; needed is at least 1, or -1.")
    if num_classes == -1 and not indices.size:
        raise ValueError(
            f"one_hot: indices of shape {indices.shape} do not tell num_classes; pass it."
        )
    C = int(indices.max()) + 1 if num_classes == -1 else num_classes
    _check_inside("one_hot", "classes", indices, max(C, 1))
    hot = (indices[..., None] == backend.namespace(indices).arange(C)).astype(np.int64)
    return constant(hot) if isinstance(tensor, Tensor) else Tensor(hot)


def _rows(name: Any, input: Any, weight: Tensor, padding_idx: int | None) -> Tensor:
    """weight[input]; `name` is told in errors: that of a function, or a module."""
    n, xp = len(weight), backend.namespace(raw(weight))
    indices = integers(name, "indices", input, weight)
    on_host = isinstance(indices, np.ndarray)
    _check_inside(name, "rows", indices, n)
    indices = xp.asarray(indices)
    y = weight[indices]
    if padding_idx is not None:
        y = ops.where((indices != padding_idx)[..., None], y, y.detach())
    if not on_host:  # nobody waits for a device to look: a row that does not exist is nan
        y = ops.where(((indices >= 0) & (indices < n))[..., None], y, math.nan)
    return y


def _check_inside(name: Any, what: str, indices: Any, n: int) -> None:
    """Raise if an index of the host is none of 0 … n-1."""
    if isinstance(indices, np.ndarray) and (wrong := indices[(indices < 0) | (indices >= n)]).size:
        raise IndexError(f"{name}: index {wrong[0]} is out of range for {n} {what}, 0 … {n - 1}.")


def _check_table(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 2 or min(shape) < 1:
        raise ShapeError(
            f"{name}: the table has shape {shape}; needed are 2 sizes, (num_embeddings, "
            "embedding_dim), each at least 1."
        )


def _row(name: str, padding_idx: int | None, n: int) -> int | None:
    """`padding_idx` counted from the front."""
    if padding_idx is not None and not -n <= padding_idx < n:
        raise IndexError(f"{name}: padding_idx is {padding_idx}; the table has {n} rows.")
    return padding_idx if padding_idx is None else padding_idx % n
