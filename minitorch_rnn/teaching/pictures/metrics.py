"""How wide a text is in DejaVu Sans: a table of advances, so that a layout needs no font file."""

from __future__ import annotations

import unicodedata

__all__ = ["ASCENT", "DESCENT", "text_width"]

ASCENT, DESCENT = 0.76, 0.24  # of letters, in parts of the size, above and below the baseline

# Advance in thousandths of the size, and the characters that have it; upright, then bold.
_UPRIGHT = {
    275: "'", 278: "ijl", 295: "IJ", 318: " ,.·’", 337: "/:;\\|", 352: "f", 361: "-", 385: "ᵀ",
    390: "()[]", 392: "t", 401: "!²³¹⁰", 411: "r", 460: '"', 500: "*_`‖°–", 502: "▸", 517: "∂",
    518: "“”", 521: "s", 525: "z", 528: "⁻", 531: "?", 541: "ε", 550: "c", 557: "L", 575: "F",
    579: "k", 592: "vxyγλ", 602: "πτ", 603: "P", 611: "TY", 612: "oöδθ", 613: "aä", 615: "eé",
    630: "ß", 632: "EΣ", 634: "hnuüσ", 635: "Sbdgpq", 636: "$0123456789{}μ", 637: "√", 638: "β",
    656: "K", 659: "α", 660: "φ", 669: "∇", 674: "∑", 684: "AVΔ", 685: "XZ", 686: "B", 695: "R",
    698: "C", 732: "U", 748: "N", 752: "H", 757: "∏", 770: "D", 775: "G", 780: "&", 787: "OQ",
    818: "w", 833: "∞", 837: "ω", 838: "#+<=>^~×→←↔−±≤≥✓", 863: "M", 950: "%", 974: "m", 989: "W",
    1000: "@…—",
}  # fmt: skip
_BOLD = {
    306: "'", 343: "ijl", 348: " ", 365: "/\\|", 372: "IJ", 380: ",.·’", 400: ":;", 415: "-",
    430: "ᵀ", 435: "f", 438: "²³¹⁰", 456: "!", 457: "()[]", 478: "t", 493: "r", 500: "_`‖°–",
    502: "▸", 521: '"', 523: "*", 528: "⁻", 544: "∂", 557: "ε", 580: "?", 582: "z", 593: "c",
    595: "s", 633: "λ", 637: "L", 638: "τ", 645: "x", 652: "vy", 657: "“”", 665: "k", 667: "√",
    675: "aä", 678: "eé", 681: "γ", 682: "T", 683: "EFΣ", 687: "oöαδθ", 696: "$0123456789",
    697: "∇", 712: "hnu{}ü", 716: "bdgpqβ", 718: "∑", 719: "ß", 720: "S", 724: "Y", 725: "Z",
    733: "P", 734: "C", 736: "μ", 762: "B", 770: "R", 771: "X", 774: "AVΔ", 775: "K", 779: "σ",
    782: "φ", 787: "∏", 791: "π", 812: "U", 821: "G", 830: "D", 833: "∞", 837: "HN",
    838: "#+<=>^~×→←↔−±≤≥✓", 850: "OQ", 869: "ω", 872: "&", 924: "w", 995: "M", 1000: "@…—",
    1002: "%", 1042: "m", 1103: "W",
}  # fmt: skip
_ADVANCE = {
    bold: {character: width / 1000 for width, some in table.items() for character in some}
    for bold, table in ((False, _UPRIGHT), (True, _BOLD))
}


def text_width(text: str, size: float = 14.0, bold: bool = False) -> float:
    """The width of a line of text, in the unit of `size`.

    What the table lacks counts as wide, so that it fits, too.

    >>> round(text_width("h(t-1)", 10), 2), round(text_width("h(t-1)", 10, bold=True), 2)
    (28.03, 32.15)
    """
    return size * sum(_advance(character, bold) for character in text)


def _advance(character: str, bold: bool) -> float:
    known = _ADVANCE[bold].get(character)
    if known is not None:
        return known
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    return 1.1 if bold else 1.0
