"""Operations differentiated as a whole: several outputs of one node, with one rule for them all.

A node of the graph has one value. Several outputs are parts of one flat node, so that the gradients
of all of them meet there before the rule runs once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minitorch_rnn import backend
from minitorch_rnn.engine import Op, Tensor, record
from minitorch_rnn.errors import BackendError


class Layout:
    """The shapes and dtypes of several outputs, and where they lie in one flat array."""

    def __init__(self, name: str, arrays: Sequence[Any]) -> None:
        self.shapes, self.dtypes = [y.shape for y in arrays], [y.dtype for y in arrays]
        owners = {owner.name for y in arrays if (owner := backend.backend_of(y))}
        if len(owners) > 1:
            raise BackendError(f"{name}: its parts are on {' and '.join(sorted(owners))}.")

    def flat(self, arrays: Sequence[Any]) -> Any:
        """All outputs in one array, of the widest dtype; a single output is left as it is."""
        if len(arrays) == 1:
            return arrays[0]
        return backend.namespace(*arrays).concatenate([y.reshape(-1) for y in arrays])

    def parts(self, flat: Any) -> list[Any]:
        """The outputs, of the flat array or Tensor, or of its gradient."""
        if len(self.shapes) == 1:
            return [flat]
        found, start = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            stop = start + math.prod(shape)
            part = flat[start:stop].reshape(shape)
            found.append(part if part.dtype == dtype else part.astype(dtype))
            start = stop
        return found


def recorded(op: Op, arrays: Sequence[Any], inputs: Sequence[Any], *attrs: Any) -> list[Tensor]:
    """The outputs `arrays` of the `joint` operation `op` as tensors, in the graph.

    The rule of `op` is given the layout of the outputs and `attrs` after the inputs.
    """
    layout = Layout(op.name, arrays)
    return layout.parts(record(op, layout.flat(arrays), tuple(inputs), (layout, *attrs)))
