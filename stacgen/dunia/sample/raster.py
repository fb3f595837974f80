"""Reading a 60 m field on a finer grid, a few rows at a time.

A band of 10 m has 120 million pixels: what is computed on it is computed in blocks of rows that
fit the processor's cache, and the fields it rests on are interpolated block by block.
"""

from collections.abc import Callable, Iterator

import numpy as np

from stacgen.dunia.sample.noise import TEXTURE, Field

SIZE = 1830
"""Rows and columns of the 60 m grid, which all bands share."""


class Blocks:
    """The rows of a grid `factor` times finer than 60 m, in blocks; yields slices of its rows.

    >>> sum(rows.stop - rows.start for rows in Blocks(6))
    10980
    """

    def __init__(self, factor: int) -> None:
        """Prepare the weights of linear interpolation; they are the same for every row."""
        self.factor = factor
        self.size = SIZE * factor
        self._few = max(36 // factor**2, 1)
        place = (np.arange(self.size, dtype=np.float32) + 0.5) / factor - np.float32(0.5)
        self._low = np.clip(np.floor(place), 0, SIZE - 2).astype(np.intp)
        self._part = np.clip(place - self._low, 0, 1).astype(np.float32)

    def __iter__(self) -> Iterator[slice]:
        """Slices of rows of the fine grid, from north to south."""
        for row in range(0, SIZE, self._few):
            yield slice(row * self.factor, min(row + self._few, SIZE) * self.factor)

    def read(self, field: Field, rows: slice) -> Field:
        """The 60 m field between its pixels, on rows of the fine grid: (rows, size)."""
        if self.factor == 1:
            return field[rows]
        low, part = self._low[rows], self._part[rows, None]
        strip = field[low[0] : low[-1] + 2]
        left = strip[:, self._low]
        strip = left + (strip[:, self._low + 1] - left) * self._part
        upper = strip[low - low[0]]
        return np.asarray(upper + (strip[low - low[0] + 1] - upper) * part, dtype=np.float32)


def woven(pattern: Field, *, top: int = 0, left: int = 0) -> Callable[[slice, int], Field]:
    """A texture without end: gives its rows, as wide as asked for, from `top` and `left` on.

    >>> from stacgen.dunia.sample.noise import texture
    >>> woven(texture("grain", slope=0))(slice(1020, 1030), 3000).shape
    (10, 3000)
    """

    def read(rows: slice, width: int) -> Field:
        lines = pattern[np.arange(rows.start + top, rows.stop + top) % TEXTURE]
        return np.tile(lines, (1, -(-(width + left) // TEXTURE)))[:, left : left + width]

    return read
