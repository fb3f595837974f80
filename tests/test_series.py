"""Numbers at a place are those that rasterio, shapely and numpy find there themselves."""

import io
import json
import re
import shutil
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.mask
import rasterio.warp
import shapely
import shapely.geometry
from numpy.typing import NDArray
from PIL import Image
from pyproj import Transformer

import dunia
import gallery
import stacgen
from stacgen.access import chart
from stacgen.errors import OutputError, UsageError
from stacgen.model import time_series
from stacgen.model.selection import parse_interval
from stacgen.model.stream import Selection
from stacgen.model.time_series import Measured, Point, Reading

INSIDE = (-11.3, 13.9)
"""Longitude and latitude of a pixel that all frames hold."""

EMPTY = (-10.9, 13.9)
"""Of one that is nodata in one of them."""

SKEW = [[-11.5, 13.6], [-11.1, 13.7], [-10.81, 14.13], [-11.4, 14.2], [-11.5, 13.6]]
HOLE = [[-11.3, 13.8], [-11.2, 13.8], [-11.2, 13.9], [-11.3, 13.9], [-11.3, 13.8]]
PLACES: dict[str, dict[str, Any]] = {
    "across nodata": {"type": "Polygon", "coordinates": [SKEW]},
    "with a hole": {"type": "Polygon", "coordinates": [SKEW, HOLE]},
    "over the edge": {
        "type": "Polygon",
        "coordinates": [[[-13, 13], [-11.6, 13], [-11.6, 15], [-13, 15], [-13, 13]]],
    },
    "in two parts": {
        "type": "MultiPolygon",
        "coordinates": [[HOLE], [[[lon + 0.4, lat] for lon, lat in HOLE]]],
    },
    "larger than the tile": {
        "type": "Polygon",
        "coordinates": [[[-13, 12], [-9, 12], [-9, 16], [-13, 16], [-13, 12]]],
    },
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gallery.build(tmp_path_factory.mktemp("catalog"))


@pytest.fixture
def copy(catalog: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(catalog, tmp_path / "copy"))


def written(geometry: object, folder: Path) -> Path:
    path = folder / "place.geojson"
    path.write_text(json.dumps(geometry))
    return path


def cogs(collection: Path) -> list[Path]:
    return [path.with_suffix(".tif") for path in gallery.items(collection)]


def measured(readings: tuple[Reading, ...]) -> list[Measured]:
    found = [each.measured for each in readings]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("name", PLACES)
def test_the_mean_in_a_polygon_is_that_of_rasterios_own_mask(
    name: str, catalog: Path, tmp_path: Path
) -> None:
    found = stacgen.readings(catalog, polygon=written(PLACES[name], tmp_path))
    assert len(measured(found.readings)) == gallery.COUNT
    for path, ours in zip(cogs(catalog), measured(found.readings), strict=True):
        with rasterio.open(path) as dataset:
            place = rasterio.warp.transform_geom("EPSG:4326", dataset.crs, PLACES[name])
            pixels, _ = rasterio.mask.mask(dataset, [place], filled=False)
            inside, _, _ = rasterio.mask.raster_geometry_mask(dataset, [place])
        valid = pixels.compressed()
        assert ours.valid == valid.size
        assert ours.pixels == np.count_nonzero(~inside)
        assert ours.mean == (valid.mean(dtype=np.float64) if valid.size else None)


def test_a_pixel_belongs_to_a_polygon_by_its_centre(catalog: Path, tmp_path: Path) -> None:
    """Told by shapely and PROJ, which know no pixels."""
    place = PLACES["with a hole"]
    found = stacgen.readings(catalog, polygon=written(place, tmp_path))
    to_metres = Transformer.from_crs(4326, 32629, always_xy=True)
    area = shapely.transform(
        shapely.geometry.shape(place),
        lambda degrees: np.column_stack(to_metres.transform(*degrees.T)),
    )
    x, y = np.meshgrid(199_980 + 60 * np.arange(1830) + 30, 1_600_020 - 60 * np.arange(1830) - 30)
    inside = shapely.contains_xy(area, x, y)
    for path, ours in zip(cogs(catalog), measured(found.readings), strict=True):
        with rasterio.open(path) as dataset:
            values: NDArray[np.uint16] = dataset.read(1)[inside]
        assert ours.pixels == values.size
        assert ours.mean == values[values > 0].mean(dtype=np.float64)


@pytest.mark.parametrize("place", [INSIDE, EMPTY])
def test_a_point_is_the_pixel_that_rasterio_samples(
    place: tuple[float, float], catalog: Path
) -> None:
    found = stacgen.readings(catalog, point=place)
    to_metres = Transformer.from_crs(4326, 32629, always_xy=True)
    for path, ours in zip(cogs(catalog), measured(found.readings), strict=True):
        with rasterio.open(path) as dataset:
            (sampled,) = next(dataset.sample([to_metres.transform(*place)]))
        assert ours.pixels == 1
        assert ours.mean == (sampled or None)


def test_the_footprint_tells_whether_an_acquisition_shows_the_place(catalog: Path) -> None:
    def covered(place: tuple[float, float]) -> list[float]:
        return [each.covered for each in measured(stacgen.readings(catalog, point=place).readings)]

    assert covered(INSIDE) == [100] * gallery.COUNT
    assert covered(EMPTY) == [100, 100, 0, 100, 100]


def test_reflectance_is_that_of_each_items_own_scale_and_offset(copy: Path) -> None:
    item = gallery.items(copy)[1]
    document = json.loads(item.read_bytes())
    document["assets"]["B09"] |= {"raster:scale": 0.0002, "raster:offset": 0.5}
    item.write_text(json.dumps(document))
    found = stacgen.readings(copy, point=INSIDE, reflectance=True)
    for number, ours in enumerate(measured(found.readings)):
        scale, offset = (0.0002, 0.5) if number == 1 else (0.0001, -0.1)
        assert ours.mean is not None
        assert ours.reflectance == ours.mean * scale + offset
    assert found.notes == ()
    (note,) = stacgen.readings(copy, point=INSIDE).notes
    assert "Compare them with --reflectance" in note


def test_cloud_and_valid_share_are_those_of_the_items(copy: Path) -> None:
    gallery.change(gallery.items(copy)[0], **{"eo:cloud_cover": None})
    found = stacgen.readings(copy)
    assert [each.cloud for each in found.readings] == [None, 10, 20, 30, 40]
    assert [each.valid for each in found.readings] == pytest.approx([100, 100, 50, 100, 100])
    assert [each.measured for each in found.readings] == [None] * gallery.COUNT


def test_a_website_gives_the_same_numbers_as_the_folder(
    catalog: Path, server: dunia.Server, tmp_path: Path
) -> None:
    place = written(PLACES["in two parts"], tmp_path)
    url = gallery.serve(catalog, server)
    assert stacgen.readings(url, polygon=place) == stacgen.readings(catalog, polygon=place)


def test_polygons_are_found_in_any_geojson() -> None:
    one, two = PLACES["across nodata"], PLACES["in two parts"]
    feature = {"type": "Feature", "properties": {}, "geometry": one}
    assert time_series.polygons(feature) == [one]
    assert time_series.polygons({"type": "FeatureCollection", "features": [feature, feature]}) == [
        one,
        one,
    ]
    assert time_series.polygons({"type": "GeometryCollection", "geometries": [two, one]}) == [
        two,
        one,
    ]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "Expecting property name"),
        ("[]", "it is not GeoJSON"),
        ('{"type": "Point", "coordinates": [1, 2]}', "it holds a Point"),
        ('{"type": "FeatureCollection", "features": []}', "it holds no polygon"),
        ('{"type": "Feature", "geometry": null}', "it holds no polygon"),
        ('{"type": "Polygon", "coordinates": []}', "has no ring"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [1, 2]]]}', "fewer than 4"),
        ('{"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [5, 6], [7, 8]]]}', "not closed"),
        (
            json.dumps({"type": "Polygon", "coordinates": [[[300_000, 1_000_000]] * 4]}),
            "300000, 1e.06 is no longitude and latitude",
        ),
        (json.dumps({"type": "Polygon", "coordinates": [[["a", 1]] * 4]}), "it is not GeoJSON"),
        (
            json.dumps({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}),
            "No pixel of .* has its centre in the polygon",
        ),
    ],
)
def test_what_is_no_polygon_here_is_refused(
    document: str, sentence: str, catalog: Path, tmp_path: Path
) -> None:
    path = tmp_path / "place.geojson"
    path.write_text(document)
    with pytest.raises(UsageError, match=sentence):
        stacgen.readings(catalog, polygon=path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"point": (13.9, -111.3)}, "The point cannot be used: 13.9, -111.3 is no longitude"),
        ({"point": (float("nan"), 0)}, "is no longitude and latitude"),
        ({"point": (10.0, 14.0)}, r"The point 14° N 10° E lies outside"),
        ({"polygon": Path("nowhere.json")}, "nowhere.json cannot be read: No such file"),
        ({"point": INSIDE, "polygon": Path("x")}, "not both"),
        ({"reflectance": True}, "Say whose reflectance"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: dict[str, Any], sentence: str, catalog: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        stacgen.readings(catalog, **arguments)


def test_reflectance_is_not_guessed_where_an_item_gives_no_offset(copy: Path) -> None:
    item = gallery.items(copy)[4]
    document = json.loads(item.read_bytes())
    del document["assets"]["B09"]["raster:offset"]
    item.write_text(json.dumps(document))
    with pytest.raises(UsageError, match="gives no scale and offset"):
        stacgen.readings(copy, point=INSIDE, reflectance=True)


def test_a_missing_cog_is_an_output_error(copy: Path) -> None:
    cogs(copy)[2].unlink()
    assert len(stacgen.readings(copy).readings) == gallery.COUNT
    with pytest.raises(OutputError, match=r"\.tif is not there"):
        stacgen.readings(copy, point=INSIDE)


def test_an_item_without_a_footprint_is_not_measured(copy: Path) -> None:
    item = gallery.items(copy)[0]
    item.write_text(json.dumps(json.loads(item.read_bytes()) | {"geometry": None}))
    with pytest.raises(OutputError, match="has no footprint"):
        stacgen.readings(copy, point=INSIDE)


def test_sums_do_not_overflow() -> None:
    block = np.full(100_000, 65_535, np.uint16)
    assert time_series.measure([block] * 3, None, covered=100).mean == 65_535


def test_a_point_outside_the_degrees_is_none() -> None:
    with pytest.raises(ValueError, match="no longitude and latitude"):
        Point(longitude=181, latitude=0)


@pytest.mark.parametrize("place", [{}, {"point": EMPTY}, {"point": INSIDE, "reflectance": True}])
def test_a_chart_is_light_and_large_enough_and_the_same_each_time(
    place: dict[str, Any], catalog: Path, tmp_path: Path
) -> None:
    found, drawn = stacgen.plot(catalog, tmp_path / "a.png", **place)
    stacgen.plot(catalog, tmp_path / "b.png", **place)
    assert len(found.readings) == drawn.frames == gallery.COUNT
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1280, 960)
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    white = np.mean((pixels == 255).all(axis=1))
    assert 0.8 < white < 0.99


@pytest.mark.parametrize(
    ("place", "texts"),
    [
        ({}, ["Cloud cover (%)", "Valid pixels (%)", "Sensing time (UTC)", "5 acquisitions"]),
        ({"point": INSIDE}, ["Digital number (DN)", "Pixel at 13.9° N 11.3° W; 5 acquisitions"]),
        (
            {"point": EMPTY},
            ["5 acquisitions, 1 of them show too little of it"],
        ),
        ({"point": INSIDE, "reflectance": True}, ["Surface reflectance (no unit)"]),
    ],
)
def test_a_chart_says_what_it_shows_and_in_which_unit(
    place: dict[str, Any], texts: list[str], catalog: Path, tmp_path: Path
) -> None:
    for name in ("a.svg", "b.svg"):
        stacgen.plot(catalog, tmp_path / name, **place)
    content = (tmp_path / "a.svg").read_bytes()
    assert content == (tmp_path / "b.svg").read_bytes()
    assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - ours
    origin = "contains modified Copernicus Sentinel data 2025"
    for text in [*texts, origin, "29PKR B09 (60 m)"]:
        assert re.search(f"<!-- .*{re.escape(text)} -->", content.decode())
    assert str(tmp_path) not in content.decode()


def words(path: Path) -> str:
    """The texts of an SVG, which matplotlib puts down as comments beside their outlines."""
    return "\n".join(re.findall("<!-- (.*) -->", path.read_text()))


def forget(collection: Path, count: int) -> None:
    """Take the cloud cover out of the first Items, so many."""
    for path in gallery.items(collection)[:count]:
        gallery.change(path, **{"eo:cloud_cover": None})


def test_what_no_acquisition_knows_has_no_panel(copy: Path, tmp_path: Path) -> None:
    """An empty axis of time made matplotlib squash both panels, of which it warns."""
    forget(copy, gallery.COUNT)
    stacgen.plot(copy, tmp_path / "a.svg")
    said = words(tmp_path / "a.svg")
    assert "5 acquisitions; cloud cover unknown" in said
    assert "Valid pixels (%)" in said
    assert "Cloud cover (%)" not in said


def test_what_some_acquisitions_know_has_a_panel_that_counts_the_others(
    copy: Path, tmp_path: Path
) -> None:
    forget(copy, 2)
    stacgen.plot(copy, tmp_path / "a.svg")
    said = words(tmp_path / "a.svg")
    assert "Cloud cover (%)" in said
    assert "unknown of 2" in said
    assert "cloud cover unknown" not in said


@pytest.mark.parametrize(
    ("unknown", "entries", "has_line"),
    [(0, ["0 %", "50 %", "100 %"], True), (2, ["0 %", "100 %", "unknown"], False)],
)
def test_a_legend_explains_the_markers_that_there_are(
    unknown: int, entries: list[str], copy: Path, tmp_path: Path, *, has_line: bool
) -> None:
    forget(copy, unknown)
    stacgen.plot(copy, tmp_path / "a.svg", point=INSIDE)
    said = words(tmp_path / "a.svg").splitlines()
    assert set(entries) <= set(said)
    assert ("unknown" in said) == bool(unknown)
    title = "Cloud cover of the tile" + (" (line: up to 20 %)" if has_line else "")
    assert title in said
    forget(copy, gallery.COUNT)
    stacgen.plot(copy, tmp_path / "b.svg", point=INSIDE)
    said = words(tmp_path / "b.svg").splitlines()
    assert "unknown" in said
    assert not {"0 %", "50 %", "100 %"} & set(said)
    assert "Cloud cover of the tile" in said


def test_a_chart_of_nothing_is_refused(copy: Path, tmp_path: Path) -> None:
    forget(copy, gallery.COUNT)
    for path in gallery.items(copy):
        document = json.loads(path.read_bytes())
        del document["properties"]["s2:nodata_pixel_percentage"]
        del document["assets"]["B09"]["bands"]
        path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"says how cloudy or how valid it is.*--point"):
        stacgen.plot(copy, tmp_path / "a.png")
    start, end = parse_interval("2025-03-12")
    wanted = Selection(start=start, end=end)
    with pytest.raises(UsageError, match=r"10\.9° W shows nothing to plot: of 1"):
        stacgen.plot(copy, tmp_path / "a.png", point=EMPTY, wanted=wanted)
    assert not (tmp_path / "a.png").exists()


def test_cloudy_acquisitions_are_fainter_and_unknown_ones_hollow() -> None:
    """Told from the ink of charts of one acquisition each."""
    ink = [blue(reading(cloud)) for cloud in (0, 50, 100, None)]
    assert ink[0] > 1.3 * ink[1] > 1.3 * 1.3 * ink[2]
    assert 0 < ink[3] < ink[0]


def reading(cloud: float | None) -> Reading:
    full = Measured(mean=1000, valid=1, pixels=1, covered=100)
    moment = datetime(2025, 3, 2, tzinfo=UTC)
    return Reading(item_id="a", moment=moment, cloud=cloud, valid=100, measured=full)


def blue(each: Reading) -> float:
    """How much blue stands where the one marker does; the legend lies below."""
    content = chart.of_place([each], title="", place="", about="", kind="png")
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)[150:650, 200:1240]
    return float(np.clip(pixels[..., 2] - pixels[..., 0] - 12, 0, None).sum())


def test_an_ending_that_is_no_chart_is_refused(catalog: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in none of .png, .svg"):
        stacgen.plot(catalog, tmp_path / "a.pdf")
