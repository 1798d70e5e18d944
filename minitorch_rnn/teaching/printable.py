"""Text that others have written, as a terminal or a source file can show it."""

__all__ = ["printable"]


def printable(text: str, but: str = "", kept: str = "") -> str:
    """`text` with � for what breaks a line, moves a cursor or has no place in UTF-8.

    Args:
        text: a name, or what a program printed.
        but: other characters that are replaced as well.
        kept: characters that stay, such as a line break.

    >>> printable("a\\nb \\x1b[2J", kept="\\n")
    'a\\nb �[2J'
    """
    shown = (c in kept or (c.isprintable() and c not in but) for c in text)
    return "".join(c if ok else "\ufffd" for c, ok in zip(text, shown, strict=True))
