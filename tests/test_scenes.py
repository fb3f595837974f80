"""When scenes are made, and what that costs."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dunia
import stacgen
from stacgen.api import run
from stacgen.api.build import Labour, Pixels, recipe, requests
from stacgen.catalog.journal import FOLDER
from stacgen.dunia import endpoints
from stacgen.io.folder import Folder
from stacgen.io.http import Http
from stacgen.model.outcomes import Report, Watch
from stacgen.model.protocols import Entry, Version
from stacgen.model.raster import Reflectance
from stacgen.model.request import Shard
from stacgen.model.stream import Selection
from stacgen.pipeline.request import Order
from test_build import assert_links_resolve, linked_scenes, tree

SCENES = "29PKR/scenes"


class Recorder(Folder):
    """A folder that notes which keys it was asked for, and does what a folder does."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: list[str] = []
        self.stats: list[str] = []
        self.lists: list[str] = []
        self.writes: list[str] = []

    def read(self, key: str) -> bytes | None:
        """As a folder."""
        self.reads.append(key)
        return super().read(key)

    def stat(self, key: str) -> Entry | None:
        """As a folder."""
        self.stats.append(key)
        return super().stat(key)

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:
        """As a folder."""
        self.writes.append(key)
        super().write(key, content, media_type)

    def swap(self, key: str, content: bytes, media_type: str, expected: Version) -> bool:
        """As a folder."""
        done = super().swap(key, content, media_type, expected)
        self.writes += [key] if done else []
        return done

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """As a folder."""
        found = list(files)
        self.writes += [key for key, *_ in found]
        super().write_all(found)

    def list(self, prefix: str) -> Iterator[Entry]:
        """As a folder."""
        self.lists.append(prefix)
        return super().list(prefix)


Build = Callable[..., tuple[Report, Recorder]]


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """29PKR B01 and B09 of 2025, four frames each, and B09 of 2024."""
    frames = [dunia.landscape(number) for number in range(4)]
    with dunia.Server().running() as server:
        for band in ("B01", "B09"):
            dunia.publish(server, frames, band=band)
        earlier = dunia.images(2)
        for image in earlier:
            image["sensing_time"] = image["sensing_time"].replace("2025", "2024")
        dunia.publish(server, frames[:2], year=2024, metadata=earlier)
        yield server.base


@pytest.fixture
def build(base: str, tmp_path: Path) -> Build:
    def call(
        band: str,
        *years: int,
        pixels: Pixels = Pixels(),  # noqa: B008 - frozen
        watch: Watch = lambda _: None,
        **changes: Any,  # noqa: ANN401
    ) -> tuple[Report, Recorder]:
        store = Recorder(tmp_path)
        order = Order(
            requests=tuple(requests("29PKR", band, years=years or (2025,))),
            endpoint=endpoints.find(base),
            recipe=recipe(pixels),
            **changes,
        )
        report = run.build(order, fetch=Http(), store=store, watch=watch, hire=Labour().crew)
        return report, store

    return call


def bands(root: Path) -> dict[str, list[str]]:
    """Bands of each scene that lies in the store."""
    return {
        path.parent.name: [
            name for name in json.loads(path.read_bytes())["assets"] if name[0] == "B"
        ]
        for path in sorted((root / SCENES).rglob("T*.json"))
    }


def assert_whole(root: Path) -> None:
    """What an index makes of the Items alone is what stands there."""
    assert_links_resolve(root)
    before = tree(root)
    stacgen.index(root)
    assert tree(root) == before


def test_a_band_more_touches_the_scenes_of_its_frames_and_no_others(
    build: Build, tmp_path: Path
) -> None:
    build("B09", 2024, 2025)
    _, store = build("B01", selection=Selection(limit=1))
    items = [key for key in store.reads if "60m.json" in key]
    scenes = [key for key in store.reads if SCENES in key and "/T" in key]
    # Whether it was there, for the table, and the two bands of the scene; then the scene's table.
    assert len(set(items)) == 2
    assert len(set(scenes)) == 1
    assert store.lists == [FOLDER, "29PKR/B01/2025/"]
    assert [key for key in store.writes if SCENES in key] == [
        f"{SCENES}/2025/T29PKR_20250302T112109_05.11/T29PKR_20250302T112109_05.11.json",
        f"{SCENES}/items.parquet",
        f"{SCENES}/2025/catalog.json",
        f"{SCENES}/collection.json",
        f"{SCENES}/index.html",
    ]
    assert list(bands(tmp_path).values()) == [["B09"]] * 2 + [["B01", "B09"]] + [["B09"]] * 3
    assert_whole(tmp_path)


def test_the_first_item_of_all_is_a_complete_one(build: Build, tmp_path: Path) -> None:
    build("B09", 2024, 2025)
    build("B01")
    tile = json.loads((tmp_path / "29PKR/catalog.json").read_bytes())
    assert [link["title"] for link in tile["links"]][-1] == "Sentinel-2 L2A 29PKR scenes"
    collection = json.loads((tmp_path / SCENES / "collection.json").read_bytes())
    children = [link["title"] for link in collection["links"] if link["rel"] == "child"]
    assert children == ["2025", "2024"]
    assert [band["name"] for band in collection["bands"]] == ["B01", "B09"]
    assert list(collection["item_assets"]) == ["B01", "B09", "thumbnail"]
    assert collection["extent"]["temporal"]["interval"] == [
        ["2024-03-02T11:21:09.024Z", "2025-03-17T11:21:09.024Z"]
    ]


def test_writing_the_same_again_leaves_nothing_to_do(build: Build, tmp_path: Path) -> None:
    build("B01")
    before = tree(tmp_path)
    report, _ = build("B01", force=True)
    assert len(report.built) == 4
    assert tree(tmp_path) == before
    assert not build("B01")[1].writes


def test_a_scene_follows_an_item_that_was_built_anew(build: Build, tmp_path: Path) -> None:
    build("B01,B09")
    build("B09", force=True, pixels=Pixels(reflectance=Reflectance(scale=0.0002, offset=0.5)))
    for path in (tmp_path / SCENES).rglob("T*.json"):
        assets = json.loads(path.read_bytes())["assets"]
        assert [assets[name]["raster:offset"] for name in ("B01", "B09")] == [-0.1, 0.5]
    assert_whole(tmp_path)


def test_assets_beside_a_scene_stay_while_their_files_do(build: Build, tmp_path: Path) -> None:
    build("B01")
    path = next((tmp_path / SCENES).rglob("T*.json"))
    document = json.loads(path.read_bytes())
    document["assets"]["visual"] = {"href": "./visual.tif", "roles": ["visual"]}
    document["assets"]["gone"] = {"href": "./gone.tif", "roles": ["visual"]}
    path.write_text(json.dumps(document))
    (path.parent / "visual.tif").write_bytes(b"colours")
    build("B09")
    assets = json.loads(path.read_bytes())["assets"]
    assert list(assets) == ["B01", "B09", "thumbnail", "visual"]
    stacgen.index(tmp_path)
    assert json.loads(path.read_bytes())["assets"] == assets


def test_a_scene_follows_what_is_there(build: Build, tmp_path: Path) -> None:
    build("B01,B09")
    first, *_ = sorted((tmp_path / "29PKR/B09/2025").glob("T*/T*.json"))
    first.unlink()
    stacgen.index(tmp_path)
    assert sorted(bands(tmp_path).values()) == [["B01"]] + [["B01", "B09"]] * 3
    year = json.loads((tmp_path / SCENES / "2025/catalog.json").read_bytes())
    titles = [link["title"] for link in year["links"] if link["rel"] == "item"]
    assert [title.rpartition(", ")[2] for title in titles] == ["2 bands"] * 3 + ["1 band"]


def test_an_acquisition_of_which_nothing_is_left_is_no_scene(build: Build, tmp_path: Path) -> None:
    build("B01,B09")
    for band in ("B01", "B09"):
        min((tmp_path / f"29PKR/{band}/2025").glob("T*/T*.json")).unlink()
    stacgen.index(tmp_path)
    assert len(linked_scenes(tmp_path)) == 3


def test_a_shard_makes_no_scenes_and_an_index_makes_them_all(build: Build, tmp_path: Path) -> None:
    build("B01,B09", shard=Shard(index=1, count=1))
    assert not (tmp_path / SCENES).exists()
    stacgen.index(tmp_path)
    assert list(bands(tmp_path).values()) == [["B01", "B09"]] * 4
    assert_whole(tmp_path)


def test_an_interrupted_build_leaves_scenes_of_what_it_finished(
    build: Build, tmp_path: Path
) -> None:
    def interrupt(event: object) -> None:
        if type(event).__name__ == "Built":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build("B01", watch=interrupt)
    assert len(linked_scenes(tmp_path)) >= 1
    assert_links_resolve(tmp_path)
