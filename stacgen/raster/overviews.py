"""Overviews by averaging, 0 being nodata: each pixel is the mean of the valid ones under it. Pure.

No level is made from the rounded one before. Sums and counts are handed on instead, so a mean is
that of the frame's own pixels at every level, and scattered nodata does not weigh in it. It is bit
for bit GDAL's average as far as sizes are halved without a remainder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacgen.model.raster import row_blocks

Level = NDArray[np.uint16]
"""(rows, columns) of digital numbers; 0 is nodata."""

_BLOCK_PIXELS = 1 << 17
"""Of the frame, a pass: what a pass needs then stays in the cache of one core."""


def levels(pixels: Level, count: int) -> list[Level]:
    """That many overviews over a square frame, each of half the size, the largest first.

    A level of 2n - 1 pixels has one of n over it: it covers the same ground, so each of its pixels
    takes in a little less than two by two, and those at its edge by the part that lies under it.

    >>> levels(np.array([[1, 2], [3, 0]], np.uint16), 1)[0].tolist()
    [[2]]
    """
    size = pixels.shape[0]
    even = min(count, (size & -size).bit_length() - 1)  # how often it is halved without remainder
    found = [np.empty((size >> n, size >> n), np.uint16) for n in range(1, even + 1)]
    rest = _Means.of(size >> even, number=4**even) if count > even else None
    for rows in row_blocks(size >> even, max(1, _BLOCK_PIXELS // (size << even))):
        block = pixels[rows.start << even : rows.stop << even]
        total = block.astype(np.uint32)
        valid = None if block.all() else (block > 0).astype(np.uint32)
        for n, level in enumerate(found, 1):
            total, valid = _two_by_two(total), None if valid is None else _two_by_two(valid)
            _mean(total, valid, 4**n, out=level[rows.start << even - n : rows.stop << even - n])
        if rest is not None:
            rest.put(rows, total, valid)
    return found if rest is None else [*found, *rest.halvings(count - even)]


def _two_by_two(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    pairs = values[0::2] + values[1::2]
    total: NDArray[np.uint32] = pairs[:, 0::2] + pairs[:, 1::2]
    return total


def _mean(sums: NDArray[Any], counts: NDArray[Any] | None, number: float, *, out: Level) -> None:
    """Sums by counts, or by `number` where every pixel counts; halves are rounded up."""
    if counts is not None:
        means = np.divide(sums, counts, out=np.zeros(sums.shape, np.float32), where=counts > 0)
        np.add(means, np.float32(0.5), out=out, casting="unsafe")
    elif sums.dtype == np.uint32:
        shift = int(number).bit_length() - 1
        np.right_shift(sums + np.uint32(number // 2), shift, out=out, casting="unsafe")
    else:
        np.add(sums * np.float32(1 / number), np.float32(0.5), out=out, casting="unsafe")


@dataclass(slots=True)
class _Means:
    """A level as sums and counts, from the first on of an odd size."""

    sums: NDArray[np.float32]
    counts: NDArray[np.float32] | None
    """None where every pixel counts."""

    number: float
    """Pixels of the frame that go into one, where all of them count."""

    @classmethod
    def of(cls, size: int, *, number: int) -> "_Means":
        """None of it known yet."""
        return cls(np.empty((size, size), np.float32), None, number)

    def put(self, rows: slice, sums: NDArray[np.uint32], counts: NDArray[np.uint32] | None) -> None:
        """Take in some rows."""
        self.sums[rows] = sums
        if counts is not None and self.counts is None:
            self.counts = np.full_like(self.sums, self.number)
        if self.counts is not None:
            self.counts[rows] = self.number if counts is None else counts

    def halvings(self, count: int) -> Iterator[Level]:
        """So many levels over this one, the largest first."""
        for _ in range(count):
            size = len(self.sums)
            self.sums = _halved(_halved(self.sums).T).T
            self.counts = None if self.counts is None else _halved(_halved(self.counts).T).T
            self.number *= (size / len(self.sums)) ** 2
            level = np.empty(self.sums.shape, np.uint16)
            _mean(self.sums, self.counts, self.number, out=level)
            yield level


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums of rows, two by two; of an odd number, by the part of each that a sum takes in.

    Of 2n - 1 rows sum i takes in the rows from i (2n - 1) / n to (i + 1) (2n - 1) / n: i/n of row
    2i - 1, the whole of row 2i, and (n - 1 - i)/n of row 2i + 1.
    """
    even, odd = values[0::2], values[1::2]
    if len(even) == len(odd):
        return even + odd
    parts = (np.arange(1, len(even))[:, None] / len(even)).astype(np.float32)
    total = even.copy()
    total[:-1] += odd * parts[::-1]
    total[1:] += odd * parts
    return total
