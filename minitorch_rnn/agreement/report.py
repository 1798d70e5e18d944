"""What a verification found: digits of agreement by quantity and road, as a table and as JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

# Digits asked for. Differences lose some to rounding, and float32 has seven to begin with.
REQUIRED = {
    "slides": 10.0, "explicit": 10.0, "differences": 6.0, "complex step": 10.0, "rtrl": 10.0,
    "torch": 10.0,
}  # fmt: skip
REQUIRED_FLOAT32 = 3.5

_VALUE = "Y is a value, and this road finds derivatives only"
_PARAMETERS = "this road finds the gradients of parameters only"


class Agreement(NamedTuple):
    """What `verify` found; `agrees` is the verdict, printing it gives the table.

    Attributes:
        network, divergence: what was verified.
        digits: by quantity, then by road: decimal digits in which the graph agrees with it.
        skipped: by road, the reason it was not run.
        required: by road, the digits asked for.
        variant: the masks of inputs and outputs, "" for none.
        frozen: what differences and complex step held fixed, because no gradient flows there; ""
            where the gradient is that of the divergence.
        angle: degrees between this gradient and the full one, over all parameters; None where
            nothing is blocked or truncated.
    """

    network: str
    divergence: str
    digits: dict[str, dict[str, float]]
    skipped: dict[str, str]
    required: dict[str, float]
    variant: str = ""
    frozen: str = ""
    angle: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether every quantity agrees on every road."""
        return all(self._row_agrees(found) for found in self.digits.values())

    def __bool__(self) -> bool:
        return self.agrees

    def _row_agrees(self, found: dict[str, float]) -> bool:
        return bool(found) and all(found[road] >= self.required[road] for road in found)

    @property
    def title(self) -> str:
        """Network, divergence and variant."""
        return ", ".join(part for part in (self.network, self.divergence, self.variant) if part)

    @property
    def fewest(self) -> dict[str, float]:
        """By road, the digits of the quantity that agrees least."""
        roads = [road for road in self.required if road not in self.skipped]
        return {
            road: min(found[road] for found in self.digits.values() if road in found)
            for road in roads
        }

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary for each quantity, ready for JSON."""
        return [
            {
                "network": self.network,
                "divergence": self.divergence,
                "variant": self.variant,
                "quantity": quantity,
                "digits": {road: round(value, 2) for road, value in found.items()},
                "agrees": self._row_agrees(found),
                "skipped": self.skipped
                | {
                    road: _VALUE if quantity == "Y" else _PARAMETERS
                    for road in self.required
                    if road not in found and road not in self.skipped
                },
                "frozen": self.frozen,
                "angle": None if self.angle is None else round(self.angle, 2),
            }
            for quantity, found in self.digits.items()
        ]

    def to_json(self) -> str:
        """The rows as JSON."""
        import json

        return json.dumps(self.rows(), indent=2)

    def __str__(self) -> str:
        roads = [road for road in self.required if road not in self.skipped]
        moved = {"differences", "complex step"} if self.frozen else set()
        heads = [f"{road}*" if road in moved else road for road in roads]
        width = max(len(quantity) for quantity in self.digits)
        lines = [
            f"{self.title}: digits of agreement with the graph",
            " ".join([" " * width, *(f"{head:>13}" for head in heads)]),
        ]
        for quantity, found in self.digits.items():
            cells = [f"{found[road]:>13.1f}" if road in found else " " * 13 for road in roads]
            verdict = "" if self._row_agrees(found) else "  DISAGREES"
            lines.append((" ".join([f"{quantity:<{width}}", *cells]) + verdict).rstrip())
        if self.frozen:
            lines.append(f"* memory held fixed: {self.frozen}")
        if self.angle is not None:
            lines.append(f"angle to the full gradient: {self.angle:.1f} degrees")
        lines += [f"{road} skipped: {reason}" for road, reason in self.skipped.items()]
        return "\n".join(lines)
