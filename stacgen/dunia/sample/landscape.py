"""The picture: what a band shows of a tile at a moment, as the 12-bit codes of the stream.

Ground, season, relief, snow, shadow, haze and cloud come together as `ground * through + glow`,
where `through` and `glow` are made on the 60 m grid and read between its pixels on finer ones. A
10 m frame is thus written in blocks of six rows, straight to where the encoder reads it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from stacgen.dunia.sample import passes, weather
from stacgen.dunia.sample.ground import WOOD, Land, colours, ground, land, snow_line
from stacgen.dunia.sample.noise import TEXTURE, Field, smoothstep, texture
from stacgen.dunia.sample.passes import Pass
from stacgen.dunia.sample.raster import SIZE, Blocks, woven
from stacgen.dunia.sample.spectra import reflectance

TOP = 4095
"""The highest code; the brightest pixel of a frame has it."""

LOWEST = 80
"""The lowest code of a pixel that was seen; 0 is no data."""

_FACTORS = {
    **dict.fromkeys(("B01", "B09"), 1),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 3),
    **dict.fromkeys(("B02", "B03", "B04", "B08"), 6),
}
_PICTURES = {"TCI_60m": 1, "TCI_20m": 3, "TCI_10m": 6}
_WHITE = 0.3  # reflectance that true colour shows as 255; ESA's TCI has it near 0.36
_HAZE = {"B01": 0.42, "B02": 0.30, "B03": 0.20, "B04": 0.14, "B09": 0.18}
_SHORTWAVE = ("B11", "B12")
_BLUISH = ("B01", "B02", "B03")  # the sky lights shadows in these
_SENSOR = 1.6  # deviation of the sensor's noise, in codes


def bands() -> tuple[str, ...]:
    """The bands that are streamed: all of Level-2A.

    >>> "B09" in bands(), "B10" in bands()
    (True, False)
    """
    return tuple(_FACTORS)


def pictures() -> tuple[str, ...]:
    """The sizes of the true-colour stream, smallest first."""
    return tuple(_PICTURES)


def size(band: str) -> int:
    """Rows, and columns, of a frame of a band, or of a size of true colour.

    >>> size("B09"), size("B8A"), size("TCI_10m")
    (1830, 5490, 10980)
    """
    return SIZE * (_FACTORS | _PICTURES)[band]


def scale(of: Pass, band: str) -> float:
    """Digital numbers a code: the frame's highest digital number over 4095."""
    brightest = of.random("scale").uniform(8200, 13500)
    return (round(brightest * (0.72 if band in _SHORTWAVE else 1)) + of.offset) / TOP


def paint(of: Pass, band: str, out: NDArray[np.uint16]) -> None:
    """Writes a frame's codes into `out`, (size, size) uint16: 0 is no data, else 80 to 4095.

    The size of `out` is the resolution: 1830, 5490 or 10980 rows, whatever the band's own is.
    """
    sky = weather.sky(of)
    blocks = Blocks(len(out) // SIZE)
    below = ground(of.tile, blocks.factor)
    through, glow = _air(of, band, sky)
    table = _colours(of, band)
    relief = np.float32(_contrast(of) / 127)
    at = of.random(band)
    top, left = (int(n) for n in at.integers(TEXTURE, size=2))
    sensor = woven(texture("sensor", slope=0), top=top, left=left)
    for rows in blocks:
        picture = table[below.cover[rows]]
        picture *= below.tone[rows] * relief + 1
        picture *= blocks.read(through, rows)
        picture += blocks.read(glow, rows)
        picture += sensor(rows, blocks.size) * np.float32(_SENSOR)
        np.clip(picture, LOWEST, TOP, out=picture)
        out[rows] = np.rint(picture, out=picture)
    _glint(out, sky.unseen, at)
    if sky.unseen.any():
        _blank(out, sky.unseen)


def paint_picture(of: Pass, out: NDArray[np.uint8]) -> None:
    """Writes true colour into `out`, (size, size, 3) uint8 of red, green and blue; 0 is no data.

    As in ESA's TCI, one fixed stretch holds for all: reflectance 0 to 0.3 becomes 1 to 255.
    """
    codes = np.empty(out.shape[:2], np.uint16)
    every = np.arange(TOP + 1, dtype=np.float32)
    for place, band in enumerate(("B04", "B03", "B02")):
        paint(of, band, codes)
        reflectances = (every * scale(of, band) - of.offset) / 10_000
        levels = np.rint(np.clip(1 + reflectances * (254 / _WHITE), 1, 255)).astype(np.uint8)
        levels[0] = 0
        np.take(levels, codes, out=out[..., place])


def _colours(of: Pass, band: str) -> NDArray[np.float32]:
    """Reflectances by land cover; water vapour, not the ground, makes most of B09."""
    out = colours(of.tile, band, of.day)
    if band == "B09":
        dry = out[WOOD.start :]
        dry += np.float32(0.35) * (dry.mean() - dry)
    return out


def _contrast(of: Pass) -> float:
    """How strongly slopes stand out: more when the sun is low."""
    up, _ = passes.sun(of)
    return min(max(1 / math.tan(math.radians(up)), 0.75), 1.7)


def _air(of: Pass, band: str, sky: weather.Sky) -> tuple[Field, Field]:
    """By what a reflectance is multiplied and what is added, to give a code; (1830, 1830) each."""
    dark = np.float32(0.8 if band in _BLUISH else 1)
    through = 1 - (1 - sky.light) * dark
    glow = np.zeros_like(through)
    snow = _snow(of, land(of.tile))
    if snow is not None:
        lit = 1 + land(of.tile).shade * np.float32(_contrast(of))
        glow += through * snow * lit * np.float32(reflectance("snow", band))
        through *= 1 - snow
    haze = sky.haze * _HAZE.get(band, 0.06)
    clear = (1 - sky.cloud) * np.float32(1 - haze)
    through *= clear
    glow *= clear
    glow += (1 - sky.cloud) * np.float32(haze * reflectance("haze", band))
    glow += sky.cloud * sky.white * np.float32(reflectance("cloud", band))
    codes = 10_000 / scale(of, band)
    through *= np.float32(codes)
    glow *= np.float32(codes)
    glow += np.float32(of.offset / scale(of, band))
    return through, glow


def _snow(of: Pass, below: Land) -> Field | None:
    """How much of the ground snow hides, 0 to 1; None when there is none at all."""
    line = snow_line(of.tile, of.day) + float(of.random("snow").normal(0, 160))
    if line - 160 > below.height.max():
        return None
    snow = smoothstep(below.height, line - 160, line + 300)
    snow *= np.where(below.wood > 0, np.float32(0.5), np.float32(0.97))
    snow *= below.water <= 0
    return snow


def _glint(out: NDArray[np.uint16], unseen: NDArray[np.bool_], at: np.random.Generator) -> None:
    """A few greenhouses mirror the sun: they are the frame's brightest pixels."""
    places = at.integers(SIZE, size=(64, 2))
    factor = len(out) // SIZE
    wide = max(factor // 3, 1)
    for row, column in [place for place in places if not unseen[tuple(place)]][:3]:
        y, x = row * factor, column * factor
        out[y : y + wide, x : x + wide] = TOP


def _blank(out: NDArray[np.uint16], unseen: NDArray[np.bool_]) -> None:
    """Sets to 0 what lies outside the swath, in whole pixels of the 60 m grid."""
    factor = len(out) // SIZE
    for row, hidden in enumerate(unseen):
        out[row * factor : (row + 1) * factor, np.repeat(hidden, factor)] = 0
