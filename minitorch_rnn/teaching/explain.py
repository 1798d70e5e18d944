"""`explain`: a recorded run as one page, to be stepped through forward and backward in a browser.

The page is a single file: its style, its script and its numbers are inside, and it asks for nothing
from a network or a server.
"""

from __future__ import annotations

import html
import json
import os
import pathlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from minitorch_rnn.bptt.divergences import Divergence
from minitorch_rnn.column import Column
from minitorch_rnn.errors import DataError
from minitorch_rnn.nn import ColumnNetwork
from minitorch_rnn.teaching.draw import draw
from minitorch_rnn.teaching.recording.recorded import Recording, record

__all__ = ["Page", "explain"]


class Page:
    """What `explain` made.

    Attributes:
        recording: the run that it shows.
        html: the whole page.

    >>> from minitorch_rnn.column import elman
    >>> explain(elman(1, 2, 1), steps=2)
    Page('elman: squared error', T=2, steps=44)
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        document = recording.document()
        picture = draw(recording.column, recording.T, fold=False).svg()
        self._title = document["title"]
        page = filled({
            "title": html.escape(self._title),
            "style": _part("page.css"),
            "script": _part("card.js") + "\n" + _part("page.js"),
            "recording": embedded(document | {"picture": picture}),
        })  # fmt: skip
        self.html = page.encode("utf-8", "replace").decode("utf-8")  # names may hold surrogates

    def write(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the page into a file, and return its path.

        Raises:
            DataError: naming the file, if it cannot be written.
        """
        file = pathlib.Path(path)
        try:
            file.write_bytes(self.html.encode("utf-8"))
        except OSError as cause:
            raise DataError(f"{path}: cannot be written: {cause.strerror or cause}.") from cause
        return file

    def _repr_html_(self) -> str:
        inside = html.escape(self.html, quote=True)
        return (
            f'<iframe srcdoc="{inside}" title="{html.escape(self._title)}" '
            'style="width: 100%; height: 48em; border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Page({self._title!r}, T={self.recording.T}, steps={len(self.recording.steps)})"


def explain(
    network: ColumnNetwork | Column,
    x: Any = None,
    D: Any = None,
    divergence: Divergence | str = "squared error",
    *,
    histories: Mapping[str, Any] | None = None,
    steps: int = 4,
    seed: int = 0,
) -> Page:
    """A page that shows every operation of a run, forward and backward, with its numbers.

    Arguments and errors are those of `record`: without data, small numbers are drawn.

    >>> import minitorch_rnn as mt
    >>> network = mt.nn.ColumnNetwork(mt.column.state_space(2, 3, 1))
    >>> page = explain(network, mt.ones(3, 2), mt.zeros(3, 1))
    >>> page.html.startswith("<!doctype html>"), page.recording.T
    (True, 3)
    """
    return Page(record(network, x, D, divergence, histories=histories, steps=steps, seed=seed))


def embedded(document: Any) -> str:
    """JSON that can stand inside a script element: no "</" or "<!--" in it ends the element.

    >>> embedded({"a": "</script>"})
    '{"a":"<\\\\/script>"}'
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def filled(values: Mapping[str, str]) -> str:
    """page.html with its placeholders filled; what is filled in is not looked through again.

    >>> page = filled({"title": "{{style}}", "style": "", "script": "", "recording": "{}"})
    >>> "<h1>{{style}}</h1>" in page
    True
    """
    parts = _part("page.html").split("{{")
    found = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}}")
        found += [values[name], rest]
    return "".join(found)


def _part(name: str) -> str:
    folder = resources.files("minitorch_rnn.teaching.page")
    return folder.joinpath(name).read_text(encoding="utf-8")
