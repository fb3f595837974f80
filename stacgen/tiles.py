"""The tile id: one square of the Military Grid Reference System, and where Sentinel-2 lays it.

`29PKR` reads zone 29, latitude band P, column K, row R. The square it names is 100 km wide; the
Sentinel-2 tile starts at its upper-left corner, moved out to a multiple of 60 m, and is 109.8 km
wide, so that neighbours overlap.
"""

import math
import re
from typing import NewType

from stacgen.errors import UsageError

TileId = NewType("TileId", str)
"""A checked tile id: five characters, upper case, no leading T."""

GRID = 60
"""Every corner is a multiple of this, in metres: the three resolutions 10, 20 and 60 m fit it."""

SQUARE = 100_000
"""Width of a square of the grid system, in metres."""

FALSE_NORTHING = 10_000_000
"""The northing that the equator has in the southern zones, in metres."""

_FORM = re.compile(r"T?(0[1-9]|[1-5]\d|60)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])", re.ASCII)
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")  # by the zone's remainder of three
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_CYCLE = len(_ROWS) * SQUARE
_METRES_A_DEGREE = 111_000
_ABSENT = ("32X", "34X", "36X")


def parse(text: str) -> TileId:
    """The tile id that a person meant: a leading T, lower case and blanks around it are dropped.

    Raises:
        UsageError: no square of the grid has that name.

    >>> parse(" t29pkr ")
    '29PKR'
    """
    match = _FORM.fullmatch(text.strip().upper())
    if match is None:
        raise UsageError(
            f"{text!r} is no Sentinel-2 tile: write two digits and three letters, such as 29PKR"
            " (zone 01-60, band C-X, column, row A-V; I and O are not used)."
        )
    zone, band, column, row = match.groups()
    name = f"{zone}{band}{column}{row}"
    columns = _COLUMNS[int(zone) % 3]
    if column not in columns:
        raise UsageError(
            f"There is no tile {name}: the columns of zone {zone} are"
            f" {columns[0]} to {columns[-1]}, not {column}."
        )
    if f"{zone}{band}" in _ABSENT:
        raise UsageError(f"There is no tile {name}: zone {zone} is left out in band X.")
    if not _stands_in_band(TileId(name)):
        raise UsageError(
            f"There is no tile {name}: row {row} of zone {zone} is not in band {band}."
        )
    return TileId(name)


def epsg(tile: TileId) -> int:
    """The EPSG code of the tile's UTM zone: 326zz north of the equator, 327zz south of it.

    >>> epsg(parse("29PKR")), epsg(parse("56HKH"))
    (32629, 32756)
    """
    return (32600 if _is_north(tile) else 32700) + int(tile[:2])


def upper_left(tile: TileId) -> tuple[int, int]:
    """Easting and northing of the tile's upper-left corner, in metres of its UTM zone.

    The square's west edge goes down to a multiple of 60 m and its north edge up to one. South of
    the equator the multiples are counted from the equator, *before* the false northing is added
    (which is itself no multiple of 60): real tiles T56HKJ, T56HKH and T56HKG start at northing
    6400000, 6300040 and 6200020. ESA's products say so (`tileOrigin` of T34LBP in the test data
    of `stactools-packages/sentinel2` is 199980, 8900020); `tests/test_tiles.py` lists more.

    >>> upper_left(parse("29PKR"))
    (199980, 1600020)
    >>> upper_left(parse("56HKH"))
    (199980, 6300040)
    """
    column = _COLUMNS[int(tile[:2]) % 3].index(tile[3])
    west = (column + 1) * SQUARE
    north = _south_edge(tile) + SQUARE
    shift = 0 if _is_north(tile) else FALSE_NORTHING
    return west // GRID * GRID, -(-north // GRID) * GRID + shift


def latitude(tile: TileId) -> float:
    """About where the tile's centre lies, in degrees north; within a fifth of a degree.

    >>> round(latitude(parse("32TLS")), 1), round(latitude(parse("56HKH")), 1)
    (46.4, -33.8)
    """
    return (_south_edge(tile) + SQUARE / 2) / _METRES_A_DEGREE


def longitude(tile: TileId) -> float:
    """About where the tile's centre lies, in degrees east; closer than a third of a degree.

    >>> round(longitude(parse("32TLS")), 1), round(longitude(parse("56HKH")), 1)
    (7.0, 150.3)
    """
    column = _COLUMNS[int(tile[:2]) % 3].index(tile[3])
    meridian = 6 * int(tile[:2]) - 183
    width = _METRES_A_DEGREE * math.cos(math.radians(latitude(tile)))
    return meridian + ((column + 1.5) * SQUARE - 500_000) / width


def _is_north(tile: TileId) -> bool:
    return tile[2] >= "N"


def _band_limits(band: str) -> tuple[int, int]:
    """Southern and northern parallel of a latitude band, in degrees.

    X is 12 degrees high. C ends at 80 degrees south in the grid system; Sentinel-2's tiles go on
    to 83 (01CDK is one) and keep the letter.
    """
    south = 8 * _BANDS.index(band) - 80
    return (-84 if band == "C" else south), (84 if band == "X" else south + 8)


def _south_edge(tile: TileId) -> int:
    """Metres from the equator to the square's south edge, negative in the south.

    The row letters come back every 2000 km, and start five letters later in even zones; of the
    squares with that letter it is the one nearest to the middle of the latitude band.
    """
    shift = 0 if int(tile[:2]) % 2 else 5
    first = (_ROWS.index(tile[4]) - shift) * SQUARE
    middle = sum(_band_limits(tile[2])) / 2 * _METRES_A_DEGREE
    return first + round((middle - first - SQUARE / 2) / _CYCLE) * _CYCLE


def _stands_in_band(tile: TileId) -> bool:
    """Whether the square touches its latitude band, give or take one square."""
    south, north = (degrees * _METRES_A_DEGREE for degrees in _band_limits(tile[2]))
    return south - 2 * SQUARE <= _south_edge(tile) <= north + SQUARE
