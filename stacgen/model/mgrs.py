"""The tile id: one square of the Military Grid Reference System, and where Sentinel-2 lays it.

`29PKR` reads zone 29, latitude band P, column K, row R. The square it names is 100 km wide; the
Sentinel-2 tile starts at its upper-left corner, moved out to a multiple of 60 m, and is 109.8 km
wide, so that neighbours overlap.

ESA publishes the grid as a KML file (`S2A_OPER_GIP_TILPAR_MPC`, 56,686 tiles, sea included). It is
regular: the rules below give the names and corners of exactly these tiles, which
`tests/test_tiles.py` compares.
"""

import math
import re
from collections.abc import Iterator
from typing import NewType

from stacgen.errors import UsageError

TileId = NewType("TileId", str)
"""A checked tile id: five characters, upper case, no leading T."""

GRID = 60
"""Every corner is a multiple of this, in metres: the three resolutions 10, 20 and 60 m fit it."""

SQUARE = 100_000
"""Width of a square of the grid system, in metres."""

EXTENT = 109_800
"""Ground width and height of a Sentinel-2 tile, in metres."""

FALSE_NORTHING = 10_000_000
"""The northing that the equator has in the southern zones, in metres."""

_FORM = re.compile(r"T?(0[1-9]|[1-5]\d|60)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])", re.ASCII)
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")  # by the zone's remainder of three
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_CYCLE = len(_ROWS) * SQUARE
_METRES_A_DEGREE = 111_000
_ABSENT = ("32X", "34X", "36X")
_ZONES = range(1, 61)
_ROW_NUMBERS = range(-93, 94)
"""Of the squares between the poles, from the equator: row 0 is north of it, row -1 south."""

_COLUMN_NUMBERS = (
    (range(29), range(2, 9)),
    (range(29, 47), range(2, 8)),
    (range(47, 60), range(3, 8)),
    (range(60, 71), range(3, 7)),
    (range(71, 81), range(4, 7)),
    (range(81, 91), range(4, 6)),
    (range(91, 94), range(5, 6)),
)
"""The columns of ESA's grid by rows from the equator; column 1 starts at easting 100 km.

Both edges of a zone are alike (2 to 7), or it has one column more in the east (2 to 8), which shows
what column 1 of the next zone would. At 180 degrees zone 1 has that column, and zone 60 has not.
"""

_EVEN = 9
"""Sum of the first and last column where both edges are alike."""

_IRREGULAR = {
    31: {range(63, 70): range(3, 6), range(79, 81): range(4, 8), range(81, 91): range(4, 7)},
    32: {range(63, 71): range(2, 7), range(79, 80): range(5, 7), range(80, 94): range(0)},
    33: {
        range(79, 81): range(3, 8),
        range(81, 86): range(3, 7),
        range(86, 91): range(4, 7),
        range(91, 94): range(4, 6),
    },
    34: {range(79, 80): range(5, 7), range(80, 94): range(0)},
    37: {range(79, 81): range(3, 7), range(81, 86): range(3, 6), range(91, 94): range(4, 6)},
}
_IRREGULAR |= {35: _IRREGULAR[33], 36: _IRREGULAR[34]}
"""Columns by zone and row north of the equator, around 32V and Svalbard, whose zones are wider."""

_NORTHING_A_DEGREE = 110_600
"""Metres of northing per degree of latitude, near enough to put each row's middle in its band."""

_MARGIN = 1.5
"""Degrees of latitude within which all of a tile lies, to either side of `latitude`."""


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
    tile = TileId(name)
    if not _stands_in_band(tile):
        raise UsageError(
            f"There is no tile {name}: row {row} of zone {zone} is not in band {band}."
        )
    _check_in_grid(tile)
    return tile


def _check_in_grid(tile: TileId) -> None:
    """Refuse a square of the grid system that Sentinel-2's grid names or covers otherwise."""
    zone, number = int(tile[:2]), _south_edge(tile) // SQUARE
    band = _band(number)
    if tile[2] != band:
        raise UsageError(
            f"There is no tile {tile}: Sentinel-2 has that square as {tile[:2]}{band}{tile[3:]}."
        )
    columns = _columns(zone, number)
    if _column(tile) not in columns:
        letters = _COLUMNS[zone % 3]
        raise UsageError(
            f"There is no tile {tile}: so far from the equator the columns of zone {zone} are"
            f" {letters[columns[0] - 1]} to {letters[columns[-1] - 1]}."
            if columns
            else f"There is no tile {tile}: zone {zone} has none so far from the equator."
        )


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
    west = _column(tile) * SQUARE
    north = _south_edge(tile) + SQUARE
    shift = 0 if _is_north(tile) else FALSE_NORTHING
    return west // GRID * GRID, -(-north // GRID) * GRID + shift


def bounds(tile: TileId) -> tuple[int, int, int, int]:
    """(left, bottom, right, top) of the tile, in metres of its UTM zone.

    >>> bounds(parse("29PKR"))
    (199980, 1490220, 309780, 1600020)
    """
    left, top = upper_left(tile)
    return left, top - EXTENT, left + EXTENT, top


def near(west: float, south: float, east: float, north: float) -> Iterator[TileId]:
    """Every tile that may show a part of a box, and some more close by, from south to north.

    Args:
        west: In degrees, not above `east`, which may go on beyond 180.
        south: In degrees, not above `north`.
        east: In degrees.
        north: In degrees.

    >>> "29PKR" in near(-11.2, 14, -11.2, 14)
    True
    """
    for row in _ROW_NUMBERS:
        middle = (row + 0.5) * SQUARE / _METRES_A_DEGREE
        if not south - _MARGIN <= middle <= north + _MARGIN:
            continue
        narrow = _METRES_A_DEGREE * math.cos(math.radians(abs(middle) + 1))
        reach = (east - west) / 2 + EXTENT / 2 / narrow + 0.5
        for zone in _ZONES:
            for column in _columns(zone, row):
                tile = _tile(zone, column, row)
                offset = longitude(tile) - (west + east) / 2
                if abs((offset + 180) % 360 - 180) <= reach:
                    yield tile


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
    meridian = 6 * int(tile[:2]) - 183
    width = _METRES_A_DEGREE * math.cos(math.radians(latitude(tile)))
    return meridian + ((_column(tile) + 0.5) * SQUARE - 500_000) / width


def _tile(zone: int, column: int, row: int) -> TileId:
    """The tile in that column and row; see `_ROW_NUMBERS` and `_COLUMN_NUMBERS`."""
    letter = _ROWS[(row + (0 if zone % 2 else 5)) % len(_ROWS)]
    return TileId(f"{zone:02}{_band(row)}{_COLUMNS[zone % 3][column - 1]}{letter}")


def _band(row: int) -> str:
    """The band that the middle of a row lies in, on the central meridian."""
    degrees = (row + 0.5) * SQUARE / _NORTHING_A_DEGREE
    return _BANDS[int((min(max(degrees, -80), 79) + 80) // 8)]


def _columns(zone: int, row: int) -> range:
    """Numbers of the columns that ESA's grid has in a row of a zone."""
    for rows, columns in _IRREGULAR.get(zone, {}).items():
        if row in rows:
            return columns
    from_equator = row if row >= 0 else -1 - row
    columns = next((kept for rows, kept in _COLUMN_NUMBERS if from_equator in rows), range(0))
    is_even = columns.start + columns.stop - 1 == _EVEN
    if zone == _ZONES[0] and not is_even:
        return range(columns.start - 1, columns.stop)
    if zone == _ZONES[-1] and not is_even:
        return range(columns.start, columns.stop - 1)
    return columns


def _column(tile: TileId) -> int:
    """The number of the tile's column, from 1."""
    return _COLUMNS[int(tile[:2]) % 3].index(tile[3]) + 1


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
