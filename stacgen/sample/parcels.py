"""Fields: a mosaic of parcels in districts, each district with its own bearing and field size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacgen.sample.noise import generator
from stacgen.tiles import TileId

DISTRICT = 3_400
"""Usual width of a district, in metres."""

_GRID = 109_800 // DISTRICT + 4
_TURN = np.uint32(0x9E3779B1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The districts of a tile, each array by district."""

    x: NDArray[np.float32]
    """Metres east of the tile's west edge."""
    y: NDArray[np.float32]
    """Metres south of its north edge."""
    along: NDArray[np.float32]
    """Cosine of the bearing of its fields."""
    across: NDArray[np.float32]
    """Sine of that bearing."""
    depth: NDArray[np.float32]
    """How deep a row of fields is, in metres."""
    width: NDArray[np.float32]
    """How wide a usual field is, in metres."""
    custom: NDArray[np.uint32]
    """The crop that most of its fields bear, 0 to 7."""


def plan(tile: TileId, *, parcel: float) -> Plan:
    """The districts of a tile whose usual field is `parcel` metres wide."""
    at = generator("parcels", tile)
    count = _GRID * _GRID
    row, column = np.divmod(np.arange(count), _GRID)
    bearing = np.where(
        at.random(count) < 0.55,  # noqa: PLR2004 - most follow the region's bearing
        at.uniform(0, np.pi / 2) + at.normal(0, 0.12, count),
        at.uniform(0, np.pi, count),
    )
    scale = parcel * np.exp(at.normal(0, 0.38, count))
    return Plan(
        x=((column - 0.5 + at.uniform(-0.35, 0.35, count)) * DISTRICT).astype(np.float32),
        y=((row - 0.5 + at.uniform(-0.35, 0.35, count)) * DISTRICT).astype(np.float32),
        along=np.cos(bearing).astype(np.float32),
        across=np.sin(bearing).astype(np.float32),
        depth=scale.astype(np.float32),
        width=(scale * at.uniform(0.8, 2.2, count)).astype(np.float32),
        custom=at.integers(8, size=count).astype(np.uint32),
    )


def divide(
    of: Plan, x: NDArray[np.float32], y: NDArray[np.float32], *, border: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Crop codes of 0..127, and where the borders between fields run.

    Args:
        of: The districts.
        x: (1, n), metres east of the tile's west edge.
        y: (m, 1), metres south of its north edge.
        border: Width of a border, in metres; 0 for none.

    Returns:
        (m, n) codes: eight crops of sixteen soils; and (m, n) borders.
    """
    home = _nearest(of, x, y)
    along, across = of.along[home], of.across[home]
    depth, width = of.depth[home], of.width[home]
    v = (y * along - x * across) / depth
    line = np.floor(v)
    dice = _mix(home.astype(np.uint32) * np.uint32(7919) + line.astype(np.int32).view(np.uint32))
    width *= (dice & 255).astype(np.float32) * np.float32(1.1 / 256) + np.float32(0.5)
    u = (x * along + y * across) / width + (dice >> 8 & 255).astype(np.float32) / 256
    place = np.floor(u)
    dice = _mix(dice + place.astype(np.int32).view(np.uint32))
    crop = np.where(dice >> 24 < 100, of.custom[home], dice >> 3 & 7)  # noqa: PLR2004 - 2 in 5
    code = (crop * 16 + (dice >> 8 & 15)).astype(np.uint8)
    if not border:
        return code, np.zeros(code.shape, bool)
    hedged = dice & 0x6000 == 0  # a quarter of the fields
    return code, hedged & (((v - line) * depth < border) | ((u - place) * width < border))


def _nearest(of: Plan, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.int32]:
    """The district of each pixel: the nearest of the four centres around it."""
    columns, rows = x / DISTRICT + 1, y / DISTRICT + 1
    best: NDArray[np.float32] | None = None
    home = np.zeros((y.size, x.size), np.int32)
    for row in (np.floor(rows - 0.5), np.floor(rows + 0.5)):
        for column in (np.floor(columns - 0.5), np.floor(columns + 0.5)):
            there = (row * _GRID + column).astype(np.int32)
            far = np.square(of.x[there] - x) + np.square(of.y[there] - y)
            if best is None:
                best, home = far, there
            else:
                nearer = far < best
                np.copyto(home, there, where=nearer)
                np.copyto(best, far, where=nearer)
    return home


def _mix(dice: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Stirs the bits of a number, so that neighbours have nothing in common."""
    dice = dice * _TURN
    dice ^= dice >> 15
    dice *= np.uint32(0x85EBCA77)
    dice ^= dice >> 13
    return dice
