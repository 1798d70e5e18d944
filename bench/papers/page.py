"""`bench/PAPERS.md` and its pictures, made of the figures that are kept."""

from __future__ import annotations

import importlib
import pathlib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.papers.look import look
from bench.papers.record import Kept
from bench.papers.result import Finding, Paper, shown

_FOLDER = pathlib.Path(__file__).parent
FIGURES = _FOLDER.parent / "papers.json"
PAGE = _FOLDER.parent / "PAPERS.md"

REPRODUCED = "reproduced"

_HEAD = """\
# The papers, run again

Each experiment is a script in [papers/](papers), trained with this library and run with several
seeds. This page is written by `python -m bench papers` from `papers.json` and never by hand.

A band is what the median over the seeds has to be in. It is set from the paper's figure or, where
we could not see one, from a criterion of our own, and before the run that is shown. Where designs
were tried and given up before that run, the chapter says so under "What differs". An experiment is
reproduced if all its figures with a band are inside; where the paper's figures were not seen, that
says no more than that it meets our criterion. A figure without a band is there to be read.

The same seeds give the same bits on the same machine (`python -m bench papers --again`).
"""


def write(kept: Mapping[str, Kept], name: str) -> None:
    """Draw the picture of one experiment, and write the page of all."""
    from matplotlib import pyplot

    with pyplot.rc_context(look(name)):
        pyplot.switch_backend("agg")  # no window is opened, whatever the reader has set
        figure = importlib.import_module(f"bench.papers.{name}").draw(kept[name].found)
        figure.savefig(_FOLDER / f"{name}.svg", metadata={"Date": None})
        pyplot.close(figure)
    PAGE.write_text(markdown(kept), encoding="utf-8")


def verdict(findings: Sequence[Finding]) -> str:
    """Whether the paper's result came out, or how much of it."""
    asked = [finding.passed for finding in findings if finding.asked]
    if all(asked):
        return REPRODUCED
    return f"not {REPRODUCED}" + (f": {sum(asked)} of {len(asked)} bands" if any(asked) else "")


def told(paper: Paper, findings: Sequence[Finding], kept: Kept) -> Iterator[str]:
    """The lines for a terminal of 80 columns."""
    yield from _wrapped(f"{paper.title}: {verdict(findings)}", "", "  ")
    yield from _wrapped(paper.source, "  ")
    for finding in findings:
        yield from _wrapped(f"{finding.what}: {_ours(finding)}{_judged(finding)}", "  ", "    ")
        yield from _wrapped(f"paper: {finding.paper}", "    ")
    yield f"  {_time(kept)}"


def _wrapped(text: str, indent: str, further: str | None = None) -> list[str]:
    further = indent if further is None else further
    return textwrap.wrap(text, 80, initial_indent=indent, subsequent_indent=further)


def _ours(finding: Finding) -> str:
    low, high = min(finding.ours), max(finding.ours)
    return f"{shown(finding.median)} ({shown(low)} to {shown(high)})"


def _judged(finding: Finding) -> str:
    if not finding.asked:
        return ""
    return f"; {finding.band}: {'inside' if finding.passed else 'OUTSIDE'}"


def _time(kept: Kept) -> str:
    return (
        f"{len(kept.found)} seeds in {kept.wall:.0f} s, {kept.processes} at a time "
        f"({sum(kept.seconds):.0f} s of processor time)"
    )


def markdown(kept: Mapping[str, Kept]) -> str:
    """The page: a table of all, then a chapter for each."""
    scripts = {name: importlib.import_module(f"bench.papers.{name}") for name in kept}
    judged = {name: scripts[name].findings(one.found) for name, one in kept.items()}
    came = sum(verdict(findings) == REPRODUCED for findings in judged.values())
    wall = sum(one.wall for one in kept.values())
    rows = [
        f"| [{scripts[name].PAPER.title}](#{name.replace('_', '-')}) | {verdict(judged[name])} | "
        f"{one.wall:.0f} s |"
        for name, one in kept.items()
    ]
    summary = f"{came} of {len(kept)} are reproduced, in {wall / 60:.1f} minutes.\n"
    table = "\n".join(["| experiment | | time |", "| --- | --- | ---: |", *rows]) + "\n"
    chapters = [
        "\n".join(_chapter(name, scripts[name].PAPER, judged[name], one))
        for name, one in kept.items()
    ]
    return "\n".join([_HEAD, summary, table, *chapters])


def _chapter(name: str, paper: Paper, findings: Sequence[Finding], kept: Kept) -> Iterator[str]:
    yield f"## {name.replace('_', ' ')}\n"
    yield f"**{paper.title}: {verdict(findings)}.** {paper.source}\n"
    yield f"**Reported.** {paper.claim}\n"
    yield f"**Where that is from.** {paper.seen}\n"
    yield f"**Here.** {paper.ours}\n"
    yield "**What differs.**\n"
    yield from (f"- {point}" for point in paper.differs)
    yield f"\n![{paper.title}](papers/{name}.svg)\n"
    yield f"{paper.caption}\n"
    yield "| figure | paper | ours: median (range) | band | |"
    yield "| --- | --- | --- | --- | --- |"
    for finding in findings:
        inside = ("inside" if finding.passed else "**outside**") if finding.asked else ""
        cells = finding.what, finding.paper, _ours(finding), finding.band, inside
        # A bar, as in |x|, would end the cell.
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
    if paper.missed:
        yield f"\n**What did not come out, and why.** {paper.missed}"
    yield f"\n{_time(kept)}; {_machine(kept.machine)}. Script: [{name}.py](papers/{name}.py)\n"


def _machine(machine: Mapping[str, Any]) -> str:
    named = ("processor", "Python", "numpy", "minitorch-rnn", "date")
    return ", ".join(
        machine[key] if key in ("processor", "date") else f"{key} {machine[key]}" for key in named
    )
