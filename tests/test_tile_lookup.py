"""A place finds the tiles that show it; the oracle is pyproj, tile by tile."""

import io
import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

import stacgen
from stacgen import cli
from stacgen.errors import UsageError
from stacgen.model import mgrs
from stacgen.model.raster import Coverage
from stacgen.model.stream import Grid
from stacgen.model.tile_lookup import TileMatch, find_tiles
from stacgen.raster import footprint
from stacgen.stac import checks
from test_tiles import REAL

ZONES: dict[int, list[mgrs.TileId]] = {}
for each in mgrs.near(-180, -90, 180, 90):
    ZONES.setdefault(mgrs.epsg(each), []).append(each)
TO_UTM = {epsg: Transformer.from_crs(4326, epsg, always_xy=True) for epsg in (32601, 32660, 32760)}


def ids(found: list[TileMatch]) -> list[str]:
    return [match.tile for match in found]


def shown_at(longitude: float, latitude: float) -> set[str]:
    """Every tile whose bounds hold the point, of all zones around it."""
    found = set()
    zone = int((longitude + 180) // 6) % 60
    hemisphere = (32601, 32701) if abs(latitude) < 2 else (32601 if latitude > 0 else 32701,)
    for epsg in ((zone + step) % 60 + first for step in range(-3, 4) for first in hemisphere):
        if epsg not in TO_UTM:
            TO_UTM[epsg] = Transformer.from_crs(4326, epsg, always_xy=True)
        x, y = TO_UTM[epsg].transform(longitude, latitude)
        for tile in ZONES[epsg]:
            left, bottom, right, top = mgrs.bounds(tile)
            if left <= x <= right and bottom <= y <= top:
                found.add(str(tile))
    return found


@settings(max_examples=30, deadline=None)
@given(longitude=st.floats(-180, 179.999), latitude=st.floats(-82.5, 83.5))
def test_a_point_finds_every_tile_whose_bounds_hold_it(longitude: float, latitude: float) -> None:
    """There is one everywhere between the ends of the grid, at sea, too."""
    expected = shown_at(longitude, latitude)
    assert expected
    found = find_tiles(point=(longitude, latitude))
    assert set(ids(found)) == expected
    distances = [match.edge_distance or 0 for match in found]
    assert distances == sorted(distances, reverse=True)
    assert {match.coverage for match in found} == {100}


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((-11.2, 14.0), ["29PKR"]),
        ((13.4, 52.5), ["33UUU", "32UQD"]),  # Berlin: two zones
        ((5.32, 60.39), ["32VKN"]),  # Bergen: zone 32 reaches far west
        ((2.9, 61.0), ["31VDH"]),  # and zone 31 ends there
        ((15.6, 78.2), ["33XWG"]),  # Longyearbyen
        ((20.9, 78.5), ["33XXH"]),
        ((179.99, -17.0), ["01KAB"]),  # west of 180 degrees, yet zone 1
        ((180.0, -17.0), ["01KAB"]),
        ((-180.0, -17.0), ["01KAB"]),
        ((-70.66, -33.45), ["19HCD"]),  # Santiago
        ((36.8, -0.001), ["37MBV", "37NBA"]),  # Nairobi's meridian at the equator
    ],
)
def test_places_that_people_know_lie_in_the_tiles_that_esa_has_for_them(
    point: tuple[float, float], expected: list[str]
) -> None:
    found = ids(find_tiles(point=point))
    assert set(expected) <= set(found)
    assert ids(find_tiles(point=point, fewest=True)) == found[:1]


def test_a_match_says_where_its_tile_lies() -> None:
    (match,) = find_tiles(point=(-11.2, 14.0))
    assert (match.epsg, match.bounds) == (32629, (199980, 1490220, 309780, 1600020))
    # As the sample's Items have it, computed by PROJ at the corners.
    assert match.bbox == (-11.782817, 13.464734, -10.757275, 14.466212)
    x, y = Transformer.from_crs(4326, 32629, always_xy=True).transform(-11.2, 14.0)
    sides = (x - 199980, 309780 - x, y - 1490220, 1600020 - y)
    assert match.edge_distance == pytest.approx(min(sides), abs=0.1)


def test_a_tile_beyond_180_degrees_has_its_west_above_its_east() -> None:
    (match,) = find_tiles(point=(179.99, -17.0))
    west, _, east, _ = match.bbox
    assert 179 < west < 180
    assert -180 < east < -179


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_shares_of_an_area_are_those_of_its_surface() -> None:
    """From pixels counted with pyproj: a fine raster of points in equal-area steps."""
    west, south, east, north = 5.0, 60.0, 6.0, 60.4
    sines = [math.sin(math.radians(value)) for value in (south, north)]
    steps = [(i + 0.5) / 40 for i in range(40)]
    counts: dict[str, int] = {}
    for step in steps:
        latitude = math.degrees(math.asin(sines[0] + step * (sines[1] - sines[0])))
        for other in steps:
            for tile in shown_at_fast(west + other * (east - west), latitude):
                counts[tile] = counts.get(tile, 0) + 1
    found = {match.tile: match.coverage for match in find_tiles(bbox=(west, south, east, north))}
    assert set(found) == set(counts)
    for tile, count in counts.items():
        assert found[mgrs.TileId(tile)] == pytest.approx(100 * count / 1600, abs=1)


def shown_at_fast(longitude: float, latitude: float) -> list[str]:
    """Tiles of zones 31 and 32 alone."""
    found = []
    for epsg in (32631, 32632):
        if epsg not in TO_UTM:
            TO_UTM[epsg] = Transformer.from_crs(4326, epsg, always_xy=True)
        x, y = TO_UTM[epsg].transform(longitude, latitude)
        for tile in NORWAY[epsg]:
            left, bottom, right, top = mgrs.bounds(tile)
            if left <= x <= right and bottom <= y <= top:
                found.append(str(tile))
    return found


NORWAY = {epsg: [tile for tile in ZONES[epsg] if tile[2] == "V"] for epsg in (32631, 32632)}


@pytest.mark.parametrize(
    "bbox",
    [(-11.3, 13.9, -11.1, 14.1), (-12, 13, -10, 15), (178, -18, -178, -16), (5, 60, 8, 61)],
)
def test_the_fewest_tiles_show_all_of_an_area_and_none_can_be_left_out(
    bbox: tuple[float, float, float, float],
) -> None:
    every, chosen = find_tiles(bbox=bbox), find_tiles(bbox=bbox, fewest=True)
    assert set(ids(chosen)) <= set(ids(every))
    west, south, east, north = bbox
    width = (east - west) % 360
    alone = set()
    for i in range(13):
        for j in range(13):
            longitude = (west + width * i / 12 + 180) % 360 - 180
            holders = set(ids(find_tiles(point=(longitude, south + (north - south) * j / 12))))
            held = holders & set(ids(chosen))
            assert held
            if len(held) == 1:
                alone |= held
    assert alone == set(ids(chosen))


def test_an_area_within_one_tile_needs_only_the_most_central() -> None:
    area = (13.3, 52.45, 13.5, 52.55)
    found = find_tiles(bbox=area)
    assert ids(found) == ["33UUU", "32UQD"]
    assert found[0].edge_distance
    assert ids(find_tiles(bbox=area, fewest=True)) == ["33UUU"]


@pytest.mark.parametrize(
    "document",
    [
        box(178, -18, 180, -17) | {"bbox": None},
        {"type": "Feature", "properties": None, "geometry": box(178, -18, 180, -17)},
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "geometry": None},
                {"type": "Feature", "geometry": box(178, -18, 179.5, -17)},
                {"type": "Feature", "geometry": box(179, -18, 180, -17)},
            ],
        },
    ],
    ids=["geometry", "Feature", "FeatureCollection"],
)
def test_geojson_finds_what_the_same_bbox_finds(document: dict[str, Any]) -> None:
    assert ids(find_tiles(intersects=document)) == ids(find_tiles(bbox=(178, -18, 180, -17)))


def test_a_ring_that_leaps_over_180_degrees_is_taken_the_short_way() -> None:
    leaping = find_tiles(intersects=box(179, -18, -179, -17))
    across = find_tiles(bbox=(179, -18, -179, -17))
    assert ids(leaping) == ids(across)
    assert "30KYG" not in ids(leaping)


def test_lines_and_points_are_shared_by_length_and_by_number() -> None:
    line = {"type": "LineString", "coordinates": [[-11.7, 14, 5], [-10.8, 14, 5]]}
    found = {match.tile: match.coverage for match in find_tiles(intersects=line)}
    assert found[mgrs.TileId("29PKR")] == 100
    points = {"type": "MultiPoint", "coordinates": [[-11.2, 14], [5, 50], [5.1, 50]]}
    shares = {match.tile: match.coverage for match in find_tiles(intersects=points)}
    assert shares[mgrs.TileId("29PKR")] == pytest.approx(100 / 3)


@pytest.mark.parametrize("bbox", [(5, 60, 6, 60), (5, 60, 5, 61), (5, 60, 5, 60)])
def test_a_flat_box_is_a_line_or_a_point(bbox: tuple[float, float, float, float]) -> None:
    found = find_tiles(bbox=bbox)
    assert "32VKM" in ids(found)
    assert all(0 < match.coverage <= 100 for match in found)


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "Say one place: --point LON LAT, --bbox W S E N or --geojson FILE."),
    ({"point": (0, 0), "bbox": (0, 0, 1, 1)}, "Say one place"),
    ({"point": (14.0, -120.0)}, "14 -120 is no place in degrees: longitude comes first"),
    ({"point": (math.nan, 0)}, "nan 0 is no place in degrees"),
    ({"point": (0, math.inf)}, "0 inf is no place in degrees"),
    ({"point": (0, 89)}, "the grid ends about 84 degrees north and south"),
    ({"bbox": (10, 20, 30, -20)}, "The bbox 10 20 30 -20 is none"),
    ({"bbox": (0, 0, 200, 1)}, "west and east lie from -180 to 180"),
    ({"bbox": (1, 2, 3)}, "A bbox has four numbers"),
    ({"intersects": {"type": "FeatureCollection", "features": []}}, "The GeoJSON holds no place."),
    ({"intersects": {"type": "Point", "coordinates": []}}, "The GeoJSON holds no place."),
    ({"intersects": {"type": "Circle"}}, "The place is not GeoJSON"),
    ({"intersects": {}}, "The place is not GeoJSON"),
    ({"intersects": {"type": "Feature"}}, "The place is not GeoJSON"),
    ({"intersects": {"type": "Polygon", "coordinates": "abc"}}, "The place is not GeoJSON"),
    ({"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}}, "is not GeoJSON"),
    ({"intersects": {"type": "Point", "coordinates": [300000, 5000000]}}, "no place in degrees"),
]


@pytest.mark.parametrize(("place", "sentence"), BAD)
def test_what_is_no_place_is_refused_in_a_sentence(place: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)) as raised:
        find_tiles(**place)
    assert str(raised.value).count(". ") == 0


def run(*arguments: str) -> int:
    try:
        cli.main(arguments, name="stacgen")
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.mark.parametrize("width", [50, 80])
def test_the_table_fits_the_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run("tiles", "--bbox", "36", "-0.5", "38", "0.5") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["tile", "EPSG", "left"]
    assert all(len(line.rstrip()) <= width for line in lines)
    assert not any("…" in line for line in lines)
    assert any(line.startswith("36MZE  32736  799980") for line in lines)


def test_json_lines_are_matches_and_stdin_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = json.dumps({"type": "Point", "coordinates": [13.4, 52.5]})
    (tmp_path / "place.geojson").write_text(raw)
    assert run("tiles", "--geojson", str(tmp_path / "place.geojson"), "--json") == 0
    first = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw.encode())))
    assert run("tiles", "--geojson", "-", "--json") == 0
    assert capsys.readouterr().out == first
    found = [json.loads(line) for line in first.splitlines()]
    assert [match["tile"] for match in found] == ["33UUU", "32UQD"]
    assert found[0]["bounds"] == [300000, 5790240, 409800, 5900040]
    assert run("tiles", "--point", "13.4", "52.5", "--fewest", "--json") == 0
    assert capsys.readouterr().out == first.splitlines()[0] + "\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file or directory"), ("{", "it is not JSON"), ("[]", "not a JSON object")],
)
def test_a_file_that_is_no_geojson_is_told_by_name(
    content: str | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "place.geojson"
    if content is not None:
        path.write_text(content)
    assert run("tiles", "--geojson", str(path)) == 2
    assert f"{path} cannot be read as GeoJSON: " in (said := capsys.readouterr().err)
    assert reason in said


def test_a_build_of_a_place_takes_the_tiles_that_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("--year", "2025", "--limit", "1", "--dry-run", "--sample", "-o", str(tmp_path))
    assert run("build", "B01", "--point", "-11.2", "14.0", *common) == 0
    said = capsys.readouterr().err
    assert "Note: 29PKR shows the place." in said
    assert "29PKR B01 2025: would build" in said
    assert run("build", "B01", "--bbox", "-11.2", "14", "-10.2", "14.1", *common) == 0
    said = capsys.readouterr().err
    assert "Note: 29PLR, 29PKR show the place." in said
    assert "29PLR B01 2025: would build" in said
    assert run("frames", "B01", "--point", "-11.2", "14.0", "--year", "2025", "--sample") == 0
    assert capsys.readouterr().out.startswith("frame")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("build", "29PKR", "B01", "--point", "0", "0"), "Say a tile, or a place"),
        (("build", "--point", "0", "0"), "Say a band with the place"),
        (("build", "B01", "--point", "0", "0", "--bbox", "0", "0", "1", "1"), "Say one place"),
        (("build", "B01", "--point", "14", "-120"), "longitude comes first"),
        (("build", "--plan", "x.csv", "--point", "0", "0"), "Say --plan, or a place"),
        (("build", "29PKR", "--point", "-11.2", "14"), "'29PKR'"),
        (("build", "B01"), "Say a tile and a band"),
        (("frames", "B01"), "Say a tile and a band"),
        (("frames", "B01", "--bbox", "-12", "13", "-10", "15"), "Frames are listed for one tile"),
    ],
)
def test_places_and_tiles_that_contradict_are_refused_before_anything_is_fetched(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address answers nothing, so that a request would be another error."""
    assert run(*arguments, "--year", "2025", "--api", "http://127.0.0.1:9") == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("name", REAL)
def test_a_frame_that_fills_its_tile_is_where_validate_expects_it(name: str) -> None:
    """On real tiles, zone edges and 180 degrees included; and its neighbour's is not."""
    tile = mgrs.parse(name)
    left, top = mgrs.upper_left(tile)
    grid = Grid(epsg=mgrs.epsg(tile), left=left, top=top, resolution=60, size=1830)
    full = Coverage(valid=np.ones((10, 10), np.bool_), step=183)
    whole = footprint.outline(full, grid)
    aside = footprint.outline(full, replace(grid, left=left + 100_020))
    assert whole is not None
    assert aside is not None
    document: dict[str, Any] = {
        "bbox": whole.bbox,
        "geometry": whole.geometry,
        "properties": {"proj:code": f"EPSG:{grid.epsg}"},
        "assets": {
            "B09": {
                "proj:shape": list(grid.shape),
                "proj:transform": list(grid.transform),
                "proj:bbox": list(grid.bounds),
            }
        },
    }
    key = f"{tile}/B09/2025/x/x.json"
    assert list(checks.check_place(key, document)) == []
    document |= {"bbox": aside.bbox, "geometry": aside.geometry}
    found = [finding.text.split()[1] for finding in checks.check_place(key, document)]
    assert found == ["bbox", "geometry"]


def test_the_call_is_public() -> None:
    assert ids(stacgen.find_tiles(point=(-11.2, 14.0))) == ["29PKR"]
