"""A catalog of many Items with synthetic metadata and no pixels, to see how catalogs grow."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase

from stacgen import bands, item, stac, tiles
from stacgen.errors import UsageError
from stacgen.layout import CollectionPlace, Pass
from stacgen.models import (
    Footprint,
    Frame,
    Grid,
    Reflectance,
    Statistics,
    StoredFile,
    Stream,
    Timeline,
    item_ids,
)
from stacgen.pipeline.commit import Filing, commit
from stacgen.pipeline.finish import finish
from stacgen.store.folder import Folder

YEARLY = 146
_A_TILE = 96
"""Streams: twelve bands, eight years."""

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = item.Source()
SOFTWARE = {"stacgen": "0.1.0"}
PIXELS = item.Pixels(
    statistics=Statistics(
        minimum=1001, maximum=9999, mean=2749.5, stddev=721.6, count=3257400, valid_percent=97.26
    ),
    footprint=Footprint(
        geometry={
            "type": "Polygon",
            "coordinates": [
                [
                    [-11.782817, 14.456375],
                    [-11.770935, 13.464734],
                    [-10.757275, 13.47387],
                    [-10.764817, 14.466212],
                    [-11.782817, 14.456375],
                ]
            ],
        },
        bbox=(-11.782817, 13.464734, -10.757275, 14.466212),
    ),
    reflectance=Reflectance.of("05.11"),
    saturated=0,
    clean_nodata=None,
    cleaned=0,
    cog=StoredFile(size=4_000_000, sha256="ab" * 32),
    thumbnail=StoredFile(size=50_000, sha256="cd" * 32),
    thumbnail_shape=(458, 458),
)


def streams(count: int) -> Iterator[Stream]:
    """So many streams of one tile after another, twelve bands and years from 2019 on."""
    each = (stream(tile, number) for tile in real_tiles() for number in range(_A_TILE))
    yield from islice(each, count)


def real_tiles() -> Iterator[tiles.TileId]:
    """Tiles of the grid, zone by zone in latitude band P."""
    for zone, column, row in product(range(1, 61), ascii_uppercase, ascii_uppercase):
        with suppress(UsageError):
            yield tiles.parse(f"{zone:02}P{column}{row}")


def stream(tile: tiles.TileId, number: int) -> Stream:
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


def grid(each: Stream) -> Grid:
    """A grid for a stream; all of them the same but for the resolution."""
    return Grid(
        epsg=32629,
        left=199980,
        top=1600020,
        resolution=each.band.resolution,
        size=each.band.size,
    )


def publish(each: Stream, store: Folder, numbers: range) -> set[Pass]:
    """Write Items of a stream and file them, as a build does; of these it will make scenes."""
    ground = grid(each)
    ids = item_ids(each)
    place = CollectionPlace(tile=each.tile, band=each.band)
    documents = [
        item.build(
            each,
            each.frames[n],
            ground,
            PIXELS,
            item_id=ids[n],
            source=SOURCE,
            software=SOFTWARE,
            now=NOW,
        )
        for n in numbers
    ]
    store.write_all(
        (place.item(document["id"], each.year).key, stac.to_bytes(document), stac.GEOJSON)
        for document in documents
    )
    filing = Filing(place=place, grid=ground, scale=0.0001, is_sample=False, base_url=None)
    commit(documents, filing, store)
    return {Pass.of(document["id"]) for document in documents}


def grow_catalog(folder: Path, items: int) -> Iterator[tuple[str, str, str]]:
    """Write a catalog, then one frame more; how long, how much memory, how many files."""
    root = folder / "many"
    store = Folder(root)
    count = max(1, items // YEARLY)
    last = next(iter(streams(1)))
    begin = time.perf_counter()
    touched: set[Pass] = set()
    for number, each in enumerate(streams(count)):
        touched |= publish(each, store, range(YEARLY - 1 if number == 0 else YEARLY))
    wall = time.perf_counter() - begin
    written = count * YEARLY - 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    yield (
        f"catalog of {written:,} Items",
        f"{written / wall:,.0f} Items/s",
        f"{wall:.1f} s, peak memory {peak / 1e6:.0f} MB",
    )
    begin = time.perf_counter()
    finish(touched, store, is_sample=False)
    wall = time.perf_counter() - begin
    yield (
        f"their {len(touched):,} scenes",
        f"{written / wall:,.0f} Items/s",
        f"{wall:.1f} s",
    )
    before = stamps(root)
    begin = time.perf_counter()
    finish(publish(replace(last), store, range(YEARLY - 1, YEARLY)), store, is_sample=False)
    wall = time.perf_counter() - begin
    changed = len(set(stamps(root).items()) - set(before.items()))
    yield "one frame more", f"{wall:.3f} s", f"{changed} files changed"


def stamps(root: Path) -> dict[Path, int]:
    """Files and when they were written."""
    return {path: path.stat().st_mtime_ns for path in root.rglob("*.json")}


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        for row in grow_catalog(Path(name), int(sys.argv[1])):
            print(*row, sep=" | ")  # noqa: T201 - the point
