"""How a scan computes on a GPU: the precision of its products, and what drives its time loop."""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple

__all__ = ["Options", "options", "scan_options"]

_PRODUCTS = ("float32", "tf32", "float16")
_LOOPS = ("captured", "launched", "persistent")


class Options(NamedTuple):
    """What `scan_options` sets."""

    products: str = "float32"
    loop: str = "captured"


_current = Options()


def options() -> Options:
    """The options in force."""
    return _current


class scan_options:
    """Choose how RNN, LSTM and GRU compute on a GPU; as a context manager, only inside the block.

    What is not named stays as it is. Arrays of the host, float64, and layers that are unrolled step
    by step know no such choice. The backward pass of a layer uses the options of its forward pass.

    Args:
        products: of matrices in float32. "float32", the default, rounds nothing. "tf32" lets
            factors be rounded to 10 bits of mantissa, with the range of float32. "float16" makes
            the factors of the forward pass float16 (10 bits, 6e-8 to 65504; larger ones become
            inf), and those of the backward pass tf32, since gradients are often below that range.
            Sums are float32 always, and so is everything that is no product.
        loop: "captured", the default, records some time steps as a CUDA graph once for each cell,
            batch and size, and replays them. "launched" launches every kernel of every step.
            "persistent" is one kernel for all steps, which keeps the weights on the chip, where
            they fit, and "captured" where they do not; its products with W_hh are always float32.

    Raises:
        ValueError: for an unknown value, and for a persistent loop with other products.

    >>> import minitorch_rnn as mt
    >>> with mt.nn.scan_options(products="tf32"):
    ...     y, h_n = mt.nn.LSTM(3, 5)(mt.ones(7, 4, 3))
    """

    def __init__(self, *, products: str | None = None, loop: str | None = None) -> None:
        global _current
        chosen = Options(products or _current.products, loop or _current.loop)
        for what, value, known in zip(Options._fields, chosen, (_PRODUCTS, _LOOPS), strict=True):
            if value not in known:
                raise ValueError(
                    f"scan_options: {what} is {value!r}; known are {', '.join(map(repr, known))}."
                )
        if chosen.loop == "persistent" and chosen.products != "float32":
            raise ValueError(
                f"scan_options: a persistent loop has float32 products, and {chosen.products!r} is "
                "set; give products='float32' or loop='captured'."
            )
        self._before, self._chosen = _current, chosen
        _current = chosen

    def __enter__(self) -> Options:
        global _current
        _current = self._chosen
        return _current

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _current
        _current = self._before
