"""A grey quicklook of a frame, as PNG. Pure."""

import numpy as np
from numpy.typing import NDArray

from stacgen.raster import png

_LOW, _HIGH = 2, 98
"""Percentiles of the valid pixels that become black and white."""


def grey(preview: NDArray[np.uint16]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Brightness and opacity of a preview, stretched from its 2nd to its 98th percentile.

    Args:
        preview: (rows, columns) of digital numbers, 0 being nodata.

    Returns:
        Two arrays of that shape: brightness, and opacity (255 where valid, 0 where nodata).

    >>> grey(np.array([[0, 100], [200, 300]], np.uint16))[1].tolist()
    [[0, 255], [255, 255]]
    """
    valid = preview > 0
    if not valid.any():
        return np.zeros(preview.shape, np.uint8), np.zeros(preview.shape, np.uint8)
    low, high = np.percentile(preview[valid], (_LOW, _HIGH))
    span = max(float(high - low), 1.0)
    stretched = np.clip((preview.astype(np.float32) - low) * (255 / span), 0, 255)
    return np.where(valid, stretched.round(), 0).astype(np.uint8), np.where(valid, 255, 0).astype(
        np.uint8
    )


def encode(preview: NDArray[np.uint16]) -> bytes:
    """The quicklook of a preview (rows, columns) of digital numbers, transparent where nodata."""
    return png.encode(*grey(preview))
