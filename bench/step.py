"""The training step that all peers are given: its numbers, and what is asked of a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


class LeftOut(Exception):
    """A peer cannot take part; the message says why."""


class Step(NamedTuple):
    """One candidate.

    Attributes:
        run: one training step: forward, then backward from the gradient of the output.
        gradients: of the parameters, from what `run` returned: arrays in PyTorch's names, layout
            and order of gates. None for a candidate that computes none.
    """

    run: Callable[[], Any]
    gradients: Callable[[Any], Mapping[str, Any]] | None


@dataclass(frozen=True)
class Problem:
    """A layer, the data, and the gradient of the loss with respect to every output h(t).

    Attributes:
        kind: "RNN" (tanh), "LSTM" or "GRU".
        x: (T, B, I), float32.
        g: (T, B, H), float32.
        weights: weight_ih (GH, I), weight_hh (GH, H), bias_ih and bias_hh (GH,), float32, with
            G = 1, 4 or 3 gates, in PyTorch's order.
    """

    kind: str
    x: Any
    g: Any
    weights: dict[str, Any]

    @classmethod
    def random(cls, kind: str, T: int, B: int, I: int, H: int) -> Problem:
        """The problem of these sizes; always the same numbers."""
        rng = np.random.default_rng(0)
        rows, bound = GATES[kind] * H, H**-0.5
        shapes = {
            "weight_ih": (rows, I), "weight_hh": (rows, H), "bias_ih": (rows,), "bias_hh": (rows,),
        }  # fmt: skip
        weights = {
            name: rng.uniform(-bound, bound, shape).astype(np.float32)
            for name, shape in shapes.items()
        }
        x = rng.normal(size=(T, B, I)).astype(np.float32)
        return cls(kind, x, rng.normal(size=(T, B, H)).astype(np.float32), weights)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """T, B, I, H."""
        return (*self.x.shape, self.g.shape[2])
