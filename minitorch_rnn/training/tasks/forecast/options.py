"""The options of a forecast: which series, which part of it is for what, which network."""

from __future__ import annotations

import dataclasses
from typing import Any

from minitorch_rnn.data.scaling import SCALINGS
from minitorch_rnn.data.series import FILLS
from minitorch_rnn.errors import RunError
from minitorch_rnn.training.config import (
    Config,
    Kind,
    level,
    names,
    natural,
    number,
    one_of,
    option,
    text,
    whole,
)
from minitorch_rnn.training.tasks.paths import DATA, series_file

__all__ = ["ForecastConfig"]


def _part(value: Any) -> float | str:
    """A share of the rows, as a number; or a row, as text."""
    told = str(value).strip()
    try:
        share = float(told)
    except ValueError:
        share = 1.0
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not told:
        raise ValueError(f"{value!r} is no share of the rows, and no row")
    if 0 < share < 1:
        return share
    if share <= 0 or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value!r} is no share of the rows, which is above 0 and below 1")
    return told.removesuffix(".0") if isinstance(value, float) else told


part = Kind(_part, "SHARE|ROW")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ForecastConfig(Config):
    """The options of a forecast; by themselves they forecast the yearly sunspots in seconds.

    The first rows of the series are learned from, those after them choose the weights (and the
    order of the AR baseline), and the last rows are neither seen nor chosen by: they test.

    >>> config = ForecastConfig.of({"network": "lstm", "test": "1963", "validation": 0.2})
    >>> config.data, config.test, config.validation, config.output_delays
    ('sunspots', '1963', 0.2, 9)
    """

    data: str = option("sunspots", DATA, series_file)
    target: str | None = option(None, "the column to forecast; the only one there is", text)
    columns: tuple[str, ...] | None = option(None, "further columns that help to forecast", names)
    future: str = option(
        "held",
        "of the further columns: in a forecast they keep their last value, or are known in advance",
        one_of("held", "known"),
    )
    time: str | None = option(
        None, "the column that labels the rows; the first, if it is called date, year, …", text
    )
    fill: str = option("refuse", "what to do with missing values", one_of(*FILLS))
    scaling: str = option(
        "standard", "of figures, learned from the training part", one_of(*SCALINGS)
    )
    validation: float | str = option(
        0.15, "rows to choose the weights by, before the test: their share, or the first of them",
        part,
    )  # fmt: skip
    test: float | str = option(
        0.15, "rows at the end to test by: their share, or the first of them", part
    )
    horizon: int = option(12, "steps of a forecast in closed loop", whole)
    season: int = option(1, "rows back whose value is the naive forecast; 12 for months", whole)
    network: str = option("narx", "what forecasts", one_of("narx", "rnn", "lstm", "gru"))
    output_delays: int = option(9, "of narx: how many last values it sees", whole)
    input_delays: int = option(1, "of narx: how many rows of further columns before this", natural)
    hidden: int = option(8, "hidden units per layer", whole)
    batch: int = option(32, "windows of the series in one step", whole)
    sequence: int = option(60, "rows of a window, that gradients reach back", whole)
    steps: int | None = option(1500, "parameter updates", whole, later=True)
    seconds: float | None = option(50.0, "stop after so long if not done", number, later=True)
    lr: float | None = option(0.01, "learning rate", number)
    weight_decay: float = option(0.01, "pulls parameters to 0", level)
    validate_every: int | None = option(25, "steps between validations", whole)
    checkpoint_every: int | None = option(250, "steps between checkpoints", whole, later=True)
    dtype: str = option("float64", "of parameters and states", one_of("float32", "float64"))

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            RunError: naming them.
        """
        super().check()
        if self.network == "narx" and self.layers > 1:
            raise RunError(
                f"layers: {self.layers} came, but a narx network has 1 hidden layer; use --network "
                "rnn, lstm or gru."
            )
        if self.sequence <= self.unasked:
            raise RunError(
                f"sequence: windows of {self.sequence} rows came, of which the first "
                f"{self.unasked} are what the delays need; give --sequence {4 * self.unasked}."
            )
        for name in self.columns or ():
            if name == self.target:
                raise RunError(f"columns: {name} is the target; its past is seen anyway.")

    @property
    def unasked(self) -> int:
        """Rows at the beginning of a window of which nothing is asked: too little came before."""
        if self.network == "narx":
            return max(self.output_delays, self.input_delays if self.columns else 0)
        return min(12, self.sequence // 4)
