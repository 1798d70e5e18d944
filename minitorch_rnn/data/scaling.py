"""Scaling: figures brought to a size that networks learn well, by what the training part shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.errors import DataError

__all__ = ["SCALINGS", "Scaling"]

SCALINGS = ("standard", "minmax", "none")


class Scaling(NamedTuple):
    """z = (x - shift) / scale, column by column.

    Attributes:
        kind: "standard" for mean 0 and standard deviation 1 in the training part, "minmax" for -1
            to 1 there, "none".
        names: of the columns.
        shift, scale: by column; the scale of a column that is constant in the training part is 1.
        constant: the names of such columns: they tell a network nothing there.

    >>> scaling = Scaling.of(np.array([[1.0], [3.0]]), ["y"])
    >>> z = scaling.apply(np.array([[5.0], [2.0]]))
    >>> z.tolist(), scaling.invert(z).tolist()
    ([[3.0], [0.0]], [[5.0], [2.0]])
    """

    kind: str
    names: tuple[str, ...]
    shift: tuple[float, ...]
    scale: tuple[float, ...]
    constant: tuple[str, ...] = ()

    @classmethod
    def of(cls, training: np.ndarray, names: Sequence[str], kind: str = "standard") -> Scaling:
        """The scaling learned from the training part, and from nothing else.

        Args:
            training: (N, columns); nan where a value is missing.
            names: of the columns.
            kind: "standard", "minmax" or "none".

        Raises:
            ValueError: if there is no such kind.
            DataError: naming a column without any value, or with values whose spread float64
                cannot hold.
        """
        if kind not in SCALINGS:
            raise ValueError(f"scaling is {kind!r}; known are {', '.join(SCALINGS)}.")
        shift, scale, constant = [], [], []
        for name, column in zip(names, np.asarray(training, float).T, strict=True):
            known = column[~np.isnan(column)]
            if not len(known):
                raise DataError(f"column {name!r}: no value in the {len(column)} training rows.")
            with np.errstate(over="ignore", invalid="ignore"):
                low, high = float(known.min()), float(known.max())
                a, b = (low + high) / 2, (high - low) / 2
                if kind == "standard":
                    a, b = float(known.mean()), float(known.std())
            if kind == "none":
                a, b = 0.0, 1.0
            if low == high:
                constant.append(name)
                b = 1.0
            if not (np.isfinite([a, b]).all() and b > 1e-300):
                raise DataError(
                    f"column {name!r}: its values, from {low:g} to {high:g}, are too far apart or "
                    "too close together to be scaled; give them in another unit."
                )
            shift.append(a)
            scale.append(b)
        return cls(kind, tuple(names), tuple(shift), tuple(scale), tuple(constant))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values in their own units, (…, columns), to scaled ones."""
        scaled: np.ndarray = (values - np.array(self.shift)) / np.array(self.scale)
        return scaled

    def invert(self, values: np.ndarray) -> np.ndarray:
        """Scaled values, (…, columns), to those in their own units."""
        own: np.ndarray = values * np.array(self.scale) + np.array(self.shift)
        return own

    def only(self, name: str) -> Scaling:
        """The scaling of one column."""
        i = self.names.index(name)
        constant = (name,) if name in self.constant else ()
        return Scaling(self.kind, (name,), (self.shift[i],), (self.scale[i],), constant)

    def facts(self) -> dict[str, Any]:
        """The scaling as JSON takes it; `restored` makes it again.

        >>> Scaling.restored(Scaling.of(np.eye(2), ["a", "b"], "minmax").facts()).scale
        (0.5, 0.5)
        """
        return {name: list(v) if isinstance(v, tuple) else v for name, v in self._asdict().items()}

    @classmethod
    def restored(cls, facts: Mapping[str, Any]) -> Scaling:
        """What `facts` gave.

        Raises:
            DataError: if these are no facts of a scaling.
        """
        try:
            names, constant = (tuple(map(str, facts[name])) for name in ("names", "constant"))
            shift, scale = (tuple(map(float, facts[name])) for name in ("shift", "scale"))
            numbers = np.array([shift, scale])
            if numbers.shape[1] != len(names) or not np.isfinite(numbers).all() or 0.0 in scale:
                raise ValueError("its columns do not agree")
        except (KeyError, TypeError, ValueError, OverflowError) as cause:
            raise DataError(f"scaling: is not one that was learned: {cause}.") from cause
        return cls(str(facts["kind"]), names, shift, scale, constant)
