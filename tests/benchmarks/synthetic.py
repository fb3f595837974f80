"""A catalog of many Items with synthetic metadata and no pixels, to see how catalogs grow."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from string import ascii_uppercase

from stacgen.catalog import root as root_documents
from stacgen.catalog.commit import Filing
from stacgen.catalog.journal import Journal
from stacgen.catalog.pending import PendingChanges
from stacgen.errors import UsageError
from stacgen.io.folder import Folder
from stacgen.model import bands, mgrs, tile_lookup
from stacgen.model.raster import Footprint, Reflectance, Statistics, StoredFile
from stacgen.model.stream import Frame, Grid, Stream, Timeline, item_ids
from stacgen.stac import item, stac_json
from stacgen.stac.layout import CollectionPlace

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # as the command does

YEARLY = 146
_A_TILE = 96
"""Streams: twelve bands, eight years."""

_MORE = 3
"""Frames that are added at the end, one by one."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOFTWARE = {"stacgen": "0.1.0"}
PIXELS = item.Pixels(
    statistics=(
        Statistics(
            minimum=1001,
            maximum=9999,
            mean=2749.5,
            stddev=721.6,
            count=3257400,
            valid_percent=97.26,
        ),
    ),
    footprint=Footprint(geometry={}, bbox=(0, 0, 0, 0)),
    reflectance=Reflectance.of("05.11"),
    saturated=0,
    clean_nodata="auto",
    cleaned=0,
    cog=StoredFile(size=4_000_000, sha256="ab" * 32),
    thumbnail=StoredFile(size=50_000, sha256="cd" * 32),
    thumbnail_shape=(458, 458),
)


def real_tiles() -> Iterator[mgrs.TileId]:
    """Tiles of the grid, zone by zone in latitude band P; none across the antimeridian."""
    for zone, column, row in product(range(2, 60), ascii_uppercase, ascii_uppercase):
        with suppress(UsageError):
            yield mgrs.parse(f"{zone:02}P{column}{row}")


def stream(tile: mgrs.TileId, number: int) -> Stream:
    """The stream of a tile by its number among the 96 of eight years."""
    band = list(bands.BANDS.values())[number // 8 % 12]
    start = datetime(2019 + number % 8, 1, 1, 11, 21, 9, tzinfo=UTC)
    frames = tuple(
        Frame(
            number=index,
            sensing_time=start + timedelta(days=2.4 * index),
            baseline="05.11",
            scale=2.5,
            offset=0.0,
            cloud_cover=float(index % 100),
            nodata_percentage=2.7,
        )
        for index in range(YEARLY)
    )
    return Stream(
        tile=tile,
        band=band,
        year=start.year,
        playlist_url="https://dunia.example/stream.m3u8",
        frames=frames,
        timeline=Timeline(origin=Fraction("1.4")),
    )


@lru_cache(maxsize=1)
def footprint(tile: mgrs.TileId) -> Footprint:
    """The box around a tile, at its place."""
    west, south, east, north = box = tile_lookup.bounds_in_degrees(tile)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return Footprint(geometry={"type": "Polygon", "coordinates": [ring]}, bbox=box)


def grid(each: Stream) -> Grid:
    """A grid for a stream; all of them the same but for the resolution."""
    return Grid(
        epsg=32629,
        left=199980,
        top=1600020,
        resolution=each.band.resolution,
        size=each.band.size,
    )


def publish(each: Stream, store: Folder, pending: PendingChanges, numbers: range) -> None:
    """Write Items of a stream and file them, as a build does."""
    ground = grid(each)
    ids = item_ids(each)
    place = CollectionPlace(tile=each.tile, band=each.band)
    documents = [
        item.build(
            each,
            each.frames[n],
            ground,
            replace(PIXELS, footprint=footprint(each.tile)),
            item_id=ids[n],
            software=SOFTWARE,
            now=NOW,
        )
        for n in numbers
    ]
    store.write_all(
        (place.item(document["id"], each.year).key, stac_json.to_bytes(document), stac_json.GEOJSON)
        for document in documents
    )
    filing = Filing(place=place, grid=ground, scale=0.0001, is_sample=False, base_url=None)
    pending.link(documents, filing)


def publish_tile(root: Path, tile: mgrs.TileId, count: int) -> int:
    """So many of a tile's streams, each with all its frames; then tables, pages and scenes.

    Returns:
        The peak memory of this process, in bytes.
    """
    store = Folder(root)
    with Journal(store) as journal:
        pending = PendingChanges(store, journal)
        for number in range(count):
            each = stream(tile, number)
            journal.note(tile, [each.band.name])
            pending.settle(but=[CollectionPlace(tile=tile, band=each.band)])
            publish(each, store, pending, range(YEARLY))
        pending.settle()
        journal.finish()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def shares(streams: int, processes: int) -> list[int]:
    """How many streams each tile has, alike, so that no process is the last by a whole tile."""
    rounds = -(-streams // (_A_TILE * processes))
    count = min(streams, rounds * processes)
    return [streams // count + (number < streams % count) for number in range(count)]


def grow_catalog(folder: Path, items: int) -> Iterator[tuple[str, str, str]]:
    """Write a catalog, then one frame more; how long, how much memory, how many files.

    Tiles are written by as many processes as there are cores, as shards and Dask's workers do.
    """
    root = folder / "many"
    store = Folder(root)
    count = max(1, items // YEARLY)
    processes = os.cpu_count() or 1
    parts = shares(count, processes)
    begin = time.perf_counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        runs = [
            pool.submit(publish_tile, root, tile, each)
            for tile, each in zip(real_tiles(), parts, strict=False)
        ]
        peak = max(run.result() for run in runs)
    wall = time.perf_counter() - begin
    written = count * YEARLY
    yield (
        f"catalog of {written:,} Items with tables, pages and scenes, {processes} processes",
        f"{written / wall:,.0f} Items/s",
        f"{wall:.1f} s, peak memory of each {peak / 1e6:.0f} MB",
    )
    begin = time.perf_counter()
    root_documents.rebuild(store)
    wall = time.perf_counter() - begin
    size = (root / "collections.parquet").stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    yield (
        "table and page of the root",
        f"{wall:.2f} s",
        f"{size / 1e6:.1f} MB, peak memory {peak / 1e6:.0f} MB",
    )
    PendingChanges.load()  # as a build does while its frames are made
    mark = now(folder)
    walls = [one_more(store, 0)]
    files = changed(root, mark)
    walls += [one_more(store, number) for number in range(1, _MORE)]
    yield (
        "one frame more",
        f"{sorted(walls)[_MORE // 2]:.2f} s",
        f"median of {_MORE}; {files} files changed",
    )


def one_more(store: Folder, number: int) -> float:
    """One frame more in the first stream; how long that takes, in seconds.

    Args:
        store: Holds the catalog.
        number: Of frames that were put there before.
    """
    first = stream(next(real_tiles()), 0)
    extra = tuple(
        replace(
            first.frames[-1],
            number=YEARLY + each,
            sensing_time=datetime(2019, 12, 31, 11, 21, 9 + each, tzinfo=UTC),
        )
        for each in range(number + 1)
    )
    begin = time.perf_counter()
    with Journal(store) as journal:
        pending = PendingChanges(store, journal)
        journal.note(first.tile, [first.band.name])
        more = replace(first, frames=(*first.frames, *extra))
        publish(more, store, pending, range(YEARLY + number, YEARLY + number + 1))
        pending.close()
        journal.finish()
    return time.perf_counter() - begin


def now(folder: Path) -> int:
    """The time by the clock that stamps files, in nanoseconds; none made before has it."""
    time.sleep(0.05)
    (folder / "now").touch()
    return (folder / "now").stat().st_mtime_ns


def changed(root: Path, since: int) -> int:
    """How many files were written since then."""
    paths = (os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names)  # noqa: PTH118 - a million of them
    return sum(os.stat(path).st_mtime_ns >= since for path in paths)  # noqa: PTH116 - same


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for row in grow_catalog(Path(name), int(sys.argv[1])):
            print(*row, sep=" | ")  # noqa: T201 - the point
