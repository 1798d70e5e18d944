"""Pictures of a run: SVG, 700 pixels wide, on white, readable in grey by the shapes of the dots."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bench.record import UNITS, Comparison, Run

WIDTH = 7.0  # inches, of 100 pixels

# Shape, colour and filling of everybody, the same in all pictures.
LOOKS = {
    "ours": ("o", "#000000", "full"),
    "PyTorch": ("s", "#c1440e", "full"), "JAX": ("^", "#1b6ca8", "full"),
    "NumPy BPTT": ("D", "#6a9a1f", "none"), "ours, graph": ("o", "#000000", "none"),
    "PyTorch loop": ("s", "#c1440e", "none"), "autograd": ("v", "#7b3f9e", "full"),
    "MyGrad": ("v", "#7b3f9e", "none"), "tinygrad": ("*", "#b8860b", "none"),
    "products alone": ("|", "#444444", "full"),
}  # fmt: skip
_OTHERS = ("P", "X", "<", ">", "h")  # shapes of those who are not in `LOOKS`


class Picture(NamedTuple):
    """A picture, the names of the comparisons that it shows, and how it is drawn."""

    title: str
    names: tuple[str, ...]
    draw: Callable[[list[Comparison], str], Any]


def draw(run: Run, folder: pathlib.Path) -> list[str]:
    """Draw what the run has figures for, and say the files' names."""
    import matplotlib
    from matplotlib import pyplot as plt

    written = []
    for stem, picture in PICTURES.items():
        found = [c for c in run.comparisons if c.name in picture.names]
        if not found:
            continue
        threads = f"{run.threads} thread{'s' if run.threads > 1 else ''}"
        with matplotlib.rc_context({"font.size": 8.5, "svg.hashsalt": stem, "axes.linewidth": 0.6}):
            shown = picture.draw(found, f"{picture.title}, {threads}")
            name = f"{stem}-{run.threads}.svg"
            shown.savefig(folder / name, facecolor="white", metadata={"Date": None})
            plt.close(shown)
        written.append(name)
    return written


def times_ours(found: list[Comparison], title: str) -> Any:
    """A panel for each comparison, a line for each row, a dot for each peer at theirs / ours."""
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator

    lines = [len(comparison.rows) for comparison in found]
    shown, panels = plt.subplots(
        len(found), sharex=True, squeeze=False, figsize=(WIDTH, 1.35 + 0.29 * sum(lines)),
        gridspec_kw={"height_ratios": lines}, layout="constrained",
    )  # fmt: skip
    for axes, comparison in zip(panels[:, 0], found, strict=True):
        rows = list(comparison.rows)
        for peer in comparison.candidates[1:]:
            ratios = [(comparison.ratio(row, peer), i) for i, row in enumerate(rows)]
            look = _look(peer)
            points = [(1 / ratio, i + _aside(look)) for ratio, i in ratios if ratio]
            axes.plot(*zip(*points, strict=True), linestyle="none", **look)
        axes.axvline(1, color="black", linewidth=1)
        axes.set(xscale="log", ylim=(len(rows) - 0.5, -0.5), ylabel=comparison.name)
        axes.set_yticks(range(len(rows)), rows)
        axes.grid(axis="both", color="#dddddd", linewidth=0.6)
        axes.tick_params(length=0)
    panels[-1, 0].set_xlabel("time of a peer / time of ours: right of 1 ours is faster")
    panels[-1, 0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panels[-1, 0].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    shown.suptitle(title, fontsize=9.5)
    _legend(shown, panels[:, 0])
    return shown


def over_rows(found: list[Comparison], title: str) -> Any:
    """What every candidate of one comparison takes, over its rows; both axes logarithmic."""
    from matplotlib import pyplot as plt

    (comparison,) = found
    shown, axes = plt.subplots(figsize=(WIDTH, 3.2), layout="constrained")
    rows = list(comparison.rows)
    at = [float(row.split("=")[-1].replace(",", "")) for row in rows]
    for name in comparison.candidates:
        points = [
            (x, comparison.rows[row][name].median / UNITS[comparison.unit])
            for x, row in zip(at, rows, strict=True)
            if name in comparison.rows[row]
        ]
        axes.plot(*zip(*points, strict=True), linewidth=1, **_look(name))
    axes.set(xscale="log", yscale="log", xlabel="time steps T", ylabel=comparison.unit)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(color="#dddddd", linewidth=0.6)
    shown.suptitle(title, fontsize=9.5)
    _legend(shown, [axes])
    return shown


def _look(name: str) -> dict[str, Any]:
    other = (_OTHERS[sum(map(ord, name)) % len(_OTHERS)], "#5b6b73", "full")
    marker, color, fillstyle = LOOKS.get(name, other)
    return {
        "label": name, "marker": marker, "color": color, "fillstyle": fillstyle,
        "markersize": 9 if marker in "|*" else 5.5, "markeredgewidth": 1.8 if marker == "|" else 1,
    }  # fmt: skip


def _aside(look: dict[str, Any]) -> float:
    """Full dots stand a little above their line and open ones below: few hide each other."""
    return 0.0 if look["marker"] == "|" else -0.15 if look["fillstyle"] == "full" else 0.15


def _legend(shown: Any, panels: Iterable[Any]) -> None:
    by_name: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            by_name.setdefault(label, handle)
    shown.legend(
        by_name.values(), by_name.keys(), loc="outside lower center", ncols=5, frameon=False,
        handletextpad=0.3, columnspacing=1.4,
    )  # fmt: skip


PICTURES = {
    "layers": Picture(
        "One training step at (T, B, I, H), float32", ("RNN", "LSTM", "GRU"), times_ours
    ),
    "memory": Picture(
        "Peak memory of a training step over T time steps", ("memory of T",), over_rows
    ),
}
