"""Land cover: the classes of the ground, the climate they live in, and their colour by day.

A pixel holds one code of 0..255. Its class says what grows there, its place within the class how
moist, dense or ripe it is; `colours` turns all codes into reflectances for one band and day.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stacgen import tiles
from stacgen.sample.noise import generator
from stacgen.sample.spectra import reflectance
from stacgen.tiles import TileId

LAKE: Final = 0
RIVER: Final = 1
TRACK: Final = 2
WOOD: Final = slice(16, 48)
WILD: Final = slice(48, 80)
BARE: Final = slice(80, 96)
TOWN: Final = slice(96, 112)
FARM: Final = slice(128, 256)

_CLIMATE = """
latitude  0    8    14   20   27   34   41   48   56   63   70   80
wood     .74  .52  .20  .03  .03  .20  .28  .34  .62  .60  .05  .00
farm     .20  .32  .46  .07  .09  .38  .52  .56  .24  .05  .00  .00
lush     1.0  .95  .76  .18  .24  .76  .86  .95  .92  .80  .50  .25
bare     .00  .04  .14  .78  .66  .18  .10  .04  .04  .10  .45  .85
red      .85  .85  .75  .45  .25  .30  .20  .10  .05  .05  .05  .05
ever     1.0  .75  .40  .50  .60  .60  .45  .40  .62  .80  .90  .90
peak     215  225  258  250  70   105  150  172  192  200  206  206
width    120  100  62   50   60   62   75   78   66   54   44   34
mean     27   27   27.5 25   22   17   12.5 9    3.5  -1   -8   -16
swing    .5   1    3    6    8    9    10.5 10   12   13   14   14
parcel   260  270  240  320  480  380  330  310  360  320  320  320
"""
_TROPIC = 26  # degrees Celsius in the mean of the year, from which the dry season is brown
_SUBTROPIC = 20  # from which evergreen trees have broad leaves
_Days = NDArray[np.float32] | float
_ROWS = {line.split()[0]: line.split()[1:] for line in _CLIMATE.strip().splitlines()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """What the latitude makes of the land."""

    wood: float
    """Share of the land under trees."""
    farm: float
    """Share of the land under the plough."""
    lush: float
    """How green open land gets, 0 to 1."""
    bare: float
    """Share of bare ground on open land."""
    red: float
    """How red the soil is, 0 to 1."""
    ever: float
    """Share of evergreen trees."""
    peak: float
    """Day of the northern year on which open land is greenest."""
    width: float
    """Days from the peak to where a third of the green is left."""
    mean: float
    """Mean temperature at sea level, in degrees Celsius."""
    swing: float
    """Half the difference between the warmest and the coldest day, in kelvin."""
    parcel: float
    """Usual width of a field, in metres."""


def climate(tile: TileId) -> Climate:
    """The climate at the tile's latitude."""
    latitude = abs(tiles.latitude(tile))
    grid = np.array(_ROWS["latitude"], dtype=float)
    values = {
        field.name: float(np.interp(latitude, grid, np.array(_ROWS[field.name], dtype=float)))
        for field in fields(Climate)
    }
    return Climate(**values)


def season(tile: TileId, day: float) -> float:
    """The day of the year as the northern hemisphere counts it: the south is half a year off."""
    return day if tiles.latitude(tile) > 0 else (day + 182.6) % 365.25


def snow_line(tile: TileId, day: float) -> float:
    """Height above which snow lies on a day of the year, in metres; below 0 it lies everywhere."""
    here = climate(tile)
    warmth = here.mean + here.swing * np.cos((season(tile, day) - 208) * 2 * np.pi / 365.25)
    return float((warmth + 4) / 0.0062)


def _green(day: float, peak: _Days, width: _Days) -> NDArray[np.float32]:
    """How far on its way to full green a plant is, 0 to 1."""
    far = (day - peak + 182.6) % 365.25 - 182.6
    return np.asarray(np.exp(-((far / width) ** 2)), dtype=np.float32)


def colours(tile: TileId, band: str, day: float) -> NDArray[np.float32]:
    """The reflectance of each of the 256 codes in a band on a day of the year.

    >>> colours(tiles.parse("32TLS"), "B08", 180).shape
    (256,)
    """
    here = climate(tile)
    at = generator("cover", tile)
    when = season(tile, day)
    out = np.zeros(256, np.float32)
    out[LAKE] = reflectance("water", band)
    out[RIVER] = reflectance("river", band)
    out[TRACK] = 0.4 * reflectance("broadleaf", band) + 0.6 * reflectance("dry grass", band)
    out[WOOD] = _wood(here, at, when, band)
    out[WILD] = _wild(here, at, when, band)
    mineral = _soil(here.red, band)
    out[BARE] = (0.7 * reflectance("rock", band) + 0.3 * mineral) * np.linspace(0.75, 1.25, 16)
    out[TOWN] = np.linspace(reflectance("town", band) * 0.8, reflectance("roof", band), 16)
    out[FARM] = _farm(here, at, when, band)
    return out


def _soil(red: float, band: str) -> float:
    return red * reflectance("red", band) + (1 - red) * reflectance("brown", band)


def _drift(at: np.random.Generator, most: float) -> NDArray[np.float32]:
    """Something that changes by up to `most`, but little from one code to the next; (32,)."""
    knots = at.uniform(-most, most, 5)
    return np.interp(np.linspace(0, 4, 32), np.arange(5), knots).astype(np.float32)


def _wood(here: Climate, at: np.random.Generator, day: float, band: str) -> NDArray[np.float32]:
    """32 codes of wood, from loose to dense."""
    dense = np.linspace(0, 1, 32, dtype=np.float32)
    ever = np.clip(here.ever + _drift(at, 0.35), 0, 1)
    lasting = "broadleaf" if here.mean > _SUBTROPIC else "conifer"
    width = np.full(32, here.width * 1.15, np.float32)
    peak = here.peak + 8 + _drift(at, 8)
    leaves = np.clip(_green(day, peak, width) * 1.5, 0, 1)
    shed = leaves * reflectance("broadleaf", band) + (1 - leaves) * reflectance("bare wood", band)
    trees = ever * reflectance(lasting, band) + (1 - ever) * shed
    gaps = 0.30 * (1 - dense) * (1.2 - here.lush)
    return np.asarray(
        trees * (1.12 - 0.2 * dense) * (1 - gaps) + gaps * _soil(here.red, band), dtype=np.float32
    )


def _wild(here: Climate, at: np.random.Generator, day: float, band: str) -> NDArray[np.float32]:
    """32 codes of open land, from the driest to the moistest."""
    moist = np.linspace(0, 1, 32, dtype=np.float32)
    peak = here.peak - 12 + 24 * moist + _drift(at, 6)
    width = (here.width * (0.8 + 0.6 * moist)).astype(np.float32)
    rest = 0.0 if here.mean > _TROPIC else 0.1 + 0.75 * moist * here.lush**2
    green = here.lush * (0.45 + 0.55 * moist) * np.maximum(_green(day, peak, width), rest)
    low = green * reflectance("grass", band) + (1 - green) * reflectance("dry grass", band)
    ground = _soil(here.red, band) * (1 - here.bare) + reflectance("sand", band) * here.bare
    bare = np.clip(here.bare * (1.25 - 0.75 * moist) + 0.08, 0, 1)
    shrubs = 0.35 * moist * (1 - here.bare)
    mixed = low * (1 - bare) + ground * bare
    return np.asarray(mixed * (1 - shrubs) + shrubs * reflectance("conifer", band), np.float32)


def _farm(here: Climate, at: np.random.Generator, day: float, band: str) -> NDArray[np.float32]:
    """8 crops of 16 fields each: when each is green, and what its soil is like."""
    shift = np.array([-45, -28, -15, 5, 30, 48, 0, -70], np.float32)[:, None]
    peak = here.peak + shift + at.uniform(-14, 14, (8, 16)).astype(np.float32)
    width = (at.uniform(0.5, 0.8, (8, 16)) * np.minimum(here.width, 70)).astype(np.float32)
    full = np.array([0.95, 1.0, 0.9, 0.85, 1.0, 0.95, 0.3, 0.8], np.float32)[:, None]
    green = _green(day, peak, width) * full * (0.55 + 0.45 * here.lush)
    pasture = np.zeros((8, 16), np.float32)
    pasture[5:] = here.lush**2 * np.array([[0.35], [0.65], [0.9]])
    pasture[:3] = 0.55 * here.lush**2 * _green(day, here.peak - 185, 95)
    green = np.maximum(green, pasture * at.uniform(0.5, 1, (8, 16)))
    ripe = _green(day, peak + 55, width)
    soil = _soil(here.red, band) * at.uniform(0.72, 1.2, (8, 16))
    soil = soil + (reflectance("dark", band) - soil) * at.uniform(0, 0.5, (8, 16))
    rest = soil + (reflectance("stubble", band) - soil) * np.clip(ripe * 0.85 + 0.12, 0, 1)
    return np.asarray(green * reflectance("crop", band) + (1 - green) * rest, np.float32).ravel()
