"""Networks that forecast one column: NARX, and recurrent layers; one step ahead or in closed loop.

Both kinds take rows [y(t), e(t)], the value to be forecast and what may help, and give p(t), the
forecast of y(t) from y before t and e up to t. y(t) itself enters p(t+1) and later ones only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minitorch_rnn import backend, column, nn, ops
from minitorch_rnn.engine import Tensor, tensor
from minitorch_rnn.training.judging import judging

__all__ = ["Forecaster", "NarxForecaster", "RecurrentForecaster", "forecasts", "open_loop"]

_CHUNK = 1000  # rows that go through a network at once where no gradient is asked for

State = Mapping[str, Tensor] | None


class Forecaster(nn.Module):
    """What both kinds of network can do.

    Attributes:
        extra: E, how many columns help.
    """

    extra: int

    def forward(self, rows: Any, state: State = None) -> tuple[Tensor, State]:
        """One step ahead, all along: the truth is fed back.

        Args:
            rows: [y(t), e(t)], (T, B, 1+E).
            state: what an earlier call returned, to go on from there.

        Returns:
            p(t), (T, B, 1), and the state: by name, (·, B, ·).
        """
        raise NotImplementedError

    def closed_loop(self, extra: np.ndarray, state: State) -> Tensor:
        """Go on from `state` with its own forecasts fed back.

        Args:
            extra: e(t) of the steps to forecast, (steps, B, E).
            state: what `forward` returned after the past.

        Returns:
            (steps, B, 1).
        """
        raise NotImplementedError

    def _taken(self, values: Any) -> Tensor:
        like = next(self.parameters())
        if isinstance(values, Tensor):
            return values
        return tensor(np.asarray(values), dtype=like.dtype, backend=like.backend)


class NarxForecaster(Forecaster):
    """A NARX network: it sees the last values themselves, its own ones in closed loop.

        h(t) = tanh(sum_k Wx[k] e(t-k) + sum_m Wy[m] y(t-m) + b),   p(t) = Wo h(t) + bo

    Args:
        extra: E. Without such columns x is a column of zeros, whose weights change nothing.
        hidden: H.
        input_delays, output_delays: K and M: k = 0 … K and m = 1 … M.
        dtype, rng: as in `nn.ColumnNetwork`.

    Source: slides 41-45; with the target fed back while it is trained ("teacher forcing").

    >>> network = NarxForecaster(0, 4, output_delays=2)
    >>> p, state = network(np.zeros((7, 3, 1)))
    >>> p.shape, network.closed_loop(np.zeros((5, 3, 0)), state).shape
    ((7, 3, 1), (5, 3, 1))
    """

    def __init__(
        self,
        extra: int,
        hidden: int,
        input_delays: int = 0,
        output_delays: int = 1,
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.extra = extra
        self.column_network = nn.ColumnNetwork(
            column.narx(
                max(extra, 1), hidden, 1, input_delays if extra else 0, output_delays,
                history="zeros",
            ),
            dtype,
            rng,
        )  # fmt: skip

    def forward(self, rows: Any, state: State = None) -> tuple[Tensor, State]:
        """See `Forecaster.forward`."""
        rows = self._taken(rows)
        p, last = self.column_network(self._inputs(rows[:, :, 1:]), state, teacher=rows[:, :, :1])
        return p, last

    def closed_loop(self, extra: np.ndarray, state: State) -> Tensor:
        """See `Forecaster.closed_loop`."""
        return self.column_network.free_run(
            len(extra), self._inputs(self._taken(extra)), None, state
        )

    def _inputs(self, extra: Tensor) -> Tensor:
        return extra if self.extra else self._taken(np.zeros((*extra.shape[:2], 1)))


class RecurrentForecaster(Forecaster):
    """Recurrent layers over [y(t-1), e(t)]: what came earlier is in their state.

        h(t) = cell([y(t-1), e(t)], h(t-1)),   p(t) = Wo h(t) + bo

    Args:
        extra: E.
        hidden: H.
        cell: "rnn", "lstm" or "gru".
        options: `num_layers`, `dropout`, `dtype`, `rng`, … as in `nn.RecurrentNetwork`.

    >>> network = RecurrentForecaster(2, 4, "lstm")
    >>> p, state = network(np.zeros((7, 3, 3)))
    >>> p.shape, {name: part.shape for name, part in state.items()}
    ((7, 3, 1), {'y': (1, 3, 1), 'h': (1, 3, 4), 'c': (1, 3, 4)})
    """

    def __init__(self, extra: int, hidden: int, cell: str = "rnn", **options: Any) -> None:
        self.extra = extra
        self.network = nn.RecurrentNetwork(1 + extra, hidden, 1, "identity", cell=cell, **options)

    def forward(self, rows: Any, state: State = None) -> tuple[Tensor, State]:
        """See `Forecaster.forward`."""
        rows = self._taken(rows)
        y, extra = rows[:, :, :1], rows[:, :, 1:]
        before = self._taken(np.zeros((1, rows.shape[1], 1))) if state is None else state["y"]
        p, hx = self._run(ops.concatenate([before, y[:-1]], 0), extra, state)
        return p, {"y": y[-1:].clone(), **hx}

    def closed_loop(self, extra: np.ndarray, state: State) -> Tensor:
        """See `Forecaster.closed_loop`."""
        e, state = self._taken(extra), dict(state or {})
        if not state:
            state["y"] = self._taken(np.zeros((1, e.shape[1], 1)))
        said = []
        for t in range(len(extra)):
            p, hx = self._run(state["y"], e[t : t + 1], state)
            state = {"y": p, **hx}
            said.append(p)
        whole: Tensor = ops.concatenate(said, 0)
        return whole

    def _run(self, y: Tensor, extra: Tensor, state: State) -> tuple[Tensor, dict[str, Tensor]]:
        x = ops.concatenate([y, extra], 2) if self.extra else y
        hx = None
        if state is not None and "h" in state:
            hx = (state["h"], state["c"]) if "c" in state else state["h"]
        p, hx = self.network(x, hx)
        return p, dict(zip("hc", hx, strict=True)) if isinstance(hx, tuple) else {"h": hx}


def open_loop(model: Forecaster, rows: np.ndarray, start: int, context: int) -> np.ndarray:
    """One step ahead for every row from `start` on, without gradients: p(t), (N - start,).

    Args:
        model: forecasts.
        rows: [y(t), e(t)], (N, 1+E), of a single sequence.
        start: the first row to forecast.
        context: how many rows before it the network sees first.

    >>> open_loop(RecurrentForecaster(0, 3), np.zeros((9, 1)), start=5, context=4).shape
    (4,)
    """
    first = max(0, start - context)
    said: list[np.ndarray] = [np.empty(0)]
    state: State = None
    with judging(model):
        for a in range(first, len(rows), _CHUNK):
            p, state = model(rows[a : a + _CHUNK, None], state)
            said.append(backend.to_numpy(p.data)[:, 0, 0].astype(float))
    return np.concatenate(said)[start - first :]


def forecasts(
    model: Forecaster, rows: np.ndarray, origins: np.ndarray, extra: np.ndarray, context: int
) -> np.ndarray:
    """In closed loop from several rows on, without gradients: (steps, origins).

    Args:
        model: forecasts.
        rows: [y(t), e(t)], (N, 1+E); none of an origin or after it is looked at.
        origins: the rows that are forecast first, each at least 1.
        extra: e(t) of the steps to forecast, (steps, origins, E).
        context: how many rows before an origin the network sees.

    >>> model = RecurrentForecaster(0, 3)
    >>> forecasts(model, np.zeros((9, 1)), np.array([5, 9]), np.zeros((2, 2, 0)), 4).shape
    (2, 2)
    """
    seen = np.arange(-min(context, origins.min()), 0)[:, None] + origins
    with judging(model):
        _, state = model(rows[seen])
        said = backend.to_numpy(model.closed_loop(extra, state).data)
    return said[:, :, 0].astype(float)
