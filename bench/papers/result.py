"""What a script about a paper says of itself, and what it finds."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import NamedTuple


def shown(number: float, digits: int = 3) -> str:
    """A figure as text: so many digits that count; large ones whole.

    >>> shown(0.08234), shown(12345.0), shown(3e-13)
    ('0.0823', '12,345', '3e-13')
    """
    return f"{number:,.0f}" if 999.5 <= abs(number) < 1e9 else f"{number:.{digits}g}"


class Paper(NamedTuple):
    """A result that somebody published, and how ours is got.

    Attributes:
        title: a few words.
        source: author, title, journal, year; section or figure.
        claim: what the paper reports, in one or two sentences.
        seen: where its figures are from: the paper itself, who quotes them, or that nobody does.
        ours: what network is trained how, in one or two sentences.
        differs: where optimiser, size or data are not the paper's; one sentence each.
        caption: what the picture shows.
        missed: what did not come out as in the paper, and why, with figures; where a band was
            missed there is such an analysis.
        seeds: how many seeds, from 0 on.
    """

    title: str
    source: str
    claim: str
    seen: str
    ours: str
    differs: tuple[str, ...]
    caption: str
    missed: str = ""
    seeds: int = 6


@dataclass(frozen=True)
class Finding:
    """One figure, of the paper and of ours for every seed, with the band that ours is to be in.

    Attributes:
        what: the figure, in words, with its unit.
        paper: the paper's, as text; "not given" where there is none.
        ours: one for each seed.
        least: the median is to be at least this; None if nothing is asked.
        most: the median is to be at most this; None if nothing is asked.

    >>> found = Finding("share of strings solved", "0.97 to 1", (1.0, 0.9, 1.0), least=0.95)
    >>> found.median, found.passed, found.band
    (1.0, True, 'at least 0.95')
    """

    what: str
    paper: str
    ours: tuple[float, ...]
    least: float | None = None
    most: float | None = None

    @property
    def median(self) -> float:
        """Of the seeds."""
        return float(statistics.median(self.ours))

    @property
    def asked(self) -> bool:
        """Whether there is a band."""
        return self.least is not None or self.most is not None

    @property
    def passed(self) -> bool:
        """Whether the median is inside the band; a nan is in none."""
        low = -math.inf if self.least is None else self.least
        high = math.inf if self.most is None else self.most
        return low <= self.median <= high

    @property
    def band(self) -> str:
        """The band in words."""
        ends = ("at least", self.least), ("at most", self.most)
        return ", ".join(f"{side} {shown(end, 4)}" for side, end in ends if end is not None)
