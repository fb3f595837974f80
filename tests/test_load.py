"""Scenes opened as a Dataset: the pixels of the COGs, lazily, and reflectance scene by scene."""

from pathlib import Path

import dask.base
import numpy as np
import pytest
import rasterio

import dunia
import scenery
import stacgen
from scenery import SIZE, numbers, shot
from stacgen.errors import EmptySelectionError, UsageError

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
