"""What a verification found: digits of agreement by quantity and road, as a table and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

# Digits asked for. Differences lose some to rounding, and float32 has seven to begin with.
REQUIRED = {
    "scan": 10.0, "slides": 10.0, "explicit": 10.0, "differences": 6.0, "complex step": 10.0,
    "rtrl": 10.0, "torch": 10.0,
}  # fmt: skip
REQUIRED_FLOAT32 = 3.5

VALUE = "Y(t)"  # the row of the outputs themselves; no node can have this name

_VALUE = "Y(t) is a value, and this road finds derivatives only"
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
        zero: the quantities that are 0 everywhere, where agreement is easy.

    >>> found = Agreement("mine", "squared error", {"bias": {"slides": 15.0}}, {}, {"slides": 10.0})
    >>> found.agrees, found.title
    (True, 'mine, squared error')
    """

    network: str
    divergence: str
    digits: dict[str, dict[str, float]]
    skipped: dict[str, str]
    required: dict[str, float]
    variant: str = ""
    frozen: str = ""
    angle: float | None = None
    zero: frozenset[str] = frozenset()

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

    @property
    def summary(self) -> str:
        """The fewest digits by road, in two lines."""
        found = ", ".join(f"{road} {digits:.1f}" for road, digits in self.fewest.items())
        return f"{self.title}\n    {found}{'' if self.agrees else '  DISAGREES'}"

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
                "zero": quantity in self.zero,
                "skipped": self.skipped
                | {
                    road: _VALUE if quantity == VALUE else _PARAMETERS
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
        heads = [f"{_HEADS.get(road, road):>5}" for road in roads]
        width = max(len(quantity) for quantity in self.digits)
        lines = _wrapped(f"{self.title}: digits of agreement with the graph")
        lines.append("  ".join([" " * width, *heads]))
        for quantity, found in self.digits.items():
            cells = [f"{found[road]:.1f}" if road in found else "" for road in roads]
            if quantity in self.zero and self._row_agrees(found):
                cells = ["0 = 0" if cell else "" for cell in cells]
            verdict = "" if self._row_agrees(found) else "  DISAGREES"
            placed = [f"{cell:>{len(head)}}" for cell, head in zip(cells, heads, strict=True)]
            row = "  ".join([f"{quantity:<{width}}", *placed])
            lines.append((row + verdict).rstrip())
        if self.frozen:
            lines += _wrapped(f"differences and complex step hold memory fixed: {self.frozen}")
        if self.angle is not None:
            lines.append(f"angle to the full gradient: {self.angle:.1f} degrees")
        for road, reason in self.skipped.items():
            lines += _wrapped(f"{road} skipped: {reason}")
        return "\n".join(lines)


_HEADS = {"complex step": "complex"}  # what does not fit in a column


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, 79, subsequent_indent="    ", break_long_words=False)


def matrix(agreements: Sequence[Agreement]) -> str:
    """Agreements of one network as a table: a row for each divergence, a column for each variant.

    A cell holds the fewest digits of all roads but the differences, and those of the differences.
    """
    first = agreements[0]
    cells = {(a.divergence, a.variant): _cell(a) for a in agreements}
    divergences, variants = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    width = max(map(len, divergences))
    lines = [
        f"{first.network}: fewest digits, exact roads / differences",
        " ".join([" " * width, *(f"{variant:>11}" for variant in variants)]),
    ]
    for divergence in divergences:
        row = [f"{cells.get((divergence, variant), ''):>11}" for variant in variants]
        lines.append(" ".join([f"{divergence:<{width}}", *row]))
    if first.frozen:
        lines += _wrapped(f"differences and complex step hold memory fixed: {first.frozen}")
    if angles := sorted({f"{a.angle:.1f}" for a in agreements if a.angle is not None}, key=float):
        told = " to ".join(dict.fromkeys((angles[0], angles[-1])))
        lines.append(f"angle to the full gradient: {told} degrees")
    for road in dict.fromkeys(road for a in agreements for road in a.skipped):
        reasons = [a.skipped[road] for a in agreements if road in a.skipped]
        often = "" if len(reasons) == len(agreements) else f" in {len(reasons)} cells"
        lines += _wrapped(f"{road} skipped{often}: {reasons[0]}")
    return "\n".join(lines)


def _cell(agreement: Agreement) -> str:
    if not agreement.agrees:
        return "DISAGREES"
    if set(agreement.digits) <= agreement.zero | {VALUE}:
        return "0 = 0"
    found = dict(agreement.fewest)
    by_differences = found.pop("differences", None)
    rest = "-" if by_differences is None else f"{by_differences:.1f}"
    return f"{min(found.values()):.1f}/{rest}"
