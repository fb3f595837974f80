"""Whether the blocks of a decoded picture fit together. Pure.

A bit that has flipped in a coded picture makes the decoder lose its place, and from there on it
paints blocks that have nothing to do with their neighbours. It does not notice, but the edges show.
This is no proof, for the ground has straight edges, too. But it is cheap, and a reason to look.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_BLOCK = 64
"""Pixels a side; the edges of larger and of smaller blocks of HEVC coincide with those of these."""

_STEEP = 2.0
"""Times that a step across an edge is as high as those beside it, to be steep."""

Plane = NDArray[np.uint16] | NDArray[np.uint8]


def jumps(plane: Plane, *, noise: float) -> float:
    """The largest share of steep edges that any row of blocks has to the row above, 0 to 1.

    Args:
        plane: (rows, columns) of codes.
        noise: Codes added to the steps beside an edge, which may be next to none.
    """
    rows, columns = plane.shape
    edges = np.arange(_BLOCK, rows - 1, _BLOCK)
    wide = columns // _BLOCK * _BLOCK
    if not edges.size or not wide:
        return 0.0
    lines = [plane[edges + offset, :wide].astype(np.int32) for offset in (-2, -1, 0, 1)]
    above, across, below = (
        np.abs(after - before).reshape(edges.size, -1, _BLOCK).mean(axis=2)
        for before, after in pairwise(lines)
    )
    steep = across > _STEEP * ((above + below) / 2 + noise)
    return float(steep.mean(axis=1).max())
