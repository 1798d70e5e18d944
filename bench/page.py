"""The results page: `bench/RESULTS.md`, its pictures and its figures, all from the same runs."""

import pathlib
from collections.abc import Iterable, Iterator

from bench.picture import PICTURES, draw
from bench.record import UNITS, Comparison, Run, figure, read, written
from bench.targets import TARGETS, TARGETS_ON_A_GPU, Target

FOLDER = pathlib.Path(__file__).parent
CPU, GPU = "results.json", "gpu.json"  # where figures are kept

_HEAD = """\
# What it costs, beside others

This page is written by `python -m bench --write` from one measurement, `results.json`, and never by
hand; what was measured on a GPU is in `gpu.json`. Candidates that are timed took turns in one
process. Figures say something about each other, not about another machine: so every table begins
with ratios of medians, ours / theirs, and below 1 ours took less. Before a training step is timed,
the gradients of all candidates are compared, and one that disagrees stops the measurement. Why a
target is missed, and what bounds it now, is in [ANALYSIS.md](ANALYSIS.md).
"""
_NO_GPU = """\
## On a GPU

Not measured yet: run `python -m bench --backend cupy --write` on a machine with a GPU.
"""


def write(figures: str) -> None:
    """Keep these figures, draw their pictures, and write the page of all figures that are kept.

    Those of a GPU have a file of their own: machines without one can measure the rest again.
    """
    runs = read(figures)
    for run in runs:
        draw(run, FOLDER)
    for name in (CPU, GPU):
        if here := [run for run in runs if _file(run) == name]:
            (FOLDER / name).write_text(written(here), encoding="utf-8")
    (FOLDER / "RESULTS.md").write_text(markdown(kept()), encoding="utf-8")


def kept() -> list[Run]:
    """The runs whose figures lie beside the page."""
    files = [FOLDER / name for name in (CPU, GPU)]
    return [run for file in files if file.exists() for run in read(file.read_text("utf-8"))]


def markdown(runs: Iterable[Run]) -> str:
    """The page: a chapter for every number of threads, and one for a GPU."""
    runs = list(runs)
    chapters = ["\n".join(_chapter(run)) for run in runs]
    if not any(_file(run) == GPU for run in runs):
        chapters.append(_NO_GPU)
    return "\n".join([_HEAD, *chapters])


def _file(run: Run) -> str:
    return CPU if run.backend == "numpy" else GPU


def _chapter(run: Run) -> Iterator[str]:
    bound, groups = "One thread" if run.threads == 1 else f"{run.threads} threads", TARGETS
    if _file(run) == GPU:
        bound, groups = "On a GPU", TARGETS_ON_A_GPU
    yield f"## {bound}\n"
    yield "\n".join(f"- {key}: {value}" for key, value in run.machine.items()) + "\n"
    for stem, picture in PICTURES.items():
        if any(comparison.name in picture.names for comparison in run.comparisons):
            yield f"![{picture.title}]({stem}-{run.threads}.svg)\n"
    yield f"### Targets, {bound[0].lower()}{bound[1:]}\n"
    measured = {comparison.name for comparison in run.comparisons}
    targets = [target for group in groups.values() for target in group]
    asked = [target for target in targets if target.comparison in measured]
    met = sum(target.verdict(run.comparisons)[1] for target in asked)
    yield f"{met} of {len(asked)} are met. Ratios are ours / theirs, of medians."
    if missing := dict.fromkeys(t.comparison for t in targets if t.comparison not in measured):
        yield f"Not measured here: {', '.join(missing)}."
    for title, group in groups.items():
        if here := [target for target in group if target in asked]:
            yield "\n" + _verdicts(title, here, run.comparisons).rstrip()
    yield ""
    for comparison in run.comparisons:
        yield tables(comparison)


def _verdicts(title: str, group: list[Target], comparisons: list[Comparison]) -> str:
    """One line for each row that has targets, one column for each peer."""
    peers = list(dict.fromkeys(target.theirs for target in group))
    lines: dict[str, list[str]] = {}
    for target in group:
        alone = target.comparison == "operations"
        label = target.row if alone else f"{target.comparison} {target.row}"
        line = lines.setdefault(label, [label, *("" for _ in peers)])
        line[1 + peers.index(target.theirs)] = cell(target, comparisons)
    return _grid([title, *(f"vs {peer}" for peer in peers)], lines.values())


def cell(target: Target, comparisons: list[Comparison]) -> str:
    """The measured ratio beside the target."""
    ratio, met = target.verdict(comparisons)
    if ratio is None:
        return f"not measured (≤ {target.at_most:.2f})"
    told = f"{ratio:.3f} {'≤' if met else '>'} {target.at_most:.2f}"
    told = f"{told} met" if met else f"**{told} missed**"
    if target.goal is not None:
        told += f"; goal {target.goal:.2f} {'met' if ratio <= target.goal else 'missed'}"
    return told


def tables(comparison: Comparison) -> str:
    """The ratios, then what was measured."""
    names, peers = comparison.candidates, comparison.candidates[1:]
    ratios, measured = [], []
    for row, found in comparison.rows.items():
        told = [comparison.ratio(row, name) for name in peers]
        ratios.append([row, *("" if ratio is None else figure(ratio) for ratio in told)])
        cells = []
        for name in names:
            timing = found.get(name)
            values = () if timing is None else [v / UNITS[comparison.unit] for v in timing[::-1]]
            cells.append("{} ({})".format(*map(figure, values)) if values else "")
        measured.append([row, *cells])
    parts = [f"### {comparison.name}: {comparison.title}\n"]
    if peers:
        parts.append(_grid([f"{comparison.ours} / theirs", *peers], ratios))
    if names:
        parts.append(_grid([f"{comparison.unit}, median (minimum)", *names], measured))
    parts += [f"- {note}" for note in comparison.notes]
    return "\n".join(parts) + ("\n" if comparison.notes else "")


def _grid(head: list[str], lines: Iterable[list[str]]) -> str:
    """A Markdown table, figures to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "".join("| " + " | ".join(line) + " |\n" for line in (head, rule, *lines))
