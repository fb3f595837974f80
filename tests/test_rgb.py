"""Scenes in true colour: what the bytes are, who reads them, and what stays when bands change."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image
from pystac.validation import JsonSchemaSTACValidator
from rio_cogeo.cogeo import cog_validate
from rio_tiler.io import Reader, STACReader

import dunia
import scenery
import stacgen
from crashes import DiedError, Tried, tree
from scenery import RGB, SIZE, numbers, shot
from stacgen.catalog import validate
from stacgen.catalog.index import index
from stacgen.catalog.journal import FOLDER
from stacgen.catalog.scenes import derive_scenes
from stacgen.catalog.true_colour import rgb
from stacgen.cli import main
from stacgen.errors import EmptySelectionError, OutputError, UsageError
from stacgen.io.folder import Folder
from stacgen.model.outcomes import Pictured
from stacgen.model.protocols import Store
from stacgen.model.stream import Selection
from stacgen.stac.layout import Pass
from test_build import assert_links_resolve
from test_consumers import validator

__all__ = ["validator"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac

CLEAR, OLD, CLOUDY = 0, 1, 2


def frames() -> list[tuple[Any, scenery.Numbers]]:
    return [
        (shot(CLEAR, cloud_cover=3.0), numbers(1)),
        (shot(OLD, cloud_cover=5.0, baseline="03.01"), numbers(2, low=100, high=2000)),
        (shot(CLOUDY, cloud_cover=90.0), numbers(3, low=3500, high=4095)),
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with pictures, not to be changed."""
    place = tmp_path_factory.mktemp("rgb")
    scenery.file(place, frames())
    outcomes = stacgen.rgb(place, "29PKR")
    assert all(each.size for each in outcomes)
    return place


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A catalog without pictures, to change; two scenes."""
    scenery.file(tmp_path, frames()[:2])
    return tmp_path


def items(root: Path) -> list[pystac.Item]:
    """Scenes by time."""
    found = pystac.Collection.from_file(str(root / "29PKR/scenes/collection.json"))
    return sorted(found.get_items(recursive=True), key=lambda each: each.id)


def read(path: str, *, level: int | None = None) -> NDArray[Any]:
    options = {} if level is None else {"overview_level": level}
    with rasterio.open(path, **options) as dataset:
        pixels: NDArray[Any] = dataset.read()
    return pixels


def asset(item: pystac.Item, name: str = "visual") -> str:
    return item.assets[name].get_absolute_href() or ""


def sources(item: pystac.Item, *, level: int | None = None) -> NDArray[np.uint16]:
    """Digital numbers of red, green and blue, (3, rows, columns)."""
    return np.concatenate([read(asset(item, name), level=level) for name in RGB])


def offset(item: pystac.Item) -> float:
    return float(item.assets["B04"].extra_fields["raster:offset"])


def stretched(digital: NDArray[np.uint16], shift: float, stretch: Any) -> NDArray[np.int64]:  # noqa: ANN401
    """The arithmetic written out, in double precision on every pixel."""
    share = (digital * 0.0001 + shift - stretch["black"]) / (stretch["white"] - stretch["black"])
    colors = 1 + np.rint(254 * np.clip(share, 0, 1) ** (1 / stretch["gamma"])).astype(np.int64)
    valid = (digital > max(0, (-0.03 - shift) / 0.0001)).all(axis=0) & (digital > 10).any(axis=0)
    return np.where(valid, colors, 0)


@pytest.mark.parametrize("level", [None, 0])
def test_every_byte_is_the_reflectance_in_the_stretch_that_is_noted(
    root: Path, level: int | None
) -> None:
    for item in items(root):
        noted = item.assets["visual"].extra_fields["stacgen:stretch"]
        expected = stretched(sources(item, level=level), offset(item), noted)
        np.testing.assert_array_equal(read(asset(item), level=level), expected)


def test_the_stretch_is_of_the_clear_scenes_of_the_year_and_one_for_all(root: Path) -> None:
    found = items(root)
    noted = [item.assets["visual"].extra_fields["stacgen:stretch"] for item in found]
    assert noted[0] == noted[1] == noted[2]
    values = []
    for item in found[:CLOUDY]:
        digital = sources(item, level=0)
        valid = (digital > 0).all(axis=0)
        values.append((digital[:, valid] * 0.0001 + offset(item)).ravel())
    low, high = np.percentile(np.concatenate(values), [1, 99])
    assert noted[0]["black"] == round(low, 3)
    assert noted[0]["white"] == pytest.approx(low + 1.2 * (high - low), abs=1e-3)


def test_baselines_that_shift_digital_numbers_look_alike(tmp_path: Path) -> None:
    """The same ground, 1000 digital numbers apart."""
    before, after = numbers(1, low=300, high=2000), numbers(1, low=1300, high=3000)
    scenery.file(tmp_path, [(shot(0, baseline="03.01"), before), (shot(1), after)])
    stacgen.rgb(tmp_path, "29PKR")
    old, new = (read(asset(item)).astype(int) for item in items(tmp_path))
    assert np.abs(old - new).max() <= 1


def test_nodata_is_zero_in_all_bands_and_nothing_else_is(root: Path) -> None:
    for item in items(root):
        pixels = read(asset(item))
        assert not pixels[:, :, :150].any()
        assert pixels[:, :, 150:].all()


def test_what_video_coding_leaked_into_nodata_is_not_shown(mine: Path) -> None:
    leaky = {name: np.where(each == 0, 2, each) for name, each in numbers(4).items()}
    for each in leaky.values():
        each[::7, 20:100:9] = 55
    scenery.file(mine, [(shot(5), {name: each.astype(np.uint16) for name, each in leaky.items()})])
    stacgen.rgb(mine, "29PKR")
    pixels = read(asset(items(mine)[-1]))
    assert not pixels[:, :, :150].any()
    assert pixels[:, :, 150:].all()


def test_it_is_a_valid_cog_that_says_what_its_bands_are(root: Path) -> None:
    for item in items(root):
        assert cog_validate(asset(item), strict=True, quiet=True) == (True, [], [])
        with rasterio.open(asset(item)) as dataset:
            assert dataset.dtypes == ("uint8",) * 3
            assert [each.name for each in dataset.colorinterp] == ["red", "green", "blue"]
            assert dataset.descriptions == ("red", "green", "blue")
            assert dataset.nodatavals == (0, 0, 0)
            assert dataset.overviews(1) == [2]
            assert dataset.interleaving.value == "PIXEL"
            said = item.assets["visual"].extra_fields
            assert list(dataset.shape) == said["proj:shape"]
            assert list(dataset.transform)[:6] == said["proj:transform"]
            for number, band in enumerate(said["bands"]):
                seen = dataset.read(number + 1, masked=True)
                assert band["statistics"] == {"minimum": seen.min(), "maximum": seen.max()}
        assert said["file:size"] == Path(asset(item)).stat().st_size
        assert said["file:checksum"] == f"1220{Folder(Path('/')).sha256(asset(item)[1:])}"


def test_documents_are_valid_and_links_resolve(
    root: Path, validator: JsonSchemaSTACValidator
) -> None:
    for path in (root / "29PKR/scenes").rglob("*.json"):
        assert pystac.read_file(str(path)).validate(validator=validator)
    assert_links_resolve(root)
    for item in items(root):
        assert item.assets["visual"].roles == ["visual"]
    collection = json.loads((root / "29PKR/scenes/collection.json").read_bytes())
    assert collection["item_assets"]["visual"]["roles"] == ["visual"]
    assert [band["name"] for band in collection["bands"]] == ["B02", "B03", "B04"]


def test_odc_stac_loads_the_bands_as_if_there_were_no_picture(root: Path) -> None:
    loaded = odc.stac.load(items(root), bands=["B04", "B02"])
    assert loaded.odc.geobox.shape == (SIZE, SIZE)
    for index_, item in enumerate(items(root)):
        digital = sources(item)
        assert (loaded["B04"].isel(time=index_).values == digital[0]).all()
        assert (loaded["B02"].isel(time=index_).values == digital[2]).all()


def test_rio_tiler_reads_the_picture_and_its_transparency(root: Path) -> None:
    item = items(root)[0]
    pixels = read(asset(item))
    with Reader(asset(item)) as reader:
        image = reader.read()
    np.testing.assert_array_equal(image.array.filled(0), pixels)
    np.testing.assert_array_equal(image.mask > 0, pixels.any(axis=0))
    with STACReader(item.get_self_href() or "") as scene:
        preview = scene.preview(assets=["visual"], max_size=128)
    assert preview.count == 3
    assert preview.data.any()


def test_the_quicklook_is_in_colour_and_that_of_the_scene(root: Path) -> None:
    item = items(root)[0]
    path = Path(asset(item, "thumbnail"))
    assert path.parent == Path(item.get_self_href() or "").parent
    with Image.open(path) as picture:
        assert picture.mode == "RGBA"
        pixels = np.asarray(picture)
    smallest = read(asset(item), level=0).transpose(1, 2, 0)
    np.testing.assert_array_equal(pixels[..., :3], smallest)
    np.testing.assert_array_equal(pixels[..., 3] > 0, smallest.any(axis=2))


def test_a_second_run_writes_nothing(mine: Path) -> None:
    stacgen.rgb(mine, "29PKR")
    before = scenery.digests(mine)
    assert [each.size for each in stacgen.rgb(mine, "29PKR")] == [None, None]
    assert scenery.digests(mine) == before


def test_finishing_and_indexing_again_keep_the_pictures(mine: Path) -> None:
    stacgen.rgb(mine, "29PKR")
    before = {key: value[:64] for key, value in scenery.digests(mine).items()}
    derive_scenes(scenery.SCENES, {Pass.of(each.id) for each in items(mine)}, Folder(mine))
    assert {key: value[:64] for key, value in scenery.digests(mine).items()} == before
    index(Folder(mine))
    assert {key: value[:64] for key, value in scenery.digests(mine).items()} == before
    (mine / "29PKR/scenes/collection.json").unlink()
    (mine / "29PKR/scenes/2025/catalog.json").unlink()
    index(Folder(mine))
    assert {key: value[:64] for key, value in scenery.digests(mine).items()} == before


def test_a_picture_of_bands_that_changed_is_not_published_until_it_is_made_anew(
    mine: Path,
) -> None:
    stacgen.rgb(mine, "29PKR")
    scenery.file(mine, [(shot(CLEAR, cloud_cover=3.0), {"B03": numbers(9)["B03"]})])
    changed, other = items(mine)
    assert "visual" not in changed.assets
    assert "/B04/" in asset(changed, "thumbnail")
    assert "visual" in other.assets
    outcomes = stacgen.rgb(mine, "29PKR")
    assert [each.size is not None for each in outcomes] == [True, False]
    remade = items(mine)[0]
    noted = other.assets["visual"].extra_fields["stacgen:stretch"]
    assert remade.assets["visual"].extra_fields["stacgen:stretch"] == noted
    np.testing.assert_array_equal(
        read(asset(remade)), stretched(sources(remade), offset(remade), noted)
    )


def test_a_picture_that_is_lost_or_cut_is_made_anew(mine: Path) -> None:
    stacgen.rgb(mine, "29PKR")
    first, second = items(mine)
    Path(asset(first)).unlink()
    Path(asset(second)).write_bytes(b"short")
    assert all(each.size for each in stacgen.rgb(mine, "29PKR"))
    assert cog_validate(asset(second), quiet=True)[0]


def test_later_scenes_take_the_stretch_of_the_year_and_force_takes_another(mine: Path) -> None:
    stacgen.rgb(mine, "29PKR")
    before = items(mine)[0].assets["visual"].extra_fields["stacgen:stretch"]
    scenery.file(mine, [(shot(4, cloud_cover=0.0), numbers(7, low=2000, high=4095))])

    def noted() -> list[Any]:
        return [item.assets["visual"].extra_fields["stacgen:stretch"] for item in items(mine)]

    stacgen.rgb(mine, "29PKR")
    assert noted() == [before] * 3
    stacgen.rgb(mine, "29PKR", force=True, wanted=Selection(max_cloud=1))
    assert noted() == [before] * 3  # those that stay have it still
    stacgen.rgb(mine, "29PKR", force=True)
    assert noted()[0] != before
    assert noted() == [noted()[0]] * 3


def test_another_year_has_another_stretch(mine: Path) -> None:
    later = shot(0, sensing_time=datetime(2026, 1, 1, 11, tzinfo=UTC))
    scenery.file(mine, [(later, numbers(7, low=2000, high=4095))])
    assert len(stacgen.rgb(mine, "29PKR", years=[2026])) == 1
    assert [("visual" in item.assets) for item in items(mine)] == [False, False, True]
    stacgen.rgb(mine, "29PKR")
    first, _, last = (item.assets["visual"].extra_fields["stacgen:stretch"] for item in items(mine))
    assert first != last


def test_where_no_cloud_is_known_one_bright_scene_does_not_make_ground_black(
    tmp_path: Path,
) -> None:
    """The first scene is all cloud; a stretch of it alone would draw the second without detail."""
    bright = (shot(0, cloud_cover=None), numbers(3, low=3500, high=4095))
    scenery.file(tmp_path, [bright, (shot(1, cloud_cover=None), numbers(1))])
    stacgen.rgb(tmp_path, "29PKR")
    ground = read(asset(items(tmp_path)[1]))
    assert len(np.unique(ground[ground > 0])) > 50


def test_a_scene_without_one_of_the_bands_is_named_and_left_out(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = {name: each for name, each in numbers(3).items() if name != "B03"}
    scenery.file(mine, [(shot(6), lacking)])
    with pytest.raises(SystemExit) as ended:
        main(["rgb", str(mine), "29PKR"])
    assert ended.value.code == 0
    text = capsys.readouterr().err
    assert "is left out: it has no B03" in text
    assert "Made 2 pictures" in text
    assert "1 without the bands, 0 failed" in text
    assert "visual" not in items(mine)[-1].assets


def test_a_damaged_band_fails_its_scene_alone(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(asset(items(mine)[0], "B02"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SystemExit) as ended:
        main(["rgb", str(mine), "29PKR"])
    assert ended.value.code == 1
    assert f"FAILED  {items(mine)[0].id}" in capsys.readouterr().err
    assert ["visual" in item.assets for item in items(mine)] == [False, True]
    assert not list(mine.glob(".stacgen"))


def test_nothing_to_show_is_one_sentence(mine: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no scenes of 32TLS"):
        stacgen.rgb(mine, "32TLS")
    with pytest.raises(EmptySelectionError, match="answers to"):
        stacgen.rgb(mine, "29PKR", wanted=Selection(max_cloud=0))
    with pytest.raises(EmptySelectionError):
        stacgen.rgb(mine, "29PKR", years=[1999])
    assert tmp_path == mine


def test_a_film_of_scenes_is_in_colour_once_they_have_pictures(root: Path, tmp_path: Path) -> None:
    stacgen.preview(root / "29PKR/scenes", tmp_path / "sheet.png", width=600)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    assert np.ptp(pixels[100:180, 100:180], axis=2).max() > 40


def test_a_film_of_scenes_comes_from_a_website_too(
    root: Path, tmp_path: Path, server: dunia.Server
) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            server.content[f"/data/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    stacgen.preview(f"{server.base}/data/29PKR/scenes", tmp_path / "a.png", width=600)
    stacgen.preview(root / "29PKR/scenes", tmp_path / "b.png", width=600)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_scenes_without_pictures_show_the_thumbnail_of_a_band(mine: Path, tmp_path: Path) -> None:
    drawn = stacgen.preview(mine / "29PKR/scenes", tmp_path / "sheet.png", width=600)
    assert drawn.frames == 2


@pytest.mark.parametrize("root_link", ["../../../catalog.json", "./catalog.json", "/catalog.json"])
def test_a_link_out_of_the_catalog_is_not_followed_whatever_the_root_is_said_to_be(
    root_link: str, mine: Path, tmp_path: Path
) -> None:
    path = mine / "29PKR/scenes/collection.json"
    document = json.loads(path.read_bytes())
    document["links"][0]["href"] = root_link
    path.write_text(json.dumps(document))
    with pytest.raises(OutputError, match="which is not in the catalog"):
        stacgen.preview(path.parent, tmp_path / "sheet.png")


def test_a_picture_does_not_go_out_of_the_catalog_by_its_root(mine: Path, tmp_path: Path) -> None:
    path = Path(items(mine)[0].get_self_href() or "")
    document = json.loads(path.read_bytes())
    document["assets"]["thumbnail"]["href"] = "../../../../../secret.png"
    path.write_text(json.dumps(document))
    with pytest.raises(OutputError, match="which is not in the catalog"):
        stacgen.preview(mine / "29PKR/scenes", tmp_path / "sheet.png")


def test_a_year_goes_on_when_the_run_is_stopped(mine: Path) -> None:
    """Ctrl-C after the first picture: it is filed, and the next run makes the other."""

    def stop(outcome: Pictured, count: int) -> None:
        assert (outcome.size, count) != (None, 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stacgen.rgb(mine, "29PKR", told=stop)
    assert ["visual" in item.assets for item in items(mine)] == [True, False]
    collection = json.loads((mine / "29PKR/scenes/collection.json").read_bytes())
    assert "visual" in collection["item_assets"]
    assert [each.size is not None for each in stacgen.rgb(mine, "29PKR")] == [False, True]


def test_pictures_that_a_killed_run_did_not_file_are_filed_by_the_next(mine: Path) -> None:
    """It died at each change; what the next leaves is what an index makes of the Items."""
    quiet = Tried(Folder(Path(shutil.copytree(mine, mine.with_name("quiet")))))
    make(quiet)
    assert len(quiet.changes) > 10
    for point in range(0, len(quiet.changes), 2):
        store = Tried(Folder(Path(shutil.copytree(mine, mine.with_name(f"died-{point}")))))
        store.fails_at = point
        with pytest.raises(DiedError):
            make(store)
        store.fails_at = None
        make(store)
        found = {key: raw for key, raw in tree(store).items() if key.startswith("29PKR/")}
        assert found.keys() == {key for key in tree(quiet) if key.startswith("29PKR/")}
        index(store)
        assert {key: store.read(key) for key in found} == found, quiet.changes[point]
        assert list(store.list(FOLDER)) == []


@pytest.fixture
def looked_at(root: Path, tmp_path: Path) -> Path:
    """The catalog with pictures, to change."""
    return Path(shutil.copytree(root, tmp_path / "copy"))


def make(store: Store) -> None:
    """Make the pictures."""
    rgb(
        scenery.SCENES,
        store,
        years=(),
        wanted=Selection(),
        force=False,
        told=lambda *_: None,
    )


def findings(root: Path) -> list[tuple[str, str]]:
    """The rules that pictures break, and what is said of it; their grid is none of a tile."""
    found = validate.validate(Folder(root), problems=None, deep=True)
    return [
        (each.rule, each.text)
        for each in found.findings
        if "/scenes/" in each.key and each.rule != "place"
    ]


def test_pictures_are_what_their_scenes_say(looked_at: Path) -> None:
    assert findings(looked_at) == []


def test_a_picture_of_other_colours_is_found_by_a_deep_look(looked_at: Path) -> None:
    path = min(looked_at.glob("29PKR/scenes/*/*/*.tif"))
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.write(np.full((SIZE, SIZE), 9, np.uint8), 2)
    found = findings(looked_at)
    assert {"checksum", "cog"} <= {rule for rule, _ in found}
    assert [text for _, text in found if "maximum of band 2 is 9;" in text]
