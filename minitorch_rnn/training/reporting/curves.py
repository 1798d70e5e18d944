"""The curves of a training as a picture: losses, validations, the learning rate."""

from __future__ import annotations

import io
import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from minitorch_rnn.errors import RunError
from minitorch_rnn.serialization import needs_app, write_whole
from minitorch_rnn.training.reporting.metrics import METRICS
from minitorch_rnn.training.reporting.recorded import Curves, read_metrics
from minitorch_rnn.training.reporting.saying import say

if TYPE_CHECKING:
    from minitorch_rnn.training.task import Task

__all__ = ["draw_curves", "save_curves"]

_CURVE = "loss"  # of loss.png
_POINTS = 1000  # of a line: more would not be seen
_MARKED = 40  # points that are few enough to be marked each
_SPREAD = 50.0  # from the least to the greatest value: from there on the axis is logarithmic
# Shapes and dashes tell the lines apart where colours do not.
_LIGHT, _MEAN, _HELD_OUT, _DARK = "0.8", "#1f77b4", "#b3470a", "0.25"
_FREE = "free"  # marks lines that may leave the picture
_DASHES = [(0, (5, 3)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (2, 2))]


def save_curves(folder: str | os.PathLike[str], task: Task, svg: bool = False) -> list[str]:
    """Draw metrics.jsonl of a run as loss.png beside it; returns the names of what was written.

    A training has come to its end by then: what is wrong with the file, the disk or matplotlib is
    told on stderr, and there is no picture.

    Args:
        folder: of the run.
        task: says what is judged, and by which baselines.
        svg: write loss.svg, too.

    >>> import tempfile
    >>> from minitorch_rnn.training import Task
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / METRICS).write_text("")
    >>> save_curves(folder, Task(None, None, []))
    ['loss.png']
    """
    written = []
    try:
        curves = read_metrics(pathlib.Path(folder) / METRICS)
        for kind in ("png", "svg") if svg else ("png",):
            name = f"{_CURVE}.{kind}"
            picture = draw_curves(curves, kind, task.judged_by, task.factor, task.baselines())
            write_whole(pathlib.Path(folder) / name, picture)
            written.append(name)
    except (RunError, OSError) as error:
        say(f"no curves were drawn: {error}")
    return written


def draw_curves(
    curves: Curves,
    kind: str = "png",
    judged_by: str = "loss",
    factor: float | None = None,
    baselines: Mapping[str, float] | None = None,
) -> bytes:
    """A picture of the losses of all steps, their running mean, the validations and the best.

    What is judged is drawn over the losses if it is a multiple of them, else below. The learning
    rate is drawn if it changes. Values that are not finite leave gaps; skipped steps are marked.
    A spread of more than a factor of 50 has a logarithmic axis.

    Args:
        curves: what `read_metrics` returns.
        kind: "png" or "svg".
        judged_by: the validations' figure that the best is chosen by.
        factor: the figure of a loss is this many times the loss; None: it is another thing.
        baselines: values of the figure, by name, drawn as dashed lines.

    Raises:
        RunError: if matplotlib is not installed.

    >>> draw_curves(Curves.of([1, 2, 3], loss=[2.0, 1.5, 1.2]))[1:4]
    b'PNG'
    """
    try:
        import matplotlib
    except ImportError as cause:
        raise RunError(str(needs_app("curves: matplotlib"))) from cause
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # whatever style the reader has chosen
        # The same curves are the same bytes; text stays text.
        matplotlib.rcParams.update({"svg.hashsalt": _CURVE, "svg.fonttype": "none"})
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure = _drawn(curves, judged_by, 1.0 if judged_by == "loss" else factor, baselines or {})
        file = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
        figure.savefig(file, format=kind, metadata=metadata)
    return file.getvalue()


def _drawn(
    curves: Curves, judged_by: str, factor: float | None, baselines: Mapping[str, float]
) -> Any:
    """The figure, in rows: losses, what is judged where that is another thing, learning rates."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    together = factor is not None
    rates = curves.numbers.get("lr", np.zeros(0))
    changes = np.ptp(rates) > 0 if len(rates) else False
    heights = [3.0] + [2.0] * (not together) + [1.0] * bool(changes)
    figure = Figure((6, 1 + sum(heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    _draw_losses(rows[0], curves, factor or 1.0)
    rows[0].set_ylabel(_words(judged_by) if together else "loss")
    judged = rows[0] if together else rows[1]
    _draw_figures(judged, curves, judged_by, baselines)
    if not together:
        judged.set_ylabel(_words(judged_by))
        if "loss" in curves.figures:
            _draw_held_out(rows[0], *curves.figures["loss"])
    for axes in {rows[0], judged}:
        _limit(axes)
    if changes:
        _draw_rates(rows[-1], curves.step, rates)
    _finish(figure, rows, curves)
    return figure


class Line(NamedTuple):
    """Points of a line: x and y, (N,) each."""

    x: np.ndarray
    y: np.ndarray


def thinned(x: np.ndarray, y: np.ndarray) -> Line:
    """A line that looks the same, of at most 2000 points: the least and the greatest of each part.

    >>> thinned(np.arange(10**6), np.arange(10.0**6)).x.shape
    (2000,)
    """
    size = -(-len(x) // _POINTS)
    if size <= 2:
        return Line(x, y)
    parts = _parts(y, size)
    starts = x[::size]
    both = np.stack([np.fmin.reduce(parts, axis=1), np.fmax.reduce(parts, axis=1)], axis=1)
    return Line(
        np.stack([starts, x[size // 2 :: size][: len(starts)]], axis=1).ravel(), both.ravel()
    )


def running_mean(x: np.ndarray, y: np.ndarray) -> tuple[Line, int]:
    """The mean of y over the fiftieth of all values up to each; and how many values that are.

    Values that are not finite do not count. Sums are taken within parts and then over parts, for
    a difference of sums over all would remember one huge value ever after.

    >>> line, width = running_mean(np.arange(1, 101), np.arange(100.0))
    >>> width, line.x[:3], line.y[:3]
    (2, array([2, 3, 4]), array([0.5, 1.5, 2.5]))
    """
    size = max(1, -(-len(y) // _POINTS))
    parts = _parts(y, size)
    finite = np.isfinite(parts)
    width = max(1, len(parts) // 50)
    sums = np.where(finite, parts, 0.0).sum(axis=1)
    counts = finite.sum(axis=1)
    if not len(parts):
        return Line(x, y), 1
    total, count = (np.convolve(a, np.ones(width), mode="valid") for a in (sums, counts))
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0.5, total / np.maximum(count, 1), np.nan)
    ends = np.minimum(np.arange(width, len(parts) + 1) * size, len(x)) - 1
    return Line(x[ends], mean), width * size


def _parts(y: np.ndarray, size: int) -> np.ndarray:
    """y in rows of this many values, the last filled up with nan."""
    rows = -(-len(y) // size)
    return np.concatenate([y, np.full(rows * size - len(y), np.nan)]).reshape(rows, size)


def _draw_losses(axes: Any, curves: Curves, factor: float) -> None:
    step, loss = curves.step, curves.numbers.get("loss", np.zeros(0)) * factor
    loss = np.where(np.isin(step, curves.skipped), np.nan, loss)  # nothing was learned there
    mean, width = running_mean(step, loss)
    marker = "." if len(step) <= _MARKED else ""
    if width > 1:
        between = int(np.median(np.diff(step)))
        each = "each step" if between == 1 else f"one step in {between:,}"
        axes.plot(*thinned(step, loss), color=_LIGHT, linewidth=0.8, label=each, gid=_FREE)
        label = f"mean of {width * between:,} steps"
    else:
        label = "each step"
    if len(step):
        axes.plot(*mean, color=_MEAN, marker=marker, label=label)
    if len(curves.skipped):
        marks = curves.skipped[:: -(-len(curves.skipped) // _POINTS)]
        axes.plot(
            marks, np.full(len(marks), 0.03), "|", color="black",
            transform=axes.get_xaxis_transform(),
            label=f"skipped ({len(curves.skipped):,})", gid=_FREE,
        )  # fmt: skip


def _draw_figures(
    axes: Any, curves: Curves, judged_by: str, baselines: Mapping[str, float]
) -> None:
    steps, values = curves.figures.get(judged_by, (np.zeros(0), np.zeros(0)))
    if np.isfinite(values).any():
        _draw_held_out(axes, steps, values)
        best = int(np.nanargmin(values))
        axes.plot(
            steps[best], values[best], "*", color="black", markersize=10, linestyle="none",
            label=f"best: {values[best]:.4g} at step {steps[best]:,}",
        )  # fmt: skip
    for (name, value), dashes in zip(baselines.items(), _DASHES * len(baselines), strict=False):
        axes.axhline(value, color=_DARK, linestyle=dashes, linewidth=1.2, label=name)


def _draw_held_out(axes: Any, steps: np.ndarray, values: np.ndarray) -> None:
    style: dict[str, Any] = {"marker": "o", "markersize": 4, "markerfacecolor": "white"}
    if len(steps) > _MARKED:
        style = {"linestyle": "-."}
    axes.plot(*thinned(steps, values), color=_HELD_OUT, label="held out", **style)


def _limit(axes: Any) -> None:
    """Show all but the extremes of single steps: from 0, or by powers if the spread is great."""
    shown = [line.get_ydata() for line in axes.get_lines() if line.get_gid() != _FREE]
    values = np.concatenate([np.asarray(y, float) for y in shown] or [np.zeros(0)])
    values = values[np.isfinite(values)]
    if not len(values):
        axes.set_ylim(0, 1)
        axes.text(0.5, 0.5, "no finite value yet", ha="center", transform=axes.transAxes)
        return
    least, most = values.min(), values.max()
    if least > 0 and most / least > _SPREAD:
        axes.set_yscale("log")
        axes.set_ylim(least / 1.5, most * 1.5)
    elif least >= 0:
        axes.set_ylim(0, most * 1.05 or 1)
    else:
        margin = 0.05 * (most - least) or 1
        axes.set_ylim(least - margin, most + margin)


def _draw_rates(axes: Any, step: np.ndarray, rates: np.ndarray) -> None:
    axes.plot(*thinned(step, rates), color=_DARK)
    axes.set_ylabel("learning\nrate")
    axes.set_ylim(0, None)


def _finish(figure: Any, rows: Any, curves: Curves) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    steps = [curves.step[-1:], *(steps[-1:] for steps, _ in curves.figures.values())]
    last = max((int(end[0]) for end in steps if len(end)), default=0)
    bottom = rows[-1]
    bottom.set_xlim(0, max(last, 1) * 1.02)
    bottom.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bottom.set_xlabel("training step")
    for axes in rows:
        axes.spines[["top", "right"]].set_visible(False)
    found: dict[str, Any] = {}
    for axes in rows:
        for artist, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, artist)
    if found:
        figure.legend(
            found.values(), found.keys(), loc="outside upper center", ncols=2, frameon=False
        )


def _words(name: str) -> str:
    return name.replace("_", " ")
