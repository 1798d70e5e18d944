"""One time step of each recurrent cell, as a pure function, and the table that names them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from minitorch_rnn.ops import linear, relu, tanh


class Cell(NamedTuple):
    """All a layer needs to know: one time step, rows of weights per hidden unit, tensors of state.

    `step(x, state, weight_ih, weight_hh, bias_ih, bias_hh)` takes x (B, I) and the state at t-1, a
    tuple of (B, H) tensors, and returns the state at t; its first tensor is the output.
    """

    step: Callable[..., tuple[Any, ...]]
    gates: int
    states: int


def _simple_step(activation: Callable[[Any], Any]) -> Callable[..., tuple[Any, ...]]:
    def step(
        x: Any, state: tuple[Any], weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
    ) -> tuple[Any]:
        """h(t) = f(W_ih x(t) + b_ih + W_hh h(t-1) + b_hh); the slides write b = b_ih + b_hh."""
        (h,) = state
        return (activation(linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh)),)

    return step


CELLS = {
    "relu": Cell(_simple_step(relu), gates=1, states=1),
    "tanh": Cell(_simple_step(tanh), gates=1, states=1),
}
