"""Nodata that video coding has blurred. Pure.

Nodata is code 0. A lossy encoder turns some of it into small codes: patches of 1 far inside, and
a seam of somewhat larger ones along the edge.
"""

import numpy as np
from numpy.typing import NDArray

from stacgen.models import row_blocks

_BLOCK_ROWS = 256
_OPEN, _LEAKED = 1, 2
"""What a pixel may be, if it is not closed (0): one that a leak may spread to, and a leak."""


def leaked(codes: NDArray[np.uint16] | NDArray[np.uint8], *, up_to: int) -> NDArray[np.bool_]:
    """Pixels of code 1 to `up_to` that touch nodata, at once or through others like them.

    Two pixels touch along an edge or at a corner. The search spreads from nodata as a front, so
    that its cost is one pass over the pixels and then that of the leak alone.

    Args:
        codes: (rows, columns).
        up_to: The largest code that may be a leak; valid pixels seen so far start near 100.

    Returns:
        (rows, columns), True at a leak. Memory beside it is some 20 bytes a leaked pixel.
    """
    rows, columns = codes.shape
    framed = np.zeros((rows + 2, columns + 2), np.uint8)  # so that every pixel has 8 neighbours
    inside = framed[1:-1, 1:-1]
    np.less_equal(codes, up_to, out=inside)
    front = _beside_nodata(codes, framed)
    states = framed.reshape(-1)
    states[front] = _LEAKED
    steps = [dy * (columns + 2) + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    while front.size:
        reached = []
        for step in steps:
            neighbours = front + step
            neighbours = neighbours[states[neighbours] == _OPEN]
            states[neighbours] = _LEAKED
            reached.append(neighbours)
        front = np.concatenate(reached)
    inside //= _LEAKED  # in place: a leak becomes 1, all else 0
    return inside.view(np.bool_)


def _beside_nodata(
    codes: NDArray[np.uint16] | NDArray[np.uint8], framed: NDArray[np.uint8]
) -> NDArray[np.intp]:
    """Open pixels next to code 0, as indices into the framed states; closes code 0 itself."""
    rows, width = codes.shape[0], framed.shape[1]
    fronts = []
    for block in row_blocks(rows, _BLOCK_ROWS):
        first, last = max(block.start - 1, 0), min(block.stop + 1, rows)  # a row more on each side
        nodata = np.zeros((block.stop - block.start + 2, width), np.bool_)
        seen = nodata[first - block.start + 1 : last - block.start + 1, 1:-1]
        np.equal(codes[first:last], 0, out=seen)
        states = framed[block.start + 1 : block.stop + 1]
        states[nodata[1:-1]] = 0
        near = nodata.copy()
        near[:, 1:] |= nodata[:, :-1]
        near[:, :-1] |= nodata[:, 1:]
        touched = near[:-2] | near[1:-1] | near[2:]
        touched &= states == _OPEN
        fronts.append(np.flatnonzero(touched) + (block.start + 1) * width)
    return np.concatenate(fronts)
