"""What a GPU can do that a library of arrays cannot: kernels, products in place, graphs, clocks.

`cuda` does it with CuPy. A stand-in that does the same on the host lets the tests run every road
through it without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from minitorch_rnn.errors import BackendError

__all__ = ["Device", "Launch", "Memory"]


class Launch(Protocol):
    """A compiled kernel: a call puts it into the current stream and does not wait for it."""

    def __call__(self, blocks: int, threads: int, args: tuple[Any, ...], shared: int = 0) -> None:
        """Run it.

        Args:
            blocks, threads: how many, in one dimension.
            args: arrays (their pointers are passed), integers (as `int`), None (a null pointer).
            shared: bytes of dynamic shared memory of each block.
        """


class Memory(Protocol):
    """What was allocated while somebody watched; bytes."""

    peak: int


class Device(Protocol):
    """A GPU.

    Attributes:
        name: as its maker calls it.
        processors: how many multiprocessors it has.
        shared_memory: bytes of shared memory that one block may use at most.
    """

    name: str
    processors: int
    shared_memory: int

    def check(self, array: Any) -> None:
        """Raise a BackendError for an array of another GPU, with which this one cannot compute."""

    def explain(self, who: str, error: BaseException) -> BackendError | None:
        """What an error means that the device raised while `who` computed; None for any other."""

    def kernel(self, source: str, name: str, *, cooperative: bool = False) -> Launch:
        """The function `name` of CUDA C++ source, compiled once.

        Args:
            source: the whole source. Functions are ``extern "C"``.
            name: of the function.
            cooperative: whether its blocks wait for each other, so that all must run at once.
        """

    def resident(self, kernel: Launch, threads: int, shared: int) -> int:
        """How many blocks of a kernel can run at once: the most that a cooperative one may have."""

    def product(self, a: Any, b: Any, out: Any, *, tf32: bool = False) -> None:
        """out = a b, without an allocation.

        Args:
            a, b: (M, K) and (K, N), of one dtype. Along one axis of each, elements lie side by
                side.
            out: (M, N), rows side by side; of the same dtype, or float32 where a and b are float16.
            tf32: whether float32 factors may be rounded to 10 bits of mantissa. Sums are float32.
        """

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record the kernels and products that `work` launches, without running them.

        Returns:
            What runs them all with one call, in the current stream and at the same addresses. It
            does not keep their arrays alive.
        """

    def stream(self) -> Hashable:
        """Which device and stream work goes to now; what is in one stream runs in its order."""

    def synchronize(self) -> None:
        """Wait until the device has done everything."""

    def now(self) -> Any:
        """A mark in the current stream, for `seconds`."""

    def seconds(self, start: Any, end: Any) -> float:
        """The time of the device between two marks; waits for the second."""

    def allocated(self) -> int:
        """Bytes that arrays hold now."""

    def watched(self) -> AbstractContextManager[Memory]:
        """Inside the block, the most bytes that arrays held at one time, in `peak`."""
