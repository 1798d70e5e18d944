"""`draw_graph`: the autograd graph of any tensor as a picture, folded where it repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch_rnn.teaching.pictures.colours import FAINT, INK, LOOKS, PAPER
from minitorch_rnn.teaching.pictures.graphs.cards import Card, Chip, card_of, chip_of, names_of
from minitorch_rnn.teaching.pictures.graphs.folding import folded
from minitorch_rnn.teaching.pictures.graphs.layout import Size, laid_out
from minitorch_rnn.teaching.pictures.graphs.nodes import bytes_text, graph_of
from minitorch_rnn.teaching.pictures.picture import Picture, text_width

__all__ = ["draw_graph"]

HEAD, LINE, LEADING, PAD = 13.0, 11.0, 15.0, 8.0  # sizes of text, and space
TO_CHIP = 18.0  # from a leaf to the box that it enters
BETWEEN_CHIPS = 5.0
PORT = 12.0
SHEETS = 8.0  # how far the sheets behind a fold stick out
LEGEND = {
    "operation": "operation: shape of its result · bytes kept",
    "fold": "several operations in one box",
    "output": "the tensor that is drawn",
    "leaf": "leaf that requires a gradient",
    "constant": "constant: no gradient flows there",
}


def draw_graph(tensor: Any, names: Any = None, places: Any = None, fold: Any = True) -> Picture:
    """The autograd graph behind a tensor: what was computed runs down, gradients run back up.

    A box is an operation, with the shape of its result and the bytes that the graph keeps through
    it for the walk back. Leaves enter from the left, a shared one at each of its users. Where
    `.grad` is set, ∇ has its numbers, or ‖∇‖ its norm if they are more than 4; of a leaf at its
    first user. What repeats over time is one box in its middle: the first two and the last two
    steps stay in sight.

    Args:
        tensor: the end of the graph, such as a loss.
        names: of leaves: a Module, or a mapping of names to Tensors.
        places: what ``autograd.record_places`` gave, so that boxes show the module and the time
            step, and are folded by them; None finds repetitions by their operations and shapes.
        fold: True; False for a box of each operation, up to 2,000; "modules" for a box of each
            module, or of each node of a column.

    Raises:
        GraphError: if a backward walk has freed the graph, or if `fold` is False and it is long.
        DTypeError: if `tensor` is no Tensor.
        TypeError: if `names` is neither a Module nor a mapping.
        ValueError: if `fold` is something else.

    >>> import minitorch_rnn as mt
    >>> w = mt.tensor([0.5, -0.5], requires_grad=True)
    >>> h = mt.tensor([1.0, 1.0])
    >>> for t in range(200):
    ...     h = mt.tanh(w * h)
    >>> picture = draw_graph(h.sum(), names={"w": w})
    >>> picture.title
    'graph of sum: 401 operations in 10 boxes'
    >>> "196 × (multiply, tanh)" in picture.svg()
    True
    """
    graph, known = graph_of(tensor), names_of(names)
    groups, links = folded(graph, places, fold)
    shown: set[int] = set()
    end = len(graph.nodes) - 1
    cards = [card_of(graph, group, known, shown, end in group.members) for group in groups]
    if not cards:
        return _of_leaf(chip_of(tensor, known, shown))
    ports = {link: _port(count) for link, count in links.items()}
    room = [0.0] * len(cards)
    for (_, target), width in ports.items():
        room[target] += width
    sizes = [_size(card, width) for card, width in zip(cards, room, strict=True)]
    layout = laid_out(sizes, list(links), ports)
    n, name = len(graph.nodes), graph.nodes[-1]._op.name  # type: ignore[union-attr]
    boxes = f" in {len(groups):,} boxes" if len(groups) < n else ""
    picture = Picture(
        f"graph of {name}: {n:,} operation{'s' * (n > 1)}{boxes}",
        f"The graph keeps {bytes_text(sum(graph.saved))} for the walk back. From top to bottom: "
        + "; ".join(card.title for card in cards),
    )
    for (source, target), points in layout.lines.items():
        with picture.group(edge=f"{source}->{target}"):
            picture.path(points, stroke=FAINT, arrow=True, curved=True)
            if (count := links[source, target]) > 1:
                x, y = points[-1]
                picture.text(x + 6, y - 5, f"×{count}", size=10, anchor="start", colour=INK)
    for k, (card, size, centre) in enumerate(zip(cards, sizes, layout.centres, strict=True)):
        with picture.group(node=k, kind=card.kind, title=card.title):
            _draw(picture, card, size, *centre)
    kinds = {card.kind for card in cards} | {chip.kind for card in cards for chip in card.chips}
    _legend(picture, [kind for kind in LEGEND if kind in kinds])
    return picture


def _port(count: int) -> float:
    return PORT if count == 1 else 2 * (8 + text_width(f"×{count}", 10))


def _chip_size(chip: Chip) -> tuple[float, float]:
    width = max(text_width(line, LINE) for line in chip.lines) + 2 * PAD + 4
    return width, len(chip.lines) * LEADING + 5


def _box_width(card: Card) -> float:
    wide = max([text_width(line, LINE) for line in card.lines], default=0.0)
    return max(wide, text_width(card.head, HEAD, bold=True)) + 2 * PAD


def _size(card: Card, ports: float) -> Size:
    """The space of a box with its leaves; the line through it is the middle of the box itself."""
    width = max(_box_width(card), ports + PAD)
    height = (1 + len(card.lines)) * LEADING + PAD
    chips = [_chip_size(chip) for chip in card.chips]
    beside = TO_CHIP + max(wide for wide, _ in chips) if chips else 0.0
    stacked = sum(high for _, high in chips) + BETWEEN_CHIPS * max(len(chips) - 1, 0)
    right = width / 2 + (SHEETS if card.kind == "fold" else 0.0)
    return Size(width / 2 + beside, right, max(height, stacked))


def _draw(picture: Picture, card: Card, size: Size, x: float, y: float) -> None:
    chips = [_chip_size(chip) for chip in card.chips]
    beside = TO_CHIP + max(wide for wide, _ in chips) if chips else 0.0
    width = 2 * (size.left - beside)
    left, top = x - width / 2, y - size.height / 2
    _outline(picture, card.kind, left, top, width, size.height)
    line = y - (1 + len(card.lines)) * LEADING / 2 + LEADING - 3.5
    picture.text(x, line, card.head, size=HEAD, bold=True)
    for text in card.lines:
        line += LEADING
        picture.text(x, line, text, size=LINE)
    at = y - (sum(high for _, high in chips) + BETWEEN_CHIPS * (len(chips) - 1)) / 2
    for chip, (wide, high) in zip(card.chips, chips, strict=True):
        edge = left - TO_CHIP
        with picture.group(leaf=chip.lines[0], kind=chip.kind, title=chip.title):
            _chip(picture, chip, edge - wide, at, wide, high)
            middle = at + high / 2
            picture.path([(edge, middle), (left, middle)], stroke=FAINT, arrow=True)
        at += high + BETWEEN_CHIPS


def _outline(picture: Picture, kind: str, x: float, y: float, width: float, height: float) -> None:
    if kind in ("leaf", "constant"):
        look, round_off = LOOKS["input" if kind == "leaf" else "history"], min(height / 2, 12.0)
        picture.rectangle(
            x, y, width, height, fill=look.fill, stroke=look.stroke, radius=round_off,
            dashed=kind == "constant",
        )  # fmt: skip
        return
    if kind == "fold":
        sheets = min(SHEETS, height / 4)
        for off in (sheets, sheets / 2):
            picture.rectangle(
                x + off, y + off, width, height - 2 * off, fill=PAPER, stroke=LOOKS["layer"].stroke
            )
    fill = {"operation": PAPER, "fold": LOOKS["layer"].fill, "output": LOOKS["output"].fill}[kind]
    thick = 2.5 if kind == "output" else 1.2
    picture.rectangle(x, y, width, height, fill=fill, stroke=INK, stroke_width=thick)


def _chip(picture: Picture, chip: Chip, x: float, y: float, width: float, height: float) -> None:
    _outline(picture, chip.kind, x, y, width, height)
    for i, text in enumerate(chip.lines):
        picture.text(x + width / 2, y + (i + 1) * LEADING - 1.5, text, size=LINE)


def _legend(picture: Picture, kinds: Sequence[str]) -> None:
    """A sample of each kind of box that occurs, below the picture."""
    canvas = picture.canvas
    left, top = canvas.left + 12.0, canvas.bottom + 6.0
    with picture.group(legend="graph"):
        for kind in kinds:
            _outline(picture, kind, left, top, 24, 16)
            picture.text(left + 42, top + 12, LEGEND[kind], size=LINE, anchor="start")
            top += 22
        picture.path([(left + 12, top - 2), (left + 12, top + 18)], stroke=FAINT, arrow=True)
        told = "the way forward; gradients flow against the arrows, ∇ is .grad"
        picture.text(left + 42, top + 12, told, size=LINE, anchor="start")


def _of_leaf(chip: Chip) -> Picture:
    picture = Picture(f"a leaf: {chip.title}", "No recorded operation produced this tensor.")
    with picture.group(leaf=chip.lines[0], kind=chip.kind, title=chip.title):
        _chip(picture, chip, 0.0, 0.0, *_chip_size(chip))
    return picture
