"""How a scan computes on a GPU: the precision of its products, and what drives its time loop."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.backend.setting import Setting, Switch

__all__ = ["Options", "options", "scan_options"]

_PRODUCTS = ("float32", "tf32", "float16")
_LOOPS = ("captured", "launched", "persistent")


class Options(NamedTuple):
    """What `scan_options` sets."""

    products: str = "float32"
    loop: str = "captured"


_current = Setting(Options())


def options(dtype: Any) -> Options:
    """The options in force for arrays of a dtype: those of float64 are never rounded."""
    chosen = _current.value
    return chosen if dtype == np.float32 else chosen._replace(products="float32")


class scan_options(Switch[Options]):
    """Choose how RNN, LSTM and GRU compute on a GPU; as a context manager, only inside the block.

    What is not named stays as it is, and the setting is one for all threads. On the host, and where
    a layer is unrolled step by step, it changes nothing. The backward pass of a layer uses the
    options of its forward pass.

    Args:
        products: of matrices in float32; those of float64 are never rounded. "float32", the
            default, rounds nothing. "tf32" lets factors be rounded to 10 bits of mantissa, with the
            range of float32. "float16" makes the factors of the forward pass float16 (10 bits, 6e-8
            to 65504; larger ones become inf; fastest where sizes are multiples of 8), and those of
            the backward pass tf32, since gradients are often below that range. Sums are float32
            always, and so is everything that is no product.
        loop: "captured", the default, records some time steps as a CUDA graph once for each cell,
            batch and size, and replays them. "launched" launches every kernel of every step.
            "persistent" is one kernel for all steps, which keeps the weights on the chip, where
            they fit, and "captured" where they do not; it needs products="float32".

    Raises:
        ValueError: for an unknown value, and for a persistent loop with other products.

    >>> import minitorch_rnn as mt
    >>> with mt.nn.scan_options(products="tf32"):
    ...     y, h_n = mt.nn.LSTM(3, 5)(mt.ones(7, 4, 3))
    """

    def __init__(self, *, products: str | None = None, loop: str | None = None) -> None:
        named = {"products": products, "loop": loop}
        chosen = _current.value._replace(**{n: v for n, v in named.items() if v is not None})
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
        super().__init__(_current, chosen)
