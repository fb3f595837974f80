"""A tile id is read as people write it, and lies where ESA's products lie."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacgen import tiles
from stacgen.errors import UsageError

# Real tiles: EPSG code, easting and northing of the upper-left corner.
#
# 29PKR and 32TLS: rasters that we have. 33XVP: ESA's tiling grid KML, as quoted in
# SAR-ARD/s1ard issue 38. 34LBP 60CWS 01VCG 34VEL 10SDG 01LAC 01KAB 33XWJ: real products in
# `tests/data-files` of stactools-packages/sentinel2 (tileInfo.json, expected_output.json).
# 22HBD: stac-utils/stactools pull request 88. 30VXK: stac-utils/stac-vrt issue 11.
# 01CDK: stac-utils/stac-fastapi pull request 126. 56HKJ, 56HKH, 56HKG (extents) and 21HUB
# (Element 84's Earth Search): public code that reads those rasters.
REAL = {
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


@pytest.mark.parametrize("name", REAL)
def test_a_tile_lies_where_esa_lays_it(name: str) -> None:
    tile = tiles.parse(name)
    assert (tiles.epsg(tile), *tiles.upper_left(tile)) == REAL[name]


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
        tile = tiles.parse(name)
    except UsageError:
        return
    east, north = tiles.upper_left(tile)
    metres = north - (0 if tiles.epsg(tile) < 32700 else 10_000_000)
    assert east % 60 == metres % 60 == 0
    row = metres // 100_000 - 1 + (0 if int(name[:2]) % 2 else 5)
    column = (east + 59) // 100_000
    assert name[4] == "ABCDEFGHJKLMNPQRSTUV"[row % 20]
    assert name[3] == ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")[int(name[:2]) % 3][column - 1]
    assert abs(tiles.latitude(tile) - metres / 111_000) < 1


@given(name=st.sampled_from(sorted(REAL)), dressed=st.sampled_from([" {}", "T{}", "t{}\n"]))
def test_a_leading_t_lower_case_and_blanks_make_no_difference(name: str, dressed: str) -> None:
    assert tiles.parse(dressed.format(name.lower())) == tiles.parse(name) == name


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
    ],
)
def test_a_name_that_is_no_tile_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)) as raised:
        tiles.parse(text)
    assert str(raised.value).endswith(".")
