"""Scenes opened as a Dataset: the pixels of the COGs, lazily, and reflectance scene by scene."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import dask.base
import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
from numpy.typing import NDArray

import dunia
import scenery
import stacgen
from items import outline
from scenery import SIZE, numbers, shot
from stacgen.access import dataset as load
from stacgen.errors import EmptySelectionError, UsageError
from stacgen.model.mgrs import EXTENT
from stacgen.stac import stac_json

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac

NAMES = ("B04", "B03", "B02")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes whose baselines shift digital numbers, and one of red alone before them."""
    place = tmp_path_factory.mktemp("load")
    red = {"B04": numbers(3)["B04"]}
    scenery.file(
        place,
        [
            (shot(0, cloud_cover=50.0), red),
            (shot(1, baseline="03.01"), numbers(1, low=100, high=2000)),
            (shot(2), numbers(2)),
        ],
    )
    return place


def test_the_pixels_are_those_of_the_cogs_and_read_when_they_are_asked_for(root: Path) -> None:
    scenes = stacgen.open(root, "29PKR", ["B04", "B02"])
    assert dict(scenes.sizes) == {"time": 3, "y": SIZE, "x": SIZE}
    assert list(scenes.data_vars) == ["B04", "B02"]
    assert dask.base.is_dask_collection(scenes)
    assert scenes.B04.dtype == np.uint16
    assert scenes.odc.geobox.transform[:6] == (10, 0, 199980, 0, -10, 1600020)
    assert (np.diff(scenes.time.values) > np.timedelta64(0)).all()
    for step, wanted in enumerate([numbers(3), numbers(1, low=100, high=2000), numbers(2)]):
        np.testing.assert_array_equal(scenes.B04.isel(time=step).values, wanted["B04"])
    assert not scenes.B02.isel(time=0).values.any()


def test_all_bands_that_there_are_come_in_the_order_of_wavelength(root: Path) -> None:
    assert list(stacgen.open(root, "T29PKR").data_vars) == ["B02", "B03", "B04"]


def test_each_scene_has_the_reflectance_of_its_own_baseline(root: Path) -> None:
    scenes = stacgen.open(root, "29PKR", NAMES, reflectance=True)
    assert dask.base.is_dask_collection(scenes)
    for step, path in enumerate(sorted((root / "29PKR/B04/2025").glob("*/*.tif"))):
        with rasterio.open(path) as dataset:
            digital = dataset.read(1, masked=True).astype(np.float64)
            scale, offset = dataset.scales[0], dataset.offsets[0]
        assert offset == (0 if "03.01" in path.name else -0.1)
        found = scenes.B04.isel(time=step)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, (digital * scale + offset).filled(np.nan), atol=1e-7)
    assert np.isnan(scenes.B03.isel(time=0).values).all()
    assert scenes.odc.geobox.crs.epsg == 32629
    assert "nodata" not in scenes.B04.attrs


def test_scenes_are_chosen_by_time_and_cloud(root: Path) -> None:
    assert stacgen.open(root, "29PKR", ["B04"], max_cloud=20).sizes["time"] == 2
    assert stacgen.open(root, "29PKR", ["B04"], datetime="2025-03-10/..").sizes["time"] == 1


def test_odc_stac_takes_its_own_arguments(root: Path) -> None:
    coarse = stacgen.open(root, "29PKR", ["B04"], resolution=20, chunks={"x": 100})
    assert coarse.sizes["x"] == SIZE // 2
    assert coarse.B04.chunksizes["x"] == (100, 100, 100)
    with pytest.raises(UsageError, match="leave groupby out"):
        stacgen.open(root, "29PKR", ["B04"], reflectance=True, groupby="solar_day")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A scene of 10 m, 20 m and 60 m, and two that have 20 m and 60 m alone."""
    every = {"B04": numbers(1)["B04"], "B11": coarse(2, 300), "B09": coarse(3, 100)}
    shortwave = {name: every[name] for name in ("B11", "B09")}
    scenery.file(tmp_path, [(shot(0), shortwave), (shot(1), shortwave), (shot(2), every)])
    return tmp_path


def coarse(seed: int, size: int) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(1100, 3000, (size, size)).astype(np.uint16)


def test_bands_of_several_resolutions_come_at_the_finest(mixed: Path) -> None:
    """Two of three scenes are of 20 m, which odc-stac would take for all."""
    fine = stacgen.open(mixed, "29PKR", ["B11", "B04"])
    assert fine.odc.geobox.transform[:6] == (10, 0, 199980, 0, -10, 1600020)
    np.testing.assert_array_equal(fine.B04.isel(time=2).values, numbers(1)["B04"])
    np.testing.assert_array_equal(
        fine.B11.isel(time=0).values, coarse(2, 300).repeat(2, axis=0).repeat(2, axis=1)
    )
    assert stacgen.open(mixed, "29PKR", ["B11", "B09"]).odc.geobox.resolution.x == 20
    assert stacgen.open(mixed, "29PKR", ["B09"]).odc.geobox.resolution.x == 60
    assert stacgen.open(mixed, "29PKR", ["B11", "B04"], resolution=60).sizes["x"] == 100
    like = stacgen.open(mixed, "29PKR", ["B11"])
    assert stacgen.open(mixed, "29PKR", ["B11", "B04"], like=like).sizes["x"] == 300
    assert (
        stacgen.open(mixed, "29PKR", ["B11", "B04"], crs="EPSG:32628").odc.geobox.resolution.x == 10
    )


def test_the_grid_south_of_the_equator_is_that_of_the_finest_band() -> None:
    """Its 60 m pixels do not begin at a multiple of 60 m, and must not shift those of 10 m."""
    items = [south(1, {"B02": 10, "B09": 60}), south(2, {"B09": 60}), south(3, {"B09": 60})]
    options = load.finest(["B02", "B09"], {})
    loaded = odc.stac.load(items, bands=["B02", "B09"], chunks={}, **options)
    assert loaded.odc.geobox.transform[:6] == (10, 0, 199980, 0, -10, 6300040)
    assert loaded.odc.geobox.shape == (10980, 10980)


def south(day: int, resolutions: Mapping[str, int]) -> pystac.Item:
    """An Item of tile 21HUB, as its metadata has it; no pixel of it is read."""
    box = (-60.2, -34.4, -59.0, -33.4)
    item = pystac.Item(
        id=f"T21HUB_{day}",
        geometry=outline(box),
        bbox=list(box),
        datetime=datetime(2025, 1, day, tzinfo=UTC),
        properties={"proj:code": "EPSG:32721"},
        stac_extensions=stac_json.extensions("projection"),
        collection="sentinel-2-l2a-21HUB",
    )
    for name, resolution in resolutions.items():
        item.add_asset(
            name,
            pystac.Asset(
                f"/{name}.tif",
                media_type=stac_json.COG,
                roles=["data"],
                extra_fields={
                    "data_type": "uint16",
                    "nodata": 0,
                    "proj:shape": [EXTENT // resolution] * 2,
                    "proj:transform": [resolution, 0, 199980, 0, -resolution, 6300040],
                },
            ),
        )
    return item


def test_degrees_without_a_resolution_in_degrees_are_one_sentence(root: Path) -> None:
    with pytest.raises(UsageError, match="EPSG:4326 has degrees"):
        stacgen.open(root, "29PKR", ["B04"], crs="EPSG:4326")
    assert (
        stacgen.open(root, "29PKR", ["B04"], crs="EPSG:4326", resolution=0.001).sizes["time"] == 3
    )


def test_common_names_are_those_of_the_collection(mixed: Path) -> None:
    collection = pystac.Collection.from_file(str(mixed / "29PKR/scenes/collection.json"))
    items = list(collection.get_items(recursive=True))
    names = ["red", "swir16", "nir09"]
    found = odc.stac.load(items, bands=names, stac_cfg=stacgen.stac_cfg(collection), resolution=60)
    plain = odc.stac.load(items, bands=["B04", "B11", "B09"], resolution=60)
    for name, band in zip(names, plain.data_vars, strict=True):
        np.testing.assert_array_equal(found[name], plain[band])
    with pytest.raises(ValueError, match="red"):
        odc.stac.load(items, bands=names, resolution=60)


def test_pictures_do_not_disturb(root: Path) -> None:
    stacgen.rgb(root, "29PKR")
    test_the_pixels_are_those_of_the_cogs_and_read_when_they_are_asked_for(root)
    assert list(stacgen.open(root, "29PKR").data_vars) == ["B02", "B03", "B04"]


def test_a_relative_folder_is_found_from_anywhere_later(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    scenes = stacgen.open(root.name, "29PKR", ["B04"])
    monkeypatch.chdir("/")
    assert scenes.B04.isel(time=2).values.any()


def test_a_website_is_read_without_its_documents_saying_where_it_is(
    root: Path, server: dunia.Server
) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            server.content[f"/data/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    scenes = stacgen.open(f"{server.base}/data/catalog.json?sig=1", "29PKR", ["B03"], max_cloud=20)
    assert not any(path.endswith(".tif") for path in server.paths())
    np.testing.assert_array_equal(scenes.B03.isel(time=1).values, numbers(2)["B03"])
    with pytest.raises(UsageError, match="no collection"):
        stacgen.open(f"{server.base}/elsewhere", "29PKR")


def test_nothing_to_open_is_one_sentence(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no collection\.json"):
        stacgen.open(tmp_path, "29PKR")
    with pytest.raises(UsageError, match="has B11; there are B02, B03, B04"):
        stacgen.open(root, "29PKR", ["B04", "B11"])
    with pytest.raises(UsageError, match="has B02; there are B04"):
        stacgen.open(root, "29PKR", ["B02"], datetime="../2025-03-03")
    with pytest.raises(EmptySelectionError):
        stacgen.open(root, "29PKR", datetime="2019-01-01/2019-02-01")
    with pytest.raises(UsageError, match="B99"):
        stacgen.open(root, "29PKR", ["B99"])


def test_bands_that_no_scene_has_together_are_one_sentence(tmp_path: Path) -> None:
    red, blue = ({name: numbers(1)[name]} for name in ("B04", "B02"))
    scenery.file(tmp_path, [(shot(0), red), (shot(1), blue)])
    with pytest.raises(UsageError, match="No scene that is wanted has all of B02, B04"):
        stacgen.open(tmp_path, "29PKR")
    assert stacgen.open(tmp_path, "29PKR", ["B02"]).sizes["time"] == 1


def test_reflectance_is_not_made_up_where_a_scene_does_not_say_its_scale(tmp_path: Path) -> None:
    scenery.file(tmp_path, [(shot(0), numbers(1))])
    (path,) = (tmp_path / "29PKR/scenes/2025").glob("*/*.json")
    path.write_text(path.read_text().replace('"raster:offset"', '"offset"'))
    assert stacgen.open(tmp_path, "29PKR").sizes["time"] == 1
    with pytest.raises(UsageError, match="gives no raster:offset of B02"):
        stacgen.open(tmp_path, "29PKR", reflectance=True)
