"""Colours that the colour-blind tell apart, and the look of each kind of node.

The hues are those of Okabe and Ito, "Color Universal Design" (2008), darkened where they are lines
on white. No meaning rests on colour alone: outlines and letters repeat it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FAINT", "FIXED", "INK", "LINKS", "LOOKS", "Look", "PAPER"]

PAPER = "#ffffff"
INK = "#1a1a1a"
FAINT = "#6b6b6b"  # of what is only an aid: 5.3 to 1 on white
FIXED = "#555555"  # of links whose weight is not learned

# One colour for each learned weight, over and over if there are more weights than colours.
LINKS = (
    "#0072b2", "#b34700", "#00795a", "#8e3a80", "#7a5c00", "#c0143c", "#3d8f00", "#5b3fb5",
    "#004a75", "#e0651f", "#00574a", "#c065b0", "#a68300", "#7a0022", "#5c6f82", "#8f7ae0",
)  # fmt: skip


class Look(NamedTuple):
    """How a kind of node is drawn.

    Attributes:
        fill, stroke: colours.
        outline: "square", "round", "hexagon", "pill" or "slight".
        says: what the legend calls it.
    """

    fill: str
    stroke: str
    outline: str
    says: str


LOOKS = {
    "input": Look("#cfe8f7", "#00507d", "square", "input"),
    "state": Look("#b9e4d3", "#005a43", "round", "state: read at another time"),
    "layer": Look("#f4f4f4", "#4d4d4d", "round", "layer"),
    "product": Look("#ecd3e6", "#6b2a60", "pill", "product"),
    "memory": Look("#fdf0a6", "#6b5900", "hexagon", "memory: fixed weights"),
    "output": Look("#f7c9a3", "#8a3c00", "round", "output"),
    "history": Look("#ffffff", "#6b6b6b", "slight", "value outside the sequence"),
}
