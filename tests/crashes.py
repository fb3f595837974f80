"""Builds that die on purpose: a store that fails when told, and a build that makes no pixels.

Of the real build all runs but the segments: planning, filing, mirrors, pages, scenes. The crew puts
small files in their place, in the order of the real one (`test_crash` compares the two).
"""

import io
import json
import posixpath
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq

import dunia
from items import Scene, make
from stacgen.api import run as api_run
from stacgen.api.build import Pixels, recipe, requests
from stacgen.dunia import endpoints
from stacgen.errors import MissingError
from stacgen.model.bands import Band
from stacgen.model.outcomes import Built, FrameRef, Report, Watch
from stacgen.model.protocols import Answer, Entry, Fetch, Store, Version
from stacgen.model.request import Shard
from stacgen.model.stream import ByteRange, Resource, Selection
from stacgen.pipeline.plan import Task
from stacgen.pipeline.request import Order
from stacgen.pipeline.task import Context, Done, Result
from stacgen.stac import stac_json
from stacgen.stac.inventory import read_item
from stacgen.stac.layout import CollectionPlace

_Answer = TypeVar("_Answer")

BASE = "https://dunia.example"
YEAR = 2025


class DiedError(BaseException):
    """The process is no more; nothing in stacgen catches it."""


class Tried:
    """A store that counts what changes it, and fails at one of these changes if told.

    Many files at once are put one after the other, so that each is a point to die at.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changes: list[str] = []
        self.fails_at: int | None = None
        """Number of the first change that does not take place."""

        self.error: Callable[[str], BaseException] = DiedError
        self.recovers = False
        """Whether later changes take place again."""

    @property
    def address(self) -> str:
        """As the store has it."""
        return self.store.address

    @property
    def at_once(self) -> int:
        """As the store has it."""
        return self.store.at_once

    def read(self, key: str) -> bytes | None:
        """As the store does."""
        return self.store.read(key)

    def size(self, key: str) -> int | None:
        """As the store does."""
        return self.store.size(key)

    def read_part(self, key: str, part: ByteRange) -> bytes:
        """As the store does."""
        return self.store.read_part(key, part)

    def read_versioned(self, key: str) -> tuple[bytes, Version] | None:
        """As the store does."""
        return self.store.read_versioned(key)

    def stat(self, key: str) -> Entry | None:
        """As the store does."""
        return self.store.stat(key)

    def stream(self, entry: Entry, start: int, stop: int) -> Iterator[bytes]:
        """As the store does."""
        return self.store.stream(entry, start, stop)

    def sha256(self, key: str) -> str:
        """As the store does."""
        return self.store.sha256(key)

    def list(self, prefix: str) -> Iterator[Entry]:
        """As the store does."""
        return self.store.list(prefix)

    def download(self, key: str, path: Path) -> str:
        """As the store does."""
        return self.store.download(key, path)

    def scratch(self) -> AbstractContextManager[Path]:
        """As the store does."""
        return self.store.scratch()

    def hold(self, name: str, owner: str) -> AbstractContextManager[str | None]:
        """As the store does; whoever dies lets go of it."""
        return self.store.hold(name, owner)

    def write(self, key: str, content: bytes | Path, media_type: str) -> None:
        """As the store does, unless it fails."""
        self._change("write", key, lambda: self.store.write(key, content, media_type))

    def write_all(self, files: Iterable[tuple[str, bytes, str]]) -> None:
        """As `write`, each."""
        for each in files:
            self.write(*each)

    def create(self, key: str, content: bytes, media_type: str) -> bool:
        """As the store does, unless it fails."""
        return self._change("create", key, lambda: self.store.create(key, content, media_type))

    def swap(self, key: str, content: bytes, media_type: str, expected: Version) -> bool:
        """As the store does, unless it fails."""
        return self._change(
            "swap", key, lambda: self.store.swap(key, content, media_type, expected)
        )

    def delete(self, key: str) -> None:
        """As the store does, unless it fails."""
        self._change("delete", key, lambda: self.store.delete(key))

    def _change(self, how: str, key: str, change: Callable[[], _Answer]) -> _Answer:
        number = len(self.changes)
        self.changes.append(f"{how} {key}")
        if self.fails_at is not None and (
            number == self.fails_at or (number > self.fails_at and not self.recovers)
        ):
            raise self.error(key)
        return change()


class Late(Tried):
    """A store whose list lacks a file in the first answers that are about it."""

    def __init__(self, store: Store, answers: int) -> None:
        super().__init__(store)
        self._answers = answers
        self._seen: dict[str, int] = {}

    def list(self, prefix: str) -> Iterator[Entry]:
        """As the store does, but late."""
        for entry in super().list(prefix):
            seen = self._seen[entry.key] = self._seen.get(entry.key, 0) + 1
            if seen > self._answers:
                yield entry


def frames(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Metadata of frames half a day apart, as the API has them."""
    start = datetime(YEAR, 1, 1, 11, 21, 9, 24000, tzinfo=UTC)
    images = dunia.images(first + count)
    for number, image in enumerate(images):
        moment = start + timedelta(hours=12 * number)
        image["sensing_time"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
        image["cloudy_pixel_percentage"] = 10.0 * number % 100
        image["nodata_pixel_percentage"] = 0.0
    return images[first:]


class Api:
    """Answers as DUNIA does, without segments; see `stacgen.model.protocols.Fetch`."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def publish(self, band: str, count: int, *, tile: str = "29PKR") -> None:
        """Have a stream of that many frames, four a segment."""
        folder = f"/streams/{tile}/{band}/{YEAR}"
        facts = {"metadata": {"stream_full": f"@BASE@{folder}/stream.m3u8"}}
        path = f"/api/streaming/band_metadata/{tile}/{band}/{YEAR}"
        self.content[path] = json.dumps({**facts, "images": frames(count)}).encode()
        bounds = f"/api/streaming/s2-tiles/utm-bounds/{tile}"
        self.content[bounds] = json.dumps(dunia.bounds(tile)).encode()
        segments = [min(4, count - start) for start in range(0, count, 4)]
        self.content[f"{folder}/stream.m3u8"] = dunia.playlist(segments)

    def __call__(self, resource: Resource) -> Answer:
        """What lies at a path."""
        body = self.content.get(resource.url.removeprefix(BASE))
        if body is None:
            raise MissingError(f"{resource.url} is not there.")
        return Answer(url=resource.url, body=body.replace(b"@BASE@", BASE.encode()))


class Crew:
    """Publishes small files as a segment does: COG, thumbnail, Item; one frame after the other."""

    capacity = 1

    def __init__(self, _: Band, __: Fetch, ___: Watch) -> None:
        pass

    def submit(self, task: Task, context: Context) -> "Future[list[Result]]":
        """Do it at once."""
        future: Future[list[Result]] = Future()
        try:
            future.set_result([published(ref, context) for ref in task.frames])
        except BaseException as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future

    def stop(self) -> None:
        """Nothing runs."""


def published(ref: FrameRef, context: Context) -> Done:
    """Put the files of a frame in place; they say what they are, and are small."""
    stream, store = context.stream, context.store
    place = CollectionPlace(tile=stream.tile, band=stream.band).item(
        ref.item_id, ref.frame.sensing_time.year
    )
    files = {
        "thumbnail": f"quicklook of {ref}".encode(),
        stream.band.name: f"COG of {ref}".encode(),
    }
    document = item(ref, context, files)
    previous = read_item(store, place)
    with store.scratch() as folder:
        (folder / "x.tif").write_bytes(files[stream.band.name])
        store.write(place.cog_key, folder / "x.tif", stac_json.COG)
    store.write(place.thumbnail_key, files["thumbnail"], stac_json.PNG)
    store.write(place.key, stac_json.to_bytes(document), stac_json.GEOJSON)
    built = Built(ref=ref, size=len(files[stream.band.name]), saturated=0, cleaned=0)
    return Done(built=built, document=document, replaced=previous is not None)


def item(ref: FrameRef, context: Context, files: dict[str, bytes]) -> stac_json.Document:
    """The Item of a frame, which tells sizes and checksums as they are."""
    stream, frame = context.stream, ref.frame
    scene = Scene(
        day=frame.sensing_time.replace(tzinfo=None).isoformat(),
        tile=str(stream.tile),
        band=stream.band.name,
        cloud=frame.cloud_cover,
        baseline=str(frame.baseline),
    )
    document: Any = make(scene)[1]
    for name, content in files.items():
        document["assets"][name]["file:size"] = len(content)
        document["assets"][name]["file:checksum"] = f"1220{sha256(content).hexdigest()}"
    return document  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A build without pixels, to be run on any store and again."""

    bands: dict[str, int]
    """How many frames of each are wanted."""

    tile: str = "29PKR"
    force: bool = False
    shard: Shard | None = None
    api: Api = field(default_factory=Api)

    def __post_init__(self) -> None:
        """Serve the streams."""
        for band, count in self.bands.items():
            self.api.publish(band, count, tile=self.tile)

    @property
    def order(self) -> Order:
        """All frames of the streams."""
        return Order(
            requests=tuple(requests(self.tile, ",".join(self.bands), years=[YEAR])),
            selection=Selection(),
            endpoint=endpoints.find(BASE),
            recipe=recipe(Pixels()),
            force=self.force,
            shard=self.shard,
        )

    def run(
        self,
        store: Store,
        watch: Watch = lambda _: None,
        *,
        hire: Callable[[Band, Fetch, Watch], Crew] = Crew,
    ) -> Report:
        """Build."""
        return api_run.build(self.order, fetch=self.api, store=store, watch=watch, hire=hire)


def tree(store: Store) -> dict[str, bytes]:
    """Every file, whole."""
    return {entry.key: store.read(entry.key) or b"" for entry in store.list("")}


def collections(raw: bytes) -> list[dict[str, Any]]:
    """The rows of a root's table, without the checksums of the tables of Items."""
    table = pq.read_table(io.BytesIO(raw)).drop_columns(["table_checksum"])
    return list(table.to_pylist())


class Reader:
    """Follows a catalog from the root, and takes nothing for granted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.documents: dict[str, dict[str, Any]] = {}
        self.items: list[str] = []
        """Keys of Items, once for each link."""

    def walk(self) -> "Reader":
        """Open all that is linked; raises AssertionError where something is not as it should."""
        ahead = ["catalog.json"] if self._store.read("catalog.json") is not None else []
        while ahead:
            key = ahead.pop()
            if key not in self.documents:
                ahead += self._open(key)
        return self

    def _open(self, key: str) -> Iterator[str]:
        raw = self._store.read(key)
        assert raw is not None, f"{key} is linked and not there"
        document = self.documents[key] = json.loads(raw, parse_constant=_refuse)
        for link in document["links"]:
            if "://" in link["href"]:
                continue
            target = _target(key, link["href"])
            if link["rel"] == "item":
                self.items.append(target)
            if target.endswith(".json"):
                yield target
            else:
                assert self._store.stat(target) is not None, f"{key} -> {target}"
        for asset in document.get("assets", {}).values():
            self._check(key, asset)

    def _check(self, key: str, asset: dict[str, Any]) -> None:
        target = _target(key, asset["href"])
        entry = self._store.stat(target)
        assert entry is not None, f"{key} -> {target}"
        if "file:size" in asset:
            content = self._store.read(target) or b""
            assert len(content) == asset["file:size"], f"{key} -> {target}"
            assert f"1220{sha256(content).hexdigest()}" == asset["file:checksum"], target


def _refuse(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


def _target(key: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(key), href))
