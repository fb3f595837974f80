"""A published catalog is the one that was built, and is sound at every instant of the copy."""

import gc
import json
import os
import posixpath
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pystac
import pytest
import requests
from obstore.store import MemoryStore

import dunia
import stacgen
from crashes import Work
from servers import Service
from stacgen.api.build import Upstream
from stacgen.catalog import validate
from stacgen.catalog.publish import Copy, publish
from stacgen.errors import ForeignCatalogError, OutputError, UsageError
from stacgen.io.bucket import Bucket
from stacgen.io.folder import Folder
from stacgen.io.stores import open_store
from stacgen.model.outcomes import Copied, CopyEvent, Counted, Kept, Removed
from stacgen.model.protocols import Store
from stacgen.model.stream import Selection
from stacgen.stac import stac_json
from stacgen.stac.files import Kind, kind

URL = "https://data.example.org/frames"
UPWARD = ("self", "root", "parent", "collection")


class DiedError(Exception):
    """The process that copied is no more."""


class Watched(Bucket):
    """A store in memory that is looked at after each change, or that dies at one."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), f"memory://target-{id(self)}")
        self.changes: list[str] = []
        self.after: Callable[[], None] = lambda: None
        self.dies_before: int | None = None
        self.dies_after: int | None = None

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:
        """Write, and look."""
        self._change(f"write {key}", lambda: Bucket.write(self, key, content, media_type))

    def delete(self, key: str) -> None:
        """Delete, and look."""
        self._change(f"delete {key}", lambda: Bucket.delete(self, key))

    def _change(self, what: str, change: Callable[[], None]) -> None:
        if len(self.changes) == self.dies_before:
            raise DiedError(what)
        change()
        self.changes.append(what)
        self.after()
        if len(self.changes) == self.dies_after:
            raise DiedError(what)


def tree(store: Store) -> dict[str, bytes]:
    """Every file, whole."""
    return {entry.key: store.read(entry.key) or b"" for entry in store.list("")}


def links(key: str, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Relations and keys of what a document links to within the catalog."""
    pairs = [(each["rel"], each["href"]) for each in document.get("links", [])]
    pairs += [("asset", each["href"]) for each in document.get("assets", {}).values()]
    for rel, href in pairs:
        if "://" not in href:
            yield rel, posixpath.normpath(posixpath.join(posixpath.dirname(key), href))


def check_sound(store: Store) -> None:
    """No document links down to nothing; none that is reached from the root links to nothing."""
    files = {entry.key for entry in store.list("")}
    documents = {key: json.loads(store.read(key) or b"") for key in files if ".json" in key}
    for key, document in documents.items():
        for rel, target in links(key, document):
            assert rel in UPWARD or target in files, f"{key} -> {target}"
    reached, ahead = set[str](), ["catalog.json"] if "catalog.json" in files else []
    while ahead:
        key = ahead.pop()
        if key in reached or key not in documents:
            continue
        reached.add(key)
        for _, target in links(key, documents[key]):
            assert target in files, f"{key} -> {target}"
            ahead.append(target)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Two tiles, one of them with two bands, one of these with two frames."""
    root = tmp_path_factory.mktemp("built")
    for tile, band, frames in (("29PKR", "B01", 2), ("29PKR", "B09", 1), ("29PLR", "B01", 1)):
        stacgen.build(
            tile,
            band,
            years=[2025],
            wanted=Selection(limit=frames),
            upstream=Upstream(sample=True),
            output=root,
        )
    return Folder(root)


@pytest.fixture
def source(built: Folder) -> Bucket:
    """The same in memory, to be changed."""
    store = Bucket(MemoryStore(), "memory://source")
    for key, content in tree(built).items():
        store.write(key, content, "application/json")
    return store


def run(source: Store, target: Store, **options: Any) -> list[CopyEvent]:  # noqa: ANN401
    """Publish one file at a time; what was told of it."""
    told: list[CopyEvent] = []
    publish(Copy(source=source, target=target, workers=1, **options), watch=told.append)
    return told


def drop_tile(store: Store, tile: str) -> None:
    """Take a tile out of a catalog."""
    root = json.loads(store.read("catalog.json") or b"")
    root["links"] = [link for link in root["links"] if tile not in link["href"]]
    store.write("catalog.json", stac_json.to_bytes(root), stac_json.JSON)
    for key in [entry.key for entry in store.list(f"{tile}/")]:
        store.delete(key)


def test_a_catalog_is_sound_after_every_file_that_is_put(source: Store) -> None:
    target = Watched()
    target.after = lambda: check_sound(target)
    run(source, target)
    assert tree(target) == tree(source)
    assert len(target.changes) == len(tree(source))


def test_many_at_a_time_are_as_sound_as_one(source: Store) -> None:
    target = Watched()
    publish(Copy(source=source, target=target), watch=lambda _: None)
    assert tree(target) == tree(source)
    kinds = [what.rpartition("/")[2] for what in target.changes]
    assert kinds[-10:-3] == ["collection.json"] * 5 + ["catalog.json"] * 2
    assert set(target.changes[-3:-1]) == {"write index.html", "write collections.parquet"}
    assert target.changes[-1] == "write catalog.json"


def test_what_waits_to_be_put_does_not_grow_with_the_catalog() -> None:
    source, waiting = Bucket(MemoryStore(), "memory://source"), list[int]()
    Work(bands={"B01": 800}).run(source)

    def count() -> int:
        return sum(type(each) is Future for each in gc.get_objects())

    def watch(event: CopyEvent) -> None:
        if len(waiting) < 3 and not isinstance(event, Counted):
            waiting.append(count() - before)

    gc.collect()
    before = count()
    publish(Copy(source=source, target=Watched()), watch=watch)
    assert max(waiting) <= 500


def test_publishing_again_writes_nothing(source: Store) -> None:
    target = Watched()
    run(source, target, base_url=URL)
    before = len(target.changes)
    events = run(source, target)
    assert len(target.changes) == before
    assert {type(event) for event in events} == {Counted, Kept}


@pytest.mark.parametrize("when", ["dies_before", "dies_after"])
def test_a_copy_that_died_anywhere_is_finished_by_the_next(source: Store, when: str) -> None:
    whole = Watched()
    run(source, whole)
    for number in range(len(whole.changes) + (when == "dies_after")):
        target = Watched()
        setattr(target, when, number)
        target.after = lambda target=target: check_sound(target)  # type: ignore[misc]
        if number or when == "dies_before":  # after no change is no death
            with pytest.raises(DiedError):
                run(source, target)
        setattr(target, when, None)
        run(source, target)
        assert tree(target) == tree(source)
        assert len(target.changes) == len(whole.changes)


@pytest.mark.parametrize("when", ["dies_before", "dies_after"])
def test_what_is_gone_is_unlinked_before_it_is_removed_wherever_that_dies(
    built: Folder, source: Bucket, when: str
) -> None:
    drop_tile(source, "29PKR")
    whole = Watched()
    run(built, whole)
    before = len(whole.changes)
    whole.after = lambda: check_sound(whole)
    events = run(source, whole, delete=True)
    assert tree(whole) == tree(source)
    changes = whole.changes[before:]
    assert changes[:2] == ["write catalog.json", "delete 29PKR/catalog.json"]
    assert len([event for event in events if isinstance(event, Removed)]) == len(changes) - 1
    for number in range(1, len(changes)):
        target = Watched()
        run(built, target)
        setattr(target, when, before + number)
        target.after = lambda target=target: check_sound(target)  # type: ignore[misc]
        with pytest.raises(DiedError):
            run(source, target, delete=True)
        setattr(target, when, None)
        run(source, target, delete=True)
        assert tree(target) == tree(source)


def test_what_is_gone_stays_unless_told(built: Folder, source: Store) -> None:
    target = Watched()
    run(built, target)
    drop_tile(source, "29PKR")
    run(source, target)
    assert "29PKR/catalog.json" in tree(target)
    check_sound(target)


def test_a_dry_run_tells_all_and_changes_nothing(built: Folder, source: Bucket) -> None:
    target = Watched()
    run(built, target)
    before = tree(target)
    drop_tile(source, "29PKR")
    told = run(source, target, delete=True, dry_run=True)
    assert tree(target) == before
    assert told == run(source, target, delete=True)


def test_root_and_tables_give_the_public_address(source: Store) -> None:
    """No other file differs, and a copy of the copy without an address is the source again."""
    target, back = Watched(), Watched()
    run(source, target, base_url=f"{URL}/")
    changed = {key for key, content in tree(target).items() if content != source.read(key)}
    assert changed == {"catalog.json", *(key for key in tree(source) if ".parquet" in key)}
    assert not validate.validate(target, problems=None, deep=True).findings
    before, after = (json.loads(store.read("catalog.json") or b"") for store in (source, target))
    link = after["links"].pop(0)
    assert (link["rel"], link["href"]) == ("self", f"{URL}/catalog.json")
    assert after == before
    assert not any(isinstance(event, Copied) for event in run(source, target))
    run(target, back)
    assert tree(back) == tree(source)


@pytest.mark.parametrize("base_url", [None, URL])
def test_hrefs_of_published_tables_lead_to_files(source: Store, base_url: str | None) -> None:
    """Rows are absolute where the target is public, and every one leads to a file of the copy."""
    target = Watched()
    run(source, target, base_url=base_url)
    tables = {key: raw for key, raw in tree(target).items() if key.endswith(".parquet")}
    assert len(tables) == 6
    for key, raw in tables.items():
        above = base_url or "root:"
        place = f"{above}/{posixpath.dirname(key)}".rstrip("/")
        for row in pq.read_table(pa.BufferReader(raw)).to_pylist():
            linked = [*row["links"], *filter(None, row["assets"].values())]
            for each in linked:
                href = each["href"]
                if href.startswith("https://") and not href.startswith(URL):
                    continue  # a licence
                assert href.startswith(URL) is (base_url is not None)
                path = href if base_url else posixpath.normpath(f"{place}/{href}")
                assert target.read(path.removeprefix(f"{above}/")) is not None
    assert not any(isinstance(event, Copied) for event in run(source, target, base_url=base_url))


def test_a_new_address_is_written_into_every_table(source: Store) -> None:
    """A copy that moves to another address holds the bytes of one that was made for it."""
    moved, fresh = Watched(), Watched()
    run(source, moved, base_url="https://old.example")
    run(source, moved, base_url=URL)
    run(source, fresh, base_url=URL)
    assert tree(moved) == tree(fresh)
    assert not any(isinstance(event, Copied) for event in run(source, moved))


def test_a_self_link_stays_where_it_holds_and_is_not_copied_elsewhere(source: Store) -> None:
    first, second = Watched(), Watched()
    run(source, first, base_url=URL)
    run(first, second)
    assert b'"self"' not in (second.read("catalog.json") or b"")
    run(second, first)
    assert b'"self"' in (first.read("catalog.json") or b"")


def test_a_frame_that_was_built_anew_replaces_the_old_one(source: Bucket) -> None:
    target = Watched()
    run(source, target)
    item = next(key for key in tree(source) if kind(key) is Kind.ITEM)
    document = json.loads(source.read(item) or b"")
    document["properties"]["updated"] = "2030-01-01T00:00:00Z"
    source.write(item, json.dumps(document).encode(), "application/geo+json")
    copied = [event.key for event in run(source, target) if isinstance(event, Copied)]
    assert copied == [item]
    assert tree(target) == tree(source)


def flip(store: Store, key: str) -> None:
    """Change the last byte of a file, but not its size."""
    content = store.read(key) or b""
    store.write(key, content[:-1] + bytes([content[-1] ^ 1]), "image/tiff")


def cog(store: Store) -> str:
    return next(entry.key for entry in store.list("") if entry.key.endswith(".tif"))


def test_a_cog_of_another_size_is_put_again(source: Store) -> None:
    target = Watched()
    run(source, target)
    key = cog(target)
    target.write(key, (target.read(key) or b"")[:-1], "image/tiff")
    run(source, target)
    assert tree(target) == tree(source)


@pytest.mark.parametrize("time", [0, 2_000_000_000])
def test_verify_finds_a_cog_that_changed_at_the_same_size(
    source: Store, tmp_path: Path, time: int
) -> None:
    """No file time decides whether a file is hashed."""
    target = Folder(tmp_path)
    run(source, target)
    flip(target, cog(target))
    os.utime(tmp_path / cog(target), (time, time))
    assert not any(isinstance(event, Copied) for event in run(source, target))
    copied = [event.key for event in run(source, target, verify=True) if isinstance(event, Copied)]
    assert copied == [cog(target)]
    assert tree(target) == tree(source)


def test_a_cog_without_a_checksum_is_compared_by_content(source: Bucket) -> None:
    item = next(key for key in tree(source) if kind(key) is Kind.ITEM)
    document = json.loads(source.read(item) or b"")
    for asset in document["assets"].values():
        asset.pop("file:checksum", None)
    source.write(item, json.dumps(document).encode(), "application/geo+json")
    target = Watched()
    run(source, target)
    flip(target, item.removesuffix("json") + "tif")
    copied = [event.key for event in run(source, target) if isinstance(event, Copied)]
    assert copied == [item.removesuffix("json") + "tif"]


def test_a_damaged_cog_is_not_published(source: Store) -> None:
    flip(source, cog(source))
    target = Watched()
    with pytest.raises(OutputError, match="is not the file that its Item describes"):
        run(source, target)
    assert cog(source) not in tree(target)
    check_sound(target)


@pytest.mark.parametrize("suffix", [".tif", "catalog.json", "collection.json"])
def test_a_link_to_nothing_is_not_published(source: Store, suffix: str) -> None:
    source.delete(next(key for key in tree(source) if key.count("/") and key.endswith(suffix)))
    target = Watched()
    with pytest.raises(OutputError, match="which is not there, so it is not published"):
        run(source, target)
    check_sound(target)
    assert "catalog.json" not in tree(target)


def test_what_is_built_meanwhile_is_linked_from_nothing_that_is_published(
    built: Folder, source: Bucket
) -> None:
    """A whole tile appears between the reading of the root and the listing of the files."""
    drop_tile(source, "29PKR")
    target = Watched()

    class Growing(Bucket):
        lists = 0

        def list(self, prefix: str) -> Any:  # noqa: ANN401 - an iterator
            self.lists += 1
            if self.lists == 2:
                for key, content in tree(built).items():
                    self.write(key, content, "application/json")
            return super().list(prefix)

    target.after = lambda: check_sound(target)
    run(Growing(source._store, "memory://source"), target)
    assert b"29PKR" not in (target.read("catalog.json") or b"")
    run(source, target)
    assert tree(target) == tree(built)


def test_what_is_no_part_of_the_catalog_stays_where_it_is(source: Store) -> None:
    source.write("notes/secret.txt", b"x", "text/plain")
    source.write("29PKR/B01/2025/draft/left-over.tmp", b"x", "text/plain")
    target = Watched()
    target.write("robots.txt", b"x", "text/plain")
    result = publish(Copy(source=source, target=target, delete=True), watch=lambda _: None)
    assert result.left == 2
    assert "notes/secret.txt" not in tree(target)
    assert "robots.txt" in tree(target)


def test_a_catalog_of_others_is_left_alone(source: Store) -> None:
    target = Watched()
    target.write("catalog.json", b'{"type": "Catalog", "links": []}', "application/json")
    with pytest.raises(ForeignCatalogError, match="did not make"):
        run(source, target)
    with pytest.raises(ForeignCatalogError, match="did not make"):
        run(target, Watched())


def test_a_place_without_a_catalog_has_nothing_to_publish(source: Bucket) -> None:
    with pytest.raises(OutputError, match="There is no catalog at memory://target-"):
        run(Watched(), source, delete=True)
    with pytest.raises(UsageError, match="to itself"):
        run(source, source)


@pytest.mark.parametrize("name", ["moto", "ceph", "azurite"])
def test_a_catalog_goes_to_a_real_bucket_and_back(
    name: str, request: pytest.FixtureRequest, built: Folder, tmp_path: Path
) -> None:
    service: Service = request.getfixturevalue(name)
    url = f"{service.bucket()}/frames"
    command = [sys.executable, "-m", "stacgen", "publish"]
    environment = {**os.environ, **service.environment}

    def cli(*arguments: str) -> tuple[list[dict[str, Any]], str]:
        done = subprocess.run(
            [*command, *arguments, "--json"],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    lines, said = cli(built.address, url)
    assert {line["status"] for line in lines} == {"copied"}
    assert f"Copied {len(lines)} files" in said
    store = open_store(url, service.options)
    assert tree(store) == tree(built)
    written = {entry.key: entry.modified for entry in store.list("")}
    lines, said = cli(built.address, url)
    assert {line["status"] for line in lines} == {"kept"}
    assert {entry.key: entry.modified for entry in store.list("")} == written
    cli(url, str(tmp_path / "back"))
    assert tree(Folder(tmp_path / "back")) == tree(built)


def test_absolute_links_resolve_without_knowing_where_the_item_lies(
    built: Folder, tmp_path: Path, server: dunia.Server
) -> None:
    """Every asset of every Item and scene is read at the address that the Item gives."""
    url = f"{server.base}/data"
    stacgen.publish(built.address, tmp_path, base_url=url, absolute_links=True)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            server.content[f"/data/{path.relative_to(tmp_path).as_posix()}"] = path.read_bytes()
    paths = list(tmp_path.glob("*/*/*/*/*.json"))
    assert len(paths) == 4 + 3  # Items and scenes
    for path in paths:
        item = json.loads(path.read_bytes())
        own = pystac.Item.from_dict(item).get_self_href()
        assert own == f"{url}/{path.relative_to(tmp_path).as_posix()}"
        for each in (*item["links"], *item["assets"].values()):
            assert requests.head(each["href"], timeout=10).ok


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac
def test_a_catalog_with_absolute_links_is_like_any_other(built: Folder, tmp_path: Path) -> None:
    """It is valid and opens where it lies; copies of it are relative again, unless told."""
    url = "https://data.example.org/path"
    there, back = tmp_path / "there", tmp_path / "back"
    first = stacgen.publish(built.address, there, base_url=url, absolute_links=True)
    assert first.copied
    again = stacgen.publish(built.address, there, absolute_links=True)  # its root says where it is
    assert not again.copied
    assert not validate.validate(open_store(there), problems=None, deep=True).findings
    scenes = stacgen.open(there, "29PKR", ["B01"])
    assert scenes.sizes["time"] == 2
    assert int(scenes.B01.max()) > 0
    stacgen.index(there)
    stacgen.publish(there, back)
    assert items_in(Folder(back)) == items_in(built)
    stacgen.publish(built.address, there)
    assert items_in(Folder(there)) == items_in(built)


def items_in(store: Store) -> dict[str, bytes]:
    return {
        key: content
        for key, content in tree(store).items()
        if kind(key) in (Kind.ITEM, Kind.SCENE, Kind.ASSET)
    }


def test_absolute_links_need_an_address(built: Folder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--base-url"):
        stacgen.publish(built.address, tmp_path, absolute_links=True)
    assert not list(tmp_path.rglob("*.json"))
