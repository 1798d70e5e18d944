"""A whole time loop in one kernel, which keeps the weights on the chip: how it divides the work.

A GPU forgets its shared memory when a kernel ends, so a step that is a kernel reads all weights
again. `persistent.cu` is one kernel for all steps. Each of its blocks has a processor for itself
and keeps the weights of some units; the blocks that compute the same sequences wait for each other
after every step, unless one block has all units. The weights fit if a block has room for

    (columns · width + 2 · 8 · 132) · 4 bytes        in float32, columns of K numbers:
    forward   columns = G ceil(H / processors),  K = H
    backward  columns =   ceil(H / processors),  K = G H

where columns are rounded up to a multiple of 4, and width is K rounded up to a multiple of 32, and
4 more, so that columns begin in different banks; the rest is two tiles of 8 sequences. On an H100,
132 processors with 227 KiB each, these are the largest H:

    float32   tanh, relu 2640    GRU forward 1536, backward 1546    LSTM forward 1320, backward 1160
    float64   tanh, relu 1776    GRU forward 1056, backward 1056    LSTM forward 924, backward 888
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.backend import Device
from minitorch_rnn.nn.gpu.layouts import LAYOUTS

__all__ = ["Plan", "fits", "loop", "plan"]

# As in persistent.cu: bytes of a vector and of a tile's row; sums of a thread; threads.
_VECTOR, _TILE, _COLUMNS_EACH, _MOST_THREADS = 16, 512, 4, 512


class Plan(NamedTuple):
    """How the blocks divide a step among them.

    Attributes:
        rows: sequences of a group of blocks.
        chunk: how many of them a block computes at a time.
        units: of a block.
        slices: into which a block divides each sum, for different threads.
        blocks, threads, shared: the grid, and bytes of shared memory of a block.
    """

    rows: int
    chunk: int
    units: int
    slices: int
    blocks: int
    threads: int
    shared: int


def loop(
    device: Device, source: str, mode: str, way: str, B: int, H: int, dtype: Any, xp: Any
) -> Callable[..., None] | None:
    """All steps of a sequence, or of a part of it, as one launch.

    Args:
        device, xp: where, and the library of its arrays.
        source: of all kernels, for arrays of `dtype`.
        mode, way: a key of `LAYOUTS`; "forward" or "backward".
        B, H: batch and hidden size.
        dtype: float32 or float64.

    Returns:
        ``(table, weight, T)``, backward ``(table, weight, T, through)``: runs T steps from the
        table's t on. `weight` is the copy of W_hh, (G, H, H); `through` receives dDIV/dh(-1) as far
        as it comes through W_hh, (B, H). None if the weights do not fit on this device.
    """
    found = plan(device.processors, device.shared_memory, way, mode, B, H, np.dtype(dtype).itemsize)
    if found is None:
        return None
    kernel = device.kernel(source, f"{way}_loop_{mode}", cooperative=True)
    if found.blocks > device.resident(kernel, found.threads, found.shared):
        return None

    def run(table: Any, weight: Any, T: int, *through: Any) -> None:
        # The steps that each block has done are counted here; a group has a cache line for itself.
        arrived = xp.zeros((-(-B // found.rows), 32), np.int32)
        args = (table, weight, *through, arrived, T, *found[:4])
        kernel(found.blocks, found.threads, args, found.shared)

    return run


def fits(device: Device, mode: str, B: int, H: int, dtype: Any) -> bool:
    """Whether the weights of a layer fit on the chip, both ways; the arguments are those of `loop`.

    >>> from types import SimpleNamespace
    >>> h100 = SimpleNamespace(processors=132, shared_memory=227 << 10)
    >>> [fits(h100, "lstm", 64, H, "float32") for H in (1024, 2048)]
    [True, False]
    """
    chip, itemsize = (device.processors, device.shared_memory), np.dtype(dtype).itemsize
    return all(plan(*chip, way, mode, B, H, itemsize) for way in ("forward", "backward"))


def plan(
    processors: int, shared_memory: int, way: str, mode: str, B: int, H: int, itemsize: int
) -> Plan | None:
    """The best division of a step among blocks, as far as that can be told on paper.

    Few units in a block make its share of the weights small; but each block reads its rows of
    h(t-1) or d(t+1) whole, so many units and few rows leave less to read.

    >>> plan(132, 227 << 10, "forward", "lstm", 32, 128, 4)
    Plan(rows=4, chunk=8, units=8, slices=16, blocks=128, threads=128, shared=33792)
    """
    G = LAYOUTS[mode].gates
    K, of_unit = (H, G) if way == "forward" else (G * H, 1)
    found = []
    for parts in range(1, min(H, processors) + 1):
        units, groups = -(-H // parts), min(B, processors // parts)
        if parts > 1 and units == -(-H // (parts - 1)):
            continue  # no fewer units than with fewer parts
        rows = -(-B // groups)
        for chunks in range(1, rows + 1):
            blocks = -(-B // rows) * parts
            one = _divided(
                shared_memory, rows, -(-rows // chunks), units, blocks, K, of_unit, itemsize
            )
            if one is not None:
                found.append((_clocks(one, parts, K, of_unit, itemsize), one))
                break
    return min(found)[1] if found else None


def _divided(
    shared_memory: int,
    rows: int,
    chunk: int,
    units: int,
    blocks: int,
    K: int,
    of_unit: int,
    itemsize: int,
) -> Plan | None:
    """A plan whose chunks have at least so many rows, if it fits."""
    vector, rows_each = _VECTOR // itemsize, 32 // itemsize
    columns = -(-units * of_unit // _COLUMNS_EACH) * _COLUMNS_EACH
    width = -(-K // (8 * vector)) * 8 * vector + vector
    chunk = -(-chunk // rows_each) * rows_each
    weights, tiles = columns * width * itemsize, 2 * chunk * (_TILE + _VECTOR)
    sums = chunk * (columns + 1) * itemsize  # of a slice; they take the place of the tiles
    threads = chunk // rows_each * (columns // _COLUMNS_EACH)  # of a slice
    # A slice has two vectors of a row at least, so that it is worth adding to the others.
    useful = max(1, min(K * itemsize, _TILE) // (2 * _VECTOR))
    most = min(useful, _MOST_THREADS // threads, (shared_memory - weights) // sums)
    if most < 1 or weights + tiles > shared_memory:
        return None
    slices = 1 << (most.bit_length() - 1)
    shared = weights + max(tiles, slices * sums)
    return Plan(rows, chunk, units, slices, blocks, slices * threads, shared)


def _clocks(plan: Plan, parts: int, K: int, of_unit: int, itemsize: int) -> float:
    """What a step takes, about: the sum of what its parts would take alone.

    A processor reads 128 bytes a clock from its shared memory and, while all others do so too,
    about 22 from the L2 cache (H100: 5.5 TB/s in all). A thread makes a multiplication in a clock
    if it has its numbers, which takes 40. To wait for other blocks takes 1 us.
    """
    rows_each, chunks = 32 // itemsize, -(-plan.rows // plan.chunk)
    used = -(-min(plan.rows, plan.chunk) // (plan.chunk // rows_each))
    used = 1 << (used - 1).bit_length()  # of the rows of a thread
    vectors = -(-K * itemsize // _VECTOR // plan.slices)
    reading = plan.threads * (used + _COLUMNS_EACH) * _VECTOR / 128
    product = vectors * max(reading, 40 + used * _COLUMNS_EACH * _VECTOR // itemsize)
    sums = plan.rows * plan.units * of_unit * plan.slices * itemsize / 128
    rows = plan.rows * K * itemsize / 22
    return chunks * product + sums + rows + (2000 if parts > 1 else 0)
