"""Times: the labels of a series' rows as moments, for their order, their spacing and what follows.

Whole numbers count as they are; days may be 2015-12-31, 2015/12/31 or 31.12.2015, and a time of day
may stand behind the first two. Any other label is a name: it has no order.
"""

from __future__ import annotations

import datetime
import itertools
import re
import statistics
from collections.abc import Sequence

from minitorch_rnn.data.table import NUMBER
from minitorch_rnn.errors import DataError

__all__ = ["check_order", "labels_after", "unevenness"]

_CYCLES = {"day", "hour", "minute", "month", "quarter", "second", "week", "weekday"}  # begin anew
_GERMAN = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{4})")
_WHOLE = re.compile(r"-?[0-9]{1,15}")


def check_order(labels: Sequence[str], name: str, source: str) -> None:
    """Refuse times that go back or stand still, which several series or a row twice would do.

    Args:
        labels: of the rows.
        name: of their column; one such as "month" begins anew.
        source: what errors call the series.

    Raises:
        DataError: naming the two rows.

    >>> check_order(["2001", "2002", "2003"], "year", "harvest.csv")
    >>> check_order(["12", "1", "1"], "month", "harvest.csv")
    """
    known: list[float] | list[str]
    dates = [_date(label) for label in labels]
    if all(NUMBER.fullmatch(label) for label in labels):
        if name.lower() in _CYCLES:
            return
        known = [float(label) for label in labels]
    elif all(dates):
        known = dates  # the hours may be of a zone
    else:
        return
    for row, (a, b) in enumerate(itertools.pairwise(known), 2):
        if b < a:  # type: ignore[operator]
            raise DataError(
                f"{source}: goes back in time in row {row}, from {labels[row - 2]} to "
                f"{labels[row - 1]}; give one series, sorted from the oldest row to the newest."
            )
        if labels[row - 2] == labels[row - 1]:
            raise DataError(
                f"{source}: rows {row - 1} and {row} are both called {labels[row - 1]} in the "
                f"column {name!r}; leave one of them out, or name with --time a column in which "
                "every row has a time of its own."
            )


def unevenness(labels: Sequence[str]) -> str:
    """A sentence about steps of time that differ from the usual one; empty where none does.

    Months and years differ in their days, so what counts is a step of more than 1.5 times the
    median, or less than half of it.

    >>> unevenness(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06"])
    '1 of 3 steps of time is not as long as the others: from 2020-01-03 to 2020-01-06.'
    >>> unevenness(["2020-01-31", "2020-02-29", "2020-03-31"]), unevenness(["spring", "summer"])
    ('', '')
    """
    try:
        moments = [_moment(label) for label in labels]
    except (ValueError, OverflowError):
        return ""
    steps = [b - a for a, b in itertools.pairwise(moments)]
    if not steps or min(steps) < 0:
        return ""
    usual = statistics.median(steps)
    odd = [i for i, step in enumerate(steps) if not usual / 2 <= step <= 1.5 * usual]
    if not odd:
        return ""
    verb = "is" if len(odd) == 1 else "are"
    such = "" if len(odd) == 1 else "such as "
    return (
        f"{len(odd):,} of {len(steps):,} steps of time {verb} not as long as the others: {such}"
        f"from {labels[odd[0]]} to {labels[odd[0] + 1]}."
    )


def labels_after(labels: Sequence[str], count: int) -> tuple[str, ...]:
    """What the next rows are called: whole numbers and days go on evenly, others are counted.

    >>> labels_after(["1998", "1999"], 2), labels_after(["2015-12-30", "2015-12-31"], 1)
    (('2000', '2001'), ('2016-01-01',))
    >>> labels_after(["30.12.2015", "31.12.2015"], 1), labels_after(["spring", "summer"], 2)
    (('01.01.2016',), ('+1', '+2'))
    """
    last = labels[-3:]
    try:
        if all(_WHOLE.fullmatch(label) for label in last):
            numbers = [int(label) for label in last]
            return tuple(str(number) for number in _evenly(numbers, count))
        written = "%d.%m.%Y" if all(_GERMAN.fullmatch(label) for label in last) else "%Y-%m-%d"
        days = [datetime.datetime.strptime(label, written).toordinal() for label in last]
        after = [datetime.date.fromordinal(day) for day in _evenly(days, count)]
        return tuple(day.strftime("%d.%m.") + f"{day.year:04}" if written[1] == "d" else str(day)
                     for day in after)  # fmt: skip
    except (ValueError, OverflowError):
        return tuple(f"+{k}" for k in range(1, count + 1))


def _evenly(numbers: list[int], count: int) -> list[int]:
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    if len(steps) != 1:
        raise ValueError("not evenly spaced")
    return [numbers[-1] + k * min(steps) for k in range(1, count + 1)]


def _date(label: str) -> str:
    """The month or day of a label, so that they sort; empty if it is neither."""
    if german := _GERMAN.fullmatch(label):
        return "-".join(german.groups()[::-1])
    found = re.match(r"[0-9]{4}[-/][0-9]{2}([-/][0-9]{2}|$)", label)
    return found[0].replace("/", "-") if found else ""


def _moment(label: str) -> float:
    """A label in some unit of time that is the same for all labels of its form."""
    if _WHOLE.fullmatch(label):
        return float(label)
    date = _date(label)
    if len(date) == 7:
        date += "-01"
    rest = "" if _GERMAN.fullmatch(label) else label[10:]
    moment = datetime.datetime.fromisoformat(date + rest)
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
