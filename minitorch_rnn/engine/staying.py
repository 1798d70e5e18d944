"""Where a tensor must not leave the graph: a backward that is to be differentiated once more.

A value that is taken out of the graph there, such as by `.data`, `detach()`, `item()` or under
`no_grad`, would count as a constant, and the second derivative would be wrong without a word.
"""

from contextvars import ContextVar

_whose: ContextVar[str] = ContextVar("whose", default="")


class staying:
    """Inside the block, refuse that a recorded tensor leaves the graph of the operation `name`.

    An empty name allows it again.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(1.0, requires_grad=True)
    >>> try:
    ...     with staying("Mine"):
    ...         x.detach()
    ... except NotImplementedError as error:
    ...     print(str(error)[:69])
    second derivative of Mine: its backward leaves the graph by detach(),
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._before = _whose.set(self._name)

    def __exit__(self, *error: object) -> None:
        _whose.reset(self._before)


def check_staying(way: str) -> None:
    """Raise if a recorded tensor is about to leave by `way` where it must not.

    Raises:
        NotImplementedError: naming the operation whose second derivative would be wrong.
    """
    if name := _whose.get():
        raise NotImplementedError(
            f"second derivative of {name}: its backward leaves the graph by {way}, and what it "
            "computes there would count as a constant. Compute with tensors; what is constant "
            "indeed may be an array on ctx."
        )
