"""Where what lies: land cover and relief of a tile at 60, 20 or 10 m, computed once and kept.

The fields that decide (how steep, how high above the river, how wooded) exist once a tile, on the
60 m grid; finer grids read between its pixels, so all resolutions show one land.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from stacgen import tiles
from stacgen.sample import cover, parcels, rivers, terrain
from stacgen.sample.cover import Climate
from stacgen.sample.noise import Field, cut, enlarge, generator, lattice, texture
from stacgen.sample.raster import SIZE, Blocks, woven
from stacgen.tiles import TileId

_LOCK = threading.RLock()  # a ground is large: two threads must not make the same one at once
_PIXEL = np.float32(60)
_FINEST = 6  # the factor of the grid on which a hedge is as wide as a pixel
_HEDGE = 12  # metres that two fields keep apart
_CALM = {1: 0.5, 3: 0.75, 6: 1.0}  # how much of the fine texture a pixel's width leaves
_ROUGH = np.zeros(256, np.float32)
_ROUGH[cover.WOOD] = 0.06
_ROUGH[cover.WILD] = 0.04
_ROUGH[cover.BARE] = 0.06
_ROUGH[cover.TOWN] = 0.13
_ROUGH[cover.FARM] = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """The deciding fields of a tile, each (1830, 1830) float32."""

    plain: Field
    """Height above the sea as snow sees it, smoothed; in metres."""

    shade: Field
    """How much brighter than flat land a slope is in the morning sun; flat is 0."""

    lake: Field
    """Above 0 is water."""

    town: Field
    """Above 0 is built-up."""

    farm: Field
    """Above 0 is ploughed."""

    wood: Field
    """Above 0 is wooded, the more the denser."""

    moist: Field
    """0 is the driest open land, 1 the moistest."""

    bare: Field
    """Above 0 nothing grows."""

    reaches: NDArray[np.float32]
    """River reaches, as in `stacgen.sample.terrain.Terrain`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a sensor of one resolution would find if nothing ever changed."""

    cover: NDArray[np.uint8]
    """(size, size): the land cover codes of `stacgen.sample.cover`."""

    tone: NDArray[np.int8]
    """(size, size): 127 is twice as bright as flat, even land, -127 is black."""


def land(tile: TileId) -> Land:
    """The deciding fields of a tile; computed when first asked for."""
    with _LOCK:
        return _land(tile)


def ground(tile: TileId, factor: int) -> Ground:
    """The ground of a tile on the 60 m grid divided by `factor`: 1, 3 or 6."""
    with _LOCK:
        return _ground(tile, factor)


@lru_cache(maxsize=2)
def _land(tile: TileId) -> Land:
    at = generator("land", tile)
    here = cover.climate(tile)
    shape = terrain.build(tile)
    height, slope, shade = _relief(tile, shape.height, at)
    steep = np.tanh(slope * 5)
    above = enlarge(shape.above_river, SIZE)
    grain = cut(texture("grain", slope=1.1, finest=4, coarsest=128), SIZE, at)
    farm = _farmland(above, steep, grain, here, at)
    tree_line = np.float32((here.mean + here.swing - 9) / 0.0062)
    return Land(
        plain=_smoothed(height) + grain * np.float32(45),
        shade=shade,
        lake=_lakes(shape.hollow, at) + grain * np.float32(0.012),
        town=_towns(above, slope, here, at) + grain * np.float32(0.16),
        farm=farm,
        wood=_woodland(farm, steep, here, at),
        moist=_moisture(above, grain, at),
        bare=(height - tree_line) / 200 + grain * np.float32(0.7),
        reaches=shape.reaches,
    )


def _moisture(above: Field, grain: Field, at: np.random.Generator) -> Field:
    """Moist below, dry above, with moods."""
    out = lattice(at, 12, SIZE) * np.float32(0.16) + grain * np.float32(0.12) + np.float32(0.55)
    out -= np.tanh(above / 120) * np.float32(0.3)
    return out


def _relief(tile: TileId, coarse: Field, at: np.random.Generator) -> tuple[Field, Field, Field]:
    """Height, steepness (metres a metre) and shade on the 60 m grid."""
    height = enlarge(_blurred(coarse), SIZE)
    slope = np.hypot(*np.gradient(height, _PIXEL))
    height += cut(texture("relief", slope=1.7, finest=3, coarsest=60), SIZE, at) * (slope * 190)
    south, east = np.gradient(height, _PIXEL)
    azimuth = np.radians(148 if tiles.latitude(tile) > 0 else 42)
    toward_east, toward_north, up = np.sin(azimuth) * 0.72, np.cos(azimuth) * 0.72, 0.69
    lit = (up - east * toward_east + south * toward_north) / np.sqrt(1 + south**2 + east**2)
    return height, slope, np.asarray(lit / up - 1, dtype=np.float32)


def _smoothed(height: Field) -> Field:
    """Height without the steps that a watershed makes, mostly."""
    small = height[15::30, 15::30]
    for _ in range(3):
        small = _blurred(small)
    return enlarge(small, SIZE) * np.float32(0.75) + height * np.float32(0.25)


def _blurred(field: Field) -> Field:
    padded = np.pad(field, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16, dtype=np.float32)


def _above_quantile(field: Field, share: float) -> Field:
    """The field lifted so that `share` of it is above 0."""
    return np.asarray(field - np.quantile(field[::8, ::8], 1 - share), dtype=np.float32)


def _farmland(
    above: Field, steep: Field, grain: Field, here: Climate, at: np.random.Generator
) -> Field:
    """The plough likes flat land; in dry countries, only that near a river."""
    liking = lattice(at, 30, SIZE) * 0.4 + lattice(at, 9, SIZE) * 0.48 + grain * 0.36
    liking -= steep * 3.0 + above * np.float32(0.003 + 0.02 * here.bare)
    return _above_quantile(liking, here.farm * float(at.uniform(0.7, 1.15)))


def _woodland(farm: Field, steep: Field, here: Climate, at: np.random.Generator) -> Field:
    """Trees are left on slopes, and in patches everywhere; few stand among fields."""
    liking = cut(texture("wood", slope=1.25, finest=4, coarsest=200), SIZE, at) * 0.7
    liking += lattice(at, 14, SIZE) * 0.5 + steep * 1.8
    liking -= (farm > 0) * np.float32(1.1)
    return _above_quantile(liking, here.wood * float(at.uniform(0.75, 1.15)))


def _lakes(hollow: Field, at: np.random.Generator) -> Field:
    """Deep hollows hold water: none to three in a hundred of the land."""
    share = at.uniform(0, 0.03)
    shore = max(float(np.quantile(hollow, 1 - share)), 0.08)
    return enlarge(hollow - np.float32(shore), SIZE)


def _towns(above: Field, slope: Field, here: Climate, at: np.random.Generator) -> Field:
    """Cones that rise above 0 where a town is; towns like flat land near a river."""
    out = np.full((SIZE, SIZE), -1, np.float32)
    count = int(at.integers(10, 60) * (0.15 + here.farm))
    sites = at.integers(20, SIZE - 20, (40 * count + 1, 2))
    rows, columns = sites.T
    trouble = slope[rows, columns] * 30 + above[rows, columns] / 60
    for row, column in sites[np.argsort(trouble, kind="stable")[: 12 * count : 12]]:
        radius = float(np.clip(np.exp(at.normal(2.3, 0.75)), 4, 75))
        reach = int(radius * 1.6)
        window = out[max(row - reach, 0) : row + reach, max(column - reach, 0) : column + reach]
        y = np.arange(len(window), dtype=np.float32)[:, None] - min(row, reach)
        x = np.arange(window.shape[1], dtype=np.float32)[None, :] - min(column, reach)
        np.maximum(window, 0.45 - np.hypot(y, x) / np.float32(radius), out=window)
    return out


@lru_cache(maxsize=3)
def _ground(tile: TileId, factor: int) -> Ground:
    fields = _land(tile)
    plan = parcels.plan(tile, parcel=cover.climate(tile).parcel)
    blocks = Blocks(factor)
    shape = (blocks.size, blocks.size)
    out = Ground(cover=np.empty(shape, np.uint8), tone=np.empty(shape, np.int8))
    metres = (np.arange(blocks.size, dtype=np.float32) + np.float32(0.5)) * (_PIXEL / factor)
    canopy = woven(texture("canopy", slope=0.7, finest=3, coarsest=90))
    rough = _ROUGH * np.float32(_CALM[factor])
    border = _HEDGE if factor == _FINEST else 0
    for rows in blocks:
        grain = canopy(rows, blocks.size)
        read = partial(blocks.read, rows=rows)
        farmed = read(fields.farm) > 0
        row, column = np.nonzero(farmed)
        crop = parcels.divide(plan, metres[column], metres[rows][row], border=border)
        code = _graded(cover.WILD, read(fields.moist) * 31 + grain * 1.6)
        code[farmed] = np.where(crop == parcels.HEDGE, cover.TRACK, crop + cover.FARM.start)
        out.cover[rows] = _overlaid(code, fields, read, grain)
        bright = read(fields.shade) + grain * rough[code]
        out.tone[rows] = np.clip(bright * 127, -120, 127)
    rivers.draw(out.cover, fields.reaches)
    return out


def _overlaid(
    code: NDArray[np.uint8], of: Land, read: Callable[[Field], Field], grain: Field
) -> NDArray[np.uint8]:
    """Open land and fields with what stands on them; what takes precedence is laid on last."""
    wood = read(of.wood)
    np.copyto(code, _graded(cover.WOOD, wood * 20 + grain * 3 + 4), where=wood > 0)
    np.copyto(code, _graded(cover.BARE, grain * 2 + 8), where=read(of.bare) > 0)
    built = (read(of.town) > 0) & (grain > -1)
    np.copyto(code, _graded(cover.TOWN, grain * 3.2 + 5), where=built)
    np.copyto(code, np.uint8(cover.LAKE), where=read(of.lake) > 0)
    return code


def _graded(kind: slice, place: Field) -> NDArray[np.uint8]:
    """Codes of a class, from its first for 0 on; what lies outside takes the end."""
    top = kind.stop - kind.start - 1
    return np.asarray(np.clip(place, 0, top), dtype=np.uint8) + np.uint8(kind.start)
