"""How many threads BLAS uses: one, in a loop over products that are too small to be shared.

Of a product of a few million multiplications two threads make little or nothing, and each waits for
the other: when anybody else uses one of the cores, a product of 50 microseconds can take
milliseconds. Needs threadpoolctl (extra `app`); without it BLAS decides.
"""

from __future__ import annotations

from functools import cache
from typing import Any

# Multiplications in one product. With OpenBLAS 0.3.31 on two free cores, two threads took 1.0 times
# as long as one at 2 million, 0.9 at 8 and 0.7 at 67 million.
_WORTH_SHARING = 1 << 23


class unshared:
    """Inside the block BLAS uses one thread, if products of this size gain nothing from more.

    >>> with unshared(32 * 128 * 128):
    ...     pass
    """

    def __init__(self, multiplications: int) -> None:
        self._small = multiplications < _WORTH_SHARING
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        if self._small:
            found = [(library, library.num_threads) for library in _libraries()]
            self._before = [(library, n) for library, n in found if n > 1]
            for library, _ in self._before:
                library.set_num_threads(1)

    def __exit__(self, *error: object) -> None:
        for library, n in self._before:
            library.set_num_threads(n)


@cache
def _libraries() -> list[Any]:
    """The BLAS of NumPy, or, where it cannot be told from others, all that are loaded."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return []
    found = [
        library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"
    ]
    return [library for library in found if "numpy" in library.filepath] or found
