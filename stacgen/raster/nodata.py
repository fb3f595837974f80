"""Nodata that video coding has blurred: which pixels it is, and what to do with them. Pure.

Nodata is code 0. A lossy encoder turns some of it into small codes: patches of 1 far inside, and
a seam of somewhat larger ones along the edge.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacgen.errors import UsageError
from stacgen.model.raster import AUTO, NONE, Cleaning, Reflectance, row_blocks

_DARKEST_GROUND = -0.04
"""Reflectance; below 0 where the correction for the atmosphere took too much, as from shadows. See
`docs/pixels.md` for what was measured."""

_SMALLEST = 3
"""Codes, of 4,096, that patches of nodata decode to. Before baseline 04.00 no larger ones are taken
for nodata, since the ground is as dark."""

_BELOW_GROUND = 0.05
"""Share of a frame above which pixels darker than any ground are ground nevertheless: seams are
thin, at most 0.5 % in real frames, so the digital numbers do not mean what they should."""

_NEAR_ZERO = 0.2
"""Share of the darkest ground's digital number, up to which that of code 0 may be nodata."""

_LARGEST_CODE = 65_535
_BLOCK_ROWS = 256
_OPEN, _OUTSIDE = 1, 2
"""States of a pixel that is not ground (0): one that nodata may spread to, and nodata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which codes of a frame are nodata, and where."""

    up_to: int
    """The largest code that is nodata where it touches nodata."""

    at_border: int = 0
    """The largest code that is nodata on the first and last row and column, whatever it touches."""


def parse(value: str | int) -> Cleaning:
    """Read `auto`, `none`, or the largest code that is nodata where it touches nodata.

    Raises:
        UsageError: It is none of these.

    >>> parse("auto"), parse("20"), parse(20)
    ('auto', 20, 20)
    """
    text = str(value)
    if text == AUTO:
        return AUTO
    if text == NONE:
        return NONE
    if text.isdecimal() and len(text) <= len(str(_LARGEST_CODE)) and int(text) > 0:
        return int(text)
    raise UsageError(f"--clean-nodata takes auto, none, or a code such as 20, not {text[:40]!r}.")


def automatic(
    numbers: NDArray[np.uint16],
    histogram: NDArray[np.int64],
    reflectance: Reflectance,
    *,
    bits: int,
) -> Rule | None:
    """The rule of a frame: what touches nodata and cannot be ground; None where there is none.

    Where the offset of the reflectance lifts the darkest ground above nodata, as from processing
    baseline 04.00 on, all that is darker cannot be ground. Elsewhere only the smallest codes are
    taken.

    Args:
        numbers: (codes,) digital number of each code, ascending.
        histogram: (codes,) pixels of each code.
        reflectance: Gives the digital number of the darkest ground.
        bits: Bits per code.
    """
    smallest = _SMALLEST << bits >> 12
    darkest = _darkest(reflectance)
    if numbers[0] > _NEAR_ZERO * darkest:
        return None  # code 0 is ground
    if darkest:
        below = int(np.searchsorted(numbers, darkest)) - 1
        is_thin = histogram[smallest + 1 : below + 1].sum() <= _BELOW_GROUND * histogram.sum()
        smallest = min(smallest, below)
        rule = Rule(up_to=below if is_thin else smallest, at_border=smallest)
    else:
        rule = Rule(up_to=smallest)
    has_leaks = histogram[: rule.up_to + 1][numbers[: rule.up_to + 1] > 0].any()
    return rule if histogram[0] and has_leaks else None


def _darkest(reflectance: Reflectance) -> float:
    """The digital number of the darkest ground; 0 where it may be as dark as nodata.

    >>> round(_darkest(Reflectance.of("05.11"))), _darkest(Reflectance.of("03.01"))
    (600, 0.0)
    """
    if reflectance.scale <= 0:
        return 0.0
    darkest = (_DARKEST_GROUND - reflectance.offset) / reflectance.scale
    return max(0.0, round(darkest, 6))  # that 600.0000000001 does not take 600 with it


def outside(codes: NDArray[np.uint16] | NDArray[np.uint8], rule: Rule) -> NDArray[np.bool_]:
    """Pixels that are nodata: code 0, and those of the rule that touch nodata.

    A pixel touches nodata at once or through others like it, along an edge or at a corner. The
    search spreads from nodata as a front, so that its cost is one pass over the pixels and then
    that of the leak alone.

    Args:
        codes: (rows, columns).
        rule: Which codes are nodata where.

    Returns:
        (rows, columns), True at nodata. Memory beside it is that of the front, some 20 bytes per
        pixel of it.
    """
    rows, columns = codes.shape
    width = columns + 2
    framed = np.zeros((rows + 2, width), np.uint8)  # so that every pixel has 8 neighbours
    inside = framed[1:-1, 1:-1]
    np.less_equal(codes, rule.up_to, out=inside)
    states = framed.reshape(-1)
    front = np.concatenate([_beside_nodata(codes, framed), _on_border(codes, rule.at_border)])
    states[front] = _OUTSIDE
    steps = [dy * width + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    while front.size:
        reached = []
        for step in steps:
            neighbours = front + step
            neighbours = neighbours[states[neighbours] == _OPEN]
            states[neighbours] = _OUTSIDE
            reached.append(neighbours)
        front = np.concatenate(reached)
    inside //= _OUTSIDE  # in place: nodata becomes 1, all else 0
    return inside.view(np.bool_)


def _beside_nodata(
    codes: NDArray[np.uint16] | NDArray[np.uint8], framed: NDArray[np.uint8]
) -> NDArray[np.intp]:
    """Open pixels next to code 0, as indices into the framed states; marks code 0 as nodata."""
    rows, width = codes.shape[0], framed.shape[1]
    fronts = []
    for block in row_blocks(rows, _BLOCK_ROWS):
        first, last = max(block.start - 1, 0), min(block.stop + 1, rows)  # a row more on each side
        nodata = np.zeros((block.stop - block.start + 2, width), np.bool_)
        seen = nodata[first - block.start + 1 : last - block.start + 1, 1:-1]
        np.equal(codes[first:last], 0, out=seen)
        states = framed[block.start + 1 : block.stop + 1]
        states[nodata[1:-1]] = _OUTSIDE
        near = nodata.copy()
        near[:, 1:] |= nodata[:, :-1]
        near[:, :-1] |= nodata[:, 1:]
        touched = near[:-2] | near[1:-1] | near[2:]
        touched &= states == _OPEN
        fronts.append(np.flatnonzero(touched) + (block.start + 1) * width)
    return np.concatenate(fronts)


def _on_border(codes: NDArray[np.uint16] | NDArray[np.uint8], up_to: int) -> NDArray[np.intp]:
    """Pixels of code 1 to `up_to` on the border of the frame, as indices into the framed states."""
    rows, columns = codes.shape
    width = columns + 2
    first, last = width + 1, rows * width + columns  # upper left and lower right
    lines = [
        (codes[0], first, 1),
        (codes[:, 0], first, width),
        (codes[-1], last - columns + 1, 1),
        (codes[:, -1], width + columns, width),
    ]
    return np.concatenate(
        [start + step * np.flatnonzero((line > 0) & (line <= up_to)) for line, start, step in lines]
    )
