"""Frames in true colour: which pixels are valid, their statistics, their overviews. Pure.

The pixels stay as the decoder gives them, byte for byte. Nodata is black in the stream, and video
coding turns some of it into very dark pixels; black ground is not nodata. So a mask tells what is
valid, rather than a value.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stacgen.model.raster import ColorImage, Coverage, Statistics, row_blocks
from stacgen.model.stream import Codes, Grid
from stacgen.raster import nodata
from stacgen.raster import overviews as pyramid
from stacgen.raster.rescale import COVERAGE_CELL, exact_statistics

_LEAKED = 3
"""Brightest of red, green and blue up to which a pixel that touches black nodata is nodata. Of the
pixels outside the footprint in the reference stream 99.8 % are as dark; valid ones begin at 1."""

_ROWS = 256
"""Of an image that are looked at together."""


def image(codes: Codes, grid: Grid) -> ColorImage:
    """A decoded frame with its mask, statistics and coverage.

    Args:
        codes: (rows, columns, 3) of red, green and blue, uint8.
        grid: Gives the resolution, for the step of the coverage.

    Returns:
        The same pixels; memory beside them is two bytes a pixel.
    """
    pixels = codes.pixels.astype(np.uint8, copy=False)
    valid = _valid(pixels)
    step = max(1, COVERAGE_CELL // grid.resolution)
    return ColorImage(
        pixels=pixels,
        valid=valid,
        statistics=_statistics(pixels, valid),
        coverage=Coverage(valid=valid[step // 2 :: step, step // 2 :: step], step=step),
    )


def overviews(frame: ColorImage, count: int) -> list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """That many overviews, each of half the size, the largest first: pixels and their mask.

    A pixel is the mean of the valid ones below it, and valid where there is one.
    """
    planes = [_levels(frame, channel, count) for channel in range(3)]
    return [
        (
            np.stack([level - (level > 0) for level in levels], axis=-1).astype(np.uint8),
            levels[0] > 0,
        )
        for levels in zip(*planes, strict=True)
    ]


def _levels(frame: ColorImage, channel: int, count: int) -> list[NDArray[np.uint16]]:
    """The overviews of one colour, a valid byte being one more than it is, and 0 what is not."""
    plane = frame.pixels[..., channel].astype(np.uint16)
    plane += 1
    plane *= frame.valid
    return pyramid.levels(plane, count)


def _valid(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(rows, columns), False where black, or almost black beside black."""
    brightest = np.maximum(pixels[..., 0], pixels[..., 1])
    np.maximum(brightest, pixels[..., 2], out=brightest)
    if brightest.all():
        return np.ones(brightest.shape, np.bool_)
    return ~nodata.outside(brightest, nodata.Rule(up_to=_LEAKED))


def _statistics(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> tuple[Statistics, ...]:
    histograms = np.zeros((3, 256), np.int64)
    for rows in row_blocks(len(pixels), _ROWS):
        for channel, values in enumerate(_colors(pixels[rows], valid[rows])):
            histograms[channel] += np.bincount(values, minlength=256)
    if not histograms.any():
        return ()
    return tuple(
        exact_statistics(
            (present := np.flatnonzero(histogram)).tolist(),
            histogram[present].tolist(),
            total=valid.size,
        )
        for histogram in histograms
    )


def _colors(pixels: NDArray[np.uint8], valid: NDArray[np.bool_]) -> Iterator[NDArray[np.uint8]]:
    """The valid pixels of some rows, colour by colour, (pixels,)."""
    seen = pixels[valid]
    yield from (seen[:, channel] for channel in range(3))
