"""Rivers, drawn as wide as the land they drain makes them."""

import numpy as np
from numpy.typing import NDArray

from stacgen.sample import cover
from stacgen.tiles import EXTENT

_WIDTH = 2.6  # metres of river for the root of a drained cell
_NARROWEST = 0.7  # pixels that a river must be wide to be seen
_LONGEST = 720  # metres that a reach measures at most


def draw(code: NDArray[np.uint8], reaches: NDArray[np.float32]) -> None:
    """Draws the reaches that are wide enough to be seen into a land cover; lakes stay.

    Args:
        code: (size, size) land cover codes, changed in place.
        reaches: As in `stacgen.sample.terrain.Terrain`.
    """
    pixel = EXTENT / len(code)
    width = _WIDTH * np.sqrt(reaches[:, 6]) / pixel
    steps = np.exp2(np.round(np.log2(np.maximum(width, 0.01)) * 2) / 2)
    for wide in np.unique(steps[width > _NARROWEST]):
        some = reaches[(steps == wide) & (width > _NARROWEST)]
        _stamp(code, _points(some, count=int(_LONGEST / pixel / 0.6)) * len(code), wide / 2)


def _points(reaches: NDArray[np.float32], *, count: int) -> NDArray[np.float32]:
    """Points along quadratic curves, (n * count, 2): row and column in parts of the tile."""
    t = np.linspace(0, 1, count, dtype=np.float32)[None, :, None]
    start, middle, end = (reaches[:, None, at : at + 2] for at in (0, 2, 4))
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    return np.asarray(curve.reshape(-1, 2), dtype=np.float32)


def _stamp(code: NDArray[np.uint8], points: NDArray[np.float32], radius: float) -> None:
    """A disc of river around each point, in pixels."""
    around = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    for row in around:
        for column in around[np.hypot(row, around) <= max(radius, 0.5)]:
            at = np.floor(points + np.array([row, column], np.float32)).astype(np.intp)
            y, x = at[((at >= 0) & (at < len(code))).all(axis=1)].T
            code[y, x] = np.where(code[y, x] == cover.LAKE, cover.LAKE, cover.RIVER)
