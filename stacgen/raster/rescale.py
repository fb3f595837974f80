"""Codes to digital numbers, by one table a frame, with exact statistics on the way. Pure.

A code has at most 65,536 values and 4,096 in DUNIA's streams, so the arithmetic is done on those
and looked up for the pixels: bit-identical to doing it on the pixels, at a twentieth of the cost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacgen.model.raster import (
    AUTO,
    Cleaning,
    Coverage,
    Raster,
    Reflectance,
    Statistics,
    row_blocks,
)
from stacgen.model.stream import Codes, Frame, Grid
from stacgen.raster import nodata

_LARGEST = 65_535
_BLOCK_PIXELS = 1 << 16
"""Pixels a pass: what is needed of a block then stays in the cache of one core."""

COVERAGE_CELL = 120
"""Metres between the pixels at which coverage is looked at."""

_CLEANED_ROWS = 256
"""Rows that are cleaned together: some 3 million pixels at 10 m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What each code of a frame means."""

    numbers: NDArray[np.uint16]
    """(codes,) digital numbers."""

    saturates: NDArray[np.bool_]
    """(codes,); True where the digital number did not fit 0..65535 before it was truncated."""


def table(scale: float, offset: float, *, bits: int) -> Table:
    """`code * scale + offset`, truncated toward zero, as ESA's notebook computes it.

    Where the notebook's conversion to uint16 wraps around, this saturates.

    >>> table(2.5, -100.0, bits=12).numbers[[0, 40, 41, 4095]].tolist()
    [0, 0, 2, 10137]
    """
    values = np.arange(1 << bits, dtype=np.float64) * scale + offset
    return Table(
        numbers=np.clip(np.trunc(values), 0, _LARGEST).astype(np.uint16),
        saturates=(values < 0) | (values > _LARGEST),
    )


def to_digital_numbers(
    codes: Codes,
    frame: Frame,
    grid: Grid,
    *,
    reflectance: Reflectance | None = None,
    clean_nodata: Cleaning = AUTO,
) -> Raster:
    """The frame as digital numbers, with its statistics and coverage.

    Args:
        codes: (rows, columns) as decoded.
        frame: Gives scale and offset.
        grid: Gives the resolution, for the step of the coverage.
        reflectance: Says how dark the ground can be; None for that of the frame's baseline.
        clean_nodata: Which pixels become nodata. Coverage is that of `auto`, whatever it is.

    Returns:
        A raster of the same shape, uint16; memory beside it is one byte per pixel while nodata is
        cleaned, and next to none where there is nothing to clean.
    """
    lookup = table(frame.scale, frame.offset, bits=codes.bits)
    pixels, histogram = _look_up(codes.pixels, lookup.numbers)
    saturated = int(histogram[lookup.saturates].sum())
    automatic = nodata.automatic(
        lookup.numbers,
        histogram,
        reflectance or Reflectance.of(frame.baseline),
        bits=codes.bits,
    )
    rule = automatic if clean_nodata == AUTO else None
    if isinstance(clean_nodata, int) and lookup.numbers[0] == 0 and histogram[0]:
        rule = nodata.Rule(up_to=clean_nodata)
    cleaned = 0
    if rule is not None:
        by_code = _clean(pixels, codes.pixels, nodata.outside(codes.pixels, rule), histogram.size)
        cleaned = int(by_code[lookup.numbers > 0].sum())
        histogram -= by_code
        histogram[0] += by_code.sum()
        lookup.numbers[0] = 0
    return Raster(
        pixels=pixels,
        statistics=statistics(histogram, lookup.numbers),
        coverage=_coverage(
            codes,
            pixels,
            None if rule is automatic else automatic,
            step=max(1, COVERAGE_CELL // grid.resolution),
        ),
        saturated=saturated,
        cleaned=cleaned,
    )


def statistics(histogram: NDArray[np.int64], numbers: NDArray[np.uint16]) -> Statistics | None:
    """Exact statistics of the digital numbers, from how often each code occurs.

    Sums are of Python integers, so neither overflow nor rounding enters before the last division.

    Args:
        histogram: (codes,) pixels of each code.
        numbers: (codes,) digital number of each code; 0 is nodata.

    Returns:
        None where every pixel is nodata.
    """
    present = np.flatnonzero((histogram > 0) & (numbers > 0))
    if not present.size:
        return None
    counts = [int(count) for count in histogram[present]]
    values = [int(value) for value in numbers[present]]
    return exact_statistics(values, counts, total=int(histogram.sum()))


def exact_statistics(values: Sequence[int], counts: Sequence[int], *, total: int) -> Statistics:
    """Statistics of valid pixels, from each value that they have and how often they have it.

    Args:
        values: In ascending order; at least one.
        counts: Pixels of each, above 0.
        total: Pixels, those that are not valid included.
    """
    count = sum(counts)
    weight = sum(n * value for n, value in zip(counts, values, strict=True))
    squares = sum(n * value**2 for n, value in zip(counts, values, strict=True))
    return Statistics(
        minimum=min(values),
        maximum=max(values),
        mean=weight / count,
        stddev=math.sqrt((count * squares - weight**2) / count**2),
        count=count,
        valid_percent=100 * count / total,
    )


def _look_up(
    codes: NDArray[np.uint16] | NDArray[np.uint8], numbers: NDArray[np.uint16]
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Digital numbers and the histogram of codes, in one pass over the pixels."""
    pixels = np.empty(codes.shape, np.uint16)
    histogram = np.zeros(numbers.size, np.int64)
    height = max(1, _BLOCK_PIXELS // codes.shape[1])
    # Both steps below index by the machine's integer, into which a block is widened once.
    indices = np.empty((height, codes.shape[1]), np.intp)
    for rows in row_blocks(codes.shape[0], height):
        block = indices[: rows.stop - rows.start]
        block[...] = codes[rows]
        histogram += np.bincount(block.reshape(-1), minlength=numbers.size)
        # `clip` spares a copy of the block that `raise` would need; no code is out of range, or
        # the histogram above would have grown and failed.
        np.take(numbers, block, out=pixels[rows], mode="clip")
    return pixels, histogram


def _clean(
    pixels: NDArray[np.uint16],
    codes: NDArray[np.uint16] | NDArray[np.uint8],
    outside: NDArray[np.bool_],
    count: int,
) -> NDArray[np.int64]:
    """Set pixels outside to nodata, in place; (`count`,) how many there were of each code."""
    by_code = np.zeros(count, np.int64)
    for rows in row_blocks(codes.shape[0], _CLEANED_ROWS):
        mask = outside[rows]
        by_code += np.bincount(codes[rows][mask], minlength=count)
        pixels[rows][mask] = 0
    return by_code


def _coverage(
    codes: Codes, pixels: NDArray[np.uint16], rule: nodata.Rule | None, *, step: int
) -> Coverage:
    """Valid pixels, without those that are nodata by a rule that they were not cleaned by."""
    cells = (slice(step // 2, None, step),) * 2
    valid = pixels[cells] > 0
    if rule is not None and valid.size:
        valid &= ~nodata.outside(codes.pixels[cells], rule)
    return Coverage(valid=valid, step=step)
