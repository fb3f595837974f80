"""The ground of a tile: land cover and relief at 60, 20 or 10 m, and its colour by day of year.

A pixel holds one land cover code of 0 to 255. Its class says what grows there, its place within the
class how dense, moist or ripe it is. The fields that decide exist once per tile, on the 60 m grid;
finer grids read between its pixels, so all resolutions show one land.
"""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stacgen.dunia.sample.noise import Field, cut, generator, lattice, texture
from stacgen.dunia.sample.raster import SIZE, Blocks, woven
from stacgen.dunia.sample.spectra import reflectance
from stacgen.model import mgrs
from stacgen.model.mgrs import TileId

WATER: Final = 0
HEDGE: Final = 1
WOOD: Final = slice(16, 48)
OPEN: Final = slice(48, 80)
BARE: Final = slice(80, 96)
TOWN: Final = slice(96, 112)
FARM: Final = slice(128, 256)

_LOCK = threading.RLock()  # a ground is large: two threads must not make the same one at once
_PIXEL = 60  # metres
_PARCEL = 330  # metres that a field measures
_BORDER = 12  # metres of hedge beside some fields, seen at 10 m only
_LATITUDES = (0, 14, 27, 41, 56, 70)
_CLIMATE = {  # at these latitudes
    "wood": (0.70, 0.20, 0.03, 0.28, 0.60, 0.05),  # share of the land
    "farm": (0.25, 0.46, 0.09, 0.50, 0.25, 0.0),  # share of the land
    "lush": (1.0, 0.76, 0.24, 0.86, 0.92, 0.5),  # how green open land gets
    "peak": (215, 258, 70, 150, 192, 206),  # greenest day of the northern year
    "width": (120, 62, 60, 75, 66, 44),  # days from then until a third of the green is left
    "mean": (27, 27.5, 22, 12.5, 3.5, -8),  # degrees Celsius at sea level
    "swing": (0.5, 3, 8, 10.5, 12, 14),  # kelvin from the mean to the warmest day
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Land:
    """The deciding fields of a tile, each (1830, 1830) float32."""

    height: Field
    """Above the sea, in metres."""

    shade: Field
    """How much brighter than flat land a slope is in the morning sun; flat is 0."""

    water: Field
    """Above 0 is river or lake."""

    wood: Field
    """Above 0 is wooded, the more the denser."""

    farm: Field
    """Above 0 is ploughed."""

    town: Field
    """Above 0 is built-up."""

    moist: Field
    """0 is the driest open land, 1 the moistest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a sensor of one resolution would find if nothing ever changed."""

    cover: NDArray[np.uint8]
    """(size, size): land cover codes."""

    tone: NDArray[np.int8]
    """(size, size): 127 is twice as bright as flat, even land, -127 is black."""


def climate(tile: TileId, name: str) -> float:
    """A figure of the climate at the tile's latitude."""
    return float(np.interp(abs(mgrs.latitude(tile)), _LATITUDES, _CLIMATE[name]))


def snow_line(tile: TileId, day: float) -> float:
    """Height above which snow lies on a day of the year, in metres; below 0 it lies everywhere."""
    warm = np.cos((_season(tile, day) - 208) * 2 * np.pi / 365.25)
    return float((climate(tile, "mean") + climate(tile, "swing") * warm + 4) / 0.0062)


def land(tile: TileId) -> Land:
    """The deciding fields of a tile; computed when first asked for."""
    with _LOCK:
        return _land(tile)


def ground(tile: TileId, factor: int) -> Ground:
    """The ground of a tile on the 60 m grid divided by `factor`: 1, 3 or 6."""
    with _LOCK:
        return _ground(tile, factor)


def colours(tile: TileId, band: str, day: float) -> NDArray[np.float32]:
    """The reflectance of each of the 256 codes in a band on a day of the year.

    >>> colours(mgrs.parse("32TLS"), "B08", 180).shape
    (256,)
    """
    at, lush, when = generator("cover", tile), climate(tile, "lush"), _season(tile, day)
    peak, width = climate(tile, "peak"), climate(tile, "width")

    def green(later: NDArray[np.float64]) -> NDArray[np.float64]:
        far = (when - peak - later + 182.6) % 365.25 - 182.6
        return np.asarray(np.exp(-((far / width) ** 2)))

    def mixed(share: NDArray[np.float64], most: str, rest: str) -> NDArray[np.float64]:
        return share * reflectance(most, band) + (1 - share) * reflectance(rest, band)

    dense = np.linspace(0, 1, 32)
    soil = "sand" if lush < 0.5 else "red" if climate(tile, "mean") > 20 else "brown"  # noqa: PLR2004
    out = np.zeros(256, np.float32)
    out[WATER] = reflectance("water", band)
    out[HEDGE] = reflectance("conifer", band)
    leaves = np.clip(0.3 + green(at.uniform(-8, 8, 32)), 0, 1) * (0.5 + 0.5 * dense)
    out[WOOD] = mixed(leaves, "broadleaf", "conifer")
    low = mixed(lush * (0.3 + 0.7 * dense) * green(24 * dense - 12), "grass", "dry grass")
    out[OPEN] = low * (0.4 + 0.6 * lush) + reflectance(soil, band) * (0.6 - 0.6 * lush)
    out[BARE] = reflectance("rock", band) * np.linspace(0.75, 1.25, 16)
    out[TOWN] = np.linspace(reflectance("town", band) * 0.8, reflectance("roof", band), 16)
    crops = np.repeat([-45, -28, -15, 5, 30, 48, 0, -70], 16) + at.uniform(-14, 14, 128)
    ripe = mixed(at.uniform(0.1, 0.9, 128), "stubble", soil) * at.uniform(0.75, 1.2, 128)
    grown = (0.3 + 0.7 * lush) * green(crops)
    out[FARM] = grown * reflectance("crop", band) + (1 - grown) * ripe
    return out


def _season(tile: TileId, day: float) -> float:
    """The day of the year as the northern hemisphere counts it: the south is half a year off."""
    return day if mgrs.latitude(tile) > 0 else (day + 182.6) % 365.25


@lru_cache(maxsize=2)
def _land(tile: TileId) -> Land:
    at = generator("land", tile)
    grain = cut(texture("grain", slope=1.1, finest=4, coarsest=128), SIZE, at)
    course = np.abs(cut(texture("course", slope=2.2, finest=6, coarsest=512), SIZE, at))
    valley = np.tanh(course * 2)
    relief = np.exp(lattice(at, 5, SIZE) * np.float32(0.7)) * np.float32(at.uniform(40, 420))
    hills = cut(texture("hills", slope=1.9, finest=4, coarsest=256), SIZE, at)
    height = relief * valley * (1.6 + np.tanh(hills))
    south, east = np.gradient(height, np.float32(_PIXEL))
    slope = np.hypot(south, east)
    side = 1 if mgrs.latitude(tile) > 0 else -1  # the sun stands in the south of the north
    shade = (1 - 0.55 * east + side * 0.8 * south) / np.sqrt(1 + slope**2) - 1
    flat = lattice(at, 20, SIZE) * 0.5 + grain * 0.4 - slope * 8
    farm = _above(flat, climate(tile, "farm") * float(at.uniform(0.7, 1.15)))
    trees = cut(texture("wood", slope=1.25, finest=4, coarsest=200), SIZE, at) * 0.7
    trees += slope * 4 - (farm > 0)
    towns = cut(texture("town", slope=1.6, finest=3, coarsest=90), SIZE, at) - slope * 20
    return Land(
        height=height,
        shade=np.asarray(shade, np.float32),
        water=0.018 + np.float32(0.004) * grain - course,
        wood=_above(trees, climate(tile, "wood")),
        farm=farm,
        town=_above(towns, 0.02 * (0.2 + climate(tile, "farm"))),
        moist=0.75 + grain * np.float32(0.12) - valley * np.float32(0.45),
    )


def _above(field: Field, share: float) -> Field:
    """The field lifted so that `share` of it is above 0."""
    return np.asarray(field - np.quantile(field[::8, ::8], 1 - share), dtype=np.float32)


@lru_cache(maxsize=3)
def _ground(tile: TileId, factor: int) -> Ground:
    of, blocks = _land(tile), Blocks(factor)
    shape = (blocks.size, blocks.size)
    out = Ground(cover=np.empty(shape, np.uint8), tone=np.empty(shape, np.int8))
    canopy = woven(texture("canopy", slope=0.7, finest=3, coarsest=90))
    tree_line = (climate(tile, "mean") + climate(tile, "swing") - 9) / 0.0062
    parcels = _Parcels(tile, blocks)
    for rows in blocks:
        grain = canopy(rows, blocks.size)
        code = _graded(OPEN, blocks.read(of.moist, rows) * 31 + grain * 1.6)
        np.copyto(code, parcels.read(rows), where=blocks.read(of.farm, rows) > 0)
        wood = blocks.read(of.wood, rows)
        np.copyto(code, _graded(WOOD, wood * 20 + grain * 3 + 4), where=wood > 0)
        bare = blocks.read(of.height, rows) + grain * 60 > tree_line
        np.copyto(code, _graded(BARE, grain * 2 + 8), where=bare)
        town = blocks.read(of.town, rows) > 0
        np.copyto(code, _graded(TOWN, grain * 3.2 + 5), where=town)
        np.copyto(code, np.uint8(WATER), where=blocks.read(of.water, rows) > 0)
        out.cover[rows] = code
        bright = blocks.read(of.shade, rows) + grain * np.float32(0.04)
        out.tone[rows] = np.clip(bright * 127, -120, 127)
    return out


def _graded(kind: slice, place: Field) -> NDArray[np.uint8]:
    """Codes of a class, from its first for 0 on; what lies outside takes the end."""
    top = kind.stop - kind.start - 1
    return np.asarray(np.clip(place, 0, top), dtype=np.uint8) + np.uint8(kind.start)


class _Parcels:
    """Fields in rows, whose bearing drifts over the tile; each bears one crop on one soil."""

    def __init__(self, tile: TileId, blocks: Blocks) -> None:
        at = generator("parcels", tile)
        self._blocks = blocks
        self._size = _PARCEL * float(at.uniform(0.7, 1.3))
        self._bend = [lattice(at, 9, SIZE) * np.float32(500) for _ in range(2)]
        angle = float(at.uniform(0, np.pi / 2))
        self._along, self._across = np.float32(np.cos(angle)), np.float32(np.sin(angle))

    def read(self, rows: slice) -> NDArray[np.uint8]:
        """Codes of fields and hedges, (rows, size)."""
        step = np.float32(_PIXEL / self._blocks.factor)
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] * step
        x = np.arange(self._blocks.size, dtype=np.float32)[None, :] * step
        x = x + self._blocks.read(self._bend[0], rows)
        y = y + self._blocks.read(self._bend[1], rows)
        v = (y * self._along - x * self._across) / np.float32(self._size)
        line = np.floor(v)
        u = (x * self._along + y * self._across) / np.float32(1.6 * self._size)
        u += _hashed(line) / np.float32(1 << 32)
        place = np.floor(u)
        dice = _hashed(line * 8191 + place)
        code = np.asarray(FARM.start + (dice >> 8 & 127), dtype=np.uint8)
        if step < _BORDER:
            edge = (v - line < _BORDER / self._size) & (dice & 3 == 0)
            np.copyto(code, np.uint8(HEDGE), where=edge)
        return code


def _hashed(number: Field) -> NDArray[np.uint32]:
    """Whole numbers, mixed so that neighbours have nothing in common."""
    dice = number.astype(np.int32).view(np.uint32) * np.uint32(0x9E3779B1)
    dice ^= dice >> 15
    dice *= np.uint32(0x85EBCA77)
    return np.asarray(dice ^ dice >> 13)
