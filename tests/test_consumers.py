"""The catalog as its readers see it: the real packages, on a catalog that was just built."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import odc.stac
import pystac
import pystac_client
import pytest
import rasterio
from pystac.validation import JsonSchemaSTACValidator
from rio_tiler.io import Reader, STACReader

import dunia
import stacgen
from conftest import SHARED
from stacgen.api.build import Upstream
from test_build import assert_links_resolve

SCHEMAS = SHARED / "schemas"

# A static catalog advertises no conformance classes, and need not.
# What readers warn of in each other is theirs.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pystac_client.warnings.PystacClientWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two years of 29PKR B09, the first before baseline 04.00, and a band beside it."""
    folder = tmp_path_factory.mktemp("catalogs")
    frames = [dunia.landscape(number) for number in range(3)]
    frames[1][:, :500] = 0
    with dunia.Server().running() as server:
        dunia.publish(server, frames)
        dunia.publish(server, frames[:1], band="B01")
        early = dunia.images(2, baseline="02.14")
        for image in early:
            image["sensing_time"] = image["sensing_time"].replace("2025", "2020")
        dunia.publish(server, frames[:2], year=2020, metadata=early)
        for band, years in (("B09", [2020, 2025]), ("B01", [2025])):
            upstream = Upstream(api=server.base)
            report = stacgen.build("29PKR", band, years=years, output=folder, upstream=upstream)
            assert not report.failed
    return folder


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four bands of 10 m and 20 m of one acquisition, and an earlier one that only B11 has.

    Frames of 10 m are dear to encode, so bands of one resolution are one stream, scaled by their
    metadata to other digital numbers.
    """
    folder = tmp_path_factory.mktemp("cube")
    images = dunia.images(2)
    of_fine = [images[1] | {"image_number": 0, "pts_time": images[0]["pts_time"]}]
    told = {"B02": of_fine, "B03": of_fine, "B8A": images[1:], "B11": images}
    with dunia.Server().running() as server:
        dunia.publish(server, [ripples(3, 10980)], band="B02", metadata=of_fine)
        dunia.publish(server, [ripples(5, 5490), ripples(7, 5490)], band="B11", metadata=images)
        for number, (band, metadata) in enumerate(told.items()):
            stream = "B11" if band in ("B8A", "B11") else "B02"
            server.put_json(
                f"/api/streaming/band_metadata/29PKR/{band}/2025",
                {
                    "metadata": {"stream_full": f"@BASE@/streams/29PKR/{stream}/2025/stream.m3u8"},
                    "images": [image | {"scale_factor": 1.5 + number} for image in metadata],
                },
            )
        for band in ("B11", "B8A", "B03,B02"):
            upstream = Upstream(api=server.base)
            report = stacgen.build("29PKR", band, years=[2025], output=folder, upstream=upstream)
            assert not report.failed
    return folder


def ripples(number: int, size: int) -> dunia.Codes:
    """Codes that differ along columns and, here and there, along rows; cheap to encode."""
    codes = dunia.landscape(number, size=size)
    codes[::501, ::3] += 13
    return codes


def scenes(root: Path) -> list[pystac.Item]:
    """As they are reached."""
    collection = pystac.Collection.from_file(str(root / "29PKR/scenes/collection.json"))
    return list(collection.get_items(recursive=True))


def items(root: Path, band: str = "B09") -> list[pystac.Item]:
    client = pystac_client.Client.open(str(root / "catalog.json"))
    found = client.get_items(recursive=True)
    found = (item for item in found if item.collection_id == f"sentinel-2-l2a-29PKR-{band}")
    return sorted(found, key=lambda item: item.id)


def pixels(item: pystac.Item, band: str = "B09") -> np.ndarray[Any, np.dtype[np.uint16]]:
    with rasterio.open(item.assets[band].get_absolute_href()) as dataset:
        values: np.ndarray[Any, np.dtype[np.uint16]] = dataset.read(1)
        return values


@pytest.fixture(scope="module")
def validator() -> JsonSchemaSTACValidator:
    """Core schemas as pystac carries them; those of the extensions from beside the project."""
    if not SCHEMAS.is_dir():
        pytest.skip(f"the extension schemas in {SCHEMAS} are not on this machine")
    made = JsonSchemaSTACValidator()
    for path in SCHEMAS.glob("*/*/schema.json"):
        name, version = path.parts[-3:-1]
        url = f"https://stac-extensions.github.io/{name}/{version}/schema.json"
        made.schema_cache[url] = json.loads(path.read_bytes())
    return made


def test_every_document_is_valid_against_core_and_extensions(
    root: Path, validator: JsonSchemaSTACValidator
) -> None:
    paths = sorted(root.rglob("*.json"))
    # Items, scenes, years, Collections, tile, root
    assert len(paths) == 6 + 5 + 5 + 3 + 1 + 1
    for path in paths:
        validated = pystac.read_file(str(path)).validate(validator=validator)
        assert validated
        declared = json.loads(path.read_bytes()).get("stac_extensions", [])
        assert all(url in validator.schema_cache for url in declared)


def test_pystac_gives_back_every_document_as_it_is(root: Path) -> None:
    """But for the digits of a second, of which pystac writes six."""
    for path in sorted(root.rglob("*.json")):
        found = pystac.read_file(str(path)).to_dict(include_self_link=False, transform_hrefs=False)
        plain = re.sub(r"(\.\d{3})000Z", r"\1Z", json.dumps(found))
        assert json.loads(plain) == json.loads(path.read_bytes())


def test_the_validator_would_find_a_wrong_field(
    root: Path, validator: JsonSchemaSTACValidator
) -> None:
    item = items(root)[0]
    item.properties["eo:cloud_cover"] = "much"
    with pytest.raises(pystac.STACValidationError):
        item.validate(validator=validator)


def test_pystac_client_walks_to_every_item(root: Path) -> None:
    client = pystac_client.Client.open(str(root / "catalog.json"))
    tiles = list(client.get_children())
    assert [tile.id for tile in tiles] == ["29PKR"]
    collections = [child.id for child in tiles[0].get_children()]
    assert collections == [f"sentinel-2-l2a-29PKR{name}" for name in ("-B01", "-B09", "")]
    found = items(root)
    assert len(found) == 5
    assert all(item.get_collection() is not None for item in found)
    assert all(item.get_root() is not None for item in found)


def test_a_collection_covers_its_items(root: Path) -> None:
    collection = pystac.Collection.from_file(str(root / "29PKR/B09/collection.json"))
    west, south, east, north = collection.extent.spatial.bboxes[0]
    start, end = collection.extent.temporal.intervals[0]
    assert start is not None
    assert end is not None
    for item in items(root):
        assert item.bbox is not None
        assert west <= item.bbox[0] <= item.bbox[2] <= east
        assert south <= item.bbox[1] <= item.bbox[3] <= north
        assert item.datetime is not None
        assert start <= item.datetime <= end


def test_odc_stac_loads_uint16_with_nodata_on_the_exact_grid(root: Path) -> None:
    found = [item for item in items(root) if item.datetime and item.datetime.year == 2025]
    loaded = odc.stac.load(found, bands=["B09"])
    assert loaded.B09.dtype == np.uint16
    assert loaded.B09.odc.nodata == 0
    assert loaded.odc.geobox.shape == (1830, 1830)
    assert loaded.odc.geobox.crs.epsg == 32629
    assert loaded.odc.geobox.transform[:6] == (60, 0, 199980, 0, -60, 1600020)
    assert loaded.sizes["time"] == 3
    for index, item in enumerate(found):
        assert (loaded.B09.isel(time=index).values == pixels(item)).all()


def test_gdal_opens_what_search_found_as_one_mosaic(root: Path, tmp_path: Path) -> None:
    """STACIT knows `proj:code` since GDAL 3.10.2; the latest Item lies on top."""
    if tuple(map(int, rasterio.__gdal_version__.split("."))) < (3, 10, 2):
        pytest.skip(f"GDAL {rasterio.__gdal_version__} knows no STAC 1.1")
    collections = ["sentinel-2-l2a-29PKR-B09"]
    found = stacgen.search(root, collections=collections, datetime="2025-01-01/..")
    (tmp_path / "items.json").write_text(json.dumps(pystac.ItemCollection(found).to_dict()))
    with rasterio.open(f'STACIT:"{tmp_path}/items.json":asset=B09') as mosaic:
        assert mosaic.crs.to_epsg() == 32629
        np.testing.assert_array_equal(mosaic.read(1), pixels(items(root)[-1]))


def test_renders_name_assets_that_are_there_and_a_range_per_asset(cube: Path) -> None:
    documents = [json.loads(path.read_bytes()) for path in cube.rglob("*.json")]
    drawn = [each for each in documents if each["type"] != "Catalog"]
    assert drawn
    for each in drawn:
        renders = each.get("renders") or each["properties"]["renders"]
        there = each["item_assets"] if each["type"] == "Collection" else each["assets"]
        for render in renders.values():
            assert set(render["assets"]) <= there.keys()
            assert render["rescale"] == [[1000, 5000]] * len(render["assets"])


def test_odc_stac_reads_an_area_in_degrees(root: Path) -> None:
    loaded = odc.stac.load(
        items(root)[-1:], bands=["B09"], bbox=(-11.5, 13.9, -11.4, 14.0), chunks={}
    )
    assert loaded.B09.dtype == np.uint16
    assert int(loaded.B09.max()) > 0


BANDS = ["B02", "B03", "B8A", "B11"]


def test_odc_stac_loads_bands_of_10_and_20_m_together(cube: Path) -> None:
    found = scenes(cube)
    loaded = odc.stac.load(found, bands=["B02", "B8A"], resolution=20)
    assert loaded.odc.geobox.transform[:6] == (20, 0, 199980, 0, -20, 1600020)
    assert loaded.odc.geobox.shape == (5490, 5490)
    assert loaded.sizes["time"] == 2
    every = odc.stac.load(found[:1], bands=BANDS, resolution=20).isel(time=0)
    for band in BANDS:
        with rasterio.open(found[0].assets[band].get_absolute_href()) as dataset:
            expected = dataset.read(1, out_shape=(5490, 5490))
        assert every[band].dtype == np.uint16
        assert (every[band].values == expected).all()
        if band in loaded:
            assert (loaded[band].sel(time=every.time.values).values == expected).all()
    assert len({int(every[band].max()) for band in BANDS}) == 4


def test_odc_stac_loads_one_resolution_without_being_told_it(cube: Path) -> None:
    found = scenes(cube)
    loaded = odc.stac.load(found[:1], bands=["B8A", "B11"])
    assert loaded.odc.geobox.shape == (5490, 5490)
    for band in ("B8A", "B11"):
        assert (loaded[band].isel(time=0).values == pixels(found[0], band)).all()


def test_the_first_scene_that_is_reached_is_a_complete_one(cube: Path) -> None:
    assert [list(item.assets) for item in scenes(cube)] == [
        [*BANDS, "thumbnail"],
        ["B11", "thumbnail"],
    ]
    moments = [item.datetime for item in scenes(cube) if item.datetime]
    assert moments[0] > moments[1]


def test_scenes_of_several_resolutions_are_valid(
    cube: Path, validator: JsonSchemaSTACValidator
) -> None:
    for path in (cube / "29PKR/scenes").rglob("*.json"):
        assert pystac.read_file(str(path)).validate(validator=validator)
    assert_links_resolve(cube)


def test_rio_tiler_reads_bands_of_a_scene_together(cube: Path) -> None:
    with STACReader(scenes(cube)[0].get_self_href() or "") as reader:
        tile = reader.tile(119, 117, 8, assets=["B03", "B11"])
    assert tile.array.shape == (2, 256, 256)
    assert tile.array.any()


def test_rio_tiler_reads_a_tile_by_band_name(root: Path) -> None:
    item = items(root)[-1]
    with Reader(item.assets["B09"].get_absolute_href() or "") as cog:
        assert cog.info().nodata_type == "Nodata"
        x, y, zoom = 119, 117, 8
        tile = cog.tile(x, y, zoom)
        assert tile.mask.any()
    with STACReader(item.get_self_href() or "") as reader:
        assert "B09" in reader.assets
        assert reader.tile(x, y, zoom, assets=["B09"]).array.any()


def test_statistics_in_the_item_are_those_of_the_file(root: Path) -> None:
    for item in items(root):
        values = pixels(item)
        valid = values[values > 0].astype(np.float64)
        said = item.assets["B09"].extra_fields["bands"][0]["statistics"]
        assert said["minimum"] == valid.min()
        assert said["maximum"] == valid.max()
        assert said["mean"] == pytest.approx(valid.mean(), rel=1e-12)
        assert said["stddev"] == pytest.approx(valid.std(), rel=1e-9)
        assert said["count"] == valid.size
        assert said["valid_percent"] == pytest.approx(100 * valid.size / values.size)


def test_reflectance_begins_at_zero_since_baseline_04(root: Path) -> None:
    offsets = {
        item.properties["processing:version"]: item.assets["B09"].extra_fields["raster:offset"]
        for item in items(root)
    }
    assert offsets == {"02.14": 0.0, "05.11": -0.1}
    collection = json.loads((root / "29PKR/B09/collection.json").read_bytes())
    assert "raster:offset" not in collection["item_assets"]["B09"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_thumbnail_is_a_picture_with_transparency(root: Path) -> None:
    half = items(root)[-2]
    thumbnail = half.assets["thumbnail"]
    assert thumbnail.roles == ["thumbnail", "overview"]
    with rasterio.open(thumbnail.get_absolute_href()) as picture:
        assert picture.driver == "PNG"
        assert list(picture.shape) == thumbnail.extra_fields["proj:shape"]
        alpha = picture.read(2)
    assert not alpha[:, : alpha.shape[1] * 490 // 1830].any()
    assert alpha[:, alpha.shape[1] * 510 // 1830 :].all()


def test_nothing_local_secret_or_endless_is_in_any_document(root: Path) -> None:
    for path in root.rglob("*.json"):
        text = path.read_text()
        assert str(root) not in text
        assert "?" not in text
        assert "NaN" not in text
        assert "Infinity" not in text
        assert text.endswith("}\n")
