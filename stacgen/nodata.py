"""Nodata that video coding has blurred. Pure.

Nodata is code 0. A lossy encoder turns some of it into small codes: patches of 1 far inside, and
a seam of somewhat larger ones along the edge.
"""

import numpy as np
from numpy.typing import NDArray

from stacgen.models import row_blocks

_BLOCK_ROWS = 256


def leaked(codes: NDArray[np.uint16] | NDArray[np.uint8], *, up_to: int) -> NDArray[np.intp]:
    """Pixels of code 1 to `up_to` that touch nodata, at once or through others like them.

    Two pixels touch along an edge or at a corner. The search spreads from nodata as a front, so
    that its cost is one pass over the pixels and then that of the leak alone.

    Args:
        codes: (rows, columns).
        up_to: The largest code that may be a leak; valid pixels seen so far start near 100.

    Returns:
        (pixels,) indices into the flattened frame, ascending.
    """
    rows, columns = codes.shape
    open_pixels = np.zeros((rows + 2, columns + 2), np.bool_)
    np.less_equal(codes, up_to, out=open_pixels[1:-1, 1:-1])
    front = _beside_nodata(codes, open_pixels)
    width = columns + 2
    steps = np.array([dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx])
    is_open = open_pixels.reshape(-1)
    found: list[NDArray[np.intp]] = []
    is_open[front] = False
    while front.size:
        found.append(front)
        neighbours = (front[:, None] + steps).reshape(-1)
        front = np.unique(neighbours[is_open[neighbours]])
        is_open[front] = False
    padded = np.concatenate(found) if found else np.empty(0, np.intp)
    return np.sort((padded // width - 1) * columns + padded % width - 1)


def _beside_nodata(
    codes: NDArray[np.uint16] | NDArray[np.uint8], open_pixels: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Open pixels next to code 0, as indices into the padded frame; code 0 itself is closed."""
    rows, width = codes.shape[0], open_pixels.shape[1]
    nodata = np.zeros(open_pixels.shape, np.bool_)
    np.equal(codes, 0, out=nodata[1:-1, 1:-1])
    open_pixels &= ~nodata
    fronts = []
    for block in row_blocks(rows, _BLOCK_ROWS):
        near = nodata[block.start : block.stop + 2].copy()
        near[:, 1:] |= nodata[block.start : block.stop + 2, :-1]
        near[:, :-1] |= nodata[block.start : block.stop + 2, 1:]
        touched = near[:-2] | near[1:-1] | near[2:]
        touched &= open_pixels[block.start + 1 : block.stop + 1]
        fronts.append(np.flatnonzero(touched) + (block.start + 1) * width)
    return np.concatenate(fronts)
