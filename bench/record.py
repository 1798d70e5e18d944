"""What was measured, as data: text, Markdown, JSON and pictures are all made from these records."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "MiB": 2.0**20}


class Timing(NamedTuple):
    """What one candidate took over several rounds: seconds per call, or bytes."""

    minimum: float
    median: float


@dataclass(frozen=True)
class Comparison:
    """Candidates that were measured side by side.

    Attributes:
        name: short; what targets and pictures know it by.
        title: what was measured, for a reader.
        unit: one of `UNITS`, in which figures are shown; `Timing` itself holds seconds or bytes.
        ours: the candidate that the others are compared with.
        rows: by the row's label and the candidate's name; a row may lack a candidate.
        notes: what was left out, and why.
    """

    name: str
    title: str
    unit: str
    ours: str
    rows: dict[str, dict[str, Timing]]
    notes: tuple[str, ...] = ()

    @property
    def candidates(self) -> list[str]:
        """Every candidate of any row, ours first."""
        found = {name: None for row in self.rows.values() for name in row}
        return sorted(found, key=lambda name: name != self.ours)

    def ratio(self, row: str, theirs: str) -> float | None:
        """Ours / theirs, of the medians; below 1 ours is less. None where one was not measured."""
        found = self.rows.get(row, {})
        if self.ours not in found or theirs not in found:
            return None
        return found[self.ours].median / found[theirs].median

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.title}, {self.unit}"]
        for row, found in self.rows.items():
            lines.append(f"  {row:<30}{'median':>12}{'minimum':>12}{'ours / theirs':>16}")
            for name in self.candidates:
                if name not in found:
                    continue
                median, minimum = (figure(s / UNITS[self.unit]) for s in found[name][::-1])
                ratio = "" if name == self.ours else figure(self.ratio(row, name) or 0.0)
                lines.append(f"    {name:<28}{median:>12}{minimum:>12}{ratio:>16}".rstrip())
        return "\n".join([*lines, *(f"  ({note})" for note in self.notes)])


@dataclass(frozen=True)
class Run:
    """Comparisons that were measured in one process, and what with.

    Attributes:
        threads: of the host.
        machine: what the figures depend on, for a reader.
        comparisons: in the order in which they were made.
        backend: that ours ran on.
    """

    threads: int
    machine: dict[str, str]
    comparisons: list[Comparison]
    backend: str = "numpy"


def written(runs: list[Run]) -> str:
    """The runs as JSON, figures with four digits; a `Timing` is [minimum, median]."""
    told = [asdict(run) for run in runs]
    for run in told:
        for comparison in run["comparisons"]:
            for found in comparison["rows"].values():
                for name, timing in found.items():
                    found[name] = [float(f"{value:.4g}") for value in timing]
    text = json.dumps(told, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+([^\[\],\s]+),\s+([^\[\],\s]+)\s+\]", r"[\1, \2]", text) + "\n"


def read(text: str) -> list[Run]:
    """The runs that `written` told."""
    return [
        Run(**{**run, "comparisons": [_comparison(told) for told in run["comparisons"]]})
        for run in json.loads(text)
    ]


def _comparison(told: dict[str, Any]) -> Comparison:
    rows = {
        row: {name: Timing(*timing) for name, timing in found.items()}
        for row, found in told["rows"].items()
    }
    return Comparison(**{**told, "rows": rows, "notes": tuple(told["notes"])})


def figure(value: float) -> str:
    """Three digits, or all of those before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 10 else 2 if value >= 1 else 3}f}"
