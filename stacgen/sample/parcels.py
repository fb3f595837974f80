"""Fields: a mosaic of parcels in districts, each district with its own bearing and field size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacgen.sample.noise import Field, generator
from stacgen.tiles import EXTENT, TileId

DISTRICT = 3_400
"""Usual width of a district, in metres."""

HEDGE = 128
"""The code of a border between fields."""

_GRID = EXTENT // DISTRICT + 4
_TURN = np.uint32(0x9E3779B1)
_LOYAL = 100  # of 256 fields bear the custom of the district
_OPEN = 0x6000  # a field with any of these bits has no border: three in four


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


def divide(of: Plan, x: Field, y: Field, *, border: float) -> NDArray[np.uint8]:
    """Which crop stands at each place, and on what soil.

    Args:
        of: The districts.
        x: (n,), metres east of the tile's west edge.
        y: (n,), metres south of its north edge.
        border: Width of the tracks and hedges between some fields, in metres; 0 for none.

    Returns:
        (n,) codes: eight crops of sixteen soils are 0 to 127; `HEDGE` is a border.
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
    crop = np.where(dice >> 24 < _LOYAL, of.custom[home], dice >> 3 & 7)
    code = np.asarray(crop * 16 + (dice >> 8 & 15), dtype=np.uint8)
    if border:
        edge = ((v - line) * depth < border) | ((u - place) * width < border)
        code[edge & (dice & _OPEN == 0)] = HEDGE
    return code


def _nearest(of: Plan, x: Field, y: Field) -> NDArray[np.int32]:
    """The district of each place: the nearest of the four centres around it."""
    column = np.floor(x / DISTRICT + np.float32(0.5)).astype(np.int32)
    row = np.floor(y / DISTRICT + np.float32(0.5)).astype(np.int32)
    first = row * _GRID + column
    home = first.copy()
    best = np.full(x.shape, np.inf, np.float32)
    for step in (0, 1, _GRID, _GRID + 1):
        there = first + step
        far = np.square(of.x[there] - x) + np.square(of.y[there] - y)
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
