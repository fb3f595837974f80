"""A run with nothing to do: it lists a year, and asks for nothing frame by frame."""

import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from obstore.store import MemoryStore

import dunia
import stacgen
from crashes import Crew, Late, Reader, Tried, Work, tree
from items import FIJI, Scene, file, make, outline
from servers import Service
from stacgen.api import run as api_run
from stacgen.api import update as api_update
from stacgen.api.build import Upstream
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.model.outcomes import Report, Updated
from stacgen.model.protocols import Store, Version
from stacgen.stac import layout, stac_json
from stacgen.stac.inventory import Inventory
from stacgen.stac.layout import ItemPlace

NOW = datetime(2025, 12, 1, tzinfo=UTC)
FRAMES = 146
"""Acquisitions of a tile in a year."""

REQUESTS = 15
"""Of a run with nothing to do, at most."""

Run = Callable[[Work, Store], Report | Updated]

PLACE = Scene(day="2025-03-02").place
YEARS = [2025]


def dry_run(work: Work, store: Store, *, newest: bool = False) -> Report:
    return api_run.dry_run(
        replace(work.order, newest=newest),
        fetch=work.api,
        store=store,
        watch=lambda _: None,
        measure=lambda _: None,
    )


def update(work: Work, store: Store) -> Updated:
    return api_update.keep_up(
        replace(work.order, requests=()),
        fetch=work.api,
        store=store,
        watch=lambda _: None,
        hire=Crew,
        now=lambda: NOW,
    )


@pytest.fixture(scope="module")
def year(moto: Service) -> tuple[Service, Work, Store]:
    """A finished year of one band in a bucket."""
    work = Work(bands={"B09": FRAMES})
    store = open_store(f"{moto.bucket()}/frames", moto.options)
    work.run(store)
    return moto, work, store


@contextmanager
def few_requests(moto: Service, store: Store, most: int) -> Iterator[None]:
    """No more requests than that meanwhile, none of them for a frame, and nothing changes."""
    state = {entry.key: entry for entry in store.list("")}
    before = len(moto.requests())
    yield
    requests = moto.requests()[before:]
    assert requests
    assert not [each for each in requests if "/T29PKR_" in each], "\n".join(requests)
    assert len(requests) <= most, "\n".join(requests)
    assert {entry.key: entry for entry in store.list("")} == state


@pytest.mark.parametrize("newest", [False, True], ids=["build", "update"])
def test_a_finished_year_in_a_bucket_is_planned_by_four_requests(
    year: tuple[Service, Work, Store], *, newest: bool
) -> None:
    """The root twice, the listing and the table, however many frames there are."""
    moto, work, store = year
    with few_requests(moto, store, 4):
        assert len(dry_run(work, store, newest=newest).skipped) == FRAMES


@pytest.mark.parametrize("run", [Work.run, update], ids=["build", "update"])
def test_a_run_on_a_finished_year_in_a_bucket_asks_for_nothing_frame_by_frame(
    year: tuple[Service, Work, Store], run: Run
) -> None:
    moto, work, store = year
    with few_requests(moto, store, REQUESTS):
        run(work, store)


class Counted(Bucket):
    """A bucket in memory that notes what is read of it."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), "memory://counted")
        self.asked: list[str] = []

    def read_versioned(self, key: str) -> tuple[bytes, Version] | None:
        """As the bucket does."""
        self.asked.append(key)
        return super().read_versioned(key)


SCENES = [
    Scene(day="2025-03-02T11:21:09.024"),
    Scene(day="2025-03-07", cloud=None),
    Scene(day="2025-03-12", box=FIJI, cloud=0.0),
    Scene(day="2025-03-17", baseline="02.08", geometry=outline((-11.5, 13.5, -11.0, 14.0))),
]


def lay(store: Store, item: ItemPlace, document: stac_json.Document) -> None:
    """Files of the sizes that an Item says."""
    for key, asset in ((item.cog_key, "B09"), (item.thumbnail_key, "thumbnail")):
        store.write(key, bytes(document["assets"][asset]["file:size"]), stac_json.PNG)


@pytest.fixture
def bucket() -> Counted:
    """Items of many kinds with their table, and files in the sizes that they say."""
    store = Counted()
    scenes = [replace(each, size=1000 + n) for n, each in enumerate(SCENES)]
    file(store, scenes)
    for _, document in map(make, scenes):
        lay(store, item_place(document), document)
    store.asked.clear()
    return store


def item_place(document: stac_json.Document) -> ItemPlace:
    return PLACE.item(document["id"], 2025)


def sound(store: Store, **options: bool) -> dict[str, stac_json.Document]:
    """The Items of 2025 that an inventory finds."""
    inventory = Inventory(store)
    listing = inventory.files(PLACE, YEARS)
    ids = {layout.id_of(key) for key in listing if key.endswith("m.json")}
    items = [PLACE.item(each, 2025) for each in ids]
    return {
        key: each.document
        for key, each in inventory.sound(PLACE, items, listing, **options).items()
    }


def stored(store: Store) -> dict[str, stac_json.Document]:
    """The Items as their files have them."""
    keys = [entry.key for entry in store.list("") if entry.key.endswith("m.json")]
    return {layout.id_of(key): orjson.loads(store.read(key) or b"") for key in keys}


def test_items_of_a_table_are_those_of_their_files(bucket: Counted) -> None:
    found = sound(bucket)
    assert bucket.asked == [PLACE.mirror_key]
    assert found == stored(bucket)
    assert len(found) == len(SCENES)


def test_rows_of_a_real_build_are_its_items(server: dunia.Server, tmp_path: Path) -> None:
    """The size of a row as JSON, which is compared with the listing, is that of its Item."""
    dunia.publish(server, [dunia.landscape(number) for number in range(3)])
    stacgen.build("29PKR", "B09", years=YEARS, output=tmp_path, upstream=Upstream(api=server.base))
    store = Counted()
    for key, content in tree(Folder(tmp_path)).items():
        store.write(key, content, stac_json.JSON)
    store.asked.clear()
    found = sound(store)
    assert store.asked == [PLACE.mirror_key]
    assert len(found) == 3
    assert found == sound(Folder(tmp_path))


def test_the_api_is_asked_for_nothing_twice(server: dunia.Server, tmp_path: Path) -> None:
    """Bounds, and figures of the true-colour stream, are the same for all bands of a tile."""
    for band in ("B01", "B09"):
        dunia.publish(server, [dunia.landscape(0)], band=band)
    stacgen.build(
        "29PKR", "B01,B09", years=YEARS, output=tmp_path, upstream=Upstream(api=server.base)
    )
    asked = [each for each in server.paths() if each.startswith("/api/")]
    assert sorted(asked) == sorted(set(asked))
    assert dunia.tci_path() in asked


def test_an_item_whose_row_does_not_fit_what_is_listed_is_read_itself(bucket: Counted) -> None:
    """It was replaced by a build that was killed before the table."""
    one, *_ = stored(bucket).values()
    one["assets"]["B09"]["file:size"] = 2000
    item = item_place(one)
    bucket.write(item.key, stac_json.to_bytes(one), stac_json.GEOJSON)
    lay(bucket, item, one)
    bucket.asked.clear()
    assert sound(bucket)[one["id"]] == one
    assert bucket.asked == [PLACE.mirror_key, item.key]


@pytest.mark.parametrize("damage", ["gone", "cut", "of others"])
def test_without_a_table_every_item_is_read(bucket: Counted, damage: str) -> None:
    match damage:
        case "gone":
            bucket.delete(PLACE.mirror_key)
        case "cut":
            content = bucket.read(PLACE.mirror_key) or b""
            bucket.write(PLACE.mirror_key, content[: len(content) // 2], stac_json.PARQUET)
        case _:
            bucket.write(PLACE.mirror_key, b"PAR1", stac_json.PARQUET)
    bucket.asked.clear()
    assert sound(bucket) == stored(bucket)


@pytest.mark.parametrize("which", ["key", "cog_key", "thumbnail_key"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_frame_of_which_a_file_is_gone_or_cut_is_not_there(
    bucket: Counted, which: str, damage: str
) -> None:
    one, *others = stored(bucket)
    key = getattr(PLACE.item(one, 2025), which)
    content = bucket.read(key) or b""
    bucket.delete(key)
    if damage == "cut":
        bucket.write(key, content[: len(content) // 2], stac_json.JSON)
    assert sound(bucket).keys() == set(others)


def test_verify_reads_items_and_files_themselves() -> None:
    store = Counted()
    Work(bands={"B09": 3}).run(store)
    first, *_ = stored(store)
    key = PLACE.item(first, 2025).cog_key
    content = store.read(key) or b""
    store.write(key, content[:-1] + bytes([content[-1] ^ 1]), stac_json.COG)
    store.asked.clear()
    assert len(sound(store)) == 3
    assert store.asked == [PLACE.mirror_key]
    assert len(sound(store, verify=True)) == 2
    assert len([each for each in store.asked if each.endswith("m.json")]) == 3


def test_the_last_acquisition_of_a_year_in_the_stream_of_the_next_is_found() -> None:
    work, store = Work(bands={"B09": 3}), Counted()
    path = next(each for each in work.api.content if "band_metadata" in each)
    metadata = orjson.loads(work.api.content[path])
    metadata["images"][0]["sensing_time"] = "2024-12-31T23:21:09.024000"
    work.api.content[path] = orjson.dumps(metadata)
    assert len(work.run(store).built) == 3
    store.asked.clear()
    assert len(dry_run(work, store).skipped) == 3
    assert store.asked == [layout.ROOT, layout.ROOT, PLACE.mirror_key]


@contextmanager
def opened() -> Iterator[list[str]]:
    """Every file that Python opens meanwhile."""
    is_on, found = [True], list[str]()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if is_on and event == "open" and isinstance(arguments[0], (str, Path)):
            found.append(str(arguments[0]))

    sys.addaudithook(hook)
    yield found
    is_on.clear()


def copied(source: Path, target: Path) -> None:
    """Copy a tree as `git clone`, `unzip` and `s3 sync` do: files get new times, in any order."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    random.Random(14).shuffle(files)
    for number, path in enumerate(files):
        os.utime(path, (time.time() - number,) * 2)


@pytest.fixture
def copy(tmp_path: Path) -> tuple[Work, Tried]:
    """A catalog copied without its times."""
    work = Work(bands={"B01": 5, "B09": 8})
    work.run(Folder(tmp_path / "built"))
    copied(tmp_path / "built", tmp_path / "copy")
    return work, Tried(Folder(tmp_path / "copy"))


def test_a_copy_without_times_is_planned_without_opening_a_cog(copy: tuple[Work, Tried]) -> None:
    work, store = copy
    with opened() as files:
        assert len(dry_run(work, store, newest=True).skipped) == 13
    assert len([each for each in files if each.endswith("m.json")]) == 13
    assert not [each for each in files if each.endswith((".tif", ".png"))]


@pytest.mark.parametrize("run", [Work.run, update], ids=["build", "update"])
def test_a_run_on_a_copy_without_times_hashes_nothing_and_writes_nothing(
    copy: tuple[Work, Tried], run: Run
) -> None:
    work, store = copy
    with opened() as files:
        run(work, store)
    assert not [each for each in files if each.endswith((".tif", ".png"))]
    assert store.changes == []


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_a_store_that_lists_late_costs_work_and_no_frame(answers: int) -> None:
    """What is not listed yet is built once more, and is then what it was."""
    work, store = (
        Work(bands={"B01": 2, "B09": 6}),
        Late(Bucket(MemoryStore(), "memory://"), answers),
    )
    quiet = Bucket(MemoryStore(), "memory://")
    work.run(quiet)
    for _ in range(answers + 1):
        work.run(store)
        found = Reader(store).walk().items
        assert len(found) == len(set(found)) == 8 + 6
        assert tree(store.store) == tree(quiet)
    assert len(work.run(store).skipped) == 8
