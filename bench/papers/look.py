"""How the pictures look: 700 pixels wide, on white, lines that differ in grey too."""

from __future__ import annotations

from typing import Any

WIDTH = 7.0  # inches, of 100 pixels
INKS = ("#000000", "#c1440e", "#1b6ca8", "#6a9a1f", "#7b3f9e", "#b8860b")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))


def look(name: str) -> dict[str, Any]:
    """The settings of matplotlib that every picture is drawn with."""
    from cycler import cycler

    return {
        "font.size": 8.5,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=INKS) + cycler(linestyle=DASHES),
        "lines.linewidth": 1.2,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "svg.hashsalt": name,
        "svg.fonttype": "path",
    }
